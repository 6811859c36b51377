//! `GET /allocations/{orderid}`.

use domain::{BatchRef, OrderId, Part, Sku};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use service_layer::ports::{Environment, LinePages};
use service_layer::store::Products;
use service_layer::{Call, Page, Views};

use crate::http::answers::{Code, json, not_found, problem};
use crate::http::pages::MOST;
use crate::http::prefer::Format;
use crate::http::{ANSWER_BYTES, Failure, Route, answered, named};

/// A line of the answer.
#[derive(Serialize)]
struct ShownLine {
    sku: Sku,
    batchref: BatchRef,
}

/// Answers a request for the allocations of the order that the path names.
pub(super) async fn view_allocations<S: Products + LinePages, E: Environment>(
    views: Views<'_, S, E>,
    request: Request,
) -> Response<Body> {
    let route = Route::ViewAllocations;
    answered(route, views.environment, &request, async |call| {
        let format = Format::of(request.headers());
        let orderid: OrderId = match named(route, &request) {
            Ok(orderid) => orderid,
            // No order has a name that is not valid.
            Err(Failure::Unreadable(error)) => return Ok(nothing(format, &error.to_string())),
            Err(other) => return Err(other),
        };
        let shown = allocations(views, &orderid, call).await?;
        if shown.is_empty() {
            let reason = format!(
                "no line of order {:?} has a batch: GET /orders/{{orderid}} tells of all its lines",
                orderid.as_str()
            );
            return Ok(nothing(format, &reason));
        }
        Ok(json(StatusCode::OK, &shown))
    })
    .await
}

fn nothing(format: Format, reason: &str) -> Response<Body> {
    match format {
        Format::Text => not_found(),
        Format::Json => problem(StatusCode::NOT_FOUND, Code::UnknownOrder, reason, None),
    }
}

/// By SKU and quantity.
async fn allocations<S: Products + LinePages, E: Environment>(
    views: Views<'_, S, E>,
    orderid: &OrderId,
    call: &Call,
) -> Result<Vec<ShownLine>, Failure> {
    let (mut parts, mut bytes): (Vec<Part>, usize) = (Vec::new(), 0);
    let mut page = Page { after: None, limit: MOST };
    loop {
        let read = views.parts(orderid, &page, call).await?;
        for part in read.lines {
            let Some(batch) = part.place.batch() else { continue };
            bytes = bytes.saturating_add(part.line.sku.as_str().len()).saturating_add(batch.as_str().len());
            parts.push(part);
        }
        // The names alone are too long, so the rest need not be read.
        if bytes > ANSWER_BYTES {
            return Err(Failure::LongAnswer);
        }
        page.after = read.next;
        if page.after.is_none() {
            break;
        }
    }
    // Names of lines are text, in which 10 comes before 2.
    parts.sort_by(|one, other| one.line.cmp(&other.line));
    let shown = |part: Part| Some(ShownLine { batchref: part.place.batch()?.clone(), sku: part.line.sku });
    Ok(parts.into_iter().filter_map(shown).collect())
}
