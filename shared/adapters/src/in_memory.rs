//! Every port in memory, so that the whole service runs without a server.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Batch, BatchRef, NewBatch, OrderId, OrderLine, Place, Placed, Position, Product, Sku};
use service_layer::outbox::{self, Message};
use service_layer::ports::{
    AllocationsView, Claim, Commit, CommitId, Environment, Head, Inbox, LineQueue, Mail, Mailer, Products,
    PublishError, Publisher, Snapshot, StoreError, Timestamp, Wanted,
};
use service_layer::{Call, CorrelationId, Figures, Source};

/// A store in memory, with its outbox.
#[derive(Debug, Default)]
pub struct InMemoryStore(Mutex<State>);

#[derive(Clone, Debug, Default)]
struct State {
    products: HashMap<Sku, (Product, CommitId)>,
    announced: HashMap<BatchRef, NewBatch>,
    lines: BTreeMap<OrderLine, Position>,
    /// Who claimed an event, and when the lease ends; none once it is handled.
    inbox: HashMap<String, Option<(u64, Timestamp)>>,
    outbox: Vec<Message>,
}

impl InMemoryStore {
    /// What all commits so far had to tell, in their order.
    #[must_use]
    pub fn outbox(&self) -> Vec<Message> {
        self.state().outbox.clone()
    }

    /// All products, with all their batches.
    #[must_use]
    pub fn products(&self) -> Vec<Product> {
        self.state().products.values().map(|(product, _)| product.clone()).collect()
    }

    /// All promised lines.
    #[must_use]
    pub fn lines(&self) -> BTreeMap<OrderLine, Position> {
        self.state().lines.clone()
    }

    /// The same store as it is now, whatever becomes of this one.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self(Mutex::new(self.state().clone()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// As a store shows it: the batches with free stock, and the one that was asked for.
    fn head(&self, sku: &Sku, asked: Option<&BatchRef>) -> Option<Head> {
        let (product, commit) = self.products.get(sku)?;
        let shown = |batch: &&Batch| batch.free() > 0 || Some(&batch.reference) == asked;
        let batches = product.batches().iter().filter(shown).cloned().collect();
        let (version, waiting, backlog) = (product.version(), product.waiting(), product.has_backlog());
        let product = Product::restore(sku.clone(), version, batches, waiting, backlog);
        Some(Head { product, commit: *commit })
    }

    fn found(&self, sku: &Sku, lines: &[OrderLine]) -> Snapshot {
        let placed = |line: &OrderLine| {
            self.lines.get(line).map(|position| Placed { line: line.clone(), position: position.clone() })
        };
        Snapshot { head: self.head(sku, None), lines: lines.iter().filter_map(placed).collect(), announced: None }
    }

    fn placed(&self, place: &Place, sku: Option<&Sku>) -> Vec<Placed> {
        let there = |(line, position): &(&OrderLine, &Position)| {
            position.place == *place && sku.is_none_or(|sku| line.sku == *sku)
        };
        let placed =
            |(line, position): (&OrderLine, &Position)| Placed { line: line.clone(), position: position.clone() };
        self.lines.iter().filter(there).map(placed).collect()
    }
}

impl Products for InMemoryStore {
    async fn find(&self, wanted: Wanted<'_>) -> Result<Snapshot, StoreError> {
        let state = self.state();
        Ok(match wanted {
            Wanted::Line(line) => state.found(&line.sku, std::slice::from_ref(line)),
            Wanted::Lines(sku, lines) => state.found(sku, lines),
            Wanted::NewBatch(new) => Snapshot {
                head: state.head(&new.sku, None),
                lines: Vec::new(),
                announced: state.announced.get(&new.reference).cloned(),
            },
            Wanted::Batch(reference) => match state.announced.get(reference) {
                None => Snapshot::default(),
                Some(announced) => Snapshot {
                    head: state.head(&announced.sku, Some(reference)),
                    lines: Vec::new(),
                    announced: Some(announced.clone()),
                },
            },
        })
    }

    async fn waiting_lines(&self, sku: &Sku) -> Result<Vec<Placed>, StoreError> {
        Ok(self.state().placed(&Place::Waiting, Some(sku)))
    }

    async fn newest_lines(&self, batch: &BatchRef, pieces: u32, at_most: usize) -> Result<Vec<Placed>, StoreError> {
        let mut lines = self.state().placed(&Place::Batch(batch.clone()), None);
        lines.sort_by_key(|placed| std::cmp::Reverse(placed.position.since));
        let mut missing = pieces;
        let needed = lines.into_iter().take(at_most).take_while(|placed| {
            let wanted = missing > 0;
            missing = missing.saturating_sub(placed.line.qty.get());
            wanted
        });
        Ok(needed.collect())
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        let Commit { id, before, after, announced, absent, correlation } = commit;
        let lines: BTreeSet<&OrderLine> = after.moves().iter().map(|moved| &moved.line).collect();
        if lines.len() < after.moves().len() {
            return Err(StoreError::Fault("two writes of one line in a commit, which DynamoDB refuses".into()));
        }
        let mut state = self.state();
        let stored = state.products.get(after.sku()).map(|(product, _)| product.version());
        let head_holds = stored == before.map(Product::version);
        let batch_holds = announced.is_none_or(|new| !state.announced.contains_key(&new.reference));
        let absent_holds = absent.iter().all(|line| !state.lines.contains_key(line));
        let lines_hold = after.moves().iter().all(|moved| state.lines.get(&moved.line) == moved.from.as_ref());
        let others_hold = batch_holds && absent_holds && lines_hold;
        match (head_holds, others_hold) {
            (true, true) => {}
            (false, true) => {
                return Err(StoreError::Conflict(state.head(after.sku(), None).map(Box::new)));
            }
            (_, false) => return Err(StoreError::Conflict(None)),
        }

        let full = state.products.get(after.sku()).into_iter().flat_map(|(product, _)| product.batches());
        let unseen = full.filter(|batch| after.batch(&batch.reference).is_none());
        let batches = unseen.chain(after.batches()).cloned().collect();
        let (sku, version) = (after.sku().clone(), after.version());
        let product = Product::restore(sku.clone(), version, batches, after.waiting(), after.has_backlog());
        state.products.insert(sku.clone(), (product, id));
        if let Some(new) = announced {
            state.announced.insert(new.reference.clone(), new.clone());
        }
        for moved in after.moves() {
            let position = Position { place: moved.to.clone(), since: version };
            state.lines.insert(moved.line.clone(), position);
        }
        state.outbox.extend(outbox::messages(&sku, version, after.events().to_vec(), Some(correlation)));
        Ok(())
    }
}

impl AllocationsView for InMemoryStore {
    async fn allocations(&self, orderid: &OrderId) -> Result<Vec<(Sku, BatchRef)>, StoreError> {
        let state = self.state();
        let of_order = state.lines.iter().filter(|(line, _)| line.orderid == *orderid);
        let allocated = of_order.filter_map(|(line, position)| match &position.place {
            Place::Batch(batchref) => Some((line.sku.clone(), batchref.clone())),
            Place::Waiting => None,
        });
        Ok(allocated.collect())
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

/// A call that nobody minds who made, to be answered in time.
#[must_use]
pub fn call_until(deadline: Timestamp) -> Call {
    Call { request: "request".to_owned(), correlation: CorrelationId::unknown(), deadline }
}

/// A topic that keeps what was published.
#[derive(Debug, Default)]
pub struct InMemoryTopic(Mutex<Vec<Message>>);

impl InMemoryTopic {
    /// What was published so far.
    #[must_use]
    pub fn published(&self) -> Vec<Message> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Publisher for InMemoryTopic {
    const BATCH: usize = 10;

    async fn publish(&self, messages: &[Message]) -> Result<(), PublishError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(messages);
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

/// A clock that stands still but for sleepers, the same chance every time, and all figures kept.
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
