//! The calls of `allocate`, `allocate-queued` and `batches`: one `BatchGetItem` of two items, one `TransactWriteItems`
//! of two.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{KeysAndAttributes, Put, TransactWriteItem};
use floor::{TABLE, head, key};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::de::IgnoredAny;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = &Client::new(&aws_config::load_from_env().await);
    let handle = async |_: LambdaEvent<IgnoredAny>| {
        let keys = [key("SKU#RETRO-CLOCK", "PRODUCT"), key("ORDER#order-001", "LINE#RETRO-CLOCK\u{1f}3")];
        let keys = KeysAndAttributes::builder().consistent_read(true).set_keys(Some(keys.into())).build()?;
        client.batch_get_item().request_items(TABLE, keys).send().await?;

        let line = Put::builder().table_name(TABLE).set_item(Some(key("ORDER#order-001", "LINE#RETRO-CLOCK\u{1f}3")));
        let line = line.condition_expression("attribute_not_exists(PK)").build()?;
        let put = |put| TransactWriteItem::builder().put(put).build();
        client.transact_write_items().transact_items(put(head()?)).transact_items(put(line)).send().await?;
        Ok::<_, Error>(json!({"statusCode": 202, "body": "OK"}))
    };
    run(service_fn(handle)).await
}
