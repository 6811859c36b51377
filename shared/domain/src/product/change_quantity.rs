//! The warehouse says how large a batch really is. Where that is less than what is allocated, lines give way.

use super::{Product, items_to_place, preferred};
use crate::{Batch, BatchRef, Budget, DeallocationReason, Event, OrderLine, Part, Place, Refusal, Revision, Step};

/// The warehouse's word on how large a batch is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeBatchQuantity {
    /// Which batch.
    pub reference: BatchRef,
    /// All the pieces it holds, whether allocated or not; zero when it never arrived.
    pub qty: u32,
    /// Newer changes win over older ones, whatever order they arrive in.
    pub revision: Revision,
}

impl ChangeBatchQuantity {
    /// Why a batch does not take the change, if it holds a newer one.
    fn outdated_by(&self, batch: &Batch) -> Option<ChangeOutcome> {
        match (batch.revision?, self.revision) {
            (held, new) if held <= new => None,
            (Revision::Version(_), Revision::AsOf(_)) => Some(ChangeOutcome::Unnumbered),
            _ => Some(ChangeOutcome::Outdated),
        }
    }

    fn is_known_at(&self, batch: &Batch) -> bool {
        batch.purchased == self.qty && batch.revision == Some(self.revision)
    }
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The batch holds what the change says; also if it did before.
    Applied,
    /// A newer change is known. Nothing was changed.
    Outdated,
    /// The same, but only because the batch has seen a version, and this change has none: whoever numbers its changes
    /// may have forgotten to.
    Unnumbered,
}

/// A line that gave way and found no other batch.
struct Displaced<'a> {
    part: &'a Part,
    deallocated: Event,
    out_of_stock: Event,
}

impl Product {
    /// How many pieces must be taken from lines before the batch is as small as the change says.
    #[must_use]
    pub fn shortfall(&self, change: &ChangeBatchQuantity) -> u32 {
        match self.batch(&change.reference) {
            Some(batch) if change.outdated_by(batch).is_none() => batch.allocated.saturating_sub(change.qty),
            _ => 0,
        }
    }

    /// Gives a batch its real quantity, unless a newer change did so before.
    ///
    /// Where that is less than what is allocated, lines give way, newest first and no more than needed
    /// (`newest` holds the batch's lines in that order). Each goes to the next preferred batch, or else waits.
    /// When `newest` or the budget ends too early, the quantity is lowered as far as these moves allow.
    ///
    /// # Errors
    /// When the product can hold no more batches with free stock. It is then to be dropped, changed in part.
    pub fn change_batch_quantity(
        &mut self,
        change: &ChangeBatchQuantity,
        newest: &[Part],
        budget: &mut Budget,
    ) -> Result<Step<ChangeOutcome>, Refusal> {
        let Some(batch) = self.batch(&change.reference) else {
            return Err(Refusal::UnknownBatch(change.reference.clone()));
        };
        if let Some(outcome) = change.outdated_by(batch) {
            return Ok(Step::Finish(outcome));
        }
        if change.is_known_at(batch) {
            return Ok(Step::Finish(ChangeOutcome::Applied));
        }
        let free_before = batch.free();
        let had_waiting = self.state.waiting.count > 0;

        self.give_way(change, newest, budget);

        let Some(batch) = self.batch_mut(&change.reference) else {
            return Err(Refusal::UnknownBatch(change.reference.clone()));
        };
        batch.purchased = change.qty.max(batch.allocated);
        batch.revision = Some(change.revision);
        let (purchased, free) = (batch.purchased, batch.free());
        if free_before == 0 && free > 0 {
            self.check_room_for(&change.reference)?;
        }
        // Stock that came free, be it by a raise or because the last line to give way was a large one, is the
        // waiting lines' first. (Lines that began to wait just now were already refused by it.)
        self.state.backlog |= free > free_before && had_waiting;
        self.record(Event::BatchQuantityChanged {
            batchref: change.reference.clone(),
            sku: self.sku().clone(),
            qty: purchased,
        });
        Ok(if purchased == change.qty { Step::Finish(ChangeOutcome::Applied) } else { Step::GoOn })
    }

    /// Moves lines away from a batch until it may be as small as the change says, or `newest` or the budget end.
    fn give_way(&mut self, change: &ChangeBatchQuantity, newest: &[Part], budget: &mut Budget) {
        let mut displaced = Vec::new();
        for part in newest {
            if self.shortfall(change) == 0 {
                break;
            }
            let line = &part.line;
            let (batchref, reason) = (change.reference.clone(), DeallocationReason::Shrunk);
            let deallocated = Event::Deallocated { line: line.clone(), batchref, reason };
            let Some(next) = preferred(&mut self.state.batches, line, Some(&change.reference)) else {
                let out_of_stock = Event::OutOfStock { line: line.clone(), waiting: true };
                if !budget.spend(1, &[&deallocated, &out_of_stock]) {
                    break;
                }
                self.give_back(change, line);
                displaced.push(Displaced { part, deallocated, out_of_stock });
                continue;
            };
            let (batchref, eta) = (next.reference.clone(), next.eta);
            let allocated = Event::Allocated { line: line.clone(), batchref, eta };
            if !budget.spend(items_to_place(line, next), &[&deallocated, &allocated]) {
                break;
            }
            next.take(line.qty);
            let place = Place::Batch(next.reference.clone());
            self.give_back(change, line);
            self.put(line.clone(), Some(part), place);
            self.record(deallocated);
            self.record(allocated);
        }
        self.settle_displaced(change, displaced);
    }

    /// The last line to give way may have left room for smaller ones before it: those keep their place. The others
    /// wait.
    fn settle_displaced(&mut self, change: &ChangeBatchQuantity, displaced: Vec<Displaced<'_>>) {
        for Displaced { part, deallocated, out_of_stock } in displaced.into_iter().rev() {
            let qty = part.line.qty;
            if let Some(batch) = self.batch_mut(&change.reference)
                && change.qty.saturating_sub(batch.allocated) >= qty.get()
            {
                batch.take(qty);
                continue;
            }
            self.put(part.line.clone(), Some(part), Place::Waiting);
            self.record(deallocated);
            self.record(out_of_stock);
        }
    }

    fn give_back(&mut self, change: &ChangeBatchQuantity, line: &OrderLine) {
        if let Some(batch) = self.batch_mut(&change.reference) {
            batch.give_back(line.qty);
        }
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
        product.allocate(&line("order1", 20), None);
        product.allocate(&line("order2", 20), None);
        let mut product = product.committed();
        let newest = [on("batch1", 9, line("order2", 20)), on("batch1", 8, line("order1", 20))];
        product.change_batch_quantity(&change("batch1", 25, 1), &newest, &mut ample()).unwrap();
        assert_eq!(story(&product), ["20 of order2 off batch1", "20 of order2 on batch2", "batch1 holds 25"]);
        assert_eq!((free(&product, "batch1"), free(&product, "batch2")), (5, 30));
        assert_eq!(product.version(), Version(9), "one commit, whatever it did");
    }

    #[test]
    fn a_line_that_fits_nowhere_waits() {
        let mut product = product(&[batch("batch1", 20, None)]);
        product.allocate(&line("o1", 20), None);
        let mut product = product.committed();
        let newest = [on("batch1", 8, line("o1", 20))];
        product.change_batch_quantity(&change("batch1", 0, 1), &newest, &mut ample()).unwrap();
        assert_eq!(story(&product), ["20 of o1 off batch1", "20 of o1 out of stock", "batch1 holds 0"]);
        assert_eq!(product.waiting(), Tally { count: 1, version_sum: 9 });
    }

    #[test]
    fn no_line_waits_for_room_that_its_own_batch_still_has() {
        let mut product = product(&[batch("batch1", 12, None)]);
        product.allocate(&line("large", 10), None);
        product.allocate(&line("small", 2), None);
        let mut product = product.committed();
        let newest = [on("batch1", 9, line("small", 2)), on("batch1", 8, line("large", 10))];
        product.change_batch_quantity(&change("batch1", 5, 1), &newest, &mut ample()).unwrap();
        assert_eq!(story(&product), ["10 of large off batch1", "10 of large out of stock", "batch1 holds 5"]);
        assert_eq!(free(&product, "batch1"), 3);
    }

    #[test]
    fn a_shrink_goes_as_far_as_its_budget() {
        let mut product = product(&[batch("batch1", 3, None)]);
        let orders = ["o1", "o2", "o3"];
        for orderid in orders {
            product.allocate(&line(orderid, 1), None);
        }
        let mut product = product.committed();
        let newest = [on("batch1", 10, line("o3", 1)), on("batch1", 9, line("o2", 1))];
        let mut budget = Budget { items: 1, ..ample() };
        let step = product.change_batch_quantity(&change("batch1", 1, 1), &newest, &mut budget);
        assert_eq!(step, Ok(Step::GoOn));
        assert_eq!(story(&product), ["1 of o3 off batch1", "1 of o3 out of stock", "batch1 holds 2"]);

        let mut product = product.committed();
        let step = product.change_batch_quantity(&change("batch1", 1, 1), &newest[1..], &mut ample());
        assert_eq!(step, Ok(Step::Finish(ChangeOutcome::Applied)));
        assert_eq!(story(&product), ["1 of o2 off batch1", "1 of o2 out of stock", "batch1 holds 1"]);
    }

    #[test]
    fn an_older_change_does_not_bring_back_its_quantity() {
        let mut product = product(&[batch("batch1", 100, None)]);
        product.change_batch_quantity(&change("batch1", 50, 2), &[], &mut ample()).unwrap();
        let mut product = product.committed();
        let mut outcome = |change| product.change_batch_quantity(&change, &[], &mut ample());
        assert_eq!(outcome(change("batch1", 70, 1)), Ok(Step::Finish(ChangeOutcome::Outdated)));
        assert_eq!(outcome(change("batch1", 50, 2)), Ok(Step::Finish(ChangeOutcome::Applied)));
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
        product.allocate(&line("o1", 9), None);
        product.change_batch_quantity(&change("batch1", 10, 2), &[], &mut ample()).unwrap();
        assert_eq!(product.shortfall(&change("batch1", 5, 1)), 0);
        assert_eq!(product.shortfall(&change("batch1", 5, 3)), 4);
    }

    #[test]
    fn stock_that_comes_free_is_owed_to_lines_that_wait() {
        let owes = |waiting: u32, backlog: bool, qty: u32| {
            let tally = Tally { count: waiting, version_sum: u64::from(waiting) };
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
}
