//! A SKU that has nothing left, and callers who ask all the same; then one piece comes.

use std::sync::Mutex;
use std::time::Duration;

use adapters::in_memory::{InMemoryEnvironment, call_until};
use domain::{Allocation, NewBatch};
use futures_util::FutureExt as _;
use service_layer::ports::Environment as _;
use service_layer::{Allocate, CreateBatch, MessageBus};

use super::clock::{Clock, Task};
use super::database::{Database, Toll, database};
use super::figures::{self, Figures, RUN};
use super::plain::{LIMIT, Path, SKU, line};

/// When the piece comes.
const STOCK_COMES: Duration = Duration::from_secs(25);

/// What came of it.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Of refusals.
    pub(crate) figures: Figures,
    /// How long after the piece had come somebody was told to have it, and how many were.
    pub(crate) placed: Vec<Duration>,
}

fn batch(reference: &str) -> CreateBatch {
    CreateBatch(NewBatch {
        reference: reference.try_into().expect("a reference"),
        sku: SKU.try_into().expect("a SKU"),
        qty: 1.try_into().expect("a quantity"),
        eta: None,
    })
}

/// A table whose only piece is gone, and where somebody was refused already.
fn emptied(clock: &Clock) -> std::sync::Arc<Database> {
    let database = database(clock.clone());
    let environment = InMemoryEnvironment::default();
    let bus = MessageBus::new(&database.store, environment, ());
    let call = call_until(bus.environment().now().plus(LIMIT));
    let work = async {
        bus.handle(&batch("batch-001"), &call).await.expect("a new batch");
        for number in [u32::MAX, u32::MAX - 1] {
            drop(bus.handle(&Allocate(line(number, number)), &call).await.expect("an answer"));
        }
    };
    work.now_or_never().expect("a store in memory does not wait");
    database
}

pub(crate) fn measure(seed: u64, callers: u32, path: Path) -> (Outcome, Toll) {
    let clock = Clock::from_seed(seed);
    let database = emptied(&clock);
    let outcome = Mutex::new(Outcome::default());
    let (start, end) = (clock.time(), clock.time().saturating_add(RUN));
    let stock: Task<'_> = Box::pin(async {
        clock.wait(STOCK_COMES).await;
        let bus = MessageBus::new(&*database, clock.clone(), ());
        let call = call_until(bus.environment().now().plus(LIMIT));
        bus.handle(&batch("batch-002"), &call).await.expect("a new batch");
    });
    let callers =
        (0..callers).map(|caller| -> Task<'_> { Box::pin(ask(&database, &clock, path, caller, start, &outcome)) });
    clock.run(callers.chain([stock]), end);
    let toll = database.hooks.toll();
    (outcome.into_inner().unwrap_or_default(), toll)
}

async fn ask(database: &Database, clock: &Clock, path: Path, caller: u32, start: Duration, outcome: &Mutex<Outcome>) {
    let bus = MessageBus::new(database, clock.clone(), ());
    for number in 0.. {
        let asked = clock.time();
        let command = Allocate(line(caller, number));
        let call = call_until(bus.environment().now().plus(LIMIT));
        let answer = match path {
            Path::Plain => bus.handle(&command, &call).await,
            Path::Shared => bus.allocate(&command, &call).await,
        };
        let took = clock.time().saturating_sub(asked);
        let mut outcome = outcome.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match answer {
            Ok(Ok(Allocation::Allocated(_))) => {
                outcome.placed.push(clock.time().saturating_sub(start).saturating_sub(STOCK_COMES));
            }
            Ok(_) => outcome.figures.latencies.push(took),
            Err(_) => outcome.figures.turned_away += 1,
        }
    }
}

/// A row of the table of refusals.
pub(crate) fn row(callers: u32, path: Path, (outcome, toll): &(Outcome, Toll)) -> String {
    let Outcome { figures, placed } = outcome;
    let [p50, p99, p999] = figures.percentiles([0.5, 0.99, 0.999]).map(|latency| format!("{latency:.0}"));
    let refusals = u32::try_from(figures.latencies.len()).unwrap_or(u32::MAX);
    let placed: Vec<String> = placed.iter().map(|after| format!("{} ms", after.as_millis())).collect();
    let cells = [
        callers.to_string(),
        format!("{path:?}").to_lowercase(),
        format!("{:.0}", f64::from(refusals) / RUN.as_secs_f64()),
        p50,
        p99,
        p999,
        figures.turned_away.to_string(),
        format!("{:.2}", toll.write_units / f64::from(refusals)),
        format!("{:.1}", toll.read_units / f64::from(refusals)),
        placed.join(", "),
    ];
    figures::cells(&cells)
}
