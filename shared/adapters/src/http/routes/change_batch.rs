//! `PATCH /batches/{ref}`: what the warehouse's queue takes too.

use domain::ChangeOutcome;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use service_layer::MessageBus;
use service_layer::ports::Environment;
use service_layer::store::Products;

use crate::http::answers::{json, replayed};
use crate::http::{Route, answered, body, invalid, named};
use crate::warehouse::{ChangeBody, note};

#[derive(Serialize)]
struct Change {
    applied: bool,
}

/// Answers a request to give a batch its real quantity, or another ETA.
pub(super) async fn change_batch<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    request: Request,
) -> Response<Body> {
    let route = Route::ChangeBatch;
    answered(route, bus.environment(), &request, async |call| {
        let asked: ChangeBody = body(&request)?;
        let change = asked.into_command(named(route, &request)?, Ok(bus.environment().now()));
        let change = change.map_err(invalid)?;
        let outcome = bus.handle(&change, call).await?;
        note(bus.environment(), call, &change, outcome);
        Ok(match outcome {
            ChangeOutcome::Applied => json(StatusCode::OK, &Change { applied: true }),
            ChangeOutcome::Known => replayed(json(StatusCode::OK, &Change { applied: true })),
            ChangeOutcome::Outdated | ChangeOutcome::Unnumbered => json(StatusCode::OK, &Change { applied: false }),
        })
    })
    .await
}
