//! What became of a product or an order.

use serde_json::{Value, json};

use crate::played::{nobody, product};
use crate::world::{With, World};

fn event(kind: &str, version: u64, fields: &Value) -> Value {
    let mut event = json!({"type": kind, "sku": "LAMP", "id": format!("LAMP#{version}#1"), "version": version, "of": 1,
        "at": format!("2031-01-02T03:{:02}:{:02}.000Z", version / 60 % 60, version % 60)});
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

fn created(version: u64, batch: &str, qty: u64) -> Value {
    event("BatchCreated", version, &json!({"batchref": batch, "qty": qty, "eta": null}))
}

fn page(version: u64, events: &[Value], missing: &Value, next: Option<&str>) -> Value {
    json!({"sku": "LAMP", "version": version, "complete_to": version, "missing": missing, "events": events, "next": next})
}

fn lamp(world: &World, version: u64) {
    world.service.answer("GET /products/LAMP", 200, product("LAMP", version, &[("b1", None, 5, 0, 0)]));
    world.service.answer("GET /products/LAMP/waiting", 200, nobody());
}

/// Versions of the events that are shown, in their order.
async fn shown(world: &World) -> Vec<u64> {
    let script = "return [...document.querySelectorAll('.events .facts')].map((one) => Number(one.textContent.match(/version ([\\d,]+)/)[1].replaceAll(',', '')))";
    world.browser.run(script).await.as_array().unwrap().iter().map(|version| version.as_u64().unwrap()).collect()
}

pub(crate) async fn the_newest_comes_first_and_older_when_asked_for(world: &mut World) {
    let at =
        |versions: std::ops::RangeInclusive<u64>| versions.map(|version| created(version, "b1", 5)).collect::<Vec<_>>();
    lamp(world, 450);
    // The service's pages end where they please, and may reach further than was asked for.
    let history = "GET /products/LAMP/history";
    world.service.answer(
        &format!("{history}?after=250&limit=500"),
        200,
        page(451, &at(251..=400), &json!([]), Some("x/+")),
    );
    world.service.answer(
        &format!("{history}?after=x%2F%2B&limit=500"),
        200,
        page(451, &at(401..=451), &json!([]), None),
    );
    world.service.answer(
        &format!("{history}?after=50&limit=500"),
        200,
        page(451, &at(51..=251), &json!([]), Some("y")),
    );
    world.service.answer(&format!("{history}?after=0&limit=500"), 200, page(451, &at(1..=60), &json!([]), Some("z")));
    world.open(With::Nothing, "#/products/LAMP").await;
    assert_eq!(shown(world).await, (251..=450).rev().collect::<Vec<_>>());
    for (last, first) in [(450, 51), (450, 1)] {
        world.browser.click("//button[.='Show older']").await;
        world.browser.until(&format!("document.querySelectorAll('.events li').length === {}", last - first + 1)).await;
        assert_eq!(shown(world).await, (first..=last).rev().collect::<Vec<_>>());
    }
    world
        .browser
        .until(
            "[...document.querySelectorAll('button')].every((one) => one.hidden || one.textContent !== 'Show older')",
        )
        .await;
}

pub(crate) async fn a_hot_product_is_read_in_smaller_steps(world: &mut World) {
    lamp(world, 1000);
    let dense = |versions: std::ops::RangeInclusive<u64>| {
        versions.flat_map(|version| std::iter::repeat_n(created(version, "b1", 5), 100)).collect::<Vec<_>>()
    };
    let history = "GET /products/LAMP/history";
    let answer = |query: &str, events: &[Value], next| {
        world.service.answer(&format!("{history}?{query}&limit=500"), 200, page(1000, events, &json!([]), next));
    };
    answer("after=800", &dense(801..=805), Some("805"));
    answer("after=995", &dense(996..=1000), None);
    answer("after=795", &dense(796..=800), Some("800"));
    answer("after=990", &dense(991..=995), Some("995"));
    world.open(With::Nothing, "#/products/LAMP").await;
    assert_eq!(world.browser.count(".events li").await, 500);
    assert!(world.browser.text(".events li:last-child").await.contains("version 996"));
    world.browser.click("//button[.='Show older']").await;
    world.browser.until("document.querySelectorAll('.events li').length === 1000").await;
    assert_eq!(world.service.asked(history).len(), 4);
}

pub(crate) async fn what_is_not_kept_is_said(world: &mut World) {
    lamp(world, 9);
    let missing = json!([{"first": 1, "last": 5}, {"first": 7, "last": 7}]);
    let events = [created(6, "b1", 5), event("Novelty", 8, &json!({"orderid": "o1"})), created(9, "b2", 1)];
    world.service.answer("GET /products/LAMP/history", 200, page(9, &events, &missing, None));
    world.open(With::Nothing, "#/products/LAMP").await;
    world.browser.shows("Not in the history: versions 1 to 5, version 7.").await;
    let past = world.browser.text(".events").await;
    assert!(past.contains("New batch\nbatch b2 with 1 piece, in the warehouse") && past.contains("Novelty"), "{past}");
    // Not all is known, so the picture does not pretend to show it.
    assert!(world.browser.text("main").await.contains("full ones are not among them"));
}

pub(crate) async fn what_was_on_its_way_comes_by_itself(world: &mut World) {
    lamp(world, 2);
    let (first, second) = (created(1, "b1", 5), created(2, "b2", 6));
    let missing = json!([{"first": 2, "last": 2}]);
    world.service.answer("GET /products/LAMP/history", 200, page(2, std::slice::from_ref(&first), &missing, None));
    world.open(With::Nothing, "#/products/LAMP").await;
    world.browser.shows("Not in the history: version 2.").await;
    world.service.answer("GET /products/LAMP/history", 200, page(2, &[first, second], &json!([]), None));
    world.browser.shows("batch b2 with 6 pieces").await;
    assert_eq!(shown(world).await, [2, 1]);
    assert!(!world.browser.text("main").await.contains("Not in the history"));
    world.browser.shows("full ones too").await;
}

pub(crate) async fn the_whole_past_tells_of_full_batches_and_of_what_is_held(world: &mut World) {
    lamp(world, 8);
    let line =
        |qty: u64, order: &str| json!({"orderid": order, "line": "L", "qty": qty, "batchref": "full", "eta": null});
    let mut held = line(4, "o2");
    held["held_until"] = json!("2031-05-01T00:00:00Z");
    let events = [
        created(1, "full", 10),
        event("Allocated", 2, &line(3, "o1")),
        event("Allocated", 3, &held),
        event("Allocated", 4, &line(3, "o3")),
        event("Shipped", 5, &line(3, "o1")),
        created(6, "b1", 9),
        event("BatchQuantityChanged", 7, &json!({"batchref": "b1", "qty": 5})),
        event("BatchEtaChanged", 8, &json!({"batchref": "b1", "eta": "2031-03-01", "was": null})),
    ];
    world.service.answer("GET /products/LAMP/history", 200, page(8, &events, &json!([]), None));
    world.open(With::Nothing, "#/products/LAMP").await;
    world.browser.shows("full ones too").await;
    let told = world.browser.run("return document.querySelector('.picture desc').textContent").await;
    let expected = "In the warehouse: 0 free, 4 held for a while, 3 promised, 3 shipped. \
        1 Mar 2031: 5 free, 0 held for a while, 0 promised, 0 shipped.";
    assert_eq!(told, expected);
}

pub(crate) async fn a_service_without_history_says_so(world: &mut World) {
    lamp(world, 9);
    world.service.answer("GET /orders/o1", 200, json!({"orderid": "o1", "lines": [], "next": null}));
    world.open(With::Nothing, "#/products/LAMP").await;
    world.browser.shows("There is no history here").await;
    world.go("#/orders/o1").await;
    world.browser.shows("There is no history here").await;
    world.browser.shows("it was cancelled").await;
}

pub(crate) async fn an_orders_past_goes_over_its_products(world: &mut World) {
    let line = |sku: &str, at: &str, version: u64| {
        json!({"type": "Allocated", "orderid": "o1", "sku": sku, "line": "L", "qty": 1,
        "batchref": "b1", "eta": null, "id": format!("{sku}#{version}#1"), "version": version, "of": 1, "at": at})
    };
    world.service.answer("GET /orders/o1", 200, json!({"orderid": "o1", "lines": [], "next": null}));
    // A page tells of itself alone: what was missing before it stays so.
    let page = |complete_to: u64, events: Value, next: Option<&str>| {
        let products = [
            json!({"sku": "LAMP", "version": 3, "complete_to": 3}),
            json!({"sku": "TABLE", "version": 9, "complete_to": complete_to}),
        ];
        json!({"orderid": "o1", "products": products, "events": events, "next": next})
    };
    let first = json!([line("LAMP", "2031-01-01T00:00:00.000Z", 3)]);
    world.service.answer("GET /orders/o1/history?limit=500", 200, page(7, first, Some("n")));
    let second = json!([line("TABLE", "2031-01-01T00:00:01.000Z", 8), line("TABLE", "2030-01-01T00:00:01.000Z", 9)]);
    world.service.answer("GET /orders/o1/history?after=n&limit=500", 200, page(9, second, None));
    world.open(With::Nothing, "#/orders/o1").await;
    assert_eq!(shown(world).await, [3]);
    world.browser.click("//button[.='Read more of it']").await;
    world.browser.until("document.querySelectorAll('.events li').length === 3").await;
    assert_eq!(shown(world).await, [8, 3, 9]);
    world.browser.shows("Of TABLE, something may be missing, or on its way still.").await;
    assert!(
        world.browser.text(".events").await.contains("TABLE: 1 piece for order o1, line L on batch b1"),
        "{}",
        world.browser.text(".events").await
    );
}
