//! What is said when something is away, or does not let the desk in.

use serde_json::json;

use crate::views::lamps;
use crate::world::{With, World};

pub(crate) async fn a_service_that_is_away_is_told_and_mended(world: &mut World) {
    lamps(world);
    world.replace_service(None);
    world.open(With::Nothing, "#/products/LAMP").await;
    world.browser.shows("the service behind it does not answer").await;
    world.browser.shows("status 502, code desk_no_answer").await;
    let service = world.service.router();
    world.replace_service(Some(service));
    world.browser.click("//button[.='Try again']").await;
    world.browser.shows("4 batches in all").await;
    world.is_there().await;
    // The desk itself.
    world.stop();
    world.browser.run("location.hash = '#/orders/o1'").await;
    world.browser.shows("Is its command still running?").await;
    world.start(With::Nothing).await;
    world.browser.click("//button[.='Try again']").await;
    world.browser.shows("There is no history here").await;
}

pub(crate) async fn a_request_that_is_not_let_in_is_explained(world: &mut World) {
    world.service.answer("GET /products/A", 403, json!({"message": "Forbidden"}));
    world.service.answer("GET /orders/A", 401, json!({"message": "Unauthorized"}));
    world.service.answer("GET /batches/A", 503, json!({"message": "too many (tries: 6)", "code": "contended"}));
    world.open(With::Nothing, "#/products/A").await;
    world.browser.shows("it is not signed, or whoever signed it may not do this").await;
    world.go("#/orders/A").await;
    world.browser.shows("wants a token").await;
    world.go("#/batches/A").await;
    world.browser.shows("Many others change the same product").await;
    let one = json!({"sku": "LAMP", "eta": null, "purchased": 1, "allocated": 0, "shipped": 0, "free": 1});
    world.service.answer("GET /batches/A", 200, json!({"ref": "A", "batches": [one]}));
    world.browser.click("//button[.='Try again']").await;
    world.browser.shows("1 product in all").await;
}

/// Shows that the log, by which every test ends, would tell of what the policy forbids.
pub(crate) async fn the_policy_is_in_force(world: &mut World) {
    world.open(With::Nothing, "").await;
    world.browser.run("window.told = []; document.addEventListener('securitypolicyviolation', (event) => window.told.push(event.effectiveDirective))").await;
    let forbidden =
        "const add = (tag, fields) => document.body.append(Object.assign(document.createElement(tag), fields));
        add('script', {textContent: 'window.wasRun = 1'});
        add('img', {src: 'http://localhost:1/x'});
        add('iframe', {src: '/'});
        document.body.setAttribute('style', 'color: red');
        fetch('http://localhost:1/y').catch(() => {});";
    world.browser.run(forbidden).await;
    world.browser.until("window.told.length >= 5").await;
    let told = world.browser.run("return window.told.toSorted()").await;
    assert_eq!(told, json!(["connect-src", "frame-src", "img-src", "script-src-elem", "style-src-attr"]));
    let log = world.browser.log().await;
    assert!(log.iter().filter(|(source, _)| source == "security" || source == "javascript").count() >= 5, "{log:?}");
    // What was refused is in the log of this test alone; what was asked elsewhere was not sent, and is not looked for.
    world.go("#/live").await;
    world.browser.run("performance.clearResourceTimings()").await;
    world.browser.run("location.reload()").await;
    world.browser.shows("does not listen to the topic").await;
    world.browser.log().await;
}
