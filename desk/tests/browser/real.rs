//! The service's real routes over its store in memory, behind the desk.

use std::sync::Arc;

use adapters::http::Route;
use adapters::in_memory::{InMemoryEnvironment, InMemoryLineQueue, InMemoryStore};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use percent_encoding::percent_decode_str;
use service_layer::MessageBus;
use testing::{answer, api_event, api_request};

use crate::world::{With, World};

type Bus = Arc<MessageBus<InMemoryStore, InMemoryEnvironment>>;

/// The service, as API Gateway stands before it.
fn service() -> Router {
    let bus: Bus = Arc::new(MessageBus::new(InMemoryStore::default(), InMemoryEnvironment::default(), ()));
    Router::new().fallback(gateway).with_state(bus)
}

async fn gateway(State(bus): State<Bus>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path().to_owned();
    let before = |route: Route| route.gateway_path().split('{').next().unwrap();
    let is_it = |route: &Route| route.method() == parts.method.as_str() && path.starts_with(before(*route));
    let route = Route::ALL.iter().copied().filter(is_it).max_by_key(|route| before(*route).len()).unwrap();
    let mut event = api_event(route, std::str::from_utf8(&body).unwrap());
    if let Some((_, parameter)) = route.gateway_path().split_once('{') {
        let name = percent_decode_str(path.strip_prefix(before(route)).unwrap()).decode_utf8().unwrap();
        event["pathParameters"][parameter.trim_end_matches("+}")] = name.into();
    }
    for (name, value) in
        parts.uri.query().into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='))
    {
        event["queryStringParameters"][name] = percent_decode_str(value).decode_utf8().unwrap().into();
    }
    for (name, value) in &parts.headers {
        event["headers"][name.as_str()] = value.to_str().unwrap().into();
    }
    let mut context = lambda_http::Context::default();
    context.deadline = 100_000;
    let request = api_request(&event, context);
    let (parts, body) = answer(route, &bus, None::<&InMemoryLineQueue>, request).await.into_parts();
    Response::from_parts(parts, Body::from(body.to_vec()))
}

async fn add(world: &World, batch: &str, qty: &str) {
    world.browser.click("//summary[.='Add a batch']").await;
    world.browser.fill("Reference of the batch", batch).await;
    world.browser.fill("Product (SKU)", "TISCH 50% <b>/é").await;
    world.browser.fill("Pieces", qty).await;
    world.browser.click("//button[.='Add this batch']").await;
    world.browser.shows("Add a batch: done").await;
}

pub(crate) async fn a_walk_through_the_real_routes(world: &mut World) {
    world.replace_service(Some(service()));
    world.open(With::Write, "").await;
    add(world, "b/1", "10").await;
    world.go("#/products/TISCH%2050%25%20%3Cb%3E%2F%C3%A9").await;
    world.browser.shows("10\npieces in the warehouse").await;
    world.browser.click("//summary[.='Allocate a line']").await;
    world.browser.fill("Order", "order #1").await;
    world.browser.fill("Pieces", "4").await;
    world.browser.fill("Name of the line", "L1").await;
    world.browser.click("//button[.='Allocate this line']").await;
    world.browser.shows(r#"{"batchref":"b/1"}"#).await;
    world.browser.click("//button[.='Show it as it is now']").await;
    world.browser.shows("6\npieces in the warehouse").await;

    // The batch gets smaller than promised: its line waits, and is given back.
    world.browser.click("//section//tbody//a[.='b/1']").await;
    world.browser.shows("order #1").await;
    world.browser.click("//summary[.='Change quantity or date']").await;
    world.browser.fill("Pieces it ever held", "3").await;
    world.browser.click("//button[.='Change this batch']").await;
    world.browser.shows("Change quantity or date: done").await;
    world.go("#/orders/order%20%231").await;
    world.browser.shows("waits for stock").await;
    world.browser.click("//main//a[.='TISCH 50% <b>/é']").await;
    world.browser.shows("4\npieces promised without stock").await;
    world.browser.click("//main//a[.='order #1']").await;
    world.browser.click("//button[.='Give back']").await;
    world.browser.click("//dialog[@open]//button[.='Yes, give it back']").await;
    world.browser.shows("Give this line back: done").await;
    world.browser.click("//dialog[@open]//button[.='Close']").await;
    world.browser.shows("1 line in all").await;
    world.browser.shows("cancelled").await;
    world.is_there().await;
}
