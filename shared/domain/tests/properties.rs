//! Random commands on one product, with a store of lines that is a map: what must hold after every commit.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{
    AllHeld, AllWaiting, Allocation, Arranged, Batch, BatchRef, Budget, ChangeBatchQuantity, ChangeEta, ChangeOutcome,
    Counted, Done, Eta, Event, EventType, IfShort, LineId, NewBatch, OrderLine, Part, Place, Product, Quantity,
    Refusal, Revision, Sku, Step, Tally, Timestamp, Version,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

#[derive(Clone, Debug)]
enum Action {
    Allocate { order: u8, qty: u32 },
    CreateBatch { batch: u8, qty: u32, eta: Option<u8> },
    Change { batch: u8, counted: Counted, as_of: u64 },
    ChangeEta { batch: u8, eta: Option<u8>, as_of: u64 },
    Deallocate { order: u8, qty: u32 },
    Ship { order: u8, qty: u32 },
    Arrange { order: u8, wanted: BTreeSet<u32>, if_short: IfShort, hold: Option<u8> },
    Wait { time: u8 },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        5 => (0..40_u8, 1..6_u32).prop_map(|(order, qty)| Action::Allocate { order, qty }),
        2 => (0..8_u8, 1..20_u32, proptest::option::of(1..5_u8))
            .prop_map(|(batch, qty, eta)| Action::CreateBatch { batch, qty, eta }),
        3 => (0..8_u8, counted(), 0..30_u64).prop_map(|(batch, counted, as_of)| Action::Change { batch, counted, as_of }),
        2 => (0..8_u8, proptest::option::of(1..9_u8), 0..30_u64)
            .prop_map(|(batch, eta, as_of)| Action::ChangeEta { batch, eta, as_of }),
        2 => (0..40_u8, 1..6_u32).prop_map(|(order, qty)| Action::Deallocate { order, qty }),
        2 => (0..40_u8, 1..6_u32).prop_map(|(order, qty)| Action::Ship { order, qty }),
        3 => (0..10_u8, proptest::collection::btree_set(1..9_u32, 0..4), if_short(), proptest::option::of(1..5_u8))
            .prop_map(|(order, wanted, if_short, hold)| Action::Arrange { order, wanted, if_short, hold }),
        1 => (1..5_u8).prop_map(|time| Action::Wait { time }),
    ]
}

fn if_short() -> impl Strategy<Value = IfShort> {
    prop_oneof![Just(IfShort::Refuse), Just(IfShort::Partial), Just(IfShort::Wait)]
}

fn counted() -> impl Strategy<Value = Counted> {
    prop_oneof![2 => (0..20_u32).prop_map(Counted::Purchased), 1 => (0..20_u32).prop_map(Counted::OnHand)]
}

fn day(day: u8) -> Eta {
    format!("2011-01-0{day}").try_into().unwrap()
}

fn sku() -> Sku {
    "RETRO-CLOCK".try_into().unwrap()
}

fn line(order: u8, qty: u32) -> OrderLine {
    OrderLine::unnamed(format!("o{order}").try_into().unwrap(), sku(), qty.try_into().unwrap())
}

/// A product with its lines, driven commit by commit as a unit of work would.
struct Shop {
    product: Product,
    parts: BTreeMap<LineId, Part>,
    /// Every event so far, with its commit.
    told: Vec<(Version, Event)>,
    /// The least that was told to be refused since free stock was last seen to grow, and since it last may have.
    refused: Option<Quantity>,
    told_since: Option<Quantity>,
    budget: Budget,
    now: Timestamp,
}

impl Shop {
    fn new(items: usize) -> Self {
        Self {
            product: Product::new(sku()),
            parts: BTreeMap::new(),
            told: Vec::new(),
            refused: None,
            told_since: None,
            budget: Budget { items, event_bytes: 100_000 },
            now: Timestamp(0),
        }
    }

    fn do_action(&mut self, action: &Action) {
        self.expire();
        match action {
            Action::Allocate { order, qty } => self.allocate(*order, *qty),
            Action::CreateBatch { batch, qty, eta } => self.create_batch(*batch, *qty, *eta),
            Action::Change { batch, counted, as_of } => self.change(*batch, *counted, *as_of),
            Action::ChangeEta { batch, eta, as_of } => self.change_eta(*batch, eta.map(day), *as_of),
            Action::Deallocate { order, qty } => self.deallocate(*order, *qty),
            Action::Ship { order, qty } => self.ship(*order, *qty),
            Action::Arrange { order, wanted, if_short, hold } => {
                let hold_until = hold.map(|time| self.after(time));
                self.arrange(*order, wanted, *if_short, hold_until);
            }
            Action::Wait { time } => self.now = self.after(*time),
        }
    }

    fn after(&self, time: u8) -> Timestamp {
        self.now.plus(Duration::from_millis(time.into()))
    }

    /// What is due comes before anything else.
    fn expire(&mut self) {
        while self.product.may_have_due(self.now) {
            let now = self.now;
            let due = |part: &&Part| part.is_due(now);
            let before = self.parts.values().filter(due).count();
            let held: Vec<Part> = self.parts.values().filter(|part| part.held_until.is_some()).cloned().collect();
            let held = AllHeld::checked(&held, self.product.held().tally).unwrap();
            let (mut product, mut budget) = (self.product.clone(), self.budget.clone());
            product.expire(&held, self.now, &mut budget);
            self.commit_with_offer(product, &mut budget);
            let after = self.parts.values().filter(due).count();
            assert!(after < before || !self.product.may_have_due(self.now), "what is due is given back");
        }
    }

    fn deallocate(&mut self, order: u8, qty: u32) {
        let Some(part) = self.parts.get(&line(order, qty).id()).cloned() else { return };
        let mut product = self.product.clone();
        let expected = match part.place {
            Place::Batch(_) | Place::Waiting => Ok(Done::Now),
            Place::Cancelled => Ok(Done::Before),
            Place::Shipped(_) => Err(Refusal::LineShipped(part.line.id())),
        };
        let mut budget = self.budget.clone();
        // The line, a batch that it opens, and the product.
        budget.items = budget.items.max(3);
        assert_eq!(product.cancel(&part, &mut budget), Some(expected));
        self.commit_with_offer(product, &mut budget);
    }

    fn ship(&mut self, order: u8, qty: u32) {
        let Some(part) = self.parts.get(&line(order, qty).id()).cloned() else { return };
        let mut product = self.product.clone();
        let expected = match part.place {
            Place::Batch(_) if part.held_until.is_some() => Err(Refusal::NotAllocated(part.line.id())),
            Place::Batch(_) => Ok(Done::Now),
            Place::Shipped(_) => Ok(Done::Before),
            Place::Cancelled => Err(Refusal::LineCancelled(part.line.id())),
            Place::Waiting => Err(Refusal::NotAllocated(part.line.id())),
        };
        assert_eq!(product.ship(&part), expected);
        self.commit_with_offer(product, &mut self.budget.clone());
    }

    fn allocate(&mut self, order: u8, qty: u32) {
        let line = line(order, qty);
        let part = self.parts.get(&line.id()).cloned();
        let mut product = self.product.clone();
        let allocation = product.allocate(&line, part.as_ref());
        let was_held = part.as_ref().is_some_and(|part| part.held_until.is_some());
        match part.map(|part| part.place) {
            Some(Place::Batch(batch)) if was_held => {
                assert_eq!(allocation, Ok(Allocation::Allocated(batch)), "a line keeps its batch, for good");
                assert_eq!(product.events().len(), 1);
            }
            Some(Place::Batch(batch) | Place::Shipped(batch)) => {
                assert_eq!(allocation, Ok(Allocation::Kept(batch)), "a line keeps its batch");
                assert!(product.events().is_empty());
            }
            Some(Place::Cancelled) => assert_eq!(allocation, Err(Refusal::LineCancelled(line.id()))),
            Some(Place::Waiting) | None => {}
        }
        self.commit(product);
        if let Ok(Allocation::Allocated(batchref) | Allocation::Kept(batchref)) = allocation {
            let part = &self.parts[&line.id()];
            assert_eq!((part.place.batch(), part.held_until), (Some(&batchref), None));
        }
    }

    fn arrange(&mut self, order: u8, wanted: &BTreeSet<u32>, if_short: IfShort, hold_until: Option<Timestamp>) {
        // An order is arranged at once, or not at all.
        if self.budget.items < 98 {
            return;
        }
        let wanted: Vec<OrderLine> = wanted.iter().map(|qty| line(order, *qty)).collect();
        let of_order = self.parts.values().filter(|part| part.line.orderid == line(order, 1).orderid);
        let parts: Vec<Part> = of_order.cloned().collect();
        let mut product = self.product.clone();
        let Arranged { short, .. } = product.arrange(&wanted, &parts, if_short, hold_until).unwrap();
        if if_short == IfShort::Refuse && !short.is_empty() {
            let mut product = self.product.clone();
            for line in &short {
                product.tell_refused(line, self.parts.get(&line.id()));
            }
            let places = self.places();
            self.commit(product);
            assert_eq!(self.places(), places, "nothing else changes");
            return;
        }
        let items = self.budget.items - product.moves().len();
        self.commit_with_offer(product, &mut Budget { items, ..self.budget.clone() });
        for line in &wanted {
            let place = self.parts.get(&line.id()).map(|part| &part.place);
            let is_placed = place.is_some_and(|place| place.batch().is_some());
            let waits = place == Some(&Place::Waiting);
            assert!(is_placed || waits || short.contains(line) && if_short == IfShort::Partial, "{line:?} {place:?}");
            let before = parts.iter().find(|part| part.line == *line && part.place.is_standing());
            let was_for_good = before.is_some_and(|part| part.held_until.is_none());
            if let Some(part) = self.parts.get(&line.id()).filter(|part| part.place.is_standing()) {
                let expected = hold_until.filter(|_| !was_for_good);
                assert_eq!(part.held_until, expected, "{line:?} was {before:?}");
            }
        }
        for part in parts.iter().filter(|part| !wanted.contains(&part.line)) {
            assert!(!self.parts[&part.line.id()].place.is_standing(), "it is wanted no more");
        }
    }

    fn create_batch(&mut self, batch: u8, qty: u32, eta: Option<u8>) {
        let reference: BatchRef = format!("b{batch}").try_into().unwrap();
        if self.product.batch(&reference).is_some() {
            return;
        }
        let eta = eta.map(day);
        let mut product = self.product.clone();
        product.create_batch(&NewBatch { reference, sku: sku(), qty: qty.try_into().unwrap(), eta }).unwrap();
        self.commit_with_offer(product, &mut self.budget.clone());
    }

    fn change(&mut self, batch: u8, counted: Counted, as_of: u64) {
        let reference: BatchRef = format!("b{batch}").try_into().unwrap();
        let change = ChangeBatchQuantity { reference, counted, revision: Revision::AsOf(as_of) };
        let is_due = self.product.without_change_of_quantity(&change) == Ok(None);
        let fair = is_due.then(|| self.fair_places(&change.reference, counted));
        let mut commits = 0;
        loop {
            commits += 1;
            let before = self.product.version();
            let mut product = self.product.clone();
            let mut budget = self.budget.clone();
            let step = product.change_batch_quantity(&change, &self.youngest_on(&change.reference), &mut budget);
            self.commit_with_offer(product, &mut budget);
            if matches!(step, Ok(Step::Finish(_)) | Err(Refusal::UnknownBatch(_))) {
                break;
            }
            assert!(self.product.version() > before, "a change that is not done goes on");
        }
        // In one commit, what comes of it is all that the rule says.
        if let Some(fair) = fair.filter(|_| commits == 1 && self.budget.items == 98) {
            assert_eq!(self.places(), fair, "who was promised first keeps longest, and is served first");
        }
        if let Some(batch) = self.product.batch(&change.reference) {
            let newest = batch.revision.unwrap();
            assert!(newest >= change.revision);
            let there = batch.purchased - batch.shipped;
            let is_told = match counted {
                Counted::Purchased(qty) => batch.purchased == qty.max(batch.shipped),
                // The same may have been told before, and lines shipped since.
                Counted::OnHand(pieces) => there == pieces || !is_due,
            };
            assert!(newest > change.revision || is_told);
        }
    }

    fn change_eta(&mut self, batch: u8, eta: Option<Eta>, as_of: u64) {
        let reference: BatchRef = format!("b{batch}").try_into().unwrap();
        let change = ChangeEta { reference, eta, revision: Revision::AsOf(as_of) };
        let Ok(before) = self.product.without_change_of_eta(&change) else { return };
        let fair = before.is_none().then(|| self.places_after_a_delay(&change));
        let mut commits = 0;
        loop {
            commits += 1;
            let version = self.product.version();
            let (mut product, mut budget) = (self.product.clone(), self.budget.clone());
            let lines = self.at(&Place::Batch(change.reference.clone()));
            let step = product.change_eta(&change, &lines, &mut budget).unwrap();
            self.commit_with_offer(product, &mut budget);
            if let Step::Finish(outcome) = step {
                assert_eq!(before.unwrap_or(ChangeOutcome::Applied), outcome);
                break;
            }
            assert!(self.product.version() > version, "a change that is not done goes on");
        }
        if let Some(fair) = fair {
            assert_eq!(self.product.batch(&change.reference).unwrap().eta, eta);
            if commits == 1 && self.budget.items == 98 {
                assert_eq!(self.places(), fair);
            }
        }
    }

    /// The rule, said in another way: the oldest promises on a batch that is delayed move to batches that come earlier
    /// than it will; then those who waited get what came free.
    fn places_after_a_delay(&self, change: &ChangeEta) -> BTreeMap<LineId, Place> {
        let was = self.product.batch(&change.reference).unwrap().eta;
        let mut free = self.free();
        let mut places = self.places();
        let mut oldest_first = self.youngest_on(&change.reference);
        oldest_first.reverse();
        let mut freed = 0;
        for part in oldest_first.into_iter().filter(|_| was < change.eta) {
            let pieces = part.line.qty.get();
            let earlier = |((eta, reference), free): &(&(Option<Eta>, BatchRef), &mut u32)| {
                *eta < change.eta && *reference != change.reference && **free >= pieces
            };
            if let Some(((_, to), free)) = free.iter_mut().find(earlier) {
                *free -= pieces;
                freed += pieces;
                places.insert(part.line.id(), Place::Batch(to.clone()));
            }
        }
        // It is preferred by its new day.
        let left = free.remove(&(was, change.reference.clone())).unwrap();
        free.insert((change.eta, change.reference.clone()), left + freed);
        let mut waited = self.at(&Place::Waiting);
        waited.sort_by(|one, other| one.seniority().cmp(&other.seniority()));
        for part in waited.into_iter().filter(|_| freed > 0) {
            let pieces = part.line.qty.get();
            if let Some(((_, to), free)) = free.iter_mut().find(|(_, free)| **free >= pieces) {
                *free -= pieces;
                places.insert(part.line.id(), Place::Batch(to.clone()));
            }
        }
        places
    }

    /// Free pieces, in the order in which batches are used.
    fn free(&self) -> BTreeMap<(Option<Eta>, BatchRef), u32> {
        let batches = self.product.batches().iter();
        batches.map(|batch| ((batch.eta, batch.reference.clone()), batch.free())).collect()
    }

    fn youngest_on(&self, reference: &BatchRef) -> Vec<Part> {
        let mut parts = self.at(&Place::Batch(reference.clone()));
        parts.sort_by(|one, other| other.seniority().cmp(&one.seniority()));
        parts
    }

    /// The rule, said in another way than the domain does: where each line must be once a batch was given its quantity.
    ///
    /// The youngest promises on it give way, as few as needed. Then all that have no batch get the preferred one that
    /// can hold them, the oldest promise first, those who waited before the change before those who gave way.
    fn fair_places(&self, reference: &BatchRef, counted: Counted) -> BTreeMap<LineId, Place> {
        let mut free = self.free();
        let mut keep = self.youngest_on(reference);
        let mut gave_way = Vec::new();
        let pieces = |parts: &[Part]| parts.iter().map(|part| part.line.qty.get()).sum::<u32>();
        let there = match counted {
            Counted::Purchased(qty) => qty.saturating_sub(self.product.batch(reference).unwrap().shipped),
            Counted::OnHand(pieces) => pieces,
        };
        while pieces(&keep) > there {
            gave_way.insert(0, keep.remove(0));
        }
        *free.iter_mut().find(|((_, of), _)| of == reference).unwrap().1 = there - pieces(&keep);
        let mut waited = self.at(&Place::Waiting);
        waited.sort_by(|one, other| one.seniority().cmp(&other.seniority()));
        let mut places = self.places();
        for part in waited.into_iter().chain(gave_way) {
            let pieces = part.line.qty.get();
            let place = match free.iter_mut().find(|(_, free)| **free >= pieces) {
                Some(((_, batch), free)) => {
                    *free -= pieces;
                    Place::Batch(batch.clone())
                }
                None => Place::Waiting,
            };
            places.insert(part.line.id(), place);
        }
        places
    }

    fn places(&self) -> BTreeMap<LineId, Place> {
        self.parts.iter().map(|(id, part)| (id.clone(), part.place.clone())).collect()
    }

    fn at(&self, place: &Place) -> Vec<Part> {
        self.parts.values().filter(|part| part.place == *place).cloned().collect()
    }

    fn commit_with_offer(&mut self, mut product: Product, budget: &mut Budget) {
        if product.has_backlog() {
            self.offer(&mut product, budget);
        }
        self.commit(product);
        while self.product.has_backlog() {
            let before = self.product.version();
            let mut product = self.product.clone();
            self.offer(&mut product, &mut self.budget.clone());
            self.commit(product);
            let goes_on = self.product.has_backlog();
            assert!(!goes_on || self.product.version() > before, "an offer that is not done goes on");
        }
    }

    fn offer(&self, product: &mut Product, budget: &mut Budget) {
        let waiting = self.at(&Place::Waiting);
        product.offer(&AllWaiting::checked(&waiting, self.product.waiting()).unwrap(), budget);
    }

    fn commit(&mut self, product: Product) {
        let changed = !product.events().is_empty();
        let raised = product.version().0 - self.product.version().0;
        assert_eq!(raised, u64::from(changed), "one version for each commit, whatever it did");
        assert!(changed || product.turned_away().count() == product.moves().len(), "nothing moves in silence");
        self.check_refusals(&product);
        assert!(product.moves().len() <= self.budget.items, "a commit fits its budget");

        for moved in product.moves() {
            let id = moved.line.id();
            assert_eq!(self.parts.get(&id), moved.from.as_ref(), "a line is moved from where it is, once");
            match moved.part_at(product.version()) {
                Some(part) => {
                    let promised = moved.from.as_ref().filter(|from| from.place != Place::Cancelled);
                    let age = promised.map_or(product.version(), |from| from.age);
                    assert_eq!(part.age, age, "a move makes no line young");
                    let was = moved.from.as_ref().map(|from| &from.place);
                    let is_confirmed = moved.from.as_ref().is_some_and(|from| from.held_until != part.held_until);
                    assert!(was != Some(&part.place) || is_confirmed, "a move leads elsewhere");
                    assert!(!was.is_some_and(Place::is_shipped), "a shipped line stays");
                    self.parts.insert(id, part);
                }
                None => assert_eq!(moved.from, None, "a promised line is not turned away"),
            }
        }
        self.told.extend(product.events().iter().map(|event| (product.version(), event.clone())));
        self.product = product.committed();
        self.check();
    }

    /// A refusal is told once for a stock, and news are not kept back.
    fn check_refusals(&mut self, product: &Product) {
        let free = |product: &Product| -> BTreeMap<BatchRef, u32> {
            product.batches().iter().map(|batch| (batch.reference.clone(), batch.free())).collect()
        };
        let before = free(&self.product);
        let grew = free(product).iter().any(|(batch, free)| before.get(batch).is_none_or(|before| free > before));
        if grew {
            self.refused = None;
        }
        // Some of it may be taken again at once, by lines that waited or gave way.
        let may_have_grown = |event: &Event| match event {
            Event::BatchCreated { .. }
            | Event::BatchQuantityChanged { .. }
            | Event::BatchEtaChanged { .. }
            | Event::Deallocated { .. }
            | Event::Cancelled { .. } => true,
            Event::Allocated { .. } | Event::Confirmed { .. } | Event::OutOfStock { .. } | Event::Shipped { .. } => {
                false
            }
        };
        if product.events().iter().any(may_have_grown) {
            self.told_since = None;
        }
        let is_kept = |line: &OrderLine| self.parts.contains_key(&line.id());
        for event in product.events() {
            if let Event::OutOfStock { line, waiting: false } = event
                && is_kept(line)
            {
                (self.refused, self.told_since) = (Some(line.qty), Some(line.qty));
            }
        }
        for line in product.turned_away() {
            let told = Event::OutOfStock { line: line.clone(), waiting: false };
            if product.events().contains(&told) {
                assert!(self.told_since.is_none_or(|known| line.qty < known), "{line:?} is no news");
                (self.refused, self.told_since) = (Some(line.qty), Some(line.qty));
            } else {
                assert!(self.refused.is_some_and(|known| line.qty >= known), "nobody was told of {line:?}");
            }
        }
        if let Some(refused) = product.refused() {
            let fits = product.batches().iter().find(|batch| batch.free() >= refused.get());
            assert_eq!(fits, None, "{refused} were refused");
        }
    }

    /// What holds after every commit.
    fn check(&self) {
        for batch in self.product.batches() {
            let reference = &batch.reference;
            assert!(batch.allocated + batch.shipped <= batch.purchased, "{reference} is oversold");
            let pieces = |place| self.at(&place).iter().map(|part| part.line.qty.get()).sum::<u32>();
            let lines = [Place::Batch(reference.clone()), Place::Shipped(reference.clone())].map(pieces);
            assert_eq!(
                [batch.allocated, batch.shipped],
                lines,
                "the counters of {reference} are the sums of its lines"
            );
        }
        let waiting = self.at(&Place::Waiting);
        assert_eq!(self.product.waiting(), Tally::of(&waiting));
        let held: Vec<&Part> = self.parts.values().filter(|part| part.held_until.is_some()).collect();
        assert_eq!(self.product.held().tally, Tally::of(held.iter().copied()));
        let due = self.product.held().due;
        assert!(held.iter().all(|part| due.is_some() && due <= part.held_until), "{due:?} is too late for {held:?}");
        assert!(held.iter().all(|part| part.place.is_standing()), "what has ended is not held");
        if !self.product.has_backlog() {
            for part in waiting {
                let fits = |batch: &Batch| batch.can_allocate(&part.line);
                assert!(!self.product.batches().iter().any(fits), "{:?} waits beside free stock", part.line);
            }
        }
        assert_eq!(self.replayed(), self.now(), "events tell all that happened");
    }

    /// Quantities of batches, and who is where, from the state.
    fn now(&self) -> (BTreeMap<BatchRef, u32>, BTreeMap<OrderLine, Place>) {
        let batches = self.product.batches().iter();
        let batches = batches.map(|batch| (batch.reference.clone(), batch.purchased)).collect();
        let lines = self.parts.values().map(|part| (part.line.clone(), part.place.clone())).collect();
        (batches, lines)
    }

    /// The same from the events alone.
    fn replayed(&self) -> (BTreeMap<BatchRef, u32>, BTreeMap<OrderLine, Place>) {
        let (mut batches, mut lines) = (BTreeMap::new(), BTreeMap::new());
        for (_, event) in &self.told {
            if let Event::BatchCreated { batchref, qty, .. } = event {
                assert_eq!(batches.insert(batchref.clone(), qty.get()), None);
            }
            if let Event::BatchQuantityChanged { batchref, qty, .. } = event {
                assert!(batches.insert(batchref.clone(), *qty).is_some());
            }
            if let Some((line, place)) = event.puts_line() {
                let before: Option<Place> = lines.insert(line.clone(), place.clone());
                let says_why = matches!(event, Event::OutOfStock { .. });
                assert!(before.as_ref() != Some(&place) || says_why, "{event}");
                // One that names a batch and puts its line elsewhere takes it from there; others find it on none.
                let left = event.batchref().filter(|batch| place != Place::Batch((*batch).clone()));
                assert_eq!(before.as_ref().and_then(Place::batch), left, "{event}");
            }
        }
        (batches, lines)
    }
}

/// Without it, a rule could be left out here and nobody would notice.
#[test]
fn actions_come_to_events_of_every_type() {
    let mut runner = TestRunner::deterministic();
    let mut told = BTreeSet::new();
    for _ in 0..20 {
        let mut shop = Shop::new(98);
        for action in proptest::collection::vec(action(), 80).new_tree(&mut runner).unwrap().current() {
            shop.do_action(&action);
        }
        told.extend(shop.told.iter().map(|(_, event)| event.event_type()));
    }
    assert_eq!(told, EventType::ALL.iter().copied().collect());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_commit_breaks_a_rule(
        actions in proptest::collection::vec(action(), 1..80),
        items in prop_oneof![Just(98_usize), 3..6_usize],
    ) {
        let mut shop = Shop::new(items);
        for action in &actions {
            shop.do_action(action);
        }
    }

    #[test]
    fn a_promised_line_never_vanishes(actions in proptest::collection::vec(action(), 1..80)) {
        let mut shop = Shop::new(98);
        let mut promised = Vec::new();
        for action in &actions {
            shop.do_action(action);
            for line in &promised {
                assert!(shop.parts.contains_key(line));
            }
            promised = shop.parts.keys().cloned().collect();
        }
    }

    #[test]
    fn equal_commands_give_equal_events(actions in proptest::collection::vec(action(), 1..60)) {
        let run = || {
            let mut shop = Shop::new(98);
            for action in &actions {
                shop.do_action(action);
            }
            shop.told
        };
        assert_eq!(run(), run());
    }
}
