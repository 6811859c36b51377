//! The composition root: reads the environment, and builds what a function needs, before its first event.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_types::retry::RetrySpec;
use service_layer::ports::Publisher;
use service_layer::{MessageBus, Remembering, VAIN_READS};

use crate::dynamodb::{DynamoDb, HistoryTable};
use crate::line_queue::SqsLineQueue;
use crate::report::chain;
use crate::ses::SesMailer;
use crate::sns::SnsTopic;
use crate::system::System;

const CONNECT: Duration = Duration::from_secs(1);
/// How long one try of a call may take; and how long a start may be held up by a service that does not answer.
const ATTEMPT: Duration = Duration::from_secs(2);

/// A function can't start.
#[derive(Debug, thiserror::Error)]
#[error("environment variable {name} {reason}: template.yaml sets it for each function")]
pub struct InvalidEnvironment {
    name: &'static str,
    reason: &'static str,
}

/// For functions that carry out commands. Reads `TABLE_NAME`, `ENDED_LINES_DAYS` and `STACK_NAME`.
///
/// # Errors
/// Names the environment variable that is missing.
pub async fn command_bus() -> Result<MessageBus<DynamoDb, System>, InvalidEnvironment> {
    let (_, store, system) = command_store().await?;
    Ok(MessageBus::new(store, system, ()))
}

/// For requests to allocate: remembers products from one request to the next. Reads `TABLE_NAME`, `ENDED_LINES_DAYS`,
/// `STACK_NAME` and, where there is a queue, `ALLOCATE_QUEUE_URL`.
///
/// # Errors
/// Names the environment variable that is missing.
pub async fn allocation_bus_and_queue()
-> Result<(MessageBus<Remembering<DynamoDb>, System>, Option<SqsLineQueue>), InvalidEnvironment> {
    let (config, store, system) = command_store().await?;
    // The inner loop has no queue.
    let url = variable("ALLOCATE_QUEUE_URL").ok();
    let queue = url.map(|url| SqsLineQueue::new(config, url));
    Ok((MessageBus::new(Remembering::new(store, VAIN_READS), system, ()), queue))
}

/// For the view. Reads `TABLE_NAME`, `HISTORY_TABLE_NAME` and `STACK_NAME`.
///
/// # Errors
/// Names the environment variable that is missing.
pub async fn view() -> Result<(DynamoDb, HistoryTable, System), InvalidEnvironment> {
    let config = start().await;
    let client = aws_sdk_dynamodb::Client::new(&config);
    let (history, store, system) = (history_table(client.clone())?, store_by(client)?, system()?);
    warm_up("DynamoDB", store.warm_up_table()).await;
    Ok((store, history, system))
}

/// For the subscriber that keeps what happened. Reads `HISTORY_TABLE_NAME`, `HISTORY_DAYS` and `STACK_NAME`.
///
/// # Errors
/// Names the environment variable that is missing.
pub async fn history() -> Result<(HistoryTable, System), InvalidEnvironment> {
    let days = Duration::from_hours(24).saturating_mul(number("HISTORY_DAYS")?);
    let (history, system) =
        (history_table(aws_sdk_dynamodb::Client::new(&start().await))?.keeping_events(days), system()?);
    warm_up("DynamoDB", history.warm_up()).await;
    Ok((history, system))
}

/// For the outbox relay. Reads `EVENTS_TOPIC_ARN` and `STACK_NAME`.
///
/// # Errors
/// Names the environment variable that is missing.
pub async fn topic() -> Result<(SnsTopic, System), InvalidEnvironment> {
    let config = start().await;
    let (topic, system) = (SnsTopic::new(aws_sdk_sns::Client::new(&config), variable("EVENTS_TOPIC_ARN")?), system()?);
    // SNS refuses a batch of nothing.
    warm_up("SNS", topic.publish(&[])).await;
    Ok((topic, system))
}

/// For functions that react to events. Reads `TABLE_NAME`, `STACK_NAME`, `MAIL_FROM`, `MAIL_TO` and, if there is one,
/// `MAIL_CONFIGURATION_SET`.
///
/// # Errors
/// Names the environment variable that is missing.
pub async fn event_bus() -> Result<MessageBus<DynamoDb, System, SesMailer>, InvalidEnvironment> {
    let config = start().await;
    let (from, to) = (variable("MAIL_FROM")?, variable("MAIL_TO")?);
    let mailer = SesMailer::new(mail_client(&config), from, to, variable("MAIL_CONFIGURATION_SET").ok());
    let (store, system) = (store(&config)?, system()?);
    // Boxed, since a future of two calls side by side is large.
    let table = Box::pin(warm_up("DynamoDB", store.warm_up_inbox()));
    tokio::join!(table, Box::pin(warm_up("SES", mailer.warm_up())));
    Ok(MessageBus::new(store, system, mailer))
}

/// How often a queue delivers a message before it goes to the dead letters. Reads `MAX_RECEIVES`.
///
/// # Errors
/// Names the environment variable that is missing or no number.
pub fn max_receives() -> Result<u32, InvalidEnvironment> {
    number("MAX_RECEIVES")
}

async fn command_store() -> Result<(SdkConfig, DynamoDb, System), InvalidEnvironment> {
    let config = start().await;
    let days = Duration::from_hours(24).saturating_mul(number("ENDED_LINES_DAYS")?);
    let (store, system) = (store(&config)?.keeping_ended_lines(days), system()?);
    warm_up("DynamoDB", store.warm_up_index()).await;
    Ok((config, store, system))
}

fn system() -> Result<System, InvalidEnvironment> {
    variable("STACK_NAME").map(System::of_stack)
}

/// Starts logging, and loads region, credentials and endpoints as every AWS SDK does.
async fn start() -> SdkConfig {
    lambda_runtime::tracing::init_default_subscriber();
    aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts()).retry_config(retries()).load().await
}

/// How long a call may take: one that hangs must leave time for another try within the function's own limit of ten
/// seconds.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(Duration::from_secs(5))
        .build()
}

/// How often a call is tried before its caller hears of it, and how long it waits in between: as long as what went
/// wrong needs. One that broke is tried again after 25 ms at most at DynamoDB, which mostly answers within 8, and 50 ms
/// elsewhere; one that was throttled after a second at most. Each may wait twice as long for its third try.
///
/// These are AWS's rules of 2026
/// (<https://aws.amazon.com/blogs/developer/updated-default-retry-behavior-for-aws-sdks-and-tools/>); the older ones let
/// both wait for a second. Two more things come with them. A connection that brought 5xx stays in use. And a process
/// whose calls break stops trying them again after some 35 times, until calls succeed.
#[must_use]
pub fn retries() -> RetryConfig {
    // The SDK heeds AWS_NEW_RETRIES_2026 only where it makes up a configuration by itself, and then does no more than
    // this, which it does not document. A `with_initial_backoff` would shorten what a throttled call waits, too. This
    // can go with a BehaviorVersion of November 2026 or later, which aws-config has from 1.13.2 on.
    RetryConfig::standard().with_max_attempts(3).with_retry_spec(RetrySpec::v2_1())
}

/// SES, patient and without retries: a mail that was accepted but not confirmed in time would be sent once more by
/// each. The queue tries again.
#[must_use]
pub fn mail_client(config: &SdkConfig) -> aws_sdk_ses::Client {
    let patient = TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(Duration::from_secs(20)).build();
    let once = aws_sdk_ses::config::Builder::from(config).retry_config(RetryConfig::disabled()).timeout_config(patient);
    aws_sdk_ses::Client::from_conf(once.build())
}

/// Makes a call whose answer nobody needs. A start has a whole core, but an invocation only a share of one by the
/// function's memory: name, TLS, credentials and the code behind them are paid for where they are cheap. If the call
/// fails, the function starts all the same; whoever calls next meets the fault and tells it.
async fn warm_up<T, E: std::error::Error + 'static>(service: &str, call: impl Future<Output = Result<T, E>>) {
    match tokio::time::timeout(ATTEMPT, call).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(service, reason = chain(&error), "a warm-up was refused"),
        Err(_) => tracing::debug!(service, "a warm-up was not answered in time"),
    }
}

fn store(config: &SdkConfig) -> Result<DynamoDb, InvalidEnvironment> {
    store_by(aws_sdk_dynamodb::Client::new(config))
}

fn store_by(client: aws_sdk_dynamodb::Client) -> Result<DynamoDb, InvalidEnvironment> {
    Ok(DynamoDb::new(client, variable("TABLE_NAME")?))
}

fn history_table(client: aws_sdk_dynamodb::Client) -> Result<HistoryTable, InvalidEnvironment> {
    Ok(HistoryTable::new(client, variable("HISTORY_TABLE_NAME")?))
}

fn number(name: &'static str) -> Result<u32, InvalidEnvironment> {
    variable(name)?.parse().map_err(|_| InvalidEnvironment { name, reason: "is no number" })
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &'static str) -> Result<String, InvalidEnvironment> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        Ok(_) => Err(InvalidEnvironment { name, reason: "is empty" }),
        Err(_) => Err(InvalidEnvironment { name, reason: "is not set" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_that_is_away_or_silent_does_not_keep_a_function_from_starting() {
        let away = async { Err::<(), _>(InvalidEnvironment { name: "any", reason: "error" }) };
        let silent = std::future::pending::<Result<(), InvalidEnvironment>>();
        let starts = async { tokio::join!(warm_up("away", away), warm_up("silent", silent)) };
        assert!(tokio::time::timeout(Duration::from_secs(10), starts).await.is_ok());
    }
}
