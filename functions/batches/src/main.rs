//! `POST /batches`: adds a batch.

use adapters::{bootstrap, http};
use lambda_http::{Error, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let bus = &bootstrap::command_bus().await?;
    http::run(service_fn(|request| http::answer_about_batches(bus, request))).await
}
