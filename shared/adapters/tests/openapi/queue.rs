//! The warehouse's messages as JSON Schema: docs/warehouse.schema.json. Messages made from it are taken or refused as it
//! says.

use adapters::in_memory::{InMemoryEnvironment, InMemoryStore, call_until};
use adapters::sqs::hear_warehouse;
use lambda_runtime::Context;
use serde_json::{Value, json};
use service_layer::MessageBus;
use service_layer::ports::Timestamp;
use testing::{Command, line, new_batch, sqs_event, sqs_message};

use crate::document::name as name_schema;
use crate::requests::{candidates, with, without};
use crate::schema::matches;
use crate::{hold, now};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/warehouse.schema.json");

/// Whole numbers from 0 to 4294967295, in digits.
const DIGITS: &str = "^0*([0-9]{1,9}|[1-3][0-9]{9}|4[01][0-9]{8}|42[0-8][0-9]{7}|429[0-3][0-9]{6}|4294[0-8][0-9]{5}|\
    42949[0-5][0-9]{4}|429496[0-6][0-9]{3}|4294967[01][0-9]{2}|42949672[0-8][0-9]|429496729[0-5])$";

fn defined(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A message of the warehouse's queue",
        "description": "How a batch is, or that a line was shipped. A field that is not known is refused, since what a \
            misspelt one says would be lost. Null counts as absent, but for `eta`.",
        "oneOf": [defined("change"), defined("shipment")],
        "$defs": {
            "change": change(),
            "shipment": {
                "type": "object", "required": ["shipped"], "additionalProperties": false,
                "properties": {"shipped": defined("line")},
                "examples": [{"shipped": {"orderid": "order-001", "sku": "RETRO-CLOCK", "qty": 3}}]
            },
            "line": named_line(),
            "name": name_schema(),
            "pieces": {
                "description": "A whole number, or its digits.",
                "anyOf": [
                    {"type": "integer", "minimum": 0, "maximum": u32::MAX}, {"type": "string", "pattern": DIGITS}
                ]
            },
            "quantity": {
                "description": "A whole number, or its digits.",
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": u32::MAX},
                    {"type": "string", "pattern": DIGITS, "not": {"pattern": "^0*$"}}
                ]
            }
        }
    })
}

fn change() -> Value {
    let described = |schema: Value, description: &str| json!({"description": description, "allOf": [schema]});
    json!(    {
        "type": "object", "additionalProperties": false,
        "properties": {
            "batchref": defined("name"),
            "batchid": described(defined("name"), "Another name for `batchref`."),
            "sku": described(defined("name"), "Which of several SKUs that share the reference."),
            "qty": described(defined("pieces"), "All pieces that the batch ever held, shipped ones too."),
            "on_hand": described(defined("pieces"), "The pieces that lie on the shelf, without shipped ones."),
            "eta": {
                "description": "The day on which it is expected; null once it is in the warehouse.",
                "anyOf": [
                    {"type": "string", "format": "date", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"},
                    {"type": "null"}
                ]
            },
            "version": {
                "description": "The sender's own count of this batch's changes. It outranks any time.",
                "anyOf": [
                    {"type": "integer", "minimum": 0, "maximum": u64::MAX}, {"type": "string", "pattern": "^[0-9]{1,19}$"}
                ]
            },
            "as_of": {
                "description": "When this was true: milliseconds since 1970, or a time with a zone. Not before \
                    2001, and not more than a day after the message was sent.",
                "anyOf": [
                    {"type": "integer", "minimum": 978_307_200_000_u64},
                    {"type": "string", "pattern": "^[0-9]{12,}$"},
                    {"type": "string", "format": "date-time", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T"}
                ]
            }
        },
        "allOf": [
            {"oneOf": [{"required": ["batchref"]}, {"required": ["batchid"]}]},
            {"anyOf": [{"required": ["qty"]}, {"required": ["on_hand"]}, {"required": ["eta"]}]},
            {"not": {"required": ["qty", "on_hand"]}}
        ],
        "examples": [
            {"batchref": "batch-001", "qty": 25},
            {"batchid": "batch-001", "sku": "RETRO-CLOCK", "on_hand": "20", "version": 7},
            {"batchref": "batch-001", "eta": "2030-01-02", "as_of": "2023-11-14T22:13:20Z"},
            {"batchref": "batch-001", "qty": 25, "eta": null, "as_of": 1_700_000_000_000_u64}
        ]
    })
}

fn named_line() -> Value {
    json!(    {
        "description": "What names a line: `line` or, of one that was asked for without it, `qty`.",
        "type": "object", "required": ["orderid", "sku"], "additionalProperties": false,
        "properties": {
            "orderid": defined("name"), "sku": defined("name"), "line": defined("name"), "qty": defined("quantity")
        },
        "anyOf": [{"required": ["line"]}, {"required": ["qty"]}],
        "examples": [
            {"orderid": "order-001", "sku": "RETRO-CLOCK", "qty": 3},
            {"orderid": "order-001", "sku": "RETRO-CLOCK", "line": "gift"}
        ]
    })
}

#[test]
fn the_file_is_what_the_code_says() {
    hold(FILE, &schema());
}

/// A service with a batch whose names are the examples', and two lines on it.
fn taken(message: &Value) -> bool {
    let bus = MessageBus::new(InMemoryStore::default(), InMemoryEnvironment::default(), ());
    let asked = |name: &str| {
        let line = line("order-001", "RETRO-CLOCK", 3);
        Command::Allocate(domain::OrderLine { name: name.try_into().unwrap(), ..line })
    };
    for command in [Command::CreateBatch(new_batch("batch-001", "RETRO-CLOCK", 9)), asked("3"), asked("gift")] {
        now(bus.handle(&command, &call_until(Timestamp(10_000)))).unwrap();
    }
    let mut sent = sqs_message("1", &message.to_string());
    sent.attributes.insert("SentTimestamp".to_owned(), "1700000000000".to_owned());
    now(hear_warehouse(&bus, sqs_event([sent]), &Context::default(), 5)).batch_item_failures.is_empty()
}

/// Names, and what a line is named by, say something only if they are those of what is there; and times have limits that
/// no schema can say.
fn is_limited(kind: &str, field: &str) -> bool {
    kind == "line" || ["batchref", "batchid", "sku", "as_of"].contains(&field)
}

#[test]
fn a_message_is_taken_if_it_is_as_the_schema_says() {
    let schema = schema();
    let (mut valid, mut invalid) = (Vec::new(), vec![json!([]), json!("text"), json!(1), Value::Null, json!({})]);
    for name in ["change", "line"] {
        let kind = &schema["$defs"][name];
        for example in kind["examples"].as_array().unwrap() {
            valid.push(example.clone());
            for (field, of_field) in kind["properties"].as_object().unwrap() {
                let (good, bad) = candidates(&schema, of_field);
                let good =
                    good.into_iter().filter(|_| !is_limited(name, field)).map(|value| with(example, field, value));
                let bad = bad.into_iter().filter(|value| !value.is_null()).map(|value| with(example, field, value));
                let all: Vec<Value> = good.chain(bad).chain([without(example, field)]).collect();
                let (good, bad): (Vec<_>, Vec<_>) = all.into_iter().partition(|body| matches(&schema, kind, body));
                valid.extend(good);
                invalid.extend(bad);
            }
            invalid.push(with(example, "Qty", json!(5)));
        }
    }
    // A shipment has its line inside.
    let outer = |body: Value| if body["orderid"].is_null() { body } else { json!({ "shipped": body }) };
    for message in valid.into_iter().map(outer) {
        assert!(matches(&schema, &schema, &message), "{message} is a message");
        assert!(taken(&message), "{message} is valid, and refused");
    }
    for message in invalid.into_iter().map(outer) {
        assert!(!matches(&schema, &schema, &message), "{message} is no message");
        assert!(!taken(&message), "{message} is not valid, and taken");
    }
}
