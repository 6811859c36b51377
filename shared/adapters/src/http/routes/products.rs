//! `GET /products/{sku}` and `GET /products/{sku}/waiting`: what there is of a SKU, and who waits for it.

use domain::{
    Available, BatchRef, LineName, OrderId, OrderLine, Part, Product, Quantity, Sku, Tally, Timestamp, Version,
};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use service_layer::Views;
use service_layer::ports::{Environment, Lists};
use service_layer::store::Products;

use crate::http::answers::{Counters, ShownAvailable, json};
use crate::http::pages::{next, wanted};
use crate::http::{Route, answered, named};

#[derive(Serialize)]
struct ShownProduct<'a> {
    sku: &'a Sku,
    version: Version,
    #[serde(flatten)]
    available: ShownAvailable<'a>,
    waiting: ShownTally,
    batches: Vec<ShownBatch<'a>>,
}

#[derive(Serialize)]
struct ShownTally {
    lines: u32,
    qty: u64,
}

#[derive(Serialize)]
struct ShownBatch<'a> {
    #[serde(rename = "ref")]
    reference: &'a BatchRef,
    #[serde(flatten)]
    counters: Counters,
}

impl<'a> ShownProduct<'a> {
    fn of(product: &'a Product, available: &'a Available) -> Self {
        let batches = product.open_batches_by_preference();
        let Tally { count: lines, pieces: qty, .. } = product.waiting();
        Self {
            sku: product.sku(),
            version: product.version(),
            available: ShownAvailable::of(available),
            waiting: ShownTally { lines, qty },
            batches: batches
                .into_iter()
                .map(|batch| ShownBatch { reference: &batch.reference, counters: Counters::of(batch) })
                .collect(),
        }
    }
}

/// Answers a request for the product that the path names.
pub(super) async fn show_product<S: Products + Lists, E: Environment>(
    views: Views<'_, S, E>,
    request: Request,
) -> Response<Body> {
    let route = Route::ShowProduct;
    answered(route, views.environment, &request, async |call| {
        let product = views.product(&named(route, &request)?, call).await?;
        Ok(json(StatusCode::OK, &ShownProduct::of(&product, &product.available())))
    })
    .await
}

#[derive(Serialize)]
struct WaitingLines<'a> {
    lines: Vec<WaitingLine<'a>>,
    next: Option<String>,
}

#[derive(Serialize)]
struct WaitingLine<'a> {
    orderid: &'a OrderId,
    sku: &'a Sku,
    line: &'a LineName,
    qty: Quantity,
    since: Version,
    /// If it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_until: Option<Timestamp>,
}

impl<'a> WaitingLine<'a> {
    fn of(Part { line, since, held_until, .. }: &'a Part) -> Self {
        let (OrderLine { orderid, sku, name, qty }, held_until) = (line, *held_until);
        Self { orderid, sku, line: name, qty: *qty, since: *since, held_until }
    }
}

/// Answers a request for the lines that wait for the product that the path names.
pub(super) async fn list_waiting<S: Products + Lists, E: Environment>(
    views: Views<'_, S, E>,
    request: Request,
) -> Response<Body> {
    let route = Route::ListWaiting;
    answered(route, views.environment, &request, async |call| {
        let sku = named(route, &request)?;
        let waiting = views.waiting(&sku, &wanted(&request, &sku)?, call).await?;
        // What is due reads as given back, whether somebody has done that or not.
        let now = views.environment.now();
        let lines = waiting.entries.iter().filter(|part| !part.is_due(now)).map(WaitingLine::of).collect();
        Ok(json(StatusCode::OK, &WaitingLines { lines, next: next(waiting.next) }))
    })
    .await
}
