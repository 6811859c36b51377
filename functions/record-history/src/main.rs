//! A subscriber of our own events: keeps them, for whoever asks what happened.

use adapters::{bootstrap, recorder};
use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (history, system) = &bootstrap::history().await?;
    let max_receives = bootstrap::max_receives()?;
    let handle = async |LambdaEvent { payload, context }: LambdaEvent<SqsEvent>| {
        Ok::<_, Error>(recorder::record_events(history, system, payload, &context, max_receives).await)
    };
    run(service_fn(handle)).await
}
