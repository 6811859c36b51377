//! What the service layer needs from outside. Each port has an adapter for AWS and one in memory.

use std::fmt;
use std::time::Duration;

use domain::{BatchRef, NewBatch, OrderId, OrderLine, Placed, Position, Product, Sku};

use crate::outbox::Message;
use crate::{Call, CorrelationId, Figures, Source};

/// Names one attempt to commit, so that a writer whose reply was lost can recognise its own commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitId(pub u64);

impl fmt::Display for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// A product as of its last commit.
#[derive(Clone, Debug)]
pub struct Head {
    /// All batches with free stock, and the one that was asked for.
    pub product: Product,
    /// The last commit's id.
    pub commit: CommitId,
}

/// What to read for a command.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// The product of this line, and where the line stands.
    Line(&'a OrderLine),
    /// The product of these lines, which are of one SKU, and where each of them stands.
    Lines(&'a Sku, &'a [OrderLine]),
    /// The product this batch would belong to, and whatever batch has its reference already.
    NewBatch(&'a NewBatch),
    /// The batch of this reference, and its product.
    Batch(&'a BatchRef),
}

/// What was read for a command.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The product; none before its first batch.
    pub head: Option<Head>,
    /// The lines that were asked for, as far as they have a place.
    pub lines: Vec<Placed>,
    /// The batch as it was announced, if one was asked for and it exists.
    pub announced: Option<NewBatch>,
}

/// One commit: all of it happens, or nothing.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// Names this attempt.
    pub id: CommitId,
    /// The product that was read; none before its first batch. It must still be the stored one.
    pub before: Option<&'a Product>,
    /// The product with its change, its events and its moves. Each moved line must still be where it was.
    pub after: &'a Product,
    /// The batch that this commit adds. Its reference must still be free.
    pub announced: Option<&'a NewBatch>,
    /// Lines that this commit turns away. They must still have no place.
    pub absent: &'a [OrderLine],
    /// What asked for it. Its events carry this on.
    pub correlation: &'a CorrelationId,
}

impl Snapshot {
    /// Where a line stands that was asked for.
    #[must_use]
    pub fn position(&self, line: &OrderLine) -> Option<&Position> {
        self.lines.iter().find(|placed| placed.line == *line).map(|placed| &placed.position)
    }
}

/// Why a store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another commit came first; nothing was changed. If the head alone was in the way, the store may hand back
    /// what it is now.
    #[error("another change came first")]
    Conflict(Option<Box<Head>>),
    /// Throttled, timed out or out of reach. A commit may have taken effect all the same.
    #[error("the store does not answer")]
    Unavailable(#[source] Source),
    /// What trying again does not mend.
    #[error("the store failed")]
    Fault(#[source] Source),
}

/// The repository of products.
pub trait Products: Send + Sync {
    /// Reads what a command needs, as of the last commit.
    fn find(&self, wanted: Wanted<'_>) -> impl Future<Output = Result<Snapshot, StoreError>> + Send;

    /// All lines of a SKU that wait. May lag behind the last commits.
    fn waiting_lines(&self, sku: &Sku) -> impl Future<Output = Result<Vec<Placed>, StoreError>> + Send;

    /// A batch's lines, newest first: as many as hold these pieces, but no more than `at_most`. May lag behind
    /// the last commits.
    fn newest_lines(
        &self,
        batch: &BatchRef,
        pieces: u32,
        at_most: usize,
    ) -> impl Future<Output = Result<Vec<Placed>, StoreError>> + Send;

    /// Commits, or changes nothing.
    fn commit(&self, commit: Commit<'_>) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl<S: Products> Products for &S {
    async fn find(&self, wanted: Wanted<'_>) -> Result<Snapshot, StoreError> {
        (**self).find(wanted).await
    }

    async fn waiting_lines(&self, sku: &Sku) -> Result<Vec<Placed>, StoreError> {
        (**self).waiting_lines(sku).await
    }

    async fn newest_lines(&self, batch: &BatchRef, pieces: u32, at_most: usize) -> Result<Vec<Placed>, StoreError> {
        (**self).newest_lines(batch, pieces, at_most).await
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        (**self).commit(commit).await
    }
}

/// Takes lines whose clients need not be told what becomes of them, to be allocated soon.
pub trait LineQueue: Send + Sync {
    /// Puts a line on the queue. One that is put twice is allocated once.
    fn put(&self, line: &OrderLine, call: &Call) -> impl Future<Output = Result<(), Source>> + Send;
}

/// The read side.
pub trait AllocationsView: Send + Sync {
    /// The lines of an order that have a batch, in the order of SKU and quantity.
    fn allocations(&self, orderid: &OrderId) -> impl Future<Output = Result<Vec<(Sku, BatchRef)>, StoreError>> + Send;
}

/// What became of an attempt to claim an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is the caller's to handle until its lease ends.
    Granted,
    /// Somebody else's lease runs still.
    Held,
    /// It was handled before.
    Finished,
}

/// Remembers which events were handled, since queues deliver some of them twice.
pub trait Inbox: Send + Sync {
    /// Claims an event for the length of a lease. A claimant whose reply was lost is recognised when it asks again.
    fn claim(
        &self,
        id: &str,
        claimant: u64,
        now: Timestamp,
        lease: Duration,
    ) -> impl Future<Output = Result<Claim, StoreError>> + Send;

    /// Marks a claimed event as handled.
    fn finish(&self, id: &str, now: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A topic that subscribers listen to did not take all messages.
#[derive(Debug, thiserror::Error)]
#[error("the topic refused message {first} of a batch")]
pub struct PublishError {
    /// The first message, counted from zero, that may not have been published.
    pub first: usize,
    /// Why.
    #[source]
    pub source: Source,
}

/// Announces events to the world.
pub trait Publisher: Send + Sync {
    /// Most messages in one call.
    const BATCH: usize;

    /// Publishes up to [`Self::BATCH`] messages.
    fn publish(&self, messages: &[Message]) -> impl Future<Output = Result<(), PublishError>> + Send;
}

/// A mail to the buyers' desk. Sender and recipient are the mailer's to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// Sends mail.
pub trait Mailer: Send + Sync {
    /// Hands a mail over for delivery.
    fn send(&self, mail: &Mail) -> impl Future<Output = Result<(), Source>> + Send;
}

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(milliseconds))
    }

    /// How long ago `earlier` was; nothing, if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Time, chance, and who keeps count, so that tests can own all three.
pub trait Environment: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Lets time pass.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// A number drawn evenly from all of them.
    fn random(&self) -> u64;

    /// Takes note of what came of a call.
    fn record(&self, call: &Call, figures: &Figures);
}
