//! DynamoDB as a hot SKU meets it: what a call takes, who is refused, and what a partition gives.
//!
//! What is stored, and every condition, is the in-memory store's, which the contract suite holds equal to DynamoDB.
//! Around it:
//! - a call has its effect half way; times are a fixed part and an exponential tail, their sum the mean;
//! - a transaction holds its items from a quarter of its time to three quarters. Another one that meets it there is
//!   refused as a `TransactionConflict`;
//! - a partition gives 1,000 write units and 3,000 read units in each second, and saves up for one second. The head
//!   is one partition; the index's entries of a batch are two, by even and odd versions, as docs/data-model.md has it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use adapters::in_memory::InMemoryStore;
use domain::{Event, OrderLine, Place, Product, Sku};
use service_layer::store::{Changed, Commit, Found, Products as _, ReadSet, StoreError};
use testing::{Hooked, Hooks};

use super::clock::Clock;

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

    /// Holds a product, unless another transaction does.
    fn hold(&self, sku: &Sku) -> Option<Held<'_>> {
        let mut state = self.state();
        if state.held.contains(sku) {
            return None;
        }
        state.held.push(sku.clone());
        Some(Held { conditions: self, sku: sku.clone() })
    }
}

/// A product that a transaction holds.
struct Held<'a> {
    conditions: &'a Conditions,
    sku: Sku,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.conditions.state().held.retain(|sku| *sku != self.sku);
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

impl Hooks<InMemoryStore> for Conditions {
    async fn find(&self, store: &InMemoryStore, wanted: &ReadSet) -> Result<Found, StoreError> {
        let lines_and_orders = wanted.lines.len() + wanted.orders.len();
        let ([sku], Ok(others @ 1..)) = (&wanted.skus[..], u32::try_from(lines_and_orders)) else {
            return store.find(wanted).await;
        };
        let latency = self.latency(READ.saturating_add(READ_EACH.saturating_mul(others - 1)));
        self.clock.wait(latency / 2).await;
        let found = store.find(wanted).await?;
        let head = found.product(sku).map_or(1.0, read_units);
        let now = self.clock.time();
        let taken = State::take(&mut self.state().reads, now, READ_UNITS, &HashMap::from([(sku.to_string(), head)]));
        self.note(|toll| {
            toll.throttled += u32::from(!taken);
            toll.read_units += if taken { head + f64::from(others) } else { 0.0 };
        });
        self.clock.wait(latency / 2).await;
        if taken { Ok(found) } else { Err(throttled()) }
    }

    async fn commit(&self, store: &InMemoryStore, commit: Commit<'_>) -> Result<(), StoreError> {
        let [changed] = commit.products else { unreachable!("lines of one SKU") };
        let Changed { before, after: product } = *changed;
        let moves = product.moves();
        let placed = u32::try_from(moves.iter().filter(|moved| moved.to.is_some()).count()).unwrap_or(u32::MAX);
        let others = u32::try_from(moves.len()).unwrap_or(u32::MAX);
        let latency =
            self.latency(TRANSACTION.saturating_add(TRANSACTION_EACH.saturating_mul(others.saturating_sub(1))));
        let quarter = latency / 4;
        self.clock.wait(quarter).await;
        let head_units = write_units(product);
        let table_units = f64::from(others).mul_add(2.0, head_units);
        let Some(held) = self.hold(product.sku()) else {
            // Whether a transaction that was turned away at once is charged, is not documented: here it is not.
            self.note(|toll| toll.collisions += 1);
            self.clock.wait(quarter).await;
            return Err(StoreError::Conflict(Vec::new()));
        };
        let (now, wanted) = (self.clock.time(), units_by_partition(product, head_units));
        if !State::take(&mut self.state().writes, now, WRITE_UNITS, &wanted) {
            drop(held);
            self.note(|toll| toll.throttled += 1);
            self.clock.wait(quarter).await;
            return Err(throttled());
        }
        // As the documentation has it, a write whose condition fails is charged like one that was made.
        self.note(|toll| toll.write_units += table_units);
        let stored = store.products().into_iter().find(|stored| stored.sku() == product.sku());
        if stored.map(|stored| stored.version()) != before.map(Product::version) {
            drop(held);
            self.note(|toll| toll.overtaken += 1);
            self.clock.wait(quarter).await;
            return store.commit(commit).await;
        }
        self.clock.wait(quarter.saturating_mul(2)).await;
        let outcome = store.commit(commit).await;
        drop(held);
        if outcome.is_ok() {
            self.note(|toll| {
                toll.write_units += f64::from(placed);
                toll.commits += 1;
                toll.placed += placed;
            });
            let now = self.clock.time();
            self.state().placed.extend(product.moves().iter().map(|moved| (moved.line.clone(), now)));
        }
        self.clock.wait(quarter).await;
        outcome
    }
}

fn throttled() -> StoreError {
    StoreError::Unavailable("throttled".into())
}

/// What a commit takes of the head's partition, and of the index's.
fn units_by_partition(product: &Product, head_units: f64) -> HashMap<String, f64> {
    let mut units = HashMap::from([(product.sku().to_string(), head_units)]);
    for moved in product.moves() {
        let entry = match &moved.to {
            Some(Place::Batch(reference)) => format!("index {reference} {}", product.version().0 % 2),
            Some(Place::Waiting) => "index waiting".to_owned(),
            // Nothing is written, or listed no more.
            Some(Place::Shipped(_) | Place::Cancelled) | None => continue,
        };
        *units.entry(entry).or_default() += 1.0;
    }
    units
}

/// A started KB of the head, twice, as in every transaction.
fn write_units(product: &Product) -> f64 {
    2.0 * (size(product, product.events()) / 1_024.0).ceil()
}

fn read_units(product: &Product) -> f64 {
    // What the last commit told is in the head as well; how much, this product does not know. One line's event is
    // little.
    (size(product, &[]) / 4_096.0).ceil()
}

/// Bytes of the head, by DynamoDB's rules: names and texts as they are, numbers about a byte for two digits and one
/// more, 3 for a list or a map and 1 for each of its elements.
fn size(product: &Product, events: &[Event]) -> f64 {
    const FIXED: usize = 190;
    let batches = product.open_batches().map(|batch| batch.reference.as_str().len().saturating_add(60));
    let events = events.iter().map(|event| {
        let orderid = event.line().map_or(0, |line| line.orderid.as_str().len());
        let batchref = event.batchref().map_or(0, |reference| reference.as_str().len().saturating_add(9));
        [event.sku().as_str().len(), orderid, batchref].iter().fold(54, |sum, size| usize::saturating_add(sum, *size))
    });
    let names = product.sku().as_str().len();
    let total = batches.chain(events).fold(FIXED.saturating_add(names), usize::saturating_add);
    f64::from(u32::try_from(total).unwrap_or(u32::MAX))
}
