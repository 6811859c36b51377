//! The routes of the API: which request goes to which function, and there to which handler. A file for each.

mod allocate;
mod change_batch;
mod create_batch;
mod end_line;
mod orders;
mod view_allocations;

use std::convert::Infallible;

use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response};
use service_layer::MessageBus;
use service_layer::ports::{AllocationsView, Environment, LineQueue};
use service_layer::store::Products;

use super::answers::not_found;

macro_rules! routes {
    ($($(#[$doc:meta])* $route:ident: $method:literal $path:literal in $function:literal,)+) => {
        /// A route of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Route {
            $($(#[$doc])* $route,)+
        }

        impl Route {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$route,)+];

            /// Its HTTP method.
            #[must_use]
            pub fn method(self) -> &'static str {
                match self {
                    $(Self::$route => $method,)+
                }
            }

            /// Its path, as API Gateway writes it: `{name+}` stands for the rest of a path.
            #[must_use]
            pub fn path(self) -> &'static str {
                match self {
                    $(Self::$route => $path,)+
                }
            }

            /// The function that answers it: its folder under `functions`.
            #[must_use]
            pub fn function(self) -> &'static str {
                match self {
                    $(Self::$route => $function,)+
                }
            }
        }
    };
}

routes! {
    /// Binds a line to a batch, or puts it on a queue.
    Allocate: "POST" "/allocate" in "allocate",
    /// Cancels a line.
    Deallocate: "POST" "/deallocate" in "allocate",
    /// Notes that a line was shipped.
    Ship: "POST" "/ship" in "allocate",
    /// Adds a batch.
    CreateBatch: "POST" "/batches" in "batches",
    /// Gives a batch its real quantity, or another ETA.
    ChangeBatch: "PATCH" "/batches/{ref+}" in "batches",
    /// Cancels an order.
    CancelOrder: "DELETE" "/orders/{orderid+}" in "orders",
    /// Shows the batches that an order's lines are on.
    ViewAllocations: "GET" "/allocations/{orderid+}" in "allocations-view",
}

impl Route {
    /// The route of a request, which API Gateway names. The router of `cargo lambda watch` does not, so there method and
    /// path tell. (On AWS, what a domain maps to the API stands in front of the path.)
    fn of(request: &Request) -> Option<Self> {
        let RequestContext::ApiGatewayV2(context) = request.request_context_ref()? else { return None };
        let (method, path) = match context.route_key.as_deref()? {
            "$default" => (request.method().as_str(), context.http.path.as_deref()?),
            named => named.split_once(' ')?,
        };
        let is_it = |route: &&Self| route.method() == method && matches_path(route.path(), path);
        Self::ALL.iter().find(is_it).copied()
    }
}

/// Whether a path is one of those that a route is for.
fn matches_path(pattern: &str, path: &str) -> bool {
    match pattern.split_once('{') {
        Some((prefix, _)) => path.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()),
        None => pattern == path,
    }
}

/// The function `allocate`: what is asked of single lines. It has a queue if it is to answer those who can wait.
///
/// # Errors
/// None: whatever goes wrong is a response too.
pub async fn answer_about_lines<S: Products, E: Environment, Q: LineQueue>(
    bus: &MessageBus<S, E>,
    queue: Option<&Q>,
    request: Request,
) -> Result<Response<Body>, Infallible> {
    Ok(match Route::of(&request) {
        Some(Route::Allocate) => allocate::allocate(bus, queue, request).await,
        Some(Route::Deallocate) => end_line::deallocate(bus, request).await,
        Some(Route::Ship) => end_line::ship(bus, request).await,
        Some(Route::CreateBatch | Route::ChangeBatch | Route::CancelOrder | Route::ViewAllocations) | None => {
            not_found()
        }
    })
}

/// The function `batches`: what is asked of batches.
///
/// # Errors
/// None: whatever goes wrong is a response too.
pub async fn answer_about_batches<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    request: Request,
) -> Result<Response<Body>, Infallible> {
    Ok(match Route::of(&request) {
        Some(Route::CreateBatch) => create_batch::create_batch(bus, request).await,
        Some(Route::ChangeBatch) => change_batch::change_batch(bus, request).await,
        Some(Route::Allocate | Route::Deallocate | Route::Ship | Route::CancelOrder | Route::ViewAllocations)
        | None => not_found(),
    })
}

/// The function `orders`: what is asked of whole orders.
///
/// # Errors
/// None: whatever goes wrong is a response too.
pub async fn answer_about_orders<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    request: Request,
) -> Result<Response<Body>, Infallible> {
    Ok(match Route::of(&request) {
        Some(Route::CancelOrder) => orders::cancel_order(bus, request).await,
        Some(
            Route::Allocate
            | Route::Deallocate
            | Route::Ship
            | Route::CreateBatch
            | Route::ChangeBatch
            | Route::ViewAllocations,
        )
        | None => not_found(),
    })
}

/// The function `allocations-view`: what is only read.
///
/// # Errors
/// None: whatever goes wrong is a response too.
pub async fn answer_readers<V: AllocationsView, E: Environment>(
    view: &V,
    environment: &E,
    request: Request,
) -> Result<Response<Body>, Infallible> {
    Ok(match Route::of(&request) {
        Some(Route::ViewAllocations) => view_allocations::view_allocations(view, environment, request).await,
        Some(
            Route::Allocate
            | Route::Deallocate
            | Route::Ship
            | Route::CreateBatch
            | Route::ChangeBatch
            | Route::CancelOrder,
        )
        | None => not_found(),
    })
}
