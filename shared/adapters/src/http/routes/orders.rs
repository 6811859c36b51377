//! `DELETE /orders/{orderid}`, and how an order is shown.

use domain::{BatchRef, Eta, LineName, OrderId, Place, Quantity, Sku};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use service_layer::ports::Environment;
use service_layer::store::Products;
use service_layer::{CancelOrder, MessageBus, OrderedLine};

use crate::http::answers::{json, replayed_unless_new};
use crate::http::{Route, answered, named};

/// Most lines in one answer.
const PAGE: usize = 100;

/// Some lines of an order.
#[derive(Serialize)]
struct ShownOrder<'a> {
    orderid: &'a OrderId,
    lines: Vec<ShownLine<'a>>,
    /// Where the next lines begin. None yet: whoever cancels an order is shown the first ones.
    next: Option<&'a str>,
}

#[derive(Serialize)]
struct ShownLine<'a> {
    sku: &'a Sku,
    line: &'a LineName,
    qty: Quantity,
    state: State,
    parts: Vec<ShownPart<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Allocated,
    Waiting,
    Shipped,
    Cancelled,
}

/// Pieces of a line that are some batch's, shipped or not.
#[derive(Serialize)]
struct ShownPart<'a> {
    batchref: &'a BatchRef,
    eta: Option<Eta>,
    qty: Quantity,
}

impl<'a> ShownLine<'a> {
    fn of(OrderedLine { part, eta }: &'a OrderedLine) -> Self {
        let state = match part.place {
            Place::Batch(_) => State::Allocated,
            Place::Waiting => State::Waiting,
            Place::Shipped(_) => State::Shipped,
            Place::Cancelled => State::Cancelled,
        };
        let (line, qty) = (&part.line, part.line.qty);
        let parts = part.place.batch().map(|batchref| ShownPart { batchref, eta: *eta, qty });
        Self { sku: &line.sku, line: &line.name, qty, state, parts: parts.into_iter().collect() }
    }
}

fn show(orderid: &OrderId, lines: &[OrderedLine]) -> Response<Body> {
    let lines = lines.iter().take(PAGE).map(ShownLine::of).collect();
    json(StatusCode::OK, &ShownOrder { orderid, lines, next: None })
}

/// Answers a request to cancel the order that the path names.
pub(super) async fn cancel_order<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    request: Request,
) -> Response<Body> {
    answered(Route::CancelOrder, bus.environment(), &request, async |call| {
        let command = CancelOrder(named(&request, "orderid")?);
        let cancelled = bus.handle(&command, call).await?;
        Ok(replayed_unless_new(cancelled.done, show(&command.0, &cancelled.lines)))
    })
    .await
}
