//! What an operator is told when the table throttles: by the log, and by the figures.

use std::time::Duration;

use adapters::dynamodb::DynamoDb;
use adapters::report::chain;
use serde_json::{Value, json};
use service_layer::ports::Environment;
use service_layer::{Call, CommandFigures, CorrelationId, Figures, MessageBus};
use testing::{Command, new_batch};

use crate::clock::Clock;
use crate::table::Table;
use crate::wire::{Failure, Reply, Strikes, Wire, own_budget};

/// Adds a batch while one operation is throttled. Tells why that failed, if it did, and what was counted.
async fn add_batch(operation: &'static str, refusal: &Value, strikes: Strikes) -> (Option<String>, CommandFigures) {
    let (wire, clock) = (Wire::to(Table::default()), Clock::default());
    clock.passes(Duration::from_secs(1_300_000_000));
    wire.fails(operation, &Failure::Before(Reply::Says(400, refusal.to_string())), strikes);
    let config = aws_sdk_dynamodb::config::Builder::from(&wire.config(&clock)).retry_partition(own_budget()).build();
    let store = DynamoDb::new(aws_sdk_dynamodb::Client::from_conf(config), "allocation".to_owned());
    let deadline = clock.now().plus(Duration::from_mins(1));
    let call = Call { request: "r1".to_owned(), correlation: CorrelationId::unknown(), deadline };
    let bus = MessageBus::new(store, clock.clone(), ());
    let outcome = bus.handle(&Command::CreateBatch(new_batch("b1", "LAMP", 5)), &call).await;
    let [Figures::Command(figures)] = &clock.recorded()[..] else { panic!("one command, one record") };
    (outcome.err().map(|error| chain(&error)), figures.clone())
}

#[tokio::test]
async fn a_call_that_is_throttled_says_by_which_limit_of_what() {
    let table = "arn:aws:dynamodb:eu-west-1:123456789012:table/allocation";
    let refusal = json!({
        "__type": "com.amazon.coral.availability#ThrottlingException",
        "message": "Throughput exceeds the current capacity of your table or index.",
        "throttlingReasons": [{"reason": "TableReadKeyRangeThroughputExceeded", "resource": table}],
    });
    let (reason, figures) = add_batch("BatchGetItem", &refusal, Strikes::Always).await;
    assert_eq!(
        reason.unwrap(),
        "temporarily unavailable: throttled: TableReadKeyRangeThroughputExceeded on allocation: service error: \
         ThrottlingException: Throughput exceeds the current capacity of your table or index."
    );
    assert_eq!((figures.throttled, figures.retries_exhausted), (6, 1));
    assert_eq!(figures.throttled_by.unwrap(), "TableReadKeyRangeThroughputExceeded on allocation");

    let refusal = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
        "message": "The level of configured provisioned throughput for one or more indexes was exceeded.",
        "ThrottlingReasons": [
            {"reason": "IndexWriteProvisionedThroughputExceeded", "resource": format!("{table}/index/LinesByPlace")},
        ],
    });
    let (reason, figures) = add_batch("TransactWriteItems", &refusal, Strikes::Always).await;
    assert_eq!(
        reason.unwrap(),
        "temporarily unavailable: throttled: IndexWriteProvisionedThroughputExceeded on LinesByPlace: service error: \
         ProvisionedThroughputExceededException: The level of configured provisioned throughput for one or more \
         indexes was exceeded."
    );
    assert_eq!(figures.throttled_by.unwrap(), "IndexWriteProvisionedThroughputExceeded on LinesByPlace");
}

/// The SDK does not try these again, so each is counted. A command that gets through in the end is in no log.
#[tokio::test]
async fn a_transaction_that_is_throttled_twice_is_counted_twice_and_gets_through() {
    let message = "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling \
                   your table or index so please try again shortly. If exceptions persist, check if you have a hot key";
    let refusal = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons [ThrottlingError, None]",
        "CancellationReasons": [{"Code": "ThrottlingError", "Message": message}, {"Code": "None"}],
    });
    let (reason, figures) = add_batch("TransactWriteItems", &refusal, Strikes::Twice).await;
    assert_eq!((reason, figures.throttled, figures.retries_exhausted), (None, 2, 0));
    let throttled_by = "ThrottlingError: Throughput exceeds the current capacity of your table or index";
    assert_eq!(figures.throttled_by.as_deref(), Some(throttled_by));
    let (reason, _) = add_batch("TransactWriteItems", &refusal, Strikes::Always).await;
    assert_eq!(
        reason.unwrap(),
        format!(
            "temporarily unavailable: throttled: {throttled_by}: service error: TransactionCanceledException: \
             Transaction cancelled, please refer cancellation reasons for specific reasons [ThrottlingError, None]"
        )
    );
}
