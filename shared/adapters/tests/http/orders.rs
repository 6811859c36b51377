//! Whole orders: how they are cancelled.

use adapters::http::Route;
use domain::Revision;
use insta::assert_snapshot;
use lambda_http::Request;
use service_layer::ports::Timestamp;
use testing::holds;

use super::{Api, BATCH, LINE, REPRESENTATION, call_until, replayed, request, show};

fn delete(orderid: &str) -> Request {
    request(Route::CancelOrder, None, "", Some(orderid))
}

impl Api {
    async fn cancel(&self, orderid: &str) -> String {
        show(&self.answer(Route::CancelOrder, delete(orderid)).await)
    }
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
