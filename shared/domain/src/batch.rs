//! A batch: a quantity of one SKU, in the warehouse or on its way.

use serde::{Deserialize, Serialize};

use crate::{BatchRef, Eta, OrderLine, Quantity, Revision, Sku};

/// A batch as it was added. Adding the same again is no change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBatch {
    /// Its reference. Batches of several SKUs may share it, one of each: a container, a lot.
    #[serde(rename = "ref")]
    pub reference: BatchRef,
    /// What it holds.
    pub sku: Sku,
    /// How many pieces.
    pub qty: Quantity,
    /// When it is expected; none for stock in the warehouse.
    #[serde(default)]
    pub eta: Option<Eta>,
}

/// A batch as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its reference.
    pub reference: BatchRef,
    /// What it holds.
    pub sku: Sku,
    /// When it is expected; none for stock in the warehouse.
    pub eta: Option<Eta>,
    /// All the pieces it ever held. Never less than `allocated` and `shipped` together.
    pub purchased: u32,
    /// The pieces that are bound to lines, and still there.
    pub allocated: u32,
    /// The pieces that went to customers.
    pub shipped: u32,
    /// The newest change of its quantity that it holds; none before the first.
    pub revision: Option<Revision>,
    /// What that change counted, if it counted what lies on the shelf.
    pub on_hand: Option<u32>,
    /// The newest change of its ETA that it holds; none before the first.
    pub eta_revision: Option<Revision>,
}

impl Batch {
    /// Pieces that no line has yet.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.purchased.saturating_sub(self.bound())
    }

    /// Pieces that are some line's, shipped or not.
    #[must_use]
    pub fn bound(&self) -> u32 {
        self.allocated.saturating_add(self.shipped)
    }

    /// Whether it has free stock. The others are full.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.free() > 0
    }

    /// Whether a line may be bound to this batch: the same SKU, and enough pieces left.
    #[must_use]
    pub fn can_allocate(&self, line: &OrderLine) -> bool {
        self.sku == line.sku && self.free() >= line.qty.get()
    }

    /// The order in which batches are used: the warehouse first, then the earliest ETA, then the reference, so
    /// that equal stock gives equal answers. (`None` sorts before every date.)
    pub(crate) fn preference(&self) -> (Option<Eta>, &BatchRef) {
        (self.eta, &self.reference)
    }

    pub(crate) fn take(&mut self, pieces: Quantity) {
        self.allocated = self.allocated.saturating_add(pieces.get());
        debug_assert!(self.bound() <= self.purchased, "{} is oversold", self.reference);
    }

    /// Of a line that was read before its product, and has left since, the batch may have no pieces any more. What comes
    /// of that is not committed, as the line is not where it was.
    pub(crate) fn give_back(&mut self, pieces: Quantity) {
        self.allocated = self.allocated.saturating_sub(pieces.get());
    }

    pub(crate) fn ship(&mut self, pieces: Quantity) {
        self.give_back(pieces);
        self.shipped = self.shipped.saturating_add(pieces.get());
    }
}

impl From<NewBatch> for Batch {
    fn from(new: NewBatch) -> Self {
        Self {
            reference: new.reference,
            sku: new.sku,
            eta: new.eta,
            purchased: new.qty.get(),
            allocated: 0,
            shipped: 0,
            revision: None,
            on_hand: None,
            eta_revision: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch_and_line(sku: &str, batch_qty: u32, line_qty: u32) -> (Batch, OrderLine) {
        let batch = NewBatch {
            reference: "batch-001".try_into().unwrap(),
            sku: sku.try_into().unwrap(),
            qty: batch_qty.try_into().unwrap(),
            eta: None,
        };
        let (orderid, sku) = ("order-123".try_into().unwrap(), sku.try_into().unwrap());
        let line = OrderLine::unnamed(orderid, sku, line_qty.try_into().unwrap());
        (batch.into(), line)
    }

    #[test]
    fn can_allocate_if_available_greater_than_required() {
        let (batch, line) = batch_and_line("ELEGANT-LAMP", 20, 2);
        assert!(batch.can_allocate(&line));
    }

    #[test]
    fn cannot_allocate_if_available_smaller_than_required() {
        let (batch, line) = batch_and_line("ELEGANT-LAMP", 2, 20);
        assert!(!batch.can_allocate(&line));
    }

    #[test]
    fn can_allocate_if_available_equal_to_required() {
        let (batch, line) = batch_and_line("ELEGANT-LAMP", 2, 2);
        assert!(batch.can_allocate(&line));
    }

    #[test]
    fn cannot_allocate_if_skus_do_not_match() {
        let (batch, _) = batch_and_line("UNCOMFORTABLE-CHAIR", 100, 1);
        let (_, line) = batch_and_line("EXPENSIVE-TOASTER", 1, 10);
        assert!(!batch.can_allocate(&line));
    }

    #[test]
    fn allocating_to_a_batch_reduces_the_available_quantity() {
        let (mut batch, line) = batch_and_line("SMALL-TABLE", 20, 2);
        batch.take(line.qty);
        assert_eq!(batch.free(), 18);
        batch.give_back(line.qty);
        assert_eq!(batch.free(), 20);
    }

    #[test]
    fn a_batch_is_open_until_its_last_piece_is_taken() {
        let (mut batch, line) = batch_and_line("SMALL-TABLE", 3, 2);
        batch.take(line.qty);
        assert!(batch.is_open());
        batch.take(1.try_into().unwrap());
        assert!(!batch.is_open());
    }
}
