//! The calls of `change-batch-quantity`: one `Query`, one `GetItem`, one `PutItem`.

use aws_sdk_dynamodb::Client;
use floor::{TABLE, head, key, text};
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
            .key_condition_expression("PK = :batch")
            .expression_attribute_values(":batch", text("BATCH#batch-001"))
            .send()
            .await?;
        let product = key("SKU#RETRO-CLOCK", "PRODUCT");
        client.get_item().table_name(TABLE).consistent_read(true).set_key(Some(product)).send().await?;
        let head = head()?;
        client
            .put_item()
            .table_name(head.table_name)
            .set_item(Some(head.item))
            .set_condition_expression(head.condition_expression)
            .set_expression_attribute_names(head.expression_attribute_names)
            .set_expression_attribute_values(head.expression_attribute_values)
            .send()
            .await?;
        Ok::<_, Error>(json!({"batchItemFailures": []}))
    };
    run(service_fn(handle)).await
}
