//! All `GET` requests: what became of orders, and what there is of products and batches.

use adapters::{bootstrap, http};
use lambda_http::{Error, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (store, environment) = &bootstrap::view().await?;
    http::run(service_fn(|request| http::answer_readers(store, environment, request))).await
}
