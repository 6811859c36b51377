//! The outbox relay: what each commit has to tell, from the table's stream to the topic.

use adapters::{bootstrap, stream};
use aws_lambda_events::dynamodb::Event;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use service_layer::outbox;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let topic = &bootstrap::topic().await?;
    let handle = async |event: LambdaEvent<Event>| {
        let outcome = outbox::relay(topic, stream::records(event.payload)).await;
        Ok::<_, Error>(stream::respond(outcome))
    };
    run(service_fn(handle)).await
}
