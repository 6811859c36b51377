//! `POST /allocate`: binds an order line to a batch, or puts it on a queue if its client can wait.

use adapters::{bootstrap, http};
use lambda_http::{Error, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (bus, queue) = &bootstrap::allocation_bus_and_queue().await?;
    http::run(service_fn(|request| http::answer_about_lines(bus, queue.as_ref(), request))).await
}
