//! All `GET` requests: what became of orders, what there is of products and batches, and what happened.

use adapters::{bootstrap, http};
use lambda_http::{Error, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (store, history, environment) = &bootstrap::view().await?;
    http::run(service_fn(|request| http::answer_readers(store, history, environment, request))).await
}
