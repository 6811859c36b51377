//! What is asked of whole orders, and how they are shown.

use adapters::http::Route;
use serde_json::{Value, json};

use crate::document::{list, object, parameter, response, schema, shared};
use crate::service::{Answer, Sent, Shop};

pub(crate) fn operations(shop: &Shop) -> Vec<(Route, Value)> {
    vec![
        (Route::ShowOrder, show(shop)),
        (Route::CancelOrder, cancellation(shop)),
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
        "description": "Shipped ones too. `GET /orders/{orderid}` tells more.",
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
        "Order": object(&[("orderid", schema("Name")), ("lines", list("ShownLine")), ("next", schema("Next"))]),
        "ShownLine": object(&[
            ("sku", schema("Name")),
            ("line", schema("Name")),
            ("qty", schema("Quantity")),
            ("state", json!({"type": "string", "enum": ["allocated", "waiting", "shipped", "cancelled"]})),
            ("parts", list("ShownPart")),
        ]),
        "ShownPart": {
            "description": "Pieces of a line that are some batch's. None, unless the line is allocated or shipped.",
            "type": "object", "required": ["batchref", "eta", "qty"],
            "properties": {"batchref": schema("Name"), "eta": schema("Eta"), "qty": schema("Quantity")}
        },
        "Allocations": {
            "type": "array", "minItems": 1,
            "items": object(&[("sku", schema("Name")), ("batchref", schema("Name"))])
        }
    })
}
