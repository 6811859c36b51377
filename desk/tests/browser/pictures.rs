//! The pictures of the README: made anew where `DESK_PICTURES` names a folder, and else only looked at.

use serde_json::{Value, json};

use crate::world::{With, World};

/// A picture in a README is for a glance.
const BYTES: usize = 80 * 1024;

pub(crate) async fn pictures(world: &mut World) {
    shop(world);
    world.start(With::Topic).await;
    for (name, hash, scheme, width, height) in [
        ("product", "#/products/RETRO-CLOCK", "light", 1000, 760),
        ("order", "#/orders/order-017", "light", 1000, 620),
        ("live", "#/live", "dark", 390, 720),
    ] {
        world.browser.resize(width, height).await;
        world.browser.prefer(scheme).await;
        world.go("").await;
        world.browser.run(&format!("location.hash = '{hash}'")).await;
        match hash {
            "#/live" => world.browser.shows("order-017").await,
            _ => world.is_there().await,
        }
        world.browser.run("document.activeElement.blur()").await;
        let picture = world.browser.picture().await;
        assert!((5_000..BYTES).contains(&picture.len()), "{name}: {} bytes", picture.len());
        if let Some(folder) = std::env::var_os("DESK_PICTURES") {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
        }
    }
}

fn shop(world: &World) {
    let service = &world.service;
    let batch = |name: &str, eta: Option<&str>, purchased: u32, allocated: u32, shipped: u32| {
        json!({"ref": name, "eta": eta,
        "purchased": purchased, "allocated": allocated, "shipped": shipped, "free": purchased - allocated - shipped})
    };
    let batches = json!([
        batch("batch-001", None, 120, 38, 44),
        batch("batch-004", Some("2031-02-01"), 80, 55, 0),
        batch("batch-005", Some("2031-02-15"), 60, 12, 0),
        batch("batch-007", Some("2031-04-01"), 150, 0, 0)
    ]);
    let incoming = json!([{"eta": "2031-02-01", "free": 25}, {"eta": "2031-02-15", "free": 48}, {"eta": "2031-04-01", "free": 150}]);
    service.answer(
        "GET /products/RETRO-CLOCK",
        200,
        json!({"sku": "RETRO-CLOCK", "version": 4, "free": 38, "incoming": incoming,
        "waiting": {"lines": 1, "qty": 200}, "batches": batches}),
    );
    let waits = json!({"orderid": "order-021", "sku": "RETRO-CLOCK", "line": "L1", "qty": 200, "since": 4});
    service.answer("GET /products/RETRO-CLOCK/waiting", 200, json!({"lines": [waits], "next": null}));
    let lines = json!([
        {"sku": "OAK-SHELF", "line": "L1", "qty": 9, "state": "waiting", "parts": [
            {"batchref": "batch-002", "eta": null, "qty": 4}, {"batchref": "batch-003", "eta": "2031-03-01", "qty": 3}]},
        {"sku": "RETRO-CLOCK", "line": "L2", "qty": 10, "state": "allocated", "parts": [{"batchref": "batch-001", "eta": null, "qty": 10}]},
        {"sku": "TALL-LAMP", "line": "L3", "qty": 2, "state": "held", "held_until": "2031-01-02T03:15:00.000Z",
            "parts": [{"batchref": "batch-006", "eta": "2031-03-01", "qty": 2}]}]);
    service.answer("GET /orders/order-017", 200, json!({"orderid": "order-017", "lines": lines, "next": null}));
    let events = events();
    let past = json!({"orderid": "order-017", "products": [], "events": events, "next": null});
    service.answer("GET /orders/order-017/history", 200, past);
    for event in events {
        world.live.add(event);
    }
}

fn events() -> Vec<Value> {
    let event = |kind: &str, sku: &str, line: &str, qty: u32, version: u64, batch: Option<&str>, eta: Option<&str>| {
        json!({"type": kind, "orderid": "order-017", "sku": sku, "line": line, "qty": qty, "batchref": batch, "eta": eta, "version": version,
            "id": format!("{sku}#{version}#1"), "of": 1, "at": format!("2031-01-02T03:04:{version:02}.000Z")})
    };
    let mut held = event("Allocated", "TALL-LAMP", "L3", 2, 7, Some("batch-006"), Some("2031-03-01"));
    held["held_until"] = json!("2031-01-02T03:15:00.000Z");
    let mut short = event("OutOfStock", "OAK-SHELF", "L1", 2, 6, None, None);
    (short["waiting"], short["line_qty"]) = (json!(true), json!(9));
    vec![
        event("Allocated", "RETRO-CLOCK", "L2", 10, 3, Some("batch-001"), None),
        event("Allocated", "OAK-SHELF", "L1", 4, 4, Some("batch-002"), None),
        event("Allocated", "OAK-SHELF", "L1", 3, 5, Some("batch-003"), Some("2031-03-01")),
        short,
        held,
    ]
}
