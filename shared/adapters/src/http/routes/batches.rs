//! `GET /batches/{ref}` and `GET /batches/{ref}/lines`: the batches that have a reference, and who is on them.

use domain::{Batch, BatchRef, LineName, OrderId, Part, Quantity, Sku, Timestamp, Version};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use service_layer::Views;
use service_layer::ports::{Environment, Lists};
use service_layer::store::Products;

use crate::http::answers::{Counters, json};
use crate::http::pages::{next, query, wanted};
use crate::http::{Failure, Route, answered, invalid, named};

#[derive(Serialize)]
struct ShownBatches<'a> {
    #[serde(rename = "ref")]
    reference: &'a BatchRef,
    batches: Vec<ShownBatch<'a>>,
}

#[derive(Serialize)]
struct ShownBatch<'a> {
    sku: &'a Sku,
    #[serde(flatten)]
    counters: Counters,
}

impl<'a> ShownBatch<'a> {
    fn of(batch: &'a Batch) -> Self {
        Self { sku: &batch.sku, counters: Counters::of(batch) }
    }
}

/// Answers a request for the batches of the reference that the path names.
pub(super) async fn show_batches<S: Products + Lists, E: Environment>(
    views: Views<'_, S, E>,
    request: Request,
) -> Response<Body> {
    let route = Route::ShowBatches;
    answered(route, views.environment, &request, async |call| {
        let reference = named(route, &request)?;
        let page = views.batches(&reference, call).await?;
        if page.next.is_some() {
            return Err(Failure::LongAnswer);
        }
        let batches = page.entries.iter().map(ShownBatch::of).collect();
        Ok(json(StatusCode::OK, &ShownBatches { reference: &reference, batches }))
    })
    .await
}

#[derive(Serialize)]
struct BatchLines<'a> {
    lines: Vec<BatchLine<'a>>,
    next: Option<String>,
}

#[derive(Serialize)]
struct BatchLine<'a> {
    orderid: &'a OrderId,
    sku: &'a Sku,
    line: &'a LineName,
    qty: Quantity,
    /// Its pieces on this batch.
    batchqty: Quantity,
    since: Version,
    /// If it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_until: Option<Timestamp>,
}

impl<'a> BatchLine<'a> {
    fn of(part: &'a Part) -> Self {
        let Part { line, since, held_until, .. } = part;
        let (qty, batchqty, held_until) = (part.whole_qty(), line.qty, *held_until);
        Self { orderid: &line.orderid, sku: &line.sku, line: &line.name, qty, batchqty, since: *since, held_until }
    }
}

/// Answers a request for the lines on the batches of the reference that the path names, or on the one of a SKU.
pub(super) async fn list_lines<S: Products + Lists, E: Environment>(
    views: Views<'_, S, E>,
    request: Request,
) -> Response<Body> {
    let route = Route::ListLines;
    answered(route, views.environment, &request, async |call| {
        let reference = named(route, &request)?;
        let sku = query(&request, "sku").map(Sku::try_from).transpose();
        let sku = sku.map_err(|reason| invalid(&format!("sku: {reason}")))?;
        let lines = views.on_batches(&reference, sku.as_ref(), &wanted(&request, &())?, call).await?;
        // What is due reads as given back, whether somebody has done that or not.
        let now = views.environment.now();
        let shown = lines.entries.iter().filter(|part| !part.is_due(now)).map(BatchLine::of).collect();
        Ok(json(StatusCode::OK, &BatchLines { lines: shown, next: next(lines.next) }))
    })
    .await
}
