//! Lines that give way, since their batch is smaller than promised, and are placed again.

use super::split::Pieces;
use super::{Product, allocated};
use crate::{BatchRef, Budget, DeallocationReason, Event, OrderLine, Part, Place, Quantity, Split};

/// A line that was taken off its batch and is to be placed, and what tells that it was taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Displaced {
    part: Part,
    deallocated: Event,
}

impl Displaced {
    fn from(batchref: &BatchRef, part: &Part) -> Self {
        let deallocated = deallocated(&part.line, batchref, DeallocationReason::Shrunk);
        Self { part: part.clone(), deallocated }
    }
}

impl Product {
    /// Takes lines off a batch until they held the pieces that are missing, or `youngest` or the budget end. They come back
    /// with the oldest promise first.
    pub(super) fn give_way(
        &mut self,
        batchref: &BatchRef,
        mut missing: u32,
        youngest: &[Part],
        budget: &mut Budget,
    ) -> Vec<Displaced> {
        let is_needed = |part: &&Part| {
            let is_needed = missing > 0;
            missing = missing.saturating_sub(part.line.qty.get());
            is_needed
        };
        let victims = youngest.iter().take_while(is_needed).map(|part| Displaced::from(batchref, part));
        let mut victims: Vec<Displaced> = victims.collect();
        victims.sort_by(|one, other| one.part.seniority().cmp(&other.part.seniority()));
        victims.truncate(self.affordable(&victims, budget));
        if let Some(batch) = self.batch_mut(batchref) {
            for Displaced { part, .. } in &victims {
                batch.give_back(part.line.qty);
            }
        }
        victims
    }

    /// Takes from the budget what placing lines elsewhere needs at most. Tells for how many of them it is enough.
    fn affordable(&self, victims: &[Displaced], budget: &mut Budget) -> usize {
        let pieces = victims.iter().fold(0_u32, |sum, victim| sum.saturating_add(victim.part.line.qty.get()));
        // A batch that they fill is an item of its own; each of them fills one at most, or one for each of its parts.
        let can_be_filled = self.open_batches().filter(|batch| batch.free() <= pieces).count();
        let batches = self.open_batches().count();
        let longest = self.open_batches().max_by_key(|batch| batch.reference.as_str().len());
        let is_affordable = |(index, Displaced { part, deallocated }): (usize, &Displaced)| {
            let parts = most_parts(part, batches);
            let filled = if parts > 1 || index < can_be_filled { parts } else { 0 };
            let placed = longest.map_or_else(
                || out_of_stock(&part.line, part.split),
                |batch| allocated(&part.line, part.split, batch, part.held_until),
            );
            let told = [deallocated].into_iter().chain(std::iter::repeat_n(&placed, parts));
            budget.spend(parts.saturating_add(filled), told)
        };
        victims.iter().enumerate().map(is_affordable).take_while(|affordable| *affordable).count()
    }

    /// Places the lines that gave way, the oldest promise first. Some keep their batch, which is no change; those that
    /// fit nowhere wait, and so does what fits nowhere of those that may be split. The budget has paid for that.
    pub(super) fn place_displaced(&mut self) {
        for Displaced { part, deallocated } in std::mem::take(&mut self.pending.displaced) {
            let part = &part;
            // Their own batch may have pieces that are owed to waiting lines still.
            let except = part.place.batch().filter(|_| self.state.backlog);
            let pieces = Pieces::of(&part);
            let shares = self.shares(&pieces, except);
            if let [share] = &shares.on[..]
                && shares.left == 0
                && part.place.batch() == Some(&share.batchref)
            {
                self.take(&share.batchref, share.pieces);
                continue;
            }
            let waits = Quantity::try_from(shares.left).ok();
            self.record(deallocated);
            self.lay_out(&pieces, shares, &Place::Waiting);
            if let Some(qty) = waits {
                self.record(out_of_stock(&OrderLine { qty, ..part.line.clone() }, part.split));
            }
        }
    }
}

/// Most parts that one can come to be which is placed anew, where so many batches have free stock beside its own.
fn most_parts(part: &Part, batches: usize) -> usize {
    let by_size = part.split.map_or(1, |split| part.line.qty.get().checked_div(split.least()).unwrap_or(1));
    usize::try_from(by_size).unwrap_or(usize::MAX).clamp(1, batches.saturating_add(2))
}

pub(super) fn deallocated(line: &OrderLine, batchref: &BatchRef, reason: DeallocationReason) -> Event {
    Event::Deallocated { line: line.clone(), batchref: batchref.clone(), reason }
}

/// That these pieces of a line fit nowhere, and wait.
pub(super) fn out_of_stock(line: &OrderLine, split: Option<Split>) -> Event {
    Event::OutOfStock { line: line.clone(), waiting: true, line_qty: split.map(|split| split.of) }
}

#[cfg(test)]
mod tests {
    use crate::examples::*;
    use crate::{AllWaiting, Part, Tally};

    #[test]
    fn a_line_that_fits_nowhere_waits() {
        let mut product = product(&[batch("batch1", 20, None)]);
        product.allocate(&line("o1", 20), &[]).unwrap();
        let mut product = product.committed();
        let youngest = [on("batch1", 8, line("o1", 20))];
        product.change_batch_quantity(&change("batch1", 0, 1), &youngest, &mut ample()).unwrap();
        assert_eq!(story(&product), ["20 of o1 off batch1", "20 of o1 out of stock", "batch1 holds 0"]);
        assert_eq!(product.waiting(), Tally { count: 1, version_sum: 9, pieces: 20 });
    }

    #[test]
    fn no_line_waits_for_room_that_its_own_batch_still_has() {
        let mut product = product(&[batch("batch1", 12, None)]);
        product.allocate(&line("large", 10), &[]).unwrap();
        product.allocate(&line("small", 2), &[]).unwrap();
        let mut product = product.committed();
        let youngest = [on("batch1", 9, line("small", 2)), on("batch1", 8, line("large", 10))];
        product.change_batch_quantity(&change("batch1", 5, 1), &youngest, &mut ample()).unwrap();
        assert_eq!(story(&product), ["10 of large off batch1", "10 of large out of stock", "batch1 holds 5"]);
        assert_eq!(free(&product, "batch1"), 3);
    }

    #[test]
    fn who_was_promised_first_is_placed_first() {
        let mut product = product(&[batch("batch1", 10, None), batch("spare", 6, Some("2011-01-01"))]);
        let parts: Vec<_> = (1..=10).map(|number| on("batch1", number, line(&format!("o{number:02}"), 1))).collect();
        for part in &parts {
            product.allocate(&part.line, &[]).unwrap();
        }
        let mut product = product.committed();
        let youngest: Vec<_> = parts.into_iter().rev().collect();
        product.change_batch_quantity(&change("batch1", 0, 1), &youngest, &mut ample()).unwrap();
        let told = story(&product);
        let went_to = |place: &str| -> Vec<String> {
            told.iter()
                .filter_map(|told| Some(told.strip_suffix(place)?.trim_start_matches("1 of ").to_owned()))
                .collect()
        };
        assert_eq!(went_to(" on spare"), ["o01", "o02", "o03", "o04", "o05", "o06"]);
        assert_eq!(went_to(" out of stock"), ["o07", "o08", "o09", "o10"]);
    }

    #[test]
    fn pieces_left_over_go_to_lines_that_waited_before_and_then_to_those_that_gave_way() {
        let story_of = |waits: &[Part]| {
            let mut product = product_with_waiting(&[batch("batch1", 20, None)], Tally::of(waits));
            for placed in [line("keeps", 9), line("large", 9), line("small", 1), line("young", 1)] {
                product.allocate(&placed, &[]).unwrap();
            }
            let mut product = product.committed();
            let youngest = [on("batch1", 5, line("young", 1)), on("batch1", 4, line("small", 1))];
            let youngest =
                [&youngest[..], &[on("batch1", 3, line("large", 9)), on("batch1", 2, line("keeps", 9))]].concat();
            product.change_batch_quantity(&change("batch1", 10, 1), &youngest, &mut ample()).unwrap();
            if product.has_backlog() {
                product.offer(&AllWaiting::checked(waits, Tally::of(waits)).unwrap(), &mut ample());
            }
            story(&product)
        };
        let gave_way = |orderid: &str, qty: u32| {
            [format!("{qty} of {orderid} off batch1"), format!("{qty} of {orderid} out of stock")]
        };
        let holds = || vec!["batch1 holds 10".to_owned()];
        let expected = [gave_way("large", 9).to_vec(), gave_way("young", 1).to_vec(), holds()].concat();
        assert_eq!(story_of(&[]), expected, "the older one of two that fit keeps its place");
        let served = vec!["1 of waits on batch1".to_owned()];
        let left = [gave_way("large", 9), gave_way("small", 1), gave_way("young", 1)].concat();
        assert_eq!(story_of(&[waiting(6, line("waits", 1))]), [holds(), served, left].concat());
    }
}
