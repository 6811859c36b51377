//! The plain path: each caller asks for one line, waits for the answer, and asks for the next.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adapters::in_memory::{InMemoryEnvironment, call_until};
use domain::{Command, NewBatch, OrderLine};
use futures_util::FutureExt as _;
use service_layer::MessageBus;
use service_layer::ports::{Environment as _, Timestamp};

use super::clock::{Clock, Task};
use super::database::{Database, Toll};

pub(crate) const SKU: &str = "RETRO-CLOCK";
/// How long callers keep asking.
pub(crate) const RUN: Duration = Duration::from_secs(30);
/// A function's limit.
const LIMIT: Duration = Duration::from_secs(10);
/// What a caller waits for who was turned away, as `Retry-After` tells it.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What came of a run.
pub(crate) struct Figures {
    pub(crate) callers: u32,
    pub(crate) toll: Toll,
    /// Of each request, from its first try to its answer, in order.
    pub(crate) latencies: Vec<Duration>,
    /// Requests that were answered with 503, to be asked again.
    pub(crate) turned_away: u32,
}

impl Figures {
    pub(crate) const HEADER: &str = "| callers | lines/s | p50 ms | p99 ms | p99.9 ms | lost races a line | 503 | throttled | WCU a line | RCU a line |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

    pub(crate) fn lines_each_second(&self) -> f64 {
        f64::from(self.toll.placed) / RUN.as_secs_f64()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { callers, toll, latencies, turned_away } = self;
        let placed = f64::from(toll.placed);
        let lost = f64::from(toll.collisions.saturating_add(toll.overtaken)) / placed;
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| percentile(latencies, share));
        write!(
            formatter,
            "| {callers} | {:.0} | {p50:.0} | {p99:.0} | {p999:.0} | {lost:.2} | {turned_away} | {} | {:.1} | {:.1} |",
            self.lines_each_second(),
            toll.throttled,
            toll.write_units / placed,
            toll.read_units / placed,
        )
    }
}

/// In milliseconds.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a position"
    )]
    let position = (sorted.len().saturating_sub(1) as f64 * share) as usize;
    sorted.get(position).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1_000.0)
}

/// A table with more stock of the SKU than anybody will ask for.
pub(crate) fn stocked(clock: &Clock) -> Arc<Database> {
    let database = Database::new(clock.clone());
    let bus = MessageBus::new(database.store(), InMemoryEnvironment::default(), ());
    let call = call_until(Timestamp(10_000));
    let created = bus.handle_command(Command::CreateBatch(batch()), &call);
    created.now_or_never().expect("a store in memory does not wait").expect("a new batch");
    database
}

fn batch() -> NewBatch {
    NewBatch {
        reference: "batch-001".try_into().expect("a reference"),
        sku: SKU.try_into().expect("a SKU"),
        qty: u32::MAX.try_into().expect("a quantity"),
        eta: None,
    }
}

/// A line of its own.
pub(crate) fn line(caller: u32, number: u32) -> OrderLine {
    OrderLine {
        // As long as the UUIDs that shops like to use.
        orderid: format!("order-{caller:010}-{number:019}").try_into().expect("an order id"),
        sku: SKU.try_into().expect("a SKU"),
        qty: 1.try_into().expect("a quantity"),
    }
}

#[derive(Default)]
struct Seen {
    latencies: Vec<Duration>,
    turned_away: u32,
}

pub(crate) fn measure(seed: u64, callers: u32) -> Figures {
    let clock = Clock::from_seed(seed);
    let database = stocked(&clock);
    let record = Arc::new(Mutex::new(Seen::default()));
    let end = clock.time().saturating_add(RUN);
    clock.run(
        (0..callers).map(|caller| -> Task<'static> {
            Box::pin(ask_until(end, caller, clock.clone(), Arc::clone(&database), Arc::clone(&record)))
        }),
        end,
    );
    let toll = database.toll();
    let mut all = std::mem::take(&mut *record.lock().unwrap_or_else(PoisonError::into_inner));
    all.latencies.sort_unstable();
    Figures { callers, toll, latencies: all.latencies, turned_away: all.turned_away }
}

async fn ask_until(end: Duration, caller: u32, clock: Clock, database: Arc<Database>, seen: Arc<Mutex<Seen>>) {
    let bus = MessageBus::new(&*database, clock.clone(), ());
    for number in 0.. {
        let asked = clock.time();
        if asked >= end {
            return;
        }
        let command = Command::Allocate(line(caller, number));
        while bus.handle_command(command.clone(), &call_until(clock.now().plus(LIMIT))).await.is_err() {
            seen.lock().unwrap_or_else(PoisonError::into_inner).turned_away += 1;
            clock.wait(RETRY_AFTER.mul_f64(1.0 + clock.chance())).await;
            if clock.time() >= end {
                return;
            }
        }
        let latency = clock.time().saturating_sub(asked);
        seen.lock().unwrap_or_else(PoisonError::into_inner).latencies.push(latency);
    }
}
