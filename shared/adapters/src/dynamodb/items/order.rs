//! The mark of an order that is cancelled, beside its lines.

use std::time::Duration;

use domain::OrderId;
use serde::{Deserialize, Serialize};
use service_layer::ports::Timestamp;

use super::line::order_partition;
use super::{Item, Key, UnreadableItem, from_item};

pub(super) const CANCELLED: &str = "CANCELLED";

impl Key {
    pub(in crate::dynamodb) fn cancelled(orderid: &OrderId) -> Self {
        Self { pk: order_partition(orderid), sk: CANCELLED.to_owned() }
    }
}

/// That an order is cancelled.
#[derive(Serialize, Deserialize)]
pub(in crate::dynamodb) struct CancelledItem {
    #[serde(flatten)]
    key: Key,
    /// Seconds since 1970.
    expires_at: u64,
}

impl CancelledItem {
    /// Of a commit made at this time, to be kept for so long.
    pub(in crate::dynamodb) fn new(orderid: &OrderId, at: Timestamp, kept: Duration) -> Self {
        Self { key: Key::cancelled(orderid), expires_at: at.plus(kept).seconds() }
    }
}

/// Reads which order is cancelled.
pub(in crate::dynamodb) fn read_cancelled(item: Item) -> Result<OrderId, UnreadableItem> {
    let CancelledItem { key, expires_at: _ } = from_item(item)?;
    let orderid = key.pk.strip_prefix("ORDER#").unwrap_or_default();
    OrderId::try_from(orderid).map_err(|error| key.unreadable(format!("PK: {error}")))
}
