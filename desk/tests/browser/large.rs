//! As much as there can be, in a bounded time, which is printed.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::played::{nobody, product};
use crate::world::{With, World};

/// Far more than it takes, and less than anybody would wait.
const BOUND: Duration = Duration::from_secs(5);

fn is_quick(what: &str, started: Instant) {
    let took = started.elapsed();
    println!("{what}: {} ms", took.as_millis());
    assert!(took < BOUND, "{what} took {took:?}");
}

pub(crate) async fn fifteen_hundred_batches_are_quick(world: &mut World) {
    let named: Vec<_> = (0..1500)
        .map(|at| (format!("batch-{at:04}"), format!("{}-{:02}-{:02}", 2031 + at / 336, at / 28 % 12 + 1, at % 28 + 1)))
        .collect();
    let batches: Vec<_> = named.iter().map(|(name, eta)| (name.as_str(), Some(eta.as_str()), 10, 3, 1)).collect();
    world.service.answer("GET /products/LAMP", 200, product("LAMP", 3000, &batches));
    world.service.answer("GET /products/LAMP/waiting", 200, nobody());
    world.open(With::Nothing, "").await;
    let started = Instant::now();
    world.browser.run("location.hash = '#/products/LAMP'").await;
    world.browser.shows("100 batches of 1,500 batches").await;
    is_quick("1,500 batches until they are shown", started);
    world.is_there().await;
    // 1,500 days in as many bars as can be looked at: by year.
    assert_eq!(world.browser.count(".picture text.label:not(.end)").await, 5);
    let told = world.browser.run("return document.querySelector('.picture desc').textContent").await;
    assert!(told.as_str().unwrap().starts_with("2031: 2,016 free, 1,008 promised, 336 shipped."), "{told}");
    let started = Instant::now();
    for shown in [600, 1100, 1500] {
        world.browser.click("//section[h2='Open batches']//button[.='Show more']").await;
        world.browser.until(&format!("document.querySelectorAll('tbody tr').length >= {shown}")).await;
    }
    is_quick("all of them, by 3 clicks", started);
    world.browser.shows("1,500 batches in all").await;
}

pub(crate) async fn ten_thousand_lines_come_in_pages(world: &mut World) {
    let one = json!({"sku": "LAMP", "eta": null, "purchased": 10_000, "allocated": 10_000, "shipped": 0, "free": 0});
    world.service.answer("GET /batches/c1", 200, json!({"ref": "c1", "batches": [one]}));
    let starts: Vec<u64> = std::iter::once(0).chain((100..10_000).step_by(500)).collect();
    for start in &starts {
        let line = |at: u64| json!({"orderid": format!("o{at}"), "sku": "LAMP", "line": "L1", "qty": 1, "batchqty": 1, "since": at});
        let end = if *start == 0 { 100 } else { (start + 500).min(10_000) };
        let lines: Vec<_> = (*start..end).map(line).collect();
        let next = (end < 10_000).then(|| format!("p{end}"));
        let query = if *start == 0 { "limit=100".to_owned() } else { format!("after=p{start}&limit=500") };
        world.service.answer(&format!("GET /batches/c1/lines?{query}"), 200, json!({"lines": lines, "next": next}));
    }
    world.open(With::Nothing, "").await;
    let started = Instant::now();
    world.browser.run("location.hash = '#/batches/c1'").await;
    world.browser.shows("100 lines; there are more").await;
    is_quick("the first of 10,000 lines", started);
    assert_eq!(world.service.asked("GET /batches/c1/lines").len(), 1);
    let started = Instant::now();
    for start in &starts[1..] {
        world.browser.run("[...document.querySelectorAll('button')].find((one) => !one.hidden && one.textContent === 'Show more').click()").await;
        world.browser.until(&format!("document.querySelectorAll('tbody tr').length > {start}")).await;
    }
    println!("all 10,000 lines, by 20 clicks: {} ms", started.elapsed().as_millis());
    world.browser.shows("10,000 lines in all").await;
    let started = Instant::now();
    world.browser.run("document.querySelector('tbody tr:last-child a').scrollIntoView()").await;
    world.browser.run("location.hash = '#/'").await;
    world.browser.shows("What would you like to know?").await;
    is_quick("leaving them", started);
}
