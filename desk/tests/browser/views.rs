//! What each view shows.

use serde_json::json;

use crate::played::{nobody, product};
use crate::world::{With, World};

/// Lamps: some in the warehouse, some to come, one batch overdue, and a line that waits.
pub(crate) fn lamps(world: &World) {
    let batches = [
        ("b1", None, 60, 25, 12),
        ("b2", Some("2011-01-02"), 30, 0, 0),
        ("b3", Some("2031-02-01"), 40, 35, 0),
        ("b4", Some("2031-02-01"), 25, 0, 0),
    ];
    let mut lamps = product("LAMP", 7, &batches);
    lamps["waiting"] = json!({"lines": 1, "qty": 75});
    world.service.answer("GET /products/LAMP", 200, lamps);
    let waits = json!({"orderid": "o9", "sku": "LAMP", "line": "L1", "qty": 75, "since": 7});
    world.service.answer("GET /products/LAMP/waiting", 200, json!({"lines": [waits], "next": null}));
}

fn order(world: &World) {
    let lines = json!([
        {"sku": "LAMP", "line": "L1", "qty": 9, "state": "waiting", "parts": [
            {"batchref": "b1", "eta": null, "qty": 4}, {"batchref": "b3", "eta": "2031-02-01", "qty": 3}]},
        {"sku": "LAMP", "line": "2", "qty": 2, "state": "held", "held_until": "2031-01-02T03:15:00.000Z",
            "parts": [{"batchref": "b1", "eta": null, "qty": 2}]},
        {"sku": "TABLE", "line": "L3", "qty": 1, "state": "shipped", "parts": [{"batchref": "b7", "eta": null, "qty": 1}]},
        {"sku": "TABLE", "line": "L4", "qty": 1, "state": "repaired", "parts": []}]);
    world.service.answer("GET /orders/o1", 200, json!({"orderid": "o1", "lines": lines, "next": null}));
}

fn batch(world: &World) {
    let one =
        |sku: &str| json!({"sku": sku, "eta": "2031-02-01", "purchased": 40, "allocated": 35, "shipped": 1, "free": 4});
    world.service.answer("GET /batches/c1", 200, json!({"ref": "c1", "batches": [one("LAMP"), one("TABLE")]}));
    let line = json!({"orderid": "o1", "sku": "LAMP", "line": "L1", "qty": 9, "batchqty": 3, "since": 5});
    world.service.answer("GET /batches/c1/lines", 200, json!({"lines": [line], "next": null}));
}

pub(crate) async fn a_product_shows_what_is_free_what_comes_and_who_waits(world: &mut World) {
    lamps(world);
    world.open(With::Nothing, "#/products/LAMP").await;
    let shown = world.browser.text("main").await;
    for text in [
        "Product LAMP",
        "23\npieces in the warehouse",
        "60\nfree pieces; next 30",
        "75\npieces promised",
        "4 batches in all",
    ] {
        assert!(shown.contains(text), "{text}:\n{shown}");
    }
    assert!(shown.contains("overdue") && shown.contains("1 Feb 2031"), "{shown}");
    assert_eq!(world.browser.run("return document.title").await, "Product LAMP · The desk");
    // From who waits to the order, and back.
    world.service.answer("GET /orders/o9", 404, json!({"message": "unknown", "code": "unknown_order"}));
    world.browser.click("//main//a[.='o9']").await;
    world.browser.shows("Nobody asked for an order").await;
    world.browser.run("history.back()").await;
    world.browser.shows("Who waits").await;
    world.is_there().await;
}

pub(crate) async fn the_picture_is_a_table_too(world: &mut World) {
    lamps(world);
    world.open(With::Nothing, "#/products/LAMP").await;
    let told = world.browser.run("return document.querySelector('.picture desc').textContent").await;
    assert!(told.as_str().unwrap().contains("1 Feb 2031: 30 free, 35 promised, 0 shipped"), "{told}");
    assert_eq!(world.browser.run("return document.querySelector('.picture svg').getAttribute('role')").await, "img");
    // A bar for each day; of each, the parts that have pieces.
    assert_eq!(world.browser.count(".picture text.label:not(.end)").await, 3);
    assert_eq!(world.browser.count(".picture rect.part").await, 6);
    world.browser.click("//summary[.='The same as a table']").await;
    let rows = world.browser.text("details table tbody").await;
    assert!(rows.contains("In the warehouse\t23\t25\t12\t1") && rows.contains("1 Feb 2031\t30\t35\t0\t2"), "{rows}");
}

pub(crate) async fn an_order_shows_its_lines_in_words(world: &mut World) {
    order(world);
    world.open(With::Nothing, "#/orders/o1").await;
    let shown = world.browser.text("main").await;
    for text in
        ["waits for stock", "4 pieces on b1, in the warehouse", "3 pieces on b3, 1 Feb 2031", "2 more: nowhere yet"]
    {
        assert!(shown.contains(text), "{text}:\n{shown}");
    }
    for text in ["held, not confirmed", "held until 2 Jan 2031", "shipped", "repaired", "4 lines in all"] {
        assert!(shown.contains(text), "{text}:\n{shown}");
    }
}

pub(crate) async fn a_batch_shows_its_counters_and_who_is_on_it(world: &mut World) {
    batch(world);
    world.open(With::Nothing, "#/batches/c1").await;
    let shown = world.browser.text("main").await;
    for text in ["LAMP\t1 Feb 2031\t4\t35\t1\t40", "2 products in all", "3 of 9 pieces"] {
        assert!(shown.contains(text), "{text}:\n{shown}");
    }
}

pub(crate) async fn what_is_not_there_is_said_in_words(world: &mut World) {
    for (request, code) in
        [("products/A", "unknown_sku"), ("orders/A", "unknown_order"), ("batches/A", "unknown_batch")]
    {
        world.service.answer(&format!("GET /{request}"), 404, json!({"message": "no", "code": code}));
    }
    world.open(With::Nothing, "#/products/A").await;
    world.browser.shows("No batch ever had the SKU A").await;
    assert!(
        world
            .browser
            .run("return document.getElementById('said').textContent")
            .await
            .as_str()
            .unwrap()
            .contains("No batch ever")
    );
    world.go("#/orders/A").await;
    world.browser.shows("Nobody asked for an order A").await;
    world.go("#/batches/A").await;
    world.browser.shows("There is no batch with the reference A").await;
    world.go("#/nonsense").await;
    world.browser.shows("There is no such view").await;
    world.go("#/products/..").await;
    world.browser.shows("No path can be made of the name").await;
    assert!(
        world.service.asked("GET").iter().all(|(request, _)| request.contains("/A")),
        "{:?}",
        world.service.asked("GET")
    );
}

pub(crate) async fn a_name_that_looks_like_markup_is_shown_as_it_is(world: &mut World) {
    let name = "<img src=x onerror=window.wasRun=1>";
    let path = "%3Cimg%20src%3Dx%20onerror%3Dwindow.wasRun%3D1%3E";
    let batches = [(name, None, 5, 0, 0)];
    world.service.answer(&format!("GET /products/{path}"), 200, product(name, 1, &batches));
    let line = json!({"orderid": name, "sku": name, "line": name, "qty": 5, "since": 1});
    world.service.answer(&format!("GET /products/{path}/waiting"), 200, json!({"lines": [line], "next": null}));
    let event = json!({"type": name, "orderid": name, "sku": name, "line": name, "qty": 1, "batchref": name, "id": "a#1#1",
        "version": 1, "of": 1, "at": name, "correlation_id": name});
    let past = json!({"sku": name, "version": 1, "complete_to": 1, "missing": [], "events": [event], "next": null});
    world.service.answer(&format!("GET /products/{path}/history"), 200, past);
    world.service.answer(&format!("GET /orders/{path}"), 400, json!({"message": name, "code": name}));
    world.open(With::Write, &format!("#/products/{path}")).await;
    assert!(world.browser.text("h1").await.contains(name));
    assert!(world.browser.text("main").await.matches(name).count() >= 8, "{}", world.browser.text("main").await);
    world.go(&format!("#/orders/{path}")).await;
    world.browser.shows(name).await;
    assert_eq!(world.browser.count("img").await, 0);
}

pub(crate) async fn any_name_can_be_looked_up_and_followed(world: &mut World) {
    for (name, path) in [
        ("a/b %25 \"c\" #d?e=f&g", "a%2Fb%20%2525%20%22c%22%20%23d%3Fe%3Df%26g"),
        ("it's (50%) + é🪑", "it's%20(50%25)%20%2B%20%C3%A9%F0%9F%AA%91"),
    ] {
        world.service.answer(&format!("GET /products/{path}"), 200, product(name, 1, &[(name, None, 5, 0, 0)]));
        world.service.answer(&format!("GET /products/{path}/waiting"), 200, nobody());
        world.service.answer(&format!("GET /batches/{path}"), 200, json!({"ref": name, "batches": []}));
        world.service.answer(&format!("GET /batches/{path}/lines"), 200, nobody());
        world.stop();
        world.open(With::Nothing, "").await;
        world.browser.run(&format!("document.getElementById('search-name').value = {}", json!(name))).await;
        world.browser.click("//button[.='Show']").await;
        world.browser.shows("1 batch in all").await;
        world.is_there().await;
        assert_eq!(world.browser.text("h1").await, format!("Product {name}"));
        world.browser.click("//section//tbody//a").await;
        world.browser.shows("What is in it").await;
        world.is_there().await;
        assert_eq!(world.browser.text("h1").await, format!("Batch {name}"));
    }
}

pub(crate) async fn no_view_is_wider_than_a_phone(world: &mut World) {
    lamps(world);
    order(world);
    batch(world);
    let long = "X".repeat(255);
    world.service.answer(
        &format!("GET /products/{long}"),
        200,
        product(&long, 1, &[(&long, None, 4_000_000_000, 0, 0)]),
    );
    world.service.answer(&format!("GET /products/{long}/waiting"), 200, nobody());
    world.browser.resize(360, 740).await;
    world.start(With::Write).await;
    let longest = format!("#/products/{long}");
    for hash in ["", "#/products/LAMP", "#/orders/o1", "#/batches/c1", "#/live", &longest] {
        world.go(hash).await;
        let wide = world.browser.run("return [document.documentElement.scrollWidth, window.innerWidth, \
            [...document.querySelectorAll('main :not(thead, thead *)')].filter((one) => one.getBoundingClientRect().right > 361).map((one) => one.outerHTML.slice(0, 80))]");
        let wide = wide.await;
        assert_eq!((wide[0].as_u64(), wide[1].as_u64()), (Some(360), Some(360)), "{hash}: {wide}");
        assert_eq!(wide[2], json!([]), "{hash}");
    }
}

pub(crate) async fn dark_and_light_follow_the_system(world: &mut World) {
    lamps(world);
    world.start(With::Nothing).await;
    let paper = "return getComputedStyle(document.body).backgroundColor";
    world.browser.prefer("light").await;
    world.go("#/products/LAMP").await;
    assert_eq!(world.browser.run(paper).await, "rgb(246, 247, 245)");
    world.browser.prefer("dark").await;
    assert_eq!(world.browser.run(paper).await, "rgb(20, 26, 25)");
}
