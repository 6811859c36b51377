//! Whole orders: how they are put, and how they are cancelled.

use std::time::Duration;

use adapters::http::Route;
use adapters::in_memory::InMemoryStore;
use domain::Revision;
use insta::assert_snapshot;
use lambda_http::Request;
use serde_json::{Value, json};
use service_layer::ports::{Environment as _, Timestamp};
use testing::holds;

use super::{Api, BATCH, LINE, REPRESENTATION, call_until, replayed, request, show};

fn delete(orderid: &str) -> Request {
    request(Route::CancelOrder, None, "", Some(orderid))
}

/// All that a store holds of products and lines, and what it told.
fn contents(store: &InMemoryStore) -> String {
    format!("{:?} {:?} {:?}", store.products(), store.parts(), store.outbox())
}

impl Api {
    /// With five lamps, five desks, and four more desks that come later.
    async fn with_lamps_and_desks() -> Self {
        let api = Self::new();
        for batch in [
            r#"{"ref": "b1", "sku": "LAMP", "qty": 5}"#,
            r#"{"ref": "b2", "sku": "DESK", "qty": 5}"#,
            r#"{"ref": "b3", "sku": "DESK", "qty": 4, "eta": "2011-01-02"}"#,
        ] {
            api.post_batch(batch).await;
        }
        api
    }

    async fn put(&self, body: &str) -> String {
        self.put_order("o1", body).await
    }

    pub(super) async fn put_order(&self, orderid: &str, body: &str) -> String {
        show(&self.answer(Route::PutOrder, request(Route::PutOrder, None, body, Some(orderid))).await)
    }

    /// The body of a refusal of `o1` with this status.
    async fn refuses(&self, status: u16, body: &str) -> Value {
        let answer = self.put(body).await;
        let (head, told) = answer.split_once("\n\n").unwrap();
        assert_eq!(head, format!("{status}\ncontent-type: application/json"), "{body}: {told}");
        serde_json::from_str(told).unwrap()
    }

    async fn cancel(&self, orderid: &str) -> String {
        show(&self.answer(Route::CancelOrder, delete(orderid)).await)
    }
}

const BASKET: &str = r#"{"lines": [{"sku": "LAMP", "qty": 3, "line": "a"}, {"sku": "DESK", "qty": 1}]}"#;

#[tokio::test]
async fn an_order_is_put_edited_and_put_once_more() {
    let api = Api::with_lamps_and_desks().await;
    let placed = api.put(BASKET).await;
    assert_snapshot!(placed, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"DESK","line":"1","qty":1,"state":"allocated","parts":[{"batchref":"b2","eta":null,"qty":1}]},{"sku":"LAMP","line":"a","qty":3,"state":"allocated","parts":[{"batchref":"b1","eta":null,"qty":3}]}]}
    "#);
    assert_eq!(api.put(BASKET).await, replayed(&placed), "the same again");
    // Five is all there is, and three of them are its own.
    assert_snapshot!(api.put(r#"{"lines": [{"sku": "LAMP", "qty": 5, "line": "a"}], "version": "7"}"#).await, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"LAMP","line":"a","qty":5,"state":"allocated","parts":[{"batchref":"b1","eta":null,"qty":5}]}],"version":7}
    "#);
    assert_snapshot!(api.ask(Route::ShowOrder, "o1", &[]).await, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"DESK","line":"1","qty":1,"state":"cancelled","parts":[]},{"sku":"LAMP","line":"a","qty":5,"state":"allocated","parts":[{"batchref":"b1","eta":null,"qty":5}]}],"next":null}
    "#);
    assert_snapshot!(api.put(BASKET).await, @r#"
    409
    content-type: application/json

    {"message":"order \"o1\" is at version 7 by now","code":"order_outdated"}
    "#);
    assert_snapshot!(api.put(r#"{"lines": [], "version": 8}"#).await, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[],"version":8}
    "#);
}

#[tokio::test]
async fn an_order_that_is_short_is_refused_left_out_in_part_or_waits() {
    let api = Api::with_lamps_and_desks().await;
    let wanted = |rest: &str| {
        format!(
            r#"{{"lines": [{{"sku": "DESK", "qty": 6}}, {{"sku": "LAMP", "qty": 2}}, {{"sku": "LAMP", "qty": 9}}]{rest}}}"#
        )
    };
    assert_snapshot!(api.put(&wanted("")).await, @r#"
    409
    content-type: application/json

    {"message":"no batch has 6 left of sku \"DESK\" for order \"o1\", nor enough for another of its lines; nothing was changed","code":"out_of_stock","lines":[{"sku":"DESK","line":"6","qty":6,"free":5,"incoming":[{"eta":"2011-01-02","free":4}]},{"sku":"LAMP","line":"9","qty":9,"free":5,"incoming":[]}]}
    "#);
    assert_eq!(api.put(&wanted(r#", "if_short": "refuse""#)).await, api.put(&wanted("")).await);
    let partial = api.put(&wanted(r#", "if_short": "partial""#)).await;
    assert_snapshot!(partial, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"LAMP","line":"2","qty":2,"state":"allocated","parts":[{"batchref":"b1","eta":null,"qty":2}]}]}
    "#);
    assert_snapshot!(api.put(&wanted(r#", "if_short": "wait""#)).await, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"DESK","line":"6","qty":6,"state":"waiting","parts":[]},{"sku":"LAMP","line":"2","qty":2,"state":"allocated","parts":[{"batchref":"b1","eta":null,"qty":2}]},{"sku":"LAMP","line":"9","qty":9,"state":"waiting","parts":[]}]}
    "#);
}

#[tokio::test]
async fn a_line_that_may_be_split_is_shown_with_each_of_its_parts() {
    let api = Api::with_lamps_and_desks().await;
    let split = |qty: u32, rest: &str| {
        format!(r#"{{"lines": [{{"sku": "DESK", "qty": {qty}, "line": "a"}}], "split": true{rest}}}"#)
    };
    let placed = api.put(&split(7, "")).await;
    assert_snapshot!(placed, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"DESK","line":"a","qty":7,"state":"allocated","parts":[{"batchref":"b2","eta":null,"qty":5},{"batchref":"b3","eta":"2011-01-02","qty":2}]}]}
    "#);
    assert_eq!(api.put(&split(7, "")).await, replayed(&placed), "the same again");
    assert_snapshot!(api.put(&split(11, "")).await, @r#"
    409
    content-type: application/json

    {"message":"all batches together do not have 11 left of sku \"DESK\" for order \"o1\"; nothing was changed","code":"out_of_stock","lines":[{"sku":"DESK","line":"a","qty":11,"free":5,"incoming":[{"eta":"2011-01-02","free":4}]}]}
    "#);
    assert_snapshot!(api.put(&split(11, r#", "if_short": "wait""#)).await, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"DESK","line":"a","qty":11,"state":"waiting","parts":[{"batchref":"b2","eta":null,"qty":5},{"batchref":"b3","eta":"2011-01-02","qty":4}]}]}
    "#);
    assert_snapshot!(api.ask(Route::ShowOrder, "o1", &[]).await, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"DESK","line":"a","qty":11,"state":"waiting","parts":[{"batchref":"b2","eta":null,"qty":5},{"batchref":"b3","eta":"2011-01-02","qty":4}]}],"next":null}
    "#);
    assert_snapshot!(api.ask(Route::ViewAllocations, "o1", &[]).await, @r#"
    200
    content-type: application/json

    [{"sku":"DESK","batchref":"b2"},{"sku":"DESK","batchref":"b3"}]
    "#);
    assert_snapshot!(api.ask(Route::ListLines, "b3/lines", &[]).await, @r#"
    200
    content-type: application/json

    {"lines":[{"orderid":"o1","sku":"DESK","line":"a","qty":11,"batchqty":4,"since":5}],"next":null}
    "#);
    assert_snapshot!(api.ask(Route::ListWaiting, "DESK/waiting", &[]).await, @r#"
    200
    content-type: application/json

    {"lines":[{"orderid":"o1","sku":"DESK","line":"a","qty":2,"since":5}],"next":null}
    "#);
    let ship = r#"{"orderid": "o1", "sku": "DESK", "line": "a"}"#;
    assert_snapshot!(show(&api.answer(Route::Ship, request(Route::Ship, None, ship, None)).await), @r#"
    409
    content-type: application/json

    {"message":"line \"a\" of order \"o1\" and sku \"DESK\" waits for stock, or is held and not confirmed","code":"not_allocated"}
    "#);
    api.post_batch(r#"{"ref": "b4", "sku": "DESK", "qty": 2}"#).await;
    assert!(show(&api.answer(Route::Ship, request(Route::Ship, None, ship, None)).await).starts_with("200\n"));
    assert_snapshot!(api.ask(Route::ShowOrder, "o1", &[]).await, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"DESK","line":"a","qty":11,"state":"shipped","parts":[{"batchref":"b2","eta":null,"qty":5},{"batchref":"b3","eta":"2011-01-02","qty":4},{"batchref":"b4","eta":null,"qty":2}]}],"next":null}
    "#);
}

#[tokio::test]
async fn that_a_line_may_be_split_is_part_of_what_is_wanted() {
    let api = Api::with_lamps_and_desks().await;
    let wanted = |rest: &str| format!(r#"{{"lines": [{{"sku": "DESK", "qty": 4}}], "version": 1{rest}}}"#);
    let split = api.put(&wanted(r#", "split": true"#)).await;
    assert!(split.starts_with("200\n"), "{split}");
    assert_eq!(api.put(&wanted(r#", "split": true"#)).await, replayed(&split));
    for other in ["", r#", "split": false"#] {
        assert_eq!(api.refuses(409, &wanted(other)).await["code"], "order_outdated");
    }
}

#[tokio::test]
async fn a_line_on_more_batches_than_a_line_can_have_is_refused() {
    let api = Api::new();
    for number in 0..31 {
        api.post_batch(&format!(r#"{{"ref": "b{number}", "sku": "LAMP", "qty": 1}}"#)).await;
    }
    let before = contents(api.0.store());
    let told = api.refuses(422, r#"{"lines": [{"sku": "LAMP", "qty": 31}], "split": true}"#).await;
    assert_eq!(told["code"], "too_many_lines");
    assert_eq!(
        told["message"],
        r#"line "31" of order "o1" and sku "LAMP" would be split in too many parts: ask for it in several lines"#
    );
    assert_eq!(contents(api.0.store()), before);
}

#[tokio::test]
async fn an_order_that_is_tried_out_is_told_what_then_happens() {
    let api = Api::with_lamps_and_desks().await;
    let with_dry_run = |body: &str| format!(r#"{{"dry_run": true, {}"#, &body[1..]);
    let large = r#"{"lines": [{"sku": "LAMP", "qty": 6}]}"#;
    let split = r#"{"lines": [{"sku": "DESK", "qty": 8}], "split": true}"#;
    for body in [split, BASKET, large, r#"{"lines": [{"sku": "BED", "qty": 1}]}"#, r#"{"lines": [], "version": 1}"#] {
        let (before, tried) = (contents(api.0.store()), api.put(&with_dry_run(body)).await);
        assert_eq!(contents(api.0.store()), before, "{body}");
        assert_eq!(api.put(body).await, tried, "{body}");
    }
    assert_eq!(
        api.put(&BASKET.replacen('{', r#"{"dry_run": false, "version": 2, "#, 1)).await.lines().next(),
        Some("200")
    );
}

#[tokio::test]
async fn an_order_is_held_confirmed_or_over() {
    let api = Api::with_lamps_and_desks().await;
    let held = |lines: &str, until: &str| format!(r#"{{"lines": [{lines}], "hold_until": "1970-01-01T{until}"}}"#);
    let lamps = r#"{"sku": "LAMP", "qty": 3}"#;
    let desk = r#"{"sku": "DESK", "qty": 1}"#;
    assert_snapshot!(api.put(&held(lamps, "01:00:10+01:00")).await, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"LAMP","line":"3","qty":3,"state":"held","held_until":"1970-01-01T00:00:10.000Z","parts":[{"batchref":"b1","eta":null,"qty":3}]}]}
    "#);
    assert!(api.get("o1").await.starts_with("404\n"), "it has no allocation yet");
    let ship = r#"{"orderid": "o1", "sku": "LAMP", "qty": 3}"#;
    assert_snapshot!(api.post(Route::Ship, ship).await, @r#"
    409
    content-type: application/json

    {"message":"line \"3\" of order \"o1\" and sku \"LAMP\" waits for stock, or is held and not confirmed","code":"not_allocated"}
    "#);
    // What is confirmed stays so, beside what is new and held.
    let confirmed = api.put(&format!(r#"{{"lines": [{lamps}]}}"#)).await;
    assert!(confirmed.contains(r#""state":"allocated""#) && !confirmed.contains("idempotent"), "{confirmed}");
    let both = api.put(&held(&format!("{lamps}, {desk}"), "00:00:20Z")).await;
    assert!(both.contains(r#""qty":1,"state":"held""#) && both.contains(r#""qty":3,"state":"allocated""#), "{both}");
    api.0.environment().sleep(Duration::from_secs(20)).await;
    assert_snapshot!(api.ask(Route::ShowOrder, "o1", &[]).await, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"DESK","line":"1","qty":1,"state":"cancelled","parts":[]},{"sku":"LAMP","line":"3","qty":3,"state":"allocated","parts":[{"batchref":"b1","eta":null,"qty":3}]}],"next":null}
    "#);
    // Nobody has given it back; whoever wants all desks does.
    api.post_allocate(r#"{"orderid": "o2", "sku": "DESK", "qty": 5}"#, REPRESENTATION).await;
    let told = api.refuses(409, &format!(r#"{{"lines": [{lamps}, {{"sku": "DESK", "qty": 5}}]}}"#)).await;
    assert_eq!(told["lines"][0]["free"], 0);
}

#[tokio::test]
async fn a_time_until_which_nothing_can_be_held_is_refused() {
    let api = Api::with_lamps_and_desks().await;
    api.0.environment().sleep(Duration::from_secs(1)).await;
    for (until, reason) in [
        ("\"1970-01-01T00:00:01Z\"", "must be in the future, not 1970-01-01T00:00:01.000Z"),
        ("\"1969-01-01T00:00:01Z\"", "must be in the future"),
        (
            "\"1970-01-31T00:00:02Z\"",
            "must be within 30 days, so by 1970-01-31T00:00:01.000Z, not 1970-01-31T00:00:02.000Z",
        ),
        ("\"1970-01-01T10:00:00\"", "offset"),
        ("\"soon\"", "hold_until"),
        ("5", "expected"),
    ] {
        let told = api.refuses(400, &format!(r#"{{"lines": [], "hold_until": {until}}}"#)).await;
        assert_eq!(told["field"], "hold_until", "{told}");
        assert!(told["message"].as_str().unwrap().contains(reason), "{told}");
    }
    let latest = api.put(r#"{"lines": [], "hold_until": "1970-01-31T00:00:01Z"}"#).await;
    assert!(latest.starts_with("200\n"), "{latest}");
}

#[tokio::test]
async fn a_hold_that_is_asked_for_again_when_it_is_over_is_known_again_by_its_version() {
    let held = r#"{"lines": [{"sku": "LAMP", "qty": 3}], "version": 1, "hold_until": "1970-01-01T00:00:10Z"}"#;
    let api = Api::with_lamps_and_desks().await;
    assert!(api.put(held).await.starts_with("200\n"));
    api.0.environment().sleep(Duration::from_secs(10)).await;
    let again = api.put(held).await;
    assert!(again.starts_with("200\n") && again.contains("idempotent-replayed: true"), "{again}");
    for (before, other) in
        [("\"version\": 1", "\"version\": 2"), ("\"version\": 1, ", ""), ("\"qty\": 3", "\"qty\": 4")]
    {
        let told = api.refuses(400, &held.replace(before, other)).await;
        assert_eq!(told["field"], "hold_until", "{other}: {told}");
    }
}

#[tokio::test]
async fn what_no_order_can_be_is_refused_with_its_place() {
    let api = Api::with_lamps_and_desks().await;
    let before = contents(api.0.store());
    let long = format!(r#"{{"lines": [{{"sku": "{}", "qty": 1, "line": "{}"}}]}}"#, "🪑".repeat(250), "x".repeat(20));
    let named = format!(r#"{{"sku": "{}", "qty": 1, "line": "{}"}}"#, "🪑".repeat(250), "x".repeat(10));
    let for_parts = format!(r#"{{"lines": [{named}], "split": true}}"#);
    for (body, field, reason) in [
        ("{}", "lines", "missing field `lines`"),
        (r#"{"lines": 5}"#, "lines", "invalid type: integer `5`, expected a sequence"),
        (r#"{"lines": [["LAMP", 1]]}"#, "lines[0]", "invalid type: sequence, expected an object"),
        (r#"{"lines": [{"sku": "LAMP", "qty": 1}, {"sku": "LAMP"}]}"#, "lines[1].qty", "missing field `qty`"),
        (r#"{"lines": [{"sku": "LAMP", "qty": 0}]}"#, "lines[0].qty", "invalid value: integer `0`"),
        (r#"{"lines": [{"sku": "", "qty": 1}]}"#, "lines[0].sku", "must not be empty"),
        (r#"{"lines": [{"sku": "LAMP", "qty": 1, "line": " a"}]}"#, "lines[0].line", "must not begin or end"),
        (
            r#"{"lines": [{"sku": "LAMP", "qty": 1}, {"sku": "LAMP", "qty": 1, "line": "1"}]}"#,
            "lines[1]",
            "is named twice",
        ),
        (&long, "lines[0].line", "1018 bytes in UTF-8 together with sku"),
        (r#"{"lines": [], "if_short": "maybe"}"#, "if_short", "must be refuse, partial or wait"),
        (r#"{"lines": [], "if_short": {"wait": null}}"#, "if_short", "expected a string"),
        (r#"{"lines": [], "version": -1}"#, "version", "invalid value"),
        (r#"{"lines": [], "dry_run": "yes"}"#, "dry_run", "expected a boolean"),
        (r#"{"lines": [], "split": "yes"}"#, "split", "expected a boolean"),
        (&for_parts, "lines[0].line", "at most 1009 bytes in UTF-8 together with sku if it may be split, not 1010"),
    ] {
        let told = api.refuses(400, body).await;
        assert_eq!((&told["code"], &told["field"]), (&json!("invalid_input"), &json!(field)), "{body}: {told}");
        assert!(told["message"].as_str().unwrap().contains(reason), "{body}: {told}");
    }
    let line = |number: usize| format!(r#"{{"sku": "LAMP", "qty": 1, "line": "{number}"}}"#);
    let lines: Vec<String> = (0..31).map(line).collect();
    let told = api.refuses(422, &format!(r#"{{"lines": [{}]}}"#, lines.join(","))).await;
    assert_eq!(told["message"], "lines: must be at most 30, not 31; what is larger has to be several orders");
    assert_eq!(told["code"], "too_many_lines");
    assert_eq!(contents(api.0.store()), before);
    assert_eq!(api.refuses(404, r#"{"lines": [{"sku": "BED", "qty": 1}]}"#).await["code"], "unknown_sku");
}

#[tokio::test]
async fn an_order_that_has_ended_is_not_put() {
    let api = Api::with_lamps_and_desks().await;
    api.put(BASKET).await;
    api.post(Route::Ship, r#"{"orderid": "o1", "sku": "LAMP", "line": "a"}"#).await;
    let told = api.refuses(409, r#"{"lines": [{"sku": "LAMP", "qty": 2, "line": "a"}]}"#).await;
    assert_eq!(told["code"], "line_shipped");
    let kept = api.put(r#"{"lines": []}"#).await;
    assert!(kept.contains(r#""line":"a","qty":3,"state":"shipped","parts":[{"batchref":"b1""#), "{kept}");
    api.cancel("o1").await;
    assert_eq!(api.refuses(409, BASKET).await["code"], "order_cancelled");
}

#[tokio::test]
async fn an_order_is_cancelled_with_all_its_lines_and_gets_no_more() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    api.post_batch(r#"{"ref": "b2", "sku": "LAMP", "qty": 1}"#).await;
    let shipped = r#"{"orderid": "o1", "sku": "RETRO-CLOCK", "qty": 1, "line": "gift"}"#;
    for line in [LINE, shipped, r#"{"orderid": "o1", "sku": "LAMP", "qty": 1}"#] {
        api.post_allocate(line, None).await;
    }
    api.post(Route::Ship, shipped).await;
    let cancelled = api.cancel("o1").await;
    assert_snapshot!(cancelled, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"LAMP","line":"1","qty":1,"state":"cancelled","parts":[]},{"sku":"RETRO-CLOCK","line":"3","qty":3,"state":"cancelled","parts":[]},{"sku":"RETRO-CLOCK","line":"gift","qty":1,"state":"shipped","parts":[{"batchref":"b1","eta":"2011-01-02","qty":1}]}],"next":null}
    "#);
    assert_eq!(api.cancel("o1").await, replayed(&cancelled), "the same again");
    assert_snapshot!(api.post_allocate(LINE, None).await, @r#"
    409
    content-type: application/json

    {"message":"order \"o1\" is cancelled","code":"order_cancelled"}
    "#);
    assert_eq!(api.post_allocate(LINE, REPRESENTATION).await, api.post_allocate(LINE, None).await);
    let kept = api.post_allocate(shipped, REPRESENTATION).await;
    assert!(kept.starts_with("201\n") && kept.contains("idempotent-replayed"), "{kept}");
    assert!(api.post(Route::Deallocate, LINE).await.contains("idempotent-replayed"));
}

#[tokio::test]
async fn an_order_that_nobody_has_heard_of_has_no_lines() {
    let api = Api::new();
    let cancelled = api.cancel("o1").await;
    assert_snapshot!(cancelled, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[],"next":null}
    "#);
    assert_eq!(api.cancel("o1").await, replayed(&cancelled));
    assert!(api.post_allocate(LINE, None).await.contains("order_cancelled"), "whatever its SKU");
}

#[tokio::test]
async fn a_line_that_waits_is_cancelled_too() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    api.post_allocate(LINE, None).await;
    api.0.handle(&holds("b1", 0, Revision::AsOf(1)), &call_until(Timestamp(10_000))).await.unwrap();
    assert_snapshot!(api.cancel("o1").await, @r#"
    200
    content-type: application/json

    {"orderid":"o1","lines":[{"sku":"RETRO-CLOCK","line":"3","qty":3,"state":"cancelled","parts":[]}],"next":null}
    "#);
}

#[tokio::test]
async fn the_first_hundred_lines_are_shown() {
    let api = Api::new();
    api.post_batch(r#"{"ref": "b1", "sku": "RETRO-CLOCK", "qty": 1000}"#).await;
    for number in 0..101 {
        let line = format!(r#"{{"orderid": "o1", "sku": "RETRO-CLOCK", "qty": 1, "line": "{number:03}"}}"#);
        api.post_allocate(&line, None).await;
    }
    let cancelled = api.cancel("o1").await;
    assert_eq!(cancelled.matches(r#""state":"cancelled""#).count(), 100);
    assert!(cancelled.contains(r#""line":"099""#) && !cancelled.contains(r#""line":"100""#), "by their names");
    let next = cancelled.split_once(r#""next":""#).unwrap().1.trim_end_matches(['"', '}']);
    let rest = api.ask(Route::ShowOrder, "o1", &[("after", next)]).await;
    assert!(rest.contains(r#""line":"100""#) && rest.contains(r#""next":null"#), "{rest}");
    assert_eq!(rest.matches(r#""line""#).count(), 1, "{rest}");
    assert!(
        api.post(Route::Ship, r#"{"orderid": "o1", "sku": "RETRO-CLOCK", "line": "100"}"#)
            .await
            .contains("line_cancelled")
    );
}

#[tokio::test]
async fn any_order_can_be_cancelled_that_can_be_named() {
    let api = Api::new();
    for (orderid, written) in [("a/b", "a%2Fb"), ("100%", "100%25"), ("🪑", "%F0%9F%AA%91")] {
        assert!(api.cancel(written).await.contains(&format!(r#"{{"orderid":"{orderid}","lines":[]"#)), "{orderid}");
    }
    assert_snapshot!(api.cancel("a%0Ab").await, @r#"
    400
    content-type: application/json

    {"message":"orderid: must not contain control characters, such as '\\n'","code":"invalid_input","field":"orderid"}
    "#);
    let too_long = "x".repeat(256);
    for orderid in ["", too_long.as_str(), "%FF"] {
        let refused = api.cancel(orderid).await;
        assert!(refused.starts_with("400\n") && refused.contains(r#""field":"orderid""#), "{refused}");
    }
}
