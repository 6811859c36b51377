//! Whole orders over several SKUs, put by callers at the same time: how long they take, and that each is whole or absent.

use std::collections::HashMap;
use std::sync::Mutex;

use adapters::in_memory::call_until;
use domain::{OrderId, OrderLine, Sku, Terms, WantedOrder};
use service_layer::ports::Environment as _;
use service_layer::{MessageBus, PutOrder};

use super::bystander::add_sku;
use super::clock::{Clock, Task};
use super::database::{Database, Toll, database};
use super::figures::{self, Figures, RUN};
use super::plain::{LIMIT, Path, RETRY_AFTER, ask_for, line};

/// Lines of an order, each of a SKU of its own.
const LINES: usize = 3;

/// Who asks for what.
#[derive(Clone, Copy)]
struct Crowd {
    callers: u32,
    /// How many SKUs there are to choose from.
    skus: u32,
}

/// What callers wait for whole orders, as a table.
pub(super) fn print(seed: u64) {
    println!("### Orders of {LINES} lines\n");
    println!(
        "| callers | SKUs | way | orders/s | p50 ms | p99 ms | p99.9 ms | lost races an order | 503 | WCU | RCU |"
    );
    println!("| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (callers, skus) in [(1, 3), (8, 3), (32, 10)] {
        let crowd = Crowd { callers, skus };
        for (way, measured) in [("one order", whole(seed, crowd)), ("line by line", line_by_line(seed, crowd))] {
            println!("{}", row(crowd, way, &measured));
        }
    }
    println!();
}

fn row(Crowd { callers, skus }: Crowd, way: &str, (figures, toll): &(Figures, Toll)) -> String {
    let orders = f64::from(u32::try_from(figures.latencies.len()).unwrap_or(u32::MAX));
    let [p50, p99, worst] = figures.percentiles([0.5, 0.99, 0.999]);
    let lost = f64::from(toll.collisions + toll.overtaken) / orders;
    let [wcu, rcu] = [toll.write_units, toll.read_units].map(|units| units / orders);
    let rate = orders / RUN.as_secs_f64();
    format!(
        "| {callers} | {skus} | {way} | {rate:.0} | {p50:.0} | {p99:.0} | {worst:.0} | {lost:.2} | {} | {wcu:.1} | {rcu:.1} |",
        figures.turned_away
    )
}

/// Each order by one command.
fn whole(seed: u64, crowd: Crowd) -> (Figures, Toll) {
    measure(seed, crowd, LINES, async |bus, lines, counted| {
        let orderid = lines.first().expect("lines").orderid.clone();
        let wanted = WantedOrder::of(orderid, lines).expect("an order");
        let order = PutOrder { wanted, terms: Terms::default(), version: None };
        let (environment, asked) = (bus.environment(), bus.environment().now());
        while bus.handle(&order, &call_until(environment.now().plus(LIMIT))).await.is_err() {
            figures::note(counted, |counted| counted.turned_away += 1);
            environment.sleep(RETRY_AFTER.mul_f64(1.0 + environment.chance())).await;
        }
        figures::note(counted, |counted| counted.latencies.push(environment.now().since(asked)));
    })
}

/// Each line by a command of its own, one after the other, as `POST /allocate` does it.
fn line_by_line(seed: u64, crowd: Crowd) -> (Figures, Toll) {
    measure(seed, crowd, 1, async |bus, lines, counted| {
        let (asked, of_lines) = (bus.environment().now(), Mutex::default());
        for line in lines {
            ask_for(bus, Path::Shared, line, &of_lines).await;
        }
        let turned_away = figures::take(&of_lines).turned_away;
        let took = bus.environment().now().since(asked);
        figures::note(counted, |counted| {
            counted.turned_away += turned_away;
            counted.latencies.push(took);
        });
    })
}

fn measure(
    seed: u64,
    crowd: Crowd,
    least_lines: usize,
    ask: impl AsyncFn(&MessageBus<&Database, Clock>, Vec<OrderLine>, &Mutex<Figures>) + Copy,
) -> (Figures, Toll) {
    let clock = Clock::from_seed(seed);
    let database = database(clock.clone());
    let skus: Vec<Sku> = (0..crowd.skus).map(|number| add_sku(&database, number)).collect();
    let counted = Mutex::default();
    let callers = (0..crowd.callers).map(|caller| -> Task<'_> {
        let (bus, skus, counted) = (MessageBus::new(&*database, clock.clone(), ()), &skus, &counted);
        Box::pin(async move {
            for number in 0.. {
                let lines = lines_of(caller, number, skus, bus.environment());
                ask(&bus, lines, counted).await;
            }
        })
    });
    clock.run(callers, clock.time() + RUN);
    check(&database, least_lines);
    (figures::take(&counted), database.hooks.toll())
}

/// Some SKUs, in an order of the caller's own.
fn lines_of(caller: u32, number: u32, skus: &[Sku], clock: &Clock) -> Vec<OrderLine> {
    let mut left: Vec<&Sku> = skus.iter().collect();
    let mut draw = || left.swap_remove(clock.index(left.len())).clone();
    (0..LINES).map(|_| OrderLine { sku: draw(), ..line(caller, number) }).collect()
}

/// Every order has as many lines as that, and no more than it asked for.
fn check(database: &Database, least: usize) {
    let mut lines: HashMap<OrderId, usize> = HashMap::new();
    for part in database.store.parts().into_values() {
        *lines.entry(part.line.orderid).or_default() += 1;
    }
    assert!(lines.values().all(|lines| (least..=LINES).contains(lines)), "an order is there in part");
}
