//! Which requests are the service's own.

use adapters::http::Route;
use axum::http::Method;

/// Whether the service has such a route. The path is as it was sent, its names percent-encoded.
pub(super) fn is_route(method: &Method, path: &str) -> bool {
    Route::at(method.as_str(), path).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_known(method: &str, path: &str) -> bool {
        is_route(&method.parse().unwrap(), path)
    }

    #[test]
    fn what_the_service_answers_is_passed_on_and_nothing_else() {
        for (method, path) in [
            ("GET", "/products/RETRO-CLOCK"),
            ("GET", "/products/a%2Fb/waiting"),
            ("GET", "/products/a/history"),
            ("GET", "/orders/o1"),
            ("GET", "/batches/b1/lines"),
            ("POST", "/allocate"),
            ("PATCH", "/batches/b1"),
            ("DELETE", "/orders/o1"),
        ] {
            assert!(is_known(method, path), "{method} {path}");
        }
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/products/"),
            ("GET", "/allocate"),
            ("POST", "/allocate/x"),
            ("POST", "/products/A"),
            ("DELETE", "/batches/b1"),
            ("GET", "/_ministack/ses/messages"),
            ("OPTIONS", "/orders/o1"),
        ] {
            assert!(!is_known(method, path), "{method} {path}");
        }
    }
}
