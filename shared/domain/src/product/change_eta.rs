//! A batch comes later or earlier than was said, or has arrived.

use super::change_quantity::outdated;
use super::displaced::deallocated;
use super::{ChangeOutcome, Product, allocated, items_to_place};
use crate::{Batch, BatchRef, Budget, DeallocationReason, Eta, Event, Part, Place, Refusal, Revision, Step};

/// The warehouse's word on when a batch comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeEta {
    /// Which batch.
    pub reference: BatchRef,
    /// When it is expected; none, once it is in the warehouse.
    pub eta: Option<Eta>,
    /// Newer changes win over older ones, whatever order they arrive in; but the same ETA again is no change, and leaves no
    /// revision, so that an older one that comes after it wins. Changes of the quantity are counted apart.
    pub revision: Revision,
}

impl Product {
    /// What comes of a change without anything being changed; none, if it is to be carried out. The same ETA again is
    /// no change, whoever says so.
    ///
    /// # Errors
    /// When the batch is not known here.
    pub fn without_change_of_eta(&self, change: &ChangeEta) -> Result<Option<ChangeOutcome>, Refusal> {
        let batch = self.batch(&change.reference);
        let batch = batch.ok_or_else(|| Refusal::UnknownBatch(change.reference.clone()))?;
        let known = (batch.eta == change.eta).then_some(ChangeOutcome::Known);
        Ok(outdated(batch.eta_revision, change.revision).or(known))
    }

    /// Whether lines of the batch may move to one that comes earlier than it would after the change.
    #[must_use]
    pub fn may_move_lines(&self, change: &ChangeEta) -> bool {
        let is_delayed = |batch: &Batch| batch.eta < change.eta && batch.allocated > 0;
        self.batch(&change.reference).is_some_and(is_delayed)
            && self.open_batches().any(|other| other.reference != change.reference && other.eta < change.eta)
    }

    /// Gives a batch another ETA, unless a newer change did so before.
    ///
    /// If it gets later, lines on it that an earlier open batch can hold move there, the oldest promise first (`lines`
    /// has all that are on it); the others keep their place. If it gets earlier, nothing moves. When the budget ends
    /// too early, only lines are moved, and the ETA stays until the rest has followed.
    ///
    /// # Errors
    /// When the product can hold no more batches with free stock. It is then to be dropped, changed in part.
    pub fn change_eta(
        &mut self,
        change: &ChangeEta,
        lines: &[Part],
        budget: &mut Budget,
    ) -> Result<Step<ChangeOutcome>, Refusal> {
        if let Some(outcome) = self.without_change_of_eta(change)? {
            return Ok(Step::Finish(outcome));
        }
        if self.may_move_lines(change) && self.move_earlier(change, lines, budget)? == Step::GoOn {
            return Ok(Step::GoOn);
        }
        let Some(batch) = self.batch_mut(&change.reference) else {
            return Err(Refusal::UnknownBatch(change.reference.clone()));
        };
        let was = std::mem::replace(&mut batch.eta, change.eta);
        batch.eta_revision = Some(change.revision);
        let (batchref, sku, eta) = (change.reference.clone(), self.sku().clone(), change.eta);
        self.record(Event::BatchEtaChanged { batchref, sku, eta, was });
        Ok(Step::Finish(ChangeOutcome::Applied))
    }

    /// Moves lines to batches that come earlier than theirs will.
    fn move_earlier(&mut self, change: &ChangeEta, lines: &[Part], budget: &mut Budget) -> Result<Step, Refusal> {
        let mut oldest_first: Vec<&Part> = lines.iter().collect();
        oldest_first.sort_by_key(|part| part.seniority());
        for part in oldest_first {
            let line = &part.line;
            // Preferred are those that come first, so that none comes earlier if this one does not.
            let next = self.preferred(line, Some(&change.reference));
            let Some(next) = next.filter(|next| next.eta < change.eta) else { continue };
            let deallocated = deallocated(line, &change.reference, DeallocationReason::Delayed);
            let (allocated, to) = (allocated(line, part.split, next, part.held_until), next.reference.clone());
            if !budget.spend(items_to_place(line, next), [&deallocated, &allocated]) {
                return Ok(Step::GoOn);
            }
            self.take(&to, line.qty);
            self.give_back(&change.reference, line.qty)?;
            self.put(part, Place::Batch(to));
            self.record(deallocated);
            self.record(allocated);
        }
        Ok(Step::Finish(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::*;
    use crate::{AllWaiting, Tally};

    fn day(day: &str) -> Eta {
        day.to_owned().try_into().unwrap()
    }

    fn arrives(reference: &str, eta: Option<Eta>, as_of: u64) -> ChangeEta {
        ChangeEta { reference: reference.try_into().unwrap(), eta, revision: Revision::AsOf(as_of) }
    }

    /// A late batch with four lines, and room for some of them in an earlier one and in one that is later still.
    fn shop() -> (Product, Vec<Part>) {
        let late = batch("late", 9, Some("2011-01-05"));
        let batches = [late, batch("early", 4, Some("2011-01-03")), batch("later", 99, Some("2011-01-20"))];
        let mut product = product(&batches);
        let lines = [on("late", 1, line("o1", 1)), on("late", 2, line("o2", 5)), on("late", 3, line("o3", 2))];
        product.state.batches[0].allocated = 8;
        (product, lines.to_vec())
    }

    #[test]
    fn lines_of_a_batch_that_is_delayed_move_to_earlier_ones_the_oldest_first() {
        let (mut product, lines) = shop();
        let change = arrives("late", Some(day("2011-01-10")), 1);
        assert!(product.may_move_lines(&change));
        let youngest_first: Vec<_> = lines.iter().rev().cloned().collect();
        let step = product.change_eta(&change, &youngest_first, &mut ample());
        assert_eq!(step, Ok(Step::Finish(ChangeOutcome::Applied)));
        let told =
            ["1 of o1 off late", "1 of o1 on early", "2 of o3 off late", "2 of o3 on early", "late comes 2011-01-10"];
        assert_eq!(story(&product), told, "o2 fits on none that is earlier, and stays");
        assert_eq!((free(&product, "late"), free(&product, "early")), (4, 1));
    }

    #[test]
    fn what_a_delay_frees_is_owed_to_lines_that_wait() {
        let waits = [waiting(5, line("waits", 3))];
        let (product, lines) = shop();
        let mut product = Product::restore(crate::ProductState { waiting: Tally::of(&waits), ..product.state });
        product.change_eta(&arrives("late", Some(day("2011-01-10")), 1), &lines, &mut ample()).unwrap();
        assert!(product.has_backlog());
        product.offer(&AllWaiting::checked(&waits, Tally::of(&waits)).unwrap(), &mut ample());
        assert_eq!(story(&product).last().unwrap(), "3 of waits on late");
    }

    #[test]
    fn a_batch_that_comes_earlier_keeps_its_lines() {
        let (mut product, lines) = shop();
        for (as_of, (eta, told)) in
            (1..).zip([(Some(day("2011-01-04")), "late comes 2011-01-04"), (None, "late is here")])
        {
            let change = arrives("late", eta, as_of);
            assert!(!product.may_move_lines(&change));
            let step = product.change_eta(&change, &lines, &mut ample());
            assert_eq!((step, story(&product)), (Ok(Step::Finish(ChangeOutcome::Applied)), vec![told.to_owned()]));
            product = product.committed();
        }
    }

    #[test]
    fn an_older_change_and_the_same_eta_change_nothing_and_quantities_are_counted_apart() {
        let (mut product, _) = shop();
        product.change_batch_quantity(&change("late", 12, 9), &[], &mut ample()).unwrap();
        let mut product = product.committed();
        let mut outcome =
            |eta: &str, as_of| product.change_eta(&arrives("late", Some(day(eta)), as_of), &[], &mut ample());
        assert_eq!(outcome("2011-01-05", 1), Ok(Step::Finish(ChangeOutcome::Known)));
        assert_eq!(outcome("2011-01-04", 5), Ok(Step::Finish(ChangeOutcome::Applied)));
        assert_eq!(outcome("2011-01-03", 4), Ok(Step::Finish(ChangeOutcome::Outdated)));
        assert_eq!(outcome("2011-01-04", 6), Ok(Step::Finish(ChangeOutcome::Known)));
        assert_eq!(story(&product), ["late comes 2011-01-04"]);
    }

    #[test]
    fn a_delay_of_more_lines_than_a_commit_moves_comes_last() {
        let (mut product, lines) = shop();
        let change = arrives("late", Some(day("2011-01-10")), 1);
        let step = product.change_eta(&change, &lines, &mut Budget { items: 1, ..ample() });
        assert_eq!(
            (step, story(&product)),
            (Ok(Step::GoOn), vec!["1 of o1 off late".into(), "1 of o1 on early".into()])
        );
        let mut product = product.committed();
        let step = product.change_eta(&change, &lines[1..], &mut ample());
        assert_eq!(step, Ok(Step::Finish(ChangeOutcome::Applied)));
        assert_eq!(story(&product), ["2 of o3 off late", "2 of o3 on early", "late comes 2011-01-10"]);
    }
}
