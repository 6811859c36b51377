//! A subscriber of our own events: reactions to what happened, such as a mail when a SKU runs out.

use adapters::{bootstrap, sqs};
use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let bus = &bootstrap::event_bus().await?;
    let max_receives = bootstrap::max_receives()?;
    let handle = async |LambdaEvent { payload, context }: LambdaEvent<SqsEvent>| {
        Ok::<_, Error>(sqs::handle_events(bus, payload, &context, max_receives).await)
    };
    run(service_fn(handle)).await
}
