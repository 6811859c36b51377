//! The repository of products: what a command reads, what it lists, and what it commits.

mod asking;
mod found;
mod listing;

use std::fmt;

use domain::{Event, LastPut, LineId, OrderId, Part, Product};

pub use asking::{Asked, Asking, AskingId, Asks, Look, Origins, Seen, Turn};
pub(crate) use found::A_CROWD;
pub use found::{Found, ReadSet, Stored, is_crowd};
pub use listing::{Listing, Needed};

use crate::ports::Timestamp;
use crate::{CorrelationId, Source};

/// The repository of products.
pub trait Products: Send + Sync {
    /// Reads what a command needs, as of the last commits. What is found is closed, see [`Found`].
    fn find(&self, wanted: &ReadSet) -> impl Future<Output = Result<Found, StoreError>> + Send;

    /// Lists parts from an index, which may lag behind the last commits: whether it did, [`Listing::is_complete`]
    /// tells.
    fn list(&self, listing: &Listing) -> impl Future<Output = Result<Vec<Part>, StoreError>> + Send;

    /// Commits, or changes nothing.
    fn commit(&self, commit: Commit<'_>) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl<S: Products> Products for &S {
    async fn find(&self, wanted: &ReadSet) -> Result<Found, StoreError> {
        (**self).find(wanted).await
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Part>, StoreError> {
        (**self).list(listing).await
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        (**self).commit(commit).await
    }
}

/// Names one attempt to commit, so that a writer whose reply was lost can recognise its own commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitId(pub u64);

impl fmt::Display for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// One commit: all of it happens, or nothing.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// Names this attempt.
    pub id: CommitId,
    /// The products that it changes.
    pub products: &'a [Changed<'a>],
    /// The orders that it cancels, whether or not they were before.
    pub cancelled: &'a [OrderId],
    /// Orders that nobody read, see [`Found::unread`].
    pub unread: &'a [OrderId],
    /// What is wanted of an order as a whole.
    pub put: Option<&'a Put>,
    /// Lines that do not move, and must still be where they were found.
    pub kept: &'a [Part],
    /// Lines that asked when they were read. Whatever it does with one of them, it still must be so asking; and of no
    /// other line that has no place anybody may ask.
    pub asking: &'a [Asking],
    /// Those that ask no more from then on, though they get no place.
    pub dismissed: &'a [Asking],
    /// What asked for it. Its events carry this on,
    pub correlation: &'a CorrelationId,
    /// but for those of lines that came of something else.
    pub origins: &'a Origins,
    /// When it is made. Its events tell it.
    pub at: Timestamp,
}

impl<'a> Commit<'a> {
    /// One that changes nothing yet.
    #[must_use]
    pub fn new(id: CommitId, correlation: &'a CorrelationId, origins: &'a Origins, at: Timestamp) -> Self {
        let (products, cancelled, unread, asking, dismissed) = (&[], &[], &[], &[], &[]);
        Self { id, products, cancelled, unread, put: None, kept: &[], asking, dismissed, correlation, origins, at }
    }

    /// What one of its events came of.
    #[must_use]
    pub fn correlation_of(&self, event: &Event) -> &'a CorrelationId {
        let origin = event.line().and_then(|line| self.origins.get(&line.id()));
        origin.unwrap_or(self.correlation)
    }

    /// A line without a place, if it is to be found asking.
    #[must_use]
    pub fn asking(&self, line: &LineId) -> Option<&'a Asking> {
        self.asking.iter().find(|asking| line.names(&asking.line))
    }

    /// Whether a line asks no more, though it gets no place.
    #[must_use]
    pub fn dismisses(&self, line: &LineId) -> bool {
        self.dismissed.iter().any(|asking| line.names(&asking.line))
    }
}

/// What is wanted of an order from a commit on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The order.
    pub orderid: OrderId,
    /// The commit of what was wanted before. No other may have come since.
    pub before: Option<CommitId>,
    /// What is wanted from then on.
    pub now: LastPut,
}

/// What was last wanted of an order, and by which commit it got that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPut {
    /// What was wanted.
    pub put: LastPut,
    /// The commit.
    pub commit: CommitId,
}

/// A product's part in a commit.
#[derive(Clone, Copy, Debug)]
pub struct Changed<'a> {
    /// The product that was read; none before its first batch. It must still be the stored one.
    pub before: Option<&'a Product>,
    /// The product with its change, its events, its moves and the batches it adds. Each moved line must still be where
    /// it was, and no batch of its SKU may have the reference of one that is added.
    pub after: &'a Product,
}

/// Why a store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another commit came first; nothing was changed. If products alone were in the way, the store may hand back those
    /// that were, as they are now.
    #[error("another change came first")]
    Conflict(Vec<Stored>),
    /// Throttled, timed out or out of reach. A commit may have taken effect all the same.
    #[error("the store does not answer")]
    Unavailable(#[source] Source),
    /// What trying again does not mend.
    #[error("the store failed")]
    Fault(#[source] Source),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commits_id_is_written_in_sixteen_digits() {
        assert_eq!(CommitId(255).to_string(), "00000000000000ff");
    }
}
