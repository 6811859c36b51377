//! `POST /batches`.

use domain::Done;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use service_layer::ports::Environment;
use service_layer::store::Products;
use service_layer::{CreateBatch, MessageBus};

use crate::http::answers::{replayed, text};
use crate::http::{Route, answered, body};

/// Answers a request to add a batch.
pub(super) async fn create_batch<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    request: Request,
) -> Response<Body> {
    answered(Route::CreateBatch, bus.environment(), &request, async |call| {
        let response = text(StatusCode::CREATED, "OK");
        Ok(match bus.handle(&CreateBatch(body(&request)?), call).await? {
            Done::Now => response,
            Done::Before => replayed(response),
        })
    })
    .await
}
