//! How long the SDK waits before it tries a call again.

use std::time::Duration;

use aws_config::SdkConfig;
use service_layer::ports::{Environment, Timestamp};

use crate::clock::Clock;
use crate::table::refusal;
use crate::wire::{Failure, Reply, Service, Strikes, Wire, own_budget};

/// How many calls are made: none of the pauses of so many is in the longer half of what it may be by a chance of one to
/// 10^60.
const CALLS: usize = 200;
/// How long a try may last that is not answered, see [`adapters::bootstrap::timeouts`].
const ATTEMPT: Duration = Duration::from_secs(2);

/// A service of which each call fails. It notes when it was called.
struct Tries(Clock, Vec<Timestamp>);

impl Service for Tries {
    fn answer(&mut self, _: &str, _: &[u8]) -> (u16, String) {
        self.1.push(self.0.now());
        (200, String::new())
    }
}

/// The longest pauses of many calls of an operation: before the second try, and before the third.
async fn longest_pauses(operation: &'static str, reply: &Reply, call: impl AsyncFn(&SdkConfig)) -> [Duration; 2] {
    let lasts = if matches!(reply, Reply::Hangs) { ATTEMPT } else { Duration::ZERO };
    let mut longest = [Duration::ZERO; 2];
    for _ in 0..CALLS {
        let clock = Clock::default();
        let wire = Wire::to(Tries(clock.clone(), Vec::new()));
        wire.fails(operation, &Failure::After(reply.clone()), Strikes::Always);
        call(&wire.config(&clock)).await;
        let [first, second, third] = wire.service(|Tries(_, tries)| tries.clone()).try_into().unwrap();
        let pauses = [second.since(first), third.since(second)].map(|passed| passed.checked_sub(lasts).unwrap());
        longest = [longest[0].max(pauses[0]), longest[1].max(pauses[1])];
    }
    longest
}

async fn get_item(config: &SdkConfig) {
    let config = aws_sdk_dynamodb::config::Builder::from(config).retry_partition(own_budget()).build();
    let call = aws_sdk_dynamodb::Client::from_conf(config).get_item().table_name("allocation");
    call.send().await.unwrap_err();
}

async fn publish(config: &SdkConfig) {
    let config = aws_sdk_sns::config::Builder::from(config).retry_partition(own_budget()).build();
    aws_sdk_sns::Client::from_conf(config).publish().message("hello").send().await.unwrap_err();
}

async fn send_message(config: &SdkConfig) {
    let config = aws_sdk_sqs::config::Builder::from(config).retry_partition(own_budget()).build();
    aws_sdk_sqs::Client::from_conf(config).send_message().message_body("hello").send().await.unwrap_err();
}

fn assert_drawn_up_to(most: u64, longest: [Duration; 2], what: &str) {
    for (longest, most) in longest.into_iter().zip([most, 2 * most].map(Duration::from_millis)) {
        assert!((most / 2..=most).contains(&longest), "{what}: {longest:?} of {most:?}");
    }
}

#[tokio::test]
async fn a_call_that_broke_is_tried_again_at_once() {
    let says = |status| Reply::Says(status, String::new());
    for reply in [Reply::Breaks, Reply::Hangs, says(500), says(503)] {
        let what = format!("{reply:?}");
        assert_drawn_up_to(25, longest_pauses("GetItem", &reply, get_item).await, &what);
        assert_drawn_up_to(50, longest_pauses("Publish", &reply, publish).await, &what);
        assert_drawn_up_to(50, longest_pauses("SendMessage", &reply, send_message).await, &what);
    }
}

/// Whoever comes back at once makes it worse.
#[tokio::test]
async fn a_call_that_is_throttled_waits() {
    for code in ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"] {
        assert_drawn_up_to(1_000, longest_pauses("GetItem", &refusal(code), get_item).await, code);
    }
}
