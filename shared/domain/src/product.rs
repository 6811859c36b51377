//! The aggregate: one SKU's batches, and every rule about who gets which of them.

use crate::{
    Allocation, Batch, BatchRef, Budget, ChangeBatchQuantity, Event, Move, NewBatch, OrderLine, Place, Placed,
    Position, Progress, Sku, TooManyBatches, Version, Waiting,
};

/// Bytes that a product's batches may take where they are stored together, at [`Product::BATCH_SIZE`] and its
/// reference each: about 1,500 batches with free stock.
const BATCHES_SIZE: usize = 200_000;

/// One SKU: its version, its batches, and what the change under way has done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    sku: Sku,
    version: Version,
    batches: Vec<Batch>,
    waiting: Waiting,
    backlog: bool,
    events: Vec<Event>,
    moves: Vec<Move>,
}

impl Product {
    /// What a store adds to the reference of each batch: field names, dates and numbers.
    const BATCH_SIZE: usize = 130;

    /// A product without batches, at version zero: its first batch makes version one.
    #[must_use]
    pub fn new(sku: Sku) -> Self {
        Self::restore(sku, Version::default(), Vec::new(), Waiting::default(), false)
    }

    /// A product as a store kept it: all batches with free stock, and any other that the command names.
    #[must_use]
    pub fn restore(sku: Sku, version: Version, batches: Vec<Batch>, waiting: Waiting, backlog: bool) -> Self {
        Self { sku, version, batches, waiting, backlog, events: Vec::new(), moves: Vec::new() }
    }

    /// What the product is.
    #[must_use]
    pub fn sku(&self) -> &Sku {
        &self.sku
    }

    /// How many commits it has seen, the change under way included.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The batches known here.
    #[must_use]
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// One batch, if known here.
    #[must_use]
    pub fn batch(&self, reference: &BatchRef) -> Option<&Batch> {
        self.batches.iter().find(|batch| batch.reference == *reference)
    }

    /// The promised lines that have no batch.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        self.waiting
    }

    /// Whether stock arrived that was not yet offered to every waiting line. Until [`Product::offer`] is done
    /// with that, nobody else may have it.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.backlog
    }

    /// What the change under way has to tell. A change without events is no change.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The lines that the change under way puts elsewhere, each at most once.
    #[must_use]
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }

    /// The product after its change was committed: the same, with nothing under way.
    #[must_use]
    pub fn committed(mut self) -> Self {
        self.events.clear();
        self.moves.clear();
        self
    }

    /// Binds a line to the preferred batch that has enough pieces.
    ///
    /// `position` is where the line stands already, if it was promised before: a line on a batch keeps it, and
    /// one that waits is not announced as out of stock a second time.
    pub fn allocate(&mut self, line: &OrderLine, position: Option<&Position>) -> Allocation {
        if let Some(Position { place: Place::Batch(batchref), .. }) = position {
            return Allocation::Allocated(batchref.clone());
        }
        let Some(batch) = preferred(&mut self.batches, line, None) else {
            if position.is_none() {
                self.record(Event::OutOfStock { line: line.clone() });
            }
            return Allocation::OutOfStock;
        };
        batch.take(line.qty);
        let batchref = batch.reference.clone();
        self.put(line.clone(), position.cloned(), Place::Batch(batchref.clone()));
        self.record(Event::Allocated { line: line.clone(), batchref: batchref.clone() });
        Allocation::Allocated(batchref)
    }

    /// Binds lines to batches, each as [`Product::allocate`] does, until one is too much for the budget. Tells how many
    /// of them have their answer. They must differ from each other.
    pub fn allocate_each<'a>(
        &mut self,
        lines: impl IntoIterator<Item = (&'a OrderLine, Option<&'a Position>)>,
        budget: &mut Budget,
    ) -> usize {
        let mut answered = 0_usize;
        for (line, position) in lines {
            if !self.can_afford(line, position, budget) {
                break;
            }
            self.allocate(line, position);
            answered = answered.saturating_add(1);
        }
        answered
    }

    /// Takes from the budget what allocating a line will need.
    fn can_afford(&mut self, line: &OrderLine, position: Option<&Position>, budget: &mut Budget) -> bool {
        if let Some(Position { place: Place::Batch(_), .. }) = position {
            return true;
        }
        match (preferred(&mut self.batches, line, None), position) {
            (Some(batch), _) => {
                let allocated = Event::Allocated { line: line.clone(), batchref: batch.reference.clone() };
                budget.spend(items_to_place(line, batch), &[&allocated])
            }
            // That it still has no place is checked where it would be stored.
            (None, None) => budget.spend(1, &[&Event::OutOfStock { line: line.clone() }]),
            (None, Some(_)) => true,
        }
    }

    /// Adds a batch. Waiting lines are to be offered it before anybody else, see [`Product::has_backlog`].
    ///
    /// # Errors
    /// When the product can hold no more batches with free stock.
    pub fn create_batch(&mut self, new: &NewBatch) -> Result<(), TooManyBatches> {
        self.batches.push(new.clone().into());
        self.check_room()?;
        self.backlog = self.waiting.lines > 0;
        self.record(Event::BatchCreated {
            batchref: new.reference.clone(),
            sku: new.sku.clone(),
            qty: new.qty,
            eta: new.eta,
        });
        Ok(())
    }

    /// How many pieces must be taken from lines before the batch is as small as the change says.
    #[must_use]
    pub fn shortfall(&self, change: &ChangeBatchQuantity) -> u32 {
        match self.batch(&change.reference) {
            Some(batch) if !is_outdated(batch, change) => batch.allocated.saturating_sub(change.qty),
            _ => 0,
        }
    }

    /// Gives a batch its real quantity, unless a newer change did so before.
    ///
    /// Where that is less than what is allocated, lines give way, newest first and no more than needed
    /// (`newest` holds the batch's lines in that order). Each goes to the next preferred batch, or else waits.
    /// When `newest` or the budget ends too early, the quantity is lowered as far as these moves allow.
    ///
    /// # Errors
    /// When the product can hold no more batches with free stock.
    pub fn change_batch_quantity(
        &mut self,
        change: &ChangeBatchQuantity,
        newest: &[Placed],
        budget: &mut Budget,
    ) -> Result<Progress, TooManyBatches> {
        let Some(batch) = self.batch(&change.reference) else {
            return Ok(Progress::Done);
        };
        let unchanged = batch.purchased == change.qty && batch.revision == Some(change.revision);
        if is_outdated(batch, change) || unchanged {
            return Ok(Progress::Done);
        }
        let free_before = batch.free();
        let waiting_before = self.waiting;

        self.make_way(change, newest, budget);

        let Some(batch) = self.batch_mut(&change.reference) else {
            return Ok(Progress::Done);
        };
        batch.purchased = change.qty.max(batch.allocated);
        batch.revision = Some(change.revision);
        let (purchased, free) = (batch.purchased, batch.free());
        if free_before == 0 && free > 0 {
            self.check_room()?;
        }
        // Stock that came free, be it by a raise or because the last line to give way was a large one, is the
        // waiting lines' first. (Lines that began to wait just now were already refused by it.)
        self.backlog |= free > free_before && waiting_before.lines > 0;
        self.record(Event::BatchQuantityChanged {
            batchref: change.reference.clone(),
            sku: self.sku.clone(),
            qty: purchased,
        });
        Ok(if purchased == change.qty { Progress::Done } else { Progress::More })
    }

    /// Offers free stock to waiting lines, oldest first; a line that fits nowhere goes on waiting. `waiting`
    /// holds all of them that waited before the change under way.
    pub fn offer(&mut self, waiting: &[Placed], budget: &mut Budget) {
        let mut oldest_first: Vec<&Placed> = waiting.iter().collect();
        oldest_first.sort_by_key(|placed| (placed.position.since, &placed.line));
        for Placed { line, position } in oldest_first {
            let Some(batch) = preferred(&mut self.batches, line, None) else {
                continue;
            };
            let batchref = batch.reference.clone();
            let allocated = Event::Allocated { line: line.clone(), batchref: batchref.clone() };
            if !budget.spend(items_to_place(line, batch), &[&allocated]) {
                self.backlog = true;
                return;
            }
            batch.take(line.qty);
            self.put(line.clone(), Some(position.clone()), Place::Batch(batchref));
            self.record(allocated);
        }
        self.backlog = false;
    }

    /// Moves lines away from a batch until it may be as small as the change says, or `newest` or the budget end.
    fn make_way(&mut self, change: &ChangeBatchQuantity, newest: &[Placed], budget: &mut Budget) {
        let mut homeless = Vec::new();
        for Placed { line, position } in newest {
            if self.shortfall(change) == 0 {
                break;
            }
            let refuge = preferred(&mut self.batches, line, Some(&change.reference));
            let deallocated = Event::Deallocated { line: line.clone(), batchref: change.reference.clone() };
            let Some(batch) = refuge else {
                let out_of_stock = Event::OutOfStock { line: line.clone() };
                if !budget.spend(1, &[&deallocated, &out_of_stock]) {
                    break;
                }
                self.give_back(change, line);
                homeless.push((line, position, deallocated, out_of_stock));
                continue;
            };
            let allocated = Event::Allocated { line: line.clone(), batchref: batch.reference.clone() };
            if !budget.spend(items_to_place(line, batch), &[&deallocated, &allocated]) {
                break;
            }
            batch.take(line.qty);
            let refuge = Place::Batch(batch.reference.clone());
            self.give_back(change, line);
            self.put(line.clone(), Some(position.clone()), refuge);
            self.record(deallocated);
            self.record(allocated);
        }
        // The last line to give way may have left room for smaller ones before it: those keep their place.
        for (line, position, deallocated, out_of_stock) in homeless.into_iter().rev() {
            if let Some(batch) = self.batch_mut(&change.reference)
                && change.qty.saturating_sub(batch.allocated) >= line.qty.get()
            {
                batch.take(line.qty);
                continue;
            }
            self.put(line.clone(), Some(position.clone()), Place::Waiting);
            self.record(deallocated);
            self.record(out_of_stock);
        }
    }

    fn give_back(&mut self, change: &ChangeBatchQuantity, line: &OrderLine) {
        if let Some(batch) = self.batch_mut(&change.reference) {
            batch.give_back(line.qty);
        }
    }

    fn batch_mut(&mut self, reference: &BatchRef) -> Option<&mut Batch> {
        self.batches.iter_mut().find(|batch| batch.reference == *reference)
    }

    fn put(&mut self, line: OrderLine, from: Option<Position>, to: Place) {
        if let Some(Position { place: Place::Waiting, since }) = &from {
            self.waiting = self.waiting.without(*since);
        }
        if to == Place::Waiting {
            // The version that this change makes, also if this is the first thing it does.
            self.waiting = self.waiting.with(self.changed_version());
        }
        self.moves.push(Move { line, from, to });
    }

    fn record(&mut self, event: Event) {
        self.version = self.changed_version();
        self.events.push(event);
    }

    /// The version that this change makes, whatever it has done so far.
    fn changed_version(&self) -> Version {
        if self.events.is_empty() { self.version.next() } else { self.version }
    }

    /// Checks that all batches with free stock can be stored together. A change that fails here is to be dropped.
    fn check_room(&self) -> Result<(), TooManyBatches> {
        let open = self.batches.iter().filter(|batch| batch.free() > 0);
        let size = |batch: &Batch| batch.reference.as_str().len().saturating_add(Self::BATCH_SIZE);
        let total = open.fold(0_usize, |sum, batch| sum.saturating_add(size(batch)));
        if total > BATCHES_SIZE { Err(TooManyBatches { sku: self.sku.clone() }) } else { Ok(()) }
    }
}

/// The best batch for a line, if any has room for it.
fn preferred<'a>(batches: &'a mut [Batch], line: &OrderLine, except: Option<&BatchRef>) -> Option<&'a mut Batch> {
    batches
        .iter_mut()
        .filter(|batch| Some(&batch.reference) != except && batch.can_allocate(line))
        .min_by(|one, other| one.preference().cmp(&other.preference()))
}

/// A line is stored by itself, and so is a batch that it fills.
fn items_to_place(line: &OrderLine, batch: &Batch) -> usize {
    if batch.free() == line.qty.get() { 2 } else { 1 }
}

fn is_outdated(batch: &Batch, change: &ChangeBatchQuantity) -> bool {
    batch.revision.is_some_and(|held| held > change.revision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Revision;

    fn sku() -> Sku {
        "RETRO-CLOCK".try_into().unwrap()
    }

    fn line(orderid: &str, qty: u32) -> OrderLine {
        OrderLine { orderid: orderid.try_into().unwrap(), sku: sku(), qty: qty.try_into().unwrap() }
    }

    fn batch(reference: &str, qty: u32, eta: Option<&str>) -> NewBatch {
        NewBatch {
            reference: reference.try_into().unwrap(),
            sku: sku(),
            qty: qty.try_into().unwrap(),
            eta: eta.map(|eta| eta.to_owned().try_into().unwrap()),
        }
    }

    fn product(batches: &[NewBatch]) -> Product {
        let batches = batches.iter().cloned().map(Batch::from).collect();
        Product::restore(sku(), Version(7), batches, Waiting::default(), false)
    }

    fn change(reference: &str, qty: u32, as_of: u64) -> ChangeBatchQuantity {
        ChangeBatchQuantity { reference: reference.try_into().unwrap(), qty, revision: Revision::AsOf(as_of) }
    }

    fn ample() -> Budget {
        Budget { items: 98, event_bytes: 100_000 }
    }

    fn on(reference: &str, since: u64, line: OrderLine) -> Placed {
        let place = Place::Batch(reference.try_into().unwrap());
        Placed { line, position: Position { place, since: Version(since) } }
    }

    fn waiting(since: u64, line: OrderLine) -> Placed {
        Placed { line, position: Position { place: Place::Waiting, since: Version(since) } }
    }

    /// Events as a short story: what happened to which order, and where.
    fn story(product: &Product) -> Vec<String> {
        let tell = |event: &Event| match event {
            Event::Allocated { line, batchref } => format!("{} on {batchref}", line.orderid),
            Event::Deallocated { line, batchref } => format!("{} off {batchref}", line.orderid),
            Event::OutOfStock { line } => format!("{} out of stock", line.orderid),
            Event::BatchCreated { batchref, qty, .. } => format!("new {batchref} of {qty}"),
            Event::BatchQuantityChanged { batchref, qty, .. } => format!("{batchref} holds {qty}"),
        };
        product.events().iter().map(tell).collect()
    }

    fn free(product: &Product, reference: &str) -> u32 {
        product.batch(&reference.try_into().unwrap()).unwrap().free()
    }

    #[test]
    fn prefers_warehouse_batches_to_shipments() {
        let mut product =
            product(&[batch("shipment-batch", 100, Some("2011-01-02")), batch("in-stock-batch", 100, None)]);
        product.allocate(&line("oref", 10), None);
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
        product.allocate(&line("order1", 10), None);
        assert_eq!(free(&product, "speedy-batch"), 90);
        assert_eq!(free(&product, "normal-batch"), 100);
        assert_eq!(free(&product, "slow-batch"), 100);
    }

    #[test]
    fn equally_good_batches_are_used_by_reference() {
        let mut product = product(&[batch("b2", 10, None), batch("b1", 10, None)]);
        assert_eq!(product.allocate(&line("o1", 1), None), Allocation::Allocated("b1".try_into().unwrap()));
    }

    #[test]
    fn returns_allocated_batch_ref() {
        let mut product =
            product(&[batch("in-stock-batch-ref", 100, None), batch("shipment-batch-ref", 100, Some("2011-01-02"))]);
        let allocation = product.allocate(&line("oref", 10), None);
        assert_eq!(allocation, Allocation::Allocated("in-stock-batch-ref".try_into().unwrap()));
    }

    #[test]
    fn outputs_allocated_event() {
        let mut product = product(&[batch("batchref", 100, None)]);
        product.allocate(&line("oref", 10), None);
        assert_eq!(story(&product), ["oref on batchref"]);
    }

    #[test]
    fn records_out_of_stock_event_if_cannot_allocate() {
        let mut product = product(&[batch("batch1", 10, None)]);
        product.allocate(&line("order1", 10), None);
        let mut product = product.committed();
        assert_eq!(product.allocate(&line("order2", 1), None), Allocation::OutOfStock);
        assert_eq!(story(&product), ["order2 out of stock"]);
        assert!(product.moves().is_empty(), "a line that was never promised is not kept");
    }

    #[test]
    fn increments_version_number() {
        let mut product = product(&[batch("b1", 100, None)]);
        product.allocate(&line("oref", 10), None);
        assert_eq!(product.version(), Version(8));
    }

    #[test]
    fn allocation_is_idempotent() {
        let mut product = product(&[batch("b1", 100, None)]);
        let line = line("oref", 10);
        let first = product.allocate(&line, None);
        let placed = on("b1", 8, line);
        let mut product = product.committed();
        assert_eq!(product.allocate(&placed.line, Some(&placed.position)), first);
        assert_eq!(product.version(), Version(8));
        assert!(product.events().is_empty());
        assert_eq!(free(&product, "b1"), 90);
    }

    #[test]
    fn a_waiting_line_that_asks_again_is_answered_without_a_second_event() {
        let mut product = Product::restore(
            sku(),
            Version(7),
            vec![batch("b1", 1, None).into()],
            Waiting { lines: 1, since: 5 },
            false,
        );
        let placed = waiting(5, line("o1", 2));
        assert_eq!(product.allocate(&placed.line, Some(&placed.position)), Allocation::OutOfStock);
        assert!(product.events().is_empty());
    }

    #[test]
    fn lines_are_bound_together_until_the_budget_ends() {
        let lines = [line("large", 9), line("o1", 2), line("o2", 3), line("o3", 1)];
        let bound = |mut budget: Budget| {
            let mut product = product(&[batch("b1", 5, None)]);
            let lines = lines.iter().map(|line| (line, None));
            let answered = product.allocate_each(lines, &mut budget);
            let story = story(&product);
            (answered, story)
        };
        let all = ["large out of stock", "o1 on b1", "o2 on b1", "o3 out of stock"];
        let first = |answered: usize| (answered, all[..answered].iter().map(|&told| told.to_owned()).collect());
        // The batch that the third line fills is an item too.
        for (items, answered) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (5, 4)] {
            assert_eq!(bound(Budget { items, ..ample() }), first(answered), "{items} items");
        }
        let out_of_stock = Event::OutOfStock { line: lines[0].clone() }.size();
        let allocated = Event::Allocated { line: lines[1].clone(), batchref: "b1".try_into().unwrap() }.size();
        for (event_bytes, answered) in [(out_of_stock - 1, 0), (out_of_stock, 1), (out_of_stock + allocated, 2)] {
            assert_eq!(bound(Budget { event_bytes, ..ample() }), first(answered), "{event_bytes} bytes");
        }
    }

    #[test]
    fn lines_that_have_their_answer_need_no_budget() {
        let [stands, waits] = [on("b1", 3, line("o1", 9)), waiting(4, line("o2", 9))];
        let new = line("o3", 1);
        let lines = [(&stands.line, Some(&stands.position)), (&waits.line, Some(&waits.position)), (&new, None)];
        let mut product = product(&[batch("b1", 5, None)]);
        assert_eq!(product.allocate_each(lines, &mut Budget { items: 0, ..ample() }), 2);
        assert!(product.events().is_empty() && product.moves().is_empty());
    }

    #[test]
    fn changes_available_quantity() {
        let mut product = product(&[batch("batch1", 100, None)]);
        let progress = product.change_batch_quantity(&change("batch1", 50, 1), &[], &mut ample());
        assert_eq!(progress, Ok(Progress::Done));
        assert_eq!(free(&product, "batch1"), 50);
        assert_eq!(story(&product), ["batch1 holds 50"]);
    }

    #[test]
    fn reallocates_if_necessary() {
        let mut product = product(&[batch("batch1", 50, None), batch("batch2", 50, Some("2011-01-01"))]);
        product.allocate(&line("order1", 20), None);
        product.allocate(&line("order2", 20), None);
        let mut product = product.committed();
        let newest = [on("batch1", 9, line("order2", 20)), on("batch1", 8, line("order1", 20))];
        product.change_batch_quantity(&change("batch1", 25, 1), &newest, &mut ample()).unwrap();
        assert_eq!(story(&product), ["order2 off batch1", "order2 on batch2", "batch1 holds 25"]);
        assert_eq!((free(&product, "batch1"), free(&product, "batch2")), (5, 30));
        assert_eq!(product.version(), Version(9), "one commit, whatever it did");
    }

    #[test]
    fn a_line_that_fits_nowhere_waits() {
        let mut product = product(&[batch("batch1", 20, None)]);
        product.allocate(&line("o1", 20), None);
        let mut product = product.committed();
        let newest = [on("batch1", 8, line("o1", 20))];
        product.change_batch_quantity(&change("batch1", 0, 1), &newest, &mut ample()).unwrap();
        assert_eq!(story(&product), ["o1 off batch1", "o1 out of stock", "batch1 holds 0"]);
        assert_eq!(product.waiting(), Waiting { lines: 1, since: 9 });
    }

    #[test]
    fn no_line_waits_for_room_that_its_own_batch_still_has() {
        let mut product = product(&[batch("batch1", 12, None)]);
        product.allocate(&line("large", 10), None);
        product.allocate(&line("small", 2), None);
        let mut product = product.committed();
        let newest = [on("batch1", 9, line("small", 2)), on("batch1", 8, line("large", 10))];
        product.change_batch_quantity(&change("batch1", 5, 1), &newest, &mut ample()).unwrap();
        assert_eq!(story(&product), ["large off batch1", "large out of stock", "batch1 holds 5"]);
        assert_eq!(free(&product, "batch1"), 3);
    }

    #[test]
    fn a_shrink_goes_as_far_as_its_budget() {
        let mut product = product(&[batch("batch1", 3, None)]);
        let orders = ["o1", "o2", "o3"];
        for orderid in orders {
            product.allocate(&line(orderid, 1), None);
        }
        let mut product = product.committed();
        let newest = [on("batch1", 10, line("o3", 1)), on("batch1", 9, line("o2", 1))];
        let mut budget = Budget { items: 1, ..ample() };
        let progress = product.change_batch_quantity(&change("batch1", 1, 1), &newest, &mut budget);
        assert_eq!(progress, Ok(Progress::More));
        assert_eq!(story(&product), ["o3 off batch1", "o3 out of stock", "batch1 holds 2"]);

        let mut product = product.committed();
        let progress = product.change_batch_quantity(&change("batch1", 1, 1), &newest[1..], &mut ample());
        assert_eq!(progress, Ok(Progress::Done));
        assert_eq!(story(&product), ["o2 off batch1", "o2 out of stock", "batch1 holds 1"]);
    }

    #[test]
    fn an_older_change_does_not_bring_back_its_quantity() {
        let mut product = product(&[batch("batch1", 100, None)]);
        product.change_batch_quantity(&change("batch1", 50, 2), &[], &mut ample()).unwrap();
        let mut product = product.committed();
        product.change_batch_quantity(&change("batch1", 70, 1), &[], &mut ample()).unwrap();
        product.change_batch_quantity(&change("batch1", 50, 2), &[], &mut ample()).unwrap();
        assert!(product.events().is_empty(), "neither an older change nor the same again is a change");
        assert_eq!(free(&product, "batch1"), 50);
    }

    #[test]
    fn stock_that_arrives_goes_to_waiting_lines_oldest_first() {
        let mut product = Product::restore(sku(), Version(7), Vec::new(), Waiting { lines: 3, since: 13 }, false);
        product.create_batch(&batch("b1", 5, None)).unwrap();
        assert!(product.has_backlog());
        let lines = [waiting(6, line("young", 2)), waiting(4, line("large", 9)), waiting(3, line("old", 3))];
        product.offer(&lines, &mut ample());
        assert_eq!(story(&product), ["new b1 of 5", "old on b1", "young on b1"]);
        assert_eq!((product.waiting(), product.has_backlog()), (Waiting { lines: 1, since: 4 }, false));
        assert_eq!(product.version(), Version(8));
    }

    #[test]
    fn a_backlog_that_one_commit_cannot_hold_stays_known() {
        let mut product = Product::restore(sku(), Version(7), Vec::new(), Waiting { lines: 2, since: 7 }, false);
        product.create_batch(&batch("b1", 5, None)).unwrap();
        let lines = [waiting(3, line("old", 1)), waiting(4, line("young", 1))];
        product.offer(&lines, &mut Budget { items: 1, ..ample() });
        assert_eq!(story(&product), ["new b1 of 5", "old on b1"]);
        assert!(product.has_backlog());
    }

    #[test]
    fn a_product_refuses_more_open_batches_than_it_can_hold() {
        let batches: Vec<_> = (0..1_500).map(|number| batch(&format!("b{number}"), 1, None)).collect();
        let mut product = product(&batches);
        let error = product.create_batch(&batch("one-more", 1, None)).unwrap_err();
        assert!(error.to_string().contains("RETRO-CLOCK"), "{error}");
    }
}
