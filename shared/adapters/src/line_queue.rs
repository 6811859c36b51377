//! The queue of lines whose clients can wait.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use domain::OrderLine;
use service_layer::ports::LineQueue;
use service_layer::{Call, Source};

use crate::calls::CORRELATION_ATTRIBUTE;

/// A queue at SQS.
#[derive(Clone, Debug)]
pub struct SqsLineQueue {
    client: Client,
    url: String,
}

impl SqsLineQueue {
    /// The queue at this address.
    #[must_use]
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
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
            .send()
            .await?;
        Ok(())
    }
}
