//! Every port in memory, so that the whole service runs without a server.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Batch, BatchRef, LineId, Move, NewBatch, OrderId, OrderLine, Part, PartId, Place, Product, Sku, Version};
use service_layer::history::{History, Mention, Recorded, Told};
use service_layer::outbox::{self, Envelope};
use service_layer::ports::{
    ByAge, Claim, Environment, Holds, Inbox, LineQueue, Lists, Mail, Mailer, OrderLines, PublishError, Publisher, Rank,
    StoredBatch, Timestamp,
};
use service_layer::store::{
    Asked, Asking, AskingId, Asks, Changed, Commit, Found, Listing, Look, Products, Put, ReadSet, Seen, StoreError,
    Stored, StoredPut, Turn,
};
use service_layer::{Call, CorrelationId, Figures, Source, is_turn};

/// A store in memory, with its outbox. Clones share what is in it.
#[derive(Clone, Debug, Default)]
pub struct InMemoryStore(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    /// With all their batches, also full ones.
    products: HashMap<Sku, Stored>,
    /// As they were added.
    batches: BTreeMap<(BatchRef, Sku), NewBatch>,
    parts: BTreeMap<PartId, Part>,
    /// Lines that ask. None of them has a part.
    asking: BTreeMap<LineId, Asking>,
    /// Until when somebody has the turn to commit for all who ask.
    turns: HashMap<Sku, Timestamp>,
    /// Orders that are cancelled.
    cancelled: BTreeSet<OrderId>,
    /// What was last wanted of orders.
    last_puts: BTreeMap<OrderId, StoredPut>,
    /// Who claimed an event, and when the lease ends; none once it is handled.
    inbox: HashMap<String, Option<(u64, Timestamp)>>,
    outbox: Vec<Envelope>,
}

impl InMemoryStore {
    /// What all commits so far had to tell, in their order.
    #[must_use]
    pub fn outbox(&self) -> Vec<Envelope> {
        self.state().outbox.clone()
    }

    /// All products, with all their batches.
    #[must_use]
    pub fn products(&self) -> Vec<Product> {
        self.state().products.values().map(|stored| stored.product.clone()).collect()
    }

    /// Where all promised lines stand.
    #[must_use]
    pub fn parts(&self) -> BTreeMap<PartId, Part> {
        self.state().parts.clone()
    }

    /// The same store as it is now, whatever becomes of this one.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// Lines that ask.
    #[must_use]
    pub fn lines_that_ask(&self) -> BTreeMap<LineId, Asking> {
        self.state().asking.clone()
    }

    /// Which orders are cancelled.
    #[must_use]
    pub fn cancelled(&self) -> BTreeSet<OrderId> {
        self.state().cancelled.clone()
    }

    fn parts_that(&self, are_wanted: impl Fn(&Part) -> bool) -> Vec<Part> {
        self.state().parts.values().filter(|part| are_wanted(part)).cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// As a store shows it: the batches with free stock, and those that are named.
    fn shown(&self, sku: &Sku, named: &[BatchRef]) -> Option<Stored> {
        let stored = self.products.get(sku)?;
        let mut product = stored.product.as_stored();
        for batch in stored.product.batches().iter().filter(|batch| named.contains(&batch.reference)) {
            product.include(batch.clone());
        }
        Some(Stored { product, ..stored.clone() })
    }

    fn found(&self, wanted: &ReadSet) -> Found {
        let whole_order = wanted.whole_order.clone();
        let of_order = self.parts.values().filter(|part| Some(&part.line.orderid) == whole_order.as_ref());
        let parts = wanted.lines.iter().flat_map(|id| self.parts_of(id)).chain(of_order).cloned().collect();
        let of_order = self.asking.values().filter(|asking| Some(&asking.line.orderid) == whole_order.as_ref());
        let asking = wanted.lines.iter().filter_map(|id| self.asking.get(id)).chain(of_order).cloned().collect();
        let named = |(sku, reference): &(Sku, BatchRef)| self.batches.get(&(reference.clone(), sku.clone()));
        let of_references = self.batches.values().filter(|batch| wanted.references.contains(&batch.reference));
        let batches = wanted.batches.iter().filter_map(named).chain(of_references).cloned().collect();
        let orders = wanted.orders.iter().chain(&whole_order);
        let cancelled = orders.filter(|orderid| self.cancelled.contains(*orderid)).cloned().collect();
        let last_put = whole_order.as_ref().and_then(|orderid| self.last_puts.get(orderid)).cloned();
        let found = Found { parts, asking, batches, cancelled, whole_order, last_put, ..Found::default() };
        let named: Vec<BatchRef> = found.named().filter_map(|(_, reference)| reference.cloned()).collect();
        let skus: BTreeSet<&Sku> = wanted.skus.iter().chain(found.named().map(|(sku, _)| sku)).collect();
        let products = skus.into_iter().filter_map(|sku| self.shown(sku, &named)).collect();
        Found { products, ..found }
    }

    fn holds(&self, changed: &Changed<'_>) -> bool {
        let stored = self.products.get(changed.after.sku()).map(|stored| stored.product.version());
        stored == changed.before.map(Product::version)
    }

    fn holds_beside(&self, product: &Product, commit: &Commit<'_>) -> bool {
        let is_free = |new: &NewBatch| !self.batches.contains_key(&(new.reference.clone(), new.sku.clone()));
        product.added().iter().all(is_free)
            && product.moves().iter().all(|moved| {
                let line = moved.line.id();
                let is_asked_for = moved.id().first == 0;
                self.parts.get(&moved.id()) == moved.from.as_ref()
                    && (!is_asked_for || self.asks(&line) == commit.asking(&line).map(|asking| asking.id))
            })
    }

    fn parts_of(&self, line: &LineId) -> impl Iterator<Item = &Part> {
        let all = PartId::first_of(line.clone())..=PartId { line: line.clone(), first: u32::MAX };
        self.parts.range(all).map(|(_, part)| part)
    }

    fn asks(&self, line: &LineId) -> Option<AskingId> {
        self.asking.get(line).map(|asking| asking.id)
    }

    fn apply(&mut self, product: &Product, commit: &Commit<'_>) {
        let (sku, version) = (product.sku().clone(), product.version());
        let mut stored = product.clone().committed();
        let known = self.products.get(&sku).into_iter().flat_map(|stored| stored.product.batches());
        let unseen: Vec<Batch> = known.filter(|batch| product.batch(&batch.reference).is_none()).cloned().collect();
        for batch in unseen {
            stored.include(batch);
        }
        let stored = Stored { product: stored, ..Stored::after(product, commit.id, commit.at) };
        self.products.insert(sku.clone(), stored);
        let added = product.added().iter().cloned();
        self.batches.extend(added.map(|new| ((new.reference.clone(), new.sku.clone()), new)));
        for moved in product.moves() {
            match moved.part_at(version) {
                Some(part) => {
                    self.asking.remove(&part.line.id());
                    self.parts.insert(part.id(), part);
                }
                None => drop(self.parts.remove(&moved.id())),
            }
        }
        let events = product.events().iter();
        let events = events.map(|event| (event.clone(), Some(commit.correlation_of(event).clone()))).collect();
        self.outbox.extend(outbox::envelopes(&sku, version, commit.at, events));
    }
}

impl Products for InMemoryStore {
    async fn find(&self, wanted: &ReadSet) -> Result<Found, StoreError> {
        let ReadSet { skus, lines, batches, orders, .. } = wanted;
        if has_twice(skus) || has_twice(lines) || has_twice(batches) || has_twice(orders) {
            return Err(StoreError::Fault("two reads of one item, which DynamoDB refuses".into()));
        }
        Ok(self.state().found(wanted))
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Part>, StoreError> {
        let parts = self.state().parts.values().cloned().collect();
        Ok(listing.select(parts))
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        let products = || commit.products.iter().map(|changed| changed.after);
        let moved: Vec<PartId> = products().flat_map(Product::moves).map(Move::id).collect();
        if moved.iter().collect::<BTreeSet<_>>().len() < moved.len() {
            return Err(StoreError::Fault("two writes of one item in a commit, which DynamoDB refuses".into()));
        }
        let mut state = self.state();
        let asks = |asking: &Asking| state.asks(&asking.line.id()) == Some(asking.id);
        let is_last = |put: &Put| state.last_puts.get(&put.orderid).map(|last| last.commit) == put.before;
        let is_there = |part: &Part| state.parts.get(&part.id()) == Some(part);
        let holds = products().all(|product| state.holds_beside(product, &commit))
            && commit.dismissed.iter().all(asks)
            && commit.kept.iter().all(is_there)
            && commit.put.is_none_or(is_last);
        if !holds {
            return Err(StoreError::Conflict(Vec::new()));
        }
        let overtaken = commit.products.iter().filter(|changed| !state.holds(changed));
        let newer: Vec<_> = overtaken.map(|changed| state.shown(changed.after.sku(), &[])).collect();
        if !newer.is_empty() {
            return Err(StoreError::Conflict(newer.into_iter().collect::<Option<_>>().unwrap_or_default()));
        }
        for product in products() {
            state.apply(product, &commit);
        }
        for asking in commit.dismissed {
            state.asking.remove(&asking.line.id());
        }
        state.cancelled.extend(commit.cancelled.iter().cloned());
        let stored = |put: &Put| StoredPut { put: put.now.clone(), commit: commit.id };
        state.last_puts.extend(commit.put.map(|put| (put.orderid.clone(), stored(put))));
        Ok(())
    }
}

impl Asks for InMemoryStore {
    async fn ask(&self, asking: &Asking) -> Result<Asked, StoreError> {
        let mut state = self.state();
        let line = asking.line.id();
        if state.parts_of(&line).next().is_some() {
            return Ok(Asked::Known);
        }
        state.asking.insert(line, asking.clone());
        Ok(Asked::Asks)
    }

    async fn look(&self, line: &LineId) -> Result<Look, StoreError> {
        let state = self.state();
        let seen = match (state.parts_of(line).next(), state.asking.get(line)) {
            (Some(part), _) => Seen::Promised(Box::new(part.clone())),
            (None, Some(_)) => Seen::Asks,
            (None, None) => Seen::Nothing,
        };
        Ok(Look { line: seen, taken_until: state.turns.get(&line.sku).copied() })
    }

    async fn take_turn(&self, sku: &Sku, now: Timestamp, until: Timestamp) -> Result<Turn, StoreError> {
        let mut state = self.state();
        match state.turns.get(sku) {
            Some(taken) if is_turn(*taken, now) => Ok(Turn::TakenUntil(*taken)),
            Some(_) | None => {
                state.turns.insert(sku.clone(), until);
                Ok(Turn::Ours)
            }
        }
    }

    async fn end_turn(&self, sku: &Sku, until: Timestamp) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.turns.get(sku) == Some(&until) {
            state.turns.remove(sku);
        }
        Ok(())
    }

    async fn asking(&self, sku: &Sku, at_most: usize) -> Result<Vec<LineId>, StoreError> {
        let state = self.state();
        let mut asking: Vec<&Asking> = state.asking.values().filter(|asking| asking.line.sku == *sku).collect();
        asking.sort_by_key(|asking| asking.since);
        Ok(asking.into_iter().take(at_most).map(|asking| asking.line.id()).collect())
    }
}

impl Lists for InMemoryStore {
    async fn of_order(
        &self,
        orderid: &OrderId,
        after: Option<&LineId>,
        at_most: usize,
    ) -> Result<OrderLines, StoreError> {
        let state = self.state();
        let of_order = state.parts.iter().filter(|(id, _)| id.line.orderid == *orderid);
        let listed = of_order.filter(|(id, _)| after.is_none_or(|after| id.line > *after)).map(|(_, part)| part);
        let parts = Part::by_line(listed).into_iter().take(at_most).flatten().cloned().collect();
        let is_cancelled = after.is_none() && state.cancelled.contains(orderid);
        Ok(OrderLines { is_cancelled, parts })
    }

    async fn waiting(&self, sku: &Sku, after: Option<&Rank>, at_most: usize) -> Result<Vec<Part>, StoreError> {
        let waits = |part: &Part| part.line.sku == *sku && part.place == Place::Waiting;
        Ok(ByAge::OldestFirst.first(self.parts_that(waits), after, at_most))
    }

    async fn on_batch(
        &self,
        sku: &Sku,
        reference: &BatchRef,
        after: Option<&Rank>,
        at_most: usize,
    ) -> Result<Vec<Part>, StoreError> {
        let stands = |part: &Part| part.line.sku == *sku && part.place == Place::Batch(reference.clone());
        Ok(ByAge::YoungestFirst.first(self.parts_that(stands), after, at_most))
    }

    async fn batches_of(
        &self,
        reference: &BatchRef,
        from: Option<&Sku>,
        at_most: usize,
    ) -> Result<Vec<StoredBatch>, StoreError> {
        let state = self.state();
        let is_wanted = |new: &&NewBatch| new.reference == *reference && from.is_none_or(|from| new.sku >= *from);
        let stored = |added: &NewBatch| {
            let batch = state.products.get(&added.sku).and_then(|stored| stored.product.batch(reference));
            StoredBatch { added: added.clone(), full: batch.filter(|batch| !batch.is_open()).cloned() }
        };
        Ok(state.batches.values().filter(is_wanted).take(at_most).map(stored).collect())
    }
}

impl Holds for InMemoryStore {
    async fn due(&self, now: Timestamp, at_most: usize) -> Result<Vec<Sku>, StoreError> {
        let state = self.state();
        let products = state.products.values().map(|stored| &stored.product);
        let mut due: Vec<&Product> = products.filter(|product| product.may_have_due(now)).collect();
        due.sort_by_key(|product| product.held().due);
        Ok(due.into_iter().take(at_most).map(|product| product.sku().clone()).collect())
    }
}

impl Inbox for InMemoryStore {
    async fn claim(&self, id: &str, claimant: u64, now: Timestamp, lease: Duration) -> Result<Claim, StoreError> {
        let mut state = self.state();
        match state.inbox.get(id) {
            Some(None) => return Ok(Claim::Finished),
            Some(Some((holder, until))) if *holder != claimant && *until >= now => return Ok(Claim::Held),
            Some(Some(_)) | None => {}
        }
        state.inbox.insert(id.to_owned(), Some((claimant, now.plus(lease))));
        Ok(Claim::Granted)
    }

    async fn finish(&self, id: &str, _: Timestamp) -> Result<(), StoreError> {
        self.state().inbox.insert(id.to_owned(), None);
        Ok(())
    }
}

fn has_twice<T: Ord>(keys: &[T]) -> bool {
    keys.iter().collect::<BTreeSet<_>>().len() < keys.len()
}

/// A call for tests that look at neither its id nor its correlation id, to be answered by this time.
#[must_use]
pub fn call_until(deadline: Timestamp) -> Call {
    Call { request: "request".to_owned(), correlation: CorrelationId::unknown(), deadline }
}

/// What happened, in memory.
#[derive(Debug, Default)]
pub struct InMemoryHistory {
    kept: Mutex<BTreeMap<(Sku, Version, u32), Told>>,
    /// How many events of one call it has no room for beyond.
    room: Option<usize>,
}

impl InMemoryHistory {
    /// One that takes no more than so many events of a call.
    #[must_use]
    pub fn with_room_for(events: usize) -> Self {
        Self { room: Some(events), ..Self::default() }
    }

    /// Forgets an event, as one that was lost.
    pub fn forget(&self, sku: &Sku, version: Version, number: u32) {
        self.kept().remove(&(sku.clone(), version, number));
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<(Sku, Version, u32), Told>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl History for InMemoryHistory {
    const BATCH: usize = 12;

    async fn record(&self, mut events: Vec<Told>) -> Result<Vec<Told>, StoreError> {
        let left = events.split_off(self.room.unwrap_or(events.len()).min(events.len()));
        let key = |event: &Recorded| (event.sku.clone(), event.version, event.number);
        self.kept().extend(events.into_iter().map(|told| (key(&told.event), told)));
        Ok(left)
    }

    async fn of_product(
        &self,
        sku: &Sku,
        versions: RangeInclusive<Version>,
        at_most: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        let range = (sku.clone(), *versions.start(), 0)..=(sku.clone(), *versions.end(), u32::MAX);
        Ok(self.kept().range(range).take(at_most).map(|(_, told)| told.event.clone()).collect())
    }

    async fn mentions(&self, orderid: &OrderId) -> Result<Vec<Mention>, StoreError> {
        let kept = self.kept();
        let all = kept.values().filter_map(|told| told.mention.clone());
        Ok(all.filter(|mention| mention.line.orderid == *orderid).collect())
    }
}

/// A topic that keeps what was published.
#[derive(Debug, Default)]
pub struct InMemoryTopic(Mutex<Vec<Envelope>>);

impl InMemoryTopic {
    /// What was published so far.
    #[must_use]
    pub fn published(&self) -> Vec<Envelope> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Publisher for InMemoryTopic {
    const BATCH: usize = 10;

    async fn publish(&self, envelopes: &[Envelope]) -> Result<(), PublishError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(envelopes);
        Ok(())
    }
}

/// A queue that keeps what was put on it.
#[derive(Debug, Default)]
pub struct InMemoryLineQueue(Mutex<Vec<OrderLine>>);

impl InMemoryLineQueue {
    /// What was put on it so far.
    #[must_use]
    pub fn lines(&self) -> Vec<OrderLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl LineQueue for InMemoryLineQueue {
    async fn put(&self, line: &OrderLine, _: &Call) -> Result<(), Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
        Ok(())
    }
}

/// A mailer that keeps what was sent.
#[derive(Debug, Default)]
pub struct InMemoryMailer(Mutex<Vec<Mail>>);

impl InMemoryMailer {
    /// What was sent so far.
    #[must_use]
    pub fn sent(&self) -> Vec<Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Mailer for InMemoryMailer {
    async fn send(&self, mail: &Mail) -> Result<(), Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(mail.clone());
        Ok(())
    }
}

/// A clock that only moves when somebody sleeps, random numbers that are the same in each run, and all figures kept.
#[derive(Debug, Default)]
pub struct InMemoryEnvironment {
    recorded: Mutex<Vec<Figures>>,
    milliseconds: AtomicU64,
    drawn: AtomicU64,
}

impl InMemoryEnvironment {
    /// One whose chance is another than the default one's.
    #[must_use]
    pub fn starting_at(drawn: u64) -> Self {
        Self { drawn: AtomicU64::new(drawn), ..Self::default() }
    }

    /// What came of each call so far.
    #[must_use]
    pub fn recorded(&self) -> Vec<Figures> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Environment for InMemoryEnvironment {
    fn now(&self) -> Timestamp {
        Timestamp(self.milliseconds.load(Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.milliseconds.fetch_add(milliseconds, Ordering::Relaxed);
    }

    fn random(&self) -> u64 {
        // Multiples of an odd number are all different, and well spread.
        self.drawn.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }

    fn record(&self, _: &Call, figures: &Figures) {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).push(figures.clone());
    }
}
