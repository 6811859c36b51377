//! How lines are named, and how they end.

use adapters::http::Route;
use serde_json::{Value, json};

use crate::document::response;
use crate::orders;
use crate::service::{Sent, Shop};

/// What is answered about lines.
pub(crate) struct Lines<'a>(&'a Shop);

impl<'a> Lines<'a> {
    pub(crate) fn of(shop: &'a Shop) -> Self {
        let lines = Self(shop);
        for name in ["left", "right"] {
            lines.post(Route::Allocate, &named(name, 1));
        }
        lines
    }

    fn post(&self, route: Route, body: &Value) -> crate::service::Answer {
        self.0.answer(route, &Sent::body(body))
    }

    pub(crate) fn deallocate(&self) -> Value {
        let asked = || self.post(Route::Deallocate, &named("right", 1));
        let (done, again) = (asked(), asked());
        self.ending(
            Route::Deallocate,
            "Cancel a line",
            "Its pieces go to lines that wait. The line is not allocated again, whoever asks for it.",
            &json!({
                "200": response("The line is cancelled; also if it was before.", "Done",
                    &[("cancelled", done), ("again", again)]),
                "409": response("The line is shipped; or its batch was full, and the SKU holds as many batches with free \
                    stock as it can.", "Error", &[("shipped", self.post(Route::Deallocate, &shipped()))])
            }),
        )
    }

    pub(crate) fn ship(&self) -> Value {
        let asked = || self.post(Route::Ship, &named("left", 1));
        let (done, again) = (asked(), asked());
        self.ending(
            Route::Ship,
            "Note that a line was shipped",
            "It went to its customer, with pieces of the batch that it is on. It stays there.",
            &json!({
                "200": response("The line is shipped; also if it was before.", "Done",
                    &[("shipped", done), ("again", again)]),
                "409": response("The line waits for stock, or is cancelled.", "Error",
                    &[("cancelled", self.post(Route::Ship, &cancelled()))])
            }),
        )
    }

    fn ending(&self, route: Route, summary: &str, description: &str, responses: &Value) -> Value {
        let unknown = json!({"orderid": "order-009", "sku": "RETRO-CLOCK", "line": "left"});
        let nameless = json!({"orderid": "order-009", "sku": "RETRO-CLOCK"});
        json!({
            "operationId": route.path().trim_start_matches('/'),
            "summary": summary,
            "description": description,
            "parameters": [{"$ref": "#/components/parameters/Correlation"}],
            "requestBody": {
                "required": true,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/LineName"}}}
            },
            "responses": {
                "200": responses["200"],
                "400": response("The body is not valid.", "Error", &[("invalid", self.post(route, &nameless))]),
                "404": response("Nobody asked for this line, or it was refused.", "Error",
                    &[("unknown", self.post(route, &unknown))]),
                "409": responses["409"],
                "413": {"$ref": "#/components/responses/TooLarge"}
            }
        })
    }

    /// Why a line that was promised before is refused.
    pub(crate) fn not_allocated(&self) -> Value {
        response(
            "The line or its order is cancelled, or the line was asked for before with another quantity.",
            "Error",
            &[
                ("cancelled", self.post(Route::Allocate, &cancelled())),
                ("orderCancelled", orders::refused(self.0)),
                ("differs", self.post(Route::Allocate, &named("left", 2))),
            ],
        )
    }
}

fn named(name: &str, qty: u32) -> Value {
    json!({"orderid": "order-005", "sku": "RETRO-CLOCK", "qty": qty, "line": name})
}

fn shipped() -> Value {
    json!({"orderid": "order-003", "sku": "RETRO-CLOCK", "line": "gift"})
}

fn cancelled() -> Value {
    json!({"orderid": "order-003", "sku": "RETRO-CLOCK", "qty": 2})
}

pub(crate) fn own_name() -> Value {
    json!({
        "description": "Tells the line from the others of its order and SKU. Without it, its quantity in digits does. \
            Together with the SKU at most 1,018 bytes of UTF-8.",
        "anyOf": [{"$ref": "#/components/schemas/Name"}, {"type": "null"}]
    })
}

pub(crate) fn name() -> Value {
    json!({
        "description": "What names a line: `line` or, of one that was asked for without it, `qty`.",
        "type": "object", "required": ["orderid", "sku"],
        "properties": {
            "orderid": {"$ref": "#/components/schemas/Name"},
            "sku": {"$ref": "#/components/schemas/Name"},
            "line": {"$ref": "#/components/schemas/LineOwnName"},
            "qty": {"anyOf": [{"$ref": "#/components/schemas/Quantity"}, {"type": "null"}]}
        },
        "anyOf": [
            {"required": ["line"], "properties": {"line": {"$ref": "#/components/schemas/Name"}}},
            {"required": ["qty"], "properties": {"qty": {"$ref": "#/components/schemas/Quantity"}}}
        ],
        "examples": [
            {"orderid": "order-001", "sku": "RETRO-CLOCK", "qty": 10},
            {"orderid": "order-003", "sku": "RETRO-CLOCK", "line": "gift"},
            {"orderid": "order-003", "sku": "RETRO-CLOCK", "qty": 2}
        ]
    })
}
