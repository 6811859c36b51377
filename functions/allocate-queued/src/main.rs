//! The queue of `POST /allocate` with `Prefer: respond-async`: lines of one SKU are allocated together.

use adapters::{bootstrap, queued};
use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let bus = &bootstrap::command_bus().await?;
    let max_receives = bootstrap::max_receives()?;
    let handle = async |LambdaEvent { payload, context }: LambdaEvent<SqsEvent>| {
        Ok::<_, Error>(queued::allocate_lines(bus, payload, &context, max_receives).await)
    };
    run(service_fn(handle)).await
}
