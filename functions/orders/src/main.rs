//! `PUT /orders/{orderid}`, `DELETE /orders/{orderid}`: what is asked of whole orders.

use adapters::{bootstrap, http};
use lambda_http::{Error, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let bus = &bootstrap::command_bus().await?;
    http::run(service_fn(|request| http::answer_about_orders(bus, request))).await
}
