//! The outbox relay: what each commit has to tell, from the table's stream to the topic.

use adapters::{bootstrap, stream};
use aws_lambda_events::dynamodb::Event;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (topic, system) = &bootstrap::topic().await?;
    let handle = async |LambdaEvent { payload, context }: LambdaEvent<Event>| {
        Ok::<_, Error>(stream::publish_events(topic, system, payload, &context).await?)
    };
    run(service_fn(handle)).await
}
