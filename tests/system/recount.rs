//! The operator's check, on tables that are healthy, edited by hand, or in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapters::dynamodb::DynamoDb;
use adapters::system::System;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::Revision;
use futures_util::future::join_all;
use local::Template;
use recount::{Pace, Report};
use service_layer::MessageBus;
use service_layer::ports::{Inbox as _, Timestamp};
use testing::{Command, line, new_batch};

use crate::layers::{Layers, Outcome, add_tests};
use crate::names::{soon, unique};
use crate::servers::{Servers, TABLE, create_anew};

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "recount",
        [
            a_healthy_table_has_no_drift,
            items_that_were_edited_by_hand_are_named,
            items_that_cannot_be_read_are_named_and_stop_nothing,
            a_table_in_use_raises_no_false_alarm,
        ]
    );
}

/// So small that a table has many.
const PACE: Pace = Pace { items: 3, units: 1_000_000.0 };

/// A table that no other test uses.
struct Table {
    client: aws_sdk_dynamodb::Client,
    name: String,
    store: DynamoDb,
}

impl Table {
    async fn new(servers: &Servers) -> anyhow::Result<Self> {
        let (database, name) = (servers.database().await?, unique(TABLE));
        create_anew(database, &Template::read(servers.tools().await?).await?, &name).await?;
        let client = aws_sdk_dynamodb::Client::new(&database.sdk_config());
        Ok(Self { store: DynamoDb::new(client.clone(), name.clone()), client, name })
    }

    async fn carry_out(&self, command: Command) {
        let bus = MessageBus::new(&self.store, System::default(), ());
        // What a command comes to is told by other tests.
        let _ = bus.handle(&command, &soon()).await;
    }

    async fn recount(&self) -> anyhow::Result<Report> {
        Ok(recount::whole_table(&self.store, &PACE, |_| {}).await?)
    }

    /// A product with an open batch of 10 that has 4 allocated, a full one, an empty one, and a line of 7 that waits.
    async fn stock(&self, sku: &str) {
        let named = |name: &str| format!("{name}-{sku}");
        for (reference, qty) in [("open", 6), ("full", 3), ("gone", 7)] {
            self.carry_out(Command::CreateBatch(new_batch(&named(reference), sku, qty))).await;
        }
        for (orderid, qty) in [("o1", 7), ("o2", 3), ("o3", 4)] {
            self.carry_out(Command::Allocate(line(&named(orderid), sku, qty))).await;
        }
        self.carry_out(holds(&named("gone"), 0)).await;
        self.carry_out(holds(&named("open"), 10)).await;
    }

    async fn edit(&self, key: [&str; 2], update: &str, values: &[(&str, AttributeValue)]) -> anyhow::Result<()> {
        let mut request = self.client.update_item().table_name(&self.name);
        if update.contains("#full") {
            // A word of DynamoDB's own.
            request = request.expression_attribute_names("#full", "full");
        }
        for (name, value) in ["PK", "SK"].into_iter().zip(key) {
            request = request.key(name, AttributeValue::S(value.to_owned()));
        }
        for (name, value) in values {
            request = request.expression_attribute_values(*name, value.clone());
        }
        request.update_expression(update).send().await?;
        Ok(())
    }

    async fn delete(&self, key: [&str; 2]) -> anyhow::Result<()> {
        let mut request = self.client.delete_item().table_name(&self.name);
        for (name, value) in ["PK", "SK"].into_iter().zip(key) {
            request = request.key(name, AttributeValue::S(value.to_owned()));
        }
        request.send().await?;
        Ok(())
    }
}

fn holds(reference: &str, qty: u32) -> Command {
    let revision = Revision::Version(u64::from(qty));
    Command::ChangeBatch(testing::holds(reference, qty, revision))
}

fn number(number: u32) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn waiting(lines: u32, since: u32) -> AttributeValue {
    AttributeValue::M(
        [("lines".to_owned(), number(lines)), ("since".to_owned(), number(since)), ("qty".to_owned(), number(7))]
            .into(),
    )
}

fn told(report: &Report) -> Vec<String> {
    report.drift.iter().map(|(sku, drift)| format!("{sku}: {drift}")).collect()
}

async fn a_healthy_table_has_no_drift(servers: Arc<Servers>) -> Outcome {
    let table = Table::new(&servers).await?;
    for sku in ["LAMP", "DESK"] {
        table.stock(sku).await;
    }
    table.store.claim("LAMP#1#1", 1, Timestamp(0), Duration::from_secs(1)).await?;
    let report = table.recount().await?;
    assert_eq!((report.products, report.items), (2, 15));
    assert_eq!(
        (report.drift.as_slice(), report.unreadable.as_slice(), report.looked_again),
        ([].as_slice(), [].as_slice(), 0)
    );

    let report = recount::one_product(&table.store, "LAMP".try_into()?).await;
    assert!(report.drift.is_empty() && report.undecided.is_empty(), "{report:?}");
    Ok(())
}

async fn items_that_were_edited_by_hand_are_named(servers: Arc<Servers>) -> Outcome {
    let table = Table::new(&servers).await?;
    for sku in ["A", "B", "C", "D", "E", "F", "G", "H", "healthy"] {
        table.stock(sku).await;
    }
    table.edit(["SKU#A", "PRODUCT"], "SET batches[0].allocated = :n", &[(":n", number(3))]).await?;
    table.edit(["SKU#B", "PRODUCT"], "SET waiting = :w", &[(":w", waiting(2, 7))]).await?;
    table.delete(["ORDER#o3-C", "LINE#C\u{1f}4"]).await?;
    table.edit(["BATCH#full-D", "SKU#D"], "REMOVE #full", &[]).await?;
    let place = AttributeValue::S("BATCH#1#nowhere\u{1f}E".to_owned());
    table.edit(["ORDER#o2-E", "LINE#E\u{1f}3"], "SET place = :p", &[(":p", place)]).await?;
    table.edit(["ORDER#o2-F", "LINE#F\u{1f}3"], "SET since = :n", &[(":n", number(99))]).await?;
    table.delete(["SKU#G", "PRODUCT"]).await?;
    let place = AttributeValue::S("BATCH#0#open-healthy\u{1f}H".to_owned());
    table.edit(["ORDER#o3-H", "LINE#H\u{1f}4"], "SET place = :p", &[(":p", place)]).await?;

    let report = table.recount().await?;
    assert_eq!(
        told(&report),
        [
            "A: batch open-A: 3 pieces are counted as allocated, but its 1 lines hold 4",
            "A: a line that takes 7 waits beside batch open-A, which has 7 free, and nothing is owed",
            "B: the head counts 2 waiting lines (7 pieces, sum of versions 7), but 1 wait (7, 7)",
            "C: batch open-C: 4 pieces are counted as allocated, but its 0 lines hold 0",
            "D: batch full-D is neither in the head nor full",
            "E: batch full-E: 3 pieces are counted as allocated, but its 0 lines hold 0",
            "E: 1 lines stand on batch nowhere, which does not exist",
            "F: a line got to its place at version 99, but the product is at 8",
            "G: 3 batches and 3 lines belong to a product without a head",
            "H: batch open-H: 4 pieces are counted as allocated, but its 0 lines hold 0",
            "H: 1 lines stand on batch open-healthy, which does not exist",
        ]
    );
    assert!(report.undecided.is_empty() && report.unreadable.is_empty(), "{report:?}");
    assert_eq!(report.looked_again, 8);
    Ok(())
}

async fn items_that_cannot_be_read_are_named_and_stop_nothing(servers: Arc<Servers>) -> Outcome {
    let table = Table::new(&servers).await?;
    for sku in ["A", "B", "C"] {
        table.stock(sku).await;
    }
    let text = AttributeValue::S("many".to_owned());
    table.edit(["SKU#A", "PRODUCT"], "SET batches[0].allocated = :n", &[(":n", text.clone())]).await?;
    table.edit(["SOMETHING", "ELSE"], "SET place = :p", &[(":p", text)]).await?;
    table.edit(["SKU#C", "PRODUCT"], "SET waiting = :w", &[(":w", waiting(2, 7))]).await?;

    let report = table.recount().await?;
    let mut unreadable = report.unreadable.clone();
    unreadable.sort();
    assert_eq!(unreadable.len(), 2, "{unreadable:?}");
    assert!(
        unreadable[0].contains("SKU#A/PRODUCT") && unreadable[0].contains("batches[0].allocated"),
        "{unreadable:?}"
    );
    assert!(unreadable[1].contains("SOMETHING/ELSE"), "{unreadable:?}");
    assert_eq!(told(&report), ["C: the head counts 2 waiting lines (7 pieces, sum of versions 7), but 1 wait (7, 7)"]);
    // Without its head, nothing can be said of A.
    assert_eq!(report.undecided.len(), 1, "{report:?}");
    Ok(())
}

async fn a_table_in_use_raises_no_false_alarm(servers: Arc<Servers>) -> Outcome {
    let table = Table::new(&servers).await?;
    let skus = ["A", "B", "C", "D", "E", "F"];
    for sku in skus {
        table.stock(sku).await;
    }
    let done = AtomicBool::new(false);
    let writers = skus.into_iter().zip(1_u64..).map(|(sku, seed)| {
        let (table, done) = (&table, &done);
        async move {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                number += 1;
                let command = match random.u32(..4) {
                    0 => {
                        let revision = Revision::Version(1_000 + number);
                        Command::ChangeBatch(testing::holds(&format!("open-{sku}"), random.u32(..30), revision))
                    }
                    _ => Command::Allocate(line(&format!("o{number}-{sku}"), sku, random.u32(1..4))),
                };
                table.carry_out(command).await;
                // Orders come one by one, or no look would ever find a product that stands still.
                tokio::time::sleep(Duration::from_millis(random.u64(..200))).await;
            }
        }
    });
    let recounts = async {
        let mut looked_again = 0;
        for _ in 0..10 {
            let report = table.recount().await?;
            anyhow::ensure!(report.drift.is_empty() && report.unreadable.is_empty(), "a false alarm: {report:?}");
            looked_again += report.looked_again;
        }
        anyhow::ensure!(looked_again > 0, "no product ever seemed to drift: the table was not in use");
        Ok(())
    };
    let recounts = async {
        let outcome = recounts.await;
        done.store(true, Ordering::Relaxed);
        outcome
    };
    tokio::join!(recounts, join_all(writers)).0?;
    let report = table.recount().await?;
    assert!(report.drift.is_empty() && report.undecided.is_empty() && report.looked_again == 0, "{report:?}");
    Ok(())
}
