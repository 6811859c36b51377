//! Queued lines, whose clients need not be told: from their queue to the bus, many at a time.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{Answered, OrderLine, SkuLines};
use futures_util::FutureExt;
use lambda_runtime::Context;
use service_layer::ports::{Environment, Timestamp};
use service_layer::store::{Origins, Products};
use service_layer::{AllocateLines, Call, Error, MessageBus};
use tracing::Instrument;

use crate::calls;
use crate::json::read_object;
use crate::report::chain;
use crate::sqs::{return_to_queue, share};
use crate::system::deadline;

/// Most time between two tries of the same lines, and least time that a try should have.
const PAUSE: Duration = Duration::from_secs(1);

/// Allocates the lines of a batch of messages, those of one SKU together, and reports the messages that SQS is to
/// deliver again. One that can't be read, or whose line can't be allocated, does not touch its neighbours.
pub async fn allocate_lines<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    event: SqsEvent,
    context: &Context,
    max_receives: u32,
) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let end = deadline(bus.environment(), context.deadline);
    let mut fail = |message: &SqsMessage, reason: &str| {
        let call = calls::of_message(message, context, end);
        return_to_queue(bus.environment(), &call, message, reason, max_receives);
        response.add_failure(message.message_id.clone().unwrap_or_default());
    };

    let mut lines = Vec::new();
    // The same line may have been asked for more than once.
    let mut messages: HashMap<OrderLine, Vec<SqsMessage>> = HashMap::new();
    for message in event.records {
        match read_object::<OrderLine>(message.body.as_deref().unwrap_or_default().as_bytes()) {
            Ok(line) => {
                lines.push(line.clone());
                messages.entry(line).or_default().push(message);
            }
            Err(error) => fail(&message, &chain(&error)),
        }
    }

    let mut left = SkuLines::of(lines);
    left.reverse();
    while let Some(lines) = left.pop() {
        let parts = u32::try_from(left.len()).unwrap_or(u32::MAX).saturating_add(1);
        let call = call_of_many(&lines, &messages, context, share(bus.environment(), end, parts));
        let origins = origins(&lines, &messages, context);
        match allocate_some(bus, AllocateLines { lines, origins }, &call, end).await {
            Next::Try(lines) => left.extend(lines.into_iter().rev()),
            Next::Wait(lines) => {
                let pause = PAUSE.mul_f64(bus.environment().chance());
                bus.environment().sleep(pause).await;
                left.insert(0, lines);
            }
            Next::Fail(lines, reason) => {
                for message in lines.lines().iter().filter_map(|line| messages.get(line)).flatten() {
                    fail(message, &reason);
                }
            }
        }
    }
    response
}

/// What is to be done with lines that were tried.
enum Next {
    /// These are left, to be tried at once.
    Try(Vec<SkuLines>),
    /// To be tried again after a pause.
    Wait(SkuLines),
    /// Their messages go back to the queue, for this reason.
    Fail(SkuLines, String),
}

async fn allocate_some<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    command: AllocateLines,
    call: &Call,
    end: Timestamp,
) -> Next {
    let handled = Box::pin(bus.handle(&command, call)).instrument(calls::span(call, bus.environment()));
    let handled = AssertUnwindSafe(handled).catch_unwind().await;
    let AllocateLines { lines, origins: _ } = command;
    let error = match handled {
        Ok(Ok(Answered { lines: 0, .. })) => {
            return Next::Fail(lines, "a commit did not hold a single line".to_owned());
        }
        Ok(Ok(Answered { lines: answered, refusals })) => {
            // Nobody waits for these answers, and asking again would not change them.
            for refusal in refusals {
                let span = calls::span(call, bus.environment());
                span.in_scope(|| tracing::warn!(reason = chain(&refusal), "a queued line is refused"));
            }
            return Next::Try(lines.after(answered).into_iter().collect());
        }
        Ok(Err(error)) => error,
        Err(_) => return Next::Fail(lines, "the handler panicked".to_owned()),
    };
    match error {
        // It may be the fault of a single line's item, so look for it.
        Error::Fault(_) if lines.lines().len() > 1 => Next::Try(lines.halved()),
        // A hot product is throttled now and then. Back in the queue, its lines would be hidden for minutes.
        Error::Contended { .. } | Error::Unavailable(_) if has_time(bus.environment(), end) => Next::Wait(lines),
        Error::Refused(_) | Error::Contended { .. } | Error::Unavailable(_) | Error::Fault(_) => {
            Next::Fail(lines, chain(&error))
        }
    }
}

/// Whether one more try may come to something.
fn has_time<E: Environment>(environment: &E, end: Timestamp) -> bool {
    environment.now().plus(PAUSE).plus(PAUSE) < end
}

/// What each line came of: its request, of which its message tells.
fn origins(lines: &SkuLines, messages: &HashMap<OrderLine, Vec<SqsMessage>>, context: &Context) -> Origins {
    let of_line = |line: &OrderLine| {
        let message = messages.get(line)?.first()?;
        Some((line.id(), calls::of_message(message, context, Timestamp::default()).correlation))
    };
    lines.lines().iter().filter_map(of_line).collect()
}

/// What is done for many belongs to the invocation. For a line by itself, it belongs to its request.
fn call_of_many(
    lines: &SkuLines,
    messages: &HashMap<OrderLine, Vec<SqsMessage>>,
    context: &Context,
    deadline: Timestamp,
) -> Call {
    let mut of_lines = lines.lines().iter().filter_map(|line| messages.get(line)).flatten();
    match (of_lines.next(), of_lines.next()) {
        (Some(message), None) => calls::of_message(message, context, deadline),
        _ => calls::of_invocation(context, deadline),
    }
}

#[cfg(test)]
mod tests;
