//! Where lines stand, how they move, and how much of that one commit can hold.

use serde::{Deserialize, Serialize};

use crate::{BatchRef, Event, OrderLine, Sku, Version};

/// Where a promised line stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// On this batch.
    Batch(BatchRef),
    /// It lost its batch and waits for the next stock.
    Waiting,
}

/// A place, and the version of the product at which the line got there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Where the line is.
    pub place: Place,
    /// Since which commit: older lines have smaller versions.
    pub since: Version,
}

/// A promised line where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Placed {
    /// The line.
    pub line: OrderLine,
    /// Where it is.
    pub position: Position,
}

/// A line that a change puts somewhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The line.
    pub line: OrderLine,
    /// Where it was; nowhere, if it is new.
    pub from: Option<Position>,
    /// Where it goes; it is there since the version that the change makes.
    pub to: Place,
}

/// The lines of a product that wait: how many, and the sum of the versions since which they do. A list that agrees
/// in both is complete, also if it comes from an index that may lag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// How many lines wait.
    pub lines: u32,
    /// The sum of the versions at which they began to.
    pub since: u64,
}

impl Waiting {
    /// What a list of waiting lines adds up to.
    #[must_use]
    pub fn of(lines: &[Placed]) -> Self {
        lines.iter().fold(Self::default(), |sum, placed| sum.with(placed.position.since))
    }

    pub(crate) fn with(self, since: Version) -> Self {
        Self { lines: self.lines.saturating_add(1), since: self.since.wrapping_add(since.0) }
    }

    pub(crate) fn without(self, since: Version) -> Self {
        Self { lines: self.lines.saturating_sub(1), since: self.since.wrapping_sub(since.0) }
    }
}

/// The answer to a line that asks for a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// It has one, on this batch.
    Allocated(BatchRef),
    /// No batch has enough pieces left.
    OutOfStock,
}

/// Whether a change of quantity is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left to do.
    Done,
    /// More lines must give way than one commit holds; the same change, applied again, goes on.
    More,
}

/// A product can't take one more batch with free stock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sku {sku} has as many batches with free stock as one product holds")]
pub struct TooManyBatches {
    /// The product.
    pub sku: Sku,
}

/// What one commit can hold. Rules stop before it is spent and go on in the next commit.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Stored items beside the product and the batch that the command names.
    pub items: usize,
    /// Bytes of events.
    pub event_bytes: usize,
}

impl Budget {
    /// Takes the cost of one step, or nothing at all when it is too much.
    pub(crate) fn spend(&mut self, items: usize, events: &[&Event]) -> bool {
        let bytes = events.iter().fold(0_usize, |sum, event| sum.saturating_add(event.size()));
        let (Some(items), Some(event_bytes)) = (self.items.checked_sub(items), self.event_bytes.checked_sub(bytes))
        else {
            return false;
        };
        *self = Self { items, event_bytes };
        true
    }
}
