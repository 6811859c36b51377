//! What is asked of whole orders, and how they are shown.

use adapters::http::Route;
use domain::WantedOrder;
use serde_json::{Value, json};

use crate::batches::SAFE;
use crate::document::{body, list, object, parameter, response, schema, shared};
use crate::lines::line_name;
use crate::requests::{with, without};
use crate::service::{Answer, Sent, Shop};

pub(crate) fn operations(shop: &Shop) -> Vec<(Route, Value)> {
    vec![
        (Route::ShowOrder, show(shop)),
        (Route::CancelOrder, cancellation(shop)),
        (Route::PutOrder, put(shop)),
        (Route::ViewAllocations, allocations(shop)),
    ]
}

fn show(shop: &Shop) -> Value {
    let ask = |orderid: &str| shop.answer(Route::ShowOrder, &Sent::name(orderid));
    json!({
        "operationId": "showOrder",
        "tags": ["orders"],
        "summary": "What became of an order's lines",
        "description": "All lines that were promised, by SKU and name, until they are forgotten some time after they ended. \
            A line that was refused is not among them, nor one that is still on the queue.",
        "parameters": [parameter("Orderid"), parameter("Limit"), parameter("After")],
        "responses": {
            "200": response("A page of its lines.", "Order", &[("order", ask("order-001")), ("ended", ask("order-003"))]),
            "400": response("The id is no valid name, or the page no valid one.", "Error", &[("invalid", ask("a%0A"))]),
            "404": response("Nobody asked for this order, or its lines are still on the queue.", "Error",
                &[("unknown", ask("order-009"))]),
            "413": shared("LongAnswer")
        }
    })
}

/// How an order is put, when `order-006` is cancelled: `order-010`, which gets a line of each of two SKUs, and then another state.
fn put(shop: &Shop) -> Value {
    let put_in = |shop: &Shop, orderid: &str, body: Value| {
        shop.answer(Route::PutOrder, &Sent { name: Some(orderid.to_owned()), ..Sent::body(&body) })
    };
    let put = |orderid: &str, body: Value| put_in(shop, orderid, body);
    let clocks = |qty: u32| json!({"sku": "RETRO-CLOCK", "qty": qty, "line": "clock"});
    let table = json!({"sku": "SMALL-TABLE", "qty": 1});
    let both = || put("order-010", json!({"lines": [clocks(3), table], "version": 1}));
    let (placed, again) = (both(), both());
    let larger = put("order-010", json!({"lines": [clocks(5), table], "version": 2}));
    let short = json!({"lines": [clocks(1_000), table, {"sku": "SMALL-TABLE", "qty": 9}], "version": 3});
    let refused = put("order-010", short.clone());
    let partial = put("order-011", with(&without(&short, "version"), "if_short", json!("partial")));
    let waits = put("order-012", with(&without(&short, "version"), "if_short", json!("wait")));
    let held = put("order-015", json!({"lines": [clocks(2)], "hold_until": "1970-01-01T00:10:00Z"}));
    let split = put("order-016", json!({"lines": [clocks(79)], "split": true, "dry_run": true}));
    let tried = put("order-013", json!({"lines": [clocks(2)], "dry_run": true}));
    // In this shop, that order is cancelled by now.
    let more_of_it = json!({"lines": [{"sku": "RETRO-CLOCK", "qty": 2, "line": "gift"}]});
    let shipped = put_in(&Shop::new(), "order-003", more_of_it);
    json!({
        "operationId": "putOrder",
        "tags": ["orders"],
        "summary": "Bring an order to what it wants, all of it or nothing",
        "description": "`lines` is all that the order is to have. New lines are allocated, those it has and that are not \
            named are cancelled, those named with another quantity are exchanged, and shipped ones stay; in one commit, \
            or not at all. A cancelled line that is named comes back. Asked again, nothing changes.",
        "parameters": [parameter("Orderid")],
        "requestBody": body("WantedOrder"),
        "responses": {
            "200": response("The order is as it was wanted. Cancelled lines are not shown; with `partial`, lines that are \
                short are missing; with `wait`, they wait. With `dry_run`, what would be answered.", "PlacedOrder", &[
                ("placed", placed), ("again", again), ("larger", larger), ("partial", partial), ("waits", waits),
                ("held", held), ("split", split), ("triedOut", tried),
            ]),
            "400": response("The body or the order's id is not valid.", "Error",
                &[("twice", put("order-010", json!({"lines": [clocks(1), clocks(2)]})))]),
            "404": response("No batch of a SKU was ever added. Nothing was changed.", "Error",
                &[("unknownSku", put("order-010", json!({"lines": [{"sku": "NO-SUCH-THING", "qty": 1}], "version": 3})))]),
            "409": response("Nothing was changed: with `refuse`, some lines are short, which are told; or something newer \
                was wanted of the order before, by `version`; or the order is cancelled; or a shipped line is named with \
                another quantity; or a batch of a line that is given back was full, and the SKU holds as many batches with \
                free stock as it can.", "Error", &[
                ("short", refused),
                ("outdated", put("order-010", json!({"lines": [clocks(3)], "version": 1}))),
                ("orderCancelled", put("order-006", json!({"lines": [clocks(3)]}))),
                ("shipped", shipped),
            ]),
            "413": shared("TooLarge"),
            "422": response("There are more lines than one commit surely holds; or so many lines change at once, or a \
                line would be split in so many parts. Nothing was changed.", "Error", &[("tooManyLines", too_many(shop))])
        }
    })
}

/// One line more than an order may have.
pub(crate) fn too_many(shop: &Shop) -> Answer {
    let line = |number: usize| json!({"sku": "RETRO-CLOCK", "qty": 1, "line": number.to_string()});
    let lines: Vec<Value> = (0..=WantedOrder::MOST_LINES).map(line).collect();
    let sent = Sent { name: Some("order-014".to_owned()), ..Sent::body(&json!({"lines": lines})) };
    shop.answer(Route::PutOrder, &sent)
}

/// More than there is of a SKU.
pub(crate) fn too_much(shop: &Shop, sku: &str) -> Answer {
    let lines = json!({"lines": [{"sku": sku, "qty": 1_000}]});
    shop.answer(Route::PutOrder, &Sent { name: Some("order-014".to_owned()), ..Sent::body(&lines) })
}

fn cancel(shop: &Shop, orderid: &str) -> Answer {
    shop.answer(Route::CancelOrder, &Sent::name(orderid))
}

/// How an order is cancelled: `order-006`, which has a line, one that has one shipped, and one that nobody has heard of.
fn cancellation(shop: &Shop) -> Value {
    let line = json!({"orderid": "order-006", "sku": "RETRO-CLOCK", "qty": 5});
    assert_eq!(shop.answer(Route::Allocate, &Sent::body(&line)).status, 202);
    let (cancelled, again) = (cancel(shop, "order-006"), cancel(shop, "order-006"));
    json!({
        "operationId": "cancelOrder",
        "tags": ["orders"],
        "summary": "Cancel an order",
        "description": "All its lines are cancelled, and their pieces go to lines that wait. Those that were shipped stay so. \
            It gets no more lines: whoever asks for one is refused. So it is with an order that nobody has heard of yet.",
        "parameters": [parameter("Orderid")],
        "responses": {
            "200": response("The order is cancelled; also if it was before. The first hundred of its lines.", "Order", &[
                ("cancelled", cancelled), ("again", again), ("shipped", cancel(shop, "order-003")),
                ("unknown", cancel(shop, "order-007")),
            ]),
            "400": response("The id is no valid name.", "Error", &[("invalid", cancel(shop, "order%0A006"))]),
            "409": response("A line's batch was full, and the SKU holds as many batches with free stock as it can. The \
                order is cancelled but for that line; asking again goes on.", "Error",
                &[("tooManyBatches", Shop::with_a_stuck_line().answer(Route::CancelOrder, &Sent::name("order-001")))]),
            "413": shared("LongAnswer")
        }
    })
}

fn allocations(shop: &Shop) -> Value {
    let ask = |orderid: &str| shop.answer(Route::ViewAllocations, &Sent::name(orderid));
    json!({
        "operationId": "viewAllocations",
        "tags": ["orders"],
        "summary": "The lines of an order that have a batch",
        "description": "Shipped ones too; not those that wait, or are held and not confirmed. \
            `GET /orders/{orderid}` tells more.",
        "parameters": [parameter("Orderid")],
        "responses": {
            "200": response("Its lines, in the order of SKU and quantity.", "Allocations", &[("order", ask("order-001"))]),
            "404": response("No line has a batch, or the id is no valid name.", "Error", &[("nothing", ask("order-009"))]),
            "413": shared("LongAnswer")
        }
    })
}

/// A line of a cancelled order.
pub(crate) fn refused(shop: &Shop) -> Answer {
    assert_eq!(cancel(shop, "order-008").status, 200);
    let line = json!({"orderid": "order-008", "sku": "RETRO-CLOCK", "qty": 5});
    shop.answer(Route::Allocate, &Sent::body(&line))
}

pub(crate) fn schemas() -> Value {
    json!({
        "WantedOrder": wanted_schema(),
        "WantedLine": {
            "type": "object", "required": ["sku", "qty"],
            "properties": {"sku": schema("Name"), "qty": schema("Quantity"), "line": line_name()}
        },
        "PlacedOrder": {
            "type": "object", "required": ["orderid", "lines"],
            "properties": {
                "orderid": schema("Name"), "lines": list("ShownLine"),
                "version": {
                    "description": "That of the request, if it had one.",
                    "type": "integer", "format": "int64", "minimum": 0
                }
            }
        },
        "ShortLine": object(&[
            ("sku", schema("Name")),
            ("line", schema("Name")),
            ("qty", schema("Quantity")),
            ("free", schema("Sum")),
            ("incoming", list("Incoming")),
        ]),
        "Order": object(&[("orderid", schema("Name")), ("lines", list("ShownLine")), ("next", schema("Next"))]),
        "ShownLine": with_held_until(object(&[
            ("sku", schema("Name")),
            ("line", schema("Name")),
            ("qty", schema("Quantity")),
            ("state", json!({"type": "string", "enum": ["allocated", "waiting", "held", "shipped", "cancelled"]})),
            ("parts", list("ShownPart")),
        ])),
        "ShownPart": {
            "description": "Pieces of a line that are some batch's: all of them if the line is allocated, held or shipped. One \
                that waits may have some if it may be split, and waits for the rest; otherwise it has none.",
            "type": "object", "required": ["batchref", "eta", "qty"],
            "properties": {"batchref": schema("Name"), "eta": schema("Eta"), "qty": schema("Quantity")}
        },
        "Allocations": {
            "type": "array", "minItems": 1,
            "items": object(&[("sku", schema("Name")), ("batchref", schema("Name"))])
        }
    })
}

fn wanted_schema() -> Value {
    json!({
        "type": "object", "required": ["lines"],
        "properties": {
            "lines": {
                "description": "All that the order is to have, none twice; if there are none, its lines are cancelled.",
                "type": "array", "maxItems": WantedOrder::MOST_LINES, "items": schema("WantedLine")
            },
            "version": {
                "description": "The shop's own count of what it wants of this order. Once there was one, what has an \
                    older one is refused, and so is what has none, or the same with other content (lines, `if_short`, \
                    `split`, `hold_until`); the same with the same is a repeat.",
                "type": "integer", "format": "int64", "minimum": 0, "maximum": SAFE
            },
            "if_short": {
                "description": "What happens if lines are short: no batch can hold one, nor can all together if it may be split. `refuse`, which need not be said: nothing \
                    changes. `partial`: they are left out. `wait`: they wait for stock.",
                "type": "string", "enum": ["refuse", "partial", "wait"],
                "examples": ["partial", "wait"]
            },
            "split": {
                "description": "Whether a line that no batch can hold may lie on several: the preferred ones, and of those \
                    that come on the same day the largest. With `wait`, what fits nowhere waits, and is served as stock \
                    comes, in parts of a sixteenth of the line at least. A line is placed in 30 parts at most, what waits being one.",
                "type": "boolean"
            },
            "hold_until": {
                "description": "With a zone, at most 30 days ahead: until then, lines are promised that are not promised for \
                    good yet. Without it, all are from now on.",
                "type": "string", "format": "date-time"
            },
            "dry_run": {
                "description": "Tells what would be answered, and writes nothing.",
                "type": "boolean"
            }
        },
        "examples": [
            {"lines": [{"sku": "RETRO-CLOCK", "qty": 2, "line": "gift"}, {"sku": "SMALL-TABLE", "qty": 1}]},
            {"lines": [{"sku": "RETRO-CLOCK", "qty": 3}], "version": 7, "if_short": "wait"}
        ]
    })
}

/// What is there of a line that is held.
pub(crate) fn with_held_until(mut line: Value) -> Value {
    line["properties"]["held_until"] = json!({
        "description": "Until when a line is promised that is held.", "type": "string", "format": "date-time"
    });
    line
}
