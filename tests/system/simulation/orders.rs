//! Whole orders in small worlds, each of which is explored whole.

use std::sync::Arc;

use domain::{IfShort, OrderVersion, Terms, Timestamp};
use service_layer::PutOrder;
use testing::{Command, line, new_batch, whole};

use super::plan::{Outbox, Plan};
use super::world::Adversity;
use super::{A_CRASH, A_DUPLICATE, NOTHING, allocate, cancel_all, create, every_schedule, holds};
use crate::layers::{Layers, Outcome, add_tests};
use crate::servers::Servers;

pub(super) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "simulation",
        [
            every_schedule_of_two_orders_over_two_skus_in_opposite_order,
            every_schedule_of_two_edits_of_one_order,
            every_schedule_of_two_edits_that_are_numbered,
            every_schedule_of_an_order_and_a_line_for_the_last_piece,
            every_schedule_of_an_order_that_grows_and_a_shrink,
            every_schedule_of_an_order_that_is_put_and_cancelled,
            every_schedule_of_a_hold_its_confirmation_and_its_end,
            every_schedule_of_a_hold_that_ends_and_a_request_for_its_pieces,
            every_schedule_of_an_order_that_waits_and_stock_that_arrives,
            every_schedule_of_a_split_line_and_stock_that_arrives,
            every_schedule_of_a_split_line_its_shipment_and_a_shrink,
            every_schedule_of_a_split_line_that_is_given_back_and_a_shrink,
            every_schedule_of_a_split_line_that_is_held_and_ends,
        ]
    );
}

/// What an order wants of S and T, in the order in which it names them.
fn wants(orderid: &str, lines: &[(&str, u32)]) -> PutOrder {
    whole(orderid, lines.iter().map(|(sku, qty)| line(orderid, sku, *qty)).collect())
}

fn put(orderid: &str, lines: &[(&str, u32)]) -> Command {
    Command::PutOrder(wants(orderid, lines))
}

/// Of T, beside what there is of S.
fn create_t(reference: &str, qty: u32) -> Command {
    Command::CreateBatch(new_batch(reference, "T", qty))
}

fn of(requests: Vec<Command>) -> Plan {
    Plan { requests, changes: Vec::new(), queued: Vec::new(), outbox: Outbox::Unread }
}

/// One of them gets both, and the other one nothing.
async fn every_schedule_of_two_orders_over_two_skus_in_opposite_order(_: Arc<Servers>) -> Outcome {
    let plan = of(vec![put("o1", &[("S", 1), ("T", 1)]), put("o2", &[("T", 1), ("S", 1)])]);
    let before = [create("b1", 1), create_t("b2", 1)];
    every_schedule("two orders over two SKUs", &before, &plan, &[A_CRASH, A_DUPLICATE])
}

/// Two states of one order that have no SKU in common: it has the one or the other.
async fn every_schedule_of_two_edits_of_one_order(_: Arc<Servers>) -> Outcome {
    let plan = of(vec![put("o1", &[("S", 1)]), put("o1", &[("T", 1)])]);
    every_schedule("two edits of one order", &[create("b1", 1), create_t("b2", 1)], &plan, &[A_CRASH, A_DUPLICATE])
}

async fn every_schedule_of_two_edits_that_are_numbered(_: Arc<Servers>) -> Outcome {
    let numbered = |number, lines: &[(&str, u32)]| {
        Command::PutOrder(PutOrder { version: Some(OrderVersion(number)), ..wants("o1", lines) })
    };
    let plan = of(vec![numbered(1, &[("S", 2)]), numbered(2, &[("S", 1)])]);
    every_schedule("two edits that are numbered", &[create("b1", 2)], &plan, &[A_CRASH, A_DUPLICATE])
}

async fn every_schedule_of_an_order_and_a_line_for_the_last_piece(_: Arc<Servers>) -> Outcome {
    let plan = of(vec![put("o1", &[("S", 1), ("T", 1)]), allocate("o2", 1)]);
    let before = [create("b1", 1), create_t("b2", 1)];
    every_schedule("an order and a line for the last piece", &before, &plan, &[A_CRASH, A_DUPLICATE])
}

/// Its line of one piece is exchanged for one of two, while the batch loses one.
async fn every_schedule_of_an_order_that_grows_and_a_shrink(_: Arc<Servers>) -> Outcome {
    let plan = Plan { changes: vec![holds("b1", 1)], ..of(vec![put("o1", &[("S", 2)])]) };
    every_schedule(
        "an order that grows and a shrink",
        &[create("b1", 2), put("o1", &[("S", 1)])],
        &plan,
        &[A_CRASH, A_DUPLICATE],
    )
}

async fn every_schedule_of_an_order_that_is_put_and_cancelled(_: Arc<Servers>) -> Outcome {
    let plan = of(vec![put("o1", &[("S", 1), ("T", 1)]), cancel_all("o1")]);
    every_schedule(
        "an order that is put and cancelled",
        &[create("b1", 1), create_t("b2", 1)],
        &plan,
        &[Adversity::default(), A_CRASH],
    )
}

/// Stock that comes while an order begins to wait for it is not left beside it.
async fn every_schedule_of_an_order_that_waits_and_stock_that_arrives(_: Arc<Servers>) -> Outcome {
    let waits =
        PutOrder { terms: Terms { if_short: IfShort::Wait, ..Terms::default() }, ..wants("o1", &[("S", 2), ("T", 1)]) };
    let plan = of(vec![Command::PutOrder(waits), create("b3", 2)]);
    let before = [create("b1", 1), create_t("b2", 1)];
    every_schedule("an order that waits and stock that arrives", &before, &plan, &[A_CRASH, A_DUPLICATE])
}

/// A line of three pieces, on as many batches as it takes.
fn split(orderid: &str, terms: Terms) -> Command {
    let terms = Terms { may_split: true, ..terms };
    Command::PutOrder(PutOrder { terms, ..wants(orderid, &[("S", 3)]) })
}

fn split_or_wait(orderid: &str) -> Command {
    split(orderid, Terms { if_short: IfShort::Wait, ..Terms::default() })
}

/// It has both batches, or one of them and waits for the other, and then has that too.
async fn every_schedule_of_a_split_line_and_stock_that_arrives(_: Arc<Servers>) -> Outcome {
    let plan = of(vec![split_or_wait("o1"), create("b2", 1)]);
    every_schedule("a split line and stock that arrives", &[create("b1", 2)], &plan, &[A_CRASH, A_DUPLICATE])
}

/// All of it is shipped, or nothing: then one piece waits.
async fn every_schedule_of_a_split_line_its_shipment_and_a_shrink(_: Arc<Servers>) -> Outcome {
    let before = [create("b1", 2), create("b2", 1), split_or_wait("o1")];
    let plan = Plan { changes: vec![holds("b1", 1)], ..of(vec![Command::Ship(line("o1", "S", 3).id())]) };
    every_schedule("a split line, its shipment and a shrink", &before, &plan, &[A_CRASH, A_DUPLICATE])
}

/// Whether its parts are two or three by then.
async fn every_schedule_of_a_split_line_that_is_given_back_and_a_shrink(_: Arc<Servers>) -> Outcome {
    let before = [create("b1", 2), create("b2", 1), split_or_wait("o1")];
    let plan = Plan { changes: vec![holds("b1", 1)], ..of(vec![Command::Deallocate(line("o1", "S", 3).id())]) };
    every_schedule("a split line that is given back and a shrink", &before, &plan, &[A_CRASH, A_DUPLICATE])
}

/// It ends as a whole, whoever sees how much of it, on an index that lags.
async fn every_schedule_of_a_split_line_that_is_held_and_ends(_: Arc<Servers>) -> Outcome {
    let held = split("o1", Terms { hold_until: Some(Timestamp(1_000_001)), ..Terms::default() });
    let before = [create("b1", 2), create("b2", 1), held];
    let plan = of(vec![split("o1", Terms::default()), allocate("o2", 1)]);
    let adversities = [SKEWED, Adversity { lags: 1, ..SKEWED }];
    every_schedule("a split line that is held and ends", &before, &plan, &adversities)
}

/// When the run begins, the hold is over by one millisecond for clocks that are ahead, and not for the others.
fn held(orderid: &str) -> Command {
    let hold_until = Some(Timestamp(1_000_001));
    Command::PutOrder(PutOrder { terms: Terms { hold_until, ..Terms::default() }, ..wants(orderid, &[("S", 2)]) })
}

const SKEWED: Adversity = Adversity { skew: 1, ..NOTHING };

/// The order has its line for good, or it has ended and is a new try. In between, somebody may have been faster.
async fn every_schedule_of_a_hold_its_confirmation_and_its_end(_: Arc<Servers>) -> Outcome {
    let before = [create("b1", 2), held("o1")];
    let plan = of(vec![put("o1", &[("S", 2)]), allocate("o2", 1)]);
    let adversities = [SKEWED, Adversity { crashes: 1, ..SKEWED }];
    every_schedule("a hold, its confirmation and its end", &before, &plan, &adversities)
}

async fn every_schedule_of_a_hold_that_ends_and_a_request_for_its_pieces(_: Arc<Servers>) -> Outcome {
    let before = [create("b1", 2), held("o1")];
    let adversities = [Adversity { duplicates: 1, ..SKEWED }, Adversity { lags: 1, ..SKEWED }];
    every_schedule("a hold that ends and a request", &before, &of(vec![allocate("o2", 2)]), &adversities)
}
