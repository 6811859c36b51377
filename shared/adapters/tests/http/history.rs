//! What can be asked of the past.

use adapters::http::Route;
use domain::{Sku, Version};
use insta::assert_snapshot;
use service_layer::history::{History as _, Recorded, Told};
use service_layer::ports::Timestamp;
use testing::hear;

use super::{Api, BATCH, LINE, TOO_LARGE};

/// A batch, a line on it, and one that was refused: all of it recorded.
async fn shop() -> Api {
    let api = Api::new();
    api.post_batch(BATCH).await;
    api.post_allocate(LINE, None).await;
    api.post_allocate(TOO_LARGE, None).await;
    hear(&api.1, &api.0.store().outbox()).await;
    api
}

#[tokio::test]
async fn what_happened_to_a_product_is_told_from_its_first_version_on() {
    let api = shop().await;
    assert_snapshot!(api.ask(Route::ProductHistory, "RETRO-CLOCK/history", &[]).await, @r#"
    200
    content-type: application/json

    {"sku":"RETRO-CLOCK","version":3,"complete_to":3,"missing":[],"events":[{"type":"BatchCreated","batchref":"b1","sku":"RETRO-CLOCK","qty":10,"eta":"2011-01-02","id":"RETRO-CLOCK#1#1","version":1,"of":1,"at":"1970-01-01T00:00:00.000Z","correlation_id":"unknown"},{"type":"Allocated","orderid":"o1","sku":"RETRO-CLOCK","qty":3,"line":"3","batchref":"b1","eta":"2011-01-02","id":"RETRO-CLOCK#2#1","version":2,"of":1,"at":"1970-01-01T00:00:00.000Z","correlation_id":"unknown"},{"type":"OutOfStock","orderid":"o2","sku":"RETRO-CLOCK","qty":11,"line":"11","waiting":false,"lines":1,"id":"RETRO-CLOCK#3#1","version":3,"of":1,"at":"1970-01-01T00:00:00.000Z","correlation_id":"unknown"}],"next":null}
    "#);
    assert_snapshot!(api.ask(Route::ProductHistory, "RETRO-CLOCK/history", &[("limit", "1"), ("after", "1")]).await, @r#"
    200
    content-type: application/json

    {"sku":"RETRO-CLOCK","version":3,"complete_to":2,"missing":[],"events":[{"type":"Allocated","orderid":"o1","sku":"RETRO-CLOCK","qty":3,"line":"3","batchref":"b1","eta":"2011-01-02","id":"RETRO-CLOCK#2#1","version":2,"of":1,"at":"1970-01-01T00:00:00.000Z","correlation_id":"unknown"}],"next":"2"}
    "#);
    let last = api.ask(Route::ProductHistory, "RETRO-CLOCK/history", &[("after", "3")]).await;
    assert!(last.ends_with(r#""version":3,"complete_to":3,"missing":[],"events":[],"next":null}"#), "{last}");
    assert_snapshot!(api.ask(Route::ProductHistory, "LAMP/history", &[]).await, @r#"
    404
    content-type: application/json

    {"message":"Invalid sku LAMP","code":"unknown_sku"}
    "#);
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let api = shop().await;
    let sku = Sku::try_from("RETRO-CLOCK").unwrap();
    api.1.forget(&sku, Version(2), 1);
    let told = api.ask(Route::ProductHistory, "RETRO-CLOCK/history", &[]).await;
    assert!(
        told.contains(r#""version":3,"complete_to":1,"missing":[{"first":2,"last":2}],"events":[{"type""#),
        "{told}"
    );
    let told = api.ask(Route::OrderHistory, "o1/history", &[]).await;
    let expected =
        r#"{"orderid":"o1","products":[{"sku":"RETRO-CLOCK","version":2,"complete_to":1}],"events":[],"next":null}"#;
    assert!(told.ends_with(expected), "{told}");
}

#[tokio::test]
async fn what_happened_to_an_order_is_told_of_refused_lines_too() {
    let api = shop().await;
    assert_snapshot!(api.ask(Route::OrderHistory, "o1/history", &[]).await, @r#"
    200
    content-type: application/json

    {"orderid":"o1","products":[{"sku":"RETRO-CLOCK","version":2,"complete_to":2}],"events":[{"type":"Allocated","orderid":"o1","sku":"RETRO-CLOCK","qty":3,"line":"3","batchref":"b1","eta":"2011-01-02","id":"RETRO-CLOCK#2#1","version":2,"of":1,"at":"1970-01-01T00:00:00.000Z","correlation_id":"unknown"}],"next":null}
    "#);
    assert_snapshot!(api.ask(Route::OrderHistory, "o2/history", &[]).await, @r#"
    200
    content-type: application/json

    {"orderid":"o2","products":[{"sku":"RETRO-CLOCK","version":3,"complete_to":3}],"events":[{"type":"OutOfStock","orderid":"o2","sku":"RETRO-CLOCK","qty":11,"line":"11","waiting":false,"lines":1,"id":"RETRO-CLOCK#3#1","version":3,"of":1,"at":"1970-01-01T00:00:00.000Z","correlation_id":"unknown"}],"next":null}
    "#);
    assert_snapshot!(api.ask(Route::OrderHistory, "o9/history", &[]).await, @r#"
    404
    content-type: application/json

    {"message":"unknown order \"o9\": nobody asked for it, or its lines are still on the queue","code":"unknown_order"}
    "#);
}

/// What a page ends with is what the next one begins after.
#[tokio::test]
async fn an_orders_past_comes_in_pages() {
    let api = shop().await;
    api.post(Route::Ship, LINE).await;
    hear(&api.1, &api.0.store().outbox()).await;
    let first = api.ask(Route::OrderHistory, "o1/history", &[("limit", "1")]).await;
    let next = first.rsplit_once(r#""next":""#).unwrap().1.trim_end_matches("\"}");
    let last = api.ask(Route::OrderHistory, "o1/history", &[("limit", "1"), ("after", next)]).await;
    assert!(first.contains("Allocated") && !first.contains("Shipped"), "{first}");
    assert!(last.contains("Shipped") && last.ends_with(r#""next":null}"#), "{last}");
}

#[tokio::test]
async fn a_page_that_is_none_is_refused_with_its_name() {
    let api = shop().await;
    assert_snapshot!(api.ask(Route::ProductHistory, "RETRO-CLOCK/history", &[("after", "now")]).await, @r#"
    400
    content-type: application/json

    {"message":"after: must be a version, a whole number, not \"now\"","code":"invalid_input","field":"after"}
    "#);
    for (route, rest) in [(Route::ProductHistory, "RETRO-CLOCK/history"), (Route::OrderHistory, "o1/history")] {
        for (field, value) in [
            ("limit", "0"),
            ("limit", "1001"),
            ("after", ""),
            ("after", "-1"),
            ("after", "e30"),
            ("after", "18446744073709551616"),
        ] {
            let refused = api.ask(route, rest, &[(field, value)]).await;
            let named = refused.contains(&format!(r#""code":"invalid_input","field":"{field}""#));
            assert!(refused.starts_with("400\n") && named, "{route:?} {field}={value}: {refused}");
        }
        let refused = api.ask(route, "a%0Ab/history", &[]).await;
        assert!(refused.starts_with("400\n"), "{refused}");
    }
}

#[tokio::test]
async fn what_is_kept_and_no_json_fails_and_is_named_in_the_log() {
    let api = shop().await;
    let event = Recorded {
        sku: "RETRO-CLOCK".try_into().unwrap(),
        version: Version(1),
        number: 1,
        of: 1,
        orderid: None,
        text: "{".to_owned(),
    };
    api.1.record(vec![Told { event, mention: None, at: Timestamp(0) }]).await.unwrap();
    let failed = api.ask(Route::ProductHistory, "RETRO-CLOCK/history", &[]).await;
    assert!(failed.starts_with("500\n"), "{failed}");
}
