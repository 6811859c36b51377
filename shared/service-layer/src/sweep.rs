//! Giving back what is due, product by product, for which nobody comes by.

use std::time::Duration;

use domain::Sku;
use futures_util::StreamExt as _;
use futures_util::stream::iter;

use crate::handlers::ExpireHolds;
use crate::ports::{Environment, Holds};
use crate::store::Products;
use crate::unit_of_work::leaves_time;
use crate::{Call, Error, MessageBus};

/// What one product may take: more is left to the next sweep, so that it holds up no others.
const ONE_PRODUCT: Duration = Duration::from_secs(5);
/// Products that are looked up side by side.
const AT_ONCE: usize = 10;
/// Most products of one sweep: more than can be looked up in its time.
const PRODUCTS: usize = 20_000;

/// What a sweep came to.
#[derive(Debug, Default)]
pub struct Swept {
    /// Products that were looked up, and have nothing left that is due.
    pub products: usize,
    /// Those that could not be settled.
    pub failed: Vec<(Sku, Error)>,
    /// Those that there was no time for.
    pub left: usize,
}

/// Looks up each product that may have lines that are due: whoever does so gives them back.
///
/// # Errors
/// When the products can't be listed.
pub async fn sweep<S: Products + Holds, E: Environment, M: Sync>(
    bus: &MessageBus<S, E, M>,
    call: &Call,
) -> Result<Swept, Error> {
    let environment = bus.environment();
    let due = bus.store().due(environment.now(), PRODUCTS).await?;
    let looked_up = iter(due).map(|sku| async move {
        let now = environment.now();
        if !leaves_time(now, ONE_PRODUCT, call.deadline) {
            return None;
        }
        let call = Call { deadline: now.plus(ONE_PRODUCT), ..call.clone() };
        Some(bus.handle(&ExpireHolds(sku.clone()), &call).await.map_err(|error| (sku, error)))
    });
    let outcomes: Vec<_> = looked_up.buffer_unordered(AT_ONCE).collect().await;
    let mut swept = Swept::default();
    for outcome in outcomes {
        match outcome {
            None => swept.left = swept.left.saturating_add(1),
            Some(Ok(())) => swept.products = swept.products.saturating_add(1),
            Some(Err(failed)) => swept.failed.push(failed),
        }
    }
    Ok(swept)
}
