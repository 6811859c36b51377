//! HTTP: requests to commands, answers and errors to responses.

mod accept;
mod answers;
mod pages;
mod prefer;
mod routes;

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;

use domain::{InvalidName, WrongOrder};
use lambda_http::http::header::HOST;
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::util::{MapRequest, MapResponse};
use lambda_http::{Adapter, Body, IntoResponse, LambdaEvent, Request, RequestExt, Response, Service};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use service_layer::ports::Environment;
use service_layer::{Call, Error};
use tracing::Instrument;

pub use routes::{Route, answer_about_batches, answer_about_lines, answer_about_orders, answer_readers};

use crate::calls::{self, CORRELATION_HEADER};
use crate::json::{InvalidJson, read_object};
pub use answers::Code;
use answers::{Details, problem, refuse};

/// Largest body that is read. The longest order takes less, with every character escaped that is not ASCII.
pub const BODY_BYTES: usize = 131_072;
/// Largest answer. Lambda's own limit is 6 MB, for the answer as a text in JSON with its headers beside it
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub const ANSWER_BYTES: usize = 6 * 1_024 * 1_024 - 16 * 1_024;

/// Serves requests, one after the other.
///
/// # Errors
/// When the runtime's API does not answer.
pub async fn run<'a, S>(service: S) -> Result<(), lambda_http::Error>
where
    S: Service<Request, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'a,
{
    let service = MapResponse::new(service, Finished);
    lambda_runtime::run(MapRequest::new(Adapter::from(service), |event: LambdaEvent<LambdaRequest>| {
        let LambdaEvent { payload, context } = event;
        LambdaEvent { payload: without_uri(payload), context }
    }))
    .await
}

/// An answer as it goes out. `lambda_http` would read its type, decode its text and copy it, to learn whether it is text:
/// all are.
struct Finished(Response<Body>);

impl IntoResponse for Finished {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(ready(self.0))
    }
}

/// Leaves out what makes an URI. A client may put anything there, such as `?<`, and `lambda_http` panics when it is no
/// URI. What is read of it stands elsewhere too: the path's names, and the parameters of the query.
#[must_use]
pub fn without_uri(mut request: LambdaRequest) -> LambdaRequest {
    if let LambdaRequest::ApiGatewayV2(request) = &mut request {
        request.raw_path = Some("/".to_owned());
        request.raw_query_string = None;
        request.request_context.domain_name = None;
        request.headers.remove(HOST);
    }
    request
}

/// Why a route has no answer of its own.
enum Failure {
    /// The body is too large: so many bytes.
    TooLarge(usize),
    /// The order has more lines than one commit surely holds.
    TooManyLines(WrongOrder),
    /// The body, or the path, can't be read.
    Unreadable(InvalidJson),
    /// What it asks for could not be done.
    Undone(Error),
    /// The answer is larger than Lambda takes.
    LongAnswer,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Undone(error)
    }
}

/// What a route answers to a request, or that it could not; and what every answer has: the correlation id, in its
/// headers and in each line that is logged for it.
async fn answered<E: Environment>(
    route: Route,
    environment: &E,
    request: &Request,
    answer: impl AsyncFnOnce(&Call) -> Result<Response<Body>, Failure>,
) -> Response<Body> {
    let call = calls::of_request(environment, request);
    let response = async {
        match answer(&call).await.and_then(short) {
            Ok(response) => response,
            Err(Failure::LongAnswer) => {
                let reason = format!(
                    "the answer has more than {ANSWER_BYTES} bytes: ask for less, by limit or, of an order, by \
                    GET /orders/{{orderid}}; of a reference with so many SKUs, GET /products/{{sku}} shows one"
                );
                problem(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge, &reason, None)
            }
            Err(Failure::TooLarge(bytes)) => {
                let reason = format!("body: must have at most {BODY_BYTES} bytes, not {bytes}");
                problem(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge, &reason, None)
            }
            Err(Failure::TooManyLines(error)) => {
                let reason = format!("lines: {error}; what is larger has to be several orders");
                problem(StatusCode::UNPROCESSABLE_ENTITY, Code::TooManyLines, &reason, None)
            }
            Err(Failure::Unreadable(error)) => {
                let field = error.field();
                let field = field.as_deref().map(Details::Field);
                problem(StatusCode::BAD_REQUEST, Code::InvalidInput, &error.to_string(), field)
            }
            Err(Failure::Undone(error)) => refuse(route, &error),
        }
    };
    let mut response = response.instrument(calls::span(&call, environment)).await;
    if let Ok(id) = HeaderValue::from_str(call.correlation.as_str()) {
        response.headers_mut().insert(CORRELATION_HEADER, id);
    }
    response
}

/// Refuses an answer that Lambda would fail, and with it the invocation.
fn short(response: Response<Body>) -> Result<Response<Body>, Failure> {
    let escaped = |byte: &u8| if matches!(byte, b'"' | b'\\') { 2 } else { 1 };
    let bytes: usize = response.body().iter().map(escaped).sum();
    if bytes > ANSWER_BYTES { Err(Failure::LongAnswer) } else { Ok(response) }
}

/// What can't be read: a reason that begins with where it stands.
fn invalid(reason: &str) -> Failure {
    Failure::Unreadable(InvalidJson::because(reason))
}

/// What a request's body says.
fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Failure> {
    let bytes = request.body().len();
    if bytes > BODY_BYTES {
        return Err(Failure::TooLarge(bytes));
    }
    read_object(request.body()).map_err(Failure::Unreadable)
}

/// What the path of a route names.
///
/// An HTTP API decodes every escape of a path but `%25`, and `cargo lambda watch` none of them. So each `%` that is
/// left begins an escape, and decoding once gives the name, whoever handed it over.
fn named<N: for<'a> TryFrom<&'a str, Error = InvalidName>>(route: Route, request: &Request) -> Result<N, Failure> {
    let (parameter, after) = route.parameter().unwrap_or_default();
    let parameters = request.path_parameters_ref();
    let rest = parameters.and_then(|parameters| parameters.first(parameter)).unwrap_or_default();
    let encoded = rest.strip_suffix(after).unwrap_or(rest);
    let name = match percent_decode_str(encoded).decode_utf8() {
        Ok(name) => N::try_from(&name).map_err(|error| error.to_string()),
        Err(_) => Err("must be UTF-8, percent-encoded".to_owned()),
    };
    name.map_err(|reason| invalid(&format!("{parameter}: {reason}")))
}
