//! What a desk with `--write` can do, and what one without cannot.

use serde_json::{Value, json};

use crate::played::{nobody, product};
use crate::views::lamps;
use crate::world::{With, World};

fn body(asked: &(String, String)) -> Value {
    serde_json::from_str(&asked.1).unwrap()
}

async fn allocate(world: &World, qty: &str) {
    world.browser.click("//summary[.='Allocate a line']").await;
    world.browser.fill("Order", "o7").await;
    world.browser.fill("Pieces", qty).await;
    world.browser.click("//button[.='Allocate this line']").await;
}

pub(crate) async fn a_line_is_allocated_and_the_answer_shown(world: &mut World) {
    lamps(world);
    world.service.answer("POST /allocate", 201, json!({"batchref": "b1"}));
    world.open(With::Write, "#/products/LAMP").await;
    allocate(world, "3").await;
    world.browser.shows("Allocate a line: done").await;
    world.browser.shows(r#"status 201, {"batchref":"b1"}"#).await;
    let asked = world.service.asked("POST");
    assert_eq!(body(&asked[0]), json!({"orderid": "o7", "sku": "LAMP", "qty": "3"}));
    assert_eq!(world.browser.run("return document.activeElement.className").await, "answer");
    world.service.answer("GET /products/LAMP", 200, product("LAMP", 8, &[("b1", None, 60, 28, 12)]));
    world.browser.click("//button[.='Show it as it is now']").await;
    world.browser.shows("20\npieces in the warehouse").await;
}

pub(crate) async fn a_refusal_keeps_what_was_typed(world: &mut World) {
    lamps(world);
    let why = "line \"3\" of order \"o7\" and sku \"LAMP\" is cancelled";
    world.service.answer("POST /allocate", 409, json!({"message": why, "code": "line_cancelled"}));
    world.open(With::Write, "#/products/LAMP").await;
    allocate(world, "3").await;
    world.browser.shows(why).await;
    world.browser.shows("status 409, code line_cancelled").await;
    let kept = "return [...document.querySelectorAll('details[open] form input')].map((field) => field.value)";
    assert_eq!(world.browser.run(kept).await, json!(["o7", "LAMP", "3", ""]));
    assert_eq!(world.browser.run("return document.activeElement.className").await, "answer");
}

pub(crate) async fn a_contended_product_can_be_tried_again(world: &mut World) {
    lamps(world);
    let answer = json!({"message": "too many others are changing the same product at this moment (tries: 6)", "code": "contended"});
    world.service.answer("POST /allocate", 503, answer);
    world.open(With::Write, "#/products/LAMP").await;
    allocate(world, "3").await;
    world.browser.shows("Many others change the same product at this moment").await;
    world.browser.shows("wait for 1 second").await;
    world.service.answer("POST /allocate", 201, json!({"batchref": "b1"}));
    world.browser.click("//main//button[.='Try again']").await;
    world.browser.shows("Allocate a line: done").await;
    let asked = world.service.asked("POST");
    assert_eq!((asked.len(), &asked[0]), (2, &asked[1]));
}

pub(crate) async fn a_batch_is_added_and_changed(world: &mut World) {
    world.service.answer("POST /batches", 201, json!({"message": "OK"}));
    world.open(With::Write, "").await;
    world.browser.click("//summary[.='Add a batch']").await;
    world.browser.fill("Reference of the batch", "c 1/2").await;
    world.browser.fill("Product (SKU)", "LAMP").await;
    world.browser.fill("Pieces", "12").await;
    world.browser.click("//button[.='Add this batch']").await;
    world.browser.shows("Add a batch: done").await;
    assert_eq!(body(&world.service.asked("POST")[0]), json!({"ref": "c 1/2", "sku": "LAMP", "qty": "12", "eta": null}));

    let one = json!({"sku": "LAMP", "eta": null, "purchased": 12, "allocated": 0, "shipped": 0, "free": 12});
    world.service.answer("GET /batches/c%201%2F2", 200, json!({"ref": "c 1/2", "batches": [one]}));
    world.service.answer("GET /batches/c%201%2F2/lines", 200, nobody());
    world.service.answer("PATCH /batches/c%201%2F2", 200, json!({"applied": false}));
    world.go("#/batches/c%201%2F2").await;
    world.browser.click("//summary[.='Change quantity or date']").await;
    world.browser.fill("Pieces it ever held", "0").await;
    world.browser.click("//button[.='Change this batch']").await;
    world.browser.shows("not applied: a newer change is known").await;
    assert_eq!(body(&world.service.asked("PATCH")[0]), json!({"sku": "LAMP", "qty": 0}));
}

fn order(world: &World) {
    let line = |name: &str, state: &str| {
        json!({"sku": "LAMP", "line": name, "qty": 3, "state": state,
        "parts": [{"batchref": "b1", "eta": null, "qty": 3}]})
    };
    let lines = json!([line("L1", "allocated"), line("L2", "held"), line("L3", "shipped")]);
    world.service.answer("GET /orders/o1", 200, json!({"orderid": "o1", "lines": lines, "next": null}));
}

pub(crate) async fn a_line_is_shipped(world: &mut World) {
    order(world);
    world.service.answer("POST /ship", 200, json!({"message": "OK"}));
    world.open(With::Write, "#/orders/o1").await;
    // What is held can be given back alone, and what is shipped is over.
    let buttons = "return [...document.querySelectorAll('tbody tr')].map((row) => [...row.querySelectorAll('td > div > span > button')].map((one) => one.textContent))";
    assert_eq!(world.browser.run(buttons).await, json!([["Ship", "Give back"], ["Give back"], []]));
    world.browser.click("//button[.='Ship']").await;
    world.browser.click("//dialog[@open]//button[.='Yes, it is shipped']").await;
    world.browser.shows("Ship this line: done").await;
    assert_eq!(body(&world.service.asked("POST")[0]), json!({"orderid": "o1", "sku": "LAMP", "line": "L1"}));
    let reads = world.service.asked("GET /orders/o1?").len();
    world.browser.click("//dialog[@open]//button[.='Close']").await;
    world.is_there().await;
    world.browser.until("!document.querySelector('dialog[open]')").await;
    assert!(world.service.asked("GET /orders/o1?").len() > reads);
}

pub(crate) async fn an_order_is_cancelled_only_after_a_question(world: &mut World) {
    order(world);
    let why = json!({"message": "order \"o1\" can't be", "code": "order_outdated"});
    world.service.answer("DELETE /orders/o1", 409, why);
    world.open(With::Write, "#/orders/o1").await;
    world.browser.click("//button[.='Cancel the order']").await;
    world.browser.shows("can't be undone").await;
    // Enter on what has the focus is no, and so is Escape.
    assert_eq!(world.browser.run("return document.activeElement.textContent").await, "No, leave it");
    world.browser.press("\u{e00c}").await;
    world.browser.until("!document.querySelector('dialog[open]')").await;
    world.browser.click("//button[.='Cancel the order']").await;
    world.browser.press("\u{e007}").await;
    world.browser.until("!document.querySelector('dialog[open]')").await;
    assert!(world.service.asked("DELETE").is_empty());

    world.browser.click("//button[.='Cancel the order']").await;
    world.browser.click("//dialog[@open]//button[.='Yes, cancel the order']").await;
    world.browser.shows("status 409, code order_outdated").await;
    world.service.answer("DELETE /orders/o1", 200, json!({"orderid": "o1", "lines": [], "next": null}));
    world.browser.click("//dialog[@open]//button[.='Yes, cancel the order']").await;
    world.browser.shows("Cancel order o1: done").await;
    assert_eq!(world.service.asked("DELETE").len(), 2);
    world.browser.click("//dialog[@open]//button[.='Close']").await;
}

pub(crate) async fn a_desk_that_only_looks_has_no_forms(world: &mut World) {
    lamps(world);
    order(world);
    world.start(With::Nothing).await;
    for hash in ["", "#/products/LAMP", "#/orders/o1"] {
        world.go(hash).await;
        assert_eq!(world.browser.count("main form, main dialog, main section button:not([hidden])").await, 0, "{hash}");
    }
    world.browser.shows("looks only").await;
    // Whoever asks all the same is refused by the desk itself.
    let script = "return fetch('api/orders/o1', {method: 'DELETE', headers: {'content-type': 'application/json'}, body: '{}'})\
        .then(async (answer) => [answer.status, (await answer.json()).code])";
    assert_eq!(world.browser.run(script).await, json!([403, "desk_read_only"]));
    assert!(world.service.asked("DELETE").is_empty());
}
