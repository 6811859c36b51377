//! What commands cost: round trips and capacity units, whatever a product has seen before.

#![expect(clippy::float_cmp, reason = "units are halves, which floats hold exactly")]

mod history;
mod memory;
mod meter;
mod orders;
mod past;
mod views;

use std::collections::HashMap;
use std::sync::Arc;

use adapters::dynamodb::{DynamoDb, HistoryTable};
use adapters::http::Route;
use adapters::system::System;
use anyhow::ensure;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_dynamodb::config::{Builder, SharedInterceptor};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{BatchRef, OrderId, OrderLine, Revision, SkuLines};
use history::what_happened_is_kept_for_little_more_than_a_write_unit_an_event;
use memory::remembering_pays_where_one_process_has_a_product_to_itself;
use meter::{Cost, Item, Meter, blocks, size};
use orders::{
    a_split_line_takes_two_units_for_each_part_and_two_for_each_batch_that_it_fills,
    an_order_takes_two_round_trips_however_many_skus_it_has, giving_back_what_is_due_takes_three_round_trips_more,
};
use past::{filled, full_batches, name, orders};
use service_layer::store::Products;
use service_layer::{AllocateLines, ChangeBatch, MessageBus, Remembering, VAIN_READS};
use testing::{Command, allocations, comes, holds, line, new_batch, waiting_lines, whole};
use tokio::task::{JoinSet, yield_now};
use views::an_order_of_a_hundred_lines_is_shown_in_two_round_trips;

use crate::concurrency::counted;
use crate::layers::{Layers, Outcome, add_tests};
use crate::names::soon;
use crate::servers::{Servers, TABLE};

/// Lines of a product in a normal run. `HISTORY=100000` adds as many once more, and minutes.
const LINES: [usize; 2] = [10, 1_000];
/// Batches of a product, all full but those that a command needs.
const BATCHES: [usize; 3] = [1, 10, 1_000];
const VICTIMS: [usize; 3] = [1, 90, 250];

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "cost",
        [
            every_command_costs_the_same_whatever_the_history,
            a_lost_race_costs_one_round_trip,
            a_process_that_is_alone_with_a_product_allocates_in_one_round_trip,
            a_hundred_queued_lines_of_a_sold_out_sku_make_no_commit,
            lines_that_wait_are_read_once,
            remembering_pays_where_one_process_has_a_product_to_itself,
            an_order_takes_two_round_trips_however_many_skus_it_has,
            a_split_line_takes_two_units_for_each_part_and_two_for_each_batch_that_it_fills,
            giving_back_what_is_due_takes_three_round_trips_more,
            an_order_of_a_hundred_lines_is_shown_in_two_round_trips,
            what_happened_is_kept_for_little_more_than_a_write_unit_an_event,
            an_order_of_a_megabyte_is_viewed_in_one_page,
            one_document_with_all_allocations_costs_more_with_each,
        ]
    );
}

type Prices = Vec<(String, Cost)>;

#[expect(clippy::disallowed_methods, reason = "how a longer history is asked for")]
fn asked_for() -> Option<usize> {
    std::env::var("HISTORY").ok()?.parse().ok()
}

/// Requests that are made side by side have all begun before one of them is sent, however fast it is answered.
#[derive(Debug)]
struct AfterItsNeighbours(DefaultResolver);

impl ResolveEndpoint for AfterItsNeighbours {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        EndpointFuture::new(async {
            yield_now().await;
            self.0.resolve_endpoint(params).await
        })
    }
}

/// A client of its own, and what it costs.
async fn metered_client(servers: &Servers) -> anyhow::Result<(Client, Meter)> {
    let meter = Meter::default();
    let config = Builder::from(&servers.database().await?.sdk_config());
    let config = config.endpoint_resolver(AfterItsNeighbours(DefaultResolver::new()));
    Ok((Client::from_conf(config.interceptor(SharedInterceptor::new(meter.clone())).build()), meter))
}

async fn metered(servers: &Servers) -> anyhow::Result<(DynamoDb, Meter)> {
    let (client, meter) = metered_client(servers).await?;
    Ok((DynamoDb::new(client, TABLE.to_owned()), meter))
}

async fn do_it<S: Products>(store: S, command: Command) -> anyhow::Result<()> {
    MessageBus::new(store, System::default(), ()).handle(&command, &soon()).await?;
    Ok(())
}

async fn every_command_costs_the_same_whatever_the_history(servers: Arc<Servers>) -> Outcome {
    let mut histories = JoinSet::new();
    for lines in LINES.into_iter().chain(asked_for()) {
        for batches in BATCHES {
            let servers = Arc::clone(&servers);
            histories.spawn(async move {
                let started = std::time::Instant::now();
                let sku = name("SKU");
                let client = Client::new(&servers.database().await?.sdk_config());
                full_batches(&servers.store().await?, &client, &sku, lines, batches).await?;
                println!("{lines} lines on {batches} batches: {:.1} s", started.elapsed().as_secs_f32());
                anyhow::Ok((format!("{lines} lines, {batches} batches"), prices(&servers, &sku).await?))
            });
        }
    }
    let mut all = Vec::new();
    while let Some(prices) = histories.join_next().await {
        all.push(prices??);
    }
    let [(_, prices), others @ ..] = &all[..] else { anyhow::bail!("no histories") };
    for (history, other) in others {
        ensure!(other == prices, "with {history}: {other:#?}, but otherwise {prices:#?}");
    }
    print(prices);

    let prices: HashMap<_, _> = prices.iter().cloned().collect();
    check_single_commits(&prices);
    for victims in VICTIMS {
        let Cost { round_trips, writes, write_units, .. } = prices[&change_of(victims)];
        let chunks = u32::try_from(victims.div_ceil(90))?;
        assert!(writes <= chunks, "{victims} lines took {writes} commits");
        assert_eq!(
            round_trips - writes,
            3,
            "reads of {victims} lines: the batch, the head, and the lines, all at once"
        );
        assert_eq!(write_units[1], f64::from(u32::try_from(2 * victims)?), "each line moves within the index");
    }
    Ok(())
}

fn check_single_commits(prices: &HashMap<String, Cost>) {
    let cost = |round_trips, writes, read_units, write_units| Cost { round_trips, writes, read_units, write_units };
    assert_eq!(prices["add a batch"], cost(2, 1, 2.0, [4.0, 0.0]));
    assert_eq!(prices["allocate"], cost(2, 1, 3.0, [4.0, 1.0]));
    assert_eq!(prices["allocate, filling the batch"], cost(2, 1, 3.0, [6.0, 1.0]));
    assert_eq!(prices["allocate, asked again"], cost(1, 0, 3.0, [0.0, 0.0]));
    assert_eq!(prices["allocate, out of stock"], cost(2, 1, 3.0, [4.0, 0.0]));
    assert_eq!(prices["allocate, out of stock again"], cost(2, 0, 4.0, [0.0, 0.0]));
    assert_eq!(prices["cancel a line"], cost(2, 1, 2.0, [4.0, 1.0]));
    assert_eq!(prices["cancel a line, opening its batch"], cost(3, 1, 3.0, [6.0, 1.0]));
    assert_eq!(prices["ship a line"], cost(2, 1, 2.0, [4.0, 1.0]));
    assert_eq!(prices["ship a line from a full batch"], cost(3, 1, 3.0, [6.0, 1.0]));
    assert_eq!(prices["ship a line, asked again"], cost(1, 0, 2.0, [0.0, 0.0]));
    assert_eq!(prices["put an order of 1 line"], cost(2, 1, 2.0, [6.0, 1.0]));
    assert_eq!(prices["put an order, asked again"], cost(1, 0, 2.0, [0.0, 0.0]));
    assert_eq!(prices["put an order of 2 lines, one of which stays"], cost(2, 1, 2.0, [8.0, 1.0]));
    assert_eq!(prices["cancel an order of 1 line"], cost(5, 1, 4.0, [8.0, 1.0]));
    assert_eq!(prices["cancel an order, asked again"], cost(2, 0, 2.0, [0.0, 0.0]));
    assert_eq!(prices["cancel an order without lines"], cost(3, 1, 2.0, [4.0, 0.0]));
    assert_eq!(prices["change a quantity, 0 lines give way"], cost(3, 1, 2.0, [1.0, 0.0]));
    assert_eq!(prices["change a quantity, 1 lines give way"], cost(4, 1, 3.0, [6.0, 2.0]));
    assert_eq!(prices["change an ETA, 0 lines move"], cost(2, 1, 2.0, [1.0, 0.0]));
    assert_eq!(prices["change an ETA, 1 lines move"], cost(3, 1, 3.0, [4.0, 2.0]));
    assert_eq!(prices["view an order"], cost(1, 0, 1.0, [0.0, 0.0]));
    assert_eq!(prices["show an order of 1 line"], cost(2, 0, 3.0, [0.0, 0.0]));
    assert_eq!(prices["show a product"], cost(1, 0, 1.0, [0.0, 0.0]));
    assert_eq!(prices["ask what happened to a product"], cost(2, 0, 1.5, [0.0, 0.0]));
    assert_eq!(prices["ask what happened to an order"], cost(2, 0, 2.0, [0.0, 0.0]));
    assert_eq!(prices["list lines that wait"], cost(2, 0, 1.5, [0.0, 0.0]));
    assert_eq!(prices["show a batch"], cost(2, 0, 2.0, [0.0, 0.0]));
    assert_eq!(prices["list a batch's lines"], cost(2, 0, 2.0, [0.0, 0.0]));
    for route in Route::ALL {
        let command = match route {
            Route::Allocate => "allocate",
            Route::Deallocate => "cancel a line",
            Route::Ship => "ship a line",
            Route::PutOrder => "put an order of 1 line",
            Route::CancelOrder => "cancel an order of 1 line",
            Route::CreateBatch => "add a batch",
            Route::ChangeBatch => "change an ETA, 0 lines move",
            Route::ViewAllocations => "view an order",
            Route::ShowOrder => "show an order of 1 line",
            Route::ShowProduct => "show a product",
            Route::OrderHistory => "ask what happened to an order",
            Route::ProductHistory => "ask what happened to a product",
            Route::ListWaiting => "list lines that wait",
            Route::ShowBatches => "show a batch",
            Route::ListLines => "list a batch's lines",
        };
        assert!(prices.contains_key(command), "{route:?} has no price");
    }
}

fn change_of(victims: usize) -> String {
    format!("change a quantity, {victims} lines give way")
}

/// What each command costs on a product that has full batches only.
#[expect(clippy::too_many_lines, reason = "a list of prices is read as one")]
async fn prices(servers: &Servers, sku: &str) -> anyhow::Result<Prices> {
    let (plain, (client, meter)) = (servers.store().await?, metered_client(servers).await?);
    let store = DynamoDb::new(client.clone(), TABLE.to_owned());
    let mut prices = Vec::new();
    let mut price = async |what: &str, command: Command| {
        meter.read();
        do_it(&store, command).await?;
        prices.push((what.to_owned(), meter.read()));
        anyhow::Ok(())
    };
    let allocate = |qty| Command::Allocate(line(&name("order"), sku, qty));
    // What a large commit had to tell is paid for by the next one as well, which overwrites it.
    do_it(&plain, Command::CreateBatch(new_batch(&name("a-batch"), sku, 1))).await?;

    price("add a batch", Command::CreateBatch(new_batch(&name("batch"), sku, 1_000))).await?;
    price("allocate, filling the batch", allocate(1)).await?;
    let order = allocate(1);
    price("allocate", order.clone()).await?;
    price("allocate, asked again", order.clone()).await?;
    price("allocate, out of stock", allocate(2_000)).await?;
    price("allocate, out of stock again", allocate(2_000)).await?;
    let Command::Allocate(first) = &order else { anyhow::bail!("no line") };
    price("ship a line", Command::Ship(first.id())).await?;
    price("ship a line, asked again", Command::Ship(first.id())).await?;
    let [one, other] = [(); 2].map(|()| line(&name("order"), sku, 1));
    let small = new_batch(&name("a-batch"), sku, 2);
    let fill = [Command::CreateBatch(small), Command::Allocate(one.clone()), Command::Allocate(other.clone())];
    for command in fill {
        do_it(&plain, command).await?;
    }
    price("ship a line from a full batch", Command::Ship(one.id())).await?;
    price("cancel a line, opening its batch", Command::Deallocate(other.id())).await?;
    // The one that is open again takes another line, so that it is full, and so stays.
    do_it(&plain, allocate(1)).await?;
    let cancelled = line(&name("order"), sku, 1);
    do_it(&plain, Command::Allocate(cancelled.clone())).await?;
    price("cancel a line", Command::Deallocate(cancelled.id())).await?;
    let orderid = name("order");
    let put = |qtys: &[u32]| whole(&orderid, qtys.iter().map(|qty| line(&orderid, sku, *qty)).collect());
    price("put an order of 1 line", Command::PutOrder(put(&[1]))).await?;
    price("put an order, asked again", Command::PutOrder(put(&[1]))).await?;
    price("put an order of 2 lines, one of which stays", Command::PutOrder(put(&[1, 2]))).await?;
    let of_order = line(&name("order"), sku, 1);
    let cancel_all = Command::CancelOrder(of_order.orderid.clone());
    do_it(&plain, Command::Allocate(of_order)).await?;
    price("cancel an order of 1 line", cancel_all.clone()).await?;
    price("cancel an order, asked again", cancel_all).await?;
    price("cancel an order without lines", Command::CancelOrder(name("order").try_into()?)).await?;
    // It would be preferred.
    do_it(&plain, allocate(1)).await?;
    let raised = new_batch(&name("batch"), sku, 1);
    do_it(&plain, Command::CreateBatch(raised.clone())).await?;
    let raise = holds(raised.reference.as_str(), 2, Revision::AsOf(1));
    price(&change_of(0), Command::ChangeBatch(raise)).await?;
    price("change an ETA, 0 lines move", in_a_month(sku, &raised.reference)).await?;
    let delayed = new_batch(&name("a-batch"), sku, 2);
    for command in [Command::CreateBatch(delayed.clone()), allocate(1)] {
        do_it(&plain, command).await?;
    }
    price("change an ETA, 1 lines move", in_a_month(sku, &delayed.reference)).await?;
    // Before the next commits, which have much to tell: that is stored with the product.
    let past = HistoryTable::new(client, local::history_table(TABLE));
    let questions = views::prices(&store, &past, &meter, first).await?;
    for victims in VICTIMS {
        // Preferred by its name, and never full before.
        let new = new_batch(&name("a-batch"), sku, u32::try_from(victims + 2)?);
        filled(&plain, None, &new, &orders(sku, victims)).await?;
        do_it(&plain, allocate(1)).await?;
        let shrink = holds(new.reference.as_str(), 1, Revision::AsOf(1));
        price(&change_of(victims), Command::ChangeBatch(shrink)).await?;
    }

    prices.extend(questions);
    Ok(prices)
}

fn in_a_month(sku: &str, reference: &BatchRef) -> Command {
    let change = comes(reference.as_str(), Some("2031-02-03"), Revision::AsOf(1));
    Command::ChangeBatch(ChangeBatch { sku: Some(sku.try_into().unwrap()), ..change })
}

fn print(prices: &Prices) {
    println!(
        "| command | round trips | RCU | WCU, table | WCU, index | $ per million |\n| --- | --- | --- | --- | --- | --- |"
    );
    for (what, cost) in prices {
        let Cost { round_trips, read_units, write_units: [table, index], .. } = cost;
        println!("| {what} | {round_trips} | {read_units} | {table} | {index} | {:.2} |", cost.dollars());
    }
}

async fn a_lost_race_costs_one_round_trip(servers: Arc<Servers>) -> Outcome {
    let (store, meter) = metered(&servers).await?;
    let sku = name("SKU");
    let allocate = || Command::Allocate(line(&name("order"), &sku, 1));
    do_it(&store, Command::CreateBatch(new_batch(&name("batch"), &sku, 100))).await?;
    meter.read();
    do_it(&store, allocate()).await?;
    let alone = meter.read();
    do_it(&counted(store, Some(allocate())), allocate()).await?;
    let refused = Cost { round_trips: 1, writes: 1, read_units: 0.0, write_units: [4.0, 0.0] };
    assert_eq!(meter.read(), alone.plus(alone).plus(refused), "both of them, and what one of them tried in vain");
    Ok(())
}

async fn a_process_that_is_alone_with_a_product_allocates_in_one_round_trip(servers: Arc<Servers>) -> Outcome {
    let (plain, (store, meter)) = (servers.store().await?, metered(&servers).await?);
    let store = Remembering::new(store, VAIN_READS);
    let sku = name("SKU");
    let allocate = |qty| Command::Allocate(line(&name("order"), &sku, qty));
    do_it(&plain, Command::CreateBatch(new_batch(&name("batch"), &sku, 100))).await?;
    for _ in 0..=VAIN_READS {
        meter.read();
        do_it(&store, allocate(1)).await?;
        assert_eq!(meter.read().round_trips, 2, "not yet sure that nobody else writes");
    }
    let alone = Cost { round_trips: 1, writes: 1, read_units: 1.0, write_units: [4.0, 1.0] };
    let order = allocate(1);
    do_it(&store, order.clone()).await?;
    assert_eq!(meter.read(), alone);

    // A line that has its place is refused; then it is read, and answered.
    let refused = Cost { round_trips: 1, writes: 1, read_units: 1.0, write_units: [4.0, 0.0] };
    let read = Cost { round_trips: 1, writes: 0, read_units: 3.0, write_units: [0.0, 0.0] };
    do_it(&store, order).await?;
    assert_eq!(meter.read(), refused.plus(read));

    for _ in 0..=VAIN_READS + 1 {
        do_it(&store, allocate(1)).await?;
    }
    meter.read();
    do_it(&store, allocate(1)).await?;
    assert_eq!(meter.read(), alone);
    do_it(&plain, allocate(1)).await?;
    do_it(&store, allocate(1)).await?;
    assert_eq!(meter.read(), refused.plus(alone), "somebody else was faster: one round trip more");
    do_it(&store, allocate(1)).await?;
    assert_eq!(meter.read().round_trips, 2, "and not sure any more");

    for _ in 0..=VAIN_READS + 1 {
        do_it(&store, allocate(1)).await?;
    }
    meter.read();
    do_it(&store, allocate(1_000)).await?;
    assert_eq!(meter.read(), Cost { write_units: [4.0, 0.0], ..alone }, "out of stock, and the commit confirms it");
    let read_twice = Cost { round_trips: 2, writes: 0, read_units: 4.0, write_units: [0.0, 0.0] };
    for _ in 0..=VAIN_READS + 1 {
        do_it(&store, allocate(1_000)).await?;
        assert_eq!(meter.read(), read_twice, "no commit would confirm that, so that it is never from memory");
    }
    Ok(())
}

async fn a_hundred_queued_lines_of_a_sold_out_sku_make_no_commit(servers: Arc<Servers>) -> Outcome {
    let (plain, (store, meter)) = (servers.store().await?, metered(&servers).await?);
    let sku = name("SKU");
    for command in [
        Command::CreateBatch(new_batch(&name("batch"), &sku, 1)),
        Command::Allocate(line(&name("order"), &sku, 1)),
        Command::Allocate(line(&name("order"), &sku, 1)),
    ] {
        do_it(&plain, command).await?;
    }
    let mut left = SkuLines::of((0..100).map(|_| line(&name("order"), &sku, 1))).pop();
    let bus = MessageBus::new(store, System::default(), ());
    meter.read();
    while let Some(lines) = left.take() {
        let answered = bus.handle(&AllocateLines::of(lines.clone()), &soon()).await?.lines;
        left = lines.after(answered);
    }
    // Twice, as no commit has more: the head with 98 lines and as many marks, and again those lines; then the same with
    // two.
    let read_units = 197.0 + 98.0 + 5.0 + 2.0;
    assert_eq!(meter.read(), Cost { round_trips: 4, writes: 0, read_units, write_units: [0.0, 0.0] });
    Ok(())
}

async fn lines_that_wait_are_read_once(servers: Arc<Servers>) -> Outcome {
    let (plain, (store, meter)) = (servers.store().await?, metered(&servers).await?);
    let sku = name("SKU");
    let lost = new_batch(&name("batch"), &sku, 250);
    filled(&plain, None, &lost, &orders(&sku, 250)).await?;
    let shrink = holds(lost.reference.as_str(), 0, Revision::AsOf(1));
    do_it(&plain, Command::ChangeBatch(shrink)).await?;
    do_it(&store, Command::CreateBatch(new_batch(&name("batch"), &sku, 250))).await?;
    let Cost { round_trips, writes, .. } = meter.read();
    assert_eq!((round_trips, writes), (5, 3), "head and batch, the lines, and three commits");
    assert!(waiting_lines(&plain, &sku.as_str().try_into()?).await?.is_empty());
    Ok(())
}

async fn an_order_of_a_megabyte_is_viewed_in_one_page(servers: Arc<Servers>) -> Outcome {
    let (store, meter) = metered(&servers).await?;
    // Long names, so that few lines make a megabyte.
    let sku = format!("{}{}", name("SKU"), "\u{1fa91}".repeat(230));
    let orderid = OrderId::try_from(name("order"))?;
    let lines: Vec<OrderLine> = (1..=550).map(|qty| line(orderid.as_str(), &sku, qty)).collect();
    let mut shown = 0;
    for (count, pages) in [(475, 1), (550, 2)] {
        filled(&store, None, &new_batch(&name("batch"), &sku, 1_000_000), &lines[shown..count]).await?;
        shown = count;
        meter.read();
        assert_eq!(allocations(&store, &orderid).await?.len(), count);
        let cost = meter.read();
        println!("view of {count} lines: {cost:?}");
        assert_eq!(cost.round_trips, pages);
    }
    Ok(())
}

/// The other way to store it: a product as one item, allocations and all. A command reads it and writes it.
async fn one_document_with_all_allocations_costs_more_with_each(servers: Arc<Servers>) -> Outcome {
    let (client, meter) = metered_client(&servers).await?;
    println!("| lines | KB | RCU | WCU | $ per million |\n| --- | --- | --- | --- | --- |");
    for (lines, fits) in [(10, true), (1_000, true), (12_000, true), (13_000, false), (100_000, false)] {
        let item = document(lines);
        let kilobytes = size(&item).div_ceil(1_024);
        assert_eq!(kilobytes <= 400, fits, "{lines} lines take {kilobytes} KB");
        let put = client.put_item().table_name(TABLE).set_item(Some(item.clone())).send().await;
        assert_eq!(put.is_ok(), fits, "{lines} lines: {put:?}");
        if !fits {
            println!("| {lines} | {kilobytes} | refused: an item holds 400 KB | | |");
            continue;
        }
        let key = item.into_iter().filter(|(name, _)| name == "PK" || name == "SK").collect();
        client.get_item().table_name(TABLE).set_key(Some(key)).consistent_read(true).send().await?;
        let cost = meter.read();
        println!("| {lines} | {kilobytes} | {} | {} | {:.2} |", cost.read_units, cost.write_units[0], cost.dollars());
        assert_eq!(cost.write_units[0], blocks(kilobytes * 1_024, 1));
    }
    Ok(())
}

fn document(lines: usize) -> Item {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let number = |value: usize| AttributeValue::N(value.to_string());
    let map = |attributes: Vec<(&str, AttributeValue)>| -> Item {
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    let order = |of: usize| map(vec![("orderid", text(&format!("order{of:010}"))), ("qty", number(1))]);
    let allocations = (0..lines).map(|of| AttributeValue::M(order(of))).collect();
    let batch = map(vec![
        ("ref", text("batch0000000001")),
        ("purchased", number(lines)),
        ("allocations", AttributeValue::L(allocations)),
    ]);
    map(vec![
        ("PK", text(&format!("SKU#{}", name("DOCUMENT")))),
        ("SK", text("PRODUCT")),
        ("version", number(lines)),
        ("batches", AttributeValue::L(vec![AttributeValue::M(batch)])),
    ])
}
