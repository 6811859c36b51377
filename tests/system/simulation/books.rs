//! The rules that hold after every commit, and what must be true once everything has settled.

use std::collections::{BTreeMap, BTreeSet};

use adapters::in_memory::InMemoryStore;
use domain::{
    Batch, BatchRef, CancellationReason, Counted, Eta, Event, IfShort, LineId, NewBatch, OrderId, OrderLine, Part,
    Place, Product, Revision, Sku, Timestamp, Version,
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
    places: BTreeMap<LineId, (OrderLine, Place)>,
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
        for id in self.places.keys() {
            ensure!(parts.contains_key(id), "{id:?} was promised, and is gone");
        }
        let placed: BTreeMap<_, _> =
            parts.iter().map(|(id, part)| (id.clone(), (part.line.clone(), part.place.clone()))).collect();
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

    fn place(&self, id: &LineId) -> Option<&Place> {
        self.places.get(id).map(|(_, place)| place)
    }

    fn replay(&mut self, event: &Event) -> Verdict {
        if let Some((line, place)) = event.puts_line() {
            let before = self.places.insert(line.id(), (line.clone(), place.clone())).map(|(_, place)| place);
            let says_why = matches!(event, Event::OutOfStock { .. });
            ensure!(before.as_ref() != Some(&place) || says_why, "{event}: but it was there already");
            // Whether somebody wanted a cancelled one back, the history tells.
            let comes_back = before == Some(Place::Cancelled) && self.may_come_back.contains(&line.orderid);
            let had_ended = matches!(before, Some(Place::Shipped(_) | Place::Cancelled)) && !comes_back;
            ensure!(!had_ended, "{event}: but it was {before:?}, and neither moves nor comes back");
            // One that names a batch and puts its line elsewhere takes it from there; others find it on none.
            let left = event.batchref().filter(|batch| place != Place::Batch((*batch).clone())).cloned();
            let was_on = before.and_then(|place| place.batch().cloned());
            ensure!(was_on == left, "{event}: but it was on {was_on:?}");
        }
        let key = |batchref: &BatchRef| (event.sku().clone(), batchref.clone());
        match event {
            Event::OutOfStock { line, .. } => {
                let place = self.place(&line.id());
                let is_placed = matches!(place, Some(Place::Batch(_)));
                // An order may have a line of another quantity refused, and keep it as it was.
                let keeps = self.places.get(&line.id()).is_some_and(|(known, _)| known.qty != line.qty);
                ensure!(!is_placed || keeps, "{line:?} is out of stock, but is at {place:?}");
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
                |event| matches!(event, Event::Allocated { line: told, batchref, .. } if told == line && batchref == batch),
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
                let place = self.place(id);
                let is_cancelled = place == Some(&Place::Cancelled) || self.may_come_back.contains(&id.orderid);
                ensure!(is_cancelled, "{id:?} is told to be cancelled, but is at {place:?}");
            }
            (Command::Ship(id), Reply::Done) => {
                let place = self.place(id);
                ensure!(matches!(place, Some(Place::Shipped(_))), "{id:?} is told to be shipped, but is at {place:?}");
            }
            (Command::CancelOrder(_), Reply::Cancelled(lines)) => {
                for part in lines {
                    let place = self.place(&part.line.id());
                    ensure!(
                        place == Some(&part.place),
                        "{:?} is told to be {:?}, but is at {place:?}",
                        part.line,
                        part.place
                    );
                    ensure!(!part.place.is_standing(), "{:?} is cancelled, but at {place:?}", part.line);
                }
            }
            (Command::Allocate(line), Reply::OrderCancelled(orderid)) => {
                ensure!(line.orderid == *orderid, "{line:?} is told that {orderid} is cancelled");
                // It may stand all the same, by a request that began earlier and ended later: see the end of the run.
            }
            // What it is told of its lines, the history holds against the model.
            (Command::PutOrder(put), Reply::Put(lines)) => {
                let is_kept = |line: &OrderLine| lines.iter().any(|part| part.line == *line);
                // Put once more with its version, it is shown as it has become since.
                let may_lack = put.if_short == IfShort::Partial || put.version.is_some();
                let all = may_lack || put.wanted.lines().iter().all(is_kept);
                ensure!(all, "{put:?} is told {lines:?}");
            }
            (Command::PutOrder(put), Reply::Short(lines)) => {
                ensure!(
                    put.if_short == IfShort::Refuse && !lines.is_empty(),
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
            Event::OutOfStock { line: told, waiting } => {
                told == line || (!waiting && told.sku == line.sku && told.qty <= line.qty)
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
        let shipped = self
            .places
            .values()
            .filter(|(line, place)| line.sku == new.sku && *place == Place::Shipped(new.reference.clone()));
        let shipped: u32 = shipped.map(|(line, _)| line.qty.get()).sum();
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

fn check_product(product: &Product, parts: &BTreeMap<LineId, Part>) -> Verdict {
    let at = |place: &Place| {
        let there = parts.values().filter(|part| part.line.sku == *product.sku() && part.place == *place);
        there.map(|part| &part.line).collect::<Vec<_>>()
    };
    for batch in product.batches() {
        ensure!(batch.bound() <= batch.purchased, "{} is oversold: {batch:?}", batch.reference);
        let pieces = |place| at(&place).iter().map(|line| line.qty.get()).sum::<u32>();
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
        for line in waiting {
            let fits = |batch: &&Batch| batch.can_allocate(line);
            if let Some(batch) = product.batches().iter().find(fits) {
                return Err(format!("{line:?} waits beside {batch:?}"));
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
