//! What can be asked about products, batches and orders.

use std::sync::atomic::{AtomicU32, Ordering};

use adapters::http::Route;
use adapters::in_memory::InMemoryStore;
use aws_smithy_types::base64;
use domain::Revision;
use insta::assert_snapshot;
use serde_json::{Value, json};
use service_layer::ports::{Lists, Timestamp};
use service_layer::store::{Asks, Found, Products as _, ReadSet, StoreError};
use testing::{Hooked, Hooks, api_event, api_request, comes, holds};

use super::{Api, BATCH, LINE, call_until, show};

impl<S: Asks + Lists> Api<S> {
    /// Asks by the path that a client sends, but for its beginning.
    pub(super) async fn ask(&self, route: Route, rest: &str, query: &[(&str, &str)]) -> String {
        let mut event = api_event(route, "");
        let (_, parameter) = route.gateway_path().split_once('{').unwrap();
        event["pathParameters"][parameter.trim_end_matches("+}")] = rest.into();
        for (name, value) in query {
            event["queryStringParameters"][*name] = (*value).into();
        }
        let mut context = lambda_http::Context::default();
        context.deadline = 100_000;
        show(&self.answer(route, api_request(&event, context)).await)
    }

    /// All of a list, and how many pages it took.
    async fn in_pages(&self, route: Route, rest: &str, limit: &str) -> (Vec<Value>, usize) {
        let (mut lines, mut pages, mut next) = (Vec::new(), 0, None::<String>);
        loop {
            let after = next.iter().map(|next| ("after", next.as_str()));
            let query: Vec<_> = after.chain([("limit", limit)]).collect();
            let answer = self.ask(route, rest, &query).await;
            let body: Value = serde_json::from_str(answer.split_once("\n\n").unwrap().1).unwrap();
            lines.extend(body["lines"].as_array().unwrap().clone());
            pages += 1;
            next = body["next"].as_str().map(str::to_owned);
            if next.is_none() {
                assert_eq!(body["next"], Value::Null);
                return (lines, pages);
            }
        }
    }
}

/// Two batches of clocks, one of them to come; an order with a line on each, one that waits, and one of a lamp.
async fn shop() -> Api {
    let api = Api::new();
    for batch in [
        BATCH,
        r#"{"ref": "b2", "sku": "RETRO-CLOCK", "qty": 5}"#,
        r#"{"ref": "b3", "sku": "RETRO-CLOCK", "qty": 7, "eta": "2011-01-02"}"#,
        r#"{"ref": "b3", "sku": "LAMP", "qty": 2, "eta": "2011-01-03"}"#,
    ] {
        assert!(api.post_batch(batch).await.starts_with("201"));
    }
    for line in [
        LINE,
        r#"{"orderid": "o1", "sku": "RETRO-CLOCK", "qty": 4}"#,
        r#"{"orderid": "o2", "sku": "RETRO-CLOCK", "qty": 6}"#,
        r#"{"orderid": "o1", "sku": "LAMP", "qty": 2}"#,
    ] {
        api.post_allocate(line, None).await;
    }
    api
}

async fn change(api: &Api, change: service_layer::ChangeBatch) {
    api.0.handle(&change, &call_until(Timestamp(10_000))).await.unwrap();
}

#[tokio::test]
async fn a_product_is_shown_with_what_is_free_and_what_comes() {
    let api = shop().await;
    assert_snapshot!(api.ask(Route::ShowProduct, "RETRO-CLOCK", &[]).await, @r#"
    200
    content-type: application/json

    {"sku":"RETRO-CLOCK","version":6,"free":2,"incoming":[{"eta":"2011-01-02","free":7}],"waiting":{"lines":0,"qty":0},"batches":[{"ref":"b2","eta":null,"purchased":5,"allocated":3,"shipped":0,"free":2},{"ref":"b3","eta":"2011-01-02","purchased":7,"allocated":0,"shipped":0,"free":7}]}
    "#);
    assert_snapshot!(api.ask(Route::ShowProduct, "NO-SUCH-THING", &[]).await, @r#"
    404
    content-type: application/json

    {"message":"Invalid sku NO-SUCH-THING","code":"unknown_sku"}
    "#);
}

#[tokio::test]
async fn lines_that_wait_are_counted_and_listed() {
    let api = shop().await;
    for (reference, qty) in [("b1", 0), ("b3", 0)] {
        let sku = Some("RETRO-CLOCK".try_into().unwrap());
        change(&api, service_layer::ChangeBatch { sku, ..holds(reference, qty, Revision::AsOf(1)) }).await;
    }
    let product = api.ask(Route::ShowProduct, "RETRO-CLOCK", &[]).await;
    assert!(product.contains(r#""waiting":{"lines":2,"qty":10}"#), "{product}");
    assert_snapshot!(api.ask(Route::ListWaiting, "RETRO-CLOCK/waiting", &[]).await, @r#"
    200
    content-type: application/json

    {"lines":[{"orderid":"o1","sku":"RETRO-CLOCK","line":"4","qty":4,"since":8},{"orderid":"o2","sku":"RETRO-CLOCK","line":"6","qty":6,"since":7}],"next":null}
    "#);
    let (listed, pages) = api.in_pages(Route::ListWaiting, "RETRO-CLOCK/waiting", "1").await;
    assert_eq!((listed.len(), pages), (2, 2));
    assert_snapshot!(api.ask(Route::ListWaiting, "LAMP/waiting", &[]).await, @r#"
    200
    content-type: application/json

    {"lines":[],"next":null}
    "#);
    let unknown = api.ask(Route::ListWaiting, "NO-SUCH-THING/waiting", &[]).await;
    assert!(unknown.starts_with("404") && unknown.contains("unknown_sku"), "{unknown}");
}

#[tokio::test]
async fn the_batches_of_a_reference_are_shown_full_ones_too() {
    let api = shop().await;
    assert_snapshot!(api.ask(Route::ShowBatches, "b3", &[]).await, @r#"
    200
    content-type: application/json

    {"ref":"b3","batches":[{"sku":"LAMP","eta":"2011-01-03","purchased":2,"allocated":2,"shipped":0,"free":0},{"sku":"RETRO-CLOCK","eta":"2011-01-02","purchased":7,"allocated":0,"shipped":0,"free":7}]}
    "#);
    assert_snapshot!(api.ask(Route::ShowBatches, "b9", &[]).await, @r#"
    404
    content-type: application/json

    {"message":"unknown batch \"b9\"","code":"unknown_batch"}
    "#);
}

#[tokio::test]
async fn the_lines_on_a_batch_are_listed_by_sku_the_youngest_first() {
    let api = shop().await;
    for order in ["o3", "o4"] {
        let line = format!(r#"{{"orderid": "{order}", "sku": "RETRO-CLOCK", "qty": 3}}"#);
        api.post_allocate(&line, None).await;
    }
    assert_snapshot!(api.ask(Route::ListLines, "b3/lines", &[]).await, @r#"
    200
    content-type: application/json

    {"lines":[{"orderid":"o1","sku":"LAMP","line":"2","qty":2,"batchqty":2,"since":2},{"orderid":"o4","sku":"RETRO-CLOCK","line":"3","qty":3,"batchqty":3,"since":8},{"orderid":"o3","sku":"RETRO-CLOCK","line":"3","qty":3,"batchqty":3,"since":7}],"next":null}
    "#);
    assert_snapshot!(api.ask(Route::ListLines, "b3/lines", &[("sku", "LAMP")]).await, @r#"
    200
    content-type: application/json

    {"lines":[{"orderid":"o1","sku":"LAMP","line":"2","qty":2,"batchqty":2,"since":2}],"next":null}
    "#);
    let (listed, pages) = api.in_pages(Route::ListLines, "b3/lines", "2").await;
    assert_eq!((listed.len(), pages), (3, 2));
    let behind = ("after", "WyJaWiIsbnVsbF0");
    assert!(api.ask(Route::ListLines, "b3/lines", &[behind]).await.ends_with(r#"{"lines":[],"next":null}"#));
    for (rest, query) in [("b9/lines", &[][..]), ("b9/lines", &[behind]), ("b1/lines", &[("sku", "LAMP")])] {
        let unknown = api.ask(Route::ListLines, rest, query).await;
        assert!(unknown.starts_with("404") && unknown.contains("unknown_batch"), "{unknown}");
    }
    let empty = api.ask(Route::ListLines, "b2/lines", &[("sku", "")]).await;
    assert!(empty.starts_with("400") && empty.contains(r#""field":"sku""#), "{empty}");
}

#[tokio::test]
async fn an_order_is_shown_with_all_that_became_of_its_lines() {
    let api = shop().await;
    for line in [("deallocate", 4), ("ship", 3)] {
        let (route, qty) = line;
        let route = if route == "ship" { Route::Ship } else { Route::Deallocate };
        api.post(route, &format!(r#"{{"orderid": "o1", "sku": "RETRO-CLOCK", "qty": {qty}}}"#)).await;
    }
    api.post_allocate(r#"{"orderid": "o1", "sku": "RETRO-CLOCK", "qty": 1, "line": "gift"}"#, None).await;
    let sku = Some("LAMP".try_into().unwrap());
    change(&api, service_layer::ChangeBatch { sku, ..holds("b3", 0, Revision::AsOf(1)) }).await;
    change(&api, comes("b2", Some("2011-05-06"), Revision::AsOf(1))).await;
    assert_snapshot!(api.ask(Route::ShowOrder, "o1", &[]).await, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"LAMP","line":"2","qty":2,"state":"waiting","parts":[]},{"sku":"RETRO-CLOCK","line":"3","qty":3,"state":"shipped","parts":[{"batchref":"b2","eta":"2011-05-06","qty":3}]},{"sku":"RETRO-CLOCK","line":"4","qty":4,"state":"cancelled","parts":[]},{"sku":"RETRO-CLOCK","line":"gift","qty":1,"state":"allocated","parts":[{"batchref":"b1","eta":"2011-01-02","qty":1}]}],"next":null}
    "#);
    assert_snapshot!(api.ask(Route::ShowOrder, "o9", &[]).await, @r#"
    404
    content-type: application/json

    {"message":"unknown order \"o9\": nobody asked for it, or its lines are still on the queue","code":"unknown_order"}
    "#);
    let behind = api.ask(Route::ShowOrder, "o1", &[("after", "WyJaWiIsIjEiXQ")]).await;
    assert!(behind.ends_with(r#"{"orderid":"o1","lines":[],"next":null}"#), "{behind}");
    let nobodys = api.ask(Route::ShowOrder, "o9", &[("after", "WyJaWiIsIjEiXQ")]).await;
    assert!(nobodys.starts_with("404\n"), "{nobodys}");
    let (listed, pages) = api.in_pages(Route::ShowOrder, "o1", "1").await;
    let names: Vec<_> = listed.iter().map(|line| line["line"].as_str().unwrap()).collect();
    assert_eq!((names, pages), (vec!["2", "3", "4", "gift"], 4));
}

#[tokio::test]
async fn an_order_that_was_cancelled_before_anybody_heard_of_it_has_no_lines() {
    let api = Api::new();
    api.ask(Route::CancelOrder, "o7", &[]).await;
    assert_snapshot!(api.ask(Route::ShowOrder, "o7", &[]).await, @r#"
    200
    content-type: application/json

    {"orderid":"o7","lines":[],"next":null}
    "#);
}

#[tokio::test]
async fn names_may_have_slashes_and_whatever_else_can_be_written() {
    let api = Api::new();
    api.post_batch(r#"{"ref": "a/b/lines/c", "sku": "100% wool/😀", "qty": 3}"#).await;
    api.post_allocate(r#"{"orderid": "o 1", "sku": "100% wool/😀", "qty": 1}"#, None).await;
    let (sku, reference) = ("100%25 wool/%F0%9F%98%80", "a/b%2Flines/c");
    for (route, rest) in [
        (Route::ShowProduct, sku.to_owned()),
        (Route::ListWaiting, format!("{sku}/waiting")),
        (Route::ShowBatches, reference.to_owned()),
        (Route::ListLines, format!("{reference}/lines")),
        (Route::ShowOrder, "o%201".to_owned()),
    ] {
        let answer = api.ask(route, &rest, &[]).await;
        assert!(answer.starts_with("200"), "{route:?} {rest}: {answer}");
    }
}

/// Names that fit a sort key each, and together do not. Nobody's page ended there.
#[tokio::test]
async fn a_page_after_a_line_that_can_not_be_is_refused() {
    let api = shop().await;
    let long = "\u{1fa91}".repeat(250);
    let token = |written: Value| {
        let text = base64::encode(written.to_string());
        text.replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()
    };
    for (route, rest, written) in
        [(Route::ShowOrder, "o1", json!([long, long])), (Route::ListLines, "b1/lines", json!([long, [1, "o1", long]]))]
    {
        let refused = api.ask(route, rest, &[("after", &token(written))]).await;
        assert!(refused.starts_with("400\n") && refused.contains(r#""field":"after""#), "{refused}");
    }
}

#[tokio::test]
async fn a_sku_in_a_query_may_have_commas_and_a_parameter_stands_there_once() {
    let api = Api::new();
    for sku in ["SOFA", "SOFA,RED"] {
        api.post_batch(&format!(r#"{{"ref": "lot", "sku": "{sku}", "qty": 3}}"#)).await;
        api.post_allocate(&format!(r#"{{"orderid": "o1", "sku": "{sku}", "qty": 1}}"#), None).await;
    }
    let red = api.ask(Route::ListLines, "lot/lines", &[("sku", "SOFA,RED")]).await;
    assert!(red.contains(r#""sku":"SOFA,RED""#) && !red.contains(r#""sku":"SOFA""#), "{red}");
    let twice = api.ask(Route::ListLines, "lot/lines", &[("limit", "1,2")]).await;
    assert!(twice.starts_with("400\n") && twice.contains(r#""field":"limit""#), "{twice}");
}

/// More SKUs than a page looks at, of which the last has a line.
#[tokio::test]
async fn a_page_may_end_before_it_is_full_and_the_next_one_goes_on() {
    let api = Api::new();
    for number in 0..103 {
        api.post_batch(&format!(r#"{{"ref": "lot", "sku": "S{number:03}", "qty": 1}}"#)).await;
    }
    for number in [0, 102] {
        api.post_allocate(&format!(r#"{{"orderid": "o1", "sku": "S{number:03}", "qty": 1}}"#), None).await;
    }
    let (listed, pages) = api.in_pages(Route::ListLines, "lot/lines", "9").await;
    let skus: Vec<_> = listed.iter().map(|line| line["sku"].as_str().unwrap()).collect();
    assert_eq!((skus, pages), (vec!["S000", "S102"], 3));
    let whole: Value =
        serde_json::from_str(api.ask(Route::ShowBatches, "lot", &[]).await.split_once("\n\n").unwrap().1).unwrap();
    assert_eq!(whole["batches"].as_array().unwrap().len(), 103);
}

#[tokio::test]
async fn allocations_are_told_by_sku_and_quantity() {
    let api = Api::new();
    for sku in ["B", "A"] {
        for qty in [2, 10, 1] {
            api.post_batch(&format!(r#"{{"ref": "{sku}{qty}", "sku": "{sku}", "qty": {qty}}}"#)).await;
        }
        for qty in [10, 2, 1] {
            api.post_allocate(&format!(r#"{{"orderid": "o1", "sku": "{sku}", "qty": {qty}}}"#), None).await;
        }
    }
    let shown = api.get("o1").await;
    let batches: Vec<_> = shown.split(r#""batchref":""#).skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(batches, ["A1", "A2", "A10", "B1", "B2", "B10"]);
}

/// A batch becomes full, or open again, between two reads: so many times.
struct Changing(AtomicU32);

impl Hooks<InMemoryStore> for Changing {
    async fn find(&self, store: &InMemoryStore, wanted: &ReadSet) -> Result<Found, StoreError> {
        let is_left = |times: u32| times.checked_sub(1);
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_left) {
            Ok(_) => Err(StoreError::Conflict(Vec::new())),
            Err(_) => store.find(wanted).await,
        }
    }
}

#[tokio::test]
async fn what_changes_between_two_reads_is_read_again_until_it_fits_or_time_is_up() {
    for (times, status) in [(0, "200"), (3, "200"), (u32::MAX, "503")] {
        let shop = shop().await;
        let hooks = Changing(AtomicU32::new(times));
        let api = Api::of(Hooked { store: shop.0.store().clone(), hooks });
        for (route, rest) in [(Route::ShowOrder, "o1"), (Route::ShowBatches, "b1"), (Route::ShowProduct, "LAMP")] {
            let answer = api.ask(route, rest, &[]).await;
            assert!(answer.starts_with(status), "{times}: {answer}");
            assert_eq!(answer.contains(r#""code":"contended""#), times == u32::MAX, "{answer}");
        }
    }
}

#[tokio::test]
async fn what_can_not_be_read_is_refused_with_its_name() {
    let api = shop().await;
    assert_snapshot!(api.ask(Route::ShowOrder, "o1", &[("limit", "1001")]).await, @r#"
    400
    content-type: application/json

    {"message":"limit: must be a whole number from 1 to 1000, not \"1001\"","code":"invalid_input","field":"limit"}
    "#);
    assert_snapshot!(api.ask(Route::ShowOrder, "o1", &[("after", "o1")]).await, @r#"
    400
    content-type: application/json

    {"message":"after: must be what the last page had as next","code":"invalid_input","field":"after"}
    "#);
    for (route, rest) in
        [(Route::ShowOrder, "o1"), (Route::ListWaiting, "RETRO-CLOCK/waiting"), (Route::ListLines, "b1/lines")]
    {
        for (field, value) in [
            ("limit", "0"),
            ("limit", "+5"),
            ("limit", "-1"),
            ("limit", "1.0"),
            ("limit", ""),
            ("limit", "ten"),
            ("after", ""),
            ("after", "%%"),
            ("after", "e30"),
            ("after", "W10"),
            ("after", "WyIiLCIiXQ"),
        ] {
            let refused = api.ask(route, rest, &[(field, value)]).await;
            let named = refused.contains(&format!(r#""code":"invalid_input","field":"{field}""#));
            assert!(refused.starts_with("400\n") && named, "{route:?} {field}={value}: {refused}");
        }
        let unread = api.ask(route, rest, &[("unknown", "x"), ("limit", "1000")]).await;
        assert!(unread.starts_with("200\n"), "{unread}");
    }
    for route in [Route::ShowProduct, Route::ShowBatches, Route::ShowOrder, Route::ListWaiting, Route::ListLines] {
        let field = route.gateway_path().split(['{', '+']).nth(1).unwrap();
        let refused = api.ask(route, "a%0Ab", &[]).await;
        assert!(
            refused.starts_with("400\n") && refused.contains(&format!(r#""field":"{field}""#)),
            "{route:?}: {refused}"
        );
    }
}
