//! The warehouse's queue: how batches are, and which lines were shipped; each message a command.

use adapters::{bootstrap, sqs};
use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let bus = &bootstrap::command_bus().await?;
    let max_receives = bootstrap::max_receives()?;
    let handle = async |LambdaEvent { payload, context }: LambdaEvent<SqsEvent>| {
        Ok::<_, Error>(sqs::hear_warehouse(bus, payload, &context, max_receives).await)
    };
    run(service_fn(handle)).await
}
