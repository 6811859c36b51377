//! What is asked of whole orders, and how they are shown.

use adapters::http::Route;
use serde_json::{Value, json};

use crate::document::response;
use crate::service::{Answer, Sent, Shop};

fn cancel(shop: &Shop, orderid: &str) -> Answer {
    shop.answer(Route::CancelOrder, &Sent { name: Some(orderid.to_owned()), ..Sent::default() })
}

/// How an order is cancelled: `order-006`, which has a line, one that has one shipped, and one that nobody has heard of.
pub(crate) fn cancellation(shop: &Shop) -> Value {
    let line = json!({"orderid": "order-006", "sku": "RETRO-CLOCK", "qty": 5});
    assert_eq!(shop.answer(Route::Allocate, &Sent::body(&line)).status, 202);
    let (cancelled, again) = (cancel(shop, "order-006"), cancel(shop, "order-006"));
    json!({
        "operationId": "cancelOrder",
        "summary": "Cancel an order",
        "description": "All its lines are cancelled, and their pieces go to lines that wait. Those that were shipped stay so. \
            It gets no more lines: whoever asks for one is refused. So it is with an order that nobody has heard of yet.",
        "parameters": [
            {
                "name": "orderid", "in": "path", "required": true,
                "description": "Percent-encoded, slashes too.",
                "schema": {"$ref": "#/components/schemas/Name"}
            },
            {"$ref": "#/components/parameters/Correlation"}
        ],
        "responses": {
            "200": response("The order is cancelled; also if it was before.", "Order", &[
                ("cancelled", cancelled), ("again", again), ("shipped", cancel(shop, "order-003")),
                ("unknown", cancel(shop, "order-007")),
            ]),
            "400": response("The id is no valid name.", "Error", &[("invalid", cancel(shop, "order%0A006"))])
        }
    })
}

/// A line of a cancelled order.
pub(crate) fn refused(shop: &Shop) -> Answer {
    assert_eq!(cancel(shop, "order-008").status, 200);
    let line = json!({"orderid": "order-008", "sku": "RETRO-CLOCK", "qty": 5});
    shop.answer(Route::Allocate, &Sent::body(&line))
}

pub(crate) fn order() -> Value {
    json!({
        "type": "object", "required": ["orderid", "lines", "next"], "additionalProperties": false,
        "properties": {
            "orderid": {"$ref": "#/components/schemas/Name"},
            "lines": {
                "description": "By SKU and name; the first hundred of them.",
                "type": "array", "items": {"$ref": "#/components/schemas/ShownLine"}
            },
            "next": {"type": "null"}
        }
    })
}

pub(crate) fn line() -> Value {
    json!({
        "type": "object", "required": ["sku", "line", "qty", "state", "parts"], "additionalProperties": false,
        "properties": {
            "sku": {"$ref": "#/components/schemas/Name"},
            "line": {"$ref": "#/components/schemas/Name"},
            "qty": {"type": "integer", "minimum": 1},
            "state": {"enum": ["allocated", "waiting", "shipped", "cancelled"]},
            "parts": {
                "description": "Which batches its pieces are of; none unless it is allocated or shipped.",
                "type": "array",
                "items": {
                    "type": "object", "required": ["batchref", "eta", "qty"], "additionalProperties": false,
                    "properties": {
                        "batchref": {"$ref": "#/components/schemas/Name"},
                        "eta": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
                        "qty": {"type": "integer", "minimum": 1}
                    }
                }
            }
        }
    })
}
