//! The call of `record-history`: one `BatchWriteItem`.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use floor::{TABLE, key, number, text};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::de::IgnoredAny;
use serde_json::json;

const EVENT: &str = r#"{"type":"Allocated","orderid":"order-001","sku":"RETRO-CLOCK","qty":3,"line":"3","batchref":"batch-001","eta":null,"id":"RETRO-CLOCK#8#1","version":8,"of":1,"at":"2031-01-01T12:00:00.000Z","correlation_id":null}"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = &Client::new(&aws_config::load_from_env().await);
    let handle = async |_: LambdaEvent<IgnoredAny>| {
        let mut item = key("SKU#RETRO-CLOCK", "0000000000000008#00000001");
        item.extend(floor::item([
            ("of", number("1")),
            ("orderid", text("order-001")),
            ("event", text(EVENT)),
            ("expires_at", number("1932811200")),
        ]));
        let put = PutRequest::builder().set_item(Some(item)).build()?;
        let requests = vec![WriteRequest::builder().put_request(put).build()];
        client.batch_write_item().request_items(TABLE, requests).send().await?;
        Ok::<_, Error>(json!({"batchItemFailures": []}))
    };
    run(service_fn(handle)).await
}
