//! `GET /allocations/{orderid}`: which batches an order's lines are on.

use adapters::{bootstrap, http};
use lambda_http::{Error, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (view, system) = &bootstrap::view().await?;
    http::run(service_fn(|request| http::answer_readers(view, system, request))).await
}
