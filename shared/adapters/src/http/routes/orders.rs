//! `DELETE /orders/{orderid}` and `GET /orders/{orderid}`: whole orders.

use domain::{BatchRef, Eta, LineId, LineName, OrderId, Place, Quantity, Sku, Timestamp};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use service_layer::ports::{Environment, Lists};
use service_layer::store::Products;
use service_layer::{CancelOrder, CancelledOrder, MessageBus, OrderedLine, Page, Views};

use crate::http::answers::{json, replayed_unless_new};
use crate::http::pages::{self, DEFAULT_LIMIT};
use crate::http::{Route, answered, named};

/// Some lines of an order.
#[derive(Serialize)]
struct ShownOrder<'a> {
    orderid: &'a OrderId,
    lines: Vec<ShownLine<'a>>,
    next: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ShownLine<'a> {
    sku: &'a Sku,
    line: &'a LineName,
    qty: Quantity,
    state: State,
    /// If it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_until: Option<Timestamp>,
    parts: Vec<ShownPart<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Allocated,
    Waiting,
    Held,
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
    /// As it is at this time: what is due reads as cancelled, whether somebody has given it back or not.
    pub(super) fn at(now: Timestamp, OrderedLine { part, eta }: &'a OrderedLine) -> Self {
        let state = match part.place {
            _ if part.is_due(now) => State::Cancelled,
            Place::Batch(_) if part.held_until.is_some() => State::Held,
            Place::Batch(_) => State::Allocated,
            Place::Waiting => State::Waiting,
            Place::Shipped(_) => State::Shipped,
            Place::Cancelled => State::Cancelled,
        };
        let (line, qty, is_due) = (&part.line, part.line.qty, part.is_due(now));
        let batch = part.place.batch().filter(|_| !is_due);
        let parts = batch.map(|batchref| ShownPart { batchref, eta: *eta, qty }).into_iter().collect();
        let held_until = part.held_until.filter(|_| !is_due);
        Self { sku: &line.sku, line: &line.name, qty, state, held_until, parts }
    }
}

fn show(now: Timestamp, orderid: &OrderId, page: Page<OrderedLine, LineId>) -> Response<Body> {
    let Page { entries, next } = page;
    let lines = entries.iter().map(|line| ShownLine::at(now, line)).collect();
    json(StatusCode::OK, &ShownOrder { orderid, lines, next: pages::next(next) })
}

/// Answers a request to cancel the order that the path names, with the first page of its lines.
pub(super) async fn cancel_order<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    request: Request,
) -> Response<Body> {
    let route = Route::CancelOrder;
    answered(route, bus.environment(), &request, async |call| {
        let command = CancelOrder(named(route, &request)?);
        let CancelledOrder { done, lines } = bus.handle(&command, call).await?;
        let lines = Page::first(lines, DEFAULT_LIMIT, |line| line.part.line.id());
        Ok(replayed_unless_new(done, show(bus.environment().now(), &command.0, lines)))
    })
    .await
}

/// Answers a request for the lines of the order that the path names.
pub(super) async fn show_order<S: Products + Lists, E: Environment>(
    views: Views<'_, S, E>,
    request: Request,
) -> Response<Body> {
    let route = Route::ShowOrder;
    answered(route, views.environment, &request, async |call| {
        let orderid = named(route, &request)?;
        let lines = views.order(&orderid, &pages::wanted(&request, &orderid)?, call).await?;
        Ok(show(views.environment.now(), &orderid, lines))
    })
    .await
}
