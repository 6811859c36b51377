//! Callers who share commits: who asks, who leads, and who dies meanwhile.

use std::sync::Arc;

use anyhow::ensure;
use testing::Command;

use super::choices::Odds;
use super::plan::{Outbox, Plan};
use super::world::{Adversity, World};
use super::{
    A_CRASH, A_DUPLICATE, Heard, NOTHING, allocate, cancel_all, create, deallocate, explore_after, random_worlds_that,
};
use crate::layers::{Layers, Outcome, add_tests};
use crate::servers::Servers;

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "simulation",
        [
            random_crowds_keep_every_promise,
            every_schedule_of_two_lines_that_ask,
            every_schedule_of_two_lines_that_ask_for_the_last_piece,
            every_schedule_of_twins_that_ask,
            every_schedule_of_a_line_that_asks_and_its_cancellation,
            every_schedule_of_a_line_that_asks_and_an_order_that_is_cancelled,
            every_schedule_of_a_line_that_asks_and_stock_that_arrives,
            every_schedule_of_lines_that_ask_in_an_index_that_lags,
        ]
    );
}

/// Sleepers wake early, so that calls cross.
const CROSSING: Adversity = Adversity { delays: 1, ..NOTHING };
/// Whoever asks, or leads, dies.
const A_DEATH: Adversity = A_CRASH;

/// More lines than fit ask at once, some of them twice; then stock comes, or an order is cancelled.
fn random_crowd(world: &World) -> Plan {
    let between = |from: usize, to: usize| from + world.choose(to - from + 1, Odds::Even);
    let pieces = |number: usize| u32::try_from(number).unwrap_or_default();
    world.prepare(&[create("b1", 4 + pieces(between(0, 3)))]);
    world.prepare_a_crowd("S");
    let mut requests: Vec<Command> =
        (0..between(2, 5)).map(|number| allocate(&format!("o{number}"), 1 + pieces(between(0, 2)))).collect();
    requests.push(create("b2", 1 + pieces(between(0, 3))));
    if between(0, 3) == 0 {
        requests.push(cancel_all("o1"));
    }
    Plan { requests, changes: Vec::new(), queued: Vec::new(), outbox: Outbox::Unread }
}

async fn random_crowds_keep_every_promise(_: Arc<Servers>) -> Outcome {
    random_worlds_that("simulation::random_crowds", random_crowd, Heard::Some)
}

/// Every order of calls where three lines have just been committed together, so that these requests ask at once.
fn every_schedule(what: &str, qty: u32, requests: Vec<Command>, adversities: &[Adversity]) -> anyhow::Result<u32> {
    let plan = Plan { requests, changes: Vec::new(), queued: Vec::new(), outbox: Outbox::Unread };
    let mut all_crossed = 0;
    for adversity in adversities {
        let prepare = |world: &World| {
            world.prepare(&[create("b1", qty)]);
            world.prepare_a_crowd("S");
        };
        let (schedules, crossed) = explore_after(what, *adversity, prepare, &plan)?;
        println!("{what}, {adversity:?}: {schedules} schedules");
        all_crossed += crossed;
    }
    Ok(all_crossed)
}

async fn every_schedule_of_two_lines_that_ask(_: Arc<Servers>) -> Outcome {
    let requests = vec![allocate("o1", 2), allocate("o2", 2)];
    every_schedule("two lines that ask", 9, requests, &[A_DEATH])?;
    Ok(())
}

async fn every_schedule_of_two_lines_that_ask_for_the_last_piece(_: Arc<Servers>) -> Outcome {
    let requests = vec![allocate("o1", 3), allocate("o2", 3)];
    every_schedule("two lines that ask for the last piece", 6, requests, &[CROSSING, A_DEATH])?;
    Ok(())
}

async fn every_schedule_of_twins_that_ask(_: Arc<Servers>) -> Outcome {
    every_schedule("twins that ask", 9, vec![allocate("o1", 2)], &[Adversity { delays: 1, ..A_DUPLICATE }])?;
    Ok(())
}

async fn every_schedule_of_a_line_that_asks_and_its_cancellation(_: Arc<Servers>) -> Outcome {
    let requests = vec![allocate("o1", 2), deallocate("o1", 2)];
    every_schedule("a line that asks and its cancellation", 9, requests, &[CROSSING, A_DEATH])?;
    Ok(())
}

async fn every_schedule_of_a_line_that_asks_and_an_order_that_is_cancelled(_: Arc<Servers>) -> Outcome {
    let requests = vec![allocate("o1", 2), cancel_all("o1")];
    let crossed = every_schedule("a line that asks and its order's cancellation", 9, requests, &[CROSSING, A_DEATH])?;
    ensure!(crossed > 0, "no line was on its way when its order was cancelled");
    Ok(())
}

async fn every_schedule_of_a_line_that_asks_and_stock_that_arrives(_: Arc<Servers>) -> Outcome {
    let requests = vec![allocate("o1", 4), create("b2", 4)];
    every_schedule("a line that asks and stock that arrives", 5, requests, &[CROSSING, A_DEATH])?;
    Ok(())
}

/// The index shows a line as asking that was answered, or not at all, and so does a look.
async fn every_schedule_of_lines_that_ask_in_an_index_that_lags(_: Arc<Servers>) -> Outcome {
    let lags = Adversity { lags: 1, ..NOTHING };
    every_schedule("lines that ask in an index that lags", 9, vec![allocate("o1", 2), allocate("o2", 2)], &[lags])?;
    Ok(())
}
