//! How lines get a place, how they are named, and how they end.

use adapters::http::Route;
use serde_json::{Value, json};

use crate::document::{body, lacks, object, parameter, response, schema, shared};
use crate::orders;
use crate::service::{Answer, Sent, Shop};

/// What is answered about lines.
struct Lines<'a>(&'a Shop);

pub(crate) fn operations(shop: &Shop) -> Vec<(Route, Value)> {
    let lines = Lines(shop);
    for name in ["left", "right"] {
        lines.post(Route::Allocate, &named(name, 1));
    }
    vec![(Route::Allocate, lines.allocate()), (Route::Deallocate, lines.deallocate()), (Route::Ship, lines.ship())]
}

impl Lines<'_> {
    fn post(&self, route: Route, body: &Value) -> Answer {
        self.0.answer(route, &Sent::body(body))
    }

    fn allocate(&self) -> Value {
        let allocate = |qty: u32, headers: &[(&'static str, &str)]| {
            let line = json!({"orderid": "order-002", "sku": "RETRO-CLOCK", "qty": qty});
            let sent = headers.iter().fold(Sent::body(&line), |sent, (name, value)| sent.with(name, value));
            self.0.answer(Route::Allocate, &sent)
        };
        let told = &[("prefer", "return=representation"), ("x-correlation-id", "order-002")];
        let can_wait = &[("prefer", "respond-async")];
        let unknown = json!({"orderid": "order-002", "sku": "NO-SUCH-THING", "qty": 3});
        let zero = json!({"orderid": "order-002", "sku": "RETRO-CLOCK", "qty": 0});
        let waiting = Sent::body(&json!({"orderid": "order-004", "sku": "TALL-LAMP", "qty": 3}));
        let waiting = waiting.with("prefer", "return=representation");
        json!({
            "operationId": "allocate",
            "tags": ["lines"],
            "summary": "Bind an order line to a batch",
            "description": "A line is named by its order id, its SKU and `line`, or else its quantity. Asked again, it \
                keeps its batch and nothing changes, also once it is shipped; but if it was held, it is confirmed. \
                Without `Prefer`, the answer only says that the request was taken.",
            "parameters": [parameter("Prefer")],
            "requestBody": body("OrderLine"),
            "responses": {
                "201": response("With `Prefer: return=representation`: the line has a place on this batch.",
                    "Allocated", &[("allocated", allocate(3, told)), ("again", allocate(3, told))]),
                "202": response("The request was taken, also if the SKU is out of stock: the mail goes out then, once for \
                    a stock. With `Prefer: respond-async` (answered with `Preference-Applied: respond-async`) the line is \
                    on a queue and is allocated soon; an unknown SKU is not refused.", "Done",
                    &[("taken", allocate(2, &[])), ("again", allocate(2, &[])), ("queued", allocate(3, can_wait))]),
                "400": response("The body is not valid, no batch of the SKU was ever added, or (with `Prefer: \
                    return=representation`) it is out of stock. Nothing was changed.", "Error", &[
                    ("invalid", self.post(Route::Allocate, &zero)),
                    ("unknownSku", self.post(Route::Allocate, &unknown)),
                    ("outOfStock", allocate(1_000, told)),
                    ("waiting", self.0.answer(Route::Allocate, &waiting)),
                ]),
                "409": response("The line or its order is cancelled, or the line was asked for before with another \
                    quantity.", "Error", &[
                    ("cancelled", self.post(Route::Allocate, &cancelled())),
                    ("orderCancelled", orders::refused(self.0)),
                    ("differs", self.post(Route::Allocate, &named("left", 2))),
                ]),
                "413": shared("TooLarge")
            }
        })
    }

    fn deallocate(&self) -> Value {
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

    fn ship(&self) -> Value {
        let asked = || self.post(Route::Ship, &named("left", 1));
        let (done, again) = (asked(), asked());
        self.ending(
            Route::Ship,
            "Note that a line was shipped",
            "It went to its customer, with pieces of the batch that it is on. It stays there.",
            &json!({
                "200": response("The line is shipped; also if it was before.", "Done",
                    &[("shipped", done), ("again", again)]),
                "409": response("The line waits for stock, or is held and not confirmed, or is cancelled.", "Error",
                    &[("cancelled", self.post(Route::Ship, &cancelled()))])
            }),
        )
    }

    fn ending(&self, route: Route, summary: &str, description: &str, responses: &Value) -> Value {
        let unknown = json!({"orderid": "order-009", "sku": "RETRO-CLOCK", "line": "left"});
        let nameless = json!({"orderid": "order-009", "sku": "RETRO-CLOCK"});
        json!({
            "operationId": route.path().trim_start_matches('/'),
            "tags": ["lines"],
            "summary": summary,
            "description": description,
            "parameters": [],
            "requestBody": body("LineName"),
            "responses": {
                "200": responses["200"],
                "400": response("The body is not valid.", "Error", &[("invalid", self.post(route, &nameless))]),
                "404": response("Nobody asked for this line, or it was refused.", "Error",
                    &[("unknown", self.post(route, &unknown))]),
                "409": responses["409"],
                "413": shared("TooLarge")
            }
        })
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

pub(crate) fn line_name() -> Value {
    json!({
        "description": "Tells the line from the others of its order and SKU. Without it, its quantity in digits does. \
            Together with the SKU at most 1,018 bytes of UTF-8.",
        "allOf": [schema("Name")]
    })
}

pub(crate) fn schemas() -> Value {
    let line = line_name();
    json!({
        "OrderLine": {
            "type": "object", "required": ["orderid", "sku", "qty"],
            "properties": {
                "orderid": schema("Name"), "sku": schema("Name"), "qty": schema("Quantity"), "line": line
            },
            "examples": [
                {"orderid": "order-001", "sku": "RETRO-CLOCK", "qty": 10},
                {"orderid": "order-003", "sku": "RETRO-CLOCK", "qty": 11, "line": "gift"}
            ]
        },
        "LineName": {
            "description": "What names a line: `line` or, of one that was asked for without it, `qty`.",
            "type": "object", "required": ["orderid", "sku"],
            "properties": {
                "orderid": schema("Name"), "sku": schema("Name"), "line": line, "qty": schema("Quantity")
            },
            "not": lacks(&["line", "qty"]),
            "examples": [
                {"orderid": "order-001", "sku": "RETRO-CLOCK", "qty": 10},
                {"orderid": "order-003", "sku": "RETRO-CLOCK", "line": "gift"},
                {"orderid": "order-003", "sku": "RETRO-CLOCK", "qty": 2}
            ]
        },
        "Allocated": object(&[("batchref", schema("Name"))])
    })
}
