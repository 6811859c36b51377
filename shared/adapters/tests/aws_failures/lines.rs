//! Failures of SQS, on the way of a line to its queue.

use std::collections::BTreeSet;
use std::time::Duration;

use adapters::http::Route;
use adapters::in_memory::{InMemoryStore, call_until};
use adapters::line_queue::SqsLineQueue;
use domain::OrderLine;
use lambda_http::Context;
use serde_json::{Value, json};
use service_layer::MessageBus;
use service_layer::ports::{Environment, LineQueue, Timestamp};
use testing::{answer, api_event, api_request};

use crate::clock::Clock;
use crate::failures::{failures_of_any_call, lost_replies};
use crate::wire::{Service, Strikes, Wire};

const URL: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/lines";

#[derive(Default)]
struct Queue {
    messages: Vec<Value>,
}

impl Service for Queue {
    fn answer(&mut self, operation: &str, body: &[u8]) -> (u16, String) {
        assert_eq!(operation, "SendMessage");
        self.messages.push(serde_json::from_slice(body).unwrap());
        (200, r#"{"MessageId":"m","MD5OfMessageBody":"d41d8cd98f00b204e9800998ecf8427e"}"#.to_owned())
    }
}

/// Whether the client was told that its line was taken, or else to ask again.
async fn is_taken(wire: &Wire<Queue>) -> bool {
    let clock = Clock::default();
    clock.passes(Duration::from_secs(1_300_000_000));
    let mut context = Context::default();
    context.deadline = clock.now().plus(Duration::from_secs(10)).0;
    let mut event = api_event(Route::Allocate, r#"{"orderid":"o1","sku":"LAMP","qty":"3"}"#);
    for (name, value) in [("prefer", "respond-async"), ("x-correlation-id", "basket-7")] {
        event["headers"][name] = value.into();
    }
    let queue = SqsLineQueue::new(wire.config(&clock), URL.to_owned());
    let bus = MessageBus::new(InMemoryStore::default(), clock, ());
    let response = answer(Route::Allocate, &bus, Some(&queue), api_request(&event, context)).await;
    let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("x-correlation-id"), Some("basket-7"));
    match (response.status().as_u16(), header("preference-applied"), header("retry-after")) {
        (202, Some("respond-async"), None) => true,
        (503, None, Some("1")) => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_message_is_the_line_and_what_it_belongs_to() {
    let wire = Wire::to(Queue::default());
    assert!(is_taken(&wire).await);
    let expected = json!({
        "QueueUrl": URL,
        "MessageBody": r#"{"orderid":"o1","sku":"LAMP","qty":3,"line":"3"}"#,
        "MessageAttributes": {"correlation_id": {"DataType": "String", "StringValue": "basket-7"}},
        "MessageGroupId": group_of("LAMP").await,
    });
    assert_eq!(wire.service(|queue| queue.messages.clone()), [expected]);
}

/// The group of a SKU's line, as an adapter says it that is used for nothing else.
async fn group_of(sku: &str) -> String {
    let wire = Wire::to(Queue::default());
    let queue = SqsLineQueue::new(wire.config(&Clock::default()), URL.to_owned());
    let line = OrderLine::unnamed("o1".try_into().unwrap(), sku.try_into().unwrap(), 3.try_into().unwrap());
    queue.put(&line, &call_until(Timestamp::default())).await.unwrap();
    wire.service(|queue| queue.messages[0]["MessageGroupId"].as_str().unwrap().to_owned())
}

/// SQS lets the lines of a busy group wait, not those of others.
#[tokio::test]
async fn the_lines_of_each_sku_are_a_group_by_a_name_that_sqs_takes() {
    let longest = "灯".repeat(255);
    let almost_the_same = format!("{}火", "灯".repeat(254));
    let skus = ["LAMP", "lamp", "A LAMP", "灯", &longest, &almost_the_same];
    let mut groups = BTreeSet::new();
    for sku in skus {
        let group = group_of(sku).await;
        // SendMessage's reference: up to 128 letters, digits and marks of ASCII.
        assert!((1..=128).contains(&group.len()), "{sku}: {group}");
        assert!(group.chars().all(|character| character.is_ascii_graphic()), "{sku}: {group}");
        assert_eq!(group_of(sku).await, group, "{sku}, put by another adapter");
        groups.insert(group);
    }
    assert_eq!(groups.len(), skus.len(), "{groups:?}");
}

/// A line is taken if the queue has it, and only then.
#[tokio::test]
async fn sends_that_fail() {
    for (what, failure, _) in failures_of_any_call() {
        for strikes in [Strikes::Once, Strikes::Twice, Strikes::Always] {
            let wire = Wire::to(Queue::default());
            wire.fails("SendMessage", &failure, strikes);
            let taken = is_taken(&wire).await;
            assert_eq!(wire.service(|queue| queue.messages.len()), usize::from(taken), "{what}");
            assert!(strikes != Strikes::Always || !taken, "{what}");
        }
    }
    // Nobody can tell these from lines that were not sent. One that is put twice is allocated once.
    for (what, failure) in lost_replies() {
        let wire = Wire::to(Queue::default());
        wire.fails("SendMessage", &failure, Strikes::Always);
        assert!(!is_taken(&wire).await, "{what}");
        assert!(wire.service(|queue| !queue.messages.is_empty()), "{what}");
    }
}
