//! The inner loop: functions under the Lambda emulator of `cargo lambda watch`, on a DynamoDB in memory.

use std::sync::Arc;
use std::time::Duration;

use inner_loop::Database;
use local::{CargoLambdaWatch, WatchLog};
use serde_json::{Value, json};

use crate::addresses;
use crate::layers::{Layers, Outcome, add_tests};
use crate::names::{ODD_ORDER_IDS, unique};
use crate::servers::{Servers, TABLE};
use crate::shop::Api;

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "functions",
        [
            a_batch_is_added_a_line_allocated_and_viewed,
            any_order_id_can_be_asked_for,
            each_message_of_a_batch_is_answered_by_itself,
            a_database_that_is_away_is_told_as_503,
            calls_of_a_function_that_does_not_start_are_answered,
            functions_and_database_are_reached_by_ipv4_and_ipv6_from_this_machine_only,
        ]
    );
}

async fn a_batch_is_added_a_line_allocated_and_viewed(servers: Arc<Servers>) -> Outcome {
    let api = Api::at(servers.watch().await?.api_url())?;
    let (sku, orderid, reference) = (unique("SKU"), unique("order"), unique("batch"));
    assert_eq!(api.create_batch(&reference, &sku, 10, None).await?.told(), (201, "OK"));
    assert_eq!(api.allocate(&orderid, &sku, 3).await?.told(), (202, "OK"));
    let shown = format!(r#"[{{"sku":"{sku}","batchref":"{reference}"}}]"#);
    assert_eq!(api.view(&orderid).await?.told(), (200, shown.as_str()));
    assert_eq!(api.view(&unique("order")).await?.told(), (404, "not found"));
    Ok(())
}

async fn any_order_id_can_be_asked_for(servers: Arc<Servers>) -> Outcome {
    let api = Api::at(servers.watch().await?.api_url())?;
    let (sku, number) = (unique("SKU"), unique(""));
    api.create_batch(&unique("batch"), &sku, 1_000, None).await?;
    for (orderid, encoded) in ODD_ORDER_IDS {
        let answer = api.allocate(&format!("{orderid}{number}"), &sku, 1).await?;
        assert_eq!(answer.status, 202, "{orderid}: {answer:?}");
        let view = api.view(&format!("{encoded}{number}")).await?;
        assert_eq!(view.status, 200, "{orderid} as {encoded}: {view:?}");
    }
    Ok(())
}

async fn each_message_of_a_batch_is_answered_by_itself(servers: Arc<Servers>) -> Outcome {
    let watch = servers.watch().await?;
    let api = Api::at(watch.api_url())?;
    let (sku, orderid, reference) = (unique("SKU"), unique("order"), unique("batch"));
    api.create_batch(&reference, &sku, 1, None).await?;
    let message = |id: &str, body: Value| json!({"messageId": id, "body": body.to_string(), "attributes": {"SentTimestamp": "1300000000000"}});
    let event = json!({"Records": [
        message("unknown", json!({"batchref": unique("nowhere"), "qty": 1})),
        message("good", json!({"batchref": reference, "qty": 7})),
        message("poison", json!("no object")),
        message("negative", json!({"batchref": reference, "qty": -1})),
        message("again", json!({"batchref": reference, "qty": 7})),
    ]});
    let answer = reqwest::Client::builder().no_proxy().build()?;
    let answer = answer.post(watch.invoke_url("change-batch-quantity")).body(event.to_string()).send().await?;
    let failed = json!({"batchItemFailures": [
        {"itemIdentifier": "unknown"}, {"itemIdentifier": "poison"}, {"itemIdentifier": "negative"},
    ]});
    assert_eq!(answer.json::<Value>().await?, failed);
    assert_eq!(api.allocate_and_tell(&orderid, &sku, 7).await?.status, 201);
    Ok(())
}

async fn a_database_that_is_away_is_told_as_503(servers: Arc<Servers>) -> Outcome {
    servers.watch().await?;
    // Nothing listens on the discard port.
    let away = "http://127.0.0.1:9";
    let watch = CargoLambdaWatch::start(servers.tools().await?, away, TABLE, None, WatchLog::File).await?;
    let api = Api::at(watch.api_url())?;
    let answer = api.allocate(&unique("order"), &unique("SKU"), 1).await?;
    assert_eq!(answer.told(), (503, r#"{"message":"temporarily unavailable","code":"unavailable"}"#));
    assert_eq!(answer.headers["retry-after"], "1");
    Ok(())
}

async fn calls_of_a_function_that_does_not_start_are_answered(servers: Arc<Servers>) -> Outcome {
    // The inner loop has no topic, and this function does not start without.
    let url = servers.watch().await?.invoke_url("publish-events");
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(2)).build()?;
    for _ in 0..2 {
        let answer = http.post(&url).body(r#"{"Records":[]}"#).send().await?;
        assert_eq!(answer.status().as_u16(), 500);
        let error: Value = answer.json().await?;
        assert_eq!(error["errorType"], "Runtime.ExitError");
        let message = error["errorMessage"].as_str().unwrap();
        assert!(message.starts_with("publish-events is not running") && message.contains("exit status 1"), "{message}");
        let log = message.split_once("The reason is in ").unwrap().1.trim_end_matches('.');
        assert!(std::fs::read_to_string(log)?.contains("EVENTS_TOPIC_ARN"), "{log}");
    }
    Ok(())
}

async fn functions_and_database_are_reached_by_ipv4_and_ipv6_from_this_machine_only(servers: Arc<Servers>) -> Outcome {
    let watch = servers.watch().await?;
    addresses::check(&format!("{}/allocations/{}", watch.api_url(), unique("order"))).await?;
    addresses::check(Database::start()?.endpoint()).await
}
