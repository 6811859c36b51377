//! Answers: texts, JSON, and what an error is to a client.

use domain::Refusal;
use lambda_http::http::header::{CONTENT_TYPE, RETRY_AFTER};
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::{Body, Response};
use serde::Serialize;
use service_layer::Error;

use super::Route;
use crate::report::chain;

/// Seconds after which a client may ask again.
const RETRY_AFTER_SECONDS: u16 = 1;

/// What a client is told when its command failed. What is not its fault is logged.
pub(super) fn refuse(route: Route, error: &Error) -> Response<Body> {
    let status = match error {
        Error::Refused(Refusal::UnknownSku(_)) => StatusCode::BAD_REQUEST,
        Error::Refused(Refusal::UnknownBatch(_)) => StatusCode::NOT_FOUND,
        Error::Refused(Refusal::BatchDiffers(_) | Refusal::TooManyBatches(_)) => StatusCode::CONFLICT,
        Error::Contended { .. } | Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Fault(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    if status.is_server_error() {
        tracing::error!(route = ?route, status = status.as_u16(), reason = chain(error), "request failed");
    }
    let mut response = message(status, &error.to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS.into());
    }
    response
}

pub(super) fn message(status: StatusCode, message: &str) -> Response<Body> {
    #[derive(Serialize)]
    struct Message<'a> {
        message: &'a str,
    }

    json(status, &Message { message })
}

/// Tells a client that the request was carried out before, and that this one changed nothing. (The name is
/// that of Stripe's API; no standard has one.)
pub(super) fn replayed(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    response
}

pub(super) fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "not found")
}

pub(super) fn text(status: StatusCode, text: &str) -> Response<Body> {
    response(status, "text/plain; charset=utf-8", text.into())
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
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
