//! What subscribers of the topic get: the document's webhooks. Each event of a real commit is held against them.

use std::collections::BTreeSet;

use adapters::in_memory::{InMemoryEnvironment, InMemoryStore, call_until};
use domain::{EventType, IfShort, Revision, Terms};
use serde_json::{Map, Value, json};
use service_layer::outbox::Envelope;
use service_layer::ports::Timestamp;
use service_layer::{MessageBus, PutOrder};
use testing::{Command, comes, holds, line, new_batch, whole};

use crate::document::document;
use crate::schema::{describes_all, matches};

fn name() -> Value {
    json!({"$ref": "#/components/schemas/Name"})
}

fn pieces(least: u32) -> Value {
    json!({"type": "integer", "format": "int64", "minimum": least, "maximum": u32::MAX})
}

/// The fields of one type beside those that all have.
fn fields(event_type: EventType) -> Map<String, Value> {
    let eta = || json!({"$ref": "#/components/schemas/Eta"});
    let held_until = || {
        json!({
            "description": "Until when the line is promised, if that is for a while only.", "type": "string", "format": "date-time"
        })
    };
    let line_qty = || {
        let described = "How many pieces the line has, if it may be split: `qty` are all of them, or a part.";
        let mut quantity = pieces(1);
        quantity["description"] = json!(described);
        quantity
    };
    let or_null = |schema: Value| json!({"anyOf": [schema, {"type": "null"}]});
    let of_line = || vec![("orderid", name()), ("qty", pieces(1)), ("line", name())];
    let own = match event_type {
        EventType::Allocated => {
            let may_lack = vec![("held_until", held_until()), ("line_qty", line_qty())];
            [of_line(), vec![("batchref", name()), ("eta", eta())], may_lack].concat()
        }
        EventType::HoldChanged => {
            [of_line(), vec![("batchref", or_null(name())), ("held_until", held_until())]].concat()
        }
        EventType::Confirmed => [of_line(), vec![("batchref", or_null(name())), ("eta", eta())]].concat(),
        EventType::Deallocated => [
            of_line(),
            vec![("batchref", name()), ("reason", json!({"type": "string", "enum": ["shrunk", "delayed"]}))],
        ]
        .concat(),
        EventType::OutOfStock => {
            let own = vec![("waiting", json!({"type": "boolean"})), ("lines", pieces(1)), ("line_qty", line_qty())];
            [of_line(), own].concat()
        }
        EventType::Shipped => [of_line(), vec![("batchref", name())]].concat(),
        EventType::Cancelled => [
            of_line(),
            vec![
                ("batchref", or_null(name())),
                ("reason", json!({"type": "string", "enum": ["asked", "edited", "expired"]})),
            ],
        ]
        .concat(),
        EventType::BatchCreated => vec![("batchref", name()), ("qty", pieces(1)), ("eta", eta())],
        EventType::BatchQuantityChanged => vec![("batchref", name()), ("qty", pieces(0))],
        EventType::BatchEtaChanged => vec![("batchref", name()), ("eta", eta()), ("was", eta())],
    };
    own.into_iter().map(|(field, schema)| (field.to_owned(), schema)).collect()
}

fn schema(event_type: EventType) -> Value {
    let mut properties = fields(event_type);
    let of_all = [
        ("type", json!({"type": "string", "const": event_type.name()})),
        ("sku", name()),
        ("id", json!({"description": "sku#version#n: the same event has the same one.", "type": "string"})),
        (
            "version",
            json!({"description": "The product's, since this event.", "type": "integer", "format": "int64", "minimum": 1}),
        ),
        ("of", json!({"description": "How many events this version has.", "type": "integer", "minimum": 1})),
        ("at", json!({"description": "The time of the commit.", "type": "string", "format": "date-time"})),
    ];
    properties.extend(of_all.map(|(field, schema)| (field.to_owned(), schema)));
    let may_lack = |field: &str| match field {
        "held_until" => event_type != EventType::HoldChanged,
        "line_qty" => true,
        _ => false,
    };
    let required: Vec<&String> = properties.keys().filter(|field| !may_lack(field)).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// Schemas by type.
pub(crate) fn schemas() -> impl Iterator<Item = (String, Value)> {
    EventType::ALL.iter().map(|event_type| (format!("{}Event", event_type.name()), schema(*event_type)))
}

/// A webhook for each type, named by its channel.
pub(crate) fn webhooks() -> Value {
    let told = told();
    let webhook = |event_type: &EventType| {
        let example = told.iter().find(|envelope| envelope.event.event_type() == *event_type).unwrap();
        let schema = json!({"$ref": format!("#/components/schemas/{}Event", event_type.name())});
        let post = json!({"post": {
            "operationId": format!("on{}", event_type.name()),
            "tags": ["events"],
            "summary": format!("{} (channel {})", event_type.name(), event_type.channel()),
            "description": "Sent by SNS to subscribers of the stack's topic, raw; its attributes `type` and `channel` are \
                for filter policies. It may come more than once, and in any order.",
            "requestBody": {"required": true, "content": {"application/json": {"schema": schema, "example": example}}},
            "responses": {"2XX": {"description": "The event was taken."}}
        }});
        (event_type.name().to_owned(), post)
    };
    Value::Object(EventType::ALL.iter().map(webhook).collect())
}

/// Events of each type, as real commits told them.
fn told() -> Vec<Envelope> {
    let store = InMemoryStore::default();
    let bus = MessageBus::new(&store, InMemoryEnvironment::default(), ());
    let asked = |orderid: &str, qty: u32| line(orderid, "RETRO-CLOCK", qty);
    let commands = [
        Command::CreateBatch(new_batch("batch-001", "RETRO-CLOCK", 9)),
        Command::Allocate(asked("order-001", 4)),
        Command::Allocate(asked("order-002", 3)),
        Command::Allocate(asked("order-003", 50)),
        Command::Ship(asked("order-001", 4).id()),
        Command::CreateBatch(new_batch("batch-002", "RETRO-CLOCK", 5)),
        Command::ChangeBatch(comes("batch-001", Some("2031-01-02"), Revision::Version(1))),
        Command::ChangeBatch(holds("batch-001", 0, Revision::Version(1))),
        Command::ChangeBatch(holds("batch-002", 0, Revision::Version(1))),
        Command::Deallocate(asked("order-002", 3).id()),
        Command::CreateBatch(new_batch("batch-003", "RETRO-CLOCK", 5)),
        Command::PutOrder(whole("order-004", vec![asked("order-004", 2)])),
        Command::PutOrder(whole("order-004", vec![asked("order-004", 3)])),
        Command::PutOrder(PutOrder {
            terms: Terms { hold_until: Some(Timestamp(20_000)), ..Terms::default() },
            ..whole("order-005", vec![asked("order-005", 1)])
        }),
        Command::PutOrder(PutOrder {
            terms: Terms { hold_until: Some(Timestamp(30_000)), ..Terms::default() },
            ..whole("order-005", vec![asked("order-005", 1)])
        }),
        Command::PutOrder(whole("order-005", vec![asked("order-005", 1)])),
        Command::PutOrder(PutOrder {
            terms: Terms { may_split: true, if_short: IfShort::Wait, hold_until: None },
            ..whole("order-006", vec![asked("order-006", 20)])
        }),
    ];
    for command in commands {
        crate::now(bus.handle(&command, &call_until(Timestamp(10_000)))).unwrap();
    }
    store.outbox()
}

#[test]
fn each_event_is_as_its_webhook_says() {
    let (document, mut seen) = (document(), BTreeSet::new());
    for envelope in told() {
        let event_type = envelope.event.event_type();
        let schema = &document["components"]["schemas"][format!("{}Event", event_type.name())];
        let event = serde_json::to_value(&envelope).unwrap();
        assert!(matches(&document, schema, &event), "{event} is not what {schema} says");
        assert!(describes_all(&document, schema, &event), "{event} has more than {schema} says");
        seen.insert(event_type);
    }
    assert_eq!(seen, EventType::ALL.iter().copied().collect(), "each of them was held against its schema");
}
