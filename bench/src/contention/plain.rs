//! Callers who each ask for one line, wait for the answer, and ask for the next: by themselves, or sharing commits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::in_memory::{InMemoryEnvironment, call_until};
use domain::{NewBatch, OrderLine};
use futures_util::FutureExt as _;
use service_layer::ports::Environment;
use service_layer::store::{Asks, Products};
use service_layer::{Allocate, CreateBatch, MessageBus};

use super::clock::{Clock, Task};
use super::database::{Database, Toll, database};
use super::figures::{self, Figures, RUN};

pub(crate) const SKU: &str = "RETRO-CLOCK";
/// A function's limit.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);
/// What a caller waits for who was turned away, as `Retry-After` tells it.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A simulated table with stock.
pub(crate) fn stocked(clock: &Clock) -> Arc<Database> {
    let database = database(clock.clone());
    let added = stock(&database.store, InMemoryEnvironment::default());
    added.now_or_never().expect("a store in memory does not wait");
    database
}

/// Adds more stock of the SKU than anybody will ask for.
pub(crate) async fn stock<S: Products, E: Environment>(store: S, environment: E) {
    let call = call_until(environment.now().plus(LIMIT));
    let bus = MessageBus::new(store, environment, ());
    bus.handle(&CreateBatch(batch()), &call).await.expect("a new batch");
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
    // As long as the UUIDs that shops like to use.
    let orderid = format!("order-{caller:010}-{number:019}").try_into().expect("an order id");
    OrderLine::unnamed(orderid, SKU.try_into().expect("a SKU"), 1.try_into().expect("a quantity"))
}

/// How a line is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// By a commit of its own, whoever else asks.
    Plain,
    /// As the service does.
    Shared,
}

impl Path {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Shared => "shared",
        }
    }
}

pub(crate) fn measure(seed: u64, callers: u32, path: Path) -> (Figures, Toll) {
    let clock = Clock::from_seed(seed);
    let database = stocked(&clock);
    let counted = Mutex::default();
    let end = clock.time().saturating_add(RUN);
    clock.run(
        (0..callers).map(|caller| -> Task<'_> {
            Box::pin(ask(MessageBus::new(&*database, clock.clone(), ()), path, caller, &counted))
        }),
        end,
    );
    let (toll, counted) = (database.hooks.toll(), figures::take(&counted));
    (Figures { latencies: counted.latencies, turned_away: counted.turned_away, ..Figures::of_store(&toll) }, toll)
}

/// A caller who has a process to itself, and asks for a line as soon as the last one is answered.
pub(crate) async fn ask<S: Asks, E: Environment>(
    bus: MessageBus<S, E>,
    path: Path,
    caller: u32,
    counted: &Mutex<Figures>,
) {
    for number in 0.. {
        ask_for(&bus, path, line(caller, number), counted).await;
    }
}

/// Asks for a line until it is answered, and notes what that took.
pub(crate) async fn ask_for<S: Asks, E: Environment>(
    bus: &MessageBus<S, E>,
    path: Path,
    line: OrderLine,
    counted: &Mutex<Figures>,
) {
    let environment = bus.environment();
    let (asked, command) = (environment.now(), Allocate(line));
    loop {
        let call = call_until(environment.now().plus(LIMIT));
        let answer = match path {
            Path::Plain => bus.handle(&command, &call).await,
            Path::Shared => bus.allocate(&command, &call).await,
        };
        if answer.is_ok() {
            break;
        }
        figures::note(counted, |counted| counted.turned_away += 1);
        environment.sleep(RETRY_AFTER.mul_f64(1.0 + environment.chance())).await;
    }
    figures::note(counted, |counted| counted.latencies.push(environment.now().since(asked)));
}
