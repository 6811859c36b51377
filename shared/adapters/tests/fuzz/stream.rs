//! Records of the table's stream. What comes before one that can't be read is published, and the stream goes on there.

use adapters::in_memory::{InMemoryEnvironment, InMemoryTopic};
use adapters::stream::publish_events;
use lambda_runtime::Context;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::object::text;
use crate::{REASON_CHARACTERS, config, now};

fn head(version: u32) -> Value {
    let line = json!({
        "type": {"S": "Allocated"}, "orderid": {"S": "o1"}, "sku": {"S": "LAMP"}, "qty": {"N": "3"}, "line": {"S": "3"},
        "batchref": {"S": "b1"}, "eta": {"S": "2011-01-02"}
    });
    let created = json!({
        "type": {"S": "BatchCreated"}, "batchref": {"S": "b1"}, "sku": {"S": "LAMP"}, "qty": {"N": "9"},
        "eta": {"NULL": true}
    });
    let batch = json!({
        "ref": {"S": "b1"}, "eta": {"S": "2011-01-02"}, "purchased": {"N": "9"}, "allocated": {"N": "3"},
        "revision": {"M": {"as_of": {"N": "5"}}}
    });
    json!({
        "PK": {"S": "SKU#LAMP"}, "SK": {"S": "PRODUCT"}, "version": {"N": version.to_string()},
        "commit": {"S": "00000000000000ff"}, "batches": {"L": [{"M": batch}]}, "backlog": {"BOOL": false},
        "waiting": {"M": {"lines": {"N": "0"}, "since": {"N": "0"}, "qty": {"N": "0"}}},
        "events": {"L": [{"M": line}, {"M": created}]}, "at": {"S": "2031-01-01T12:00:00.000Z"}
    })
}

/// The published ids; and the record at which the stream is to go on, or why the batch is to be halved.
fn publish(images: &[Value]) -> (Vec<String>, Result<Vec<String>, String>) {
    let record = |(number, image): (usize, &Value)| {
        json!({
            "eventID": "e", "eventName": "MODIFY", "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_300_000_000, "SequenceNumber": number.to_string(),
                "SizeBytes": 1, "StreamViewType": "NEW_IMAGE", "NewImage": image
            }
        })
    };
    let records: Vec<Value> = images.iter().enumerate().map(record).collect();
    let event = serde_json::from_value(json!({"Records": records})).unwrap();
    let topic = InMemoryTopic::default();
    let mut context = Context::default();
    context.deadline = 30_000;
    let answer = now(publish_events(&topic, &InMemoryEnvironment::default(), event, &context));
    let ids = topic.published().into_iter().map(|envelope| envelope.id).collect();
    let stops = answer
        .map(|answer| answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier.unwrap()).collect());
    (ids, stops.map_err(|stopped| adapters::report::chain(&stopped)))
}

/// Attributes of every type.
fn attribute() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|text| json!({"S": text})),
        (1..100_000_usize).prop_map(|length| json!({"S": "x".repeat(length)})),
        any::<i64>().prop_map(|number| json!({"N": number.to_string()})),
        proptest::sample::select(vec![
            json!({"N": "1E+125"}),
            json!({"N": "1.5"}),
            json!({"N": "18446744073709551616"}),
            json!({"N": "none"}),
            json!({"N": ""}),
            json!({"NULL": true}),
            json!({"BOOL": true}),
            json!({"L": []}),
            json!({"M": {}}),
            json!({"B": "AAEC"}),
            json!({"SS": ["a"]}),
            json!({"NS": ["1"]}),
            json!({"BS": ["AA=="]}),
        ]),
        (1..30_usize).prop_map(|depth| (0..depth).fold(json!({"N": "1"}), |inner, _| json!({"M": {"a": inner}}))),
    ]
}

/// The JSON pointers of all attributes, those inside of lists and maps too.
fn pointers(attributes: &Value, at: &str) -> Vec<String> {
    let inner = |(name, attribute): (String, &Value)| {
        let at = format!("{at}/{name}");
        let mut found = vec![at.clone()];
        if attribute.get("M").is_some() {
            found.extend(pointers(&attribute["M"], &format!("{at}/M")));
        }
        for (number, element) in attribute["L"].as_array().into_iter().flatten().enumerate() {
            found.extend(pointers(&element["M"], &format!("{at}/L/{number}/M")));
        }
        found
    };
    let fields = attributes.as_object().unwrap();
    fields.iter().flat_map(|(name, attribute)| inner((name.clone(), attribute))).collect()
}

/// A head in which one attribute is lost or another.
fn broken() -> impl Strategy<Value = Value> {
    (any::<Index>(), proptest::option::of(attribute())).prop_map(|(at, replacement)| {
        let mut image = head(8);
        let pointers = pointers(&image, "");
        let pointer = &pointers[at.index(pointers.len())];
        if let Some(attribute) = replacement {
            *image.pointer_mut(pointer).unwrap() = attribute;
        } else {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            image.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
        }
        image
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_comes_before_a_broken_record_is_published(image in broken()) {
        let (ids, stops) = publish(&[head(7), image.clone(), head(9)]);
        prop_assert_eq!(&ids[..2], ["LAMP#7#1", "LAMP#7#2"]);
        match stops.unwrap().as_slice() {
            [] => prop_assert_eq!(&ids[ids.len() - 2..], ["LAMP#9#1", "LAMP#9#2"]),
            [stop] => prop_assert!(stop == "1" && ids.len() == 2),
            _ => panic!("a stream goes on at one place"),
        }
        let (ids, stops) = publish(&[image, head(9)]);
        match stops {
            Ok(stops) => prop_assert!(stops.is_empty() && ids.len() >= 2),
            Err(reason) => {
                prop_assert!(ids.is_empty() && reason.contains("of the table can't be read"), "{}", reason);
                prop_assert!(reason.chars().count() <= REASON_CHARACTERS + 1_000, "with its key: {}", reason);
            }
        }
    }
}
