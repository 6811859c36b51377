//! DynamoDB as a hot SKU meets it: what a call takes, who is refused, and what a partition gives.
//!
//! What is stored, and every condition, is the in-memory store's, which the contract suite holds equal to DynamoDB.
//! Around it:
//! - a call has its effect half way; times are a fixed part and an exponential tail, their sum the mean;
//! - a transaction holds its items from a quarter of its time to three quarters. Another one that meets it there is
//!   refused as a `TransactionConflict`;
//! - a partition gives 1,000 write units and 3,000 read units in each second, and saves up for one second. The head
//!   is one partition; the index's entries of a batch are two, by even and odd versions, as docs/data-model.md has it.

mod asking;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use adapters::in_memory::InMemoryStore;
use domain::{LineId, OrderLine, Place, Product, Sku, Version};
use service_layer::Throttled;
use service_layer::ports::Timestamp;
use service_layer::store::{
    Asked, Asking, Asks as _, Changed, Commit, Found, Look, Products as _, ReadSet, StoreError, Turn,
};
use testing::{Hooked, Hooks};

use super::clock::Clock;
use asking::{LinesThatAsk, shelf_of};

/// What calls take on average.
const READ: Duration = Duration::from_millis(4);
const TRANSACTION: Duration = Duration::from_millis(8);
/// How much of that is always the same; the rest is a tail.
const STEADY: f64 = 0.7;
/// What each item more takes, of a read and of a transaction of two. No published figure: an assumption.
const READ_EACH: Duration = Duration::from_micros(50);
const TRANSACTION_EACH: Duration = Duration::from_micros(200);

const WRITE_UNITS: f64 = 1_000.0;
const READ_UNITS: f64 = 3_000.0;

/// Keys that one call reads. More of them are read by as many calls at once.
const KEYS: usize = 100;
/// Partitions of the index that lines of a batch are spread over: as docs/data-model.md has it.
const SHELVES: u64 = 2;

/// What all calls together took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Toll {
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
    pub(crate) commits: u32,
    pub(crate) placed: u32,
    /// Refused because another transaction was under way.
    pub(crate) collisions: u32,
    /// Refused because another commit had come first.
    pub(crate) overtaken: u32,
    pub(crate) throttled: u32,
}

/// One table. Its store has the data, without delays and limits.
pub(crate) type Database = Hooked<InMemoryStore, Conditions>;

/// What stands between a function and the data.
pub(crate) struct Conditions {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Products that a transaction holds.
    held: Vec<Sku>,
    writes: HashMap<String, Bucket>,
    reads: HashMap<String, Bucket>,
    toll: Toll,
    /// Lines that got a place, and when.
    placed: Vec<(OrderLine, Duration)>,
    /// Bytes of each head since its last commit.
    heads: HashMap<Sku, usize>,
    asking: LinesThatAsk,
}

/// What is left of a partition's units, and since when.
struct Bucket {
    units: f64,
    at: Duration,
}

/// An empty table.
pub(crate) fn database(clock: Clock) -> Arc<Database> {
    Arc::new(Hooked { store: InMemoryStore::default(), hooks: Conditions { clock, state: Mutex::default() } })
}

impl Conditions {
    pub(crate) fn toll(&self) -> Toll {
        self.state().toll
    }

    /// The lines that got a place, and when.
    pub(crate) fn placed(&self) -> Vec<(OrderLine, Duration)> {
        self.state().placed.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, what: impl FnOnce(&mut Toll)) {
        what(&mut self.state().toll);
    }

    fn latency(&self, mean: Duration) -> Duration {
        // 1 - chance is never zero.
        let tail = -(1.0 - self.clock.chance()).ln();
        mean.mul_f64(tail.mul_add(1.0 - STEADY, STEADY))
    }

    /// Holds products, unless another transaction does one of them.
    fn hold(&self, skus: Vec<Sku>) -> Option<Held<'_>> {
        let mut state = self.state();
        if skus.iter().any(|sku| state.held.contains(sku)) {
            return None;
        }
        state.held.extend(skus.iter().cloned());
        Some(Held { conditions: self, skus })
    }
}

/// Products that a transaction holds.
struct Held<'a> {
    conditions: &'a Conditions,
    skus: Vec<Sku>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.conditions.state().held.retain(|sku| !self.skus.contains(sku));
    }
}

impl State {
    /// Takes units of all these partitions, or of none if one has too few.
    fn take(buckets: &mut HashMap<String, Bucket>, now: Duration, rate: f64, wanted: &HashMap<String, f64>) -> bool {
        for partition in wanted.keys() {
            let bucket = buckets.entry(partition.clone()).or_insert(Bucket { units: rate, at: now });
            bucket.units = now.saturating_sub(bucket.at).as_secs_f64().mul_add(rate, bucket.units).min(rate);
            bucket.at = now;
        }
        // A large write is let through if anything is left, and the partition rests afterwards.
        if wanted.keys().any(|partition| buckets.get(partition).is_some_and(|bucket| bucket.units <= 0.0)) {
            return false;
        }
        for (partition, units) in wanted {
            if let Some(bucket) = buckets.get_mut(partition) {
                bucket.units -= units;
            }
        }
        true
    }
}

impl Conditions {
    /// Takes read units of partitions and charges these, unless one of them has too few.
    fn read(&self, units: f64, partitions: &HashMap<String, f64>) -> Result<(), StoreError> {
        let now = self.clock.time();
        let taken = State::take(&mut self.state().reads, now, READ_UNITS, partitions);
        self.note(|toll| {
            toll.throttled += u32::from(!taken);
            toll.read_units += if taken { units } else { 0.0 };
        });
        if taken { Ok(()) } else { Err(throttled()) }
    }

    /// The same of writing.
    fn write(&self, units: f64, partitions: &HashMap<String, f64>) -> Result<(), StoreError> {
        let now = self.clock.time();
        let taken = State::take(&mut self.state().writes, now, WRITE_UNITS, partitions);
        self.note(|toll| {
            toll.throttled += u32::from(!taken);
            toll.write_units += if taken { units } else { 0.0 };
        });
        if taken { Ok(()) } else { Err(throttled()) }
    }

    /// The rest of a commit that changes no product: lines that ask no more, each with its entry of the index.
    async fn dismiss(&self, store: &InMemoryStore, commit: Commit<'_>, quarter: Duration) -> Result<(), StoreError> {
        self.clock.wait(quarter.saturating_mul(2)).await;
        self.note(|toll| toll.write_units += 3.0 * count(commit.dismissed.len()));
        let outcome = store.commit(commit).await;
        if outcome.is_ok() {
            self.note_answers(&commit, self.clock.time());
        }
        self.clock.wait(quarter).await;
        outcome
    }

    /// The larger of the old item and the new one is charged, twice in a transaction.
    fn charged<'a>(&self, product: &'a Product, commit: &Commit<'_>) -> Head<'a> {
        let bytes = size(product, commit);
        (product, bytes, 2.0 * units(bytes.max(self.head_bytes(product.sku())), 1_024))
    }

    /// Bytes of a head: as its last commit left it.
    fn head_bytes(&self, sku: &Sku) -> usize {
        self.state().heads.get(sku).copied().unwrap_or_default()
    }
}

impl Hooks<InMemoryStore> for Conditions {
    async fn find(&self, store: &InMemoryStore, wanted: &ReadSet) -> Result<Found, StoreError> {
        let keys = wanted.skus.len() + wanted.lines.len() + wanted.orders.len();
        let each = READ_EACH.mul_f64(count(keys.min(KEYS)) - 1.0);
        let calls = (0..keys.div_ceil(KEYS)).map(|_| self.latency(READ.saturating_add(each)));
        // What an order has is read beside them.
        let query = wanted.whole_order.iter().map(|_| self.latency(READ));
        let latency = calls.chain(query).max().unwrap_or_default();
        self.clock.wait(latency / 2).await;
        let found = store.find(wanted).await?;
        let heads: HashMap<String, f64> =
            wanted.skus.iter().map(|sku| (sku.to_string(), units(self.head_bytes(sku), 4_096))).collect();
        let others = count(keys.saturating_sub(heads.len())) + count(wanted.whole_order.iter().count());
        let read = self.read(heads.values().sum::<f64>() + others, &heads);
        self.clock.wait(latency / 2).await;
        read.map(|()| found)
    }

    async fn commit(&self, store: &InMemoryStore, commit: Commit<'_>) -> Result<(), StoreError> {
        let moves: Vec<_> = commit.products.iter().flat_map(|changed| changed.after.moves()).collect();
        let placed = u32::try_from(moves.iter().filter(|moved| moved.to.is_some()).count()).unwrap_or(u32::MAX);
        let turned_away = moves.iter().filter(|moved| moved.to.is_none() && !commit.dismisses(&moved.line.id()));
        let of_order = commit.kept.len() + usize::from(commit.put.is_some());
        let others = turned_away.count() + commit.dismissed.len() + of_order;
        let others = u32::try_from(others).unwrap_or(u32::MAX).saturating_add(placed);
        let heads = u32::try_from(commit.products.len()).unwrap_or(u32::MAX);
        let more = TRANSACTION_EACH.saturating_mul(heads.saturating_add(others).saturating_sub(2));
        let latency = self.latency(TRANSACTION.saturating_add(more));
        let quarter = latency / 4;
        self.clock.wait(quarter).await;
        if commit.products.is_empty() {
            return self.dismiss(store, commit, quarter).await;
        }
        let heads: Vec<Head<'_>> = commit.products.iter().map(|changed| self.charged(changed.after, &commit)).collect();
        let table_units = heads.iter().fold(f64::from(others) * 2.0, |sum, (_, _, units)| sum + units);
        let Some(held) = self.hold(heads.iter().map(|(product, ..)| product.sku().clone()).collect()) else {
            // Whether a transaction that was turned away at once is charged, is not documented: here it is not.
            self.note(|toll| toll.collisions += 1);
            self.clock.wait(quarter).await;
            return Err(StoreError::Conflict(Vec::new()));
        };
        let wanted = units_by_partition(&heads, &commit);
        // As the documentation has it, a write whose condition fails is charged like one that was made.
        if let Err(throttled) = self.write(table_units, &wanted) {
            drop(held);
            self.clock.wait(quarter).await;
            return Err(throttled);
        }
        if !is_newest(store, &commit) {
            drop(held);
            self.note(|toll| toll.overtaken += 1);
            self.clock.wait(quarter).await;
            return store.commit(commit).await;
        }
        self.clock.wait(quarter.saturating_mul(2)).await;
        let outcome = store.commit(commit).await;
        drop(held);
        let now = self.clock.time();
        match &outcome {
            Ok(()) => {
                // Each line gets an entry of the index, and one that asked loses one.
                let entries = f64::from(placed) + count(commit.asking.len());
                self.note(|toll| {
                    toll.write_units += entries;
                    toll.commits += 1;
                    toll.placed += placed;
                });
                self.note_answers(&commit, now);
                let mut state = self.state();
                for (product, bytes, _) in &heads {
                    state.heads.insert(product.sku().clone(), *bytes);
                    state.placed.extend(product.moves().iter().map(|moved| (moved.line.clone(), now)));
                }
            }
            Err(_) => self.note(|toll| toll.overtaken += 1),
        }
        self.clock.wait(quarter).await;
        outcome
    }

    async fn ask(&self, store: &InMemoryStore, asking: &Asking) -> Result<Asked, StoreError> {
        self.put_asking(store, asking).await
    }

    async fn look(&self, store: &InMemoryStore, line: &LineId) -> Result<Look, StoreError> {
        self.look_at(store, line).await
    }

    async fn take_turn(
        &self,
        store: &InMemoryStore,
        sku: &Sku,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Turn, StoreError> {
        self.write_turn(sku, store.take_turn(sku, now, until)).await
    }

    async fn end_turn(&self, store: &InMemoryStore, sku: &Sku, until: Timestamp) -> Result<(), StoreError> {
        self.write_turn(sku, store.end_turn(sku, until)).await
    }

    async fn asking(&self, _: &InMemoryStore, sku: &Sku, at_most: usize) -> Result<Vec<LineId>, StoreError> {
        self.list_asking(sku, at_most).await
    }
}

/// Whether the products are those that were read.
fn is_newest(store: &InMemoryStore, commit: &Commit<'_>) -> bool {
    let stored: HashMap<Sku, Version> =
        store.products().iter().map(|stored| (stored.sku().clone(), stored.version())).collect();
    let is_newest =
        |Changed { before, after }: &Changed<'_>| stored.get(after.sku()).copied() == before.map(Product::version);
    commit.products.iter().all(is_newest)
}

/// A product, its bytes, and the write units that it is charged with.
type Head<'a> = (&'a Product, usize, f64);

/// What a commit takes of the heads' partitions, and of the index's.
fn units_by_partition(heads: &[Head<'_>], commit: &Commit<'_>) -> HashMap<String, f64> {
    let mut units: HashMap<String, f64> =
        heads.iter().map(|(product, _, units)| (product.sku().to_string(), *units)).collect();
    for (product, moved) in
        heads.iter().flat_map(|(product, ..)| product.moves().iter().map(move |moved| (product, moved)))
    {
        let entry = match &moved.to {
            Some(Place::Batch(reference)) => format!("index {reference} {}", product.version().0 % SHELVES),
            Some(Place::Waiting) => "index waiting".to_owned(),
            // Nothing is written, or listed no more.
            Some(Place::Shipped(_) | Place::Cancelled) | None => continue,
        };
        *units.entry(entry).or_default() += 1.0;
    }
    for asking in commit.asking {
        *units.entry(shelf_of(asking)).or_default() += 1.0;
    }
    units
}

/// Started kilobytes, one at least.
fn units(bytes: usize, kilobytes: usize) -> f64 {
    count(bytes.div_ceil(kilobytes).max(1))
}

fn count(of: usize) -> f64 {
    f64::from(u32::try_from(of).unwrap_or(u32::MAX))
}

fn throttled() -> StoreError {
    StoreError::Unavailable(Throttled { by: "throttled".to_owned(), source: "too much".into() }.into())
}

/// Bytes of the head, by DynamoDB's rules: names and texts as they are, numbers about a byte for two digits and one
/// more, 3 for a list or a map and 1 for each of its elements.
fn size(product: &Product, commit: &Commit<'_>) -> usize {
    const FIXED: usize = 190;
    /// As long as a trace's id.
    const CORRELATION: usize = 36;
    let batches = product.open_batches().map(|batch| batch.reference.as_str().len().saturating_add(60));
    let events = product.events().iter().map(|event| {
        let orderid = event.line().map_or(0, |line| line.orderid.as_str().len());
        let batchref = event.batchref().map_or(0, |reference| reference.as_str().len().saturating_add(9));
        let correlation = if commit.origins.is_empty() { 0 } else { CORRELATION };
        [event.sku().as_str().len(), orderid, batchref, correlation]
            .iter()
            .fold(54, |sum, size| usize::saturating_add(sum, *size))
    });
    let names = product.sku().as_str().len();
    batches.chain(events).fold(FIXED.saturating_add(names), usize::saturating_add)
}
