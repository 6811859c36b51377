//! The past: what events told, kept by a subscriber of its own, and what can be asked of it.
//!
//! Events come more than once and in any order, and some may be late or lost. So nothing here relies on what came
//! before: each is kept under its own version and number, and whoever reads counts whether all are there.

mod gaps;
mod views;

use std::ops::RangeInclusive;

use domain::{Event, LineId, OrderId, Sku, Version};

use crate::outbox::Envelope;
use crate::ports::Timestamp;
use crate::store::StoreError;

pub use gaps::Complete;
pub use views::{OrderHistory, OrderRank, Past, ProductHistory, Reached};

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The product that it is of.
    pub sku: Sku,
    /// The product's version since it.
    pub version: Version,
    /// Its place among the events of that version, counted from 1.
    pub number: u32,
    /// How many that version has.
    pub of: u32,
    /// The order of its line, if it is about one.
    pub orderid: Option<OrderId>,
    /// Its text: as it was published, and its correlation id.
    pub text: String,
}

/// An event that must be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// As it is kept.
    pub event: Recorded,
    /// What must lead from the order to it, since no line of the order does.
    pub mention: Option<Mention>,
    /// The time of its commit. It is forgotten so many days after that.
    pub at: Timestamp,
}

/// That something happened to an order, which its lines may not tell any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// To which line.
    pub line: LineId,
    /// At which version of its product.
    pub version: Version,
    /// What.
    pub what: Mentioned,
}

/// What of an order is mentioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mentioned {
    /// A line was refused, and not kept. It has no other past.
    Refused,
    /// A line was given back. If it is wanted again, it is a new promise, and does not know that it is older.
    Cancelled,
}

/// Why a text is no event that could be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvent {
    /// Its id does not end in its number.
    #[error("id: must be the sku, the version and a number from 1 on, with # between them, not {0:?}")]
    Id(String),
    /// It is not one of its version's events.
    #[error("of: must be the count of events of its version, so at least {number}, not {of}")]
    Of {
        /// The event's own number.
        number: u32,
        /// What it says.
        of: u32,
    },
}

impl Told {
    /// What is to be kept of an event, as this text.
    ///
    /// # Errors
    /// An event whose id is not made of its SKU, its version and its number.
    pub fn of(envelope: &Envelope, text: String) -> Result<Self, InvalidEvent> {
        let Envelope { event, id, version, of, at, .. } = envelope;
        let (sku, line) = (event.sku(), event.line());
        let number = id.strip_prefix(&format!("{sku}#{version}#")).and_then(|number| number.parse().ok());
        let number = number.filter(|number| *number > 0).ok_or_else(|| InvalidEvent::Id(id.clone()))?;
        if number > *of {
            return Err(InvalidEvent::Of { number, of: *of });
        }
        let mention = |what| Some(Mention { line: line?.id(), version: *version, what });
        let mention = mentioned(event).and_then(mention);
        let orderid = line.map(|line| line.orderid.clone());
        let event = Recorded { sku: sku.clone(), version: *version, number, of: *of, orderid, text };
        Ok(Self { event, mention, at: *at })
    }
}

/// Whether an order's lines may not lead to an event of it.
fn mentioned(event: &Event) -> Option<Mentioned> {
    match event {
        Event::OutOfStock { waiting: false, .. } => Some(Mentioned::Refused),
        Event::Cancelled { .. } => Some(Mentioned::Cancelled),
        Event::OutOfStock { waiting: true, .. }
        | Event::Allocated { .. }
        | Event::Confirmed { .. }
        | Event::HoldChanged { .. }
        | Event::Deallocated { .. }
        | Event::Shipped { .. }
        | Event::BatchCreated { .. }
        | Event::BatchQuantityChanged { .. }
        | Event::BatchEtaChanged { .. } => None,
    }
}

/// Keeps what happened.
pub trait History: Send + Sync {
    /// Most events in one call.
    const BATCH: usize;

    /// Keeps up to [`Self::BATCH`] events. One that is kept already stays as it is. Those that it had no room for at this
    /// moment come back.
    fn record(&self, events: Vec<Told>) -> impl Future<Output = Result<Vec<Told>, StoreError>> + Send;

    /// Events of these versions of a SKU, by version and number: the first so many, fewer only if there are no more. What
    /// was recorded a moment ago may not be seen.
    fn of_product(
        &self,
        sku: &Sku,
        versions: RangeInclusive<Version>,
        at_most: usize,
    ) -> impl Future<Output = Result<Vec<Recorded>, StoreError>> + Send;

    /// What is mentioned of an order, by SKU and version. What was recorded a moment ago may not be seen.
    fn mentions(&self, orderid: &OrderId) -> impl Future<Output = Result<Vec<Mention>, StoreError>> + Send;
}

#[cfg(test)]
mod tests {
    use domain::CancellationReason;
    use testing::line;

    use super::*;
    use crate::outbox::envelopes;

    fn published(event: Event) -> Envelope {
        let sku = event.sku().clone();
        envelopes(&sku, Version(7), Timestamp(1_925_035_200_678), vec![(event, None)]).remove(0)
    }

    fn refused() -> Event {
        Event::OutOfStock { line: line("o1", "LAMP", 2), waiting: false, line_qty: None }
    }

    #[test]
    fn what_no_line_leads_to_is_mentioned() {
        let mention = |event| Told::of(&published(event), String::new()).unwrap().mention;
        let of_line = |what| Some(Mention { line: line("o1", "LAMP", 2).id(), version: Version(7), what });
        assert_eq!(mention(refused()), of_line(Mentioned::Refused));
        let cancelled =
            Event::Cancelled { line: line("o1", "LAMP", 2), batchref: None, reason: CancellationReason::Edited };
        assert_eq!(mention(cancelled), of_line(Mentioned::Cancelled));
        assert_eq!(mention(Event::OutOfStock { line: line("o1", "LAMP", 2), waiting: true, line_qty: None }), None);
    }

    #[test]
    fn an_event_must_say_which_of_its_versions_it_is() {
        let envelope = published(refused());
        let told = Told::of(&envelope, "text".to_owned()).unwrap().event;
        assert_eq!((told.version, told.number, told.of, told.text.as_str()), (Version(7), 1, 1, "text"));
        for id in ["LAMP#7", "LAMP#7#0", "LAMP#8#1", "DESK#7#1", "LAMP#7#x"] {
            let wrong = Envelope { id: id.to_owned(), ..envelope.clone() };
            assert_eq!(Told::of(&wrong, String::new()), Err(InvalidEvent::Id(id.to_owned())));
        }
        let second = Envelope { id: "LAMP#7#2".to_owned(), ..envelope };
        assert_eq!(Told::of(&second, String::new()), Err(InvalidEvent::Of { number: 2, of: 1 }));
    }
}
