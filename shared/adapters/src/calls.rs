//! Who calls: what logs, events and answers need to know of a request or message, taken from where the platform put it.

use aws_lambda_events::sqs::SqsMessage;
use lambda_http::{Request, RequestExt};
use lambda_runtime::Context;
use service_layer::ports::{Environment, Timestamp};
use service_layer::{Call, CorrelationId};
use tracing::Span;

use crate::system::deadline;

/// The header by which a client names what its request belongs to, and finds the name in the answer.
pub(crate) const CORRELATION_HEADER: &str = "x-correlation-id";
/// The attribute of messages that carries it on.
pub(crate) const CORRELATION_ATTRIBUTE: &str = "correlation_id";

/// The call behind a request.
pub(crate) fn of_request<E: Environment>(environment: &E, request: &Request) -> Call {
    let context = request.lambda_context_ref();
    Call {
        request: context.map(|context| context.request_id.clone()).unwrap_or_default(),
        correlation: of_headers(request),
        deadline: deadline(environment, context.map_or(0, |context| context.deadline)),
    }
}

/// What a request belongs to: as its client says, or else its trace, or the invocation itself. What is no correlation
/// id is passed over.
fn of_headers(request: &Request) -> CorrelationId {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let named = header(CORRELATION_HEADER).and_then(|id| CorrelationId::try_from(id.trim()).ok());
    let traced = || header("x-amzn-trace-id").and_then(root);
    let itself = || request.lambda_context_ref().map(of_context);
    named.or_else(traced).or_else(itself).unwrap_or_else(CorrelationId::unknown)
}

/// The call behind a message of a queue: as its sender says, or else by its trace, or the message itself.
pub(crate) fn of_message(message: &SqsMessage, context: &Context, deadline: Timestamp) -> Call {
    let named = named_by(message);
    let traced = || message.attributes.get("AWSTraceHeader").and_then(|header| root(header));
    let itself = || message.message_id.as_deref().and_then(|id| id.try_into().ok());
    Call {
        request: context.request_id.clone(),
        correlation: named.or_else(traced).or_else(itself).unwrap_or_else(|| of_context(context)),
        deadline,
    }
}

/// What a message belongs to, as its sender says.
pub(crate) fn named_by(message: &SqsMessage) -> Option<CorrelationId> {
    message.message_attributes.get(CORRELATION_ATTRIBUTE)?.string_value.as_deref()?.try_into().ok()
}

/// The call behind an invocation for many.
pub(crate) fn of_invocation(context: &Context, deadline: Timestamp) -> Call {
    Call { request: context.request_id.clone(), correlation: of_context(context), deadline }
}

/// What an invocation belongs to: its trace, or itself.
fn of_context(context: &Context) -> CorrelationId {
    let traced = context.xray_trace_id.as_deref().and_then(root);
    let itself = || context.request_id.as_str().try_into().ok();
    traced.or_else(itself).unwrap_or_else(CorrelationId::unknown)
}

/// The trace's own id, in a header such as
/// `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.
fn root(header: &str) -> Option<CorrelationId> {
    header.split(';').find_map(|field| field.trim().strip_prefix("Root=")).and_then(|root| root.try_into().ok())
}

/// Marks each line that is logged while a call is handled. An error's span, so that no log level leaves it out.
pub(crate) fn span<E: Environment>(call: &Call, environment: &E) -> Span {
    let Call { request, correlation, .. } = call;
    let cold_start = environment.is_cold_start(call);
    tracing::error_span!("call", request_id = request, correlation_id = %correlation, cold_start)
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::sqs::SqsMessageAttribute;

    use super::*;

    #[test]
    fn a_message_belongs_to_what_its_sender_says_or_else_its_trace_or_itself() {
        let (mut message, context) = (SqsMessage::default(), Context::default());
        let belongs_to = |message: &SqsMessage| of_message(message, &context, Timestamp(0)).correlation.to_string();
        assert_eq!(belongs_to(&message), "unknown");
        message.message_id = Some("m1".to_owned());
        assert_eq!(belongs_to(&message), "m1");
        message.attributes.insert("AWSTraceHeader".to_owned(), "Root=1-5759e988-bd862e3f;Sampled=1".to_owned());
        assert_eq!(belongs_to(&message), "1-5759e988-bd862e3f");
        let mut named = SqsMessageAttribute::default();
        named.string_value = Some("order-7".to_owned());
        message.message_attributes.insert(CORRELATION_ATTRIBUTE.to_owned(), named.clone());
        assert_eq!(belongs_to(&message), "order-7");
        named.string_value = Some("forged\r\nline".to_owned());
        message.message_attributes.insert(CORRELATION_ATTRIBUTE.to_owned(), named);
        assert_eq!(belongs_to(&message), "1-5759e988-bd862e3f");
    }
}
