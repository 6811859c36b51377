//! The call of `allocations-view`: one `Query`.

use aws_sdk_dynamodb::Client;
use floor::{TABLE, text};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::de::IgnoredAny;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = &Client::new(&aws_config::load_from_env().await);
    let handle = async |_: LambdaEvent<IgnoredAny>| {
        client
            .query()
            .table_name(TABLE)
            .consistent_read(true)
            .limit(1_002)
            .key_condition_expression("PK = :order")
            .expression_attribute_values(":order", text("ORDER#order-001"))
            .send()
            .await?;
        Ok::<_, Error>(json!({"statusCode": 200, "body": r#"[{"sku":"RETRO-CLOCK","batchref":"batch-001"}]"#}))
    };
    run(service_fn(handle)).await
}
