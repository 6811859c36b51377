//! The queue of lines whose clients need not be told what becomes of them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use domain::{OrderLine, Sku};
use service_layer::ports::LineQueue;
use service_layer::{Call, Source};

use crate::calls::CORRELATION_ATTRIBUTE;

/// A queue at SQS.
#[derive(Debug)]
pub struct SqsLineQueue {
    /// Made at the first line: most processes never put one, and making it is a twentieth of a cold start.
    client: LazyLock<Client, Box<dyn FnOnce() -> Client + Send>>,
    url: String,
}

impl SqsLineQueue {
    /// The queue at this address.
    #[must_use]
    pub fn new(config: SdkConfig, url: String) -> Self {
        Self { client: LazyLock::new(Box::new(move || Client::new(&config))), url }
    }
}

impl LineQueue for SqsLineQueue {
    async fn put(&self, line: &OrderLine, call: &Call) -> Result<(), Source> {
        let correlation =
            MessageAttributeValue::builder().data_type("String").string_value(call.correlation.as_str()).build()?;
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(serde_json::to_string(line)?)
            .message_attributes(CORRELATION_ATTRIBUTE, correlation)
            .message_group_id(group_of(&line.sku))
            .send()
            .await?;
        Ok(())
    }
}

/// What SQS tells the lines of one SKU from the others' by, so that a hot SKU does not keep the others waiting. On a
/// standard queue it is no order: docs/decisions/0028-fair-queues.md.
///
/// Not the SKU itself, which may be longer than the 128 characters of a group's id, and have others than ASCII's. A
/// hash that another compiler makes differently will do: while two releases send, a SKU has two groups.
fn group_of(sku: &Sku) -> String {
    let mut hasher = DefaultHasher::new();
    sku.as_str().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
