//! The routes of the API: which request goes to which function, and there to which handler. A file for each kind.

mod allocate;
mod batches;
mod change_batch;
mod create_batch;
mod end_line;
mod history;
mod orders;
mod products;
mod put_order;
mod view_allocations;

use std::borrow::Cow;
use std::convert::Infallible;

use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response};
use service_layer::history::{History, Past};
use service_layer::ports::{Environment, LineQueue, Lists};
use service_layer::store::{Asks, Products};
use service_layer::{MessageBus, Views};

use super::answers::not_found;

macro_rules! routes {
    ($($function:literal $routes:ident { $($(#[$doc:meta])* $route:ident: $method:literal $path:literal,)+ })+) => {
        /// A route of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Route {
            $($($(#[$doc])* $route,)+)+
        }

        impl Route {
            /// All of them.
            pub const ALL: &[Self] = &[$($(Self::$route,)+)+];

            /// Its HTTP method.
            #[must_use]
            pub fn method(self) -> &'static str {
                match self {
                    $($(Self::$route => $method,)+)+
                }
            }

            /// Its path. `{name+}` stands for a name, slashes included, whatever follows it.
            #[must_use]
            pub fn path(self) -> &'static str {
                match self {
                    $($(Self::$route => $path,)+)+
                }
            }

            /// The function that answers it: its folder under `functions`.
            #[must_use]
            pub fn function(self) -> &'static str {
                match self {
                    $($(Self::$route => $function,)+)+
                }
            }
        }

        $(
            /// The routes of one function.
            #[derive(Clone, Copy)]
            enum $routes {
                $($route,)+
            }

            impl $routes {
                /// The one that a request is for.
                fn of(request: &Request) -> Option<Self> {
                    let asked = Route::of(request)?;
                    [$((Route::$route, Self::$route),)+].into_iter().find(|(route, _)| *route == asked).map(|(_, own)| own)
                }
            }
        )+
    };
}

routes! {
    "allocate" LineRoute {
        /// Binds a line to a batch, or puts it on a queue.
        Allocate: "POST" "/allocate",
        /// Cancels a line.
        Deallocate: "POST" "/deallocate",
        /// Notes that a line was shipped.
        Ship: "POST" "/ship",
    }
    "batches" BatchRoute {
        /// Adds a batch.
        CreateBatch: "POST" "/batches",
        /// Gives a batch its real quantity, or another ETA.
        ChangeBatch: "PATCH" "/batches/{ref+}",
    }
    "orders" OrderRoute {
        /// Brings an order to what it wants.
        PutOrder: "PUT" "/orders/{orderid+}",
        /// Cancels an order.
        CancelOrder: "DELETE" "/orders/{orderid+}",
    }
    "allocations-view" ViewRoute {
        /// Shows the batches that an order's lines are on.
        ViewAllocations: "GET" "/allocations/{orderid+}",
        /// Shows an order's lines, whatever became of them.
        ShowOrder: "GET" "/orders/{orderid+}",
        /// Shows what there is of a SKU.
        ShowProduct: "GET" "/products/{sku+}",
        /// Shows what happened to an order.
        OrderHistory: "GET" "/orders/{orderid+}/history",
        /// Lists the lines of a SKU that wait.
        ListWaiting: "GET" "/products/{sku+}/waiting",
        /// Shows what happened to a SKU.
        ProductHistory: "GET" "/products/{sku+}/history",
        /// Shows the batches that have a reference.
        ShowBatches: "GET" "/batches/{ref+}",
        /// Lists the lines that stand on the batches of a reference.
        ListLines: "GET" "/batches/{ref+}/lines",
    }
}

impl Route {
    /// The route of a request, which API Gateway names. The router of `cargo lambda watch` does not, so there method and
    /// path tell. (On AWS, what a domain maps to the API stands in front of the path.)
    fn of(request: &Request) -> Option<Self> {
        let RequestContext::ApiGatewayV2(context) = request.request_context_ref()? else { return None };
        let (method, path) = match context.route_key.as_deref()? {
            "$default" => (request.method().as_str(), Cow::Borrowed(context.http.path.as_deref()?)),
            named => {
                let (method, path) = named.split_once(' ')?;
                (method, filled(path, request))
            }
        };
        Self::at(method, &path)
    }

    /// The route of a method and a path.
    #[must_use]
    pub fn at(method: &str, path: &str) -> Option<Self> {
        let matching = Self::ALL.iter().filter(|route| route.method() == method && matches_path(route.path(), path));
        // `/products/{sku+}` matches what is for `/products/{sku+}/waiting`, too.
        matching.max_by_key(|route| route.path().len()).copied()
    }

    /// The path as API Gateway knows it, whose greedy names stand at the end.
    #[must_use]
    pub fn gateway_path(self) -> &'static str {
        self.path().split_inclusive('}').next().unwrap_or_default()
    }

    /// What the path names: the name's parameter, and what follows it.
    pub(super) fn parameter(self) -> Option<(&'static str, &'static str)> {
        let (_, name) = self.path().split_once('{')?;
        name.split_once("+}")
    }
}

/// A path as API Gateway knows it, with the name in it, if there is one.
fn filled<'a>(path: &'a str, request: &Request) -> Cow<'a, str> {
    let name = path.split_once('{').and_then(|(before, name)| {
        let parameters = request.path_parameters_ref()?;
        let name = parameters.first(name.strip_suffix("+}")?).filter(|name| !name.is_empty())?;
        Some(format!("{before}{name}"))
    });
    name.map_or(Cow::Borrowed(path), Cow::Owned)
}

/// Whether a path is one of those that a route is for.
fn matches_path(pattern: &str, path: &str) -> bool {
    let Some((before, name)) = pattern.split_once('{') else { return pattern == path };
    let (_, after) = name.split_once('}').unwrap_or_default();
    let name = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    name.is_some_and(|name| !name.is_empty())
}

/// The function `allocate`: what is asked of single lines. It has a queue if it is to answer those who can wait.
///
/// # Errors
/// None: whatever goes wrong is a response too.
pub async fn answer_about_lines<S: Asks, E: Environment, Q: LineQueue>(
    bus: &MessageBus<S, E>,
    queue: Option<&Q>,
    request: Request,
) -> Result<Response<Body>, Infallible> {
    Ok(match LineRoute::of(&request) {
        Some(LineRoute::Allocate) => allocate::allocate(bus, queue, request).await,
        Some(LineRoute::Deallocate) => end_line::deallocate(bus, request).await,
        Some(LineRoute::Ship) => end_line::ship(bus, request).await,
        None => not_found(),
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
    Ok(match BatchRoute::of(&request) {
        Some(BatchRoute::CreateBatch) => create_batch::create_batch(bus, request).await,
        Some(BatchRoute::ChangeBatch) => change_batch::change_batch(bus, request).await,
        None => not_found(),
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
    Ok(match OrderRoute::of(&request) {
        Some(OrderRoute::PutOrder) => put_order::put_order(bus, request).await,
        Some(OrderRoute::CancelOrder) => orders::cancel_order(bus, request).await,
        None => not_found(),
    })
}

/// The function `allocations-view`: what is only read.
///
/// # Errors
/// None: whatever goes wrong is a response too.
pub async fn answer_readers<S: Products + Lists, H: History, E: Environment>(
    store: &S,
    history: &H,
    environment: &E,
    request: Request,
) -> Result<Response<Body>, Infallible> {
    let views = Views { store, environment };
    Ok(match ViewRoute::of(&request) {
        Some(ViewRoute::ViewAllocations) => view_allocations::view_allocations(views, request).await,
        Some(ViewRoute::ShowOrder) => orders::show_order(views, request).await,
        Some(ViewRoute::ShowProduct) => products::show_product(views, request).await,
        Some(ViewRoute::OrderHistory) => history::order_history(Past { views, history }, request).await,
        Some(ViewRoute::ProductHistory) => history::product_history(Past { views, history }, request).await,
        Some(ViewRoute::ListWaiting) => products::list_waiting(views, request).await,
        Some(ViewRoute::ShowBatches) => batches::show_batches(views, request).await,
        Some(ViewRoute::ListLines) => batches::list_lines(views, request).await,
        None => not_found(),
    })
}
