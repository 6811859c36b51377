//! What a caller of the message bus can be told.

use std::iter::successors;

use domain::Refusal;

use crate::store::StoreError;

/// The reason behind an error that callers only report.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a store did not answer, where it turned the call away: it came too soon after others.
#[derive(Debug, thiserror::Error)]
#[error("throttled: {by}")]
pub struct Throttled {
    /// The limit that was met, in the store's words, and of what. No more than an operator may read.
    pub by: String,
    /// What the store said.
    #[source]
    pub source: Source,
}

impl Throttled {
    /// The one among the causes of an error.
    pub(crate) fn behind(error: &Source) -> Option<&Self> {
        let first: &(dyn std::error::Error + 'static) = &**error;
        successors(Some(first), |&cause| cause.source()).find_map(|cause| cause.downcast_ref())
    }
}

/// Why a message was not handled. Nothing was changed, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules refuse it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Others were faster, every time. Of a change in several commits the first ones may be done: asking again
    /// goes on with the rest.
    #[error("too many others are changing the same product at this moment (tries: {tries})")]
    Contended {
        /// How often it was tried.
        tries: u32,
    },
    /// Something this service needs does not answer. A change may have been made: asking again is safe.
    #[error("temporarily unavailable")]
    Unavailable(#[source] Source),
    /// What asking again does not mend.
    #[error("internal error")]
    Fault(#[source] Source),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => Self::Contended { tries: 1 },
            StoreError::Unavailable(source) => Self::Unavailable(source),
            StoreError::Fault(source) => Self::Fault(source),
        }
    }
}
