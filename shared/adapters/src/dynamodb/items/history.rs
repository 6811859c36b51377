//! The items of the history's own table: events as they were told, and what of an order they mention.

use std::time::Duration;

use domain::{LineId, LineName, OrderId, Sku, Version};
use serde::{Deserialize, Serialize};
use service_layer::history::{Mention, Mentioned, Recorded, Told};

use super::line::{UNIT_SEPARATOR, order_partition};
use super::{Item, Key, UnreadableItem, from_item};

/// Where the events of a product are, by version and number.
pub(in crate::dynamodb) fn recorded_partition(sku: &Sku) -> String {
    format!("SKU#{sku}")
}

/// The sort key of the first event that a version can have; of the last, with the end of all numbers.
pub(in crate::dynamodb) fn first_of(version: Version) -> String {
    format!("{:016x}#", version.0)
}

/// See [`first_of`].
pub(in crate::dynamodb) fn last_of(version: Version) -> String {
    format!("{:016x}#~", version.0)
}

impl Key {
    fn recorded(event: &Recorded) -> Self {
        Self { pk: recorded_partition(&event.sku), sk: format!("{}{:08x}", first_of(event.version), event.number) }
    }

    /// By the number too, since a version may tell of several lines. A SKU has 1,000 bytes at most, a sort key 1,024.
    fn mention(mention: &Mention, number: u32) -> Self {
        let Mention { line: LineId { orderid, sku, .. }, version, what: _ } = mention;
        Self { pk: order_partition(orderid), sk: format!("{sku}{UNIT_SEPARATOR}{:016x}{number:06x}", version.0) }
    }
}

/// An event as it was told.
#[derive(Serialize, Deserialize)]
pub(in crate::dynamodb) struct RecordedItem {
    #[serde(flatten)]
    key: Key,
    of: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    orderid: Option<OrderId>,
    event: String,
    /// Seconds since 1970.
    expires_at: u64,
}

/// What of an order is mentioned.
#[derive(Serialize, Deserialize)]
pub(in crate::dynamodb) struct MentionItem {
    #[serde(flatten)]
    key: Key,
    line: LineName,
    mentions: What,
    /// Seconds since 1970.
    expires_at: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Refused,
    Cancelled,
}

impl RecordedItem {
    /// To be kept for so long after it happened.
    pub(in crate::dynamodb) fn new(told: &Told, kept: Duration) -> Self {
        let Told { event, at, .. } = told;
        let Recorded { of, orderid, text, .. } = event.clone();
        Self { key: Key::recorded(event), of, orderid, event: text, expires_at: at.plus(kept).seconds() }
    }
}

impl MentionItem {
    /// If there is something to mention: to be kept for so long after it happened.
    pub(in crate::dynamodb) fn new(told: &Told, kept: Duration) -> Option<Self> {
        let mention = told.mention.as_ref()?;
        let mentions = match mention.what {
            Mentioned::Refused => What::Refused,
            Mentioned::Cancelled => What::Cancelled,
        };
        let key = Key::mention(mention, told.event.number);
        Some(Self { key, line: mention.line.name.clone(), mentions, expires_at: told.at.plus(kept).seconds() })
    }
}

/// Reads an event as it was told.
pub(in crate::dynamodb) fn read_recorded(item: Item) -> Result<Recorded, UnreadableItem> {
    let RecordedItem { key, of, orderid, event: text, expires_at: _ } = from_item(item)?;
    let named = || {
        let sku = Sku::try_from(key.pk.strip_prefix("SKU#")?).ok()?;
        let (version, number) = key.sk.split_once('#')?;
        let version = Version(u64::from_str_radix(version, 16).ok()?);
        Some((sku, version, u32::from_str_radix(number, 16).ok()?))
    };
    let (sku, version, number) = named().ok_or_else(|| key.unreadable("PK and SK name no event of a product"))?;
    Ok(Recorded { sku, version, number, of, orderid, text })
}

/// Reads what of an order is mentioned.
pub(in crate::dynamodb) fn read_mention(item: Item) -> Result<Mention, UnreadableItem> {
    let MentionItem { key, line, mentions, expires_at: _ } = from_item(item)?;
    let named = || {
        let orderid = OrderId::try_from(key.pk.strip_prefix("ORDER#")?).ok()?;
        let (sku, place) = key.sk.split_once(UNIT_SEPARATOR)?;
        let version = Version(u64::from_str_radix(place.get(..16)?, 16).ok()?);
        let line = LineId::named(orderid, Sku::try_from(sku).ok()?, Some(line), None).ok()?;
        Some((line, version))
    };
    let (line, version) = named().ok_or_else(|| key.unreadable("PK, SK and line name no line of an order"))?;
    let what = match mentions {
        What::Refused => Mentioned::Refused,
        What::Cancelled => Mentioned::Cancelled,
    };
    Ok(Mention { line, version, what })
}
