//! Offering free stock to lines that wait.

use super::{Product, items_to_place, preferred};
use crate::{Budget, Event, Part, Place, Step, Tally};

/// All lines of a product that waited before a change.
#[derive(Clone, Copy, Debug)]
pub struct AllWaiting<'a>(&'a [Part]);

impl<'a> AllWaiting<'a> {
    /// A list that comes to what the product counted before the change; none if it does not.
    #[must_use]
    pub fn checked(parts: &'a [Part], counted: Tally) -> Option<Self> {
        (Tally::of(parts) == counted).then_some(Self(parts))
    }
}

impl Product {
    /// Offers free stock to waiting lines, the oldest promise first; a line that fits nowhere goes on waiting. After
    /// them come the lines that the change under way has displaced.
    pub fn offer(&mut self, waiting: &AllWaiting<'_>, budget: &mut Budget) {
        let mut oldest_first: Vec<&Part> = waiting.0.iter().collect();
        oldest_first.sort_by_key(|part| part.seniority());
        self.state.backlog = self.offer_to(&oldest_first, budget) == Step::GoOn;
        self.place_displaced();
    }

    fn offer_to(&mut self, oldest_first: &[&Part], budget: &mut Budget) -> Step {
        for part in oldest_first {
            let line = &part.line;
            let Some(batch) = preferred(&mut self.state.batches, line, None) else {
                continue;
            };
            let (batchref, eta) = (batch.reference.clone(), batch.eta);
            let allocated = Event::Allocated { line: line.clone(), batchref: batchref.clone(), eta };
            if !budget.spend(items_to_place(line, batch), &[&allocated]) {
                return Step::GoOn;
            }
            batch.take(line.qty);
            self.put(line.clone(), Some(part), Place::Batch(batchref));
            self.record(allocated);
        }
        Step::Finish(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;
    use crate::examples::*;

    fn all(parts: &[Part]) -> AllWaiting<'_> {
        AllWaiting::checked(parts, Tally::of(parts)).unwrap()
    }

    #[test]
    fn stock_that_arrives_goes_to_waiting_lines_oldest_first() {
        let mut product = product_with_waiting(&[], Tally { count: 3, version_sum: 13 });
        product.create_batch(&batch("b1", 5, None)).unwrap();
        assert!(product.has_backlog());
        let lines = [waiting(6, line("young", 2)), waiting(4, line("large", 9)), waiting(3, line("old", 3))];
        product.offer(&all(&lines), &mut ample());
        assert_eq!(story(&product), ["new b1 of 5", "3 of old on b1", "2 of young on b1"]);
        assert_eq!((product.waiting(), product.has_backlog()), (Tally { count: 1, version_sum: 4 }, false));
        assert_eq!(product.version(), Version(8));
    }

    #[test]
    fn a_backlog_that_one_commit_cannot_hold_stays_known() {
        let mut product = product_with_waiting(&[], Tally { count: 2, version_sum: 7 });
        product.create_batch(&batch("b1", 5, None)).unwrap();
        let lines = [waiting(3, line("old", 1)), waiting(4, line("young", 1))];
        product.offer(&all(&lines), &mut Budget { items: 1, ..ample() });
        assert_eq!(story(&product), ["new b1 of 5", "1 of old on b1"]);
        assert!(product.has_backlog());
    }
}
