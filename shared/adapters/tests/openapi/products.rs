//! What is asked about products.

use adapters::http::Route;
use serde_json::{Value, json};

use crate::document::{list, object, page, parameter, response, schema, shared};
use crate::orders::with_held_until;
use crate::service::{Answer, Sent, Shop};

pub(crate) fn operations(shop: &Shop) -> Vec<(Route, Value)> {
    let ask = |route: Route, sku: &str| -> Answer { shop.answer(route, &Sent::name(sku)) };
    let responses = |route: Route, invalid: &str, found: Value| {
        json!({
            "200": found,
            "400": response(invalid, "Error", &[("invalid", ask(route, "a%0A"))]),
            "404": response("No batch of this SKU was ever added.", "Error", &[("unknown", ask(route, "NO-SUCH-THING"))]),
            "413": shared("LongAnswer")
        })
    };
    let (product, waiting) = (ask(Route::ShowProduct, "RETRO-CLOCK"), ask(Route::ListWaiting, "TALL-LAMP"));
    vec![
        (
            Route::ShowProduct,
            json!({
                "operationId": "showProduct",
                "tags": ["products"],
                "summary": "How much there is, and when more comes",
                "description": "As of one moment, which `version` names: events of a higher version came after it.",
                "parameters": [parameter("Sku")],
                "responses": responses(Route::ShowProduct, "The SKU is no valid name.", response("The product.", "Product", &[("product", product)]))
            }),
        ),
        (
            Route::ListWaiting,
            json!({
                "operationId": "listWaiting",
                "tags": ["products"],
                "summary": "The lines that wait for stock",
                "description": "Lines that were promised and lost their batch, the oldest promise first: in this order they \
                    are served. The list may be a moment behind the last commits.",
                "parameters": [parameter("Sku"), parameter("Limit"), parameter("After")],
                "responses": responses(Route::ListWaiting, "The SKU is no valid name, or the page no valid one.",
                    response("A page of them.", "WaitingLines", &[("waiting", waiting)]))
            }),
        ),
    ]
}

pub(crate) fn schemas() -> Value {
    let of_batch = [
        ("eta", schema("Eta")),
        ("purchased", schema("Pieces")),
        ("allocated", schema("Pieces")),
        ("shipped", schema("Pieces")),
        ("free", schema("Pieces")),
    ];
    let batch = |name: &'static str| object(&[&[(name, schema("Name"))], &of_batch[..]].concat());
    json!({
        "Product": object(&[
            ("sku", schema("Name")),
            ("version", schema("Version")),
            ("free", schema("Sum")),
            ("incoming", list("Incoming")),
            ("waiting", object(&[("lines", schema("Pieces")), ("qty", schema("Sum"))])),
            ("batches", list("OpenBatch")),
        ]),
        "Incoming": object(&[("eta", json!({"type": "string", "format": "date"})), ("free", schema("Sum"))]),
        "OpenBatch": batch("ref"),
        "SkuBatch": batch("sku"),
        "WaitingLines": page("WaitingLine"),
        "WaitingLine": with_held_until(object(&[
            ("orderid", schema("Name")),
            ("sku", schema("Name")),
            ("line", schema("Name")),
            ("qty", json!({
                "description": "Its pieces that wait: not all of it, if it is split.",
                "type": "integer", "format": "int64", "minimum": 1, "maximum": u32::MAX
            })),
            ("since", json!({
                "description": "The product's version since which it waits.",
                "type": "integer", "format": "int64", "minimum": 1
            })),
        ]))
    })
}
