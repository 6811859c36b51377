//! The queue of lines whose clients can wait.

use std::sync::OnceLock;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use domain::OrderLine;
use service_layer::ports::LineQueue;
use service_layer::{Call, Source};

use crate::calls::CORRELATION_ATTRIBUTE;

/// A queue at SQS.
#[derive(Clone, Debug)]
pub struct SqsLineQueue {
    config: SdkConfig,
    /// Most processes never need one, and making it is a twentieth of a cold start.
    client: OnceLock<Client>,
    url: String,
}

impl SqsLineQueue {
    /// The queue at this address.
    #[must_use]
    pub fn new(config: SdkConfig, url: String) -> Self {
        Self { config, client: OnceLock::new(), url }
    }
}

impl LineQueue for SqsLineQueue {
    async fn put(&self, line: &OrderLine, call: &Call) -> Result<(), Source> {
        let correlation =
            MessageAttributeValue::builder().data_type("String").string_value(call.correlation.as_str()).build()?;
        let client = self.client.get_or_init(|| Client::new(&self.config));
        client
            .send_message()
            .queue_url(&self.url)
            .message_body(serde_json::to_string(line)?)
            .message_attributes(CORRELATION_ATTRIBUTE, correlation)
            .send()
            .await?;
        Ok(())
    }
}
