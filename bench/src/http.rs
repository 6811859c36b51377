//! A small HTTP server: connections in, whole requests to a function, whole responses back.

use std::convert::Infallible;

use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Serves one connection until the client ends it. A client that is killed breaks it, which is how each measured
/// process ends.
pub(crate) async fn serve<C, A>(connection: C, answer: A)
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: AsyncFn(Request<Bytes>) -> Response<Full<Bytes>>,
{
    let service = service_fn(async |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        // A body that breaks off is the client's end as well.
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        Ok::<_, Infallible>(answer(Request::from_parts(head, body)).await)
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
}

pub(crate) fn response(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    if let Ok(content_type) = content_type.parse() {
        response.headers_mut().insert(hyper::header::CONTENT_TYPE, content_type);
    }
    response
}
