//! `POST /deallocate` and `POST /ship`: how a line ends.

use domain::{Done, LineId};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use service_layer::ports::Environment;
use service_layer::store::Products;
use service_layer::{Deallocate, Handler, MessageBus, Ship};

use crate::http::accept::Format;
use crate::http::answers::{ok, replayed_unless_new};
use crate::http::{Route, answered, body};

/// Answers a request to cancel a line.
pub(super) async fn deallocate<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    request: Request,
) -> Response<Body> {
    end(Route::Deallocate, bus, request, Deallocate).await
}

/// Answers a request to note that a line was shipped.
pub(super) async fn ship<S: Products, E: Environment>(bus: &MessageBus<S, E>, request: Request) -> Response<Body> {
    end(Route::Ship, bus, request, Ship).await
}

async fn end<S: Products, E: Environment, H: Handler<Answer = Done>>(
    route: Route,
    bus: &MessageBus<S, E>,
    request: Request,
    command: fn(LineId) -> H,
) -> Response<Body> {
    answered(route, bus.environment(), &request, async |call| {
        let done = bus.handle(&command(body(&request)?), call).await?;
        Ok(replayed_unless_new(done, ok(StatusCode::OK, Format::Json)))
    })
    .await
}
