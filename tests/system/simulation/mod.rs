//! The real service layer, relay and consumers in a world where calls fail, messages come twice, late and in any
//! order, and functions die between any two calls.
//!
//! Random worlds follow from a seed; small ones are explored whole. A failure is shortened and told as a story.

mod books;
mod choices;
mod crowd;
mod orders;
mod plan;
mod queue;
mod run;
mod stream;
mod stream_mapping;
mod topic;
mod world;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use anyhow::{bail, ensure};
use choices::{Choices, Odds, shrink};
use domain::{
    Counted, Event, EventType, IfShort, LineId, NewBatch, OrderLine, OrderVersion, Revision, Terms, Timestamp,
};
use plan::{Outbox, Plan};
use run::{Run, Verdict};
use service_layer::ports::Environment as _;
use service_layer::{ChangeBatch, PutOrder};
use testing::{Command, line, new_batch, whole};
use world::{Adversity, World};

use crate::layers::{Layers, Outcome, add_tests};
use crate::servers::Servers;

/// Random worlds in a normal run.
const SEEDS: u64 = 4_000;

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "simulation",
        [
            random_worlds_keep_every_promise,
            every_schedule_of_two_equal_requests,
            every_schedule_of_two_requests_for_the_last_piece,
            every_schedule_of_two_requests_for_more_than_there_is,
            every_schedule_of_equal_requests_and_one_that_comes_too_late,
            every_schedule_of_a_shrink_and_a_request,
            every_schedule_of_stock_that_arrives_and_a_request,
            every_schedule_of_two_changes_of_one_batch,
            every_schedule_of_a_shrink_on_an_index_that_lags,
            every_schedule_of_a_mail,
            every_schedule_of_a_line_and_its_cancellation,
            every_schedule_of_two_equal_cancellations,
            every_schedule_of_a_delay_and_a_request,
            every_schedule_of_a_shipment_and_a_shrink,
            every_schedule_of_a_shipment_and_a_cancellation,
            every_schedule_of_an_order_that_is_cancelled_and_a_line_of_it,
            every_schedule_of_an_order_that_is_cancelled_and_a_line_on_the_queue,
            every_schedule_of_an_order_that_is_cancelled_and_a_product_from_memory,
            random_worlds_with_queued_lines_keep_every_promise,
            every_schedule_of_queued_lines_for_the_last_piece,
            every_schedule_of_a_line_that_is_asked_for_in_both_ways,
        ]
    );
    orders::add_to(layers);
    crowd::add_to(layers);
    stream::add_to(layers);
}

/// A run and, if it failed, how it came to that.
struct Told {
    verdict: Verdict,
    choices: Choices,
    story: Vec<String>,
    /// What kinds of events its commits told.
    heard: BTreeSet<EventType>,
    refused_in_silence: bool,
    shared_a_commit: bool,
    /// Lines that stand at the end, though their order is cancelled.
    crossed: u32,
    /// Whether a line came to lie on several batches, or to wait for a part of its pieces.
    is_split: bool,
}

fn tell(choices: Choices, adversity: Adversity, plan: impl FnOnce(&World) -> Plan) -> Told {
    let world = World::new(choices, adversity);
    let plan = plan(&world);
    let run = Run::new(world.clone(), plan);
    let verdict = catch_unwind(AssertUnwindSafe(|| run.finish()))
        .unwrap_or_else(|panic| Err(format!("panic: {:?}", panic.downcast_ref::<String>())));
    let mut state = world.state();
    let verdict = state.wrong.take().map_or(verdict, Err);
    let choices = std::mem::replace(&mut state.choices, Choices::from_script(Vec::new()));
    let heard = state.store.outbox().iter().map(|message| message.event.event_type()).collect();
    let is_split = state.store.outbox().iter().any(|message| tells_of_a_part(&message.event));
    let (story, refused_in_silence) = (std::mem::take(&mut state.story), state.refused_in_silence);
    let (shared_a_commit, crossed) = (state.shared_a_commit, state.crossed);
    Told { verdict, choices, story, heard, refused_in_silence, shared_a_commit, crossed, is_split }
}

fn tells_of_a_part(event: &Event) -> bool {
    match event {
        Event::Allocated { line, line_qty: Some(all), .. } => line.qty < *all,
        _ => false,
    }
}

/// Shortens a failed run, and makes an error of its story.
fn fail(what: &str, script: Vec<u32>, rerun: impl Fn(Vec<u32>) -> Told) -> Outcome {
    let script = shrink(script, |script| rerun(script.to_vec()).verdict.is_err());
    let Told { verdict, story, .. } = rerun(script.clone());
    let reason = verdict.err().unwrap_or_default();
    bail!("{what}: {reason}\nchoices: {script:?}\n{}", story.join("\n"))
}

/// What an order is to be as a whole. Most orders are changed in no other way.
fn random_order(world: &World, lines: &[LineId], skus: u32) -> PutOrder {
    let between = |from, to| between(world, from, to);
    let orderid = match between(0, 4) {
        0 => lines[world.choose(lines.len(), Odds::Even)].orderid.to_string(),
        number => format!("w{}", number % 2),
    };
    let mut wanted: Vec<OrderLine> = Vec::new();
    for _ in 0..between(0, 3) {
        let line = line(&orderid, &format!("S{}", between(0, skus - 1)), between(1, 4));
        let line = if between(0, 1) == 1 { OrderLine { name: "a".try_into().unwrap(), ..line } } else { line };
        if wanted.iter().all(|known| known.id() != line.id()) {
            wanted.push(line);
        }
    }
    let if_short = [IfShort::Refuse, IfShort::Refuse, IfShort::Wait, IfShort::Partial][between(0, 3) as usize];
    let version = (between(0, 2) == 0).then(|| OrderVersion(between(1, 3).into()));
    // Some are over when the first clock sees it, and not for the others.
    let hold_until = [None, None, Some(0), Some(3), Some(200), Some(60_000)][world.choose(6, Odds::Even)];
    let hold_until = hold_until.map(|later| Timestamp(world.now().0 + later));
    let terms = Terms { if_short, hold_until, may_split: between(0, 1) == 1 };
    PutOrder { terms, version, ..whole(&orderid, wanted) }
}

fn between(world: &World, from: u32, to: u32) -> u32 {
    from + u32::try_from(world.choose((to - from + 1) as usize, Odds::Even)).unwrap()
}

fn random_plan(world: &World) -> Plan {
    world.state().shares_commits = true;
    let between = |from, to| between(world, from, to);
    let skus = between(1, 2);
    let batches = between(1, 4);
    // The first two may be of one reference.
    let is_shared = skus == 2 && batches > 1 && between(0, 1) == 1;
    let reference = |number: u32| format!("b{}", if is_shared && number == 1 { 0 } else { number });
    let (mut requests, mut lines) = (Vec::new(), Vec::new());
    for number in 0..batches {
        let mut new = new_batch(&reference(number), &format!("S{}", number % skus), between(1, 8));
        new.eta = (number % 2 == 1).then(|| format!("2011-01-0{}", 1 + number).try_into().unwrap());
        requests.push(Command::CreateBatch(new));
    }
    for number in 0..between(2, 8) {
        let sku = format!("S{}", between(0, skus.min(batches) - 1));
        let line = line(&format!("o{}", number % 6), &sku, between(1, 4));
        lines.push(line.id());
        requests.push(Command::Allocate(line));
    }
    for _ in 0..between(0, 3) {
        let id = lines[world.choose(lines.len(), Odds::Even)].clone();
        requests.push(match between(0, 4) {
            0 | 1 => Command::Deallocate(id),
            2 | 3 => Command::Ship(id),
            _ => Command::CancelOrder(id.orderid),
        });
    }
    let sold = skus.min(batches);
    requests.extend((0..between(0, 3)).map(|_| Command::PutOrder(random_order(world, &lines, sold))));
    let numbered = between(0, 1) == 1;
    let change = |number: u32| {
        let of = between(0, batches - 1);
        let (reference, is_named) = (reference(of), is_shared && of < 2);
        let revision = if numbered { Revision::Version(u64::from(number)) } else { Revision::AsOf(0) };
        let change = match between(0, 5) {
            0 => testing::comes(&reference, Some(&format!("2011-01-0{}", between(1, 8))), revision),
            1 => testing::comes(&reference, None, revision),
            2 => {
                ChangeBatch { counted: Some(Counted::OnHand(between(0, 8))), ..testing::holds(&reference, 0, revision) }
            }
            _ => testing::holds(&reference, between(0, 8), revision),
        };
        // A quantity must say of which SKU it is; an ETA may be of both.
        let is_named = is_named && (change.counted.is_some() || between(0, 1) == 1);
        let sku = is_named.then(|| format!("S{}", of % skus).as_str().try_into().unwrap());
        ChangeBatch { sku, ..change }
    };
    let changes = (0..between(0, 4)).map(change).collect();
    Plan { requests, changes, queued: Vec::new(), outbox: Outbox::Relayed }
}

const MUCH: Adversity = Adversity { faults: 10, crashes: 4, duplicates: 5, torn_reads: 3, lags: 3, delays: 5, skew: 5 };

#[expect(clippy::disallowed_methods, reason = "how a failed seed is asked for again")]
fn asked_for() -> Option<u64> {
    std::env::var("SEED").ok()?.parse().ok()
}

async fn random_worlds_keep_every_promise(_: Arc<Servers>) -> Outcome {
    random_worlds(random_plan)
}

/// The same, but half of the lines come by their queue.
async fn random_worlds_with_queued_lines_keep_every_promise(_: Arc<Servers>) -> Outcome {
    random_worlds(|world| {
        let mut plan = random_plan(world);
        let (mut requests, mut queued) = (Vec::new(), Vec::new());
        for request in plan.requests {
            match request {
                Command::Allocate(line) if world.choose(2, Odds::Even) == 1 => queued.push(line),
                request => requests.push(request),
            }
        }
        (plan.requests, plan.queued) = (requests, queued);
        plan
    })
}

fn random_worlds(plan: fn(&World) -> Plan) -> Outcome {
    random_worlds_that("simulation::random_worlds", plan, Heard::All)
}

/// Whether all worlds together come to events of each type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    All,
    Some,
}

fn random_worlds_that(test: &str, plan: fn(&World) -> Plan, wanted: Heard) -> Outcome {
    let (first, last) = asked_for().map_or((0, SEEDS), |seed| (seed, seed + 1));
    let (mut heard, mut refused_in_silence, mut shared, mut split) = (BTreeSet::new(), 0, 0, 0);
    for seed in first..last {
        let told = tell(Choices::from_seed(seed), MUCH, plan);
        if told.verdict.is_err() {
            let rerun = |script| tell(Choices::from_script(script), MUCH, plan);
            let again = format!("seed {seed} (SEED={seed} cargo test -p tests -- {test})");
            return fail(&again, told.choices.script(), rerun);
        }
        heard.extend(told.heard);
        refused_in_silence += u64::from(told.refused_in_silence);
        shared += u64::from(told.shared_a_commit);
        split += u64::from(told.is_split);
    }
    println!(
        "{} random worlds; refusals without a commit in {refused_in_silence} of them, callers who share one in {shared}, split lines in {split}",
        last - first
    );
    if asked_for().is_none() {
        ensure!(refused_in_silence > 0, "no world comes to a refusal that is nothing new");
        ensure!(shared > 0, "in no world do callers share a commit");
        ensure!(split > 0 || wanted == Heard::Some, "in no world is a line split");
        let is_all = wanted == Heard::Some || heard == EventType::ALL.iter().copied().collect();
        ensure!(is_all, "no world comes to some events: only {heard:?}");
    }
    Ok(())
}

/// Every order of calls, with every choice of what goes wrong.
fn every_schedule(what: &str, before: &[Command], plan: &Plan, adversities: &[Adversity]) -> Outcome {
    for adversity in adversities {
        let (schedules, _) = explore(what, *adversity, before, plan)?;
        let Adversity { crashes, duplicates, lags, .. } = adversity;
        println!("{what}, at most {crashes} crash, {duplicates} duplicate and {lags} lags: {schedules} schedules");
    }
    Ok(())
}

const NOTHING: Adversity =
    Adversity { crashes: 0, duplicates: 0, faults: 0, torn_reads: 0, lags: 0, delays: 0, skew: 0 };
const A_CRASH: Adversity = Adversity { crashes: 1, ..NOTHING };
const A_DUPLICATE: Adversity = Adversity { crashes: 0, duplicates: 1, ..A_CRASH };
const BOTH: Adversity = Adversity { crashes: 1, duplicates: 1, ..A_CRASH };

fn explore(what: &str, adversity: Adversity, before: &[Command], plan: &Plan) -> anyhow::Result<(u32, u32)> {
    explore_after(what, adversity, |world| world.prepare(before), plan)
}

/// The same of a world that is prepared in another way.
fn explore_after(
    what: &str,
    adversity: Adversity,
    prepare: impl Fn(&World),
    plan: &Plan,
) -> anyhow::Result<(u32, u32)> {
    let rerun = |script| {
        tell(Choices::from_script(script), adversity, |world| {
            prepare(world);
            plan.clone()
        })
    };
    let (mut script, mut schedules, mut crossed) = (Vec::new(), 0_u32, 0_u32);
    loop {
        let told = rerun(script);
        schedules += 1;
        crossed += u32::from(told.crossed > 0);
        if told.verdict.is_err() {
            return fail(what, told.choices.script(), rerun).map(|()| (schedules, crossed));
        }
        match told.choices.next_script() {
            Some(next) => script = next,
            None => return Ok((schedules, crossed)),
        }
    }
}

fn create(reference: &str, qty: u32) -> Command {
    Command::CreateBatch(new_batch(reference, "S", qty))
}

fn allocate(orderid: &str, qty: u32) -> Command {
    Command::Allocate(line(orderid, "S", qty))
}

/// As of when its message is sent.
fn holds(reference: &str, qty: u32) -> ChangeBatch {
    testing::holds(reference, qty, Revision::AsOf(0))
}

async fn every_schedule_of_two_equal_requests(_: Arc<Servers>) -> Outcome {
    let plan = Plan {
        requests: vec![allocate("o1", 3), allocate("o1", 3)],
        changes: Vec::new(),
        queued: Vec::new(),
        outbox: Outbox::Unread,
    };
    every_schedule("two equal requests", &[create("b1", 5)], &plan, &[BOTH])
}

async fn every_schedule_of_two_requests_for_the_last_piece(_: Arc<Servers>) -> Outcome {
    let plan = Plan {
        requests: vec![allocate("o1", 3), allocate("o2", 3)],
        changes: Vec::new(),
        queued: Vec::new(),
        outbox: Outbox::Unread,
    };
    // Both at once, a crash and a duplicate, come to 288,958 schedules, which take minutes.
    every_schedule("two requests for the last piece", &[create("b1", 3)], &plan, &[A_CRASH, A_DUPLICATE])
}

/// The first one to commit is told; the other one is refused by a commit too, or by two reads, if it asks for no less.
async fn every_schedule_of_two_requests_for_more_than_there_is(_: Arc<Servers>) -> Outcome {
    for qty in [3, 4] {
        let requests = vec![allocate("o1", 3), allocate("o2", qty)];
        let plan = Plan { requests, changes: Vec::new(), queued: Vec::new(), outbox: Outbox::Unread };
        every_schedule("two requests for more than there is", &[create("b1", 2)], &plan, &[A_CRASH, A_DUPLICATE])?;
    }
    Ok(())
}

/// One of the twins gets the last piece, and then another line is refused. Who read the line before and the product after
/// that must not take the twin for refused as well.
async fn every_schedule_of_equal_requests_and_one_that_comes_too_late(_: Arc<Servers>) -> Outcome {
    let requests = vec![allocate("o1", 2), allocate("o1", 2), allocate("o2", 2)];
    let plan = Plan { requests, changes: Vec::new(), queued: Vec::new(), outbox: Outbox::Unread };
    let torn_read = Adversity { torn_reads: 1, ..NOTHING };
    every_schedule("equal requests and one that comes too late", &[create("b1", 2)], &plan, &[torn_read])
}

async fn every_schedule_of_a_shrink_and_a_request(_: Arc<Servers>) -> Outcome {
    let before = [create("b1", 2), allocate("o1", 2), create("b2", 2)];
    let plan = Plan {
        requests: vec![allocate("o2", 2)],
        changes: vec![holds("b1", 0)],
        queued: Vec::new(),
        outbox: Outbox::Unread,
    };
    every_schedule("a shrink and a request", &before, &plan, &[A_CRASH, A_DUPLICATE])
}

async fn every_schedule_of_stock_that_arrives_and_a_request(_: Arc<Servers>) -> Outcome {
    let gone = testing::holds("b1", 0, Revision::Version(1));
    let before = [create("b1", 1), allocate("o1", 1), Command::ChangeBatch(gone)];
    let plan = Plan {
        requests: vec![create("b2", 1), allocate("o2", 1)],
        changes: Vec::new(),
        queued: Vec::new(),
        outbox: Outbox::Unread,
    };
    every_schedule("stock that arrives and a request", &before, &plan, &[A_CRASH, A_DUPLICATE])
}

async fn every_schedule_of_two_changes_of_one_batch(_: Arc<Servers>) -> Outcome {
    let before = [create("b1", 3), allocate("o1", 2)];
    let plan = Plan {
        requests: Vec::new(),
        changes: vec![holds("b1", 1), holds("b1", 3)],
        queued: Vec::new(),
        outbox: Outbox::Unread,
    };
    every_schedule("two changes of one batch", &before, &plan, &[A_CRASH, A_DUPLICATE])
}

/// A line left the batch and came back: the index may show it twice, or not at all.
async fn every_schedule_of_a_shrink_on_an_index_that_lags(_: Arc<Servers>) -> Outcome {
    let change = |qty, version| testing::holds("b1", qty, Revision::Version(version));
    let [less, again] = [change(1, 1), change(2, 2)].map(Command::ChangeBatch);
    let before = [create("b1", 2), allocate("o1", 1), allocate("o2", 1), less, again];
    let plan = Plan { requests: Vec::new(), changes: vec![change(0, 3)], queued: Vec::new(), outbox: Outbox::Unread };
    let lags = Adversity { lags: 2, ..A_DUPLICATE };
    every_schedule("a shrink on an index that lags", &before, &plan, &[lags])
}

async fn every_schedule_of_a_mail(_: Arc<Servers>) -> Outcome {
    let before = [create("b1", 1), allocate("o1", 2)];
    let plan = Plan { requests: Vec::new(), changes: Vec::new(), queued: Vec::new(), outbox: Outbox::Relayed };
    every_schedule("a mail", &before, &plan, &[A_CRASH, A_DUPLICATE])?;
    // One for both lines.
    let gone = testing::holds("b1", 0, Revision::Version(1));
    let before = [create("b1", 2), allocate("o1", 1), allocate("o2", 1), Command::ChangeBatch(gone)];
    every_schedule("a mail of two lines", &before, &plan, &[NOTHING])
}

fn deallocate(orderid: &str, qty: u32) -> Command {
    Command::Deallocate(line(orderid, "S", qty).id())
}

fn ship(orderid: &str, qty: u32) -> Command {
    Command::Ship(line(orderid, "S", qty).id())
}

/// What is cancelled before it is asked for was not known, and what is cancelled after that does not come back.
async fn every_schedule_of_a_line_and_its_cancellation(_: Arc<Servers>) -> Outcome {
    let requests = vec![allocate("o1", 2), deallocate("o1", 2)];
    let plan = Plan { requests, changes: Vec::new(), queued: Vec::new(), outbox: Outbox::Unread };
    every_schedule("a line and its cancellation", &[create("b1", 3)], &plan, &[A_CRASH, A_DUPLICATE])
}

/// Its pieces come free once, and go to the line that waits.
async fn every_schedule_of_two_equal_cancellations(_: Arc<Servers>) -> Outcome {
    let less = Command::ChangeBatch(testing::holds("b1", 2, Revision::Version(1)));
    let before = [create("b1", 4), allocate("o1", 2), allocate("o2", 2), less];
    let requests = vec![deallocate("o1", 2), deallocate("o1", 2)];
    let plan = Plan { requests, changes: Vec::new(), queued: Vec::new(), outbox: Outbox::Unread };
    every_schedule("two equal cancellations", &before, &plan, &[A_CRASH, A_DUPLICATE])
}

/// A line moves to the batch that comes earlier by then, or a new one got its pieces.
async fn every_schedule_of_a_delay_and_a_request(_: Arc<Servers>) -> Outcome {
    let expected = |reference: &str, day: &str| {
        let eta = Some(day.to_owned().try_into().unwrap());
        Command::CreateBatch(NewBatch { eta, ..new_batch(reference, "S", 2) })
    };
    let before = [expected("b1", "2011-01-05"), allocate("o1", 2), expected("b2", "2011-01-07")];
    let changes = vec![testing::comes("b1", Some("2011-01-09"), Revision::AsOf(0))];
    let plan = Plan { requests: vec![allocate("o2", 2)], changes, queued: Vec::new(), outbox: Outbox::Unread };
    every_schedule("a delay and a request", &before, &plan, &[A_CRASH, A_DUPLICATE])
}

async fn every_schedule_of_a_shipment_and_a_shrink(_: Arc<Servers>) -> Outcome {
    let before = [create("b1", 2), allocate("o1", 2), create("b2", 2)];
    let (requests, changes) = (vec![ship("o1", 2)], vec![holds("b1", 0)]);
    let plan = Plan { requests, changes, queued: Vec::new(), outbox: Outbox::Unread };
    every_schedule("a shipment and a shrink", &before, &plan, &[A_CRASH, A_DUPLICATE])
}

async fn every_schedule_of_a_shipment_and_a_cancellation(_: Arc<Servers>) -> Outcome {
    let requests = vec![ship("o1", 2), deallocate("o1", 2)];
    let plan = Plan { requests, changes: Vec::new(), queued: Vec::new(), outbox: Outbox::Unread };
    every_schedule(
        "a shipment and a cancellation",
        &[create("b1", 2), allocate("o1", 2)],
        &plan,
        &[A_CRASH, A_DUPLICATE],
    )
}

fn cancel_all(orderid: &str) -> Command {
    Command::CancelOrder(orderid.try_into().unwrap())
}

/// The same, of a cancelled order. A line that crosses with it may stand in the end, until anybody asks for either again;
/// no other may.
fn every_schedule_of_a_cancelled_order(
    what: &str,
    before: &[Command],
    plan: &Plan,
    adversities: &[Adversity],
) -> Outcome {
    for adversity in adversities {
        let (schedules, crossed) = explore(what, *adversity, before, plan)?;
        let Adversity { crashes, duplicates, .. } = adversity;
        println!(
            "{what}, at most {crashes} crash and {duplicates} duplicate: {schedules} schedules; in {crossed} the line stands"
        );
        ensure!(crossed > 0, "no line of {what} was on its way when its order was cancelled");
    }
    Ok(())
}

async fn every_schedule_of_an_order_that_is_cancelled_and_a_line_of_it(_: Arc<Servers>) -> Outcome {
    let requests = vec![cancel_all("o1"), allocate("o1", 2)];
    let plan = Plan { requests, changes: Vec::new(), queued: Vec::new(), outbox: Outbox::Unread };
    let before = [create("b1", 3), allocate("o1", 1)];
    every_schedule_of_a_cancelled_order("an order and a line of it", &before, &plan, &[A_CRASH, A_DUPLICATE])
}

async fn every_schedule_of_an_order_that_is_cancelled_and_a_line_on_the_queue(_: Arc<Servers>) -> Outcome {
    let (requests, queued) = (vec![cancel_all("o1")], vec![line("o1", "S", 2)]);
    let plan = Plan { requests, changes: Vec::new(), queued, outbox: Outbox::Unread };
    every_schedule_of_a_cancelled_order(
        "an order and a line on the queue",
        &[create("b1", 3)],
        &plan,
        &[A_CRASH, A_DUPLICATE],
    )
}

/// The first request leaves the product in memory, so that the other one reads nothing before its commit.
async fn every_schedule_of_an_order_that_is_cancelled_and_a_product_from_memory(_: Arc<Servers>) -> Outcome {
    let requests = vec![allocate("o2", 1), cancel_all("o1"), allocate("o1", 2)];
    let plan = Plan { requests, changes: Vec::new(), queued: Vec::new(), outbox: Outbox::Unread };
    let before = [create("b1", 3)];
    every_schedule_of_a_cancelled_order("an order and a product from memory", &before, &plan, &[Adversity::default()])
}

async fn every_schedule_of_queued_lines_for_the_last_piece(_: Arc<Servers>) -> Outcome {
    let queued = vec![line("o1", "S", 2), line("o2", "S", 2)];
    let plan = Plan { requests: Vec::new(), changes: Vec::new(), queued, outbox: Outbox::Unread };
    every_schedule("queued lines for the last piece", &[create("b1", 3)], &plan, &[A_CRASH, A_DUPLICATE])
}

async fn every_schedule_of_a_line_that_is_asked_for_in_both_ways(_: Arc<Servers>) -> Outcome {
    let (requests, queued) = (vec![allocate("o1", 2)], vec![line("o1", "S", 2)]);
    let plan = Plan { requests, changes: Vec::new(), queued, outbox: Outbox::Unread };
    every_schedule("a line asked for in both ways", &[create("b1", 3)], &plan, &[A_CRASH, A_DUPLICATE])
}
