//! The sweep: once a minute, what was held for a while and is due is given back, also of SKUs that nobody asks for.

use adapters::{bootstrap, schedule};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::de::IgnoredAny;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let bus = &bootstrap::command_bus().await?;
    let handle = async |LambdaEvent { context, .. }: LambdaEvent<IgnoredAny>| {
        let products = schedule::expire_holds(bus, &context).await?;
        Ok::<_, Error>(json!({ "products": products }))
    };
    run(service_fn(handle)).await
}
