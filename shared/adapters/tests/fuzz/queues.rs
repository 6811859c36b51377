//! Messages of both queues. Each is between two good ones, which are handled whatever it is.

use std::collections::HashMap;

use adapters::in_memory::{InMemoryEnvironment, InMemoryMailer, InMemoryStore, call_until};
use adapters::sqs::{handle_events, hear_warehouse};
use aws_lambda_events::sqs::SqsEvent;
use domain::{Batch, Product};
use lambda_runtime::Context;
use proptest::prelude::*;
use serde_json::{Value, json};
use service_layer::ports::Timestamp;
use service_layer::{CreateBatch, MessageBus};
use testing::{new_batch, sqs_event, sqs_message};

use crate::http::whole_number;
use crate::object::{Object, mutated, value};
use crate::{config, contents, now};

/// Messages of these bodies, named by their numbers.
fn event(bodies: &[&str], attributes: &Value) -> SqsEvent {
    let attributes: HashMap<String, String> = serde_json::from_value(attributes.clone()).unwrap();
    sqs_event(bodies.iter().enumerate().map(|(number, body)| {
        let mut message = sqs_message(&number.to_string(), body);
        message.attributes.clone_from(&attributes);
        message
    }))
}

type Bus = MessageBus<InMemoryStore, InMemoryEnvironment, InMemoryMailer>;

/// A service with batches `b0`, `b1` and `b2` of ten pieces each.
fn shop() -> Bus {
    let bus = MessageBus::new(InMemoryStore::default(), InMemoryEnvironment::default(), InMemoryMailer::default());
    let store_only = MessageBus::new(bus.store(), InMemoryEnvironment::default(), ());
    for reference in ["b0", "b1", "b2"] {
        let command = CreateBatch(new_batch(reference, "LAMP", 10));
        now(store_only.handle(&command, &call_until(Timestamp(1_000)))).unwrap();
    }
    bus
}

fn batch(bus: &Bus, reference: &str) -> Batch {
    let products = bus.store().products();
    products.iter().flat_map(Product::batches).find(|batch| batch.reference.as_str() == reference).unwrap().clone()
}

fn purchased(bus: &Bus, reference: &str) -> u32 {
    batch(bus, reference).purchased
}

/// The numbers of the messages that go back to the queue.
fn change(bus: &Bus, bodies: &[&str], attributes: &Value) -> Vec<String> {
    let commands = MessageBus::new(bus.store(), InMemoryEnvironment::default(), ());
    let response = now(hear_warehouse(&commands, event(bodies, attributes), &Context::default(), 5));
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

fn react(bus: &Bus, bodies: &[&str]) -> Vec<String> {
    let response = now(handle_events(bus, event(bodies, &json!({})), &Context::default(), 5));
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

const FIRST: &str = r#"{"batchref":"b0","qty":25}"#;
const LAST: &str = r#"{"batchid":"b2","qty":"0"}"#;

fn sent() -> Value {
    json!({"SentTimestamp": "1700000000000", "ApproximateReceiveCount": "1"})
}

fn change_body() -> Object {
    Object::of(&[("batchref", "\"b1\""), ("qty", "7"), ("version", "1"), ("as_of", "1699999999999")])
}

fn arrival_body() -> Object {
    let (sku, eta) = (("sku", "\"LAMP\""), ("eta", "\"2011-01-31\""));
    Object::of(&[("batchref", "\"b1\""), sku, eta, ("on_hand", "7"), ("version", "1")])
}

fn shipped_body() -> Object {
    Object::of(&[("shipped", r#"{"orderid":"o1","sku":"LAMP","qty":2}"#)])
}

/// A body between two good ones: it does what it says, or goes back and changes nothing.
fn check_change(body: &str) -> Result<(), TestCaseError> {
    let bus = shop();
    let failed = change(&bus, &[FIRST, body, LAST], &sent());
    prop_assert_eq!((purchased(&bus, "b0"), purchased(&bus, "b2")), (25, 0), "its neighbours are handled");
    let without = shop();
    change(&without, &[FIRST, "", LAST], &sent());
    if failed.is_empty() {
        let said: Value = serde_json::from_str(body).unwrap_or_default();
        if said["batchref"] == "b1" || said["batchid"] == "b1" {
            let kept = batch(&bus, "b1");
            for pieces in
                ["qty", "on_hand"].into_iter().filter_map(|field| said.get(field)).filter(|pieces| !pieces.is_null())
            {
                prop_assert_eq!(Some(kept.purchased.into()), whole_number(pieces), "it is kept as sent");
            }
            if let Some(eta) = said.get("eta") {
                prop_assert_eq!(kept.eta.map(|eta| eta.to_string()), eta.as_str().map(str::to_owned));
            }
        }
    } else {
        prop_assert_eq!(failed, ["1"]);
        prop_assert_eq!(contents(bus.store()), contents(without.store()));
        prop_assert_eq!(bus.store().outbox().len(), 5, "three batches and two changes");
    }
    Ok(())
}

fn out_of_stock(number: u32) -> Object {
    let fields = [
        ("type", "\"OutOfStock\""),
        ("orderid", "\"o1\""),
        ("sku", "\"LAMP\""),
        ("qty", "3"),
        ("line", "\"3\""),
        ("waiting", "true"),
        ("of", "1"),
        ("at", "\"2031-01-01T12:00:00.000Z\""),
    ];
    // Each of a commit of its own, which has a mail of its own.
    Object::of(&fields).with("version", number.to_string()).with("id", format!("\"LAMP#{number}#1\""))
}

fn check_event(body: &str) -> Result<(), TestCaseError> {
    let bus = shop();
    let before = contents(bus.store());
    let failed = react(&bus, &[&out_of_stock(1).text(), body, &out_of_stock(2).text()]);
    let mails = bus.mailer().sent();
    prop_assert!(failed.is_empty() || failed == ["1"]);
    let neighbours = mails.iter().filter(|mail| mail.text.contains("no batch has 3 left for order o1.")).count();
    prop_assert!(neighbours >= 2, "its neighbours are handled");
    let most = if failed.is_empty() { 3 } else { 2 };
    prop_assert!(mails.len() <= most);
    for mail in &mails {
        prop_assert!(!mail.subject.contains(char::is_control), "no header is forged: {:?}", mail.subject);
        prop_assert_eq!(mail.text.lines().count(), 3, "nor a further line: {:?}", mail.text);
    }
    prop_assert_eq!(contents(bus.store()), before);
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_a_change_or_goes_back(body in any::<String>()) {
        check_change(&body)?;
        check_event(&body)?;
    }

    #[test]
    fn a_change_is_kept_as_it_was_sent_or_goes_back(
        body in prop_oneof![mutated(change_body()), mutated(arrival_body()), mutated(shipped_body())],
    ) {
        check_change(&body)?;
    }

    #[test]
    fn an_event_is_reacted_to_or_goes_back(body in mutated(out_of_stock(9))) {
        check_event(&body)?;
    }

    #[test]
    fn times_of_sending_may_be_anything(sent in any::<String>(), of_body in value()) {
        let bus = shop();
        let body = Object::of(&[("batchref", "\"b1\""), ("qty", "7")]).with("as_of", of_body).text();
        let failed = change(&bus, &[&body, r#"{"batchref":"b1","qty":7}"#], &json!({"SentTimestamp": sent}));
        prop_assert!(failed.iter().all(|id| id == "0" || sent.parse::<u64>().is_err()));
    }
}

#[test]
fn depth_is_no_danger() {
    let deep = "[".repeat(100_000);
    for field in ["batchref", "sku", "qty", "on_hand", "eta", "version", "as_of", "shipped", "unknown"] {
        check_change(&change_body().with(field, deep.clone()).text()).unwrap();
    }
    for field in ["type", "orderid", "qty", "id", "version", "unknown"] {
        check_event(&out_of_stock(9).with(field, deep.clone()).text()).unwrap();
    }
}
