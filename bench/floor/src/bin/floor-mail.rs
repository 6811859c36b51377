//! The calls of `handle-events`: `PutItem`, `SendEmail`, `PutItem`.

use aws_sdk_dynamodb::Client;
use aws_sdk_ses::types::{Body, Content, Destination, Message};
use floor::{TABLE, key, number};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::de::IgnoredAny;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = aws_config::load_from_env().await;
    let (table, mailer) = &(Client::new(&config), aws_sdk_ses::Client::new(&config));
    let handle = async |_: LambdaEvent<IgnoredAny>| {
        let entry = || table.put_item().table_name(TABLE).set_item(Some(key("EVENT#RETRO-CLOCK#8#1", "INBOX")));
        entry()
            .item("lease_until", number("1800000000000"))
            .item("claimant", number("1234567890123456789"))
            .condition_expression("attribute_not_exists(PK) OR lease_until < :now OR claimant = :claimant")
            .expression_attribute_values(":now", number("1800000000000"))
            .expression_attribute_values(":claimant", number("1234567890123456789"))
            .send()
            .await?;
        let content = |text: &str| Content::builder().charset("UTF-8").data(text).build();
        let body = content("Out of stock for RETRO-CLOCK: no batch has 3 left for order order-001.")?;
        let message = Message::builder()
            .subject(content("Out of stock for RETRO-CLOCK")?)
            .body(Body::builder().text(body).build())
            .build();
        mailer
            .send_email()
            .source("shop@example.com")
            .destination(Destination::builder().to_addresses("stock@example.com").build())
            .message(message)
            .send()
            .await?;
        entry().item("expires_at", number("1800000000")).send().await?;
        Ok::<_, Error>(json!({"batchItemFailures": []}))
    };
    run(service_fn(handle)).await
}
