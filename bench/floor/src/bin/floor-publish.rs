//! The call of `publish-events`: one `PublishBatch`.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::de::IgnoredAny;
use serde_json::json;

const MESSAGE: &str = r#"{"type":"Allocated","orderid":"order-001","sku":"RETRO-CLOCK","qty":3,"batchref":"batch-001","id":"RETRO-CLOCK#8#1","version":8}"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = &Client::new(&aws_config::load_from_env().await);
    let handle = async |_: LambdaEvent<IgnoredAny>| {
        let text = |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build();
        let entry = PublishBatchRequestEntry::builder()
            .id("0")
            .message(MESSAGE)
            .message_attributes("type", text("Allocated")?)
            .message_attributes("channel", text("line_allocated")?)
            .message_attributes("correlation_id", text("order-001")?);
        let topic = "arn:aws:sns:eu-west-1:123456789012:events";
        client.publish_batch().topic_arn(topic).publish_batch_request_entries(entry.build()?).send().await?;
        Ok::<_, Error>(json!({"batchItemFailures": []}))
    };
    run(service_fn(handle)).await
}
