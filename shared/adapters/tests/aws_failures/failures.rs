//! What can go wrong with DynamoDB, and what each failure means. What becomes of it then is in `store.rs`.

use crate::table::{cancelled, refusal};
use crate::wire::{Failure, Reply};
use Failure::{After, Before};

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// Somebody else was faster: tried again from a fresh read.
    Race,
    /// The table does not answer: tried again. It may have done what it was asked to.
    Silence,
    /// Trying again does not help.
    Fault,
}

use Means::{Fault, Race, Silence};

/// Whatever operation it meets.
pub(crate) fn failures_of_any_call() -> Vec<(&'static str, Failure, Means)> {
    let says = |status, body: &str| Reply::Says(status, body.to_owned());
    vec![
        ("throttled", Before(refusal("ThrottlingException")), Silence),
        ("over the table's throughput", Before(refusal("ProvisionedThroughputExceededException")), Silence),
        ("over the account's throughput", Before(refusal("RequestLimitExceeded")), Silence),
        ("internal error", Before(says(500, r#"{"__type":"InternalServerError"}"#)), Silence),
        ("internal error, with another status", Before(refusal("InternalServerError")), Silence),
        ("service unavailable, without JSON", Before(says(503, "<html>Service Unavailable</html>")), Silence),
        ("no reply in time", Before(Reply::Hangs), Silence),
        ("connection broken", Before(Reply::Breaks), Silence),
        ("a reply cut off", Before(says(200, r#"{"Responses":{"allo"#)), Silence),
        ("a reply that is no JSON", Before(says(200, "<html>OK</html>")), Silence),
        ("expired credentials", Before(refusal("ExpiredTokenException")), Silence),
        ("unknown credentials", Before(refusal("UnrecognizedClientException")), Fault),
        ("no permission", Before(refusal("AccessDeniedException")), Fault),
        ("no such table", Before(refusal("ResourceNotFoundException")), Fault),
        ("invalid request", Before(refusal("ValidationException")), Fault),
        ("a refusal that is no JSON", Before(says(400, "<html>Bad Request</html>")), Fault),
        ("a refusal nobody knows", Before(refusal("SomethingNewException")), Fault),
    ]
}

/// Of a plain write.
pub(crate) fn failures_of_a_put() -> Vec<(&'static str, Failure, Means)> {
    vec![
        ("version has moved on", Before(refusal("ConditionalCheckFailedException")), Race),
        ("a transaction is under way on the item", Before(refusal("TransactionConflictException")), Race),
        ("item collection too large", Before(refusal("ItemCollectionSizeLimitExceededException")), Fault),
    ]
}

/// Of a transaction. Its reasons come by position: the head first, the line after it.
pub(crate) fn failures_of_a_transaction() -> Vec<(&'static str, Failure, Means)> {
    const NONE: &str = "None";
    const LOST: &str = "ConditionalCheckFailed";
    let mut failures = Vec::new();
    for (code, means) in [
        (LOST, Race),
        ("TransactionConflict", Race),
        ("ThrottlingError", Silence),
        ("ProvisionedThroughputExceeded", Silence),
        ("InternalServerError", Silence),
        ("ItemCollectionSizeLimitExceeded", Fault),
        ("ValidationError", Fault),
        ("DuplicateItem", Fault),
        ("AccessDenied", Fault),
        ("SomethingNew", Fault),
    ] {
        failures.push((code, Before(cancelled(&[code, NONE])), means));
        failures.push((code, Before(cancelled(&[NONE, code])), means));
        failures.push((code, Before(cancelled(&[code, code])), means));
    }
    failures.extend([
        ("lost race and conflict", Before(cancelled(&[LOST, "TransactionConflict"])), Race),
        ("conflict and lost race", Before(cancelled(&["TransactionConflict", LOST])), Race),
        ("lost race and throttled", Before(cancelled(&[LOST, "ThrottlingError"])), Silence),
        (
            "throttled and conflict",
            Before(cancelled(&["ProvisionedThroughputExceeded", "TransactionConflict"])),
            Silence,
        ),
        ("lost race and too large", Before(cancelled(&[LOST, "ItemCollectionSizeLimitExceeded"])), Fault),
        ("invalid and throttled", Before(cancelled(&["ValidationError", "ThrottlingError"])), Fault),
        ("no reason", Before(cancelled(&[NONE, NONE])), Fault),
        ("no reasons at all", Before(cancelled(&[])), Fault),
        ("the same transaction is under way", Before(refusal("TransactionInProgressException")), Silence),
        ("the same token with another request", Before(refusal("IdempotentParameterMismatchException")), Fault),
    ]);
    failures
}

/// How the reply to a write that took effect gets lost.
pub(crate) fn lost_replies() -> Vec<(&'static str, Failure)> {
    let says = |status, body: &str| After(Reply::Says(status, body.to_owned()));
    vec![
        ("no reply in time", After(Reply::Hangs)),
        ("connection broken", After(Reply::Breaks)),
        ("internal error", says(500, r#"{"__type":"InternalServerError"}"#)),
        ("service unavailable", says(503, "")),
        ("a reply that is no JSON", says(200, "<html>")),
    ]
}
