//! What questions cost.

use std::collections::BTreeSet;
use std::sync::Arc;

use adapters::dynamodb::{DynamoDb, HistoryTable};
use adapters::system::System;
use domain::{OrderLine, Sku};
use service_layer::history::Past;
use service_layer::{Views, Wanted};
use testing::{Command, allocations, line, new_batch};

use super::meter::{Cost, Meter};
use super::past::name;
use super::{Prices, do_it, metered};
use crate::layers::Outcome;
use crate::names::soon;
use crate::servers::Servers;

/// What may be asked about a line, the product it is of, and its batch.
pub(super) async fn prices(
    store: &DynamoDb,
    history: &HistoryTable,
    meter: &Meter,
    line: &OrderLine,
) -> anyhow::Result<Prices> {
    let views = Views { store, environment: &System::default() };
    let (OrderLine { orderid, sku, .. }, call) = (line, &soon());
    let mut prices = Vec::new();
    let mut note = |what: &str| prices.push((what.to_owned(), meter.read()));
    meter.read();
    allocations(store, orderid).await?;
    note("view an order");
    let order = views.order(orderid, &Wanted::first(100), call).await?;
    note("show an order of 1 line");
    views.product(sku, call).await?;
    note("show a product");
    views.waiting(sku, &Wanted::first(100), call).await?;
    note("list lines that wait");
    let reference = order.entries[0].parts[0].part.place.batch().expect("it has a batch");
    views.batches(reference, call).await?;
    note("show a batch");
    views.on_batches(reference, None, &Wanted::first(100), call).await?;
    note("list a batch's lines");
    let past = Past { views, history };
    past.of_product(sku, &Wanted::first(100), call).await?;
    note("ask what happened to a product");
    past.of_order(orderid, &Wanted::first(100), call).await?;
    note("ask what happened to an order");
    Ok(prices)
}

/// Each line is on a batch of its own, and half of these are full.
pub(super) async fn an_order_of_a_hundred_lines_is_shown_in_two_round_trips(servers: Arc<Servers>) -> Outcome {
    let (store, meter) = metered(&servers).await?;
    let plain = servers.store().await?;
    let order = name("order");
    let skus: BTreeSet<String> = (0..20).map(|_| name("SKU")).collect();
    for sku in &skus {
        for qty in 1..=5 {
            do_it(&plain, Command::CreateBatch(new_batch(&name("batch"), sku, qty + qty % 2))).await?;
        }
        // The largest first, so that each gets the smallest batch that is left for it.
        for qty in (1..=5).rev() {
            do_it(&plain, Command::Allocate(line(&order, sku, qty))).await?;
        }
    }
    let views = Views { store: &store, environment: &System::default() };
    meter.read();
    let shown = views.order(&order.as_str().try_into()?, &Wanted::first(100), &soon()).await?;
    let Cost { round_trips, writes, read_units, write_units } = meter.read();
    println!("an order of {} lines: {read_units} RCU", shown.entries.len());
    assert_eq!((shown.entries.len(), shown.next, round_trips, writes), (100, None, 2, 0));
    assert_eq!(write_units, [0.0, 0.0]);
    // A hundred batches, twenty heads, and the lines at 4 KB a unit.
    assert!((120.0..=130.0).contains(&read_units), "{read_units} RCU");
    let sorted: Vec<&Sku> = shown.entries.iter().map(|line| &line.line.sku).collect();
    assert!(sorted.is_sorted());
    Ok(())
}
