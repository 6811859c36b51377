//! What the warehouse says of its batches: `Route::ChangeBatch`.

use insta::assert_snapshot;

use super::{Api, BATCH, LINE, REPRESENTATION, replayed};

const OF_ANOTHER_SKU: &str = r#"{"ref": "b1", "sku": "VASE", "qty": 4}"#;

#[tokio::test]
async fn a_batch_gets_its_real_quantity_and_another_eta() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    api.post_allocate(LINE, None).await;
    let body = r#"{"qty": "0003", "eta": "2011-01-05", "version": 1}"#;
    let applied = api.patch_batch("b1", body).await;
    assert_snapshot!(applied, @r#"
    200
    content-type: application/json

    {"applied":true}
    "#);
    assert_eq!(api.patch_batch("b1", body).await, replayed(&applied), "the same again");
    assert!(
        api.post_allocate(r#"{"orderid":"o2","sku":"RETRO-CLOCK","qty":1}"#, REPRESENTATION).await.starts_with("400")
    );
    assert_snapshot!(api.patch_batch("b1", r#"{"qty": 9, "version": 0}"#).await, @r#"
    200
    content-type: application/json

    {"applied":false}
    "#);
    // One of the two is outdated, the other one is not.
    assert_eq!(api.patch_batch("b1", r#"{"on_hand": 4, "version": 3}"#).await, applied);
    assert_eq!(api.patch_batch("b1", r#"{"qty": 9, "eta": null, "version": 2}"#).await, applied);
    let told = api.post_allocate(r#"{"orderid":"o2","sku":"RETRO-CLOCK","qty":2}"#, REPRESENTATION).await;
    assert!(told.starts_with("400"), "on_hand is newer, so that one piece is free: {told}");
}

#[tokio::test]
async fn a_batch_that_is_not_there_is_unknown() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    assert_snapshot!(api.patch_batch("b%2F2", r#"{"qty": 3}"#).await, @r#"
    404
    content-type: application/json

    {"message":"unknown batch \"b/2\"","code":"unknown_batch"}
    "#);
    let of_another = api.patch_batch("b1", r#"{"qty": 3, "sku": "VASE"}"#).await;
    let unknown = api.patch_batch("b%2F2", r#"{"qty": 3}"#).await;
    assert_eq!(of_another, unknown.replace(r#"\"b/2\""#, r#"\"b1\" of sku \"VASE\""#));
}

#[tokio::test]
async fn a_quantity_says_of_which_sku_it_is_where_several_share_the_reference() {
    let api = Api::new();
    for batch in [BATCH, OF_ANOTHER_SKU] {
        assert!(api.post_batch(batch).await.starts_with("201"));
    }
    assert_snapshot!(api.patch_batch("b1", r#"{"qty": 3}"#).await, @r#"
    409
    content-type: application/json

    {"message":"batch \"b1\" has several SKUs: say which by sku","code":"ambiguous_batch"}
    "#);
    assert!(api.patch_batch("b1", r#"{"qty": 3, "sku": "VASE"}"#).await.contains(r#"{"applied":true}"#));
    assert!(api.patch_batch("b1", r#"{"eta": "2011-01-07"}"#).await.contains(r#"{"applied":true}"#), "of both");
    let vases = api.post_allocate(r#"{"orderid":"o2","sku":"VASE","qty":3}"#, REPRESENTATION).await;
    assert!(vases.contains(r#"{"batchref":"b1"}"#), "{vases}");
}

#[tokio::test]
async fn what_a_change_must_say() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    assert_snapshot!(api.patch_batch("b1", r#"{"version": 3}"#).await, @r#"
    400
    content-type: application/json

    {"message":"qty: must be there, or else on_hand or eta","code":"invalid_input","field":"qty"}
    "#);
    assert_snapshot!(api.patch_batch("b1", r#"{"qty": 3, "on_hand": 3}"#).await, @r#"
    400
    content-type: application/json

    {"message":"on_hand: must not be there beside qty","code":"invalid_input","field":"on_hand"}
    "#);
    assert_snapshot!(api.patch_batch("b1", r#"{"qty": 3, "as_of": 1700000000}"#).await, @r#"
    400
    content-type: application/json

    {"message":"as_of: is before 2001; expected milliseconds since 1970, not seconds","code":"invalid_input","field":"as_of"}
    "#);
    assert_snapshot!(api.patch_batch("%FF", r#"{"qty": 3}"#).await, @r#"
    400
    content-type: application/json

    {"message":"ref: must be UTF-8, percent-encoded","code":"invalid_input","field":"ref"}
    "#);
}
