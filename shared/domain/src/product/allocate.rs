//! Binding lines to batches.

use super::{Product, allocated, items_to_place};
use crate::{BatchRef, Budget, Event, Move, OrderId, OrderLine, Part, Place, Refusal, SkuLines};

/// The answer to a line that asks for a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// It got one, on this batch.
    Allocated(BatchRef),
    /// It had one before, on this batch, and keeps it; also if it is shipped.
    Kept(BatchRef),
    /// It was promised before, lost its batch, and waits: no batch has enough pieces left.
    Waiting,
    /// No batch has enough pieces left.
    OutOfStock,
}

/// Most events that may be told beside a refusal that is news. Whoever is refused from then on reads the product, with
/// all that its last commit told; so that should be little.
const EVENTS_BESIDE_A_REFUSAL: usize = 16;

/// How far a commit came with many lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// How many of the first ones have their answer.
    pub lines: usize,
    /// What those of them were told that can't be allocated, whoever asks how often.
    pub refusals: Vec<Refusal>,
}

impl Product {
    /// Binds a line to the preferred batch that has enough pieces.
    ///
    /// `parts` are where the line stands already, if it was promised before: a line on a batch keeps it, and one that waits
    /// is not told to be out of stock a second time. A line without any is turned away if nothing fits, which is told once
    /// for a stock: as much or more is refused without an event until stock comes free.
    ///
    /// # Errors
    /// When the line was asked for before with another quantity, or is cancelled.
    pub fn allocate(&mut self, line: &OrderLine, parts: &[&Part]) -> Result<Allocation, Refusal> {
        let Some(first) = parts.first() else { return Ok(self.allocate_new(line)) };
        if first.whole_qty() != line.qty {
            return Err(Refusal::LineDiffers { line: line.id(), stored: first.whole_qty() });
        }
        if first.place == Place::Cancelled {
            return Err(Refusal::LineCancelled(line.id()));
        }
        let known = self.events().len();
        // All of them, also those after one that waits.
        let places: Vec<Option<BatchRef>> = parts.iter().map(|part| self.keep_or_place(part)).collect();
        let changed = self.events().len() > known;
        let places: Option<Vec<BatchRef>> = places.into_iter().collect();
        Ok(match places.and_then(|places| places.into_iter().next()) {
            Some(batchref) if changed => Allocation::Allocated(batchref),
            Some(batchref) => Allocation::Kept(batchref),
            None => Allocation::Waiting,
        })
    }

    fn allocate_new(&mut self, line: &OrderLine) -> Allocation {
        let Some(batch) = self.preferred(line, None) else {
            self.turn_away(line);
            return Allocation::OutOfStock;
        };
        let (batchref, allocated) = (batch.reference.clone(), allocated(line, None, batch, None));
        self.take(&batchref, line.qty);
        let (line, to) = (line.clone(), Some(Place::Batch(batchref.clone())));
        self.note(Move { line, split: None, from: None, to, age: None, held_until: None });
        self.record(allocated);
        Allocation::Allocated(batchref)
    }

    /// Promises for good what stands there, and places what waits. None: it waits still.
    fn keep_or_place(&mut self, part: &Part) -> Option<BatchRef> {
        if part.place == Place::Waiting
            && let Some(batch) = self.preferred(&part.line, None)
        {
            let (batchref, allocated) = (batch.reference.clone(), allocated(&part.line, part.split, batch, None));
            self.take(&batchref, part.line.qty);
            self.put_until(part, Place::Batch(batchref.clone()), None);
            self.record(allocated);
            return Some(batchref);
        }
        if part.held_until.is_some() {
            self.confirm(part);
        }
        part.place.batch().cloned()
    }

    /// A line that is not kept. The move says that it must have got no place meanwhile, by the same request sent twice.
    pub(super) fn turn_away(&mut self, line: &OrderLine) {
        self.note(Move { line: line.clone(), split: None, from: None, to: None, age: None, held_until: None });
        self.tell_refusal(line);
    }

    /// Tells that a line is refused, if that is news.
    pub(super) fn tell_refusal(&mut self, line: &OrderLine) {
        if let Some(told) = self.news_of_refusal(line) {
            self.state.refused = Some(line.qty);
            self.record(told);
        }
    }

    /// What is to be told if a line is refused. None: as much or less was refused before, and nothing came free since.
    fn news_of_refusal(&self, line: &OrderLine) -> Option<Event> {
        let is_news = self.state.refused.is_none_or(|refused| line.qty < refused);
        is_news.then(|| Event::OutOfStock { line: line.clone(), waiting: false, line_qty: None })
    }

    /// Binds lines to batches, each as [`Product::allocate`] does, until one is too much for the budget; no more lines
    /// than the budget has items. Those of cancelled orders are refused, see [`Product::allocate_cancelled`].
    pub fn allocate_each<'a>(
        &mut self,
        lines: &SkuLines,
        parts_of: impl Fn(&OrderLine) -> Vec<&'a Part>,
        cancelled: &[OrderId],
        budget: &mut Budget,
    ) -> Answered {
        let mut answered = Answered { lines: 0, refusals: Vec::new() };
        for line in lines.lines().iter().take(budget.items) {
            let parts = parts_of(line);
            let outcome = if cancelled.contains(&line.orderid) {
                self.allocate_cancelled(line, &parts, budget)
            } else {
                // What a cancelled line gave back belongs to those that wait.
                let may_be_placed =
                    !self.has_backlog() && !self.tells_too_much(line, &parts) && self.can_afford(line, &parts, budget);
                may_be_placed.then(|| self.allocate(line, &parts))
            };
            let Some(outcome) = outcome else { break };
            answered.refusals.extend(outcome.err());
            answered.lines = answered.lines.saturating_add(1);
        }
        answered
    }

    /// Whether a line is refused and that is news, in a commit that has much to tell already.
    fn tells_too_much(&self, line: &OrderLine, parts: &[&Part]) -> bool {
        self.pending.events.len() > EVENTS_BESIDE_A_REFUSAL
            && parts.is_empty()
            && !self.has_room_for(line)
            && self.news_of_refusal(line).is_some()
    }

    /// Takes from the budget what allocating a line will need, or nothing.
    fn can_afford(&self, line: &OrderLine, parts: &[&Part], budget: &mut Budget) -> bool {
        if parts.is_empty() {
            return match self.preferred(line, None) {
                Some(batch) => budget.spend(items_to_place(line, batch), [&allocated(line, None, batch, None)]),
                // That it still has no place is checked where it would be stored.
                None => budget.spend(1, &self.news_of_refusal(line)),
            };
        }
        let mut left = budget.clone();
        let can_afford = parts.iter().all(|part| self.can_afford_to_keep(part, &mut left));
        if can_afford {
            *budget = left;
        }
        can_afford
    }

    fn can_afford_to_keep(&self, part: &Part, budget: &mut Budget) -> bool {
        let line = &part.line;
        if part.place == Place::Waiting
            && let Some(batch) = self.preferred(line, None)
        {
            // Another part of the line may leave less on the batch.
            let items = if part.is_whole() { items_to_place(line, batch) } else { 2 };
            return budget.spend(items, [&allocated(line, part.split, batch, None)]);
        }
        part.held_until.is_none() || budget.spend(1, [&self.confirmed(part)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::*;
    use crate::{ChangeEta, Revision, Tally, Version};

    #[test]
    fn prefers_warehouse_batches_to_shipments() {
        let mut product =
            product(&[batch("shipment-batch", 100, Some("2011-01-02")), batch("in-stock-batch", 100, None)]);
        product.allocate(&line("oref", 10), &[]).unwrap();
        assert_eq!(free(&product, "in-stock-batch"), 90);
        assert_eq!(free(&product, "shipment-batch"), 100);
    }

    #[test]
    fn prefers_earlier_batches() {
        let mut product = product(&[
            batch("normal-batch", 100, Some("2011-01-02")),
            batch("slow-batch", 100, Some("2011-01-03")),
            batch("speedy-batch", 100, Some("2011-01-01")),
        ]);
        product.allocate(&line("order1", 10), &[]).unwrap();
        assert_eq!(free(&product, "speedy-batch"), 90);
        assert_eq!(free(&product, "normal-batch"), 100);
        assert_eq!(free(&product, "slow-batch"), 100);
    }

    #[test]
    fn equally_good_batches_are_used_by_reference() {
        let mut product = product(&[batch("b2", 10, None), batch("b1", 10, None)]);
        assert_eq!(product.allocate(&line("o1", 1), &[]), Ok(Allocation::Allocated("b1".try_into().unwrap())));
    }

    #[test]
    fn returns_allocated_batch_ref() {
        let mut product =
            product(&[batch("in-stock-batch-ref", 100, None), batch("shipment-batch-ref", 100, Some("2011-01-02"))]);
        let allocation = product.allocate(&line("oref", 10), &[]);
        assert_eq!(allocation, Ok(Allocation::Allocated("in-stock-batch-ref".try_into().unwrap())));
    }

    #[test]
    fn outputs_allocated_event() {
        let mut product = product(&[batch("batchref", 100, None)]);
        product.allocate(&line("oref", 10), &[]).unwrap();
        assert_eq!(story(&product), ["10 of oref on batchref"]);
    }

    #[test]
    fn records_out_of_stock_event_if_cannot_allocate() {
        let mut product = product(&[batch("batch1", 10, None)]);
        product.allocate(&line("order1", 10), &[]).unwrap();
        let mut product = product.committed();
        assert_eq!(product.allocate(&line("order2", 1), &[]), Ok(Allocation::OutOfStock));
        assert_eq!(story(&product), ["1 of order2 out of stock"]);
        let turned_away =
            Move { line: line("order2", 1), split: None, from: None, to: None, age: None, held_until: None };
        assert_eq!(product.moves(), [turned_away], "a line that was never promised is not kept");
    }

    /// Refuses a line that was never promised, and tells what there is to commit.
    fn refused(product: &mut Product, line: &OrderLine) -> Vec<String> {
        assert_eq!(product.allocate(line, &[]), Ok(Allocation::OutOfStock));
        assert_eq!(product.turned_away().collect::<Vec<_>>(), [line], "that it has no place is to be checked");
        let story = story(product);
        *product = product.clone().committed();
        story
    }

    #[test]
    fn a_refusal_is_told_once_for_a_stock() {
        let mut product = product(&[batch("b1", 3, None)]);
        assert_eq!(refused(&mut product, &line("o1", 6)), ["6 of o1 out of stock"]);
        for (orderid, qty) in [("o1", 6), ("o2", 6), ("o3", 7)] {
            assert!(refused(&mut product, &line(orderid, qty)).is_empty(), "{qty} of {orderid} are nothing new");
        }
        assert_eq!(product.version(), Version(8), "what is no change makes no version");
        assert_eq!(refused(&mut product, &line("o4", 5)), ["5 of o4 out of stock"], "less is news");
        assert!(refused(&mut product, &line("o5", 5)).is_empty());
        assert_eq!(product.as_stored().refused(), Some(5.try_into().unwrap()));

        // Less free stock is no new one.
        product.allocate(&line("o6", 2), &[]).unwrap();
        product.ship(&[&on("b1", 10, line("o6", 2))]).unwrap();
        product.change_batch_quantity(&change("b1", 2, 1), &[], &mut ample()).unwrap();
        let mut product = product.committed();
        assert!(refused(&mut product, &line("o7", 5)).is_empty());
    }

    #[test]
    fn a_refusal_is_told_anew_when_stock_came_free() {
        type Change = fn(&mut Product);
        let ways: [(&str, Change); 5] = [
            ("a new batch", |product| product.create_batch(&batch("b2", 1, None)).unwrap()),
            ("a raise", |product| {
                product.change_batch_quantity(&change("b1", 5, 1), &[], &mut ample()).unwrap();
            }),
            ("a cancelled line", |product| {
                product.cancel(&[&on("b1", 8, line("o0", 4))], &mut ample()).unwrap().unwrap();
            }),
            ("what a shrink leaves over", |product| {
                product
                    .change_batch_quantity(&change("b1", 3, 1), &[on("b1", 8, line("o0", 4))], &mut ample())
                    .unwrap();
            }),
            ("what a line leaves that moves to an earlier batch", |product| {
                let eta = Some("2011-02-01".to_owned().try_into().unwrap());
                let delay = ChangeEta { reference: "b1".try_into().unwrap(), eta, revision: Revision::AsOf(1) };
                product.change_eta(&delay, &[on("b1", 8, line("o0", 4))], &mut ample()).unwrap();
            }),
        ];
        for (way, came_free) in ways {
            let mut product = product(&[batch("b1", 4, None), batch("later", 6, Some("2011-01-02"))]);
            product.allocate(&line("o0", 4), &[]).unwrap();
            let mut product = product.committed();
            assert_eq!(refused(&mut product, &line("o1", 9)), ["9 of o1 out of stock"]);
            assert!(refused(&mut product, &line("o1", 9)).is_empty());
            came_free(&mut product);
            let mut product = product.committed();
            assert_eq!(refused(&mut product, &line("o1", 9)), ["9 of o1 out of stock"], "{way}");
        }
    }

    #[test]
    fn that_a_promised_line_lost_its_place_does_not_count_as_a_refusal() {
        let mut product = product(&[batch("b1", 2, None)]);
        product.allocate(&line("o1", 2), &[]).unwrap();
        let mut product = product.committed();
        product.change_batch_quantity(&change("b1", 0, 1), &[on("b1", 8, line("o1", 2))], &mut ample()).unwrap();
        assert_eq!(story(&product), ["2 of o1 off b1", "2 of o1 out of stock", "b1 holds 0"]);
        let mut product = product.committed();
        assert_eq!(refused(&mut product, &line("o2", 2)), ["2 of o2 out of stock"]);
    }

    #[test]
    fn increments_version_number() {
        let mut product = product(&[batch("b1", 100, None)]);
        product.allocate(&line("oref", 10), &[]).unwrap();
        assert_eq!(product.version(), Version(8));
    }

    #[test]
    fn allocation_is_idempotent() {
        let mut product = product(&[batch("b1", 100, None)]);
        let line = line("oref", 10);
        assert_eq!(product.allocate(&line, &[]), Ok(Allocation::Allocated("b1".try_into().unwrap())));
        let placed = on("b1", 8, line);
        let mut product = product.committed();
        assert_eq!(product.allocate(&placed.line, &[&placed]), Ok(Allocation::Kept("b1".try_into().unwrap())));
        assert_eq!(product.version(), Version(8));
        assert!(product.events().is_empty());
        assert_eq!(free(&product, "b1"), 90);
    }

    #[test]
    fn a_waiting_line_that_asks_again_is_answered_without_a_second_event() {
        let mut product = product_with_waiting(&[batch("b1", 1, None)], Tally { count: 1, version_sum: 5, pieces: 2 });
        let part = waiting(5, line("o1", 2));
        assert_eq!(product.allocate(&part.line, &[&part]), Ok(Allocation::Waiting));
        assert!(product.events().is_empty() && product.moves().is_empty());
    }

    #[test]
    fn lines_are_bound_together_until_the_budget_ends() {
        let asked = lines([line("large", 9), line("o1", 2), line("o2", 3), line("o3", 1)]);
        let bound = |mut budget: Budget| {
            let mut product = product(&[batch("b1", 5, None)]);
            let answered = product.allocate_each(&asked, |_| Vec::new(), &[], &mut budget);
            (answered.lines, story(&product))
        };
        let all = ["9 of large out of stock", "2 of o1 on b1", "3 of o2 on b1", "1 of o3 out of stock"];
        let first = |answered: usize| (answered, all[..answered].iter().map(|&told| told.to_owned()).collect());
        // The batch that the third line fills is an item too.
        for (items, answered) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (5, 4)] {
            assert_eq!(bound(Budget { items, ..ample() }), first(answered), "{items} items");
        }
        let out_of_stock = Event::OutOfStock { line: line("large", 9), waiting: false, line_qty: None }.size();
        let allocated = allocated(&line("o1", 2), None, &batch("b1", 2, None).into(), None).size();
        for (event_bytes, answered) in [(out_of_stock - 1, 0), (out_of_stock, 1), (out_of_stock + allocated, 2)] {
            assert_eq!(bound(Budget { event_bytes, ..ample() }), first(answered), "{event_bytes} bytes");
        }
    }

    #[test]
    fn a_refusal_that_is_not_told_takes_one_item_and_no_bytes_of_events() {
        let asked = lines([line("o1", 2), line("o2", 3), line("o3", 2)]);
        let out_of_stock = Event::OutOfStock { line: line("o1", 2), waiting: false, line_qty: None }.size();
        for (items, answered) in [(0, 0), (1, 1), (2, 2), (3, 3)] {
            let mut product = product(&[batch("b1", 1, None)]);
            let mut budget = Budget { items, event_bytes: out_of_stock };
            assert_eq!(
                product.allocate_each(&asked, |_| Vec::new(), &[], &mut budget).lines,
                answered,
                "{items} items"
            );
            assert_eq!((product.events().len(), product.turned_away().count()), (answered.min(1), answered));
        }
    }

    #[test]
    fn what_everybody_reads_who_is_refused_is_small() {
        let placed = |count: u32| (0..count).map(|number| line(&format!("o{number}"), 1));
        for (count, answered) in [(16, 17), (17, 17)] {
            let asked = lines(placed(count).chain([line("large", 99)]));
            let mut product = product(&[batch("b1", 50, None)]);
            let first = product.allocate_each(&asked, |_| Vec::new(), &[], &mut ample());
            assert_eq!((first.lines, product.events().len()), (answered, answered), "beside {count} that are placed");
        }
        // What is no news has nothing to tell.
        let mut product = product(&[batch("b1", 50, None)]);
        product.allocate(&line("first", 99), &[]).unwrap();
        let mut product = product.committed();
        let asked = lines(placed(17).chain([line("large", 99)]));
        assert_eq!(product.allocate_each(&asked, |_| Vec::new(), &[], &mut ample()).lines, 18);
    }

    #[test]
    fn lines_that_have_their_answer_need_no_budget() {
        let known = [on("b1", 3, line("o1", 9)), waiting(4, line("o2", 9))];
        let asked = lines([line("o1", 9), line("o2", 9), line("o3", 1)]);
        let mut product = product(&[batch("b1", 5, None)]);
        let parts_of = |line: &OrderLine| known.iter().filter(|part| part.line == *line).collect();
        let mut budget = Budget { event_bytes: 0, ..ample() };
        assert_eq!(
            product.allocate_each(&asked, parts_of, &[], &mut budget),
            Answered { lines: 2, refusals: Vec::new() }
        );
        assert!(product.events().is_empty() && product.moves().is_empty());
    }

    #[test]
    fn a_line_that_is_shipped_is_one_that_was_allocated() {
        let mut product = product(&[batch("b1", 5, None)]);
        let shipped = Part { place: Place::Shipped("b0".try_into().unwrap()), ..waiting(3, line("o1", 2)) };
        assert_eq!(product.allocate(&shipped.line, &[&shipped]), Ok(Allocation::Kept("b0".try_into().unwrap())));
        assert!(product.events().is_empty());
    }

    #[test]
    fn a_cancelled_line_and_one_that_asked_for_something_else_are_refused_and_keep_no_neighbour_from_its_place() {
        let asked = lines([line("o1", 1), line("o2", 2), line("o3", 1)]);
        let cancelled = Part { place: Place::Cancelled, ..waiting(3, line("o1", 1)) };
        let mut other = on("b1", 4, line("o2", 9));
        other.line.name = "2".try_into().unwrap();
        let known = [cancelled, other];
        let parts_of = |line: &OrderLine| known.iter().filter(|part| part.line.id() == line.id()).collect();
        let mut product = product(&[batch("b1", 5, None)]);
        let answered = product.allocate_each(&asked, parts_of, &[], &mut ample());
        let refusals = vec![
            Refusal::LineCancelled(line("o1", 1).id()),
            Refusal::LineDiffers { line: line("o2", 2).id(), stored: 9.try_into().unwrap() },
        ];
        assert_eq!((answered, story(&product)), (Answered { lines: 3, refusals }, vec!["1 of o3 on b1".to_owned()]));
    }
    #[test]
    fn lines_of_cancelled_orders_are_refused_and_what_they_give_back_waits_for_the_next_commit() {
        let waits = [waiting(3, line("waits", 2))];
        let mut product = product_with_waiting(&[batch("b1", 3, None)], Tally::of(&waits));
        product.allocate(&line("o2", 2), &[]).unwrap();
        let mut product = product.committed();
        let stands = on("b1", 8, line("o2", 2));
        let parts_of = |line: &OrderLine| [&stands].into_iter().filter(|part| part.line == *line).collect();
        let asked = lines([line("o1", 1), line("o2", 1), line("o2", 2), line("o3", 1)]);
        let answered = product.allocate_each(&asked, parts_of, &["o2".try_into().unwrap()], &mut ample());
        let refusals = vec![Refusal::OrderCancelled("o2".try_into().unwrap()); 2];
        assert_eq!(answered, Answered { lines: 3, refusals });
        assert_eq!(story(&product), ["1 of o1 on b1", "2 of o2 cancelled, off b1"]);
        assert!(product.has_backlog());
    }
}
