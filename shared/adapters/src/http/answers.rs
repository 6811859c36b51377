//! Answers: texts, JSON, and what an error is to a client.

use domain::{Available, Batch, Done, Eta, LineName, NewBatch, Quantity, Refusal, Sku};
use lambda_http::http::header::{CONTENT_TYPE, RETRY_AFTER};
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::{Body, Response};
use serde::{Serialize, Serializer};
use service_layer::{Error, ShortLine};

use super::Route;
use super::accept::Format;
use crate::report::chain;

/// Seconds after which a client may ask again.
const RETRY_AFTER_SECONDS: u16 = 1;

/// What went wrong, for a program: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request can't be read, or has a value that is none.
    InvalidInput,
    /// The body is larger than any request needs.
    TooLarge,
    /// No batch of this SKU was ever added.
    UnknownSku,
    /// No batch has this reference, or none of this SKU.
    UnknownBatch,
    /// Several SKUs share the reference, and it was not said which is meant.
    AmbiguousBatch,
    /// Nobody asked for this line, or it was refused.
    UnknownLine,
    /// Nobody asked for a line of this order, nor was it cancelled.
    UnknownOrder,
    /// No batch has enough pieces left.
    OutOfStock,
    /// The reference is taken by another batch.
    BatchDiffers,
    /// The line asked for another quantity when it came first.
    LineDiffers,
    /// The line was given back.
    LineCancelled,
    /// The line is with its customer.
    LineShipped,
    /// The line waits for stock.
    NotAllocated,
    /// The order is cancelled.
    OrderCancelled,
    /// Something else was wanted of the order since.
    OrderOutdated,
    /// The SKU has as many batches with free stock as one product holds.
    TooManyBatches,
    /// The lines are more than one commit holds.
    TooManyLines,
    /// Too many others are changing the same product.
    Contended,
    /// Something that the service needs does not answer.
    Unavailable,
    /// What asking again does not mend.
    Internal,
}

impl Code {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::InvalidInput,
        Self::TooLarge,
        Self::UnknownSku,
        Self::UnknownBatch,
        Self::AmbiguousBatch,
        Self::UnknownLine,
        Self::UnknownOrder,
        Self::OutOfStock,
        Self::BatchDiffers,
        Self::LineDiffers,
        Self::LineCancelled,
        Self::LineShipped,
        Self::NotAllocated,
        Self::OrderCancelled,
        Self::OrderOutdated,
        Self::TooManyBatches,
        Self::TooManyLines,
        Self::Contended,
        Self::Unavailable,
        Self::Internal,
    ];
}

/// What a program may want to know of an error beside its code.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Details<'a> {
    /// Where the invalid value stands.
    Field(&'a str),
    /// What the line asked for when it came first.
    Qty(Quantity),
    /// The batch that has the reference, as it was added.
    Stored { sku: &'a Sku, qty: Quantity, eta: Option<Eta> },
    /// Whether the line was promised before and waits for stock.
    Waiting(bool),
    /// The lines of an order that are short, and what it could use.
    Lines(Vec<Short<'a>>),
}

/// A line that is short.
#[derive(Serialize)]
pub(super) struct Short<'a> {
    sku: &'a Sku,
    line: &'a LineName,
    qty: Quantity,
    #[serde(flatten)]
    available: ShownAvailable<'a>,
}

impl<'a> Short<'a> {
    pub(super) fn of(ShortLine { line, available }: &'a ShortLine) -> Self {
        Self { sku: &line.sku, line: &line.name, qty: line.qty, available: ShownAvailable::of(available) }
    }
}

/// Pieces that are nobody's.
#[derive(Serialize)]
pub(super) struct ShownAvailable<'a> {
    /// In the warehouse.
    free: u64,
    #[serde(serialize_with = "by_date")]
    incoming: &'a [(Eta, u64)],
}

impl<'a> ShownAvailable<'a> {
    pub(super) fn of(Available { free, incoming }: &'a Available) -> Self {
        Self { free: *free, incoming }
    }
}

/// What comes on each day.
fn by_date<S: Serializer>(incoming: &[(Eta, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Incoming {
        eta: Eta,
        free: u64,
    }

    serializer.collect_seq(incoming.iter().map(|&(eta, free)| Incoming { eta, free }))
}

/// What a client is told when its command failed. What is not its fault is logged.
pub(super) fn refuse(route: Route, error: &Error) -> Response<Body> {
    let (status, code) = match error {
        Error::Refused(refusal) => refused(route, refusal),
        Error::Contended { .. } => (StatusCode::SERVICE_UNAVAILABLE, Code::Contended),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
        Error::Fault(_) => (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal),
    };
    if status.is_server_error() {
        tracing::error!(route = ?route, status = status.as_u16(), reason = chain(error), "request failed");
    }
    let details = match error {
        Error::Refused(Refusal::BatchDiffers(NewBatch { sku, qty, eta, .. })) => {
            Some(Details::Stored { sku, qty: *qty, eta: *eta })
        }
        Error::Refused(Refusal::LineDiffers { stored, .. }) => Some(Details::Qty(*stored)),
        Error::Refused(_) | Error::Contended { .. } | Error::Unavailable(_) | Error::Fault(_) => None,
    };
    let mut response = problem(status, code, &error.to_string(), details);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS.into());
    }
    response
}

fn refused(route: Route, refusal: &Refusal) -> (StatusCode, Code) {
    match refusal {
        // The book's.
        Refusal::UnknownSku(_) if route == Route::Allocate => (StatusCode::BAD_REQUEST, Code::UnknownSku),
        Refusal::UnknownSku(_) => (StatusCode::NOT_FOUND, Code::UnknownSku),
        Refusal::UnknownBatch(_) | Refusal::UnknownBatchOfSku(..) => (StatusCode::NOT_FOUND, Code::UnknownBatch),
        Refusal::AmbiguousBatch(_) => (StatusCode::CONFLICT, Code::AmbiguousBatch),
        Refusal::UnknownOrder(_) => (StatusCode::NOT_FOUND, Code::UnknownOrder),
        Refusal::UnknownLine(_) => (StatusCode::NOT_FOUND, Code::UnknownLine),
        Refusal::BatchDiffers(_) => (StatusCode::CONFLICT, Code::BatchDiffers),
        Refusal::LineDiffers { .. } => (StatusCode::CONFLICT, Code::LineDiffers),
        Refusal::LineCancelled(_) => (StatusCode::CONFLICT, Code::LineCancelled),
        Refusal::LineShipped(_) => (StatusCode::CONFLICT, Code::LineShipped),
        Refusal::NotAllocated(_) => (StatusCode::CONFLICT, Code::NotAllocated),
        Refusal::OrderCancelled(_) => (StatusCode::CONFLICT, Code::OrderCancelled),
        Refusal::OrderOutdated { .. } => (StatusCode::CONFLICT, Code::OrderOutdated),
        Refusal::TooManyBatches(_) => (StatusCode::CONFLICT, Code::TooManyBatches),
        Refusal::TooManyChanges(_) | Refusal::TooManyParts(_) => (StatusCode::UNPROCESSABLE_ENTITY, Code::TooManyLines),
    }
}

/// The counters of a batch.
#[derive(Serialize)]
pub(super) struct Counters {
    eta: Option<Eta>,
    purchased: u32,
    allocated: u32,
    shipped: u32,
    free: u32,
}

impl Counters {
    pub(super) fn of(batch: &Batch) -> Self {
        let Batch { eta, purchased, allocated, shipped, .. } = *batch;
        Self { eta, purchased, allocated, shipped, free: batch.free() }
    }
}

/// An error as a client reads it.
pub(super) fn problem(status: StatusCode, code: Code, message: &str, details: Option<Details<'_>>) -> Response<Body> {
    #[derive(Serialize)]
    struct Problem<'a> {
        message: &'a str,
        code: Code,
        #[serde(flatten)]
        details: Option<Details<'a>>,
    }

    json(status, &Problem { message, code, details })
}

/// That a request was carried out.
pub(super) fn ok(status: StatusCode, format: Format) -> Response<Body> {
    #[derive(Serialize)]
    struct Message {
        message: &'static str,
    }

    match format {
        Format::Text => text(status, "OK"),
        Format::Json => json(status, &Message { message: "OK" }),
    }
}

/// An answer that is marked as replayed if the request was carried out before.
pub(super) fn replayed_unless_new(done: Done, response: Response<Body>) -> Response<Body> {
    match done {
        Done::Now => response,
        Done::Before => replayed(response),
    }
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

fn text(status: StatusCode, text: &str) -> Response<Body> {
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
