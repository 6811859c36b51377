//! Holds what callers asked and were told, and what the events told, against the domain as the specification.
//!
//! The versions of a SKU's events give the order of its commits. Replayed in that order, each commit must be what the
//! aggregate makes of some request. Each answer must be the one that the model gives at some version within the
//! request's time, where no request may see less than what was answered before it was made: per SKU, the history is
//! linearizable. A request without an answer may have happened or not.

mod commits;
pub(crate) mod wrong;

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    BatchRef, IfShort, LineId, NewBatch, OrderId, OrderLine, Part, PartId, Place, Refusal, Sku, Timestamp, Version,
};
use service_layer::outbox::Envelope;
use service_layer::{Error, PutOrder};
use testing::Command;

use commits::Replay;

/// What was asked, when, and what was told. Any clock will do that all requests share.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) asked: Asked,
    pub(crate) invoked: u64,
    /// None: no answer, or one that says nothing (503).
    pub(crate) answer: Option<(u64, Told)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Command(Command),
    View(OrderId),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Allocated(BatchRef),
    OutOfStock,
    /// `202 OK`: one of these two.
    Accepted,
    /// What was asked for is so.
    Done,
    BatchDiffers,
    UnknownSku,
    UnknownLine,
    /// The line waits, so it can't be shipped.
    NotAllocated,
    LineShipped,
    LineCancelled,
    /// The line's order is cancelled.
    OrderCancelled,
    /// The order is cancelled, and these are its lines, which have all ended.
    Cancelled(Vec<ToldLine>),
    /// The order is as it was wanted: these lines, where they are.
    Put(Vec<ToldLine>),
    /// These lines of the order are short, and nothing was changed.
    Short(Vec<LineId>),
    /// Something else was wanted of the order since.
    OrderOutdated,
    /// The view: lines that have a batch.
    Shown(Vec<(Sku, BatchRef)>),
}

/// A line as somebody is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToldLine {
    pub(crate) line: OrderLine,
    /// How many of its pieces are where.
    pub(crate) pieces: BTreeMap<Place, u32>,
    pub(crate) held_until: Option<Timestamp>,
}

impl ToldLine {
    /// The lines that have these parts.
    pub(crate) fn all<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Vec<Self> {
        Part::by_line(parts).iter().map(|parts| Self::of(parts)).collect()
    }

    fn of(parts: &[&Part]) -> Self {
        let mut pieces = BTreeMap::new();
        for part in parts {
            *pieces.entry(part.place.clone()).or_default() += part.line.qty.get();
        }
        Self { line: parts[0].whole_line(), pieces, held_until: parts[0].held_until }
    }

    fn are_in(&self, place: impl Fn(&Place) -> bool) -> bool {
        self.pieces.keys().all(place)
    }
}

impl Told {
    /// What a refusal tells. None: nothing of the state.
    pub(crate) fn of_error(error: &Error) -> Option<Self> {
        let Error::Refused(refusal) = error else { return None };
        Some(match refusal {
            Refusal::UnknownSku(_) => Self::UnknownSku,
            Refusal::BatchDiffers(_) => Self::BatchDiffers,
            Refusal::UnknownLine(_) => Self::UnknownLine,
            Refusal::NotAllocated(_) => Self::NotAllocated,
            Refusal::LineShipped(_) => Self::LineShipped,
            Refusal::LineCancelled(_) => Self::LineCancelled,
            Refusal::OrderCancelled(_) => Self::OrderCancelled,
            Refusal::OrderOutdated { .. } => Self::OrderOutdated,
            Refusal::UnknownBatch(_)
            | Refusal::UnknownBatchOfSku(..)
            | Refusal::AmbiguousBatch(_)
            | Refusal::UnknownOrder(_)
            | Refusal::TooManyBatches(_)
            | Refusal::TooManyChanges(_)
            | Refusal::TooManyParts(_)
            | Refusal::LineDiffers { .. } => return None,
        })
    }
}

/// Whether lists of lines by batch were always up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    Current,
    MayLag,
}

/// What the events come to.
#[derive(Debug, Default)]
pub(crate) struct End {
    pub(crate) parts: BTreeMap<PartId, Part>,
    /// Purchased, allocated and shipped.
    pub(crate) batches: BTreeMap<(Sku, BatchRef), [u32; 3]>,
    pub(crate) versions: BTreeMap<Sku, Version>,
}

impl End {
    /// What the view must show of an order.
    pub(crate) fn shown(&self, orderid: &OrderId) -> Vec<(Sku, BatchRef)> {
        let of_order = self.parts.values().filter(|part| part.line.orderid == *orderid);
        of_order.filter_map(|part| Some((part.line.sku.clone(), part.place.batch()?.clone()))).collect()
    }
}

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
use ensure;

/// Accepts a history, or says what is wrong with it. Events may come in any order, and more than once.
pub(crate) fn check(requests: &[Request], envelopes: &[Envelope], index: Index) -> Result<End, String> {
    let commits = commits::in_order(envelopes)?;
    let mut replays = BTreeMap::new();
    for (sku, commits) in &commits {
        replays.insert(sku.clone(), Replay::of(sku, commits, requests, index)?);
    }
    Answers::new(requests, &replays).check()?;
    let mut end = End::default();
    for (sku, replay) in replays {
        end.versions.insert(sku, Version(replay.commits.len() as u64));
        end.batches.extend(replay.batches());
        end.parts.extend(replay.parts);
    }
    Ok(end)
}

/// Gives each answer the earliest version that it may come from. No other choice is better: a later version only
/// forbids more to those who ask afterwards.
struct Answers<'a> {
    requests: &'a [Request],
    replays: &'a BTreeMap<Sku, Replay>,
    /// By SKU. Times and versions only grow.
    floors: BTreeMap<&'a Sku, Vec<Floor>>,
}

/// Nobody who asks later than this may see less than this version, which a request's answer rests on.
#[derive(Clone, Copy)]
struct Floor {
    time: u64,
    version: u64,
    request: usize,
}

impl<'a> Answers<'a> {
    fn new(requests: &'a [Request], replays: &'a BTreeMap<Sku, Replay>) -> Self {
        Self { requests, replays, floors: BTreeMap::new() }
    }

    fn check(mut self) -> Result<(), String> {
        let mut answered: Vec<(u64, usize, &Told)> = Vec::new();
        for (index, request) in self.requests.iter().enumerate() {
            if let Some((time, told)) = &request.answer {
                ensure!(*time >= request.invoked, "{request:?} was answered before it was asked");
                answered.push((*time, index, told));
            }
        }
        answered.sort_by_key(|(time, index, _)| (*time, *index));
        let made_alone = self.made_alone();
        for (time, index, told) in answered {
            let request = &self.requests[index];
            for (sku, version) in self.versions_of(request, told)? {
                self.raise(sku, time, version, index);
            }
            for (sku, version) in made_alone.get(&index).into_iter().flatten() {
                self.raise(sku, time, *version, index);
            }
        }
        self.check_makers()?;
        self.check_orders()
    }

    fn floor(&self, sku: &Sku, invoked: u64) -> u64 {
        self.floor_below(sku, invoked).map_or(0, |floor| floor.version)
    }

    fn floor_below(&self, sku: &Sku, invoked: u64) -> Option<&Floor> {
        let floors = self.floors.get(sku).map_or(&[][..], Vec::as_slice);
        let before = floors.partition_point(|floor| floor.time < invoked);
        floors[..before].last()
    }

    fn raise(&mut self, sku: &'a Sku, time: u64, version: u64, request: usize) {
        let floors = self.floors.entry(sku).or_default();
        let floor = match floors.last() {
            Some(highest) if highest.version >= version => Floor { time, ..*highest },
            _ => Floor { time, version, request },
        };
        floors.push(floor);
    }

    /// Commits that only one request can have made, by request: it was done when that was answered.
    fn made_alone(&self) -> BTreeMap<usize, Vec<(&'a Sku, u64)>> {
        let mut made: BTreeMap<usize, Vec<_>> = BTreeMap::new();
        for (sku, replay) in self.replays {
            for (commit, version) in replay.commits.iter().zip(1..) {
                for makers in &commit.makers {
                    if let [maker] = makers[..] {
                        made.entry(maker).or_default().push((sku, version));
                    }
                }
            }
        }
        made
    }

    /// The earliest version of each SKU at which an answer is true.
    fn versions_of(&self, request: &'a Request, told: &Told) -> Result<Vec<(&'a Sku, u64)>, String> {
        match &request.asked {
            Asked::View(orderid) => {
                let Told::Shown(shown) = told else { return Err(format!("{request:?} is no answer to a view")) };
                self.versions_of_view(orderid, request, shown)
            }
            Asked::Command(Command::Allocate(line)) => self.version_of_line(line, request, told),
            Asked::Command(Command::Deallocate(id) | Command::Ship(id)) => self.version_of_end(id, request, told),
            Asked::Command(Command::CancelOrder(orderid)) => self.versions_of_order(orderid, request, told),
            Asked::Command(Command::PutOrder(order)) => self.versions_of_put(order, request, told),
            Asked::Command(Command::CreateBatch(new)) => self.version_of_batch(new, request, told),
            // That it was done, its own commit tells.
            Asked::Command(Command::ChangeBatch(_)) if *told == Told::Done => Ok(Vec::new()),
            Asked::Command(Command::ChangeBatch(_)) => Err(format!("{request:?} is no answer to that")),
        }
    }

    fn versions_of_view(
        &self,
        orderid: &OrderId,
        request: &Request,
        shown: &[(Sku, BatchRef)],
    ) -> Result<Vec<(&'a Sku, u64)>, String> {
        for (sku, _) in shown {
            ensure!(self.replays.contains_key(sku), "{request:?} shows {sku}, of which there is no event");
        }
        let mut versions = Vec::new();
        for (sku, replay) in self.replays {
            let floor = self.floor(sku, request.invoked);
            let mut batches: Vec<&BatchRef> =
                shown.iter().filter(|(of, _)| of == sku).map(|(_, batch)| batch).collect();
            batches.sort_unstable();
            let version =
                replay.versions_of_order(orderid, floor).find(|version| replay.shown(orderid, *version) == batches);
            let Some(version) = version else {
                let shown = |version| format!("{:?} since version {version}", replay.shown(orderid, version));
                let shown: Vec<String> = replay.versions_of_order(orderid, 0).map(shown).collect();
                let told = self.floor_below(sku, request.invoked).map(|floor| &self.requests[floor.request]);
                return Err(format!(
                    "{request:?}: the view of {sku} shows what was not so at version {floor}, on which rests what was answered before ({told:?}), nor later: {}",
                    shown.join(", ")
                ));
            };
            versions.push((sku, version));
        }
        Ok(versions)
    }

    /// Of an answer to a request to cancel an order: each of its lines has ended as it says, and none is left out that was
    /// there before it was asked.
    fn versions_of_order(
        &self,
        orderid: &OrderId,
        request: &Request,
        told: &Told,
    ) -> Result<Vec<(&'a Sku, u64)>, String> {
        let Told::Cancelled(lines) = told else { return Err(format!("{request:?} is no answer to that")) };
        let mut versions = Vec::new();
        for told in lines {
            let ToldLine { line, .. } = told;
            ensure!(told.are_in(|place| !place.is_standing()), "{request:?}: {line:?} stands");
            ensure!(line.orderid == *orderid, "{request:?}: {line:?} is of another order");
            let Some((sku, replay)) = self.replays.get_key_value(&line.sku) else {
                return Err(format!("{request:?}, but there is no event of {}", line.sku));
            };
            let floor = self.floor(sku, request.invoked);
            let Some(version) = replay.first_at(&line.id(), floor, &|now| now.pieces == told.pieces) else {
                return Err(format!("{request:?}: from version {floor} on, {line:?} never ends so"));
            };
            versions.push((sku, version));
        }
        for (sku, replay) in self.replays {
            let floor = self.floor(sku, request.invoked);
            for id in replay.known_at(orderid, floor) {
                let is_told = lines.iter().any(|told| told.line.id() == *id);
                ensure!(is_told, "{request:?} leaves out {id:?}, which was there at version {floor}");
            }
        }
        Ok(versions)
    }

    /// Whether whoever puts an order may be told so at all.
    fn may_be_told(&self, order: &PutOrder, request: &Request, told: &Told) -> bool {
        let orderid = order.wanted.orderid();
        let answered = request.answer.as_ref().map_or(0, |(time, _)| *time);
        match told {
            Told::OrderCancelled => self.may_be_cancelled(orderid, answered),
            Told::OrderOutdated => self.puts_of(orderid).any(|(other, put)| {
                let is_newer = put.version.is_some() && put.version >= order.version;
                is_newer && put != order && other.invoked < answered
            }),
            Told::UnknownSku => order.wanted.lines().iter().any(|line| self.floor(&line.sku, request.invoked) == 0),
            Told::LineShipped => order.wanted.lines().iter().any(|line| {
                let shipped =
                    |replay: &Replay| replay.first_at(&line.id(), 0, &|now| now.are_in(Place::is_shipped)).is_some();
                self.replays.get(&line.sku).is_some_and(shipped)
            }),
            Told::Put(lines) => {
                // Put once more with its version, an order is told as it has become since.
                let may_lack = order.terms.if_short == IfShort::Partial || order.version.is_some();
                let is_told = |wanted: &OrderLine| lines.iter().any(|told| told.line == *wanted);
                let is_right = |told: &ToldLine| {
                    let is_shipped = told.are_in(Place::is_shipped);
                    let may_be_there = may_lack || is_shipped || order.wanted.lines().contains(&told.line);
                    let is_there = told.are_in(|place| *place != Place::Cancelled);
                    may_be_there && is_there && self.replays.contains_key(&told.line.sku)
                };
                lines.iter().all(is_right) && (may_lack || order.wanted.lines().iter().all(is_told))
            }
            Told::Short(lines) => !lines.is_empty() && order.terms.if_short == IfShort::Refuse,
            _ => false,
        }
    }

    /// Of an answer to whoever puts an order: it was true of each SKU at some version.
    fn versions_of_put(&self, order: &PutOrder, request: &Request, told: &Told) -> Result<Vec<(&'a Sku, u64)>, String> {
        let orderid = order.wanted.orderid();
        let is_right = self.may_be_told(order, request, told);
        ensure!(is_right, "{request:?}: that can't be told, or nobody had asked for what it tells of");
        let of_sku = |(sku, replay): (&'a Sku, &'a Replay)| {
            let floor = self.floor(sku, request.invoked);
            let version = match told {
                Told::Put(lines) => {
                    let told: Vec<&ToldLine> = lines.iter().filter(|told| told.line.sku == *sku).collect();
                    let stand = |version| {
                        let parts = replay.order_at(orderid, version);
                        ToldLine::all(parts.filter(|part| part.place != Place::Cancelled))
                    };
                    let is_so = |stand: Vec<ToldLine>| {
                        let is_told = |line: &&ToldLine| told.contains(line);
                        let all_told = stand.iter().all(|line| is_told(&line) || replay.came_alone(&line.line, order));
                        all_told && stand.iter().filter(is_told).count() == told.len()
                    };
                    replay.versions_of_order(orderid, floor).find(|version| is_so(stand(*version)))
                }
                Told::Short(lines) => {
                    let of_sku: Vec<LineId> = lines.iter().filter(|id| id.sku == *sku).cloned().collect();
                    replay.first_short(order, floor, &of_sku)
                }
                _ => return Ok(None),
            };
            match version {
                Some(version) => Ok(Some((sku, version))),
                None => Err(format!(
                    "{request:?}: at no version of {sku} from {floor} on, which was answered before, does the model say so"
                )),
            }
        };
        self.replays.iter().filter_map(|replay| of_sku(replay).transpose()).collect()
    }

    /// Whoever put an order, and what was wanted.
    fn puts_of<'s>(&'s self, orderid: &'s OrderId) -> impl Iterator<Item = (&'s Request, &'s PutOrder)> {
        self.requests.iter().filter_map(move |request| match &request.asked {
            Asked::Command(Command::PutOrder(put)) if put.wanted.orderid() == orderid => Some((request, put)),
            _ => None,
        })
    }

    /// Whether somebody had asked to cancel an order before this time.
    fn may_be_cancelled(&self, orderid: &OrderId, time: u64) -> bool {
        let cancels = |asked: &Asked| matches!(asked, Asked::Command(Command::CancelOrder(asked)) if asked == orderid);
        self.requests.iter().any(|request| cancels(&request.asked) && request.invoked < time)
    }

    fn version_of_line(
        &self,
        line: &'a OrderLine,
        request: &Request,
        told: &Told,
    ) -> Result<Vec<(&'a Sku, u64)>, String> {
        if *told == Told::OrderCancelled {
            let answered = request.answer.as_ref().map_or(0, |(time, _)| *time);
            let is_right = self.may_be_cancelled(&line.orderid, answered);
            ensure!(is_right, "{request:?}, but nobody had asked to cancel it");
            return Ok(Vec::new());
        }
        let Some((sku, replay)) = self.replays.get_key_value(&line.sku) else {
            ensure!(*told == Told::UnknownSku, "{request:?}, but there is no event of {}", line.sku);
            return Ok(Vec::new());
        };
        let floor = self.floor(sku, request.invoked);
        let any_in =
            |wanted: &dyn Fn(&Place) -> bool| replay.first_at(&line.id(), floor, &|now| now.pieces.keys().any(wanted));
        let (placed, may_be_refused) = match told {
            Told::Allocated(batch) => {
                // What is held is confirmed by that. Of a line on several batches, one is told.
                let is_promised = |now: &ToldLine| {
                    let is_there = now.pieces.keys().any(|place| place.batch() == Some(batch));
                    is_there && now.are_in(|place| place.batch().is_some()) && now.held_until.is_none()
                };
                (replay.first_at(&line.id(), floor, &is_promised), false)
            }
            Told::LineCancelled => (any_in(&|place| *place == Place::Cancelled), false),
            Told::OutOfStock => (any_in(&|place| *place == Place::Waiting), true),
            Told::Accepted => (any_in(&|place| *place != Place::Cancelled), true),
            Told::UnknownSku => {
                ensure!(floor == 0, "{request:?}, but version {floor} was answered before");
                return Ok(vec![(sku, 0)]);
            }
            Told::Done
            | Told::BatchDiffers
            | Told::UnknownLine
            | Told::NotAllocated
            | Told::LineShipped
            | Told::OrderCancelled
            | Told::OrderOutdated
            | Told::Cancelled(_)
            | Told::Put(_)
            | Told::Short(_)
            | Told::Shown(_) => {
                return Err(format!("{request:?} is no answer to that"));
            }
        };
        // Whoever is told that he was turned away was told so by a commit, his own or one that refused no more than he
        // asked for, of the stock that there still is; or else he waits.
        let refused = if may_be_refused { replay.first_refusal(line, floor) } else { None };
        match placed.into_iter().chain(refused).min() {
            Some(version) => Ok(vec![(sku, version)]),
            None => Err(format!(
                "{request:?}: at no version from {floor} on, which was answered before, does the model say so"
            )),
        }
    }

    /// Of an answer to a request to cancel or ship a line.
    fn version_of_end(&self, id: &LineId, request: &Request, told: &Told) -> Result<Vec<(&'a Sku, u64)>, String> {
        let Some((sku, replay)) = self.replays.get_key_value(&id.sku) else {
            ensure!(*told == Told::UnknownLine, "{request:?}, but there is no event of {}", id.sku);
            return Ok(Vec::new());
        };
        let floor = self.floor(sku, request.invoked);
        let is_ship = matches!(request.asked, Asked::Command(Command::Ship(_)));
        let is_told = |now: &ToldLine| {
            let (waits, is_held) = (now.pieces.contains_key(&Place::Waiting), now.held_until.is_some());
            let is_cancelled = now.pieces.contains_key(&Place::Cancelled);
            match told {
                Told::NotAllocated => is_ship && (waits || is_held),
                Told::LineCancelled => is_ship && is_cancelled,
                Told::Done if is_ship => now.are_in(Place::is_shipped),
                Told::Done => is_cancelled,
                Told::LineShipped => !is_ship && now.are_in(Place::is_shipped),
                _ => false,
            }
        };
        let version = match told {
            Told::UnknownLine => replay.is_unknown_at(id, floor).then_some(floor),
            _ => replay.first_at(id, floor, &is_told),
        };
        match version {
            Some(version) => Ok(vec![(sku, version)]),
            None => Err(format!(
                "{request:?}: at no version from {floor} on, which was answered before, does the model say so"
            )),
        }
    }

    fn version_of_batch(&self, new: &NewBatch, request: &Request, told: &Told) -> Result<Vec<(&'a Sku, u64)>, String> {
        let of_sku = self.replays.get_key_value(&new.sku);
        let created = of_sku.and_then(|(sku, replay)| Some((sku, replay.created.get(&new.reference)?)));
        let Some((sku, (version, added))) = created else {
            return Err(format!("{request:?}, but no event tells of it"));
        };
        match told {
            Told::Done => ensure!(added == new, "{request:?}, but the event says {added:?}"),
            Told::BatchDiffers => ensure!(added != new, "{request:?}, but it is the same batch"),
            _ => return Err(format!("{request:?} is no answer to that")),
        }
        Ok(vec![(sku, (*version).max(self.floor(sku, request.invoked)))])
    }

    /// Orders that are put as wholes, and changed in no other way, are whole: each is as it was wanted last, of all SKUs.
    fn check_orders(&self) -> Result<(), String> {
        let of_wholes = self.requests.iter().filter_map(|request| match &request.asked {
            Asked::Command(Command::PutOrder(put)) => Some(put.wanted.orderid()),
            _ => None,
        });
        for orderid in of_wholes.collect::<BTreeSet<_>>() {
            let is_other = |request: &Request| match &request.asked {
                Asked::Command(Command::Allocate(line)) => line.orderid == *orderid,
                Asked::Command(Command::Deallocate(id) | Command::Ship(id)) => id.orderid == *orderid,
                Asked::Command(Command::CancelOrder(cancelled)) => cancelled == orderid,
                Asked::Command(Command::PutOrder(put)) => {
                    put.wanted.orderid() == orderid && put.terms.if_short == IfShort::Partial
                }
                Asked::Command(Command::CreateBatch(_) | Command::ChangeBatch(_)) | Asked::View(_) => false,
            };
            if self.requests.iter().any(is_other) {
                continue;
            }
            let at_the_end = self.replays.values().flat_map(|replay| replay.order_at(orderid, u64::MAX));
            let stand: BTreeSet<OrderLine> =
                at_the_end.filter(|part| part.place.is_standing()).map(Part::whole_line).collect();
            let is_placed = |request: &Request| matches!(request.answer, Some((_, Told::Put(_))));
            let is_last = |(request, _): &(&Request, &PutOrder)| match &request.answer {
                None => true,
                Some((time, Told::Put(_))) => {
                    !self.puts_of(orderid).any(|(later, _)| is_placed(later) && later.invoked > *time)
                }
                Some(_) => false,
            };
            let mut last = self.puts_of(orderid).filter(is_last);
            // Of what was held, some may have expired.
            let may_expire = self.puts_of(orderid).any(|(_, put)| put.terms.hold_until.is_some());
            let is_wanted = last.any(|(_, put)| {
                let wanted: BTreeSet<OrderLine> = put.wanted.lines().iter().cloned().collect();
                wanted == stand || may_expire && wanted.is_superset(&stand)
            });
            let is_none = stand.is_empty() && !self.puts_of(orderid).any(|(request, _)| is_placed(request));
            ensure!(is_wanted || is_none, "{orderid} ends with {stand:?}, which nobody wanted last");
        }
        Ok(())
    }

    /// Each commit was made by somebody who asked before anybody saw it, or anything later.
    fn check_makers(&self) -> Result<(), String> {
        for (sku, replay) in self.replays {
            for (commit, version) in replay.commits.iter().zip(1_u64..) {
                let in_time = |maker: &usize| self.floor(sku, self.requests[*maker].invoked) < version;
                let late = commit.makers.iter().find(|makers| !makers.iter().any(in_time));
                if let (Some(makers), false) = (late, commit.settles_backlog) {
                    let makers: Vec<_> = makers.iter().map(|maker| &self.requests[*maker]).collect();
                    return Err(format!(
                        "version {version} of {sku} is older than whoever asked for it: {makers:?} were asked when a later one was answered already"
                    ));
                }
            }
        }
        Ok(())
    }
}
