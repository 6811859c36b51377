//! `POST /allocate`.

use domain::{Allocation, BatchRef, OrderLine, Sku};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use service_layer::ports::{Environment, LineQueue};
use service_layer::store::Asks;
use service_layer::{Allocate, Error, MessageBus};

use crate::http::accept::Format;
use crate::http::answers::{Code, Details, json, ok, problem, replayed};
use crate::http::prefer::{Preference, applied, prefers_async};
use crate::http::{Route, answered, body};

/// Answers a request to allocate a line: now, or, if its client can wait and there is a queue, as soon as the line is
/// on that.
pub(super) async fn allocate<S: Asks, E: Environment, Q: LineQueue>(
    bus: &MessageBus<S, E>,
    queue: Option<&Q>,
    request: Request,
) -> Response<Body> {
    answered(Route::Allocate, bus.environment(), &request, async |call| {
        let line: OrderLine = body(&request)?;
        let format = Format::of(request.headers());
        if let Some(queue) = queue.filter(|_| prefers_async(request.headers())) {
            queue.put(&line, call).await.map_err(Error::Unavailable)?;
            return Ok(applied(ok(StatusCode::ACCEPTED, format), "respond-async"));
        }
        let command = Allocate(line);
        let allocation = bus.allocate(&command, call).await?.map_err(Error::from)?;
        Ok(respond(allocation, &command.0.sku, Preference::of(request.headers()), format))
    })
    .await
}

fn respond(allocation: Allocation, sku: &Sku, preference: Preference, format: Format) -> Response<Body> {
    let is_replayed = matches!(allocation, Allocation::Kept(_));
    let response = match preference {
        Preference::Minimal => ok(StatusCode::ACCEPTED, format),
        Preference::Representation => applied(represent(allocation, sku), "return=representation"),
    };
    if is_replayed { replayed(response) } else { response }
}

fn represent(allocation: Allocation, sku: &Sku) -> Response<Body> {
    #[derive(Serialize)]
    struct Allocated {
        batchref: BatchRef,
    }

    match allocation {
        Allocation::Allocated(batchref) | Allocation::Kept(batchref) => {
            json(StatusCode::CREATED, &Allocated { batchref })
        }
        Allocation::Waiting => out_of_stock(sku, Some(Details::Waiting(true))),
        Allocation::OutOfStock => out_of_stock(sku, None),
    }
}

fn out_of_stock(sku: &Sku, details: Option<Details<'_>>) -> Response<Body> {
    problem(StatusCode::BAD_REQUEST, Code::OutOfStock, &format!("Out of stock for sku {sku}"), details)
}
