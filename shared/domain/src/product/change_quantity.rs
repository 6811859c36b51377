//! The warehouse says how large a batch really is. Where that is less than what is allocated, lines give way.

use super::Product;
use crate::{Batch, BatchRef, Budget, Event, Part, Refusal, Revision, Step};

/// The warehouse's word on how large a batch is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeBatchQuantity {
    /// Which batch.
    pub reference: BatchRef,
    /// How many pieces.
    pub counted: Counted,
    /// Newer changes win over older ones, whatever order they arrive in.
    pub revision: Revision,
}

/// How many pieces a batch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// All that it ever held, those included that were shipped; zero when it never arrived. What is less than was
    /// shipped counts as that.
    Purchased(u32),
    /// Those that lie on the shelf, so without those that were shipped.
    OnHand(u32),
}

impl Counted {
    /// What the batch must have held, all in all.
    fn purchased_of(self, batch: &Batch) -> u32 {
        match self {
            Self::Purchased(pieces) => pieces.max(batch.shipped),
            Self::OnHand(pieces) => pieces.saturating_add(batch.shipped),
        }
    }

    fn on_hand(self) -> Option<u32> {
        match self {
            Self::Purchased(_) => None,
            Self::OnHand(pieces) => Some(pieces),
        }
    }
}

impl ChangeBatchQuantity {
    /// Whether this change, and no other, gave the batch its quantity. (Of a count of the shelf, more may have been
    /// shipped since.)
    fn is_known_at(&self, batch: &Batch) -> bool {
        let same = match self.counted {
            Counted::Purchased(_) => batch.purchased == self.counted.purchased_of(batch) && batch.on_hand.is_none(),
            Counted::OnHand(pieces) => batch.on_hand == Some(pieces),
        };
        same && batch.revision == Some(self.revision)
    }
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The batch holds what the change says.
    Applied,
    /// It did so before: nothing was changed.
    Known,
    /// A newer change is known. Nothing was changed.
    Outdated,
    /// The same, but only because the batch has seen a version, and this change has none: whoever numbers its changes
    /// may have forgotten to.
    Unnumbered,
}

/// Why a change is not taken, if the batch holds a newer one.
pub(super) fn outdated(held: Option<Revision>, new: Revision) -> Option<ChangeOutcome> {
    match (held?, new) {
        (held, new) if held <= new => None,
        (Revision::Version(_), Revision::AsOf(_)) => Some(ChangeOutcome::Unnumbered),
        _ => Some(ChangeOutcome::Outdated),
    }
}

impl Product {
    /// What comes of a change without anything being changed; none, if it is to be carried out.
    ///
    /// # Errors
    /// When the batch is not known here.
    pub fn without_change_of_quantity(&self, change: &ChangeBatchQuantity) -> Result<Option<ChangeOutcome>, Refusal> {
        let batch = self.batch(&change.reference);
        let batch = batch.ok_or_else(|| Refusal::UnknownBatch(change.reference.clone()))?;
        let known = change.is_known_at(batch).then_some(ChangeOutcome::Known);
        Ok(outdated(batch.revision, change.revision).or(known))
    }

    /// How many pieces must be taken from lines before the batch is as small as the change says.
    #[must_use]
    pub fn shortfall(&self, change: &ChangeBatchQuantity) -> u32 {
        match self.batch(&change.reference) {
            Some(batch) if outdated(batch.revision, change.revision).is_none() => {
                batch.bound().saturating_sub(change.counted.purchased_of(batch))
            }
            _ => 0,
        }
    }

    /// Gives a batch its real quantity, unless a newer change did so before.
    ///
    /// Where that is less than what is allocated, lines give way: the youngest promises, and no more than needed
    /// (`youngest` holds the batch's lines in that order). What the last of them leaves over is offered to the lines
    /// that waited before, see [`Product::offer`]; then those that gave way get the preferred batch that can hold them,
    /// the oldest promise first, their own batch included, or else wait. When `youngest` or the budget ends too early,
    /// the quantity is lowered as far as these moves allow.
    ///
    /// # Errors
    /// When the product can hold no more batches with free stock. It is then to be dropped, changed in part.
    pub fn change_batch_quantity(
        &mut self,
        change: &ChangeBatchQuantity,
        youngest: &[Part],
        budget: &mut Budget,
    ) -> Result<Step<ChangeOutcome>, Refusal> {
        if let Some(outcome) = self.without_change_of_quantity(change)? {
            return Ok(Step::Finish(outcome));
        }
        let free_before = self.batch(&change.reference).map_or(0, Batch::free);
        let displaced = self.give_way(&change.reference, self.shortfall(change), youngest, budget);
        let Some(batch) = self.batch_mut(&change.reference) else {
            return Err(Refusal::UnknownBatch(change.reference.clone()));
        };
        let wanted = change.counted.purchased_of(batch);
        batch.purchased = wanted.max(batch.bound());
        batch.revision = Some(change.revision);
        let (purchased, free) = (batch.purchased, batch.free());
        batch.on_hand = change.counted.on_hand().filter(|_| purchased == wanted);
        if free_before == 0 && free > 0 {
            self.check_room_for(&change.reference)?;
        }
        self.pending.displaced = displaced;
        // Be it by a raise or because the last line to give way was a large one.
        if free > free_before {
            self.stock_came_free();
        }
        if !self.state.backlog {
            self.place_displaced();
        }
        self.record(Event::BatchQuantityChanged {
            batchref: change.reference.clone(),
            sku: self.sku().clone(),
            qty: purchased,
        });
        Ok(if purchased == wanted { Step::Finish(ChangeOutcome::Applied) } else { Step::GoOn })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::*;
    use crate::{Tally, Version};

    #[test]
    fn changes_available_quantity() {
        let mut product = product(&[batch("batch1", 100, None)]);
        let step = product.change_batch_quantity(&change("batch1", 50, 1), &[], &mut ample());
        assert_eq!(step, Ok(Step::Finish(ChangeOutcome::Applied)));
        assert_eq!(free(&product, "batch1"), 50);
        assert_eq!(story(&product), ["batch1 holds 50"]);
    }

    #[test]
    fn reallocates_if_necessary() {
        let mut product = product(&[batch("batch1", 50, None), batch("batch2", 50, Some("2011-01-01"))]);
        product.allocate(&line("order1", 20), &[]).unwrap();
        product.allocate(&line("order2", 20), &[]).unwrap();
        let mut product = product.committed();
        let youngest = [on("batch1", 9, line("order2", 20)), on("batch1", 8, line("order1", 20))];
        product.change_batch_quantity(&change("batch1", 25, 1), &youngest, &mut ample()).unwrap();
        assert_eq!(story(&product), ["20 of order2 off batch1", "20 of order2 on batch2", "batch1 holds 25"]);
        assert_eq!((free(&product, "batch1"), free(&product, "batch2")), (5, 30));
        assert_eq!(product.version(), Version(9), "one commit, whatever it did");
    }

    /// Ten pieces are wanted back; the youngest lines hold 2 and 9. The piece that is left over is in the batch that both
    /// were on.
    #[test]
    fn a_shrink_goes_as_far_as_its_budget() {
        let mut product = product(&[batch("batch1", 3, None)]);
        let orders = ["o1", "o2", "o3"];
        for orderid in orders {
            product.allocate(&line(orderid, 1), &[]).unwrap();
        }
        let mut product = product.committed();
        let youngest = [on("batch1", 10, line("o3", 1)), on("batch1", 9, line("o2", 1))];
        let mut budget = Budget { items: 1, ..ample() };
        let step = product.change_batch_quantity(&change("batch1", 1, 1), &youngest, &mut budget);
        assert_eq!(step, Ok(Step::GoOn));
        assert_eq!(story(&product), ["1 of o2 off batch1", "1 of o2 out of stock", "batch1 holds 2"]);

        let mut product = product.committed();
        let step = product.change_batch_quantity(&change("batch1", 1, 1), &youngest[..1], &mut ample());
        assert_eq!(step, Ok(Step::Finish(ChangeOutcome::Applied)));
        assert_eq!(story(&product), ["1 of o3 off batch1", "1 of o3 out of stock", "batch1 holds 1"]);
    }

    #[test]
    fn an_older_change_does_not_bring_back_its_quantity() {
        let mut product = product(&[batch("batch1", 100, None)]);
        product.change_batch_quantity(&change("batch1", 50, 2), &[], &mut ample()).unwrap();
        let mut product = product.committed();
        let mut outcome = |change| product.change_batch_quantity(&change, &[], &mut ample());
        assert_eq!(outcome(change("batch1", 70, 1)), Ok(Step::Finish(ChangeOutcome::Outdated)));
        assert_eq!(outcome(change("batch1", 50, 2)), Ok(Step::Finish(ChangeOutcome::Known)));
        assert!(product.events().is_empty(), "neither an older change nor the same again is a change");
        assert_eq!(free(&product, "batch1"), 50);
    }

    #[test]
    fn a_change_without_a_version_after_one_that_had_it_is_told_from_others_that_are_late() {
        let mut product = product(&[batch("batch1", 100, None)]);
        let numbered =
            |qty, version| ChangeBatchQuantity { revision: Revision::Version(version), ..change("batch1", qty, 0) };
        product.change_batch_quantity(&numbered(50, 2), &[], &mut ample()).unwrap();
        let mut product = product.committed();
        let mut outcome = |change| product.change_batch_quantity(&change, &[], &mut ample());
        assert_eq!(outcome(change("batch1", 70, 9)), Ok(Step::Finish(ChangeOutcome::Unnumbered)));
        assert_eq!(outcome(numbered(70, 1)), Ok(Step::Finish(ChangeOutcome::Outdated)));
        assert!(product.events().is_empty());
    }

    #[test]
    fn an_older_change_takes_no_pieces_from_lines() {
        let mut product = product(&[batch("batch1", 10, None)]);
        product.allocate(&line("o1", 9), &[]).unwrap();
        product.change_batch_quantity(&change("batch1", 10, 2), &[], &mut ample()).unwrap();
        assert_eq!(product.shortfall(&change("batch1", 5, 1)), 0);
        assert_eq!(product.shortfall(&change("batch1", 5, 3)), 4);
    }

    #[test]
    fn stock_that_comes_free_is_owed_to_lines_that_wait() {
        let owes = |waiting: u32, backlog: bool, qty: u32| {
            let tally = Tally { count: waiting, version_sum: waiting.into(), pieces: waiting.into() };
            let mut product = product_with_waiting(&[batch("batch1", 10, None)], tally);
            product.state.backlog = backlog;
            product.change_batch_quantity(&change("batch1", qty, 1), &[], &mut ample()).unwrap();
            product.has_backlog()
        };
        assert!(owes(1, false, 11));
        assert!(!owes(0, false, 11), "nobody waits");
        assert!(!owes(1, false, 10) && !owes(1, false, 9), "none came free");
        assert!(owes(1, true, 11) && owes(1, true, 9), "what was owed before is owed still");
    }

    #[test]
    fn a_full_batch_is_opened_only_if_there_is_room_for_it() {
        // All its pieces are allocated: it is none of the batches with free stock.
        let changed_beside = |open_batches: usize, qty: u32| {
            let mut product = product(&filling_batches(open_batches));
            let full = Batch { allocated: 10, ..batch(&"x".repeat(70), 10, None).into() };
            let reference = full.reference.to_string();
            product.include(full);
            product.change_batch_quantity(&change(&reference, qty, 1), &[], &mut ample())
        };
        let (applied, refused) = (Ok(Step::Finish(ChangeOutcome::Applied)), Err(Refusal::TooManyBatches(sku())));
        assert_eq!(changed_beside(999, 11), applied);
        assert_eq!(changed_beside(1_000, 11), refused);
        assert_eq!(changed_beside(1_000, 10), applied, "it stays full");
    }

    /// A batch of 10 with these pieces allocated and shipped.
    fn used(allocated: u32, shipped: u32) -> Product {
        let mut product = product(&[]);
        product.state.batches.push(Batch { allocated, shipped, ..batch("batch1", 10, None).into() });
        product
    }

    fn counted(counted: Counted, as_of: u64) -> ChangeBatchQuantity {
        ChangeBatchQuantity { counted, ..change("batch1", 0, as_of) }
    }

    #[test]
    fn what_lies_on_the_shelf_is_without_what_was_shipped() {
        let mut product = used(2, 5);
        let step = product.change_batch_quantity(&counted(Counted::OnHand(4), 1), &[], &mut ample());
        assert_eq!(step, Ok(Step::Finish(ChangeOutcome::Applied)));
        assert_eq!((story(&product), free(&product, "batch1")), (vec!["batch1 holds 9".to_owned()], 2));
    }

    #[test]
    fn a_count_of_the_shelf_that_comes_again_is_not_added_to_what_was_shipped_since() {
        let mut product = used(3, 5);
        let count = counted(Counted::OnHand(4), 1);
        product.change_batch_quantity(&count, &[], &mut ample()).unwrap();
        let mut product = product.committed();
        product.ship(&[&on("batch1", 3, line("o1", 3))]).unwrap();
        let mut product = product.committed();
        let again = product.change_batch_quantity(&count, &[], &mut ample());
        assert_eq!((again, free(&product, "batch1")), (Ok(Step::Finish(ChangeOutcome::Known)), 1));
        let same_time = product.change_batch_quantity(&counted(Counted::OnHand(3), 1), &[], &mut ample());
        assert_eq!((same_time, free(&product, "batch1")), (Ok(Step::Finish(ChangeOutcome::Applied)), 3));
    }

    #[test]
    fn a_quantity_below_what_was_shipped_counts_as_that() {
        let mut product = used(2, 5);
        assert_eq!(product.shortfall(&counted(Counted::Purchased(3), 1)), 2);
        let youngest = [on("batch1", 3, line("o1", 2))];
        let step = product.change_batch_quantity(&counted(Counted::Purchased(3), 1), &youngest, &mut ample());
        assert_eq!(step, Ok(Step::Finish(ChangeOutcome::Applied)));
        let told = ["2 of o1 off batch1", "2 of o1 out of stock", "batch1 holds 5"];
        assert_eq!(story(&product), told);
        let mut product = product.committed();
        let again = product.change_batch_quantity(&counted(Counted::Purchased(3), 1), &[], &mut ample());
        assert_eq!(again, Ok(Step::Finish(ChangeOutcome::Known)));
    }
}
