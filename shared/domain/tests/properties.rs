//! Random commands on one product, with a store of lines that is a map: what must hold after every commit.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{
    AllWaiting, Allocation, Arranged, BatchRef, Budget, ChangeBatchQuantity, ChangeEta, ChangeOutcome, Counted, Done,
    Eta, Event, EventType, IfShort, LineId, Move, NewBatch, OrderLine, Part, PartId, Place, Product, Quantity, Refusal,
    Revision, Sku, Step, Tally, Terms, Timestamp, Version,
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
    Arrange { order: u8, wanted: BTreeSet<u32>, if_short: IfShort, hold: Option<u8>, may_split: bool },
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
        2 => (0..20_u8, 1..9_u32).prop_map(|(order, qty)| Action::Deallocate { order, qty }),
        5 => (0..6_u8, 1..9_u32).prop_map(|(order, qty)| Action::Ship { order, qty }),
        4 => (0..6_u8, wanted(), if_short(), proptest::option::of(1..5_u8), any::<bool>())
            .prop_map(|(order, wanted, if_short, hold, may_split)| Action::Arrange { order, wanted, if_short, hold, may_split }),
        1 => (1..5_u8).prop_map(|time| Action::Wait { time }),
    ]
}

/// Quantities. The large ones are of lines no part of which may be a single piece.
fn wanted() -> impl Strategy<Value = BTreeSet<u32>> {
    proptest::collection::btree_set(prop_oneof![6 => 1..9_u32, 1 => 9..60_u32], 0..4)
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

/// Pieces of lines that have not ended, and of those that are shipped.
type Stands = BTreeMap<(LineId, Place), u32>;

/// A product with its lines, driven commit by commit as a unit of work would.
struct Shop {
    product: Product,
    parts: BTreeMap<PartId, Part>,
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
            Action::Arrange { order, wanted, if_short, hold, may_split } => {
                let hold_until = hold.map(|time| self.after(time));
                self.arrange(*order, wanted, &Terms { if_short: *if_short, hold_until, may_split: *may_split });
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
            let mut held: Vec<Part> = self.parts.values().filter(|part| part.held_until.is_some()).cloned().collect();
            held.sort_by_key(|part| part.held_until);
            let (mut product, mut budget) = (self.product.clone(), self.budget.clone());
            product.expire(&held, self.now, &mut budget);
            self.commit_with_offer(product, &mut budget);
            let after = self.parts.values().filter(due).count();
            assert!(after < before || !self.product.may_have_due(self.now), "what is due is given back");
        }
    }

    /// All parts of a line.
    fn parts_of(&self, line: &LineId) -> Vec<Part> {
        self.parts.values().filter(|part| line.names(&part.line)).cloned().collect()
    }

    fn deallocate(&mut self, order: u8, qty: u32) {
        let parts = self.parts_of(&line(order, qty).id());
        let parts: Vec<&Part> = parts.iter().collect();
        let Some(first) = parts.first() else { return };
        let mut product = self.product.clone();
        let expected = match first.place {
            Place::Batch(_) | Place::Waiting => Ok(Done::Now),
            Place::Cancelled => Ok(Done::Before),
            Place::Shipped(_) => Err(Refusal::LineShipped(first.line.id())),
        };
        let mut budget = self.budget.clone();
        // The parts, the batches that they open, and the product.
        budget.items = budget.items.max(2 * parts.len() + 1);
        assert_eq!(product.cancel(&parts, &mut budget), Some(expected));
        self.commit_with_offer(product, &mut budget);
        if !first.place.is_shipped() {
            let [mark] = &self.parts_of(&first.line.id())[..] else { panic!("one mark is left") };
            assert_eq!((&mark.place, &mark.line), (&Place::Cancelled, &first.whole_line()));
        }
    }

    fn ship(&mut self, order: u8, qty: u32) {
        let parts = self.parts_of(&line(order, qty).id());
        let parts: Vec<&Part> = parts.iter().collect();
        let Some(first) = parts.first() else { return };
        let mut product = self.product.clone();
        let can_be_shipped = |part: &&Part| part.place.batch().is_some() && part.held_until.is_none();
        let expected = match first.place {
            Place::Shipped(_) => Ok(Done::Before),
            Place::Cancelled => Err(Refusal::LineCancelled(first.line.id())),
            Place::Batch(_) | Place::Waiting if parts.iter().all(can_be_shipped) => Ok(Done::Now),
            Place::Batch(_) | Place::Waiting => Err(Refusal::NotAllocated(first.line.id())),
        };
        assert_eq!(product.ship(&parts), expected);
        self.commit_with_offer(product, &mut self.budget.clone());
        if expected.is_ok() {
            assert!(self.parts_of(&first.line.id()).iter().all(|part| part.place.is_shipped()));
        }
    }

    fn allocate(&mut self, order: u8, qty: u32) {
        let line = line(order, qty);
        let parts = self.parts_of(&line.id());
        let parts: Vec<&Part> = parts.iter().collect();
        let mut product = self.product.clone();
        let allocation = product.allocate(&line, &parts);
        let batch = |part: &Part| part.place.batch().cloned();
        if let Some(first) = parts.first() {
            let batches: Option<Vec<BatchRef>> = parts.iter().map(|part| batch(part)).collect();
            match (batches, &first.place, first.held_until) {
                (_, Place::Cancelled, _) => assert_eq!(allocation, Err(Refusal::LineCancelled(line.id()))),
                (Some(batches), _, None) => {
                    assert_eq!(allocation, Ok(Allocation::Kept(batches[0].clone())), "a line keeps its batch");
                    assert!(product.events().is_empty());
                }
                (Some(batches), _, Some(_)) => {
                    let allocated = Ok(Allocation::Allocated(batches[0].clone()));
                    assert_eq!(allocation, allocated, "a line keeps its batch, for good");
                    assert_eq!(product.events().len(), parts.len());
                }
                (None, ..) => {}
            }
        }
        self.commit(product);
        if let Ok(Allocation::Allocated(batchref) | Allocation::Kept(batchref)) = allocation {
            let parts = self.parts_of(&line.id());
            assert_eq!(parts[0].place.batch(), Some(&batchref));
            assert!(parts.iter().all(|part| batch(part).is_some() && part.held_until.is_none()));
        }
    }

    fn arrange(&mut self, order: u8, wanted: &BTreeSet<u32>, terms: &Terms) {
        // An order is arranged at once, or not at all. What is split takes more of a commit than the smallest here hold.
        let (budget, terms) =
            (self.budget.clone(), &Terms { may_split: terms.may_split && self.budget.items > 6, ..*terms });
        self.budget.items = 98;
        self.arrange_at_once(order, wanted, terms);
        self.budget = budget;
    }

    fn arrange_at_once(&mut self, order: u8, wanted: &BTreeSet<u32>, terms: &Terms) {
        let wanted: Vec<OrderLine> = wanted.iter().map(|qty| line(order, *qty)).collect();
        let of_order = self.parts.values().filter(|part| part.line.orderid == line(order, 1).orderid);
        let parts: Vec<Part> = of_order.cloned().collect();
        let mut product = self.product.clone();
        let Arranged { short, available } = product.arrange(&wanted, &parts, terms).unwrap();
        if terms.may_split {
            let pieces = |lines: &[OrderLine]| lines.iter().map(|line| u64::from(line.qty.get())).sum::<u64>();
            let all = available.free + available.incoming.iter().map(|(_, free)| free).sum::<u64>();
            assert!(short.is_empty() || pieces(&wanted) > all, "what may be split takes what there is");
        }
        if terms.if_short == IfShort::Refuse && !short.is_empty() {
            let mut product = self.product.clone();
            for line in &short {
                product.tell_refused(line, &self.parts_of(&line.id()).iter().collect::<Vec<_>>(), terms);
            }
            let stands = self.stands();
            self.commit(product);
            assert_eq!(self.stands(), stands, "nothing else changes");
            return;
        }
        let items = self.budget.items.saturating_sub(2 * product.moves().len());
        self.commit_with_offer(product, &mut Budget { items, ..self.budget.clone() });
        for line in &wanted {
            self.check_arranged(line, &parts, terms, &short);
        }
        for part in parts.iter().filter(|part| !wanted.contains(&part.whole_line())) {
            assert!(!self.parts[&PartId::first_of(part.line.id())].place.is_standing(), "it is wanted no more");
        }
    }

    fn check_arranged(&self, line: &OrderLine, before: &[Part], terms: &Terms, short: &[OrderLine]) {
        let parts = self.parts_of(&line.id());
        let is_left_out = || short.contains(line) && terms.if_short == IfShort::Partial;
        let has_ended = parts.iter().all(|part| part.place == Place::Cancelled);
        assert!(!has_ended || is_left_out(), "{line:?} {parts:?}");
        let before = before.iter().find(|part| part.whole_line() == *line && part.place.is_standing());
        let was_for_good = before.is_some_and(|part| part.held_until.is_none());
        for part in parts.iter().filter(|part| part.place.is_standing()) {
            let expected = terms.hold_until.filter(|_| !was_for_good);
            assert_eq!(part.held_until, expected, "{line:?} was {before:?}");
            if part.place == Place::Waiting {
                assert!(part.split.is_some() || !terms.may_split, "what waits may be split as it is wanted now");
            }
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
            assert_eq!(self.stands(), fair, "who was promised first keeps longest, and is served first");
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
                assert_eq!(self.stands(), fair);
            }
        }
    }

    /// The rule, said in another way: the oldest promises on a batch that is delayed move to batches that come earlier
    /// than it will; then those who waited get what came free.
    fn places_after_a_delay(&self, change: &ChangeEta) -> Stands {
        let was = self.product.batch(&change.reference).unwrap().eta;
        let mut free = self.free();
        let mut stands = self.stands();
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
                put(&mut stands, &part, pieces, &Place::Batch(to.clone()));
            }
        }
        // It is preferred by its new day.
        let left = free.remove(&(was, change.reference.clone())).unwrap();
        free.insert((change.eta, change.reference.clone()), left + freed);
        let mut waited = self.at(&Place::Waiting);
        waited.sort_by(|one, other| one.seniority().cmp(&other.seniority()));
        for part in waited.into_iter().filter(|_| freed > 0) {
            serve(&mut stands, &mut free, &part);
        }
        stands
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
    fn fair_places(&self, reference: &BatchRef, counted: Counted) -> Stands {
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
        let mut stands = self.stands();
        for part in waited.into_iter().chain(gave_way) {
            serve(&mut stands, &mut free, &part);
        }
        stands
    }

    fn stands(&self) -> Stands {
        let mut stands = Stands::new();
        for part in self.parts.values().filter(|part| part.place != Place::Cancelled) {
            *stands.entry((part.line.id(), part.place.clone())).or_default() += part.line.qty.get();
        }
        stands
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
            self.follow(moved, product.version());
        }
        for parts in Part::by_line(self.parts.values()) {
            assert!(Part::are_all(&parts), "a line has all its pieces: {parts:?}");
            let ended = parts.iter().filter(|part| !part.place.is_standing()).count();
            assert!(ended == 0 || ended == parts.len(), "a line ends as a whole: {parts:?}");
            let same = parts.iter().all(|part| part.age == parts[0].age && part.held_until == parts[0].held_until);
            assert!(same, "it is one promise: {parts:?}");
        }
        self.told.extend(product.events().iter().map(|event| (product.version(), event.clone())));
        self.product = product.committed();
        self.check();
    }

    fn follow(&mut self, moved: &Move, version: Version) {
        let id = moved.id();
        assert_eq!(self.parts.get(&id), moved.from.as_ref(), "a part is moved from where it is, once");
        let Some(part) = moved.part_at(version) else {
            let was = self.parts.remove(&id);
            assert!(was.is_some() || self.parts_of(&id.line).is_empty(), "a promised line is not turned away");
            assert!(!was.is_some_and(|was| was.place.is_shipped()), "a shipped line stays");
            return;
        };
        let was = moved.from.as_ref();
        let promised = was.filter(|from| from.place != Place::Cancelled);
        assert!(promised.is_none_or(|from| from.age == part.age), "a move makes no line young");
        let looks = |part: &Part| (part.held_until, part.line.qty, part.split);
        let changes = was.is_none_or(|from| looks(from) != looks(&part));
        assert!(was.map(|from| &from.place) != Some(&part.place) || changes, "a move leads elsewhere");
        assert!(!was.is_some_and(|from| from.place.is_shipped()), "a shipped line stays");
        self.parts.insert(id, part);
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
            Event::Allocated { .. }
            | Event::Confirmed { .. }
            | Event::HoldChanged { .. }
            | Event::OutOfStock { .. }
            | Event::Shipped { .. } => false,
        };
        if product.events().iter().any(may_have_grown) {
            self.told_since = None;
        }
        let is_kept = |line: &OrderLine| self.parts.contains_key(&PartId::first_of(line.id()));
        for event in product.events() {
            if let Event::OutOfStock { line, waiting: false, .. } = event
                && is_kept(line)
            {
                (self.refused, self.told_since) = (Some(line.qty), Some(line.qty));
            }
        }
        for line in product.turned_away() {
            let told = Event::OutOfStock { line: line.clone(), waiting: false, line_qty: None };
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
                let (mut stands, mut free) = (self.stands(), self.free());
                serve(&mut stands, &mut free, &part);
                assert_eq!(stands, self.stands(), "{:?} waits beside free stock", part.line);
            }
        }
        assert_eq!(self.replayed(), self.now(), "events tell all that happened");
    }

    /// Quantities of batches, and what is where, from the state.
    fn now(&self) -> (BTreeMap<BatchRef, u32>, Stands) {
        let batches = self.product.batches().iter();
        (batches.map(|batch| (batch.reference.clone(), batch.purchased)).collect(), self.stands())
    }

    /// The same from the events alone.
    fn replayed(&self) -> (BTreeMap<BatchRef, u32>, Stands) {
        let (mut batches, mut stands) = (BTreeMap::new(), Stands::new());
        // Pieces that lost their batch, in the commit that tells where they are.
        let mut displaced: BTreeMap<LineId, u32> = BTreeMap::new();
        for (_, event) in &self.told {
            if let Event::BatchCreated { batchref, qty, .. } = event {
                assert_eq!(batches.insert(batchref.clone(), qty.get()), None);
            }
            if let Event::BatchQuantityChanged { batchref, qty, .. } = event {
                assert!(batches.insert(batchref.clone(), *qty).is_some());
            }
            let Some(line) = event.line() else { continue };
            let (id, qty) = (line.id(), line.qty.get());
            let on = |batchref: &BatchRef| Place::Batch(batchref.clone());
            let waits = stands.get(&(id.clone(), Place::Waiting)).is_some_and(|pieces| *pieces > 0);
            let mut take = |from: Place| {
                let pieces = stands.get_mut(&(id.clone(), from)).unwrap_or_else(|| panic!("{event}"));
                *pieces = pieces.checked_sub(qty).unwrap_or_else(|| panic!("{event}"));
            };
            let to = match event {
                Event::Deallocated { batchref, .. } => {
                    take(on(batchref));
                    *displaced.entry(id).or_default() += qty;
                    continue;
                }
                Event::Cancelled { batchref, .. } => {
                    take(batchref.as_ref().map_or(Place::Waiting, on));
                    continue;
                }
                Event::Shipped { batchref, .. } => {
                    take(on(batchref));
                    Place::Shipped(batchref.clone())
                }
                Event::Allocated { batchref, .. } => {
                    let is_displaced = displaced.get(&id).is_some_and(|pieces| *pieces > 0);
                    if !is_displaced && waits {
                        take(Place::Waiting);
                    }
                    on(batchref)
                }
                Event::OutOfStock { waiting: true, .. } => Place::Waiting,
                Event::OutOfStock { waiting: false, .. }
                | Event::Confirmed { .. }
                | Event::HoldChanged { .. }
                | Event::BatchCreated { .. }
                | Event::BatchQuantityChanged { .. }
                | Event::BatchEtaChanged { .. } => continue,
            };
            if let Some(pieces) = displaced.get_mut(&id) {
                *pieces = pieces.saturating_sub(qty);
            }
            *stands.entry((id, to)).or_default() += qty;
        }
        assert!(displaced.values().all(|pieces| *pieces == 0), "what lost its batch is somewhere: {displaced:?}");
        stands.retain(|_, pieces| *pieces > 0);
        (batches, stands)
    }
}

/// Takes pieces of a part from where it stands elsewhere.
fn put(stands: &mut Stands, part: &Part, pieces: u32, to: &Place) {
    let from = (part.line.id(), part.place.clone());
    *stands.get_mut(&from).unwrap() -= pieces;
    *stands.entry((part.line.id(), to.clone())).or_default() += pieces;
    stands.retain(|_, pieces| *pieces > 0);
}

/// Gives a part that has no batch any more the preferred one that can hold it. If there is none and it may be split, the
/// preferred ones give what they have, of one day those first that have the most: no part is smaller for that than a
/// sixteenth of its line.
fn serve(stands: &mut Stands, free: &mut BTreeMap<(Option<Eta>, BatchRef), u32>, part: &Part) {
    let mut left = part.line.qty.get();
    if let Some(((_, batch), free)) = free.iter_mut().find(|(_, free)| **free >= left) {
        *free -= left;
        put(stands, part, left, &Place::Batch(batch.clone()));
        return;
    }
    if part.split.is_some() {
        let least = part.whole_qty().get().div_ceil(16);
        let mut batches: Vec<_> = free.iter_mut().collect();
        batches.sort_by_key(|((eta, batch), free)| (*eta, u32::MAX - **free, batch.clone()));
        for ((_, batch), free) in batches {
            let fitting = (least..=left.min(*free)).rev();
            let Some(taken) = fitting.into_iter().find(|taken| left - taken == 0 || left - taken >= least) else {
                continue;
            };
            *free -= taken;
            left -= taken;
            put(stands, part, taken, &Place::Batch(batch.clone()));
        }
    }
    if left > 0 {
        put(stands, part, left, &Place::Waiting);
    }
}

/// Without it, a rule could be left out here and nobody would notice.
#[test]
fn actions_come_to_events_of_every_type_and_to_lines_of_many_parts() {
    let mut runner = TestRunner::deterministic();
    let (mut told, mut split) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..100 {
        let mut shop = Shop::new(98);
        for action in proptest::collection::vec(action(), 80).new_tree(&mut runner).unwrap().current() {
            shop.do_action(&action);
            for parts in Part::by_line(shop.parts.values()).into_iter().filter(|parts| parts.len() > 1) {
                let waits = parts.iter().filter(|part| part.place == Place::Waiting).count();
                split.insert((parts[0].place.is_shipped(), waits.min(2), parts[0].held_until.is_some()));
            }
        }
        told.extend(shop.told.iter().map(|(_, event)| event.event_type()));
    }
    assert_eq!(told, EventType::ALL.iter().copied().collect());
    let standing = |waits: usize| [(false, waits, false), (false, waits, true)];
    let expected = [0, 1, 2].into_iter().flat_map(standing).chain([(true, 0, false)]);
    assert_eq!(
        split,
        expected.collect(),
        "split lines: whether they are shipped, parts that wait, whether they are held"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_commit_breaks_a_rule(
        actions in proptest::collection::vec(action(), 1..80),
        items in prop_oneof![Just(98_usize), 3..6_usize, 36..44_usize],
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
                assert!(shop.parts.contains_key(&PartId::first_of(LineId::clone(line))));
            }
            promised = shop.parts.keys().map(|part| part.line.clone()).collect();
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
