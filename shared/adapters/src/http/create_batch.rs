//! `POST /batches`.

use std::convert::Infallible;

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use service_layer::ports::Environment;
use service_layer::store::Products;
use service_layer::{CreateBatch, MessageBus};

use super::answers::text;
use super::{Route, answered, body};

/// Answers a request to add a batch.
///
/// # Errors
/// None: whatever goes wrong is a response too.
pub async fn create_batch<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    request: Request,
) -> Result<Response<Body>, Infallible> {
    answered(Route::CreateBatch, bus.environment(), &request, async |call| {
        bus.handle(&CreateBatch(body(&request)?), call).await?;
        Ok(text(StatusCode::CREATED, "OK"))
    })
    .await
}
