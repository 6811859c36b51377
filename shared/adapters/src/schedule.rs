//! What runs by the clock: a sweep of what is due.

use lambda_runtime::Context;
use service_layer::ports::{Environment, Holds};
use service_layer::store::Products;
use service_layer::{Error, MessageBus, Swept, sweep};
use tracing::Instrument;

use crate::calls;
use crate::system::deadline;

/// Gives back what is due of each product. Tells of how many.
///
/// # Errors
/// When products can't be listed, or what is due of one can't be given back. The others are looked up all the same, and
/// the next sweep tries again.
pub async fn expire_holds<S: Products + Holds, E: Environment>(
    bus: &MessageBus<S, E>,
    context: &Context,
) -> Result<usize, Error> {
    let call = calls::of_invocation(context, deadline(bus.environment(), context.deadline));
    let span = calls::span(&call, bus.environment());
    let Swept { products, failed } = Box::pin(sweep(bus, &call)).instrument(span).await?;
    match failed {
        Some(error) => Err(error),
        None => Ok(products),
    }
}
