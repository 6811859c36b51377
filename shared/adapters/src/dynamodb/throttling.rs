//! Why DynamoDB throttles: which of its limits was met, and of what. docs/operations.md says what each means.

use std::collections::BTreeSet;
use std::error::Error;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::error::{
    ProvisionedThroughputExceededException, RequestLimitExceeded, ThrottlingException,
};
use aws_sdk_dynamodb::types::{CancellationReason, ThrottlingReason};

/// The codes of a call, and of one item of a transaction, that was throttled.
pub(super) const CODES: [&str; 5] = [
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingError",
    "ThrottlingException",
];

/// What throttled a call, if anything did: the reasons that came with the error, or else its code.
pub(super) fn of_call<E: ProvideErrorMetadata + Error>(error: &E) -> Option<String> {
    let code = error.code().filter(|code| CODES.contains(code))?;
    // The error of each operation has those that are common to all as its cause.
    let reasons = error.source().map(reasons).unwrap_or_default();
    joined(reasons.iter().filter_map(told)).or_else(|| Some(code.to_owned()))
}

/// What throttled a transaction, if anything did. Its items have no reasons: a code, and a sentence that tells the table
/// from the index.
pub(super) fn of_items(reasons: &[CancellationReason]) -> Option<String> {
    joined(reasons.iter().filter_map(|reason| {
        let code = reason.code().filter(|code| CODES.contains(code))?;
        // Advice and an address follow. No sentence that is known has an account's id; one with an ARN would have.
        let sentence = reason.message().and_then(|message| message.split(". ").next());
        let sentence = sentence.filter(|sentence| !sentence.contains("arn:"));
        Some(sentence.map_or_else(|| code.to_owned(), |sentence| format!("{code}: {sentence}")))
    }))
}

fn reasons<'a>(error: &'a (dyn Error + 'static)) -> &'a [ThrottlingReason] {
    if let Some(error) = error.downcast_ref::<ThrottlingException>() {
        error.throttling_reasons()
    } else if let Some(error) = error.downcast_ref::<ProvisionedThroughputExceededException>() {
        error.throttling_reasons()
    } else if let Some(error) = error.downcast_ref::<RequestLimitExceeded>() {
        error.throttling_reasons()
    } else {
        &[]
    }
}

/// With the name of the table or index alone: its ARN has the account's id.
fn told(reason: &ThrottlingReason) -> Option<String> {
    let limit = reason.reason()?;
    let name = reason.resource().and_then(|arn| arn.rsplit_once('/')).map(|(_, name)| name);
    Some(name.map_or_else(|| limit.to_owned(), |name| format!("{limit} on {name}")))
}

/// Each once, however many items or partitions met it; nothing, if there is none.
fn joined(told: impl Iterator<Item = String>) -> Option<String> {
    let told: BTreeSet<String> = told.collect();
    (!told.is_empty()).then(|| told.into_iter().collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::operation::get_item::GetItemError;

    use super::*;

    const TABLE: &str = "arn:aws:dynamodb:eu-west-1:123456789012:table/allocation";
    const INDEX: &str = "arn:aws:dynamodb:eu-west-1:123456789012:table/allocation/index/LinesByPlace";

    fn because(limit: &str, resource: Option<&str>) -> ThrottlingReason {
        ThrottlingReason::builder().reason(limit).set_resource(resource.map(str::to_owned)).build()
    }

    #[test]
    fn a_call_tells_each_limit_that_it_met_without_the_account() {
        let told = |reasons: &[ThrottlingReason]| {
            let meta = ErrorMetadata::builder().code("ThrottlingException").build();
            let error = ThrottlingException::builder().set_throttling_reasons(Some(reasons.to_vec())).meta(meta);
            of_call(&GetItemError::ThrottlingException(error.build())).unwrap()
        };
        let key_range = "TableWriteKeyRangeThroughputExceeded";
        assert_eq!(told(&[because(key_range, Some(TABLE))]), "TableWriteKeyRangeThroughputExceeded on allocation");
        let both = [
            because("TableReadAccountLimitExceeded", Some(TABLE)),
            because("IndexReadAccountLimitExceeded", Some(INDEX)),
            because("TableReadAccountLimitExceeded", Some(TABLE)),
        ];
        assert_eq!(
            told(&both),
            "IndexReadAccountLimitExceeded on LinesByPlace; TableReadAccountLimitExceeded on allocation"
        );
        assert_eq!(told(&[because(key_range, None)]), key_range);
        assert_eq!(told(&[because(key_range, Some("arn:aws:dynamodb:eu-west-1:123456789012"))]), key_range);
        assert_eq!(told(&[]), "ThrottlingException", "an emulator gives no reasons");
    }

    #[test]
    fn each_error_of_throttling_has_reasons_and_no_other_is_one() {
        let meta = |code: &str| ErrorMetadata::builder().code(code).build();
        let because = because("TableReadProvisionedThroughputExceeded", Some(TABLE));
        let provisioned = ProvisionedThroughputExceededException::builder()
            .throttling_reasons(because.clone())
            .meta(meta("ProvisionedThroughputExceededException"));
        let limit = RequestLimitExceeded::builder().throttling_reasons(because).meta(meta("RequestLimitExceeded"));
        for error in [
            GetItemError::ProvisionedThroughputExceededException(provisioned.build()),
            GetItemError::RequestLimitExceeded(limit.build()),
        ] {
            assert_eq!(of_call(&error).unwrap(), "TableReadProvisionedThroughputExceeded on allocation");
        }
        assert_eq!(of_call(&GetItemError::generic(meta("InternalServerError"))), None);
    }

    #[test]
    fn a_transaction_tells_code_and_sentence_of_those_items_that_were_throttled() {
        let reason = |code: &str, message: Option<&str>| {
            CancellationReason::builder().code(code).set_message(message.map(str::to_owned)).build()
        };
        let index = "Throughput exceeds the current capacity for one or more global secondary indexes. DynamoDB is \
                     automatically scaling your index so please try again shortly.";
        let index = reason("ThrottlingError", Some(index));
        assert_eq!(
            of_items(&[reason("None", None), index.clone(), index]).unwrap(),
            "ThrottlingError: Throughput exceeds the current capacity for one or more global secondary indexes"
        );
        assert_eq!(
            of_items(&[reason("ProvisionedThroughputExceeded", None)]).unwrap(),
            "ProvisionedThroughputExceeded"
        );
        assert_eq!(of_items(&[reason("ThrottlingError", Some(TABLE))]).unwrap(), "ThrottlingError");
        let others = [reason("ConditionalCheckFailed", Some("The conditional request failed")), reason("None", None)];
        assert_eq!(of_items(&others), None);
    }
}
