//! What runs by the clock: a sweep of what is due.

use lambda_runtime::Context;
use service_layer::ports::{Environment, Holds};
use service_layer::store::Products;
use service_layer::{Error, MessageBus, Swept, sweep};
use tracing::Instrument;

use crate::calls;
use crate::report::chain;
use crate::system::deadline;

/// A sweep is not complete. The next one tries again.
#[derive(Debug, thiserror::Error)]
pub enum Incomplete {
    /// Nobody knows what is due.
    #[error("what is due can't be listed")]
    Unlisted(#[source] Error),
    /// The log says which, and why.
    #[error("{failed} products could not be settled, and there was no time for {left}")]
    Left {
        /// How many failed.
        failed: usize,
        /// How many were not looked up.
        left: usize,
    },
}

/// Gives back what is due of each product. Tells of how many.
///
/// # Errors
/// When products can't be listed, or what is due of some can't be given back, or time is up. The others are settled all
/// the same.
pub async fn expire_holds<S: Products + Holds, E: Environment>(
    bus: &MessageBus<S, E>,
    context: &Context,
) -> Result<usize, Incomplete> {
    let call = calls::of_invocation(context, deadline(bus.environment(), context.deadline));
    let swept = async {
        let Swept { products, failed, left } = Box::pin(sweep(bus, &call)).await.map_err(Incomplete::Unlisted)?;
        for (sku, error) in &failed {
            tracing::error!(sku = sku.as_str(), reason = chain(error), "what is due is not given back");
        }
        match (failed.len(), left) {
            (0, 0) => Ok(products),
            (failed, left) => Err(Incomplete::Left { failed, left }),
        }
    };
    swept.instrument(calls::span(&call, bus.environment())).await
}
