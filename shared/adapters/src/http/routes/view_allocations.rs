//! `GET /allocations/{orderid}`.

use domain::{BatchRef, OrderId, Sku};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use service_layer::ports::{AllocationsView, Environment};
use service_layer::store::StoreError;
use service_layer::{Error, in_time};

use crate::http::answers::{json, not_found};
use crate::http::{Route, answered, named};

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
        let Ok(orderid) = named::<OrderId>(&request, "orderid") else { return Ok(not_found()) };
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
