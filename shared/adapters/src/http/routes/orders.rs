//! `DELETE /orders/{orderid}` and `GET /orders/{orderid}`: whole orders.

use domain::{BatchRef, Eta, LineId, LineName, OrderId, Part, Place, Quantity, Sku, Timestamp};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use service_layer::ports::{Environment, Lists};
use service_layer::store::Products;
use service_layer::{CancelOrder, CancelledOrder, MessageBus, OrderedLine, OrderedPart, Page, Views};

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

/// What is told of a line. A part that waits tells more than those that have a batch.
#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Cancelled,
    Shipped,
    Allocated,
    Held,
    Waiting,
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
    pub(super) fn at(now: Timestamp, OrderedLine { line, parts }: &'a OrderedLine) -> Self {
        let standing = || parts.iter().filter(|OrderedPart { part, .. }| !part.is_due(now));
        let state = standing().map(|OrderedPart { part, .. }| State::of(part)).max().unwrap_or(State::Cancelled);
        let held_until = standing().find_map(|OrderedPart { part, .. }| part.held_until);
        let on_batch = |OrderedPart { part, eta }: &'a OrderedPart| {
            Some(ShownPart { batchref: part.place.batch()?, eta: *eta, qty: part.line.qty })
        };
        let parts = standing().filter_map(on_batch).collect();
        Self { sku: &line.sku, line: &line.name, qty: line.qty, state, held_until, parts }
    }
}

impl State {
    /// Of a part that is not due.
    fn of(part: &Part) -> Self {
        match part.place {
            Place::Batch(_) if part.held_until.is_some() => Self::Held,
            Place::Batch(_) => Self::Allocated,
            Place::Waiting => Self::Waiting,
            Place::Shipped(_) => Self::Shipped,
            Place::Cancelled => Self::Cancelled,
        }
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
        let lines = Page::first(lines, DEFAULT_LIMIT, |line| line.line.id());
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
