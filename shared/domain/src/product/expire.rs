//! Lines that are promised for a while: how they are confirmed, and how they fall due.

use std::time::Duration;

use super::Product;
use crate::{Budget, CancellationReason, Event, Part, Tally, Timestamp};

/// When a line is looked at again that is due and can't be given back.
const LATER: Duration = Duration::from_mins(1);

impl Product {
    /// Whether lines may be held that are due at this time. Until [`Product::expire`] is done with that, what they have is
    /// nobody's to count on.
    #[must_use]
    pub fn may_have_due(&self, now: Timestamp) -> bool {
        self.state.held.due.is_some_and(|due| due <= now)
    }

    /// Gives back what was held until now, what was due first, as much as the budget holds. What is left is due in a commit
    /// to come. A line whose batch was full stays for a while, if the product can hold no more batches with free stock.
    ///
    /// `first` are held lines, those first that are due first: all of them, or some. What an index has not listed yet is
    /// looked for again in a minute.
    pub fn expire(&mut self, first: &[Part], now: Timestamp, budget: &mut Budget) {
        let is_all = Tally::of(first) == self.state.held.tally;
        let mut next: Option<Timestamp> = None;
        for parts in Part::by_line(first) {
            let Some(until) = parts.first().and_then(|part| part.held_until) else { continue };
            let stays_until = if until > now {
                Some(until)
            } else if !Part::are_all(&parts) {
                // The others are listed when the index has caught up.
                Some(now.plus(LATER))
            } else {
                match self.cancel_because(&parts, CancellationReason::Expired, budget) {
                    Some(Ok(_)) => None,
                    Some(Err(_)) => Some(now.plus(LATER)),
                    None => Some(until),
                }
            };
            next = next.into_iter().chain(stays_until).min();
        }
        if !is_all {
            // Of those that were listed to the last one, all were due, and so may be more.
            let may_have_more = first.iter().all(|part| part.is_due(now)) && !self.pending.events.is_empty();
            let unlisted = if may_have_more { now } else { now.plus(LATER) };
            next = next.into_iter().chain([unlisted]).min();
        }
        self.state.held.due = next.filter(|_| self.state.held.tally.count > 0);
    }

    /// Holds a part until another time, or promises it for good. What was promised for good stays so.
    pub(super) fn hold(&mut self, part: &Part, until: Option<Timestamp>) {
        if let Some(told) = self.new_hold(part, until) {
            self.put_until(part, part.place.clone(), until);
            self.record(told);
        }
    }

    /// What tells that a part is held until another time, or promised for good. None: it is so already, or for good.
    pub(super) fn new_hold(&self, part: &Part, until: Option<Timestamp>) -> Option<Event> {
        let before = part.held_until?;
        match until {
            None => Some(self.confirmed(part)),
            Some(held_until) if before != held_until => {
                let (line, batchref) = (part.line.clone(), part.place.batch().cloned());
                Some(Event::HoldChanged { line, batchref, held_until })
            }
            Some(_) => None,
        }
    }

    /// Promises a part for good that is held.
    pub(super) fn confirm(&mut self, part: &Part) {
        self.hold(part, None);
    }

    pub(super) fn confirmed(&self, part: &Part) -> Event {
        let batchref = part.place.batch().cloned();
        let eta = batchref.as_ref().and_then(|reference| self.batch(reference)?.eta);
        Event::Confirmed { line: part.line.clone(), batchref, eta }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::*;
    use crate::{Allocation, IfShort, OrderLine, Place, Product, Refusal};

    const NOON: Timestamp = Timestamp(1_000_000);

    fn later(seconds: u64) -> Timestamp {
        NOON.plus(Duration::from_secs(seconds))
    }

    /// Ten pieces, and lines of an order that are held on them.
    fn with_held(lines: &[OrderLine], until: Timestamp) -> (Product, Vec<Part>) {
        let mut product = product(&[batch("b1", 10, None)]);
        product.arrange(lines, &[], &terms(IfShort::Refuse, Some(until))).unwrap();
        let version = product.version();
        let parts = product.moves().iter().map(|moved| moved.part_at(version).unwrap()).collect();
        (product.committed(), parts)
    }

    fn expire(product: &mut Product, held: &[Part], now: Timestamp, budget: &mut Budget) {
        product.expire(held, now, budget);
    }

    #[test]
    fn what_is_held_counts_as_allocated_until_its_time_is_over() {
        let (mut product, held) = with_held(&[line("o1", 4)], later(60));
        assert_eq!((free(&product, "b1"), product.held().due), (6, Some(later(60))));
        assert!(!product.may_have_due(later(59)) && product.may_have_due(later(60)));
        expire(&mut product, &held, later(60), &mut ample());
        assert_eq!((story(&product), free(&product, "b1")), (vec!["4 of o1 cancelled, off b1".to_owned()], 10));
        assert!(matches!(product.events(), [Event::Cancelled { reason: CancellationReason::Expired, .. }]));
        assert_eq!(product.held(), super::super::Held::default());
    }

    #[test]
    fn only_what_is_due_is_given_back_and_the_rest_is_due_in_its_time() {
        let (mut product, mut held) = with_held(&[line("o1", 1)], later(60));
        product.arrange(&[line("o2", 2)], &[], &terms(IfShort::Refuse, Some(later(90)))).unwrap();
        held.push(product.moves()[0].part_at(product.version()).unwrap());
        let mut product = product.committed();
        expire(&mut product, &held, later(70), &mut ample());
        assert_eq!(
            (story(&product), product.held().due),
            (vec!["1 of o1 cancelled, off b1".to_owned()], Some(later(90)))
        );
        // Nothing was due: the time was that of a line that has left.
        let mut product = product.committed();
        product.state.held.due = Some(later(60));
        expire(&mut product, &held[1..], later(70), &mut ample());
        assert!(product.events().is_empty() && product.held().due == Some(later(90)));
    }

    #[test]
    fn what_one_commit_does_not_hold_is_due_still() {
        let (mut product, held) = with_held(&[line("o1", 1), line("o1", 2), line("o1", 3)], later(60));
        expire(&mut product, &held, later(60), &mut Budget { items: 3, ..ample() });
        assert_eq!((story(&product).len(), product.held().tally.count), (2, 1));
        assert!(product.may_have_due(later(60)));
    }

    #[test]
    fn a_line_that_can_not_be_given_back_is_looked_at_again_later() {
        let (mut product, held) = with_held(&[line("o1", 10)], later(60));
        for batch in filling_batches(1_000) {
            product.create_batch(&batch).unwrap();
        }
        let mut product = product.committed();
        expire(&mut product, &held, later(60), &mut ample());
        assert!(product.events().is_empty() && !product.may_have_due(later(60)) && product.may_have_due(later(120)));
    }

    #[test]
    fn a_held_line_is_confirmed_by_its_order_or_by_whoever_asks_for_it() {
        let (product, held) = with_held(&[line("o1", 4)], later(60));
        let by_order =
            |product: &mut Product| drop(product.arrange(&[line("o1", 4)], &held, &terms(IfShort::Refuse, None)));
        let by_line = |product: &mut Product| {
            let answer = product.allocate(&line("o1", 4), &[&held[0]]);
            assert_eq!(answer, Ok(Allocation::Allocated("b1".try_into().unwrap())));
        };
        for confirm in [&by_order as &dyn Fn(&mut Product), &by_line] {
            let mut product = product.clone();
            confirm(&mut product);
            assert_eq!(story(&product), ["4 of o1 confirmed"]);
            let part = product.moves()[0].part_at(product.version()).unwrap();
            assert_eq!((part.held_until, part.age, free(&product, "b1")), (None, held[0].age, 6));
            assert_eq!(product.held(), super::super::Held::default());
            // Asked for once more with a time, what is promised for good stays so.
            let mut product = product.committed();
            product.arrange(&[line("o1", 4)], &[part], &terms(IfShort::Refuse, Some(later(90)))).unwrap();
            assert!(product.events().is_empty());
        }
    }

    #[test]
    fn a_line_that_is_held_for_longer_keeps_its_place_and_makes_no_refusal_news() {
        let (mut product, held) = with_held(&[line("o1", 4)], later(60));
        product.allocate(&line("o2", 99), &[]).unwrap();
        let mut product = product.committed();
        product.create_batch(&batch("a-better-one", 9, None)).unwrap();
        product.allocate(&line("o2", 99), &[]).unwrap();
        let mut product = product.committed();
        let wanted = [line("o1", 4), line("o1", 9)];
        product.arrange(&wanted, &held, &terms(IfShort::Refuse, Some(later(90)))).unwrap();
        assert_eq!(story(&product), ["4 of o1 is held until 1970-01-01T00:18:10.000Z", "9 of o1 on a-better-one"]);
        let part = product.moves()[0].part_at(product.version()).unwrap();
        assert_eq!((part.place, part.held_until), (held[0].place.clone(), Some(later(90))));
        assert_eq!(product.refused(), Some(99.try_into().unwrap()), "nothing came free");
        assert_eq!((product.held().tally.count, product.held().due), (2, Some(later(60))), "not later than it was");
    }

    #[test]
    fn a_waiting_line_that_is_held_for_longer_goes_on_waiting_under_each_policy() {
        let mut product = product(&[]);
        product.arrange(&[line("o1", 4)], &[], &terms(IfShort::Wait, Some(later(60)))).unwrap();
        let waits = [product.moves()[0].part_at(product.version()).unwrap()];
        let product = product.committed();
        for if_short in [IfShort::Refuse, IfShort::Partial, IfShort::Wait] {
            let mut product = product.clone();
            let arranged = product.arrange(&[line("o1", 4)], &waits, &terms(if_short, Some(later(90)))).unwrap();
            assert_eq!((arranged.short.len(), story(&product).len()), (0, 1), "{if_short:?}");
            let part = product.moves()[0].part_at(product.version()).unwrap();
            assert_eq!((part.place, part.age, part.held_until), (Place::Waiting, waits[0].age, Some(later(90))));
        }
    }

    #[test]
    fn what_an_index_has_not_listed_is_looked_for_again() {
        let lines = [line("o1", 1), line("o1", 2)];
        let (product, held) = with_held(&lines, later(60));
        let nothing = (&held[..0], Some(later(70).plus(LATER)));
        for (listed, due) in [nothing, (&held[..1], Some(later(70))), (&held[..], None)] {
            let mut product = product.clone();
            expire(&mut product, listed, later(70), &mut ample());
            assert_eq!(product.held().due, due, "{} are listed", listed.len());
        }
        // Where others are listed that are not due, what lacks is at most as late as the index.
        let (mut product, mut some) = with_held(&lines, later(60));
        product.arrange(&[line("o2", 3)], &[], &terms(IfShort::Refuse, Some(later(600)))).unwrap();
        some[1] = product.moves()[0].part_at(product.version()).unwrap();
        let mut product = product.committed();
        expire(&mut product, &some, later(70), &mut ample());
        assert_eq!((story(&product).len(), product.held().due), (1, Some(later(70).plus(LATER))));
    }

    #[test]
    fn a_held_line_that_loses_its_batch_waits_and_falls_due_as_well() {
        let (mut product, held) = with_held(&[line("o1", 4)], later(60));
        product.change_batch_quantity(&change("b1", 0, 1), &held, &mut ample()).unwrap();
        let part = product.moves()[0].part_at(product.version()).unwrap();
        assert_eq!((&part.place, part.held_until), (&Place::Waiting, Some(later(60))));
        let mut product = product.committed();
        assert_eq!((product.waiting().count, product.held().tally.count), (1, 1));
        expire(&mut product, std::slice::from_ref(&part), later(60), &mut ample());
        assert_eq!((story(&product), product.waiting().count), (vec!["4 of o1 cancelled".to_owned()], 0));
    }

    #[test]
    fn a_held_line_is_not_shipped() {
        let (mut product, held) = with_held(&[line("o1", 4)], later(60));
        assert_eq!(product.ship(&[&held[0]]), Err(Refusal::NotAllocated(line("o1", 4).id())));
    }
}
