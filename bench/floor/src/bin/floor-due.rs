//! The call of `expire-holds`: one `Query` of an index.

use aws_sdk_dynamodb::Client;
use floor::{TABLE, number, text};
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
            .index_name("Holds")
            .limit(1_000)
            .key_condition_expression("#hold = :hold AND due <= :now")
            .expression_attribute_names("#hold", "hold")
            .expression_attribute_values(":hold", text("DUE"))
            .expression_attribute_values(":now", number("1925035200000"))
            .send()
            .await?;
        Ok::<_, Error>(json!({"products": 0}))
    };
    run(service_fn(handle)).await
}
