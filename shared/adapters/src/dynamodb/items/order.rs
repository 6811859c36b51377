//! What is stored of an order beside its lines: that it is cancelled, and what was last wanted of it.

use std::time::Duration;

use domain::{LastPut, OrderId, OrderVersion};
use serde::{Deserialize, Serialize};
use service_layer::ports::Timestamp;
use service_layer::store::{CommitId, Put, StoredPut};

use super::line::order_partition;
use super::{Item, Key, UnreadableItem, from_item};

pub(super) const CANCELLED: &str = "CANCELLED";
/// Before all lines, as the other one.
pub(super) const LAST_PUT: &str = "LAST-PUT";

impl Key {
    pub(in crate::dynamodb) fn cancelled(orderid: &OrderId) -> Self {
        Self { pk: order_partition(orderid), sk: CANCELLED.to_owned() }
    }

    pub(in crate::dynamodb) fn last_put(orderid: &OrderId) -> Self {
        Self { pk: order_partition(orderid), sk: LAST_PUT.to_owned() }
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
    orderid_of(&key)
}

fn orderid_of(key: &Key) -> Result<OrderId, UnreadableItem> {
    let orderid = key.pk.strip_prefix("ORDER#").unwrap_or_default();
    OrderId::try_from(orderid).map_err(|error| key.unreadable(format!("PK: {error}")))
}

/// What was last wanted of an order.
#[derive(Serialize, Deserialize)]
pub(in crate::dynamodb) struct LastPutItem {
    #[serde(flatten)]
    key: Key,
    version: Option<OrderVersion>,
    /// The digest of what was wanted.
    content: String,
    /// The commit's id: 16 hexadecimal digits.
    commit: String,
    /// Seconds since 1970. None if there is a version: nobody knows when an older wish may still come.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

impl LastPutItem {
    /// Of a commit made at this time; without a version, to be kept for so long.
    pub(in crate::dynamodb) fn new(put: &Put, commit: CommitId, at: Timestamp, kept: Duration) -> Self {
        let LastPut { version, content } = put.now.clone();
        let expires_at = version.is_none().then(|| at.plus(kept).seconds());
        Self { key: Key::last_put(&put.orderid), version, content, commit: commit.to_string(), expires_at }
    }
}

/// Reads what was last wanted of an order.
pub(in crate::dynamodb) fn read_last_put(item: Item) -> Result<StoredPut, UnreadableItem> {
    let LastPutItem { key, version, content, commit, expires_at: _ } = from_item(item)?;
    orderid_of(&key)?;
    if content.is_empty() {
        return Err(key.unreadable("content: must not be empty"));
    }
    let commit = u64::from_str_radix(&commit, 16).map_err(|error| key.unreadable(format!("commit: {error}")))?;
    Ok(StoredPut { put: LastPut { version, content }, commit: CommitId(commit) })
}
