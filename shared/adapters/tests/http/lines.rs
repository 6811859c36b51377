//! Lines by their names, and how they end.

use adapters::http::Route;
use insta::assert_snapshot;

use super::{Api, BATCH, LINE, REPRESENTATION, replayed};

const NOBODYS: &str = r#"{"orderid": "o9", "sku": "RETRO-CLOCK", "line": "left"}"#;

#[tokio::test]
async fn a_line_is_cancelled_and_not_allocated_again() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    api.post_allocate(LINE, None).await;
    let cancelled = api.post(Route::Deallocate, LINE).await;
    assert_snapshot!(cancelled, @r#"
    200
    content-type: application/json

    {"message":"OK"}
    "#);
    assert_eq!(api.post(Route::Deallocate, LINE).await, replayed(&cancelled), "the same again");
    for prefer in [None, REPRESENTATION] {
        assert_eq!(api.post_allocate(LINE, prefer).await, api.post(Route::Ship, LINE).await);
    }
    assert!(api.get("o1").await.starts_with("404"));
    assert_snapshot!(api.post(Route::Ship, LINE).await, @r#"
    409
    content-type: application/json

    {"message":"line \"3\" of order \"o1\" and sku \"RETRO-CLOCK\" is cancelled","code":"line_cancelled"}
    "#);
}

#[tokio::test]
async fn a_line_is_shipped_and_stays_so() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    let allocated = api.post_allocate(LINE, REPRESENTATION).await;
    let shipped = api.post(Route::Ship, LINE).await;
    assert_snapshot!(shipped, @r#"
    200
    content-type: application/json

    {"message":"OK"}
    "#);
    assert_eq!(api.post(Route::Ship, LINE).await, replayed(&shipped), "the same again");
    assert_eq!(api.post_allocate(LINE, REPRESENTATION).await, replayed(&allocated), "it has its batch");
    assert_snapshot!(api.post(Route::Deallocate, LINE).await, @r#"
    409
    content-type: application/json

    {"message":"line \"3\" of order \"o1\" and sku \"RETRO-CLOCK\" is shipped","code":"line_shipped"}
    "#);
    assert!(api.get("o1").await.starts_with("200"), "shipped lines are shown");
}

#[tokio::test]
async fn a_line_that_nobody_asked_for_is_unknown() {
    let api = Api::new();
    assert_snapshot!(api.post(Route::Ship, NOBODYS).await, @r#"
    404
    content-type: application/json

    {"message":"unknown line \"left\" of order \"o9\" and sku \"RETRO-CLOCK\"","code":"unknown_line"}
    "#);
    assert_eq!(api.post(Route::Deallocate, NOBODYS).await, api.post(Route::Ship, NOBODYS).await);
    assert_snapshot!(api.post(Route::Deallocate, r#"{"orderid": "o9", "sku": "RETRO-CLOCK"}"#).await, @r#"
    400
    content-type: application/json

    {"message":"missing field `line` or `qty`","code":"invalid_input","field":"line"}
    "#);
}

#[tokio::test]
async fn lines_with_names_may_ask_for_equal_quantities_and_keep_to_their_own() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    let line =
        |name: &str, qty: u32| format!(r#"{{"orderid": "o1", "sku": "RETRO-CLOCK", "qty": {qty}, "line": "{name}"}}"#);
    api.post_allocate(&line("left", 3), None).await;
    api.post_allocate(&line("right #2", 3), None).await;
    assert_snapshot!(api.get("o1").await, @r#"
    200
    content-type: application/json

    [{"sku":"RETRO-CLOCK","batchref":"b1"},{"sku":"RETRO-CLOCK","batchref":"b1"}]
    "#);
    assert_snapshot!(api.post_allocate(&line("left", 4), None).await, @r#"
    409
    content-type: application/json

    {"message":"line \"left\" of order \"o1\" and sku \"RETRO-CLOCK\" was asked for before, with qty 3","code":"line_differs","qty":3}
    "#);
    assert!(
        api.post(Route::Deallocate, r#"{"orderid": "o1", "sku": "RETRO-CLOCK", "line": "left"}"#)
            .await
            .starts_with("200")
    );
    assert!(
        api.post(Route::Ship, r#"{"orderid": "o1", "sku": "RETRO-CLOCK", "line": "right #2"}"#)
            .await
            .starts_with("200")
    );
}
