//! What DynamoDB's errors mean to a unit of work: lost race, silence, or fault.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use service_layer::Source;
use service_layer::ports::{Head, StoreError};

use super::items::{self, Item, UnreadableItem};

/// Error codes, of a whole call or of one item of a transaction, that say "later".
const THROTTLED: [&str; 7] = [
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingError",
    "ThrottlingException",
    "InternalServerError",
    "TransactionInProgressException",
];

/// Classifies what no operation-specific error says better.
pub(super) fn classify<E>(error: SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let later = match &error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
        SdkError::ServiceError(context) => {
            context.raw().status().is_server_error()
                || context.err().code().is_some_and(|code| THROTTLED.contains(&code))
        }
        _ => false,
    };
    if later { StoreError::Unavailable(error.into()) } else { StoreError::Fault(error.into()) }
}

/// Classifies a refused conditional write of the head alone.
pub(super) fn of_put(error: SdkError<PutItemError, HttpResponse>) -> StoreError {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(refusal)) => handed_back(refusal.item.clone()),
        Some(PutItemError::TransactionConflictException(_)) => StoreError::Conflict(None),
        _ => classify(error),
    }
}

/// Classifies a cancelled transaction. Its reasons come by position, and the head is the first item.
pub(super) fn of_transaction(error: SdkError<TransactWriteItemsError, HttpResponse>) -> StoreError {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return classify(error);
    };
    let reasons = cancelled.cancellation_reasons();
    let codes = || reasons.iter().filter_map(CancellationReason::code).filter(|code| *code != "None");
    if codes().next().is_none() {
        return StoreError::Fault(error.into());
    }
    if codes().all(|code| code == "ConditionalCheckFailed") {
        return match reasons.split_first() {
            Some((head, others)) if others.iter().all(|reason| matches!(reason.code(), None | Some("None"))) => {
                handed_back(head.item.clone())
            }
            _ => StoreError::Conflict(None),
        };
    }
    let lost_race = |code: &str| code == "ConditionalCheckFailed" || code == "TransactionConflict";
    if codes().all(lost_race) {
        StoreError::Conflict(None)
    } else if codes().all(|code| lost_race(code) || THROTTLED.contains(&code)) {
        StoreError::Unavailable(error.into())
    } else {
        StoreError::Fault(error.into())
    }
}

/// The head was in the way, and came back. If it can't be read, the next read will say so.
fn handed_back(item: Option<Item>) -> StoreError {
    StoreError::Conflict(item.and_then(|item| items::head(item, None).ok()).map(Box::<Head>::new))
}

impl From<UnreadableItem> for StoreError {
    fn from(error: UnreadableItem) -> Self {
        Self::Fault(error.into())
    }
}

pub(super) fn fault(error: impl Into<Source>) -> StoreError {
    StoreError::Fault(error.into())
}
