//! The commits of one SKU, replayed through the aggregate.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use domain::{
    AllWaiting, BatchRef, Budget, CancellationReason, Event, IfShort, LineId, Move, NewBatch, OrderId, OrderLine, Part,
    PartId, Place, Product, Sku, Tally, Terms, Version, WantedOrder,
};
use service_layer::outbox::Envelope;
use service_layer::store::{CommitId, Found, Listing, ReadSet, Stored};
use service_layer::{BUDGET, Case, Handler as _, PutOrder};
use testing::{Command, Subject};

use super::{Asked, Index, Request, Told, ToldLine, ensure};

/// What happened to one SKU, version by version.
pub(super) struct Replay {
    pub(super) commits: Vec<Commit>,
    pub(super) parts: BTreeMap<PartId, Part>,
    /// At which version, and as what.
    pub(super) created: BTreeMap<BatchRef, (u64, NewBatch)>,
    /// Lines that somebody asked for by themselves.
    alone: BTreeSet<LineId>,
    /// Where each line was, and since when: all its parts.
    places: BTreeMap<LineId, Vec<(u64, Vec<Part>)>>,
    /// What the product may have been at each version, from none on.
    products: Vec<Vec<Product>>,
    /// What the product may be now. Events don't tell which of two equal changes of a quantity was carried out, nor in which
    /// order equally old lines gave way.
    possible: Vec<Product>,
}

pub(super) struct Commit {
    /// Those requests that can have asked for it; by line, where a queue brought several lines together.
    pub(super) makers: Vec<Vec<usize>>,
    /// Whoever came by offered a backlog to waiting lines.
    pub(super) settles_backlog: bool,
}

/// The events of each SKU by version, once each.
pub(super) fn in_order(envelopes: &[Envelope]) -> Result<BTreeMap<Sku, Vec<Vec<Event>>>, String> {
    let mut events: BTreeMap<Sku, BTreeMap<(u64, u32), &Envelope>> = BTreeMap::new();
    for message in envelopes {
        let sku = message.event.sku();
        let number = message.id.rsplit_once('#').and_then(|(_, number)| number.parse().ok());
        let number: u32 = number.ok_or_else(|| format!("{} is no event's id", message.id))?;
        ensure!(message.id == format!("{sku}#{}#{number}", message.version), "{message:?} has another's id");
        let known = events.entry(sku.clone()).or_default().insert((message.version.0, number), message);
        ensure!(
            known.is_none_or(|known| known.event == message.event),
            "event {} was told twice, and differently: {:?}, {:?}",
            message.id,
            known.map(|known| &known.event),
            message.event
        );
    }
    let mut commits: BTreeMap<Sku, Vec<Vec<Event>>> = BTreeMap::new();
    for (sku, events) in events {
        let of_sku = commits.entry(sku.clone()).or_default();
        for ((version, number), message) in events {
            if version != of_sku.len() as u64 {
                of_sku.push(Vec::new());
            }
            let commit = of_sku.last_mut().ok_or_else(|| format!("{sku} has a version 0"))?;
            commit.push(message.event.clone());
            let expected = commit.len();
            ensure!(
                (of_sku.len() as u64, expected) == (version, number as usize),
                "a gap: event {} comes after version {} of {sku} and its event {}",
                message.id,
                of_sku.len() - usize::from(expected == 1),
                expected - 1
            );
        }
    }
    Ok(commits)
}

impl Replay {
    pub(super) fn of(sku: &Sku, commits: &[Vec<Event>], requests: &[Request], index: Index) -> Result<Self, String> {
        let mut replay = Self {
            commits: Vec::new(),
            parts: BTreeMap::new(),
            created: BTreeMap::new(),
            alone: requests.iter().filter_map(asked_for_alone).collect(),
            places: BTreeMap::new(),
            products: vec![vec![Product::new(sku.clone())]],
            possible: vec![Product::new(sku.clone())],
        };
        let requests = Requests::of(sku, requests);
        for (events, version) in commits.iter().zip(1..) {
            let (commit, moves) = replay.explain(events, &requests, index).map_err(|reason| {
                format!("version {version} of {sku} can't be: it tells {}; {reason}", story(events))
            })?;
            replay.follow(version, events, &moves);
            replay.commits.push(commit);
            replay.products.push(replay.possible.clone());
        }
        Ok(replay)
    }

    /// Purchased, allocated and shipped pieces of each batch.
    pub(super) fn batches(&self) -> impl Iterator<Item = ((Sku, BatchRef), [u32; 3])> {
        let batches = self.possible.first().into_iter().flat_map(Product::batches);
        batches.map(|batch| {
            let key = (batch.sku.clone(), batch.reference.clone());
            (key, [batch.purchased, batch.allocated, batch.shipped])
        })
    }

    /// The first version from `floor` on at which a line stands so.
    pub(super) fn first_at(&self, id: &LineId, floor: u64, wanted: &dyn Fn(&ToldLine) -> bool) -> Option<u64> {
        let places = self.places.get(id)?;
        let ends = places.iter().skip(1).map(|(since, _)| *since).chain([u64::MAX]);
        let mut stays = places.iter().zip(ends).filter(|(_, end)| *end > floor);
        let is_wanted = |parts: &[Part]| ToldLine::all(parts).iter().all(wanted);
        stays.find(|((_, parts), _)| is_wanted(parts)).map(|((since, _), _)| floor.max(*since))
    }

    /// Whether a line was promised later than at a version, or never.
    pub(super) fn is_unknown_at(&self, id: &LineId, version: u64) -> bool {
        let first = self.places.get(id).and_then(|places| places.first());
        first.is_none_or(|(since, _)| *since > version)
    }

    /// The lines of an order that were promised at a version.
    pub(super) fn known_at(&self, orderid: &OrderId, version: u64) -> impl Iterator<Item = &LineId> {
        self.lines_of(orderid).map(|(id, _)| id).filter(move |id| !self.is_unknown_at(id, version))
    }

    /// The first version from `floor` on at which a line has no place, and its refusal is nothing new: it has just been
    /// told, or as much or less was refused before and no stock came free since.
    pub(super) fn first_refusal(&self, line: &OrderLine, floor: u64) -> Option<u64> {
        let is_refused = |product: &Product| product.refused().is_some_and(|refused| line.qty >= refused);
        let from_floor = (0_u64..).zip(&self.products).filter(|(version, _)| *version >= floor);
        let (first, _) = from_floor.into_iter().find(|(_, possible)| possible.iter().any(is_refused))?;
        self.is_unknown_at(&line.id(), first).then_some(first)
    }

    /// Versions from `floor` on at which something changed for an order.
    pub(super) fn versions_of_order(&self, orderid: &OrderId, floor: u64) -> impl Iterator<Item = u64> {
        let mut versions = vec![floor];
        for (_, places) in self.lines_of(orderid) {
            versions.extend(places.iter().map(|(since, _)| *since).filter(|version| *version > floor));
        }
        versions.sort_unstable();
        versions.into_iter()
    }

    pub(super) fn shown(&self, orderid: &OrderId, version: u64) -> Vec<&BatchRef> {
        let mut shown: Vec<&BatchRef> = self
            .order_at(orderid, version)
            .filter(|part| part.held_until.is_none())
            .filter_map(|part| part.place.batch())
            .collect();
        shown.sort_unstable();
        shown
    }

    /// An order's lines where they are at a version.
    pub(super) fn order_at(&self, orderid: &OrderId, version: u64) -> impl Iterator<Item = &Part> {
        let of_order = self.lines_of(orderid);
        let lines = of_order.filter_map(move |(_, places)| places.iter().rfind(|(since, _)| *since <= version));
        lines.flat_map(|(_, parts)| parts)
    }

    /// The first version from `floor` on at which these lines of an order are short, and no others.
    pub(super) fn first_short(&self, order: &PutOrder, floor: u64, told: &[LineId]) -> Option<u64> {
        let is_short = |product: &Product, version: u64| {
            let parts: Vec<Part> = self.order_at(order.wanted.orderid(), version).cloned().collect();
            let is_seen = |part: &&Part| !self.came_alone(&part.line, order);
            let seen: Vec<Part> = parts.iter().filter(is_seen).cloned().collect();
            [parts, seen].iter().any(|parts| {
                let terms = Terms { if_short: IfShort::Refuse, ..order.terms };
                let arranged = product.clone().arrange(&order.wanted.lines_of(product.sku()), parts, &terms);
                arranged.is_ok_and(|arranged| arranged.short.iter().map(OrderLine::id).eq(told.iter().cloned()))
            })
        };
        let mut from_floor = (0_u64..).zip(&self.products).filter(|(version, _)| *version >= floor);
        let may_be = |version, possible: &[Product]| possible.iter().any(|product| is_short(product, version));
        from_floor.find(|(version, possible)| may_be(*version, possible)).map(|(version, _)| version)
    }

    fn lines_of(&self, orderid: &OrderId) -> impl Iterator<Item = (&LineId, &Vec<(u64, Vec<Part>)>)> {
        self.places.iter().filter(move |(id, _)| id.orderid == *orderid)
    }

    /// Finds what makes the model tell these events, and goes on from there.
    /// Tells where that puts lines.
    fn explain(
        &mut self,
        events: &[Event],
        requests: &Requests<'_>,
        index: Index,
    ) -> Result<(Commit, Vec<Move>), String> {
        let mut next: Vec<Product> = Vec::new();
        let mut commit = Commit { makers: Vec::new(), settles_backlog: false };
        let mut instead = Vec::new();
        for product in std::mem::take(&mut self.possible) {
            let settled = self.settled(&product, events, index);
            if !settled.events().is_empty() {
                if settled.events() == events {
                    commit.settles_backlog = true;
                    next.push(settled);
                } else {
                    instead.push(format!("a backlog comes first: {}", story(settled.events())));
                }
                continue;
            }
            for asked in parts_that_may_be_asked(events) {
                let lines = self.lines_of_events(asked);
                let Some(askers) = requests.of_lines(asked, &lines) else { continue };
                let after = self.allocated(&settled, asked, &lines);
                let each_once = lines.iter().collect::<BTreeSet<_>>().len() == lines.len();
                if each_once && after.events() == events {
                    commit.makers = askers;
                    next.push(after);
                    break;
                }
                instead.push(format!("the model makes of it: {}", story(after.events())));
            }
            for (command, askers) in requests.that_may_tell(events) {
                for after in self.outcomes(&settled, command, events, index) {
                    if after.events() == events {
                        let makers: BTreeSet<usize> =
                            commit.makers.drain(..).flatten().chain(askers.iter().copied()).collect();
                        commit.makers.push(makers.into_iter().collect());
                        next.push(after);
                        continue;
                    }
                    instead.push(format!("{command:?} makes of it: {}", story(after.events())));
                }
            }
        }
        instead.dedup();
        ensure!(!next.is_empty() || !instead.is_empty(), "and nobody asked for it");
        ensure!(!next.is_empty(), "but {}", instead.join(", or "));
        let moves = next.first().map(|product| product.moves().to_vec()).unwrap_or_default();
        for product in next.into_iter().map(Product::committed) {
            if !self.possible.contains(&product) {
                self.possible.push(product);
            }
        }
        Ok((commit, moves))
    }

    /// The product with what is due given back, and what is owed offered: that comes first, whoever comes by.
    fn settled(&self, product: &Product, events: &[Event], index: Index) -> Product {
        let mut settled = product.clone();
        let expires = |event: &Event| matches!(event, Event::Cancelled { reason: CancellationReason::Expired, .. });
        let told = events.iter().filter(|event| expires(event)).filter_map(Event::line);
        let told: Vec<LineId> = told.map(OrderLine::id).collect();
        // Where the index may lag, it may have listed no more than those.
        let is_listed = |part: &&Part| index == Index::Current || told.contains(&part.line.id());
        let held = self.parts.values().filter(|part| part.held_until.is_some());
        let mut held: Vec<Part> = held.filter(is_listed).cloned().collect();
        held.sort_by_key(|part| part.held_until);
        let of_told = held.iter().filter(|part| told.contains(&part.line.id()));
        // By the clock of whoever came by, all was due until the last one of which the events tell.
        if let Some(now) = of_told.filter_map(|part| part.held_until).max() {
            settled.expire(&held, now, &mut BUDGET.clone());
        }
        if settled.has_backlog() {
            self.offer(&mut settled, &mut BUDGET.clone());
        }
        settled
    }

    /// What becomes of lines that ask for a place, in the order of their events. One that loses its place is of a
    /// cancelled order. (Of those that a queue brought, others may be refused, of which no event tells.)
    fn allocated(&self, product: &Product, asked: &[Event], lines: &[OrderLine]) -> Product {
        let mut after = product.clone();
        for line in lines {
            let id = line.id();
            let parts: Vec<&Part> = self.parts_of(&id).collect();
            let is_of = |event: &&Event| event.line().is_some_and(|told| told.id() == id);
            let loses_its_place = |event: &Event| matches!(event, Event::Cancelled { .. });
            if asked.iter().filter(is_of).any(loses_its_place) {
                let _ = after.allocate_cancelled(line, &parts, &mut BUDGET.clone());
            } else {
                let _ = after.allocate(line, &parts);
            }
        }
        if after.has_backlog() && !product.has_backlog() {
            self.offer(&mut after, &mut BUDGET.clone());
        }
        after
    }

    /// The lines that events tell of, one after the other: events of a line on several batches follow each other.
    fn lines_of_events(&self, events: &[Event]) -> Vec<OrderLine> {
        let whole = |line: &OrderLine| self.parts_of(&line.id()).next().map_or_else(|| line.clone(), Part::whole_line);
        let mut lines: Vec<OrderLine> = events.iter().filter_map(Event::line).map(whole).collect();
        lines.dedup();
        lines
    }

    fn parts_of<'s>(&'s self, line: &'s LineId) -> impl Iterator<Item = &'s Part> {
        self.parts.values().filter(|part| line.names(&part.line))
    }

    /// What a command's handler makes of it; more than one thing only where the rules leave an order open.
    fn outcomes(&self, product: &Product, command: &Command, events: &[Event], index: Index) -> Vec<Product> {
        let of_sku = of_one_sku(command, product.sku());
        let command = of_sku.as_ref().unwrap_or(command);
        let found = self.found(product, &command.reads());
        let mut others = Vec::new();
        if let Command::PutOrder(order) = command {
            others.extend(self.unseen(&found, order));
            // Whoever finds that it was cancelled gives back what was on its way.
            others.push(Found { cancelled: vec![order.wanted.orderid().clone()], ..found.clone() });
        }
        others
            .into_iter()
            .chain([found])
            .flat_map(|found| self.outcomes_of(product, command, &found, events, index))
            .collect()
    }

    /// The same, but for lines of an order that came by themselves while it was put: the last one, or the last two, and so
    /// on. Its commit does not know of them, and leaves them beside what is wanted.
    fn unseen(&self, found: &Found, order: &PutOrder) -> Vec<Found> {
        let came_alone = |part: &&Part| self.came_alone(&part.line, order);
        let since: BTreeSet<Version> = found.parts.iter().filter(came_alone).map(|part| part.since).collect();
        let before = |version: Version| {
            let is_seen = |part: &&Part| part.since < version || !came_alone(part);
            Found { parts: found.parts.iter().filter(is_seen).cloned().collect(), ..found.clone() }
        };
        since.into_iter().map(before).collect()
    }

    /// Whether a line of an order may have come by itself, and is not wanted.
    pub(super) fn came_alone(&self, line: &OrderLine, order: &PutOrder) -> bool {
        self.alone.contains(&line.id()) && order.wanted.lines().iter().all(|wanted| wanted.id() != line.id())
    }

    fn outcomes_of(
        &self,
        product: &Product,
        command: &Command,
        found: &Found,
        events: &[Event],
        index: Index,
    ) -> Vec<Product> {
        let lists = match command.lists(found) {
            Some(Listing::Youngest { batch, .. }) => orders_to_give_way(self.at(&Place::Batch(batch)), events, index),
            Some(Listing::OnBatch { batch, .. }) => vec![self.at(&Place::Batch(batch))],
            Some(Listing::Waiting { .. }) => vec![self.at(&Place::Waiting)],
            Some(Listing::Held { .. }) => {
                vec![self.parts.values().filter(|part| part.held_until.is_some()).cloned().collect()]
            }
            None => vec![Vec::new()],
        };
        let decide = |listed: Vec<Part>| {
            let mut case = Case::of(found.clone(), listed);
            command.decide(&mut case).ok()?;
            let mut after = case.draft.product(product.sku()).ok()?.clone();
            if after.has_backlog() {
                self.offer(&mut after, &mut case.budget);
            }
            Some(after)
        };
        lists.into_iter().filter_map(decide).collect()
    }

    /// What a store would find.
    fn found(&self, product: &Product, wanted: &ReadSet) -> Found {
        let is_there = product.version() > Version::default();
        let stored = is_there.then(|| Stored { product: product.clone(), commit: CommitId(0), crowded_at: None });
        let named = wanted.batches.iter().filter(|(sku, _)| sku == product.sku()).map(|(_, reference)| reference);
        let batches = named.chain(&wanted.references).filter_map(|reference| self.created.get(reference));
        let of_order = self.parts.values().filter(|part| Some(&part.line.orderid) == wanted.whole_order.as_ref());
        Found {
            products: stored.into_iter().collect(),
            parts: wanted.lines.iter().flat_map(|id| self.parts_of(id)).chain(of_order).cloned().collect(),
            batches: batches.map(|(_, new)| new.clone()).collect(),
            whole_order: wanted.whole_order.clone(),
            ..Found::default()
        }
    }

    fn at(&self, place: &Place) -> Vec<Part> {
        self.parts.values().filter(|part| part.place == *place).cloned().collect()
    }

    /// To all that waited before the commit.
    fn offer(&self, product: &mut Product, budget: &mut Budget) {
        let waiting = self.at(&Place::Waiting);
        let all = AllWaiting::checked(&waiting, Tally::of(&waiting)).expect("it is what it comes to");
        product.offer(&all, budget);
    }

    /// Notes what a commit did, which was found to be right.
    fn follow(&mut self, version: u64, events: &[Event], moves: &[Move]) {
        for event in events {
            if let Event::BatchCreated { batchref, sku, qty, eta } = event {
                let new = NewBatch { reference: batchref.clone(), sku: sku.clone(), qty: *qty, eta: *eta };
                self.created.insert(batchref.clone(), (version, new));
            }
        }
        for moved in moves {
            match moved.part_at(Version(version)) {
                Some(part) => drop(self.parts.insert(moved.id(), part)),
                None => drop(self.parts.remove(&moved.id())),
            }
        }
        let lines: BTreeSet<LineId> = moves.iter().map(|moved| moved.line.id()).collect();
        for line in lines {
            let parts: Vec<Part> = self.parts_of(&line).cloned().collect();
            if !parts.is_empty() {
                self.places.entry(line).or_default().push((version, parts));
            }
        }
    }
}

/// The commands on one SKU, by what they are about, each with those who asked for it.
struct Requests<'a>(BTreeMap<Subject, Vec<(&'a Command, Vec<usize>)>>);

impl<'a> Requests<'a> {
    fn of(sku: &Sku, requests: &'a [Request]) -> Self {
        let mut by_subject: BTreeMap<_, Vec<(&Command, Vec<usize>)>> = BTreeMap::new();
        for (index, request) in requests.iter().enumerate() {
            let Asked::Command(command) = &request.asked else { continue };
            if request.answer.as_ref().is_some_and(|(_, told)| changed_nothing(command, told)) {
                continue;
            }
            if command.sku().is_some_and(|of| of != sku) {
                continue;
            }
            let same = by_subject.entry(command.subject()).or_default();
            match same.iter_mut().find(|(known, _)| *known == command) {
                Some((_, askers)) => askers.push(index),
                None => same.push((command, vec![index])),
            }
        }
        Self(by_subject)
    }

    /// Commands that such events can come of, but for requests to allocate: see [`Self::of_lines`].
    fn that_may_tell<'s>(&'s self, events: &'s [Event]) -> Vec<(&'s Command, &'s [usize])> {
        let orders = events.iter().filter_map(|event| event.line().map(|line| Subject::Order(line.orderid.clone())));
        let subjects: BTreeSet<Subject> = events.iter().filter_map(subject).chain(orders).collect();
        let about = subjects.iter().filter_map(|subject| self.0.get(subject)).flatten();
        let others = about.filter(|(command, _)| !matches!(command, Command::Allocate(_)));
        others.map(|(command, askers)| (*command, askers.as_slice())).collect()
    }

    /// Those who asked to cancel an order.
    fn of_order(&self, orderid: &OrderId) -> impl Iterator<Item = usize> {
        let about = self.0.get(&Subject::Order(orderid.clone())).into_iter().flatten();
        let cancels = about.filter(|(command, _)| matches!(command, Command::CancelOrder(_)));
        cancels.flat_map(|(_, askers)| askers.iter().copied())
    }

    /// Those who asked for each of the lines that a commit is about, if it is what requests to allocate may tell. A queue
    /// brings several together. Those of cancelled orders may lose the place that they had.
    fn of_lines(&self, events: &[Event], lines: &[OrderLine]) -> Option<Vec<Vec<usize>>> {
        let is_answer = |event: &Event| match event {
            Event::Allocated { .. } | Event::Confirmed { .. } | Event::OutOfStock { waiting: false, .. } => true,
            Event::Cancelled { line, .. } => self.of_order(&line.orderid).next().is_some(),
            _ => false,
        };
        if !events.iter().all(|event| event.line().is_some() && is_answer(event)) {
            return None;
        }
        let is_cancelled = |line: &OrderLine| {
            let of_line = events.iter().filter(|event| event.line().is_some_and(|told| told.id() == line.id()));
            of_line.into_iter().any(|event| matches!(event, Event::Cancelled { .. }))
        };
        let askers = |line: &OrderLine| {
            let about = self.0.get(&Subject::Line(line.id()))?;
            let asked = about.iter().find(|(command, _)| matches!(command, Command::Allocate(asked) if asked == line));
            let (_, allocating) = asked?;
            // Whoever cancels an order may not see all its lines at first, and take several commits.
            let cancelling = is_cancelled(line).then(|| self.of_order(&line.orderid));
            Some(allocating.iter().copied().chain(cancelling.into_iter().flatten()).collect())
        };
        lines.iter().map(askers).collect()
    }
}

/// As much of a commit as may be about lines that asked for a place. What a cancelled line gave back is offered to others
/// after that.
fn parts_that_may_be_asked(events: &[Event]) -> impl Iterator<Item = &[Event]> {
    let cancelled = events.iter().rposition(|event| matches!(event, Event::Cancelled { .. }));
    let least = cancelled.map_or(events.len(), |last| last + 1);
    (least..=events.len()).rev().map(|asked| &events[..asked])
}

/// What an event is about. One that moves a line to make room is about its batch, which another event names.
fn subject(event: &Event) -> Option<Subject> {
    match event.line() {
        Some(line) => Some(Subject::Line(line.id())),
        None => event.batchref().cloned().map(Subject::Batch),
    }
}

/// Whether whoever is told so did nothing before. (A line may have got its place by a commit without a reply, and have
/// been cancelled before it was asked for again.)
fn changed_nothing(command: &Command, told: &Told) -> bool {
    match told {
        Told::BatchDiffers | Told::UnknownSku | Told::UnknownLine | Told::NotAllocated => true,
        // Of an order, something else may have been wanted since it was put.
        Told::LineShipped => !matches!(command, Command::PutOrder(_)),
        Told::LineCancelled => !matches!(command, Command::Allocate(_)),
        // Whose order is cancelled may have lost his place by that answer.
        Told::Allocated(_)
        | Told::OutOfStock
        | Told::OrderCancelled
        | Told::OrderOutdated
        | Told::Accepted
        | Told::Done
        | Told::Cancelled(_)
        | Told::Put(_)
        | Told::Short(_)
        | Told::Shown(_) => false,
    }
}

/// The orders in which a batch's lines may give way: the youngest promise first. Lines of one commit are of the same age,
/// and those of them that the events tell of may come first; where the index may lag, all that they tell of, as if it had
/// listed just those.
fn orders_to_give_way(mut lines: Vec<Part>, events: &[Event], index: Index) -> Vec<Vec<Part>> {
    let stays = |part: &Part| {
        let gave_way = |event: &Event| matches!(event, Event::Deallocated { line, .. } if *line == part.line);
        !events.iter().any(gave_way)
    };
    // Or else those come first that give way, and get their place again in the same commit, of which no event tells.
    lines.sort_by_key(|part| (Reverse(part.age), !stays(part)));
    let mut orders = vec![lines.clone()];
    lines.sort_by_key(|part| (Reverse(part.age), stays(part)));
    orders.push(lines.clone());
    lines.sort_by(|one, other| other.seniority().cmp(&one.seniority()));
    orders.push(lines.clone());
    if index == Index::MayLag {
        lines.sort_by_key(|part| (stays(part), Reverse(part.age)));
        orders.push(lines.clone());
    }
    orders.dedup();
    orders
}

fn asked_for_alone(request: &Request) -> Option<LineId> {
    let Asked::Command(Command::Allocate(line)) = &request.asked else { return None };
    Some(line.id())
}

/// What an order wants of one SKU. None: it is another command.
fn of_one_sku(command: &Command, sku: &Sku) -> Option<Command> {
    let Command::PutOrder(order) = command else { return None };
    let wanted = WantedOrder::of(order.wanted.orderid().clone(), order.wanted.lines_of(sku)).ok()?;
    Some(Command::PutOrder(PutOrder { wanted, ..order.clone() }))
}

/// Events, for a reader.
fn story(events: &[Event]) -> String {
    let told: Vec<String> = events.iter().map(Event::to_string).collect();
    if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
}
