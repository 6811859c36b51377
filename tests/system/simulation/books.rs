//! The rules that hold after every commit, and what must be true once everything has settled.

use std::collections::{BTreeMap, BTreeSet};

use adapters::in_memory::InMemoryStore;
use domain::{
    Batch, BatchRef, CancellationReason, Counted, Eta, Event, IfShort, LineId, NewBatch, OrderId, OrderLine, Part,
    PartId, Place, Product, Revision, Sku, Timestamp, Version,
};
use service_layer::outbox::Envelope;
use service_layer::{ChangeBatch, NewEta};
use testing::{Command, Reply, Subject};

use super::plan::{Outbox, Plan};
use super::run::Verdict;
use super::world::State;
use crate::history::End;

/// What the events told so far, beside what the store holds.
#[derive(Default)]
pub(crate) struct Books {
    commits: Vec<Vec<Envelope>>,
    read: usize,
    versions: BTreeMap<Sku, Version>,
    batches: BTreeMap<(Sku, BatchRef), u32>,
    etas: BTreeMap<(Sku, BatchRef), Option<Eta>>,
    /// How many pieces of each line that was promised are where; none, once it is cancelled.
    places: BTreeMap<LineId, BTreeMap<Place, u32>>,
    /// Pieces that lost their batch, until it is told where they are.
    displaced: BTreeMap<LineId, u32>,
    /// Until when lines are held, as far as events tell.
    held: BTreeMap<LineId, Option<Timestamp>>,
    /// Orders that are put as wholes, which may want a cancelled line again.
    may_come_back: BTreeSet<OrderId>,
}

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

impl Books {
    pub(crate) fn of(plan: &Plan) -> Self {
        let may_come_back = plan.requests.iter().filter_map(|request| match request {
            Command::PutOrder(put) => Some(put.wanted.orderid().clone()),
            _ => None,
        });
        Self { may_come_back: may_come_back.collect(), ..Self::default() }
    }

    /// The messages of each commit so far, in the order of commits.
    pub(crate) fn commits(&self) -> &[Vec<Envelope>] {
        &self.commits
    }

    /// What holds after every commit.
    pub(crate) fn check(&mut self, store: &InMemoryStore) -> Verdict {
        self.read_events(store)?;
        let parts = store.parts();
        let mut placed: BTreeMap<LineId, BTreeMap<Place, u32>> = BTreeMap::new();
        for of_line in Part::by_line(parts.values()) {
            ensure!(Part::are_all(&of_line), "a line does not have all its pieces, each once: {of_line:?}");
            let pieces = placed.entry(of_line[0].line.id()).or_default();
            for part in of_line.iter().filter(|part| part.place != Place::Cancelled) {
                *pieces.entry(part.place.clone()).or_default() += part.line.qty.get();
            }
        }
        ensure!(self.displaced.values().all(|pieces| *pieces == 0), "these are nowhere: {:?}", self.displaced);
        ensure!(placed == self.places, "events tell of lines at {:?}, but they are at {placed:?}", self.places);
        let mut batches = BTreeMap::new();
        for product in store.products() {
            check_product(&product, &parts)?;
            let told = self.versions.get(product.sku());
            ensure!(
                told == Some(&product.version()),
                "{} is at {}, told of {told:?}",
                product.sku(),
                product.version()
            );
            let batch = |batch: &Batch| ((batch.sku.clone(), batch.reference.clone()), batch.purchased);
            batches.extend(product.batches().iter().map(batch));
        }
        ensure!(batches == self.batches, "events tell of batches {:?}, but they are {batches:?}", self.batches);
        Ok(())
    }

    fn read_events(&mut self, store: &InMemoryStore) -> Verdict {
        let outbox = store.outbox();
        for message in &outbox[self.read..] {
            let sku = message.event.sku();
            let last = self.versions.get(sku).copied().unwrap_or_default();
            if message.version == last {
                match self.commits.last_mut() {
                    Some(commit) => commit.push(message.clone()),
                    None => return Err(format!("the first event {} has version 0", message.id)),
                }
            } else {
                ensure!(message.version == last.next(), "after version {last} of {sku} comes {}", message.version);
                self.commits.push(vec![message.clone()]);
                self.versions.insert(sku.clone(), message.version);
            }
            self.check_hold(message)?;
            self.replay(&message.event)?;
        }
        self.read = outbox.len();
        Ok(())
    }

    /// What is held ends in its time, by the clock of whoever ends it.
    fn check_hold(&mut self, message: &Envelope) -> Verdict {
        match &message.event {
            Event::Allocated { line, held_until, .. } => {
                self.held.insert(line.id(), *held_until);
            }
            Event::Confirmed { line, .. } => {
                self.held.insert(line.id(), None);
            }
            Event::HoldChanged { line, held_until, .. } => {
                self.held.insert(line.id(), Some(*held_until));
            }
            Event::Cancelled { line, reason, .. } => {
                let until = self.held.remove(&line.id());
                // One that never had a batch is held all the same, of which no event tells.
                let is_due = until.is_none_or(|until| until.is_some_and(|until| until <= message.at));
                let expires = *reason == CancellationReason::Expired;
                ensure!(is_due || !expires, "{line:?} was held until {until:?}, and expired at {:?}", message.at);
            }
            _ => {}
        }
        Ok(())
    }

    /// How many pieces of a line are where.
    fn pieces(&self, id: &LineId) -> BTreeMap<Place, u32> {
        self.places.get(id).cloned().unwrap_or_default()
    }

    fn is_at(&self, id: &LineId, place: impl Fn(&Place) -> bool) -> bool {
        self.places.get(id).is_some_and(|pieces| !pieces.is_empty() && pieces.keys().all(place))
    }

    /// Takes the pieces of an event from where they were.
    fn take(&mut self, line: &OrderLine, from: &Place) -> Verdict {
        let was = self.pieces(&line.id());
        let left = was.get(from).and_then(|pieces| pieces.checked_sub(line.qty.get()));
        let Some(left) = left else { return Err(format!("{line:?} leaves {from:?}, but is at {was:?}")) };
        let pieces = self.places.entry(line.id()).or_default();
        pieces.insert(from.clone(), left);
        pieces.retain(|_, pieces| *pieces > 0);
        Ok(())
    }

    /// One that names a batch and puts pieces elsewhere takes them from there. Others take those that lost their batch or
    /// wait, or begin a promise.
    fn replay_of_line(&mut self, event: &Event, line: &OrderLine) -> Verdict {
        let (id, on) = (line.id(), |batchref: &BatchRef| Place::Batch(batchref.clone()));
        let mut line_qty = None;
        let to = match event {
            Event::Deallocated { batchref, .. } => {
                *self.displaced.entry(id).or_default() += line.qty.get();
                return self.take(line, &on(batchref));
            }
            Event::Cancelled { batchref, .. } => return self.take(line, &batchref.as_ref().map_or(Place::Waiting, on)),
            Event::Shipped { batchref, .. } => {
                self.take(line, &on(batchref))?;
                Place::Shipped(batchref.clone())
            }
            Event::Allocated { batchref, line_qty: all, .. } => {
                line_qty = *all;
                on(batchref)
            }
            Event::OutOfStock { waiting: true, line_qty: all, .. } => {
                line_qty = *all;
                Place::Waiting
            }
            Event::OutOfStock { waiting: false, .. }
            | Event::Confirmed { .. }
            | Event::HoldChanged { .. }
            | Event::BatchCreated { .. }
            | Event::BatchQuantityChanged { .. }
            | Event::BatchEtaChanged { .. } => return Ok(()),
        };
        let was = self.places.get(&id).cloned();
        let displaced = self.displaced.entry(id.clone()).or_default();
        let waits = was.as_ref().is_some_and(|pieces| pieces.contains_key(&Place::Waiting));
        if *displaced > 0 {
            let left = displaced.checked_sub(line.qty.get());
            ensure!(left.is_some(), "{event}: but only {displaced} lost their batch");
            *displaced = left.unwrap_or_default();
        } else if waits && matches!(event, Event::Allocated { .. }) {
            self.take(line, &Place::Waiting)?;
        } else if !matches!(event, Event::Shipped { .. }) {
            // Whether somebody wanted a cancelled one back, the history tells.
            let comes_back = self.may_come_back.contains(&line.orderid);
            let known = was.as_ref().map(|was| was.values().sum::<u32>());
            let is_next_part = line_qty.is_some_and(|all| known > Some(0) && known <= Some(all.get() - line.qty.get()));
            let is_new = was.is_none() || is_next_part || comes_back && known == Some(0);
            ensure!(is_new, "{event}: but it was {was:?}, and neither moves nor comes back");
            let is_shipped = was.is_some_and(|was| was.keys().any(Place::is_shipped));
            ensure!(!is_shipped, "{event}: but it was shipped");
        }
        *self.places.entry(id).or_default().entry(to).or_default() += line.qty.get();
        Ok(())
    }

    fn replay(&mut self, event: &Event) -> Verdict {
        if let Some(line) = event.line() {
            self.replay_of_line(event, line)?;
        }
        let key = |batchref: &BatchRef| (event.sku().clone(), batchref.clone());
        match event {
            Event::OutOfStock { line, .. } => {
                let pieces = self.pieces(&line.id());
                let is_placed = self.is_at(&line.id(), |place| place.batch().is_some());
                // An order may have a line of another quantity refused, and keep it as it was.
                let keeps = pieces.values().sum::<u32>() != line.qty.get();
                ensure!(!is_placed || keeps, "{line:?} is out of stock, but is at {pieces:?}");
            }
            Event::BatchCreated { batchref, qty, eta, .. } => {
                self.etas.insert(key(batchref), *eta);
                let before = self.batches.insert(key(batchref), qty.get());
                ensure!(before.is_none(), "{batchref} is created twice");
            }
            Event::BatchQuantityChanged { batchref, qty, .. } => {
                let before = self.batches.insert(key(batchref), *qty);
                ensure!(before.is_some(), "{batchref} has changed before it was created");
            }
            Event::BatchEtaChanged { batchref, eta, was, .. } => {
                let before = self.etas.insert(key(batchref), *eta);
                ensure!(before == Some(*was) && eta != was, "{batchref} came {before:?} before, not {was:?}");
            }
            Event::Allocated { .. }
            | Event::Confirmed { .. }
            | Event::HoldChanged { .. }
            | Event::Deallocated { .. }
            | Event::Shipped { .. }
            | Event::Cancelled { .. } => {}
        }
        Ok(())
    }

    /// A caller was told something that was true at some moment, and its traces are there.
    pub(crate) fn told(&self, command: &Command, reply: &Reply) -> Verdict {
        let ever_on = |line: &OrderLine, batch: &BatchRef| {
            let mut events = self.commits.iter().flatten().map(|message| &message.event);
            events.any(
                |event| matches!(event, Event::Allocated { line: told, batchref, .. } if told.id() == line.id() && batchref == batch),
            )
        };
        match (command, reply) {
            (Command::Allocate(line), Reply::Allocated(batch)) => {
                ensure!(ever_on(line, batch), "{line:?} is told {batch}, where it never was");
            }
            (Command::Allocate(line), Reply::OutOfStock) => {
                ensure!(self.was_refused(line), "{line:?} is told that it is out of stock, and nobody else is");
            }
            (Command::Deallocate(id), Reply::Done) => {
                let pieces = self.pieces(id);
                let is_cancelled = pieces.is_empty() || self.may_come_back.contains(&id.orderid);
                ensure!(is_cancelled, "{id:?} is told to be cancelled, but is at {pieces:?}");
            }
            (Command::Ship(id), Reply::Done) => {
                let is_shipped = self.is_at(id, Place::is_shipped);
                ensure!(is_shipped, "{id:?} is told to be shipped, but is at {:?}", self.pieces(id));
            }
            (Command::CancelOrder(_), Reply::Cancelled(lines)) => {
                for part in lines {
                    let (line, place, pieces) = (&part.line, &part.place, self.pieces(&part.line.id()));
                    let is_so = match place {
                        Place::Cancelled => pieces.is_empty(),
                        place => pieces.get(place).is_some_and(|pieces| *pieces >= line.qty.get()),
                    };
                    ensure!(is_so, "{line:?} is told to be {place:?}, but is at {pieces:?}");
                    ensure!(!place.is_standing(), "{line:?} is cancelled, but at {pieces:?}");
                }
            }
            (Command::Allocate(line), Reply::OrderCancelled(orderid)) => {
                ensure!(line.orderid == *orderid, "{line:?} is told that {orderid} is cancelled");
                // It may stand all the same, by a request that began earlier and ended later: see the end of the run.
            }
            // What it is told of its lines, the history holds against the model.
            (Command::PutOrder(put), Reply::Put(lines)) => {
                let is_kept = |line: &OrderLine| lines.iter().any(|part| part.whole_line() == *line);
                // Put once more with its version, it is shown as it has become since.
                let may_lack = put.terms.if_short == IfShort::Partial || put.version.is_some();
                let all = may_lack || put.wanted.lines().iter().all(is_kept);
                ensure!(all, "{put:?} is told {lines:?}");
            }
            (Command::PutOrder(put), Reply::Short(lines)) => {
                ensure!(
                    put.terms.if_short == IfShort::Refuse && !lines.is_empty(),
                    "{put:?} is told of short lines {lines:?}"
                );
            }
            (Command::PutOrder(put), Reply::OrderCancelled(orderid)) => {
                ensure!(put.wanted.orderid() == orderid, "{put:?} is told that {orderid} is cancelled");
            }
            (Command::CreateBatch(new), Reply::Done) => {
                let key = (new.sku.clone(), new.reference.clone());
                ensure!(self.batches.contains_key(&key), "{} was not created", new.reference);
            }
            (command, reply) => return Err(format!("{command:?} is told {reply:?}")),
        }
        Ok(())
    }

    /// Whether an event tells of a line that it is out of stock, or that less is or as much. Whether that was of the stock
    /// that there was, the history tells.
    fn was_refused(&self, line: &OrderLine) -> bool {
        let refuses = |event: &Event| match event {
            Event::OutOfStock { line: told, waiting, .. } => {
                told.id() == line.id() || (!waiting && told.sku == line.sku && told.qty <= line.qty)
            }
            _ => false,
        };
        self.commits.iter().flatten().any(|message| refuses(&message.event))
    }

    /// What is true once nothing is left to do.
    pub(crate) fn check_the_end(&self, state: &State, plan: &Plan) -> Verdict {
        self.check_announcements(state, plan)?;
        for line in &plan.queued {
            let answered = self.places.contains_key(&line.id()) || self.was_refused(line);
            let answered = answered || state.store.cancelled().contains(&line.orderid);
            ensure!(answered, "{line:?} was taken, and nobody heard of it again");
        }
        for request in &plan.requests {
            if let Command::CreateBatch(new) = request {
                self.check_the_newest(new, plan)?;
            }
        }
        Ok(())
    }

    /// A batch is as the newest change of it says, whatever order they came in.
    fn check_the_newest(&self, new: &NewBatch, plan: &Plan) -> Verdict {
        let key = (new.sku.clone(), new.reference.clone());
        let is_of = |change: &ChangeBatch| {
            change.reference == new.reference && change.sku.as_ref().is_none_or(|sku| *sku == new.sku)
        };
        let newest = |tells: &dyn Fn(&ChangeBatch) -> bool| {
            let changes = plan.changes.iter().zip(1..).filter(|(change, _)| is_of(change));
            let newest =
                changes.filter(|(change, _)| tells(change)).max_by_key(|(change, sent)| match change.revision {
                    Revision::Version(_) => change.revision,
                    Revision::AsOf(_) => Revision::AsOf(*sent),
                });
            newest.map(|(change, _)| change)
        };
        let of_sku = self.places.iter().filter(|(line, _)| line.sku == new.sku);
        let shipped: u32 = of_sku.filter_map(|(_, pieces)| pieces.get(&Place::Shipped(new.reference.clone()))).sum();
        let held = self.batches.get(&key).copied();
        let is_told = |held: u32| match newest(&|change| change.counted.is_some()).and_then(|change| change.counted) {
            None => held == new.qty.get(),
            // What is less than was shipped counts as that.
            Some(Counted::Purchased(qty)) => held == qty.max(shipped),
            // It may have been counted before any of the shipped ones had left, or after.
            Some(Counted::OnHand(pieces)) => (pieces..=pieces + shipped).contains(&held),
        };
        ensure!(held.is_some_and(is_told), "{} is not as the newest change says: it holds {held:?}", new.reference);

        // One that names no SKU is of those that are there when it comes.
        let shares = plan.requests.iter().filter(|request| request.subject() == Subject::Batch(new.reference.clone()));
        if shares.count() > 1 && plan.changes.iter().any(|change| is_of(change) && change.sku.is_none()) {
            return Ok(());
        }
        let etas = plan.changes.iter().filter(|change| is_of(change)).filter_map(|change| change.eta);
        let etas: Vec<_> = etas.map(|NewEta(eta)| eta).chain([new.eta]).collect();
        let differ = etas.iter().collect::<BTreeSet<_>>().len() == etas.len();
        let newest = newest(&|change| change.eta.is_some()).and_then(|change| change.eta);
        let expected = newest.map_or(new.eta, |NewEta(eta)| eta);
        let is_expected = self.etas.get(&key) == Some(&expected);
        // The same ETA again is no change, so an older one may follow it.
        ensure!(is_expected || !differ, "{} should come {expected:?}, not {:?}", new.reference, self.etas);
        Ok(())
    }

    /// Every event was published, and every commit with one that is out of stock mailed.
    fn check_announcements(&self, state: &State, plan: &Plan) -> Verdict {
        if plan.outbox == Outbox::Unread {
            return Ok(());
        }
        let published: BTreeSet<&str> = state.published.iter().map(|message| message.id.as_str()).collect();
        let committed: BTreeSet<&str> = self.commits.iter().flatten().map(|message| message.id.as_str()).collect();
        ensure!(published == committed, "committed: {committed:?}, but published: {published:?}");

        // Each commit's mail names one of the lines that it found no stock for.
        let mut refusing = 0;
        for commit in &self.commits {
            let of_line = |message: &Envelope| match &message.event {
                Event::OutOfStock { line, .. } => {
                    Some(format!("no batch has {} left for order {}.", line.qty, line.orderid))
                }
                _ => None,
            };
            let texts: Vec<String> = commit.iter().filter_map(of_line).collect();
            if let [first, ..] = &texts[..] {
                refusing += 1;
                let is_mailed = state.mails.iter().any(|mail| texts.iter().any(|text| mail.text.contains(text)));
                ensure!(is_mailed, "{first} That was not mailed.");
            }
        }
        let mails = state.mails.len();
        ensure!(mails >= refusing, "{refusing} commits found no stock for lines; but {mails} mails");
        Ok(())
    }
}

fn check_product(product: &Product, parts: &BTreeMap<PartId, Part>) -> Verdict {
    let at = |place: &Place| {
        let there = parts.values().filter(|part| part.line.sku == *product.sku() && part.place == *place);
        there.collect::<Vec<_>>()
    };
    for batch in product.batches() {
        ensure!(batch.bound() <= batch.purchased, "{} is oversold: {batch:?}", batch.reference);
        let pieces = |place| at(&place).iter().map(|part| part.line.qty.get()).sum::<u32>();
        let lines = [Place::Batch(batch.reference.clone()), Place::Shipped(batch.reference.clone())].map(pieces);
        let counted = [batch.allocated, batch.shipped];
        ensure!(
            counted == lines,
            "{} counts {counted:?} allocated and shipped, but its lines {lines:?}",
            batch.reference
        );
    }
    if let Some(refused) = product.refused() {
        let fits = product.batches().iter().find(|batch| batch.free() >= refused.get());
        ensure!(fits.is_none(), "{refused} count as refused beside {fits:?}");
    }
    let waiting = at(&Place::Waiting);
    let counted = product.waiting().count as usize;
    ensure!(counted == waiting.len(), "{} counts {counted} waiting, of {}", product.sku(), waiting.len());
    if !product.has_backlog() {
        for part in waiting {
            let has_room = |batch: &&Batch| batch.free() >= part.least_share();
            if let Some(batch) = product.batches().iter().find(has_room) {
                return Err(format!("{part:?} waits beside {batch:?}"));
            }
        }
    }
    Ok(())
}

/// What the history comes to is what the store holds.
pub(crate) fn check_history(end: &End, store: &InMemoryStore) -> Verdict {
    let parts = store.parts();
    ensure!(end.parts == parts, "the history ends with lines at {:?}, but they are at {parts:?}", end.parts);
    let products = store.products();
    let batches = products.iter().flat_map(Product::batches);
    let batches: BTreeMap<_, _> = batches
        .map(|batch| ((batch.sku.clone(), batch.reference.clone()), [batch.purchased, batch.allocated, batch.shipped]))
        .collect();
    ensure!(end.batches == batches, "the history ends with batches {:?}, but they are {batches:?}", end.batches);
    Ok(())
}
