//! Lines of orders that are cancelled.

use super::deallocate::cancelled;
use super::{Allocation, Done, Product};
use crate::{Budget, OrderLine, Part, Refusal};

impl Product {
    /// Cancels a promised line as [`Product::deallocate`] does. None: the budget does not hold that.
    ///
    /// The line is an item, and so are a batch that it opens and the product itself, if nothing else has changed that.
    pub fn deallocate_within(&mut self, part: &Part, budget: &mut Budget) -> Option<Result<Done, Refusal>> {
        let batch = part.place.batch();
        let opens = batch.and_then(|reference| self.batch(reference)).is_some_and(|batch| !batch.is_open());
        let is_first = self.events().is_empty();
        let items = [true, opens, is_first].into_iter().filter(|is_item| *is_item).count();
        budget.spend(items, &[&cancelled(part)]).then(|| self.deallocate(part))
    }

    /// Answers a line whose order is cancelled, and which asks for a place. None: the budget does not hold the answer.
    ///
    /// `part` is where it stands already. If it was on its way when the order was cancelled, it may have got a place all
    /// the same, and loses that now, though it is refused. One that is shipped stays so.
    pub fn allocate_cancelled(
        &mut self,
        line: &OrderLine,
        part: Option<&Part>,
        budget: &mut Budget,
    ) -> Option<Result<Allocation, Refusal>> {
        let refused = Err(Refusal::OrderCancelled(line.orderid.clone()));
        let Some(part) = part else { return Some(refused) };
        if part.place.is_shipped() {
            return Some(self.allocate(line, Some(part)));
        }
        if part.place.is_standing() {
            // Where it can't be cancelled, other lines of the change must not suffer from that.
            let mut after = self.clone();
            match after.deallocate_within(part, budget)? {
                Ok(_) => *self = after,
                Err(refusal) => return Some(Err(refusal)),
            }
        }
        Some(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::*;
    use crate::{Place, Tally};

    fn refused() -> Result<Allocation, Refusal> {
        Err(Refusal::OrderCancelled("o1".try_into().unwrap()))
    }

    /// A product with a full batch, and the line on it.
    fn full() -> (Product, Part) {
        let mut product = product(&[batch("b1", 4, None)]);
        product.allocate(&line("o1", 4), None).unwrap();
        (product.committed(), on("b1", 8, line("o1", 4)))
    }

    #[test]
    fn a_line_of_a_cancelled_order_gets_no_place_and_loses_the_one_it_got_meanwhile() {
        let (mut product, part) = full();
        assert_eq!(product.allocate_cancelled(&line("o1", 1), None, &mut ample()), Some(refused()));
        let cancelled = Part { place: Place::Cancelled, ..part.clone() };
        assert_eq!(product.allocate_cancelled(&part.line, Some(&cancelled), &mut ample()), Some(refused()));
        assert!(product.events().is_empty());
        assert_eq!(product.allocate_cancelled(&part.line, Some(&part), &mut ample()), Some(refused()));
        assert_eq!(story(&product), ["4 of o1 cancelled, off b1"]);
    }

    #[test]
    fn a_line_that_is_shipped_stays_so_whatever_became_of_its_order() {
        let (mut product, part) = full();
        let shipped = Part { place: Place::Shipped("b1".try_into().unwrap()), ..part };
        let kept = Some(Ok(Allocation::Kept("b1".try_into().unwrap())));
        assert_eq!(product.allocate_cancelled(&shipped.line, Some(&shipped), &mut ample()), kept);
        assert!(product.events().is_empty());
    }

    #[test]
    fn a_line_is_cancelled_if_the_budget_holds_the_line_its_product_and_the_batch_that_it_opens() {
        for (items, is_enough) in [(2, false), (3, true)] {
            let (mut product, part) = full();
            let outcome = product.deallocate_within(&part, &mut Budget { items, ..ample() });
            assert_eq!(outcome.is_some(), is_enough, "{items} items");
            assert_eq!(product.events().is_empty(), !is_enough);
            let (mut product, part) = full();
            let outcome = product.allocate_cancelled(&part.line, Some(&part), &mut Budget { items, ..ample() });
            assert_eq!(outcome.is_some(), is_enough, "{items} items");
        }
        let lines = [waiting(3, line("o1", 1)), waiting(4, line("o2", 1))];
        let mut product = product_with_waiting(&[], Tally::of(&lines));
        let mut budget = Budget { items: 3, ..ample() };
        for part in &lines {
            assert_eq!(product.deallocate_within(part, &mut budget), Some(Ok(Done::Now)));
        }
        assert_eq!(budget.items, 0, "the product counts once");
    }

    #[test]
    fn a_line_whose_batch_can_not_be_opened_stays_and_leaves_its_product_as_it_was() {
        let mut product = product(&filling_batches(1_000));
        let reference = "x".repeat(70);
        product.include(crate::Batch { allocated: 1, ..batch(&reference, 1, None).into() });
        let (before, part) = (product.clone(), on(&reference, 8, line("o1", 1)));
        let answer = product.allocate_cancelled(&part.line, Some(&part), &mut ample());
        assert_eq!(answer, Some(Err(Refusal::TooManyBatches(sku()))));
        assert_eq!(product, before);
    }
}
