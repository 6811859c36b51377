//! Offering free stock to lines that wait.

use super::Product;
use super::split::Pieces;
use crate::{Budget, Part, Place, Step, Tally};

/// All that waited of a product's lines before a change.
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
    /// Offers free stock to waiting lines, the oldest promise first; a line that fits nowhere goes on waiting, and so does
    /// what fits nowhere of a line that may be split. After them come the lines that the change under way has displaced. A
    /// line that it has cancelled waits no more.
    pub fn offer(&mut self, waiting: &AllWaiting<'_>, budget: &mut Budget) {
        let has_left = |part: &&Part| self.pending.moves.iter().any(|moved| moved.is_of(part));
        let mut oldest_first: Vec<&Part> = waiting.0.iter().filter(|part| !has_left(part)).collect();
        oldest_first.sort_by_key(|part| part.seniority());
        self.state.backlog = self.offer_to(&oldest_first, budget) == Step::GoOn;
        self.place_displaced();
    }

    fn offer_to(&mut self, oldest_first: &[&Part], budget: &mut Budget) -> Step {
        for part in oldest_first {
            let pieces = Pieces::of(part);
            let shares = self.shares(&pieces, None);
            if shares.on.is_empty() {
                continue;
            }
            // The product is an item too: the one that the command names has its room, but others may have a backlog.
            let items = shares.items().saturating_add(usize::from(self.pending.events.is_empty()));
            if !budget.spend(items, shares.allocated()) {
                return Step::GoOn;
            }
            self.lay_out(&pieces, shares, &Place::Waiting);
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
        let mut product = product_with_waiting(&[], Tally { count: 3, version_sum: 13, pieces: 14 });
        product.create_batch(&batch("b1", 5, None)).unwrap();
        assert!(product.has_backlog());
        let lines = [waiting(6, line("young", 2)), waiting(4, line("large", 9)), waiting(3, line("old", 3))];
        product.offer(&all(&lines), &mut ample());
        assert_eq!(story(&product), ["new b1 of 5", "3 of old on b1", "2 of young on b1"]);
        assert_eq!((product.waiting(), product.has_backlog()), (Tally { count: 1, version_sum: 4, pieces: 9 }, false));
        assert_eq!(product.version(), Version(8));
    }

    #[test]
    fn a_backlog_that_one_commit_cannot_hold_stays_known() {
        let mut product = product_with_waiting(&[], Tally { count: 2, version_sum: 7, pieces: 2 });
        product.create_batch(&batch("b1", 5, None)).unwrap();
        let lines = [waiting(3, line("old", 1)), waiting(4, line("young", 1))];
        product.offer(&all(&lines), &mut Budget { items: 1, ..ample() });
        assert_eq!(story(&product), ["new b1 of 5", "1 of old on b1"]);
        assert!(product.has_backlog());
    }
    #[test]
    fn a_line_that_the_same_change_cancels_is_offered_nothing() {
        let lines = [waiting(3, line("o1", 3)), waiting(4, line("o2", 3))];
        let mut product = product_with_waiting(&[batch("b1", 4, None)], Tally::of(&lines));
        product.allocate(&line("o1", 4), &[]).unwrap();
        let mut product = product.committed();
        product.cancel(&[&lines[0]], &mut ample()).unwrap().unwrap();
        product.cancel(&[&on("b1", 8, line("o1", 4))], &mut ample()).unwrap().unwrap();
        product.offer(&all(&lines), &mut ample());
        assert_eq!(story(&product), ["3 of o1 cancelled", "4 of o1 cancelled, off b1", "3 of o2 on b1"]);
    }
}
