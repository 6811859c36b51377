//! Records of the table's stream, which is the outbox.

use aws_lambda_events::dynamodb::Event as StreamEvent;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use service_layer::outbox::{Record, Stopped};

use crate::dynamodb::outbox_messages;
use crate::report::chain;

/// What the records of a stream have to tell. An item that was removed tells nothing.
#[must_use]
pub fn records(event: StreamEvent) -> Vec<Record> {
    let of_change = |record: aws_lambda_events::dynamodb::EventRecord| Record {
        sequence_number: record.change.sequence_number.unwrap_or_default(),
        messages: outbox_messages(record.change.new_image).map_err(Into::into),
    };
    event.records.into_iter().map(of_change).collect()
}

/// Tells the stream where to go on: behind these records, or at the first one that is not wholly published.
#[must_use]
pub fn respond(outcome: Result<(), Stopped>) -> DynamoDbEventResponse {
    let mut response = DynamoDbEventResponse::default();
    if let Err(stopped) = outcome {
        tracing::error!(reason = chain(&stopped), "the stream is to go on from this record");
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(stopped.sequence_number);
        response.batch_item_failures.push(failure);
    }
    response
}
