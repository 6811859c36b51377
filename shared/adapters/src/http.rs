//! HTTP: bodies to commands, replies and errors to responses.

use std::convert::Infallible;

use domain::{BatchRef, Command, OrderId, OrderLine, Sku};
use lambda_http::http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use lambda_http::http::{HeaderMap, HeaderValue, StatusCode};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::util::MapRequest;
use lambda_http::{Adapter, Body, LambdaEvent, Request, RequestExt, Response, Service};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_layer::ports::{AllocationsView, Environment, LineQueue, Products, StoreError};
use service_layer::{Call, Error, MessageBus, Reply, in_time};
use tracing::Instrument;

use crate::calls::{self, CORRELATION_HEADER};
use crate::json::read_object;
use crate::report::chain;

/// Seconds after which a client may ask again.
const RETRY_AFTER_SECONDS: u16 = 1;

/// Largest body that is read. The longest command takes less than a tenth of it, with every character escaped.
pub const BODY_BYTES: usize = 65_536;

/// What a client wants to be told (RFC 7240).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preference {
    /// That the request was taken.
    Minimal,
    /// What became of it.
    Representation,
}

impl Preference {
    /// Reads the `Prefer` headers. As the standard says, the first `return` counts, and what is unknown or wrong
    /// is ignored.
    fn of(headers: &HeaderMap) -> Self {
        let mut values = preferences(headers).filter(|(name, _)| name.eq_ignore_ascii_case(b"return"));
        match values.find_map(|(_, value)| value) {
            Some(b"representation" | b"\"representation\"") => Self::Representation,
            _ => Self::Minimal,
        }
    }
}

/// Whether a client can wait for what becomes of its request (RFC 7240, section 4.1). An empty value is none.
fn prefers_later(headers: &HeaderMap) -> bool {
    preferences(headers)
        .any(|(name, value)| name.eq_ignore_ascii_case(b"respond-async") && matches!(value, None | Some(b"" | b"\"\"")))
}

/// The preferences of the `Prefer` headers, without their parameters: names, and values if they have one.
fn preferences(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let headers = headers.get_all("prefer").into_iter().map(HeaderValue::as_bytes);
    headers.flat_map(|header| split_unquoted(header, b',')).filter_map(|preference| {
        let parameterless = split_unquoted(preference, b';').next().unwrap_or_default();
        let mut parts = parameterless.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
        Some((parts.next()?, parts.next()))
    })
}

/// Splits a header where the separator stands outside of a quoted string (RFC 9110, section 5.6.4).
fn split_unquoted(header: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    header.split(move |byte| {
        let literal = std::mem::take(&mut escaped);
        match byte {
            _ if literal => {}
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => return !quoted && *byte == separator,
        }
        false
    })
}

/// Serves requests, one after the other.
///
/// # Errors
/// When the runtime's API does not answer.
pub async fn run<'a, S>(service: S) -> Result<(), lambda_http::Error>
where
    S: Service<Request, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'a,
{
    lambda_runtime::run(MapRequest::new(Adapter::from(service), |event: LambdaEvent<LambdaRequest>| {
        let LambdaEvent { payload, context } = event;
        LambdaEvent { payload: without_uri(payload), context }
    }))
    .await
}

/// Leaves out what nobody here reads: path, query and what else makes an URI. A client may put anything there, such as
/// `?<`, and `lambda_http` panics when it is no URI.
#[must_use]
pub fn without_uri(mut request: LambdaRequest) -> LambdaRequest {
    if let LambdaRequest::ApiGatewayV2(request) = &mut request {
        request.raw_path = Some("/".to_owned());
        request.raw_query_string = None;
        request.headers.remove(HOST);
        request.headers.remove("x-forwarded-proto");
    }
    request
}

/// Answers a request whose body is a command.
///
/// # Errors
/// None: whatever goes wrong is a response too.
pub async fn handle_command<T: DeserializeOwned, S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    request: Request,
    command: impl FnOnce(T) -> Command,
) -> Result<Response<Body>, Infallible> {
    let call = calls::of_request(bus.environment(), &request);
    let answer = async {
        let body = match body(&request) {
            Ok(body) => body,
            Err((status, reason)) => return message(status, &reason),
        };
        match bus.handle_command(command(body), &call).await {
            Ok(reply) => respond(reply, Preference::of(request.headers())),
            Err(error) => refuse(&error),
        }
    };
    let response = answer.instrument(calls::span(&call)).await;
    Ok(correlated(response, &call))
}

/// Answers a request to allocate a line: now, or, if its client can wait and there is a queue, as soon as the line is on
/// that.
///
/// # Errors
/// None: whatever goes wrong is a response too.
pub async fn handle_allocate<S: Products, E: Environment, Q: LineQueue>(
    bus: &MessageBus<S, E>,
    queue: Option<&Q>,
    request: Request,
) -> Result<Response<Body>, Infallible> {
    let Some(queue) = queue.filter(|_| prefers_later(request.headers())) else {
        return handle_command(bus, request, Command::Allocate).await;
    };
    let call = calls::of_request(bus.environment(), &request);
    let answer = async {
        let line: OrderLine = match body(&request) {
            Ok(line) => line,
            Err((status, reason)) => return message(status, &reason),
        };
        match queue.put(&line, &call).await {
            Ok(()) => applied(text(StatusCode::ACCEPTED, "OK"), "respond-async"),
            Err(source) => refuse(&Error::Unavailable(source)),
        }
    };
    let response = answer.instrument(calls::span(&call)).await;
    Ok(correlated(response, &call))
}

/// What a request's body says, or the status and the reason if it can't be read.
fn body<T: DeserializeOwned>(request: &Request) -> Result<T, (StatusCode, String)> {
    let bytes = request.body().len();
    if bytes > BODY_BYTES {
        let reason = format!("body: must have at most {BODY_BYTES} bytes, not {bytes}");
        return Err((StatusCode::PAYLOAD_TOO_LARGE, reason));
    }
    read_object(request.body()).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

/// Tells a client that its preference was heeded.
fn applied(mut response: Response<Body>, preference: &'static str) -> Response<Body> {
    response.headers_mut().insert("preference-applied", HeaderValue::from_static(preference));
    response
}

/// Answers a request for the allocations of the order that the path names.
///
/// # Errors
/// None: whatever goes wrong is a response too.
pub async fn handle_view<V: AllocationsView, E: Environment>(
    view: &V,
    environment: &E,
    request: Request,
) -> Result<Response<Body>, Infallible> {
    #[derive(Serialize)]
    struct Allocation {
        sku: Sku,
        batchref: BatchRef,
    }

    let call = calls::of_request(environment, &request);
    let answer = async {
        // No order has a name that is not valid.
        let Some(orderid) = orderid(&request) else { return not_found() };
        let allocations = in_time(environment, call.deadline, view.allocations(&orderid)).await;
        match allocations.unwrap_or_else(|| Err(StoreError::Unavailable("out of time".into()))) {
            Ok(allocations) if allocations.is_empty() => not_found(),
            Ok(allocations) => {
                let shown = allocations.into_iter().map(|(sku, batchref)| Allocation { sku, batchref });
                json(StatusCode::OK, &shown.collect::<Vec<_>>())
            }
            Err(error) => refuse(&error.into()),
        }
    };
    let response = answer.instrument(calls::span(&call)).await;
    Ok(correlated(response, &call))
}

/// Tells a client what its request belongs to.
fn correlated(mut response: Response<Body>, call: &Call) -> Response<Body> {
    if let Ok(id) = HeaderValue::from_str(call.correlation.as_str()) {
        response.headers_mut().insert(CORRELATION_HEADER, id);
    }
    response
}

/// The order that the path names.
///
/// An HTTP API decodes every escape of a path but `%25`, and `cargo lambda watch` none of them. So each `%` that is
/// left begins an escape, and decoding once gives the id, whoever handed it over.
fn orderid(request: &Request) -> Option<OrderId> {
    let parameters = request.path_parameters_ref()?;
    let decoded = percent_decode_str(parameters.first("orderid")?).decode_utf8().ok()?;
    OrderId::try_from(decoded.as_ref()).ok()
}

fn respond(reply: Reply, preference: Preference) -> Response<Body> {
    #[derive(Serialize)]
    struct Allocated {
        batchref: BatchRef,
    }

    let response = match (reply, preference) {
        (Reply::Done, _) => return text(StatusCode::CREATED, "OK"),
        (Reply::Allocated(_) | Reply::OutOfStock(_), Preference::Minimal) => {
            return text(StatusCode::ACCEPTED, "OK");
        }
        (Reply::Allocated(batchref), Preference::Representation) => json(StatusCode::CREATED, &Allocated { batchref }),
        (Reply::OutOfStock(sku), Preference::Representation) => {
            message(StatusCode::BAD_REQUEST, &format!("Out of stock for sku {sku}"))
        }
    };
    applied(response, "return=representation")
}

fn refuse(error: &Error) -> Response<Body> {
    let status = match error {
        Error::InvalidSku(_) => StatusCode::BAD_REQUEST,
        Error::UnknownBatch(_) => StatusCode::NOT_FOUND,
        Error::BatchExists(_) | Error::TooManyBatches(_) => StatusCode::CONFLICT,
        Error::Contended { .. } | Error::InProgress(_) | Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Fault(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    if status.is_server_error() {
        tracing::error!(status = status.as_u16(), reason = chain(error), "request failed");
    }
    let mut response = message(status, &error.to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS.into());
    }
    response
}

fn message(status: StatusCode, message: &str) -> Response<Body> {
    #[derive(Serialize)]
    struct Message<'a> {
        message: &'a str,
    }

    json(status, &Message { message })
}

fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "not found")
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    response(status, "text/plain; charset=utf-8", text.into())
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_string(value) {
        Ok(text) => response(status, "application/json", text.into()),
        // Strings and lists of strings always serialize.
        Err(_) => response(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Body::Empty),
    }
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
