//! The items of the table: a file for each kind, with its key and attributes, from and to the domain's values.

mod asking;
mod batch;
mod head;
mod history;
mod line;
mod order;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(super) use asking::{AskingItem, TurnItem, asking_shelves, listed_asking, read_asking, read_turn, written};
pub(super) use batch::{BatchEntry, BatchItem, batch_partition, read_batch};
pub use head::outbox_envelopes;
pub(super) use head::{DUE, HeadItem, listed_due, read_head};
pub(super) use history::{
    MentionItem, RecordedItem, first_of, last_of, read_mention, read_recorded, recorded_partition,
};
use line::UNIT_SEPARATOR;
pub(super) use line::{LineItem, held_partition, order_partition, read_part, shelves, waiting_partition};
pub(super) use order::{CancelledItem, LastPutItem, read_cancelled, read_last_put};

use crate::json::shortened;

pub(super) type Item = HashMap<String, AttributeValue>;

/// A stored item that is not what this version of the service writes.
#[derive(Debug, thiserror::Error)]
#[error("item {key} of the table can't be read: {reason}")]
pub struct UnreadableItem {
    key: String,
    reason: String,
}

/// The primary key of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    #[serde(rename = "PK")]
    pub(super) pk: String,
    #[serde(rename = "SK")]
    pub(super) sk: String,
}

impl Key {
    /// The key of what is not a product, a batch, a line or an order.
    pub(super) fn inbox(id: &str) -> Self {
        Self { pk: format!("EVENT#{id}"), sk: INBOX.to_owned() }
    }

    pub(super) fn into_item(self) -> Item {
        HashMap::from([("PK".to_owned(), AttributeValue::S(self.pk)), ("SK".to_owned(), AttributeValue::S(self.sk))])
    }

    pub(super) fn unreadable(&self, reason: impl std::fmt::Display) -> UnreadableItem {
        // As JSON writes it, since nobody would see it.
        let sk = self.sk.replace(UNIT_SEPARATOR, "\\u001f");
        let (pk, sk) = (shortened(self.pk.clone()), shortened(sk));
        UnreadableItem { key: format!("{pk}/{sk}"), reason: reason.to_string() }
    }
}

/// What an item is, by its sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Head,
    Batch,
    Inbox,
    /// That an order is cancelled.
    Cancelled,
    /// What was last wanted of an order.
    LastPut,
    /// A line that asks, and is no promise.
    Asking,
    /// Whose turn it is to commit for all who ask.
    Turn,
    /// And whatever is none of the others, which is no line either, and is told so.
    Line,
}

impl Kind {
    pub(super) fn of(item: &Item) -> Self {
        match item.get("SK") {
            Some(AttributeValue::S(sk)) if sk == head::PRODUCT => Self::Head,
            Some(AttributeValue::S(sk)) if sk.starts_with(batch::BATCH_PREFIX) => Self::Batch,
            Some(AttributeValue::S(sk)) if sk == INBOX => Self::Inbox,
            Some(AttributeValue::S(sk)) if sk == order::CANCELLED => Self::Cancelled,
            Some(AttributeValue::S(sk)) if sk == order::LAST_PUT => Self::LastPut,
            Some(AttributeValue::S(sk)) if sk == asking::TURN => Self::Turn,
            _ if item.contains_key(asking::ASKS) => Self::Asking,
            _ => Self::Line,
        }
    }
}

const INBOX: &str = "INBOX";

/// # Errors
/// Only if serialization fails, which these types' does not.
pub(super) fn to_item<T: Serialize>(item: &T) -> Result<Item, serde_dynamo::Error> {
    serde_dynamo::to_item(item)
}

pub(super) fn to_attribute<T: Serialize>(value: &T) -> Result<AttributeValue, serde_dynamo::Error> {
    serde_dynamo::to_attribute_value(value)
}

fn from_item<T: DeserializeOwned>(item: impl Into<serde_dynamo::Item>) -> Result<T, UnreadableItem> {
    let item = item.into();
    let text = |name: &str| match item.get(name) {
        Some(serde_dynamo::AttributeValue::S(text)) => Some(text.clone()),
        _ => None,
    };
    let key = |name: &str| text(name).unwrap_or_else(|| "?".to_owned());
    let key = Key { pk: key("PK"), sk: key("SK") };
    if let Some(name) = ["PK", "SK"].into_iter().find(|name| text(name).is_none()) {
        return Err(key.unreadable(format!("{name}: must be a string")));
    }
    let attributes = serde_dynamo::AttributeValue::M(item.into_inner());
    serde_path_to_error::deserialize(serde_dynamo::Deserializer::from_attribute_value(attributes))
        .map_err(|error| key.unreadable(shortened(error.to_string())))
}

#[cfg(test)]
mod tests {
    use testing::line;

    use super::*;

    #[test]
    fn a_sort_key_tells_what_an_item_is() {
        let line = line("o1", "LAMP", 3);
        let kind_of = |key: Key| Kind::of(&key.into_item());
        assert_eq!(kind_of(Key::product(&line.sku)), Kind::Head);
        assert_eq!(kind_of(Key::batch(&"LAMP".try_into().unwrap(), &"b1".try_into().unwrap())), Kind::Batch);
        assert_eq!(kind_of(Key::inbox("LAMP#1#1")), Kind::Inbox);
        assert_eq!(kind_of(Key::line(&line.id())), Kind::Line);
        assert_eq!(kind_of(Key::cancelled(&line.orderid)), Kind::Cancelled);
        assert_eq!(kind_of(Key::last_put(&line.orderid)), Kind::LastPut);
        assert_eq!(kind_of(Key::turn(&line.sku)), Kind::Turn);
    }
}
