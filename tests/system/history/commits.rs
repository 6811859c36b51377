//! The commits of one SKU, replayed through the aggregate.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use domain::{
    AllWaiting, BatchRef, Budget, Event, LineId, NewBatch, OrderId, OrderLine, Part, Place, Product, Sku, Tally,
    Version,
};
use service_layer::BUDGET;
use service_layer::outbox::Envelope;
use testing::Command;

use super::{Asked, Index, Request, Told, ensure};

/// What happened to one SKU, version by version.
pub(super) struct Replay {
    pub(super) commits: Vec<Commit>,
    pub(super) parts: BTreeMap<LineId, Part>,
    /// At which version, and as what.
    pub(super) created: BTreeMap<BatchRef, (u64, NewBatch)>,
    /// Where each line was, since which version.
    places: BTreeMap<OrderLine, Vec<(u64, Place)>>,
    /// The versions that turned a new line away.
    refused: BTreeMap<OrderLine, Vec<u64>>,
    /// What the product may be now. Events don't tell which of two equal changes of a quantity was carried out.
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
            places: BTreeMap::new(),
            refused: BTreeMap::new(),
            possible: vec![Product::new(sku.clone())],
        };
        let requests = Requests::of(sku, requests);
        for (events, version) in commits.iter().zip(1..) {
            let commit = replay.explain(events, &requests, index).map_err(|reason| {
                format!("version {version} of {sku} can't be: it tells {}; {reason}", story(events))
            })?;
            replay.follow(version, events);
            replay.commits.push(commit);
        }
        Ok(replay)
    }

    /// Purchased and allocated pieces of each batch.
    pub(super) fn batches(&self) -> impl Iterator<Item = (BatchRef, (u32, u32))> {
        let batches = self.possible.first().into_iter().flat_map(Product::batches);
        batches.map(|batch| (batch.reference.clone(), (batch.purchased, batch.allocated)))
    }

    /// The first version from `floor` on at which a line is in such a place.
    pub(super) fn first_at(&self, line: &OrderLine, floor: u64, wanted: &dyn Fn(&Place) -> bool) -> Option<u64> {
        let places = self.places.get(line)?;
        let ends = places.iter().skip(1).map(|(version, _)| *version).chain([u64::MAX]);
        let mut stays = places.iter().zip(ends).filter(|(_, end)| *end > floor);
        stays.find(|((_, place), _)| wanted(place)).map(|((since, _), _)| floor.max(*since))
    }

    pub(super) fn refusals(&self, line: &OrderLine) -> impl Iterator<Item = u64> {
        self.refused.get(line).into_iter().flatten().copied()
    }

    /// Versions from `floor` on at which something changed for an order.
    pub(super) fn versions_of_order(&self, orderid: &OrderId, floor: u64) -> impl Iterator<Item = u64> {
        let mut versions = vec![floor];
        for (_, places) in self.lines_of(orderid) {
            versions.extend(places.iter().map(|(version, _)| *version).filter(|version| *version > floor));
        }
        versions.sort_unstable();
        versions.into_iter()
    }

    pub(super) fn shown(&self, orderid: &OrderId, version: u64) -> Vec<&BatchRef> {
        let at = |places: &'_ Vec<(u64, Place)>| places.iter().rposition(|(since, _)| *since <= version);
        let mut shown: Vec<&BatchRef> = self
            .lines_of(orderid)
            .filter_map(|(_, places)| match &places[at(places)?].1 {
                Place::Batch(batch) => Some(batch),
                Place::Waiting => None,
            })
            .collect();
        shown.sort_unstable();
        shown
    }

    fn lines_of(&self, orderid: &OrderId) -> impl Iterator<Item = (&OrderLine, &Vec<(u64, Place)>)> {
        self.places.iter().filter(move |(line, _)| line.orderid == *orderid)
    }

    /// Finds what makes the model tell these events, and goes on from there.
    fn explain(&mut self, events: &[Event], requests: &Requests<'_>, index: Index) -> Result<Commit, String> {
        let mut next: Vec<Product> = Vec::new();
        let mut commit = Commit { makers: Vec::new(), settles_backlog: false };
        let mut instead = Vec::new();
        for product in std::mem::take(&mut self.possible) {
            let mut settled = product.clone();
            if product.has_backlog() {
                self.offer(&mut settled, &mut BUDGET.clone());
                if !settled.events().is_empty() {
                    if settled.events() == events {
                        commit.settles_backlog = true;
                        next.push(settled.committed());
                    } else {
                        instead.push(format!("a backlog comes first: {}", story(settled.events())));
                    }
                    continue;
                }
            }
            if let Some((lines, askers)) = requests.of_lines(events) {
                let mut after = settled.clone();
                for line in &lines {
                    after.allocate(line, self.parts.get(&line.id()));
                }
                let each_once = lines.iter().collect::<BTreeSet<_>>().len() == lines.len();
                if each_once && after.events() == events {
                    commit.makers = askers;
                    next.push(after.committed());
                } else {
                    instead.push(format!("the model makes of it: {}", story(after.events())));
                }
            }
            for (command, askers) in requests.that_may_tell(events) {
                for after in self.outcomes(&settled, command, events, index) {
                    if after.events() == events {
                        let makers: BTreeSet<usize> =
                            commit.makers.drain(..).flatten().chain(askers.iter().copied()).collect();
                        commit.makers.push(makers.into_iter().collect());
                        next.push(after.committed());
                        break;
                    }
                    instead.push(format!("{command:?} makes of it: {}", story(after.events())));
                }
            }
        }
        instead.dedup();
        ensure!(!next.is_empty() || !instead.is_empty(), "and nobody asked for it");
        ensure!(!next.is_empty(), "but {}", instead.join(", or "));
        for product in next {
            if !self.possible.contains(&product) {
                self.possible.push(product);
            }
        }
        Ok(commit)
    }

    /// What the rules make of a command; more than one thing only where they leave an order open.
    fn outcomes(&self, product: &Product, command: &Command, events: &[Event], index: Index) -> Vec<Product> {
        let finish = |mut product: Product, mut budget: Budget| {
            if product.has_backlog() {
                self.offer(&mut product, &mut budget);
            }
            product
        };
        let mut after = product.clone();
        match command {
            // Lines may come together, see `of_lines`.
            Command::Allocate(_) => Vec::new(),
            Command::CreateBatch(new) if product.batch(&new.reference).is_none() => match after.create_batch(new) {
                Ok(()) => vec![finish(after, BUDGET)],
                Err(_) => Vec::new(),
            },
            Command::CreateBatch(_) => vec![after],
            Command::ChangeBatchQuantity(change) => {
                let place = Place::Batch(change.reference.clone());
                let orders = orders_to_give_way(self.at(&place), events, index);
                let mut outcomes = Vec::new();
                for newest in orders {
                    let (mut after, mut budget) = (product.clone(), BUDGET);
                    if after.change_batch_quantity(change, &newest, &mut budget).is_ok() {
                        outcomes.push(finish(after, budget));
                    }
                }
                outcomes
            }
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
    fn follow(&mut self, version: u64, events: &[Event]) {
        // In a shrink, it comes with others.
        let turns_away = events.len() == 1;
        for event in events {
            let (line, place) = match event {
                Event::Allocated { line, batchref } => (line, Place::Batch(batchref.clone())),
                Event::Deallocated { line, .. } => (line, Place::Waiting),
                Event::OutOfStock { line } => {
                    if turns_away {
                        self.refused.entry(line.clone()).or_default().push(version);
                    }
                    continue;
                }
                Event::BatchCreated { batchref, sku, qty, eta } => {
                    let new = NewBatch { reference: batchref.clone(), sku: sku.clone(), qty: *qty, eta: *eta };
                    self.created.insert(batchref.clone(), (version, new));
                    continue;
                }
                Event::BatchQuantityChanged { .. } => continue,
            };
            let places = self.places.entry(line.clone()).or_default();
            // A line that loses its place and gets another one in the same commit was nowhere in between.
            places.retain(|(since, _)| *since < version);
            places.push((version, place.clone()));
            self.parts.insert(line.id(), Part { line: line.clone(), place, since: Version(version) });
        }
    }
}

/// The commands on one SKU, each with those who asked for it.
struct Requests<'a> {
    lines: BTreeMap<&'a OrderLine, Vec<usize>>,
    batches: BTreeMap<&'a BatchRef, Vec<(&'a Command, Vec<usize>)>>,
    changes: BTreeMap<&'a BatchRef, Vec<(&'a Command, Vec<usize>)>>,
}

impl<'a> Requests<'a> {
    fn of(sku: &Sku, requests: &'a [Request]) -> Self {
        let mut of_sku = Self { lines: BTreeMap::new(), batches: BTreeMap::new(), changes: BTreeMap::new() };
        for (index, request) in requests.iter().enumerate() {
            let Asked::Command(command) = &request.asked else { continue };
            if matches!(request.answer, Some((_, Told::UnknownSku | Told::BatchDiffers))) {
                continue;
            }
            let same = match command {
                Command::Allocate(line) if line.sku == *sku => {
                    of_sku.lines.entry(line).or_default().push(index);
                    continue;
                }
                Command::CreateBatch(new) if new.sku == *sku => of_sku.batches.entry(&new.reference).or_default(),
                Command::ChangeBatchQuantity(change) => of_sku.changes.entry(&change.reference).or_default(),
                Command::Allocate(_) | Command::CreateBatch(_) => continue,
            };
            match same.iter_mut().find(|(known, _)| *known == command) {
                Some((_, askers)) => askers.push(index),
                None => same.push((command, vec![index])),
            }
        }
        of_sku
    }

    /// Commands that such events can come of.
    fn that_may_tell(&self, events: &[Event]) -> Vec<(&'a Command, &[usize])> {
        let created = events.iter().find_map(|event| match event {
            Event::BatchCreated { batchref, .. } => self.batches.get(batchref),
            _ => None,
        });
        let changed = events.iter().find_map(|event| match event {
            Event::BatchQuantityChanged { batchref, .. } => self.changes.get(batchref),
            _ => None,
        });
        let batches = created.into_iter().chain(changed).flatten();
        batches.map(|(command, askers)| (*command, askers.as_slice())).collect()
    }

    /// The lines that a commit is about, if it is about nothing else, and those who asked for each.
    fn of_lines<'e>(&self, events: &'e [Event]) -> Option<(Vec<&'e OrderLine>, Vec<Vec<usize>>)> {
        let line = |event: &'e Event| match event {
            Event::Allocated { line, .. } | Event::OutOfStock { line } => Some(line),
            Event::Deallocated { .. } | Event::BatchCreated { .. } | Event::BatchQuantityChanged { .. } => None,
        };
        let lines = events.iter().map(line).collect::<Option<Vec<_>>>()?;
        let askers = lines.iter().map(|line| self.lines.get(line).cloned()).collect::<Option<Vec<_>>>()?;
        Some((lines, askers))
    }
}

/// The orders in which a batch's lines may give way: newest first. Lines of the same age have no order, so that which
/// the events suggest is tried, too; and where the index may lag, as if it had listed just those that gave way.
fn orders_to_give_way(mut lines: Vec<Part>, events: &[Event], index: Index) -> Vec<Vec<Part>> {
    let place_in = |list: &[&OrderLine], line: &OrderLine| list.iter().position(|told| *told == line);
    let deallocated = |pair: &[Event]| match pair {
        [Event::Deallocated { line, .. }, next] => Some((line.clone(), matches!(next, Event::OutOfStock { .. }))),
        _ => None,
    };
    let told: Vec<(OrderLine, bool)> = events.windows(2).filter_map(deallocated).collect();
    let moved: Vec<&OrderLine> = told.iter().filter(|(_, displaced)| !displaced).map(|(line, _)| line).collect();
    // The model tells of those that wait now last, and in reverse.
    let displaced: Vec<&OrderLine> =
        told.iter().rev().filter(|(_, displaced)| *displaced).map(|(line, _)| line).collect();
    let moved_first: Vec<&OrderLine> = moved.iter().chain(&displaced).copied().collect();
    let displaced_first: Vec<&OrderLine> = displaced.iter().chain(&moved).copied().collect();
    let mut orders = Vec::new();
    for told in [&moved_first, &displaced_first] {
        let rank = |line: &OrderLine| place_in(told, line).unwrap_or(usize::MAX);
        lines.sort_by_key(|part| (Reverse(part.since), rank(&part.line)));
        orders.push(lines.clone());
    }
    lines.sort_by(|one, other| {
        let key = |part: &Part| (Reverse(part.since), Reverse(part.line.clone()));
        key(one).cmp(&key(other))
    });
    orders.push(lines.clone());
    if index == Index::MayLag {
        for told in [&moved_first, &displaced_first] {
            lines.sort_by_key(|part| (place_in(told, &part.line).unwrap_or(usize::MAX), Reverse(part.since)));
            orders.push(lines.clone());
        }
    }
    orders.dedup();
    orders
}

/// Events, for a reader.
fn story(events: &[Event]) -> String {
    let tell = |event: &Event| match event {
        Event::Allocated { line, batchref } => format!("{} of {} on {batchref}", line.qty, line.orderid),
        Event::Deallocated { line, batchref } => format!("{} of {} off {batchref}", line.qty, line.orderid),
        Event::OutOfStock { line } => format!("{} of {} out of stock", line.qty, line.orderid),
        Event::BatchCreated { batchref, qty, .. } => format!("new {batchref} of {qty}"),
        Event::BatchQuantityChanged { batchref, qty, .. } => format!("{batchref} holds {qty}"),
    };
    let told: Vec<String> = events.iter().map(tell).collect();
    if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
}
