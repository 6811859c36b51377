//! Lines that may be split: on which batches their pieces come to lie.

use std::cmp::Reverse;

use super::{Product, allocated};
use crate::{Batch, BatchRef, Event, Move, OrderLine, Part, Place, Quantity, Split, Timestamp, Version};

/// Most parts of a line when it is placed.
pub(super) const MOST_PARTS: usize = 30;
/// What is served or displaced later makes no part that has less than this share of its line. So a line has 45 parts at
/// most, 15 of which are made later: few enough for one commit to ship them, or to give them back.
const LEAST_SHARE: u32 = 16;

impl Split {
    /// Fewest pieces of a part that is made of another one.
    pub(crate) fn least(self) -> u32 {
        self.of.get().div_ceil(LEAST_SHARE)
    }
}

/// Where pieces can be placed.
pub(super) struct Shares {
    /// On these batches.
    pub(super) on: Vec<Share>,
    /// How many fit nowhere.
    pub(super) left: u32,
}

/// Pieces that have room on a batch.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) batchref: BatchRef,
    pub(super) pieces: Quantity,
    fills: bool,
    /// What tells that they are there.
    pub(super) allocated: Event,
}

impl Shares {
    /// All of so many pieces fit nowhere.
    pub(super) fn none(pieces: Quantity) -> Self {
        Self { on: Vec::new(), left: pieces.get() }
    }

    /// How many parts they make, with the one for what fits nowhere.
    pub(super) fn parts(&self) -> usize {
        self.on.len().saturating_add(usize::from(self.left > 0))
    }

    /// Stored items that they take: each part, and each batch that is filled.
    pub(super) fn items(&self) -> usize {
        self.parts().saturating_add(self.on.iter().filter(|share| share.fills).count())
    }

    /// What tells that they are there.
    pub(super) fn allocated(&self) -> impl Iterator<Item = &Event> {
        self.on.iter().map(|share| &share.allocated)
    }
}

/// Pieces that are placed together: all of a line, or a part of it that may be split.
#[derive(Clone, Copy)]
pub(super) struct Pieces<'a> {
    /// The line, with these pieces.
    pub(super) line: &'a OrderLine,
    /// Which of its pieces these are, if it may be split.
    pub(super) split: Option<Split>,
    /// The parts that they make until now. What is left of those is none from then on.
    pub(super) parts: &'a [&'a Part],
    /// When the line was first promised; none, if that is now.
    pub(super) age: Option<Version>,
    /// Until when it is promised.
    pub(super) held_until: Option<Timestamp>,
    /// Fewest pieces of a part that is made of them.
    pub(super) least: u32,
}

impl<'a> Pieces<'a> {
    /// Those of a part.
    pub(super) fn of(part: &'a &'a Part) -> Self {
        Self {
            line: &part.line,
            split: part.split,
            parts: std::slice::from_ref(part),
            age: Some(part.age),
            held_until: part.held_until,
            least: part.split.map_or(1, Split::least),
        }
    }
}

impl Product {
    /// Where pieces can be placed: all of them on the preferred batch that can hold them. If there is none, and they may be
    /// split, on the preferred ones in their order; of those that come on the same day, the one that has the most comes
    /// first, so that they lie on few. No share has less than it must, nor has what is left over.
    pub(super) fn shares(&self, pieces: &Pieces<'_>, except: Option<&BatchRef>) -> Shares {
        let Pieces { line, least, .. } = *pieces;
        let share = |batch: &Batch, qty: Quantity| Share {
            batchref: batch.reference.clone(),
            pieces: qty,
            fills: batch.free() == qty.get(),
            allocated: allocated(&OrderLine { qty, ..line.clone() }, pieces.split, batch, pieces.held_until),
        };
        if let Some(batch) = self.preferred(line, except) {
            return Shares { on: vec![share(batch, line.qty)], left: 0 };
        }
        let mut shares = Shares::none(line.qty);
        if pieces.split.is_none() {
            return shares;
        }
        let is_of_use = |batch: &&Batch| batch.free() >= least && Some(&batch.reference) != except;
        let mut open: Vec<&Batch> = self.open_batches().filter(is_of_use).collect();
        open.sort_by_key(|batch| (batch.eta, Reverse(batch.free()), &batch.reference));
        for batch in open {
            if shares.left == 0 {
                break;
            }
            let most = batch.free().min(shares.left);
            let rest = shares.left.saturating_sub(most);
            let taken = if (1..least).contains(&rest) { shares.left.saturating_sub(least) } else { most };
            if let Some(qty) = Quantity::try_from(taken).ok().filter(|_| taken >= least) {
                shares.on.push(share(batch, qty));
                shares.left = shares.left.saturating_sub(taken);
            }
        }
        shares
    }

    /// Puts pieces where they have their shares, and what is left elsewhere; tells of the former.
    pub(super) fn lay_out(&mut self, pieces: &Pieces<'_>, shares: Shares, rest: &Place) {
        let mut first = crate::part::first(pieces.split);
        let mut parts: Vec<&Part> = pieces.parts.to_vec();
        for Share { batchref, pieces: qty, allocated, .. } in shares.on {
            self.take(&batchref, qty);
            self.lay(pieces, first, qty, Place::Batch(batchref), &mut parts);
            self.record(allocated);
            first = first.saturating_add(qty.get());
        }
        if let Ok(qty) = Quantity::try_from(shares.left) {
            self.lay(pieces, first, qty, rest.clone(), &mut parts);
        }
        for part in parts {
            self.do_away_with(part);
        }
    }

    /// Of the parts that the pieces made until now, it takes the one that it goes on with.
    fn lay(&mut self, pieces: &Pieces<'_>, first: u32, qty: Quantity, to: Place, parts: &mut Vec<&Part>) {
        let known = parts.iter().position(|part| part.first() == first);
        let from = known.map(|index| parts.swap_remove(index).clone());
        let split = pieces.split.map(|split| Split { first, ..split });
        let line = OrderLine { qty, ..pieces.line.clone() };
        self.note(Move { line, split, from, to: Some(to), age: pieces.age, held_until: pieces.held_until });
    }

    /// Has no such part any more: others are made of its pieces, or its line is given back.
    pub(super) fn do_away_with(&mut self, part: &Part) {
        let (line, split, from, age) = (part.line.clone(), part.split, Some(part.clone()), Some(part.age));
        self.note(Move { line, split, from, to: None, age, held_until: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::*;
    use crate::{AllWaiting, Allocation, Budget, Done, IfShort, NewBatch, Refusal, Step, Tally, Terms};

    fn splitting(if_short: IfShort) -> Terms {
        Terms { may_split: true, ..terms(if_short, None) }
    }

    /// A line of so many pieces that may be split, once it is placed, and its parts.
    fn placed(batches: &[NewBatch], qty: u32) -> (Product, Vec<Part>) {
        let mut product = product(batches);
        product.arrange(&[line("o1", qty)], &[], &splitting(IfShort::Wait)).unwrap();
        let parts = after(&product, &[]);
        (product.committed(), parts)
    }

    /// What a change leaves of these parts, with those that it makes: all of their line.
    fn after(product: &Product, parts: &[Part]) -> Vec<Part> {
        let stay = parts.iter().filter(|part| !product.moves().iter().any(|moved| moved.is_of(part))).cloned();
        let moved = product.moves().iter().filter_map(|moved| moved.part_at(product.version()));
        let mut parts: Vec<Part> = stay.chain(moved).collect();
        parts.sort_by_key(Part::first);
        assert!(Part::are_all(&all(&parts)), "{parts:?}");
        parts
    }

    fn all(parts: &[Part]) -> Vec<&Part> {
        parts.iter().collect()
    }

    fn spread(parts: &[Part]) -> Vec<String> {
        let told = |part: &Part| match &part.place {
            Place::Batch(reference) => format!("{} on {reference}", part.line.qty),
            Place::Shipped(reference) => format!("{} from {reference}", part.line.qty),
            Place::Waiting => format!("{} wait", part.line.qty),
            Place::Cancelled => format!("{} cancelled", part.line.qty),
        };
        parts.iter().map(told).collect()
    }

    /// Adds a batch, and offers it to those that wait.
    fn arrives(product: &mut Product, new: &NewBatch, parts: &[Part]) {
        product.create_batch(new).unwrap();
        offer(product, parts);
    }

    fn offer(product: &mut Product, parts: &[Part]) {
        let waiting: Vec<Part> = parts.iter().filter(|part| part.place == Place::Waiting).cloned().collect();
        product.offer(&AllWaiting::checked(&waiting, Tally::of(&waiting)).unwrap(), &mut ample());
    }

    #[test]
    fn a_batch_that_has_all_pieces_comes_before_several_that_are_preferred() {
        let early = [batch("shelf", 9, None), batch("early", 9, Some("2011-01-01"))];
        let (_, parts) = placed(&[&early[..], &[batch("late", 10, Some("2011-01-02"))]].concat(), 10);
        assert_eq!(spread(&parts), ["10 on late"]);
    }

    #[test]
    fn of_several_the_preferred_come_first_and_of_one_day_the_largest() {
        let on_first = |reference, qty| batch(reference, qty, Some("2011-01-01"));
        let late = batch("late", 8, Some("2011-01-02"));
        let batches = [on_first("a", 3), on_first("b", 5), on_first("c", 4), late, batch("shelf", 2, None)];
        let (product, parts) = placed(&batches, 10);
        assert_eq!(spread(&parts), ["2 on shelf", "5 on b", "3 on c"]);
        assert_eq!((free(&product, "c"), free(&product, "late")), (1, 8));
    }

    #[test]
    fn what_is_short_is_refused_left_out_or_waits_for_the_rest() {
        let batches = [batch("b1", 4, None), batch("b2", 3, None)];
        for (if_short, told) in [
            (IfShort::Refuse, &["9 of o1 out of stock"][..]),
            (IfShort::Partial, &["9 of o1 out of stock"]),
            (IfShort::Wait, &["4 of o1 on b1", "3 of o1 on b2", "2 of o1 out of stock"]),
        ] {
            let mut product = product(&batches);
            let arranged = product.arrange(&[line("o1", 9)], &[], &splitting(if_short)).unwrap();
            assert_eq!(
                (story(&product), arranged.short),
                (told.iter().map(|told| (*told).to_owned()).collect(), vec![line("o1", 9)])
            );
        }
    }

    #[test]
    fn a_refusal_is_told_of_a_line_that_has_no_room_in_parts_either() {
        let mut product = product(&[batch("b1", 4, None), batch("b2", 3, None)]);
        product.tell_refused(&line("o1", 7), &[], &splitting(IfShort::Refuse));
        assert_eq!(story(&product), [""; 0], "it has room");
        product.tell_refused(&line("o1", 8), &[], &splitting(IfShort::Refuse));
        assert_eq!(story(&product), ["8 of o1 out of stock"]);
    }

    #[test]
    fn a_line_on_too_many_batches_is_refused() {
        let batches: Vec<NewBatch> = (0..=MOST_PARTS).map(|number| batch(&format!("b{number}"), 1, None)).collect();
        let arrange = |qty| product(&batches).arrange(&[line("o1", qty)], &[], &splitting(IfShort::Refuse)).map(drop);
        assert_eq!(arrange(30), Ok(()));
        assert_eq!(arrange(31), Err(Refusal::TooManyParts(line("o1", 31).id())));
    }

    #[test]
    fn a_line_that_waits_is_served_in_parts_and_starves_no_more() {
        let (mut product, parts) = placed(&[batch("b1", 4, None)], 9);
        assert_eq!(spread(&parts), ["4 on b1", "5 wait"]);
        arrives(&mut product, &batch("b2", 3, None), &parts);
        let parts = after(&product, &parts);
        assert_eq!(spread(&parts), ["4 on b1", "3 on b2", "2 wait"]);
        assert!(parts.iter().all(|part| part.age == Version(8)), "it is as old as it was");
        assert!(!product.has_backlog());
    }

    #[test]
    fn what_is_served_later_makes_no_part_below_a_sixteenth_of_its_line() {
        for (arriving, expected) in [
            (6, vec!["100 wait"]),
            (7, vec!["7 on b1", "93 wait"]),
            (95, vec!["93 on b1", "7 wait"]),
            (100, vec!["100 on b1"]),
        ] {
            let split = Some(Split { first: 0, of: 100.try_into().unwrap() });
            let parts = [Part { split, ..waiting(3, line("o1", 100)) }];
            let mut product = product_with_waiting(&[], Tally::of(&parts));
            arrives(&mut product, &batch("b1", arriving, None), &parts);
            assert_eq!(spread(&after(&product, &parts)), expected);
        }
    }

    #[test]
    fn what_a_commit_has_no_room_for_is_offered_in_the_next_one() {
        let (mut product, parts) = placed(&[], 9);
        for number in 0..3 {
            product.create_batch(&batch(&format!("b{number}"), 3, None)).unwrap();
        }
        let waiting = AllWaiting::checked(&parts, Tally::of(&parts)).unwrap();
        product.offer(&waiting, &mut Budget { items: 5, ..ample() });
        assert!(product.has_backlog() && product.moves().is_empty(), "three parts, and the batches that they fill");
        product.offer(&waiting, &mut Budget { items: 6, ..ample() });
        assert_eq!(spread(&after(&product, &parts)), ["3 on b0", "3 on b1", "3 on b2"]);
    }

    #[test]
    fn where_a_batch_shrinks_a_line_keeps_what_it_can() {
        let (mut product, parts) = placed(&[batch("b1", 9, None)], 9);
        let changed = product.change_batch_quantity(&change("b1", 7, 1), &parts, &mut ample()).unwrap();
        assert!(matches!(changed, Step::Finish(_)));
        assert_eq!(story(&product), ["9 of o1 off b1", "7 of o1 on b1", "2 of o1 out of stock", "b1 holds 7"]);
        assert_eq!(spread(&after(&product, &parts)), ["7 on b1", "2 wait"]);
    }

    #[test]
    fn what_gives_way_has_room_in_its_commit_for_all_parts_that_it_may_make() {
        let batches = [batch("b1", 9, None), batch("b2", 2, Some("2011-01-02")), batch("b3", 2, Some("2011-01-02"))];
        let (product, parts) = placed(&batches, 9);
        let shrink = |items: usize| {
            let mut product = product.clone();
            let step =
                product.change_batch_quantity(&change("b1", 6, 1), &parts, &mut Budget { items, ..ample() }).unwrap();
            (step, spread(&after(&product, &parts)))
        };
        assert_eq!(shrink(7), (Step::GoOn, vec!["9 on b1".to_owned()]), "four parts, on three batches, or more");
        let (step, spread) = shrink(8);
        assert!(matches!(step, Step::Finish(_)));
        assert_eq!(spread, ["6 on b1", "2 on b2", "1 on b3"]);
    }

    #[test]
    fn a_line_ships_when_all_its_parts_do() {
        let (mut product, parts) = placed(&[batch("b1", 4, None), batch("b2", 3, None)], 9);
        assert_eq!(product.ship(&all(&parts)), Err(Refusal::NotAllocated(line("o1", 9).id())), "two pieces wait");
        assert!(product.moves().is_empty());
        arrives(&mut product, &batch("b3", 5, None), &parts);
        let parts = after(&product, &parts);
        let mut product = product.committed();
        assert_eq!(product.ship(&all(&parts)), Ok(Done::Now));
        let parts = after(&product, &parts);
        assert_eq!(spread(&parts), ["4 from b1", "3 from b2", "2 from b3"]);
        assert_eq!(product.committed().ship(&all(&parts)), Ok(Done::Before));
    }

    #[test]
    fn a_line_that_is_given_back_leaves_one_mark() {
        let (mut product, parts) = placed(&[batch("b1", 4, None), batch("b2", 3, None)], 9);
        assert_eq!(product.cancel(&all(&parts), &mut ample()), Some(Ok(Done::Now)));
        let told = ["4 of o1 cancelled, off b1", "3 of o1 cancelled, off b2", "2 of o1 cancelled"];
        assert_eq!(
            (story(&product), free(&product, "b1"), product.waiting().count),
            (told.map(str::to_owned).into(), 4, 0)
        );
        let gone = |part: &&Part| product.moves().iter().any(|moved| moved.is_of(part) && moved.to.is_none());
        assert_eq!(parts.iter().filter(gone).count(), 2);
        let [mark] =
            &product.moves().iter().filter_map(|moved| moved.part_at(product.version())).collect::<Vec<_>>()[..]
        else {
            panic!("one is left")
        };
        assert_eq!((&mark.line, mark.split, &mark.place), (&line("o1", 9), None, &Place::Cancelled));
    }

    #[test]
    fn a_line_is_given_back_as_a_whole_or_not_at_all() {
        let (mut product, parts) = placed(&[batch("b1", 4, None), batch("b2", 3, None)], 7);
        // Both batches are full: there is room for one of them.
        let room = filling_batches(999);
        for new in &room {
            product.create_batch(new).unwrap();
        }
        let mut product = product.committed();
        let before = product.clone();
        assert_eq!(product.cancel(&all(&parts), &mut ample()), Some(Err(Refusal::TooManyBatches(sku()))));
        assert_eq!(product, before);
        assert_eq!(
            product.cancel(&all(&parts), &mut Budget { items: 4, ..ample() }),
            None,
            "two parts, two batches, and the product"
        );
    }

    #[test]
    fn another_quantity_is_placed_anew_and_takes_its_own_pieces_first() {
        let (mut product, parts) = placed(&[batch("b1", 4, None), batch("b2", 3, None)], 7);
        let named = OrderLine { name: "7".try_into().unwrap(), ..line("o1", 5) };
        product.arrange(std::slice::from_ref(&named), &parts, &splitting(IfShort::Refuse)).unwrap();
        let told = ["4 of o1 cancelled, off b1", "3 of o1 cancelled, off b2", "4 of o1 on b1", "1 of o1 on b2"];
        assert_eq!(story(&product), told);
        let parts = after(&product, &parts);
        assert_eq!((spread(&parts), parts[0].whole_line()), (vec!["4 on b1".to_owned(), "1 on b2".to_owned()], named));
        assert!(parts.iter().all(|part| part.age == Version(8)));
    }

    #[test]
    fn a_line_that_waits_and_may_be_split_now_takes_what_there_is_whatever_happens_to_short_ones() {
        for if_short in [IfShort::Refuse, IfShort::Partial, IfShort::Wait] {
            let mut product = product(&[batch("b1", 4, None)]);
            product.arrange(&[line("o1", 9)], &[], &terms(IfShort::Wait, None)).unwrap();
            let parts = after(&product, &[]);
            assert_eq!(spread(&parts), ["9 wait"]);
            let mut product = product.committed();
            let arranged = product.arrange(&[line("o1", 9)], &parts, &splitting(if_short)).unwrap();
            assert_eq!(story(&product), ["9 of o1 cancelled", "4 of o1 on b1", "5 of o1 out of stock"]);
            let parts = after(&product, &parts);
            assert!(arranged.short.is_empty() && parts.iter().all(|part| part.age == Version(8)), "it goes on waiting");
            let mut product = product.committed();
            product.arrange(&[line("o1", 9)], &parts, &splitting(if_short)).unwrap();
            product.arrange(&[line("o1", 9)], &parts, &terms(if_short, None)).unwrap();
            assert!(product.moves().is_empty(), "that is so already, and what may be split stays so");
        }
    }

    #[test]
    fn where_small_remnants_are_many_a_line_is_placed_in_fewer_parts() {
        let remnants = (0..MOST_PARTS).map(|number| batch(&format!("b{number:02}"), 1, None));
        let large = ["large1", "large2"].map(|reference| batch(reference, 50, Some("2031-01-02")));
        let batches: Vec<NewBatch> = remnants.chain(large).collect();
        let (_, parts) = placed(&batches, 100);
        assert_eq!(spread(&parts), ["50 on large1", "50 on large2"]);
        let (_, parts) = placed(&batches, 200);
        assert_eq!(spread(&parts), ["50 on large1", "50 on large2", "100 wait"]);
        let refused = product(&batches).arrange(&[line("o1", 131)], &[], &splitting(IfShort::Refuse)).unwrap();
        assert_eq!(refused.short, [line("o1", 131)], "there is not as much, in however many parts");
    }

    #[test]
    fn a_part_that_waits_does_not_keep_others_from_being_confirmed() {
        let mut product = product(&[batch("b1", 4, None), batch("b2", 3, None)]);
        let held = Terms { hold_until: Some(Timestamp(60)), ..splitting(IfShort::Wait) };
        product.arrange(&[line("o1", 7)], &[], &held).unwrap();
        let parts = after(&product, &[]);
        let mut product = product.committed();
        product.change_batch_quantity(&change("b1", 0, 1), &parts[..1], &mut ample()).unwrap();
        let parts = after(&product, &parts);
        assert_eq!(spread(&parts), ["4 wait", "3 on b2"]);
        let mut product = product.committed();
        assert_eq!(product.allocate(&line("o1", 7), &all(&parts)), Ok(Allocation::Waiting));
        assert_eq!((story(&product).len(), product.held().tally), (2, Tally::default()));
    }

    #[test]
    fn whoever_keeps_a_waiting_part_and_frees_others_is_told_of_all_its_pieces() {
        let mut product = product(&[batch("b1", 4, None)]);
        let held = Terms { hold_until: Some(Timestamp(60)), ..splitting(IfShort::Wait) };
        let gone = OrderLine { name: "gone".try_into().unwrap(), ..line("o1", 4) };
        product.arrange(&[gone.clone(), line("o1", 9)], &[], &held).unwrap();
        let moved = product.moves().iter().filter_map(|moved| moved.part_at(product.version()));
        let parts: Vec<Part> = moved.collect();
        let mut product = product.committed();
        product.arrange(&[line("o1", 9)], &parts, &splitting(IfShort::Wait)).unwrap();
        assert_eq!(story(&product), ["4 of o1 cancelled, off b1", "4 of o1 on b1", "5 of o1 confirmed"]);
        assert_eq!(product.held().tally, Tally::default());
    }

    #[test]
    fn what_lies_on_several_batches_stays_there_if_it_may_be_split_no_more() {
        let (mut product, parts) = placed(&[batch("b1", 4, None), batch("b2", 3, None)], 7);
        product.arrange(&[line("o1", 7)], &parts, &terms(IfShort::Refuse, None)).unwrap();
        assert!(product.moves().is_empty());
    }

    #[test]
    fn whoever_asks_for_a_split_line_by_itself_is_told_of_its_first_part() {
        let (mut product, parts) = placed(&[batch("b1", 4, None), batch("b2", 3, None)], 7);
        assert_eq!(product.allocate(&line("o1", 7), &all(&parts)), Ok(Allocation::Kept("b1".try_into().unwrap())));
        let other = OrderLine { name: "7".try_into().unwrap(), ..line("o1", 4) };
        let differs = Refusal::LineDiffers { line: other.id(), stored: 7.try_into().unwrap() };
        assert_eq!(product.allocate(&other, &all(&parts)), Err(differs), "it has more pieces than that part");
        let (mut product, parts) = placed(&[batch("b1", 4, None)], 7);
        assert_eq!(product.allocate(&line("o1", 7), &all(&parts)), Ok(Allocation::Waiting));
    }

    #[test]
    fn a_split_line_that_is_held_is_confirmed_and_falls_due_as_a_whole() {
        let until = Timestamp(60);
        let mut product = product(&[batch("b1", 4, None), batch("b2", 3, None)]);
        let held = Terms { hold_until: Some(until), ..splitting(IfShort::Wait) };
        product.arrange(&[line("o1", 9)], &[], &held).unwrap();
        let parts = after(&product, &[]);
        assert!(parts.iter().all(|part| part.held_until == Some(until)) && parts.len() == 3);
        let product = product.committed();

        let mut confirmed = product.clone();
        assert_eq!(confirmed.allocate(&line("o1", 9), &all(&parts)), Ok(Allocation::Waiting));
        assert_eq!((confirmed.events().len(), confirmed.held().tally), (3, Tally::default()));

        let mut some = product.clone();
        some.expire(&parts[..2], until, &mut ample());
        assert!(some.moves().is_empty(), "its third part is not listed yet");
        assert!(some.held().due > Some(until), "and is looked for again");

        let mut expired = product;
        expired.expire(&parts, until, &mut ample());
        assert_eq!((free(&expired, "b1"), free(&expired, "b2"), expired.waiting().count), (4, 3, 0));
    }
}
