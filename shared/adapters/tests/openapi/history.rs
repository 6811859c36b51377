//! What is asked of the past.

use adapters::http::Route;
use domain::EventType;
use serde_json::{Value, json};

use crate::document::{list, object, page_of, parameter, response, schema, shared};
use crate::service::{Sent, Shop};

pub(crate) fn operations(shop: &Shop) -> Vec<(Route, Value)> {
    let of_product = |sku: &str| shop.answer(Route::ProductHistory, &Sent::name(sku));
    let of_order = |orderid: &str| shop.answer(Route::OrderHistory, &Sent::name(orderid));
    vec![
        (
            Route::ProductHistory,
            json!({
                "operationId": "productHistory",
                "tags": ["products"],
                "summary": "What happened to a SKU",
                "description": "Events as they were published, the oldest first, from the first version on: a page has all \
                    of a version, or nothing. What happened a moment ago may be missing still; what is missing is told.",
                "parameters": [parameter("Sku"), parameter("Limit"), parameter("AfterVersion")],
                "responses": {
                    "200": response("A page of it.", "ProductHistory", &[("history", of_product("RETRO-CLOCK"))]),
                    "400": response("The SKU is no valid name, or the page no valid one.", "Error",
                        &[("invalid", of_product("a%0A"))]),
                    "404": response("No batch of this SKU was ever added.", "Error",
                        &[("unknown", of_product("NO-SUCH-THING"))]),
                    "413": shared("LongAnswer")
                }
            }),
        ),
        (
            Route::OrderHistory,
            json!({
                "operationId": "orderHistory",
                "tags": ["orders"],
                "summary": "What happened to an order",
                "description": "Events of its lines as they were published, by SKU and version, those of lines that were \
                    refused too. A page may have none and a next one, where many others wanted the same SKU.",
                "parameters": [parameter("Orderid"), parameter("Limit"), parameter("After")],
                "responses": {
                    "200": response("A page of it.", "OrderHistory", &[("history", of_order("order-001"))]),
                    "400": response("The id is no valid name, or the page no valid one.", "Error",
                        &[("invalid", of_order("a%0A"))]),
                    "404": response("Nobody asked for this order, or it is forgotten.", "Error",
                        &[("unknown", of_order("order-009"))]),
                    "413": shared("LongAnswer")
                }
            }),
        ),
    ]
}

/// A version, or none yet.
fn reached(description: &str) -> Value {
    json!({"description": description, "type": "integer", "format": "int64", "minimum": 0})
}

pub(crate) fn schemas() -> Value {
    json!({
        "ProductHistory": page_of("events", "PastEvent", &[
            ("sku", schema("Name")),
            ("version", schema("Version")),
            ("complete_to", reached("No event is missing after the page's `after`, up to this version.")),
            ("missing", list("MissingVersions")),
        ]),
        "MissingVersions": object(&[("first", schema("Version")), ("last", schema("Version"))]),
        "OrderHistory": page_of("events", "PastEvent", &[
            ("orderid", schema("Name")),
            ("products", list("ReachedProduct")),
        ]),
        "ReachedProduct": object(&[
            ("sku", schema("Name")),
            ("version", reached("Up to this version, the page has looked for events of the order.")),
            ("complete_to", reached("Since the page's beginning, no event of the SKU is missing up to this version.")),
        ]),
        "PastEvent": past_event()
    })
}

/// An event of any type, flat, since not every generator knows unions: each type's own fields are those of its webhook.
fn past_event() -> Value {
    let types: Vec<&str> = EventType::ALL.iter().map(|event_type| event_type.name()).collect();
    let pieces = || json!({"type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX});
    let time = || json!({"type": "string", "format": "date-time"});
    let nullable = |text: Value| json!({"anyOf": [text, {"type": "null"}]});
    json!({
        "description": "An event as it was published, and its correlation id. Which fields it has, its type says.",
        "type": "object",
        "required": ["type", "sku", "id", "version", "of", "at", "correlation_id"],
        "properties": {
            "type": {"type": "string", "enum": types},
            "sku": schema("Name"),
            "id": {"description": "SKU, version and number, with # between them.", "type": "string", "minLength": 1},
            "version": schema("Version"),
            "of": {"description": "How many events this version has.", "type": "integer", "format": "int64", "minimum": 1},
            "at": time(),
            "correlation_id": {"description": "What it comes of; null, if nothing told.", "type": ["string", "null"]},
            "orderid": schema("Name"),
            "line": schema("Name"),
            "qty": pieces(),
            "line_qty": pieces(),
            "batchref": nullable(schema("Name")),
            "eta": schema("Eta"),
            "was": schema("Eta"),
            "held_until": time(),
            "reason": {"type": "string"},
            "waiting": {"type": "boolean"},
            "lines": pieces()
        }
    })
}
