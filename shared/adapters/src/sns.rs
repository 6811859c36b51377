//! Events to an SNS topic.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use service_layer::Source;
use service_layer::outbox::Envelope;
use service_layer::ports::{PublishError, Publisher};

use crate::calls::CORRELATION_ATTRIBUTE;

/// A topic that subscribers listen to.
#[derive(Clone, Debug)]
pub struct SnsTopic {
    client: Client,
    arn: String,
}

impl SnsTopic {
    /// The topic of this ARN.
    #[must_use]
    pub fn new(client: Client, arn: String) -> Self {
        Self { client, arn }
    }

    fn entry(index: usize, envelope: &Envelope) -> Result<PublishBatchRequestEntry, Source> {
        let event_type = envelope.event.event_type();
        let text = |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build();
        let entry = PublishBatchRequestEntry::builder()
            .id(index.to_string())
            .message(serde_json::to_string(envelope)?)
            // What subscribers filter by.
            .message_attributes("type", text(event_type.name())?)
            .message_attributes("channel", text(event_type.channel())?);
        let entry = match &envelope.correlation {
            Some(correlation) => entry.message_attributes(CORRELATION_ATTRIBUTE, text(correlation.as_str())?),
            None => entry,
        };
        Ok(entry.build()?)
    }
}

impl Publisher for SnsTopic {
    /// SNS takes ten messages a call, of 256 KB together. The largest event, with names of 1,000 bytes that all
    /// need escaping, has less than a tenth of that.
    const BATCH: usize = 10;

    async fn publish(&self, envelopes: &[Envelope]) -> Result<(), PublishError> {
        let whole_batch = |source: Source| PublishError { first: 0, source };
        let entries = envelopes.iter().enumerate().map(|(index, envelope)| Self::entry(index, envelope));
        let entries = entries.collect::<Result<Vec<_>, _>>().map_err(whole_batch)?;
        let request = self.client.publish_batch().topic_arn(&self.arn);
        let output = request
            .set_publish_batch_request_entries(Some(entries))
            .send()
            .await
            .map_err(|error| whole_batch(error.into()))?;

        // The call succeeds even if entries fail: only those that SNS names as published are.
        let published = |index: &usize| {
            let id = index.to_string();
            output.successful().iter().any(|entry| entry.id() == Some(&id))
        };
        let Some(first) = (0..envelopes.len()).find(|index| !published(index)) else {
            return Ok(());
        };
        let id = first.to_string();
        let reason = output.failed().iter().find(|entry| entry.id() == id).map_or_else(
            || "SNS named it neither published nor failed".to_owned(),
            |entry| format!("{}: {}", entry.code(), entry.message().unwrap_or("no reason given")),
        );
        Err(PublishError { first, source: reason.into() })
    }
}
