//! `GET /allocations/{orderid}`.

use domain::{BatchRef, OrderId, Sku};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use service_layer::Views;
use service_layer::ports::{Environment, Lists};
use service_layer::store::Products;

use crate::http::accept::Format;
use crate::http::answers::{Code, json, not_found, problem};
use crate::http::{ANSWER_BYTES, Failure, Route, answered, named};

/// What `{"sku":"","batchref":""},` takes in Lambda's answer, where each quote is escaped.
const ROW_BYTES: usize = 34;

/// A line of the answer.
#[derive(Serialize)]
struct ShownLine {
    sku: Sku,
    batchref: BatchRef,
}

/// Answers a request for the allocations of the order that the path names.
pub(super) async fn view_allocations<S: Products + Lists, E: Environment>(
    views: Views<'_, S, E>,
    request: Request,
) -> Response<Body> {
    let route = Route::ViewAllocations;
    answered(route, views.environment, &request, async |call| {
        let format = Format::of(request.headers());
        let orderid: OrderId = match named(route, &request) {
            Ok(orderid) => orderid,
            // No order has a name that is not valid.
            Err(Failure::Unreadable(error)) => return Ok(nothing(format, &error.to_string())),
            Err(other) => return Err(other),
        };
        let allocations = views.allocations(&orderid, (ROW_BYTES, ANSWER_BYTES), call).await?;
        let Some(allocations) = allocations else { return Err(Failure::LongAnswer) };
        if allocations.is_empty() {
            let reason = format!(
                "no line of order {:?} has a batch: GET /orders/{{orderid}} tells of all its lines",
                orderid.as_str()
            );
            return Ok(nothing(format, &reason));
        }
        let shown = allocations.into_iter().map(|(sku, batchref)| ShownLine { sku, batchref });
        Ok(json(StatusCode::OK, &shown.collect::<Vec<_>>()))
    })
    .await
}

fn nothing(format: Format, reason: &str) -> Response<Body> {
    match format {
        Format::Text => not_found(),
        Format::Json => problem(StatusCode::NOT_FOUND, Code::UnknownOrder, reason, None),
    }
}
