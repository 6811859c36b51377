//! SKUs that are asked for now and then beside a hot one: how long both wait. First by callers who wait for their answers.
//! Then on the queue, on which the hot one has far more lines, without groups and with one for each SKU.
//!
//! The hot SKU has its lines for as long as a run takes, and each of ten others has one a second. Then nobody asks until
//! the queue is empty, so that all that were asked for count. Without groups, the oldest messages are handed over first;
//! with a group for each SKU, as the module `queued` says. Pollers and consumer are the same as for one SKU. Each SKU
//! has a head and a batch of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::in_memory::{InMemoryEnvironment, call_until};
use domain::{NewBatch, OrderLine, Sku};
use futures_util::FutureExt as _;
use service_layer::ports::Environment as _;
use service_layer::{CreateBatch, MessageBus};

use super::clock::{Clock, Task};
use super::database::Database;
use super::figures::{Figures, RUN, take};
use super::plain::{Path, ask as ask_without_pause, ask_for, line, stocked};
use super::queued::{Queue, work};
use super::{CHOSEN, CONCURRENCY, ONE_SECOND};

const OTHERS: u32 = 10;
/// Lines of the hot SKU that are asked for each second: fewer than the queue commits, and more.
const RATES: [u32; 2] = [900, 3_000];
/// All is committed by then.
const DRAINED: Duration = RUN.saturating_mul(3);

/// By what the queue tells messages apart.
#[derive(Clone, Copy)]
enum Groups {
    None,
    EachSku,
}

/// A SKU, its group, and how many lines of it are asked for each second.
struct Demand {
    sku: Sku,
    group: u32,
    rate: u32,
}

/// What callers wait for their answers, as a table.
pub(super) fn print_callers(seed: u64) {
    println!("### Beside callers of a hot SKU, from the request to the answer, ms\n");
    println!("| callers of the hot SKU | path | others p50 | others p99 | hot p50 | hot p99 |");
    println!("| ---: | --- | ---: | ---: | ---: | ---: |");
    for (callers, path) in [(0, Path::Plain), (128, Path::Plain), (128, Path::Shared)] {
        let [hot, others] = beside_callers(seed, callers, path);
        let told = |milliseconds: f64| if milliseconds.is_nan() { String::new() } else { format!("{milliseconds:.0}") };
        let [others, hot] = [others, hot].map(|figures| figures.percentiles([0.5, 0.99]).map(told).join(" | "));
        println!("| {callers} | {} | {others} | {hot} |", path.name());
    }
    println!();
}

/// Of callers of the hot SKU who ask without a pause, and of the others, each of whom asks once a second on average.
fn beside_callers(seed: u64, callers: u32, path: Path) -> [Figures; 2] {
    let clock = Clock::from_seed(seed);
    let database = stocked(&clock);
    let skus: Vec<Sku> = (1..=OTHERS).map(|number| add_sku(&database, number)).collect();
    let (hot, others) = (Mutex::default(), Mutex::default());
    let bus = || MessageBus::new(&*database, clock.clone(), ());
    let of_hot = (0..callers).map(|caller| -> Task<'_> { Box::pin(ask_without_pause(bus(), path, caller, &hot)) });
    let of_others = (callers..).zip(&skus).map(|(caller, sku)| -> Task<'_> {
        let (bus, others, clock) = (bus(), &others, &clock);
        Box::pin(async move {
            for number in 0.. {
                clock.wait(ONE_SECOND.mul_f64(0.5 + clock.chance())).await;
                ask_for(&bus, path, OrderLine { sku: sku.clone(), ..line(caller, number) }, others).await;
            }
        })
    });
    clock.run(of_hot.chain(of_others), clock.time() + RUN);
    [take(&hot), take(&others)]
}

/// What lines wait on the queue, as a table.
pub(super) fn print(seed: u64) {
    println!("\n### Beside a hot SKU, from the request to the commit, ms\n");
    println!("| hot lines asked a second | groups | others p50 | others p99 | hot p50 | hot p99 |");
    println!("| ---: | --- | ---: | ---: | ---: | ---: |");
    for rate in RATES {
        for (groups, name) in [(Groups::None, "none"), (Groups::EachSku, "one for each SKU")] {
            let [hot, others] = measure(seed, groups, rate).map(|figures| figures.percentiles([0.5, 0.99]));
            let ([p50, p99], [hot_p50, hot_p99]) = (others, hot);
            println!("| {rate} | {name} | {p50:.0} | {p99:.0} | {hot_p50:.0} | {hot_p99:.0} |");
        }
    }
}

/// Of the hot SKU, and of the others.
fn measure(seed: u64, groups: Groups, rate: u32) -> [Figures; 2] {
    let clock = Clock::from_seed(seed);
    let database = stocked(&clock);
    let hot = line(0, 0).sku;
    let others = (1..=OTHERS).map(|number| Demand {
        sku: add_sku(&database, number),
        group: match groups {
            Groups::None => 0,
            Groups::EachSku => number,
        },
        rate: 1,
    });
    let demands: Vec<Demand> = [Demand { sku: hot.clone(), group: 0, rate }].into_iter().chain(others).collect();

    let queue = Queue::new(clock.clone(), CHOSEN);
    let end = clock.time() + RUN;
    let workers = (0..CONCURRENCY).map(|_| -> Task<'_> { Box::pin(work(Arc::clone(&queue), Arc::clone(&database))) });
    let askers = demands.iter().flat_map(|demand| (0..demand.rate).map(move |_| demand));
    let askers =
        (0..).zip(askers).map(|(caller, demand)| -> Task<'_> { Box::pin(ask(&queue, &clock, end, caller, demand)) });
    clock.run(workers.chain(askers), clock.time() + DRAINED);

    let placed: HashMap<OrderLine, Duration> = database.hooks.placed().into_iter().collect();
    let mut figures = [Figures::default(), Figures::default()];
    let [of_hot, of_others] = &mut figures;
    for (line, asked) in queue.accepted() {
        let committed = placed.get(&line).expect("a run is long enough to commit all lines");
        let of_sku = if line.sku == hot { &mut *of_hot } else { &mut *of_others };
        of_sku.latencies.push(committed.saturating_sub(asked));
    }
    figures
}

/// Adds a SKU with more stock than anybody will ask for.
pub(super) fn add_sku(database: &Database, number: u32) -> Sku {
    let sku: Sku = format!("LAMP-{number}").try_into().expect("a SKU");
    let batch = NewBatch {
        reference: format!("batch-of-{sku}").try_into().expect("a reference"),
        sku: sku.clone(),
        qty: u32::MAX.try_into().expect("a quantity"),
        eta: None,
    };
    let environment = InMemoryEnvironment::default();
    let call = call_until(environment.now().plus(ONE_SECOND));
    let bus = MessageBus::new(&database.store, environment, ());
    let added = bus.handle(&CreateBatch(batch), &call).now_or_never();
    added.expect("a store in memory does not wait").expect("a new batch");
    sku
}

/// Asks for a line each second, on average, until the run ends.
async fn ask(queue: &Queue, clock: &Clock, end: Duration, caller: u32, demand: &Demand) {
    clock.wait(ONE_SECOND.mul_f64(clock.chance())).await;
    for number in 0.. {
        clock.wait(ONE_SECOND.mul_f64(0.5 + clock.chance())).await;
        if clock.time() >= end {
            return;
        }
        let line = OrderLine { sku: demand.sku.clone(), ..line(caller, number) };
        queue.send(line, demand.group).await;
    }
}
