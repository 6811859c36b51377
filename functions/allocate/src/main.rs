//! `POST /allocate`: binds an order line to a batch.

use adapters::{bootstrap, http};
use domain::Command;
use lambda_http::{Error, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let bus = &bootstrap::allocation_bus().await?;
    http::run(service_fn(|request| http::handle_command(bus, request, Command::Allocate))).await
}
