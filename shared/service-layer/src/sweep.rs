//! Giving back what is due, product by product, for which nobody comes by.

use std::time::Duration;

use crate::handlers::ExpireHolds;
use crate::ports::{Environment, Holds};
use crate::store::Products;
use crate::unit_of_work::leaves_time;
use crate::{Call, Error, MessageBus};

/// Most products of one sweep. The next one goes on.
const PRODUCTS: usize = 1_000;

/// What one product may take. A sweep that has less time left ends, and the next one goes on.
const ONE_PRODUCT: Duration = Duration::from_secs(2);

/// What a sweep came to.
#[derive(Debug, Default)]
pub struct Swept {
    /// Products that were looked up, and have nothing left that is due.
    pub products: usize,
    /// The first failure. The other products are looked up all the same, as long as time is left.
    pub failed: Option<Error>,
}

/// Looks up each product that may have lines that are due: whoever does so gives them back.
///
/// # Errors
/// When the products can't be listed.
pub async fn sweep<S: Products + Holds, E: Environment, M>(
    bus: &MessageBus<S, E, M>,
    call: &Call,
) -> Result<Swept, Error> {
    let mut swept = Swept::default();
    let environment = bus.environment();
    for sku in bus.store().due(environment.now(), PRODUCTS).await? {
        if !leaves_time(environment.now(), ONE_PRODUCT, call.deadline) {
            break;
        }
        match bus.handle(&ExpireHolds(sku), call).await {
            Ok(()) => swept.products = swept.products.saturating_add(1),
            Err(error) => swept.failed = swept.failed.or(Some(error)),
        }
    }
    Ok(swept)
}
