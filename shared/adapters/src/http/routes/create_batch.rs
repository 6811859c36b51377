//! `POST /batches`.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use service_layer::ports::Environment;
use service_layer::store::Products;
use service_layer::{CreateBatch, MessageBus};

use crate::http::accept::Format;
use crate::http::answers::{ok, replayed_unless_new};
use crate::http::{Route, answered, body};

/// Answers a request to add a batch.
pub(super) async fn create_batch<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    request: Request,
) -> Response<Body> {
    answered(Route::CreateBatch, bus.environment(), &request, async |call| {
        let done = bus.handle(&CreateBatch(body(&request)?), call).await?;
        Ok(replayed_unless_new(done, ok(StatusCode::CREATED, Format::of(request.headers()))))
    })
    .await
}
