//! The whole server, asked as a browser asks, before a service that tells what it was asked.

use axum::http::request::Builder;
use tower::ServiceExt as _;

use super::*;
use crate::api::Entry;

const PORT: u16 = 4000;

/// A service that answers with what it was asked, and as something that a browser would run if it were let.
async fn echo(request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let names: Vec<&str> = parts.headers.keys().map(HeaderName::as_str).collect();
    let said = format!("{} {} {} {}", parts.method, parts.uri, names.join(","), String::from_utf8_lossy(&body));
    let builder = Response::builder().header("content-type", "text/html").header("set-cookie", "a=b");
    builder.header("retry-after", "3").header("idempotent-replayed", "true").body(said.into()).unwrap()
}

async fn desk(access: Access) -> Router {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, Router::new().fallback(echo)).into_future());
    of(&url, access).await
}

async fn of(url: &str, access: Access) -> Router {
    let api = Api::connect(url, &Entry::default()).await.unwrap();
    router(Arc::new(Desk { api, access, port: PORT, live: None, emulator: None }))
}

fn request(method: &str, path: &str) -> Builder {
    Request::builder().method(method).uri(path).header("host", format!("localhost:{PORT}"))
}

fn change(method: &str, path: &str) -> Builder {
    request(method, path)
        .header("origin", format!("http://localhost:{PORT}"))
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/json")
        .header("cookie", "secret=1")
}

async fn ask(desk: Router, request: Request) -> (StatusCode, HeaderMap, String) {
    let (parts, body) = desk.oneshot(request).await.unwrap().into_parts();
    let text = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(text.to_vec()).unwrap())
}

async fn get(desk: Router, path: &str) -> (StatusCode, HeaderMap, String) {
    ask(desk, request("GET", path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn every_answer_is_secured() {
    for path in ["/", "/main.js", "/desk/settings", "/api/products/A", "/nothing", "/api/nothing"] {
        let (_, headers, _) = get(desk(Access::Look).await, path).await;
        let policy = headers["content-security-policy"].to_str().unwrap();
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert!(!headers.contains_key("access-control-allow-origin"), "{path}");
    }
}

#[tokio::test]
async fn a_request_goes_on_as_it_is_without_what_belongs_to_the_browser() {
    let (status, headers, text) = get(desk(Access::Look).await, "/api/products/a%2Fb%20%25%3F/waiting?limit=2").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.starts_with("GET /products/a%2Fb%20%25%3F/waiting?limit=2 "), "{text}");
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(
        (&headers["retry-after"], &headers["idempotent-replayed"]),
        (&"3".parse().unwrap(), &"true".parse().unwrap())
    );
    assert!(!headers.contains_key("set-cookie"));

    let asked = change("POST", "/api/allocate").header("prefer", "return=representation").body("{}".into()).unwrap();
    let (_, _, text) = ask(desk(Access::Write).await, asked).await;
    assert!(text.starts_with("POST /allocate ") && text.ends_with(" {}"), "{text}");
    assert!(text.contains("prefer") && !text.contains("cookie") && !text.contains("origin"), "{text}");
}

#[tokio::test]
async fn without_write_nothing_is_changed() {
    for (method, path) in [("POST", "/api/batches"), ("PATCH", "/api/batches/b1"), ("DELETE", "/api/orders/o1")] {
        let (status, _, text) = ask(desk(Access::Look).await, change(method, path).body("{}".into()).unwrap()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}: {text}");
        assert!(text.contains("--write") && text.contains("desk_read_only"), "{text}");
        let (status, ..) = ask(desk(Access::Write).await, change(method, path).body("{}".into()).unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{method} {path}");
    }
}

#[tokio::test]
async fn another_page_is_refused_before_the_service_is_asked() {
    let stranger = change("POST", "/api/batches").header("sec-fetch-site", "cross-site").body("{}".into()).unwrap();
    assert_eq!(ask(desk(Access::Write).await, stranger).await.0, StatusCode::FORBIDDEN);
    let rebound = Request::get("/api/products/A").header("host", "evil.example:4000").body(Body::empty()).unwrap();
    assert_eq!(ask(desk(Access::Write).await, rebound).await.0, StatusCode::MISDIRECTED_REQUEST);
    let script = request("GET", "/desk/events").header("sec-fetch-site", "same-site").body(Body::empty()).unwrap();
    assert_eq!(ask(desk(Access::Write).await, script).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_no_route_or_no_path_or_too_large_is_not_sent() {
    for path in ["/api/products/", "/api/_ministack/reset", "/api//products/A", "/api/api/products/A"] {
        let (status, _, text) = get(desk(Access::Look).await, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {text}");
    }
    let (status, _, text) = get(desk(Access::Look).await, "/api/products/../../_ministack/ses/messages").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
    let large = change("POST", "/api/batches").body(vec![b' '; BODY_BYTES + 1].into()).unwrap();
    assert_eq!(ask(desk(Access::Write).await, large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_service_that_is_away_is_told_from_one_that_refuses() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let (status, _, text) = get(of(&url, Access::Look).await, "/api/products/A").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(text.contains("desk_no_answer") && text.contains(&url), "{text}");
}

#[tokio::test]
async fn what_belongs_to_the_local_stack_is_not_everywhere() {
    let (status, _, text) = get(desk(Access::Look).await, "/desk/mails").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.contains("there is no emulator"), "{text}");
    let (_, _, text) = get(desk(Access::Look).await, "/desk/settings").await;
    assert!(text.contains(r#""write":false"#) && text.contains(r#""topic":false"#), "{text}");
}
