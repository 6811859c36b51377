//! Bringing an order's lines of one SKU to what the order wants: lines are placed, exchanged and given back in one change.

use super::Product;
use super::cancel::cancelled;
use super::displaced::out_of_stock;
use super::split::{MOST_PARTS, Pieces, Shares};
use crate::{CancellationReason, Eta, IfShort, OrderLine, Part, Place, Quantity, Refusal, Split, Terms};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arranged {
    /// Lines that fit on no batch.
    pub short: Vec<OrderLine>,
    /// The pieces that nobody else had.
    pub available: Available,
}

/// Pieces that are free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Available {
    /// In the warehouse.
    pub free: u64,
    /// On their way, by date.
    pub incoming: Vec<(Eta, u64)>,
}

impl Product {
    /// Brings an order's lines to those that it wants. What it wants no more is given back first, so that its other lines
    /// can have it; what they leave is for those that wait, see [`Product::has_backlog`].
    ///
    /// `parts` are the order's lines of this SKU as they stand, each with all its parts. A line that has its place keeps it;
    /// one that asks for another quantity is exchanged, and so is one that waits and may be split now; one that was cancelled
    /// comes back. With [`IfShort::Refuse`] and lines that are short the product is to be thrown away: see
    /// [`Product::tell_refused`].
    ///
    /// # Errors
    /// When a line is to have another quantity that was shipped, or would have too many parts; or when a batch was full,
    /// pieces of which are given back, and the product can hold no more batches with free stock. The product is to be thrown
    /// away then.
    pub fn arrange(&mut self, wanted: &[OrderLine], parts: &[Part], terms: &Terms) -> Result<Arranged, Refusal> {
        let known = Part::by_line(parts);
        let parts_of = |line: &OrderLine| {
            let known = known.iter().find(|parts| parts.iter().any(|part| part.line.is_same(line)));
            known.map_or(&[][..], Vec::as_slice)
        };
        for parts in &known {
            let line = parts.first().and_then(|part| wanted.iter().find(|line| line.is_same(&part.line)));
            self.release(parts, line, terms)?;
        }
        let available = self.available();
        let mut short = Vec::new();
        for line in wanted {
            if !self.place_wanted(line, parts_of(line), terms)? {
                short.push(line.clone());
            }
        }
        Ok(Arranged { short, available })
    }

    /// Tells that a line is refused which is short, once for a stock, and changes nothing else. `parts` are where it stands:
    /// only if it was never promised, the commit must find that it has no place still.
    pub fn tell_refused(&mut self, line: &OrderLine, parts: &[&Part], terms: &Terms) {
        let wanted = Pieces::wanted(line, parts, terms);
        if self.shares(&wanted, None).left == 0 {
            return;
        }
        if parts.is_empty() {
            self.turn_away(line);
        } else {
            self.tell_refusal(line);
        }
    }

    /// The pieces that no line has.
    #[must_use]
    pub fn available(&self) -> Available {
        let mut available = Available::default();
        for batch in self.open_batches_by_preference() {
            let free = u64::from(batch.free());
            match (batch.eta, available.incoming.last_mut()) {
                (None, _) => available.free = available.free.saturating_add(free),
                (Some(eta), Some((last, sum))) if *last == eta => *sum = sum.saturating_add(free),
                (Some(eta), _) => available.incoming.push((eta, free)),
            }
        }
        available
    }

    /// Gives back what the order wants no more of a line: all of it, or the pieces that it is exchanged for.
    fn release(&mut self, parts: &[&Part], wanted: Option<&OrderLine>, terms: &Terms) -> Result<(), Refusal> {
        let Some(first) = parts.first().filter(|part| part.place != Place::Cancelled) else { return Ok(()) };
        match wanted {
            Some(line) if first.place.is_shipped() && line.qty != first.whole_qty() => {
                Err(Refusal::LineShipped(line.id()))
            }
            _ if first.place.is_shipped() => Ok(()),
            Some(line) if is_exchanged(line, parts, terms) => self.free(parts),
            Some(_) => Ok(()),
            None => self.cancel_at_once(parts, CancellationReason::Edited).map(drop),
        }
    }

    /// False: it is short. A line that waits already for as much is no news, and no reason to refuse its order.
    fn place_wanted(&mut self, line: &OrderLine, parts: &[&Part], terms: &Terms) -> Result<bool, Refusal> {
        let is_known = parts.first().is_some_and(|part| part.place != Place::Cancelled);
        let is_exchanged = is_exchanged(line, parts, terms);
        if is_known && !is_exchanged {
            for part in parts {
                self.keep(part, terms);
            }
            return Ok(true);
        }
        // It waits, and goes on doing so for what fits nowhere.
        let goes_on = is_exchanged && parts.iter().all(|part| part.whole_qty() == line.qty);
        let policy = if goes_on { IfShort::Wait } else { terms.if_short };
        let pieces = Pieces::wanted(line, parts, terms);
        let shares = self.few_shares(&pieces, policy)?;
        let is_short = shares.left > 0;
        if is_short && policy != IfShort::Wait {
            match parts {
                [] => self.turn_away(line),
                // What it had is free already.
                _ if is_exchanged => {
                    self.end(parts, CancellationReason::Edited);
                    self.tell_refusal(line);
                }
                _ => self.tell_refusal(line),
            }
            return Ok(false);
        }
        for old in parts.iter().filter(|_| is_exchanged) {
            self.record(cancelled(old, CancellationReason::Edited));
        }
        let (waits, split) = (Quantity::try_from(shares.left).ok(), pieces.split);
        self.lay_out(&pieces, shares, &Place::Waiting);
        if let Some(qty) = waits {
            self.record(out_of_stock(&OrderLine { qty, ..line.clone() }, split));
        }
        Ok(!is_short || goes_on)
    }

    /// Where a line can be placed, in no more parts than it may have: rather in fewer that are larger.
    fn few_shares(&self, pieces: &Pieces<'_>, policy: IfShort) -> Result<Shares, Refusal> {
        let shares = self.shares(pieces, None);
        let Some(split) = pieces.split.filter(|_| shares.parts() > MOST_PARTS) else { return Ok(shares) };
        let larger = self.shares(&Pieces { least: split.least(), ..*pieces }, None);
        match policy {
            IfShort::Wait => Ok(larger),
            IfShort::Refuse | IfShort::Partial if larger.left == 0 => Ok(larger),
            IfShort::Refuse | IfShort::Partial if shares.left > 0 => Ok(shares),
            IfShort::Refuse | IfShort::Partial => Err(Refusal::TooManyParts(pieces.line.id())),
        }
    }

    /// Leaves a part where it is, but for one that waits and has room now.
    fn keep(&mut self, part: &Part, terms: &Terms) {
        let is_held = part.held_until.is_some();
        let pieces = Pieces { held_until: terms.hold_until.filter(|_| is_held), ..Pieces::of(&part) };
        let shares = Some(&part.place).filter(|place| **place == Place::Waiting).map(|_| self.shares(&pieces, None));
        let Some(shares) = shares.filter(|shares| !shares.on.is_empty()) else {
            self.hold(part, terms.hold_until);
            return;
        };
        let rest = Quantity::try_from(shares.left).ok().map(|qty| OrderLine { qty, ..part.line.clone() });
        let told = rest.and_then(|line| self.new_hold(&Part { line, ..part.clone() }, terms.hold_until));
        self.lay_out(&pieces, shares, &Place::Waiting);
        if let Some(told) = told {
            self.record(told);
        }
    }
}

/// Whether a line that stands is to be placed anew: with other pieces; or in parts, as it waits and may be split now.
fn is_exchanged(line: &OrderLine, parts: &[&Part], terms: &Terms) -> bool {
    let waits_whole = |part: &&Part| part.place == Place::Waiting && part.split.is_none();
    parts.first().is_some_and(|part| {
        let may_be_split_now = terms.may_split && waits_whole(part);
        part.place.is_standing() && (part.whole_qty() != line.qty || may_be_split_now)
    })
}

impl<'a> Pieces<'a> {
    /// All of a line that is placed anew.
    fn wanted(line: &'a OrderLine, parts: &'a [&'a Part], terms: &Terms) -> Self {
        // One that was cancelled comes back as a new promise.
        let promised = parts.first().filter(|part| part.place != Place::Cancelled);
        Self {
            line,
            split: terms.may_split.then_some(Split { first: 0, of: line.qty }),
            parts,
            age: promised.map(|part| part.age),
            // What was promised for good stays so.
            held_until: terms.hold_until.filter(|_| promised.is_none_or(|part| part.held_until.is_some())),
            least: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::*;
    use crate::{AllWaiting, Tally, Version};

    /// A line by a name that it keeps whatever its quantity is.
    fn named(name: &str, qty: u32) -> OrderLine {
        OrderLine { name: name.try_into().unwrap(), ..line("o1", qty) }
    }

    /// What becomes of an order that has these lines.
    fn arranged(product: &mut Product, wanted: &[OrderLine], parts: &[Part], if_short: IfShort) -> Vec<OrderLine> {
        product.arrange(wanted, parts, &terms(if_short, None)).unwrap().short
    }

    /// A batch with lines on it.
    fn with_lines(qty: u32, placed: &[OrderLine]) -> (Product, Vec<Part>) {
        let mut product = product(&[batch("b1", qty, None)]);
        for line in placed {
            product.allocate(line, &[]).unwrap();
        }
        let parts = placed.iter().map(|line| on("b1", 8, line.clone())).collect();
        (product.committed(), parts)
    }

    fn moved_to(product: &Product) -> Vec<(&str, Option<Place>)> {
        product.moves().iter().map(|moved| (moved.line.name.as_str(), moved.to.clone())).collect()
    }

    #[test]
    fn new_lines_are_placed_and_those_that_have_a_place_keep_it() {
        let (mut product, parts) = with_lines(10, &[named("kept", 3)]);
        let wanted = [named("kept", 3), named("new", 4)];
        assert_eq!(arranged(&mut product, &wanted, &parts, IfShort::Refuse), []);
        assert_eq!((story(&product), product.version()), (vec!["4 of o1 on b1".to_owned()], Version(9)));
        assert_eq!(free(&product, "b1"), 3);
        assert_eq!(product.moves().len(), 1);
    }

    #[test]
    fn what_is_wanted_already_is_no_change() {
        let (mut product, parts) = with_lines(10, &[named("kept", 3)]);
        assert_eq!(arranged(&mut product, &[named("kept", 3)], &parts, IfShort::Refuse), []);
        assert!(product.events().is_empty() && product.moves().is_empty());
    }

    #[test]
    fn a_line_that_grows_takes_its_own_pieces_again() {
        for old in [named("left", 3), line("o1", 3)] {
            let (mut product, parts) = with_lines(5, std::slice::from_ref(&old));
            // By its quantity it is another line, for whoever gave it no name.
            let wanted = if old.name.as_str() == "left" { named("left", 5) } else { line("o1", 5) };
            assert_eq!(arranged(&mut product, &[wanted], &parts, IfShort::Refuse), []);
            assert_eq!(story(&product), ["3 of o1 cancelled, off b1", "5 of o1 on b1"]);
            assert_eq!(free(&product, "b1"), 0);
            assert!(!product.has_backlog());
        }
    }

    #[test]
    fn an_exchanged_line_moves_once_and_keeps_its_age() {
        let (mut product, parts) = with_lines(5, &[named("left", 3)]);
        arranged(&mut product, &[named("left", 5)], &parts, IfShort::Refuse);
        let [moved] = product.moves() else { panic!("one move") };
        let part = moved.part_at(product.version()).unwrap();
        assert_eq!((part.line, part.age, part.since), (named("left", 5), Version(8), Version(9)));
    }

    #[test]
    fn lines_that_are_wanted_no_more_are_given_back_for_those_that_wait() {
        let waits = [waiting(3, line("o2", 2))];
        let mut product = product_with_waiting(&[batch("b1", 4, None)], Tally::of(&waits));
        product.allocate(&named("gone", 4), &[]).unwrap();
        let mut product = product.committed();
        let parts = [on("b1", 8, named("gone", 4))];
        assert_eq!(
            arranged(&mut product, &[named("new", 3)], &parts, IfShort::Refuse),
            [],
            "its own pieces are its own"
        );
        assert!(product.has_backlog());
        product.offer(&AllWaiting::checked(&waits, Tally::of(&waits)).unwrap(), &mut ample());
        assert_eq!(
            story(&product),
            ["4 of o1 cancelled, off b1", "3 of o1 on b1"],
            "one piece is left, which is too few"
        );
    }

    #[test]
    fn a_cancelled_line_comes_back_as_a_new_promise() {
        let (mut product, _) = with_lines(5, &[]);
        let cancelled = Part { place: Place::Cancelled, ..waiting(3, named("back", 2)) };
        assert_eq!(arranged(&mut product, &[named("back", 2)], &[cancelled], IfShort::Refuse), []);
        let part = product.moves()[0].part_at(product.version()).unwrap();
        assert_eq!((part.age, part.since), (Version(8), Version(8)));
        assert!(product.moves()[0].from.is_some(), "the commit finds it as it was read");
    }

    #[test]
    fn a_shipped_line_stays_named_or_not_but_not_with_another_quantity() {
        let shipped = Part { place: Place::Shipped("b1".try_into().unwrap()), ..waiting(3, named("sent", 2)) };
        for wanted in [vec![], vec![named("sent", 2)]] {
            let (mut product, _) = with_lines(5, &[]);
            assert_eq!(arranged(&mut product, &wanted, std::slice::from_ref(&shipped), IfShort::Refuse), []);
            assert!(product.events().is_empty());
        }
        let (mut product, _) = with_lines(5, &[]);
        let refused = product.arrange(&[named("sent", 3)], &[shipped], &terms(IfShort::Refuse, None));
        assert_eq!(refused, Err(Refusal::LineShipped(named("sent", 3).id())));
    }

    #[test]
    fn lines_that_are_short_are_left_out_or_wait() {
        let wanted = [named("large", 9), named("small", 2)];
        let (mut product, _) = with_lines(5, &[]);
        assert_eq!(arranged(&mut product, &wanted, &[], IfShort::Partial), wanted[..1]);
        assert_eq!(story(&product), ["9 of o1 out of stock", "2 of o1 on b1"]);
        assert_eq!(moved_to(&product), [("large", None), ("small", Some(Place::Batch("b1".try_into().unwrap())))]);

        let (mut product, _) = with_lines(5, &[]);
        assert_eq!(arranged(&mut product, &wanted, &[], IfShort::Wait), wanted[..1]);
        assert_eq!(product.waiting(), Tally { count: 1, version_sum: 8, pieces: 9 });
        assert_eq!(moved_to(&product)[0], ("large", Some(Place::Waiting)));
        // Asked for again, it waits still, without a word.
        let waits = [waiting(8, named("large", 9)), on("b1", 8, named("small", 2))];
        let mut product = product.committed();
        for if_short in [IfShort::Wait, IfShort::Partial, IfShort::Refuse] {
            assert_eq!(arranged(&mut product, &wanted, &waits, if_short), []);
            assert!(product.events().is_empty() && product.moves().is_empty());
        }
    }

    #[test]
    fn a_line_that_grows_too_large_is_left_out_or_waits_with_all_its_pieces() {
        let grown = [named("left", 9)];
        let (mut product, parts) = with_lines(5, &[named("left", 3)]);
        assert_eq!(arranged(&mut product, &grown, &parts, IfShort::Partial), grown);
        assert_eq!(story(&product), ["3 of o1 cancelled, off b1", "9 of o1 out of stock"]);
        assert_eq!((moved_to(&product), free(&product, "b1")), (vec![("left", Some(Place::Cancelled))], 5));

        let (mut product, parts) = with_lines(5, &[named("left", 3)]);
        assert_eq!(arranged(&mut product, &grown, &parts, IfShort::Wait), grown);
        assert_eq!(product.waiting().pieces, 9);
        let part = product.moves()[0].part_at(product.version()).unwrap();
        assert_eq!((part.line.qty.get(), part.place, part.age), (9, Place::Waiting, Version(8)));

        // And from waiting to waiting, of which the tally has one still.
        let mut product = product.committed();
        let waits = [Part { line: named("left", 9), ..waiting(9, named("left", 9)) }];
        assert_eq!(arranged(&mut product, &[named("left", 7)], &waits, IfShort::Wait), [named("left", 7)]);
        assert_eq!(product.waiting(), Tally { count: 1, version_sum: 10, pieces: 7 });
    }

    #[test]
    fn a_refusal_tells_what_the_order_could_use() {
        let mut product = product(&[
            batch("b1", 4, None),
            batch("b2", 1, None),
            batch("later", 6, Some("2011-01-02")),
            batch("as-late", 2, Some("2011-01-02")),
            batch("last", 3, Some("2011-02-01")),
        ]);
        product.allocate(&named("left", 3), &[]).unwrap();
        let mut product = product.committed();
        let parts = [on("b1", 8, named("left", 3))];
        let refused = product.arrange(&[named("left", 7)], &parts, &terms(IfShort::Refuse, None)).unwrap();
        let eta = |date: &str| Eta::try_from(date.to_owned()).unwrap();
        let incoming = vec![(eta("2011-01-02"), 8), (eta("2011-02-01"), 3)];
        assert_eq!(refused.available, Available { free: 5, incoming }, "its own three are among them");
        assert_eq!(refused.short, [named("left", 7)]);
    }

    #[test]
    fn a_refusal_is_told_once_for_a_stock_and_only_if_the_line_does_not_fit_by_itself() {
        let (mut product, parts) = with_lines(5, &[named("left", 3)]);
        product.tell_refused(&named("fits", 2), &[], &Terms::default());
        assert!(product.events().is_empty());
        product.tell_refused(&named("left", 4), &[&parts[0]], &Terms::default());
        assert_eq!((story(&product), product.moves().len()), (vec!["4 of o1 out of stock".to_owned()], 0));
        product.tell_refused(&named("new", 4), &[], &Terms::default());
        assert_eq!((product.events().len(), product.turned_away().count()), (1, 1));
    }
}
