//! Load on the deployed stack, while its functions are killed and the emulator stops to answer: afterwards nothing may
//! be missing, counted wrongly, or told otherwise than it was.
//!
//! `LOAD=10000 cargo test -p tests -- load` makes that many requests, and kills every kind of function; a normal run
//! makes a few hundred, and kills those that answer requests.

mod callers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use adapters::dynamodb::{DynamoDb, Row};
use anyhow::{Context as _, Result, ensure};
use domain::{Batch, BatchRef, Event, OrderLine, Part, PartId, Sku, Version};
use futures_util::future::try_join_all;
use local::Stack;
use recount::Pace;
use service_layer::outbox::Envelope;

use callers::Shop;

use crate::history::{self, Index};
use crate::layers::{Layers, Outcome, add_tests};
use crate::servers::Servers;
use crate::shop::{Subscriber, Warehouse};

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(layers, "load", [nothing_is_lost_under_load_and_trouble]);
}

/// Requests in a normal run.
const FEW: usize = 300;
const CALLERS: u64 = 8;
/// How long a queue keeps a message from others after its function died, and then some.
const PATIENCE: Duration = Duration::from_mins(8);

#[expect(clippy::disallowed_methods, reason = "how a long run is asked for")]
fn asked_for(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

async fn nothing_is_lost_under_load_and_trouble(servers: Arc<Servers>) -> Outcome {
    let wanted = asked_for("LOAD").map_or(FEW, |wanted| usize::try_from(wanted).unwrap_or(FEW));
    let seed = asked_for("SEED").unwrap_or(1);
    // Its own: other tests would suffer from the trouble.
    let stack = servers.another_stack().await?;
    let subscriber = Subscriber::to(&stack, &serde_json::json!({"type": [{"exists": true}]})).await?;
    let shop = Shop::of(&stack, wanted)?;
    let store = DynamoDb::new(aws_sdk_dynamodb::Client::new(&stack.sdk_config()), stack.table_name().to_owned());
    println!("{wanted} requests of {CALLERS} callers, seed {seed}");

    let started = Instant::now();
    let over = AtomicBool::new(false);
    let callers = async {
        let calls = (0..CALLERS).map(|caller| shop.call(seed * CALLERS + caller));
        let outcome = try_join_all(calls).await;
        over.store(true, Ordering::Relaxed);
        outcome
    };
    let trouble = make_trouble(&stack, &shop, &over, wanted > FEW, seed);
    let (outcome, trouble, ()) = tokio::join!(callers, trouble, tell(&shop, started, &over));
    outcome.map(drop).and(trouble)?;
    let took = started.elapsed();

    let settling = Instant::now();
    let mut queued = std::mem::take(&mut shop.notes.lock().unwrap().queued);
    // Of such an order, nothing need be heard.
    queued.retain(|line| !shop.notes.lock().unwrap().cancelled.contains(&line.orderid));
    let (messages, received) = until_drained(&stack, &subscriber, &store, &queued).await?;
    let drained = settling.elapsed();
    shop.view_all().await?;
    check(&shop, &store, &messages).await?;

    println!("{wanted} requests in {:.0} s; drained {:.0} s later", took.as_secs_f32(), drained.as_secs_f32());
    for (what, times) in &shop.notes.lock().unwrap().figures {
        println!("{what}: {times}");
    }
    println!("events: {}, delivered {received} times", messages.len());
    Ok(())
}

/// Says from time to time how far it is.
async fn tell(shop: &Shop<'_>, started: Instant, over: &AtomicBool) {
    let mut told = Instant::now();
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            println!("{:>5} s: {} requests", started.elapsed().as_secs(), shop.asked());
        }
    }
}

/// Kills functions, and stops the emulator for up to three seconds: longer than a try of a function's client, shorter
/// than all of its tries. (The emulator takes a partial answer of the relay for success, so that what AWS would try
/// again it would lose. Such answers come after longer silences.)
async fn make_trouble(stack: &Stack, shop: &Shop<'_>, over: &AtomicBool, all: bool, seed: u64) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut last_relay = Instant::now();
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(random.u64(500..2_000))).await;
        if random.u32(..4) == 0 {
            stack.freeze(Duration::from_millis(random.u64(100..3_000))).await?;
            shop.count("freezes");
            continue;
        }
        let mut victims = stack.invocations();
        // While the emulator waits for a dead relay, it serves no queue either.
        let spare_relay = !all || last_relay.elapsed() < Duration::from_mins(1);
        victims.retain(|victim| (all || is_http(&victim.function)) && !(spare_relay && is_relay(&victim.function)));
        // The relay is at work for moments only.
        let relay = victims.iter().find(|victim| is_relay(&victim.function));
        let Some(victim) = relay.or_else(|| random.choice(&victims)) else { continue };
        if stack.kill(victim).is_ok() {
            if is_relay(&victim.function) {
                last_relay = Instant::now();
            }
            shop.count(&format!("killed: {}", victim.function));
        }
    }
    Ok(())
}

fn is_relay(function: &str) -> bool {
    function.to_lowercase().contains("publish")
}

fn is_http(function: &str) -> bool {
    ["publish", "change", "handle", "queued", "record"].iter().all(|other| !function.to_lowercase().contains(other))
}

/// Waits until the queues are empty, no line is held for a while, every version that the table knows was told, and every
/// queued line was heard of, or refused without a word. Tells the events, and how often they came.
async fn until_drained(
    stack: &Stack,
    subscriber: &Subscriber,
    store: &DynamoDb,
    queued: &[OrderLine],
) -> Result<(Vec<Envelope>, usize)> {
    let (started, mut events, mut received) = (Instant::now(), BTreeMap::new(), 0);
    let warehouse = Warehouse::of(stack);
    loop {
        let bodies = subscriber.receive().await?;
        let is_silent = bodies.is_empty();
        for body in bodies {
            let message: Envelope = serde_json::from_str(&body).with_context(|| body.clone())?;
            received += 1;
            let told = events.entry(message.id.clone()).or_insert_with(|| message.clone());
            ensure!(told.event == message.event, "told twice, and differently: {told:?} {message:?}");
        }
        let told = |sku: &Sku, version: Version| {
            let mut of_sku = events.values().filter(|message| message.id.starts_with(&format!("{sku}#")));
            of_sku.any(|message| message.version == version)
        };
        // First of all: what is taken from a queue later would be in the table, and not in the events.
        if is_silent && warehouse.is_drained().await? && warehouse.has_no_queued_lines().await? {
            let (heads, parts, _) = rows(store).await?;
            // Such a line is given back once it is due, by whoever comes by.
            let is_held = parts.values().any(|part| part.held_until.is_some());
            let untold: Vec<_> = heads.iter().filter(|(sku, version)| !told(sku, **version)).collect();
            let refused = events.values().filter(|message| matches!(message.event, Event::OutOfStock { .. }));
            let refusing: BTreeSet<_> = refused.map(|message| (message.event.sku(), message.version)).collect();
            let mails = stack.mails().await?.len();
            let heard_of: BTreeSet<_> = events.values().filter_map(|message| message.event.line()).collect();
            let refused_before = |line: &OrderLine| {
                let tells_so = |message: &Envelope| match &message.event {
                    Event::OutOfStock { line: told, waiting: false, .. } => {
                        told.sku == line.sku && told.qty <= line.qty
                    }
                    _ => false,
                };
                events.values().any(tells_so)
            };
            let all_queued = queued.iter().all(|line| heard_of.contains(line) || refused_before(line));
            if all_queued && !is_held && untold.is_empty() && mails >= refusing.len() {
                println!("mails: {mails}");
                return Ok((events.into_values().collect(), received));
            }
        }
        ensure!(started.elapsed() < PATIENCE, "not drained after {} s, {} events", PATIENCE.as_secs(), events.len());
    }
}

type Heads = BTreeMap<Sku, Version>;
type Parts = BTreeMap<PartId, Part>;

/// What the table holds: versions, lines, and each batch's purchased, allocated and shipped pieces.
async fn rows(store: &DynamoDb) -> Result<(Heads, Parts, BTreeMap<(Sku, BatchRef), [u32; 3]>)> {
    let (mut heads, mut parts, mut batches, mut from) = (Heads::new(), Parts::new(), BTreeMap::new(), None);
    loop {
        let page = store.page(from, 1_000).await?;
        for row in page.rows {
            match row? {
                Row::Head(product) => {
                    let counters = product.batches().iter();
                    batches.extend(counters.map(counters_of));
                    heads.insert(product.sku().clone(), product.version());
                }
                Row::Batch(_, full) => {
                    batches.extend(full.as_ref().map(counters_of));
                }
                Row::Line(part) => drop(parts.insert(part.id(), part)),
                Row::Inbox | Row::Cancelled(_) | Row::LastPut | Row::Asking => {}
            }
        }
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok((heads, parts, batches)),
        }
    }
}

fn counters_of(batch: &Batch) -> ((Sku, BatchRef), [u32; 3]) {
    ((batch.sku.clone(), batch.reference.clone()), [batch.purchased, batch.allocated, batch.shipped])
}

async fn check(shop: &Shop<'_>, store: &DynamoDb, messages: &[Envelope]) -> Result<()> {
    let report = recount::whole_table(store, &Pace { items: 1_000, units: 1e6 }, |_| {}).await?;
    ensure!(report.drift.is_empty() && report.unreadable.is_empty() && report.undecided.is_empty(), "{report:?}");
    println!("recount: {} products, {} items, no drift", report.products, report.items);

    let history = std::mem::take(&mut shop.notes.lock().unwrap().history);
    let started = Instant::now();
    let end = history::check(&history, messages, Index::Current).map_err(anyhow::Error::msg)?;
    println!(
        "history: {} requests and {} commits accepted in {:.1} s",
        history.len(),
        end.versions.values().map(|version| version.0).sum::<u64>(),
        started.elapsed().as_secs_f32()
    );
    let (heads, parts, batches) = rows(store).await?;
    ensure!(end.versions == heads, "events come to {:?}, but the table holds {heads:?}", end.versions);
    ensure!(end.parts == parts, "events come to other lines than the table holds");
    ensure!(end.batches == batches, "events come to {:?}, but the table holds {batches:?}", end.batches);
    shop.notes.lock().unwrap().history = history;
    for (reference, qty) in shop.newest_changes() {
        // Of each reference there is one SKU here.
        let mut of_reference = batches.iter().filter(|((_, held), _)| *held == reference);
        let held = of_reference.next().map(|(_, [purchased, _, shipped])| (*purchased, qty.max(*shipped)));
        ensure!(held.is_some_and(|(held, expected)| held == expected), "{reference} should hold {qty}: {held:?}");
    }
    Ok(())
}
