//! What it costs to keep what happened, and to ask for it.

use std::sync::Arc;

use adapters::dynamodb::HistoryTable;
use adapters::in_memory::InMemoryStore;
use domain::{OrderId, Sku};
use service_layer::Wanted;
use service_layer::history::Past;
use service_layer::outbox::Envelope;
use testing::{Command, hear, line, new_batch};

use super::meter::Cost;
use super::past::name;
use super::{do_it, metered_client};
use crate::layers::Outcome;
use crate::names::soon;
use crate::servers::{Servers, TABLE};
use adapters::system::System;
use service_layer::Views;

/// Lines of the shop's day: one in ten is cancelled, one in twenty refused, and the rest is shipped.
const LINES: usize = 200;

/// What a shop's orders come to, and the last of them that was shipped.
async fn a_day(sku: &str) -> anyhow::Result<(InMemoryStore, String)> {
    let store = InMemoryStore::default();
    let batch = new_batch(&name("batch"), sku, u32::try_from(LINES)?);
    do_it(store.clone(), Command::CreateBatch(batch)).await?;
    let mut shipped = String::new();
    for number in 0..LINES {
        let line = line(&name("order"), sku, if number % 20 == 0 { u32::MAX - u32::try_from(number)? } else { 1 });
        do_it(store.clone(), Command::Allocate(line.clone())).await?;
        if number % 10 == 5 {
            do_it(store.clone(), Command::Deallocate(line.id())).await?;
        } else if number % 20 != 0 {
            do_it(store.clone(), Command::Ship(line.id())).await?;
            shipped = line.orderid.to_string();
        }
    }
    Ok((store, shipped))
}

pub(super) async fn what_happened_is_kept_for_little_more_than_a_write_unit_an_event(servers: Arc<Servers>) -> Outcome {
    let (client, meter) = metered_client(&servers).await?;
    let history = HistoryTable::new(client, local::history_table(TABLE));
    let sku = name("SKU");
    let (store, shipped) = a_day(&sku).await?;
    let events: Vec<Envelope> = store.outbox();
    hear(&history, &events).await;
    let Cost { write_units: [table, index], writes, .. } = meter.read();
    let each = table / f64::from(u32::try_from(events.len())?);
    println!("{} events: {table} WCU, {each:.2} each, in {writes} calls", events.len());
    assert_eq!(index, 0.0);
    assert!(each <= 1.2, "{each} WCU an event");
    assert!(usize::try_from(writes)? <= events.len().div_ceil(12), "{writes} calls");

    // The whole past of the product, and that of an order, whose lines are here though the product is elsewhere.
    let views = Views { store: &store, environment: &System::default() };
    let past = Past { views, history: &history };
    let all = past.of_product(&Sku::try_from(sku.as_str())?, &Wanted::first(1_000), &soon()).await?;
    let Cost { round_trips, read_units, .. } = meter.read();
    println!("the past of a product, {} events: {read_units} RCU", all.events.entries.len());
    assert_eq!((all.events.entries.len(), all.complete.to, all.complete.missing.len()), (events.len(), all.version, 0));
    assert_eq!(round_trips, 1);
    let of_order = past.of_order(&OrderId::try_from(shipped.as_str())?, &Wanted::first(100), &soon()).await?;
    let Cost { read_units, .. } = meter.read();
    println!("the past of an order, {} events: {read_units} RCU", of_order.events.entries.len());
    assert_eq!(of_order.events.entries.len(), 2, "allocated, shipped");
    assert!(read_units <= 1.0, "{read_units} RCU: only what lies between is read");
    Ok(())
}
