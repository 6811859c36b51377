//! `GET /products/{sku}/history` and `GET /orders/{orderid}/history`: what happened.

use std::ops::RangeInclusive;

use domain::{OrderId, Sku, Version};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use service_layer::history::{Complete, History, OrderHistory, Past, ProductHistory, Reached, Recorded};
use service_layer::ports::{Environment, Lists};
use service_layer::store::Products;
use service_layer::{Error, Page};

use crate::http::answers::json;
use crate::http::{Failure, Route, answered, named, pages};

#[derive(Serialize)]
struct ShownProductHistory<'a> {
    sku: &'a Sku,
    version: Version,
    complete_to: Version,
    missing: Vec<Missing>,
    events: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// Versions of which an event is missing.
#[derive(Serialize)]
struct Missing {
    first: Version,
    last: Version,
}

impl Missing {
    fn of(versions: &RangeInclusive<Version>) -> Self {
        Self { first: *versions.start(), last: *versions.end() }
    }
}

#[derive(Serialize)]
struct ShownOrderHistory<'a> {
    orderid: &'a OrderId,
    products: Vec<ShownReached>,
    events: Vec<Box<RawValue>>,
    next: Option<String>,
}

#[derive(Serialize)]
struct ShownReached {
    sku: Sku,
    version: Version,
    complete_to: Version,
}

/// Events as they were kept, which is as JSON.
fn shown(events: Vec<Recorded>) -> Result<Vec<Box<RawValue>>, Failure> {
    let shown = |event: Recorded| {
        let Recorded { sku, version, number, text, .. } = event;
        RawValue::from_string(text).map_err(|error| {
            Error::Fault(format!("event {sku}#{version}#{number} is kept, and no JSON: {error}").into())
        })
    };
    Ok(events.into_iter().map(shown).collect::<Result<_, Error>>()?)
}

/// Answers a request for what happened to the product that the path names.
pub(super) async fn product_history<S: Products + Lists, H: History, E: Environment>(
    past: Past<'_, S, H, E>,
    request: Request,
) -> Response<Body> {
    let route = Route::ProductHistory;
    answered(route, past.views.environment, &request, async |call| {
        let (sku, wanted) = (named(route, &request)?, pages::wanted_after_version(&request)?);
        let ProductHistory { version, complete, events } = past.of_product(&sku, &wanted, call).await?;
        let (Complete { to: complete_to, missing }, Page { entries, next }) = (complete, events);
        let missing = missing.iter().map(Missing::of).collect();
        let (events, next) = (shown(entries)?, next.map(|version| version.to_string()));
        Ok(json(StatusCode::OK, &ShownProductHistory { sku: &sku, version, complete_to, missing, events, next }))
    })
    .await
}

/// Answers a request for what happened to the order that the path names.
pub(super) async fn order_history<S: Products + Lists, H: History, E: Environment>(
    past: Past<'_, S, H, E>,
    request: Request,
) -> Response<Body> {
    let route = Route::OrderHistory;
    answered(route, past.views.environment, &request, async |call| {
        let (orderid, wanted) = (named(route, &request)?, pages::wanted(&request, &())?);
        let OrderHistory { products, events } = past.of_order(&orderid, &wanted, call).await?;
        let reached = |Reached { sku, version, complete_to }| ShownReached { sku, version, complete_to };
        let products = products.into_iter().map(reached).collect();
        let Page { entries, next } = events;
        let (events, next) = (shown(entries)?, pages::next(next));
        Ok(json(StatusCode::OK, &ShownOrderHistory { orderid: &orderid, products, events, next }))
    })
    .await
}
