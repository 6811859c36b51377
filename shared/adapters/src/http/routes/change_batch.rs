//! `PATCH /batches/{ref}`: what the warehouse's queue takes too.

use domain::ChangeOutcome;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use service_layer::ports::Environment;
use service_layer::store::Products;
use service_layer::{Figures, MessageBus};

use crate::http::answers::{json, replayed};
use crate::http::{Failure, Route, answered, body, named};
use crate::json::InvalidJson;
use crate::warehouse::ChangeBody;

#[derive(Serialize)]
struct Change {
    applied: bool,
}

/// Answers a request to give a batch its real quantity, or another ETA.
pub(super) async fn change_batch<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    request: Request,
) -> Response<Body> {
    answered(Route::ChangeBatch, bus.environment(), &request, async |call| {
        let asked: ChangeBody = body(&request)?;
        let change = asked.into_command(named(&request, "ref")?, Ok(bus.environment().now()));
        let change = change.map_err(|reason| Failure::Unreadable(InvalidJson::because(reason)))?;
        let outcome = bus.handle(&change, call).await?;
        Ok(match outcome {
            ChangeOutcome::Applied => json(StatusCode::OK, &Change { applied: true }),
            ChangeOutcome::Known => replayed(json(StatusCode::OK, &Change { applied: true })),
            ChangeOutcome::Outdated => json(StatusCode::OK, &Change { applied: false }),
            ChangeOutcome::Unnumbered => {
                bus.environment().record(call, &Figures::UnnumberedChange);
                json(StatusCode::OK, &Change { applied: false })
            }
        })
    })
    .await
}
