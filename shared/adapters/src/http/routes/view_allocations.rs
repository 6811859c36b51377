//! `GET /allocations/{orderid}`.

use domain::{BatchRef, OrderId, Sku};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, RequestExt, Response};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use service_layer::ports::{AllocationsView, Environment};
use service_layer::store::StoreError;
use service_layer::{Error, in_time};

use crate::http::answers::{json, not_found};
use crate::http::{Route, answered};

/// A line of the answer.
#[derive(Serialize)]
struct ShownLine {
    sku: Sku,
    batchref: BatchRef,
}

/// Answers a request for the allocations of the order that the path names.
pub(super) async fn view_allocations<V: AllocationsView, E: Environment>(
    view: &V,
    environment: &E,
    request: Request,
) -> Response<Body> {
    answered(Route::ViewAllocations, environment, &request, async |call| {
        // No order has a name that is not valid.
        let Some(orderid) = orderid(&request) else { return Ok(not_found()) };
        let allocations = in_time(environment, call.deadline, view.allocations(&orderid)).await;
        let allocations = allocations.unwrap_or_else(|| Err(StoreError::Unavailable("out of time".into())));
        let allocations = allocations.map_err(Error::from)?;
        if allocations.is_empty() {
            return Ok(not_found());
        }
        let shown = allocations.into_iter().map(|(sku, batchref)| ShownLine { sku, batchref });
        Ok(json(StatusCode::OK, &shown.collect::<Vec<_>>()))
    })
    .await
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
