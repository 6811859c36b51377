//! What the service layer needs from outside, beside the store. Each port has an adapter for AWS and one in memory.

use std::cmp::Reverse;
use std::time::Duration;

pub use domain::Timestamp;
use domain::{Batch, BatchRef, LineId, NewBatch, OrderId, OrderLine, Part, PartId, Sku, Version};

use crate::outbox::Envelope;
use crate::store::StoreError;
use crate::{Call, Figures, Source};

/// Takes lines whose clients need not be told what becomes of them, to be allocated soon.
pub trait LineQueue: Send + Sync {
    /// Puts a line on the queue. One that is put twice is allocated once.
    fn put(&self, line: &OrderLine, call: &Call) -> impl Future<Output = Result<(), Source>> + Send;
}

/// Where a part comes in a list that is sorted by age: it keeps its place there for as long as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rank {
    /// The version of the product at which it was first promised.
    pub age: Version,
    /// Those of one age come by their names.
    pub part: PartId,
}

impl Rank {
    /// Where this part comes.
    #[must_use]
    pub fn of(part: &Part) -> Self {
        Self { age: part.age, part: part.id() }
    }
}

/// How a list of lines is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByAge {
    /// The oldest promise comes first.
    OldestFirst,
    /// The youngest promise comes first.
    YoungestFirst,
}

impl ByAge {
    /// The first of these parts after the one that is named. An index may have one twice, if it left and came back: it
    /// stands there since the later of the two.
    #[must_use]
    pub fn first(self, mut parts: Vec<Part>, after: Option<&Rank>, at_most: usize) -> Vec<Part> {
        parts.retain(|part| self.comes_after(part, after));
        parts.sort_by_cached_key(|part| {
            let Rank { age, part: id } = Rank::of(part);
            (self.sorted(age), id, Reverse(part.since))
        });
        parts.dedup_by(|one, other| one.id() == other.id());
        parts.truncate(at_most);
        parts
    }

    /// Whether a part comes after the one that is named.
    #[must_use]
    pub fn comes_after(self, part: &Part, after: Option<&Rank>) -> bool {
        let id = part.id();
        after.is_none_or(|after| (self.sorted(part.age), &id) > (self.sorted(after.age), &after.part))
    }

    /// A number that is smaller for what comes earlier.
    fn sorted(self, age: Version) -> u64 {
        match self {
            Self::OldestFirst => age.0,
            Self::YoungestFirst => u64::MAX.wrapping_sub(age.0),
        }
    }
}

/// Lists for whoever asks, as far as they are wanted: the first entries after the one that is named, `at_most` so many;
/// fewer only if there are no more.
pub trait Lists: Send + Sync {
    /// Lines of an order by SKU and name, whatever became of them: all parts of each. As of the last commits.
    fn of_order(
        &self,
        orderid: &OrderId,
        after: Option<&LineId>,
        at_most: usize,
    ) -> impl Future<Output = Result<OrderLines, StoreError>> + Send;

    /// The lines of a SKU that wait, the oldest promise first. From an index, which may lag behind the last commits.
    fn waiting(
        &self,
        sku: &Sku,
        after: Option<&Rank>,
        at_most: usize,
    ) -> impl Future<Output = Result<Vec<Part>, StoreError>> + Send;

    /// The lines on a batch, the youngest promise first. From an index, which may lag behind the last commits.
    fn on_batch(
        &self,
        sku: &Sku,
        reference: &BatchRef,
        after: Option<&Rank>,
        at_most: usize,
    ) -> impl Future<Output = Result<Vec<Part>, StoreError>> + Send;

    /// The batches with this reference by SKU, from this one on. As of their last commits.
    fn batches_of(
        &self,
        reference: &BatchRef,
        from: Option<&Sku>,
        at_most: usize,
    ) -> impl Future<Output = Result<Vec<StoredBatch>, StoreError>> + Send;
}

/// Knows which products have lines that are promised for a while only.
pub trait Holds: Send + Sync {
    /// Products that may have lines that are due at this time, those first that are due first. From an index, which may lag
    /// behind the last commits.
    fn due(&self, now: Timestamp, at_most: usize) -> impl Future<Output = Result<Vec<Sku>, StoreError>> + Send;
}

/// A batch as it is stored by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// As it was added.
    pub added: NewBatch,
    /// Its counters, if it is full. Those of an open one are its product's.
    pub full: Option<Batch>,
}

/// Lines of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderLines {
    /// Whether the order is cancelled. Only told beside its first lines.
    pub is_cancelled: bool,
    /// Lines that were promised, the parts of each together and in their order.
    pub parts: Vec<Part>,
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

    /// Publishes up to [`Self::BATCH`] events.
    fn publish(&self, envelopes: &[Envelope]) -> impl Future<Output = Result<(), PublishError>> + Send;
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

/// Time, chance and figures. Passed in, so that a test decides what time it is, what is drawn, and sees what was
/// counted.
pub trait Environment: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Lets time pass.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// A number drawn evenly from all of them.
    fn random(&self) -> u64;

    /// A number from zero to one, drawn as the others are.
    fn chance(&self) -> f64 {
        let drawn = u32::try_from(self.random() >> 32).unwrap_or(u32::MAX);
        f64::from(drawn) / f64::from(u32::MAX)
    }

    /// Whether a call is the first of its process, and so has paid for its start.
    fn is_cold_start(&self, _call: &Call) -> bool {
        false
    }

    /// Takes note of what came of a call.
    fn record(&self, call: &Call, figures: &Figures);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_an_index_has_twice_is_listed_once_as_it_is_now() {
        let part = |name: &str, age, since| {
            let line = OrderLine { name: name.try_into().unwrap(), ..testing::line("o1", "LAMP", 1) };
            Part { age: Version(age), since: Version(since), ..testing::waiting(line, 1) }
        };
        let (old, now, other) = (part("a", 3, 3), part("a", 3, 8), part("b", 3, 3));
        let parts = || vec![other.clone(), old.clone(), part("c", 5, 5), now.clone()];
        let both = [now.clone(), other.clone()];
        assert_eq!(ByAge::OldestFirst.first(parts(), None, 2), both);
        assert_eq!(ByAge::YoungestFirst.first(parts(), Some(&Rank::of(&part("c", 5, 5))), 9), both);
        assert_eq!(ByAge::OldestFirst.first(parts(), Some(&Rank::of(&now)), 1), [other]);
    }
}
