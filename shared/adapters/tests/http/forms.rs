//! In which form an answer comes, and how long one may be.

use adapters::http::{ANSWER_BYTES, Route};
use domain::{NewBatch, OrderLine};
use insta::assert_snapshot;
use service_layer::ports::Timestamp;
use testing::{Command, api_event, api_request, line, new_batch};

use super::{Api, BATCH, LINE, TOO_LARGE, call_until, show};

impl Api {
    async fn accepting(&self, route: Route, accept: &str, body: &str, orderid: &str) -> String {
        let mut event = api_event(route, body);
        event["headers"]["accept"] = accept.into();
        event["pathParameters"] = serde_json::json!({ "orderid": orderid });
        show(&self.answer(route, api_request(&event, lambda_http::Context::default())).await)
    }
}

const JSON: &str = "application/json";

#[tokio::test]
async fn whoever_asks_for_json_gets_it() {
    let api = Api::new();
    assert_snapshot!(api.accepting(Route::CreateBatch, JSON, BATCH, "").await, @r#"
    201
    content-type: application/json

    {"message":"OK"}
    "#);
    assert_snapshot!(api.accepting(Route::Allocate, JSON, LINE, "").await, @r#"
    202
    content-type: application/json

    {"message":"OK"}
    "#);
    assert_snapshot!(api.accepting(Route::Allocate, JSON, TOO_LARGE, "").await, @r#"
    202
    content-type: application/json

    {"message":"OK"}
    "#);
    assert_snapshot!(api.accepting(Route::ViewAllocations, JSON, "", "o9").await, @r#"
    404
    content-type: application/json

    {"message":"no line of order \"o9\" has a batch: GET /orders/{orderid} tells of all its lines","code":"unknown_order"}
    "#);
    assert_snapshot!(api.accepting(Route::ViewAllocations, JSON, "", "a%0A").await, @r#"
    404
    content-type: application/json

    {"message":"orderid: must not contain control characters, such as '\\n'","code":"unknown_order"}
    "#);
}

#[tokio::test]
async fn json_is_asked_for_by_its_name() {
    let api = Api::new();
    for accept in [
        "application/json",
        "Application/JSON;q=0.5",
        "text/plain, application/json",
        "application/json; charset=utf-8, */*;q=0.1",
    ] {
        let answer = api.accepting(Route::CreateBatch, accept, BATCH, "").await;
        assert!(answer.ends_with(r#"{"message":"OK"}"#), "{accept}: {answer}");
    }
    for accept in [
        "",
        "*/*",
        "application/*",
        "text/plain",
        "application/json;q=0",
        "application/json; q=0.000",
        "x\"application/json\"",
    ] {
        let answer = api.accepting(Route::CreateBatch, accept, BATCH, "").await;
        assert!(answer.ends_with("\n\nOK"), "{accept}: {answer}");
    }
}

/// Names of a thousand bytes, most of which a text in JSON in JSON escapes.
#[tokio::test]
async fn an_answer_that_lambda_would_not_take_is_refused_with_another_way() {
    let api = Api::new();
    let sku = "\"".repeat(255);
    let batch: NewBatch = new_batch(&"\\".repeat(255), &sku, u32::MAX);
    let call = call_until(Timestamp(100_000));
    api.0.handle(&Command::CreateBatch(batch), &call).await.unwrap();
    // A row has both names, each character escaped twice.
    let rows = ANSWER_BYTES / (255 * 4 * 2);
    for (number, fits) in [(rows - 200, true), (rows + 1, false)] {
        let orderid = format!("o{number}");
        for number in 0..number {
            let line = OrderLine { name: number.to_string().as_str().try_into().unwrap(), ..line(&orderid, &sku, 1) };
            api.0.handle(&Command::Allocate(line), &call).await.unwrap();
        }
        let answer = api.get(&orderid).await;
        if fits {
            assert!(answer.starts_with("200\n"));
            continue;
        }
        assert_snapshot!(answer, @r#"
        413
        content-type: application/json

        {"message":"the answer has more than 6275072 bytes: ask for less, by limit or, of an order, by GET /orders/{orderid}; of a reference with so many SKUs, GET /products/{sku} shows one","code":"too_large"}
        "#);
        let page = api.ask(Route::ShowOrder, &orderid, &[("limit", "1000")]).await;
        assert!(page.starts_with("200\n") && page.contains(r#""next":""#));
    }
}
