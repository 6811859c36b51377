//! Failures of DynamoDB on the way of events to the history.

use std::collections::BTreeMap;
use std::time::Duration;

use adapters::dynamodb::HistoryTable;
use adapters::recorder::record_events;
use domain::{CancellationReason, Event, Sku, Version};
use lambda_http::Context;
use serde_json::{Value, json};
use service_layer::outbox::{Envelope, envelopes};
use service_layer::ports::{Environment as _, Timestamp};
use testing::{line, sqs_event, told};

use crate::clock::Clock;
use crate::failures::{Means, failures_of_any_call, lost_replies};
use crate::wire::{Service, Strikes, Wire};

const TABLE: &str = "history";

/// A table that takes no more than so many items of a call, and none of an order's that it can't take.
struct Past {
    items: BTreeMap<String, Value>,
    room: usize,
    refuses: Option<&'static str>,
}

impl Default for Past {
    fn default() -> Self {
        Self { items: BTreeMap::new(), room: usize::MAX, refuses: None }
    }
}

impl Service for Past {
    fn answer(&mut self, operation: &str, body: &[u8]) -> (u16, String) {
        assert_eq!(operation, "BatchWriteItem");
        let body: Value = serde_json::from_slice(body).unwrap();
        let requests = body["RequestItems"][TABLE].as_array().unwrap();
        assert!((1..=25).contains(&requests.len()), "{}", requests.len());
        if self.refuses.is_some_and(|text| body.to_string().contains(text)) {
            let code = "com.amazonaws.dynamodb.v20120810#ValidationException";
            return (400, json!({"__type": code, "message": "an item that can't be"}).to_string());
        }
        let (taken, left) = requests.split_at(self.room.min(requests.len()));
        for request in taken {
            let item = &request["PutRequest"]["Item"];
            let key = format!("{} {}", item["PK"]["S"].as_str().unwrap(), item["SK"]["S"].as_str().unwrap());
            self.items.insert(key, item.clone());
        }
        let unprocessed = if left.is_empty() { json!({}) } else { json!({ TABLE: left }) };
        (200, json!({ "UnprocessedItems": unprocessed }).to_string())
    }
}

/// Thirty lines that were given back, so that each event is two items.
fn events() -> Vec<Envelope> {
    let sku = Sku::try_from("LAMP").unwrap();
    (1..=30)
        .flat_map(|version| {
            let line = line(&format!("o{version}"), "LAMP", 1);
            let event = Event::Cancelled { line, batchref: None, reason: CancellationReason::Asked };
            envelopes(&sku, Version(version), Timestamp(1_300_000_000_000), vec![(event, None)])
        })
        .collect()
}

/// How many of the events go back to the queue.
async fn failed(wire: &Wire<Past>) -> usize {
    let clock = Clock::default();
    clock.passes(Duration::from_secs(1_300_000_000));
    let mut context = Context::default();
    context.deadline = clock.now().plus(Duration::from_secs(30)).0;
    let client = aws_sdk_dynamodb::Client::new(&wire.config(&clock));
    let history = HistoryTable::new(client, TABLE.to_owned());
    let messages = sqs_event(events().iter().map(told));
    record_events(&history, &clock, messages, &context, 5).await.batch_item_failures.len()
}

#[tokio::test]
async fn an_event_and_its_mention_are_items_that_expire_ninety_days_after_it() {
    let wire = Wire::to(Past::default());
    assert_eq!(failed(&wire).await, 0);
    assert_eq!(wire.calls("BatchWriteItem"), 3, "twelve events a call");
    let item = |key: &str| wire.service(|past| past.items[key].clone());
    let event = item("SKU#LAMP 0000000000000001#00000001");
    let mention = item("ORDER#o1 LAMP\u{1f}0000000000000001000001");
    for item in [&event, &mention] {
        assert_eq!(item["expires_at"]["N"], "1307776000");
    }
    assert_eq!((&event["of"]["N"], &event["orderid"]["S"]), (&json!("1"), &json!("o1")));
    assert_eq!((&mention["line"]["S"], &mention["mentions"]["S"]), (&json!("1"), &json!("cancelled")));
}

#[tokio::test]
async fn what_the_table_leaves_is_written_again_until_time_is_up() {
    let wire = Wire::to(Past { room: 3, ..Past::default() });
    assert_eq!(failed(&wire).await, 0);
    assert_eq!(wire.service(|past| past.items.len()), 60);
    let none = Wire::to(Past { room: 0, ..Past::default() });
    assert_eq!(failed(&none).await, 30);
}

#[tokio::test]
async fn an_event_that_the_table_does_not_take_fails_alone() {
    let wire = Wire::to(Past { refuses: Some("\"ORDER#o17\""), ..Past::default() });
    assert_eq!(failed(&wire).await, 1);
    assert_eq!(wire.service(|past| past.items.len()), 58);
}

/// An event is taken off the queue if it is kept, and only then; one that was kept and whose reply was lost may come again.
#[tokio::test]
async fn writes_that_fail() {
    for (what, failure, means) in failures_of_any_call() {
        for strikes in [Strikes::Once, Strikes::Always] {
            let wire = Wire::to(Past::default());
            wire.fails("BatchWriteItem", &failure, strikes);
            let failed = failed(&wire).await;
            assert_eq!(wire.service(|past| past.items.len()), 2 * (30 - failed), "{what}");
            assert_eq!(failed > 0, strikes == Strikes::Always, "{what}: {failed} of 30");
            assert!(means != Means::Fault || wire.calls("BatchWriteItem") <= 33, "{what}: it is not tried in vain");
        }
    }
    for (what, failure) in lost_replies() {
        let wire = Wire::to(Past::default());
        wire.fails("BatchWriteItem", &failure, Strikes::Always);
        assert_eq!(failed(&wire).await, 30, "{what}");
        assert!(wire.service(|past| past.items.len()) > 0, "{what}");
    }
}
