//! Cancelling lines: by themselves, with their order, or because it was cancelled meanwhile.

use std::collections::BTreeSet;

use super::{Allocation, Done, Product};
use crate::{BatchRef, Budget, CancellationReason, Event, Move, OrderLine, Part, Place, Refusal};

impl Product {
    /// Cancels a promised line, all its `parts` together. Their pieces are free from then on, for lines that wait first, see
    /// [`Product::has_backlog`]. None: the budget does not hold that, and nothing was changed.
    ///
    /// Each part is an item, and so are each batch that it opens and the product itself, if nothing else has changed that.
    ///
    /// # Errors
    /// When it is shipped; or when a batch of it was full, and the product can hold no more batches with free stock. Nothing
    /// was changed then.
    pub fn cancel(&mut self, parts: &[&Part], budget: &mut Budget) -> Option<Result<Done, Refusal>> {
        self.cancel_because(parts, CancellationReason::Asked, budget)
    }

    pub(super) fn cancel_because(
        &mut self,
        parts: &[&Part],
        reason: CancellationReason,
        budget: &mut Budget,
    ) -> Option<Result<Done, Refusal>> {
        let is_full = |reference: &BatchRef| self.batch(reference).is_some_and(|batch| !batch.is_open());
        let opened: BTreeSet<&BatchRef> = parts.iter().filter_map(|part| part.place.batch()).collect();
        let opened = opened.into_iter().filter(|reference| is_full(reference)).count();
        let product = usize::from(self.events().is_empty());
        let items = parts.len().saturating_add(opened).saturating_add(product);
        let told: Vec<Event> = parts.iter().map(|part| cancelled(part, reason)).collect();
        budget.spend(items, &told).then(|| self.cancel_at_once(parts, reason))
    }

    pub(super) fn cancel_at_once(&mut self, parts: &[&Part], reason: CancellationReason) -> Result<Done, Refusal> {
        match parts {
            [part, ..] if part.place.is_shipped() => return Err(Refusal::LineShipped(part.line.id())),
            [part] if part.place == Place::Cancelled => return Ok(Done::Before),
            _ => self.free(parts)?,
        }
        self.end(parts, reason);
        Ok(Done::Now)
    }

    /// Gives back what a line has on batches: all of it, or nothing.
    pub(super) fn free(&mut self, parts: &[&Part]) -> Result<(), Refusal> {
        let before = (parts.len() > 1).then(|| self.clone());
        let freed = parts.iter().try_for_each(|part| match &part.place {
            Place::Batch(reference) => self.give_back(reference, part.line.qty),
            Place::Waiting | Place::Shipped(_) | Place::Cancelled => Ok(()),
        });
        if let (Err(_), Some(before)) = (&freed, before) {
            *self = before;
        }
        freed
    }

    /// Leaves a mark of a line whose pieces are free: its first part is that, and there is no other from then on.
    pub(super) fn end(&mut self, parts: &[&Part], reason: CancellationReason) {
        for part in parts {
            if part.first() == 0 {
                let line = part.whole_line();
                let (from, to, age) = (Some((*part).clone()), Some(Place::Cancelled), Some(part.age));
                self.note(Move { line, split: None, from, to, age, held_until: None });
            } else {
                self.do_away_with(part);
            }
            self.record(cancelled(part, reason));
        }
    }

    /// Answers a line whose order is cancelled, and which asks for a place. None: the budget does not hold the answer.
    ///
    /// `parts` are where it stands already. If it was on its way when the order was cancelled, it may have got a place all
    /// the same, and loses that now, though it is refused. One that is shipped stays so.
    pub fn allocate_cancelled(
        &mut self,
        line: &OrderLine,
        parts: &[&Part],
        budget: &mut Budget,
    ) -> Option<Result<Allocation, Refusal>> {
        let refused = Err(Refusal::OrderCancelled(line.orderid.clone()));
        let Some(first) = parts.first() else { return Some(refused) };
        if first.place.is_shipped() {
            return Some(self.allocate(line, parts));
        }
        if first.place.is_standing()
            && let Err(refusal) = self.cancel(parts, budget)?
        {
            return Some(Err(refusal));
        }
        Some(refused)
    }
}

pub(super) fn cancelled(part: &Part, reason: CancellationReason) -> Event {
    Event::Cancelled { line: part.line.clone(), batchref: part.place.batch().cloned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::*;
    use crate::{AllWaiting, Tally, Version};

    #[test]
    fn pieces_that_are_given_back_are_free() {
        let mut product = product(&[batch("batch1", 10, None)]);
        product.allocate(&line("o1", 4), &[]).unwrap();
        let mut product = product.committed();
        assert_eq!(product.cancel(&[&on("batch1", 8, line("o1", 4))], &mut ample()), Some(Ok(Done::Now)));
        assert_eq!((story(&product), free(&product, "batch1")), (vec!["4 of o1 cancelled, off batch1".to_owned()], 10));
        assert!(!product.has_backlog(), "nobody waits");
    }

    #[test]
    fn what_is_given_back_goes_to_waiting_lines_first() {
        let waits = [waiting(5, line("o2", 3))];
        let mut product = product_with_waiting(&[batch("batch1", 4, None)], Tally::of(&waits));
        product.allocate(&line("o1", 4), &[]).unwrap();
        let mut product = product.committed();
        product.cancel(&[&on("batch1", 8, line("o1", 4))], &mut ample()).unwrap().unwrap();
        assert!(product.has_backlog());
        product.offer(&AllWaiting::checked(&waits, Tally::of(&waits)).unwrap(), &mut ample());
        assert_eq!(story(&product), ["4 of o1 cancelled, off batch1", "3 of o2 on batch1"]);
    }

    #[test]
    fn a_line_that_waits_waits_no_more() {
        let waits = [waiting(5, line("o1", 3)), waiting(6, line("o2", 3))];
        let mut product = product_with_waiting(&[], Tally::of(&waits));
        assert_eq!(product.cancel(&[&waits[0]], &mut ample()), Some(Ok(Done::Now)));
        assert_eq!(
            (story(&product), product.waiting()),
            (vec!["3 of o1 cancelled".to_owned()], Tally::of(&waits[1..]))
        );
        assert!(!product.has_backlog(), "no stock came free");
    }

    #[test]
    fn a_line_is_cancelled_once_and_not_after_it_was_shipped() {
        let mut product = product(&[batch("batch1", 10, None)]);
        let part = |place| Part {
            line: line("o1", 4),
            split: None,
            place,
            age: Version(1),
            since: Version(1),
            held_until: None,
        };
        assert_eq!(product.cancel(&[&part(Place::Cancelled)], &mut ample()), Some(Ok(Done::Before)));
        let shipped = part(Place::Shipped("batch1".try_into().unwrap()));
        assert_eq!(product.cancel(&[&shipped], &mut ample()), Some(Err(Refusal::LineShipped(shipped.line.id()))));
        assert!(product.events().is_empty());
    }

    fn refused() -> Result<Allocation, Refusal> {
        Err(Refusal::OrderCancelled("o1".try_into().unwrap()))
    }

    /// A product with a full batch, and the line on it.
    fn full() -> (Product, Part) {
        let mut product = product(&[batch("b1", 4, None)]);
        product.allocate(&line("o1", 4), &[]).unwrap();
        (product.committed(), on("b1", 8, line("o1", 4)))
    }

    #[test]
    fn a_line_of_a_cancelled_order_gets_no_place_and_loses_the_one_it_got_meanwhile() {
        let (mut product, part) = full();
        assert_eq!(product.allocate_cancelled(&line("o1", 1), &[], &mut ample()), Some(refused()));
        let cancelled = Part { place: Place::Cancelled, ..part.clone() };
        assert_eq!(product.allocate_cancelled(&part.line, &[&cancelled], &mut ample()), Some(refused()));
        assert!(product.events().is_empty());
        assert_eq!(product.allocate_cancelled(&part.line, &[&part], &mut ample()), Some(refused()));
        assert_eq!(story(&product), ["4 of o1 cancelled, off b1"]);
    }

    #[test]
    fn a_line_that_is_shipped_stays_so_whatever_became_of_its_order() {
        let (mut product, part) = full();
        let shipped = Part { place: Place::Shipped("b1".try_into().unwrap()), ..part };
        let kept = Some(Ok(Allocation::Kept("b1".try_into().unwrap())));
        assert_eq!(product.allocate_cancelled(&shipped.line, &[&shipped], &mut ample()), kept);
        assert!(product.events().is_empty());
    }

    #[test]
    fn a_line_is_cancelled_if_the_budget_holds_the_line_its_product_and_the_batch_that_it_opens() {
        for (items, is_enough) in [(2, false), (3, true)] {
            let (mut product, part) = full();
            let outcome = product.cancel(&[&part], &mut Budget { items, ..ample() });
            assert_eq!(outcome.is_some(), is_enough, "{items} items");
            assert_eq!(product.events().is_empty(), !is_enough);
            let (mut product, part) = full();
            let outcome = product.allocate_cancelled(&part.line, &[&part], &mut Budget { items, ..ample() });
            assert_eq!(outcome.is_some(), is_enough, "{items} items");
        }
        let lines = [waiting(3, line("o1", 1)), waiting(4, line("o2", 1))];
        let mut product = product_with_waiting(&[], Tally::of(&lines));
        let mut budget = Budget { items: 3, ..ample() };
        for part in &lines {
            assert_eq!(product.cancel(&[part], &mut budget), Some(Ok(Done::Now)));
        }
        assert_eq!(budget.items, 0, "the product counts once");
    }

    #[test]
    fn a_line_whose_batch_can_not_be_opened_stays_and_leaves_its_product_as_it_was() {
        let mut product = product(&filling_batches(1_000));
        let reference = "x".repeat(70);
        product.include(crate::Batch { allocated: 1, ..batch(&reference, 1, None).into() });
        let (before, part) = (product.clone(), on(&reference, 8, line("o1", 1)));
        assert_eq!(product.cancel(&[&part], &mut ample()), Some(Err(Refusal::TooManyBatches(sku()))));
        let answer = product.allocate_cancelled(&part.line, &[&part], &mut ample());
        assert_eq!(answer, Some(Err(Refusal::TooManyBatches(sku()))));
        assert_eq!(product, before);
    }
}
