//! The outbox relay: what each commit has to tell, from the table's stream to the topic.

use adapters::{bootstrap, stream};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (topic, system) = &bootstrap::topic().await?;
    let handle = async |LambdaEvent { payload, context }: LambdaEvent<Box<RawValue>>| {
        Ok::<_, Error>(stream::publish_events(topic, system, stream::read_event(&payload)?, &context).await?)
    };
    run(service_fn(handle)).await
}
