//! What DynamoDB's errors mean to a unit of work: lost race, silence, or fault.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use service_layer::store::StoreError;
use service_layer::{Source, Throttled};

use super::items::{Item, UnreadableItem, read_head};
use super::throttling;

/// Error codes, of a whole call or of one item of a transaction, that say "later", beside those of throttling.
///
/// Expired credentials are among them: a function's environment gets its credentials once and is replaced before they
/// end, so whoever asks again meets another one. Unknown credentials are not: what is wrong with them stays.
const LATER: [&str; 3] = ["ExpiredTokenException", "InternalServerError", "TransactionInProgressException"];

/// The code of a condition that did not hold.
const LOST: &str = "ConditionalCheckFailed";

/// Classifies what no operation-specific error says better.
pub(super) fn classify<E>(error: SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let later = match &error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
        SdkError::ServiceError(context) => {
            // An error with a status of success is a reply that can't be read. It may tell of a commit.
            context.raw().status().is_server_error()
                || context.raw().status().is_success()
                || context.err().code().is_some_and(says_later)
        }
        _ => false,
    };
    if !later {
        return StoreError::Fault(error.into());
    }
    let throttled_by = error.as_service_error().and_then(throttling::of_call);
    unavailable(error, throttled_by)
}

fn says_later(code: &str) -> bool {
    LATER.contains(&code) || throttling::CODES.contains(&code)
}

fn unavailable(error: impl Into<Source>, throttled_by: Option<String>) -> StoreError {
    let source = error.into();
    StoreError::Unavailable(match throttled_by {
        Some(by) => Throttled { by, source }.into(),
        None => source,
    })
}

/// Classifies a refused conditional write of one item: a head, which is handed back, or what is wanted of an order.
pub(super) fn of_put(error: SdkError<PutItemError, HttpResponse>) -> StoreError {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(refusal)) => handed_back([refusal.item()]),
        Some(PutItemError::TransactionConflictException(_)) => StoreError::Conflict(Vec::new()),
        _ => classify(error),
    }
}

/// Classifies a cancelled transaction. Its reasons come by position, and so many heads are its first items.
pub(super) fn of_transaction(error: SdkError<TransactWriteItemsError, HttpResponse>, heads: usize) -> StoreError {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return classify(error);
    };
    let reasons = cancelled.cancellation_reasons();
    let codes = || reasons.iter().filter_map(CancellationReason::code).filter(|code| *code != "None");
    if codes().next().is_none() {
        return StoreError::Fault(error.into());
    }
    if codes().all(|code| code == LOST) {
        let (heads, others) = reasons.split_at_checked(heads).unwrap_or((reasons, &[]));
        let is_refused = |reason: &&CancellationReason| reason.code() == Some(LOST);
        if others.iter().any(|reason| is_refused(&reason)) {
            return StoreError::Conflict(Vec::new());
        }
        return handed_back(heads.iter().filter(is_refused).map(CancellationReason::item));
    }
    let lost_race = |code: &str| code == LOST || code == "TransactionConflict";
    if codes().all(lost_race) {
        StoreError::Conflict(Vec::new())
    } else if codes().all(|code| lost_race(code) || says_later(code)) {
        let throttled_by = throttling::of_items(reasons);
        unavailable(error, throttled_by)
    } else {
        StoreError::Fault(error.into())
    }
}

/// Heads alone were in the way. They are told if all of them came back and can be read; if not, the next read says why.
fn handed_back<'a>(items: impl IntoIterator<Item = Option<&'a Item>>) -> StoreError {
    let heads = items.into_iter().map(|item| read_head(item?.clone()).ok());
    StoreError::Conflict(heads.collect::<Option<_>>().unwrap_or_default())
}

impl From<UnreadableItem> for StoreError {
    fn from(error: UnreadableItem) -> Self {
        Self::Fault(error.into())
    }
}

pub(super) fn fault(error: impl Into<Source>) -> StoreError {
    StoreError::Fault(error.into())
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::http::HttpResponse;
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::operation::get_item::GetItemError;
    use aws_sdk_dynamodb::types::error::{
        ConditionalCheckFailedException, TransactionCanceledException, TransactionConflictException,
    };
    use aws_smithy_types::body::SdkBody;
    use domain::Product;
    use service_layer::CorrelationId;
    use service_layer::ports::Timestamp;
    use service_layer::store::{Commit, CommitId, Origins};
    use testing::new_batch;

    use super::super::items::{HeadItem, to_item};
    use super::*;

    /// What the unit of work is told, in a word or two.
    fn word(error: &StoreError) -> String {
        match error {
            StoreError::Conflict(heads) => {
                let skus = heads.iter().map(|stored| stored.product.sku().as_str());
                [&["conflict"], &skus.collect::<Vec<_>>()[..]].concat().join(" ")
            }
            StoreError::Unavailable(_) => "unavailable".to_owned(),
            StoreError::Fault(_) => "fault".to_owned(),
        }
    }

    fn response(status: u16) -> HttpResponse {
        HttpResponse::new(status.try_into().unwrap(), SdkBody::empty())
    }

    fn stored_head(sku: &str) -> Item {
        let new = new_batch("b1", sku, 1);
        let mut product = Product::new(new.sku.clone());
        product.create_batch(&new).unwrap();
        let (correlation, at) = (CorrelationId::unknown(), Timestamp(1));
        let origins = Origins::new();
        let commit = Commit::new(CommitId(1), &correlation, &origins, at);
        to_item(&HeadItem::new(&product, &commit)).unwrap()
    }

    /// Of a transaction that begins with the heads of these products. DynamoDB hands back what refused a write, if that
    /// asked for it: only those of heads do.
    fn cancelled_of(skus: &[&str], codes: &[&str]) -> String {
        let reason = |(position, code): (usize, &&str)| {
            let item = skus.get(position).filter(|_| *code == LOST).map(|sku| stored_head(sku));
            CancellationReason::builder().code(*code).set_item(item).build()
        };
        let reasons = codes.iter().enumerate().map(reason).collect();
        word(&of_reasons(reasons, skus.len()))
    }

    fn of_reasons(reasons: Vec<CancellationReason>, heads: usize) -> StoreError {
        let error = TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons)).build();
        let error = TransactWriteItemsError::TransactionCanceledException(error);
        of_transaction(SdkError::service_error(error, response(400)), heads)
    }

    fn cancelled(codes: &[&str]) -> String {
        cancelled_of(&["LAMP"], codes)
    }

    #[test]
    fn a_cancelled_transaction_is_judged_by_all_its_reasons_and_their_positions() {
        assert_eq!(cancelled(&[LOST, "None"]), "conflict LAMP");
        assert_eq!(cancelled(&["None", LOST]), "conflict", "the line was in the way");
        assert_eq!(cancelled(&[LOST, LOST]), "conflict", "the line too, so it must be read again");
        assert_eq!(cancelled(&["TransactionConflict", "None"]), "conflict");
        assert_eq!(cancelled(&["None", "TransactionConflict"]), "conflict");
        assert_eq!(cancelled(&[LOST, "TransactionConflict"]), "conflict");
        assert_eq!(cancelled(&["None", "ThrottlingError"]), "unavailable");
        assert_eq!(cancelled(&[LOST, "ProvisionedThroughputExceeded"]), "unavailable");
        assert_eq!(cancelled(&["TransactionConflict", "ThrottlingError"]), "unavailable");
        assert_eq!(cancelled(&["None", "ValidationError"]), "fault");
        assert_eq!(cancelled(&[LOST, "ItemCollectionSizeLimitExceeded"]), "fault");
        assert_eq!(cancelled(&["ThrottlingError", "ValidationError"]), "fault");
        assert_eq!(cancelled(&["None", "None"]), "fault");
        assert_eq!(cancelled(&[]), "fault");
    }

    #[test]
    fn those_products_come_back_that_were_in_the_way() {
        let cancelled = |codes: &[&str]| cancelled_of(&["LAMP", "DESK"], codes);
        assert_eq!(cancelled(&[LOST, LOST, "None"]), "conflict LAMP DESK");
        assert_eq!(cancelled(&[LOST, "None", "None"]), "conflict LAMP");
        assert_eq!(cancelled(&["None", LOST, "None"]), "conflict DESK");
        assert_eq!(cancelled(&["None", "None", LOST]), "conflict", "the line was in the way");
        assert_eq!(cancelled(&["None", LOST, LOST]), "conflict", "the line too, so all must be read again");
        assert_eq!(cancelled(&[LOST]), "conflict LAMP", "fewer reasons than heads");
        assert_eq!(cancelled(&[LOST, "TransactionConflict", "None"]), "conflict", "the other one may be new as well");
    }

    #[test]
    fn none_of_them_comes_back_unless_all_can_be_read() {
        let refused = |item: Option<Item>| CancellationReason::builder().code(LOST).set_item(item).build();
        let mut unreadable = stored_head("DESK");
        unreadable.remove("version").unwrap();
        for second in [None, Some(unreadable)] {
            let reasons = vec![refused(Some(stored_head("LAMP"))), refused(second)];
            assert_eq!(word(&of_reasons(reasons, 2)), "conflict");
        }
    }

    #[test]
    fn a_refused_write_of_the_head_alone_is_a_lost_race() {
        let put = |error| word(&of_put(SdkError::service_error(error, response(400))));
        let refused = ConditionalCheckFailedException::builder();
        let with_item = refused.clone().set_item(Some(stored_head("LAMP"))).build();
        assert_eq!(put(PutItemError::ConditionalCheckFailedException(with_item)), "conflict LAMP");
        assert_eq!(put(PutItemError::ConditionalCheckFailedException(refused.build())), "conflict");
        let conflict = TransactionConflictException::builder().build();
        assert_eq!(put(PutItemError::TransactionConflictException(conflict)), "conflict");
    }

    #[test]
    fn other_errors_are_silence_or_a_fault() {
        let service = |code: &str, status| {
            let error = GetItemError::generic(ErrorMetadata::builder().code(code).build());
            word(&classify(SdkError::service_error(error, response(status))))
        };
        for code in LATER.into_iter().chain(throttling::CODES) {
            assert_eq!(service(code, 400), "unavailable", "{code}");
        }
        assert_eq!(service("ServiceUnavailable", 503), "unavailable");
        assert_eq!(service("", 200), "unavailable");
        for code in
            ["AccessDeniedException", "UnrecognizedClientException", "ValidationException", "ResourceNotFoundException"]
        {
            assert_eq!(service(code, 400), "fault", "{code}");
        }
        let timeout = SdkError::<GetItemError, HttpResponse>::timeout_error("late");
        assert_eq!(word(&classify(timeout)), "unavailable");
        let malformed = SdkError::<GetItemError, HttpResponse>::response_error("cut off", response(200));
        assert_eq!(word(&classify(malformed)), "unavailable");
        let unsent = SdkError::<GetItemError, HttpResponse>::construction_failure("no region");
        assert_eq!(word(&classify(unsent)), "fault");
    }
}
