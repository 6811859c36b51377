//! What a caller of the message bus can be told.

use domain::Refusal;

use crate::store::StoreError;

/// The reason behind an error that callers only report.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

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
