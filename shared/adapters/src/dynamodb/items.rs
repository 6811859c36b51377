//! The items of the table: their keys and attributes, from and to the domain's values.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Batch, BatchRef, Eta, Event, NewBatch, OrderId, OrderLine, Place, Placed, Position, Product, Quantity, Revision,
    Sku, Version, Waiting,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service_layer::CorrelationId;
use service_layer::outbox::{self, Message};
use service_layer::ports::{Commit, CommitId, Head};

use crate::json::shortened;

pub(super) type Item = HashMap<String, AttributeValue>;

const PRODUCT: &str = "PRODUCT";
const BATCH: &str = "BATCH";
const INBOX: &str = "INBOX";
pub(super) const LINE_PREFIX: &str = "LINE#";

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
    pub(super) partition: String,
    #[serde(rename = "SK")]
    pub(super) sort: String,
}

impl Key {
    pub(super) fn product(sku: &Sku) -> Self {
        Self { partition: format!("SKU#{sku}"), sort: PRODUCT.to_owned() }
    }

    pub(super) fn batch(reference: &BatchRef) -> Self {
        Self { partition: format!("BATCH#{reference}"), sort: BATCH.to_owned() }
    }

    pub(super) fn line(line: &OrderLine) -> Self {
        let OrderLine { orderid, sku, qty } = line;
        Self { partition: order_partition(orderid), sort: format!("{LINE_PREFIX}{sku}#{qty}") }
    }

    pub(super) fn inbox(id: &str) -> Self {
        Self { partition: format!("EVENT#{id}"), sort: INBOX.to_owned() }
    }

    pub(super) fn into_item(self) -> Item {
        HashMap::from([
            ("PK".to_owned(), AttributeValue::S(self.partition)),
            ("SK".to_owned(), AttributeValue::S(self.sort)),
        ])
    }

    pub(super) fn unreadable(&self, reason: impl std::fmt::Display) -> UnreadableItem {
        let (partition, sort) = (shortened(self.partition.clone()), shortened(self.sort.clone()));
        UnreadableItem { key: format!("{partition}/{sort}"), reason: reason.to_string() }
    }
}

pub(super) fn order_partition(orderid: &OrderId) -> String {
    format!("ORDER#{orderid}")
}

/// How many partitions of the index share the lines of a batch. One takes 1,000 lines a second, and a SKU on sale can
/// place more.
const SHELVES: u64 = 2;

/// The partition of the index that lists a line. Those of one commit stay together, those of the next go elsewhere.
pub(super) fn partition(position: &Position, sku: &Sku) -> String {
    match &position.place {
        Place::Batch(reference) => shelf(reference, position.since.0 % SHELVES),
        Place::Waiting => waiting(sku),
    }
}

/// All partitions of the index that list lines of a batch.
pub(super) fn shelves(reference: &BatchRef) -> impl Iterator<Item = String> {
    (0..SHELVES).map(|number| shelf(reference, number))
}

fn shelf(reference: &BatchRef, number: u64) -> String {
    format!("BATCH#{number}#{reference}")
}

/// The partition of the index that lists the lines of a SKU that wait.
pub(super) fn waiting(sku: &Sku) -> String {
    format!("WAITING#{sku}")
}

/// A product as of its last commit, with what that commit has to tell.
#[derive(Serialize, Deserialize)]
pub(super) struct HeadItem {
    #[serde(flatten)]
    key: Key,
    version: Version,
    commit: String,
    /// Those with free stock.
    batches: Vec<BatchEntry>,
    waiting: Waiting,
    backlog: bool,
    events: Vec<Event>,
    /// What the last commit came of. Items written by earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<CorrelationId>,
}

/// A batch's counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BatchEntry {
    #[serde(rename = "ref")]
    reference: BatchRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eta: Option<Eta>,
    purchased: u32,
    allocated: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
}

/// A batch as it was announced; and, once it is full, its counters.
#[derive(Serialize, Deserialize)]
pub(super) struct BatchItem {
    #[serde(flatten)]
    key: Key,
    sku: Sku,
    qty: Quantity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eta: Option<Eta>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    full: Option<BatchEntry>,
}

/// Where a line stands.
#[derive(Serialize, Deserialize)]
pub(super) struct LineItem {
    #[serde(flatten)]
    key: Key,
    place: String,
    since: Version,
}

impl HeadItem {
    pub(super) fn new(Commit { id, after: product, correlation, .. }: &Commit<'_>) -> Self {
        Self {
            key: Key::product(product.sku()),
            version: product.version(),
            commit: id.to_string(),
            batches: product.batches().iter().filter(|batch| batch.free() > 0).map(BatchEntry::from).collect(),
            waiting: product.waiting(),
            backlog: product.has_backlog(),
            events: product.events().to_vec(),
            correlation: Some((*correlation).clone()),
        }
    }

    fn sku(&self) -> Result<Sku, UnreadableItem> {
        let sku = self.key.partition.strip_prefix("SKU#").unwrap_or_default();
        Sku::try_from(sku).map_err(|error| self.key.unreadable(format!("PK: {error}")))
    }
}

/// Reads a product, and adds the counters of a full batch that was asked for.
pub(super) fn head(item: Item, full: Option<BatchEntry>) -> Result<Head, UnreadableItem> {
    let item: HeadItem = from_item(item)?;
    let sku = item.sku()?;
    let commit = u64::from_str_radix(&item.commit, 16);
    let commit = commit.map_err(|error| item.key.unreadable(format!("commit: {error}")))?;
    // The next commit would leave such a batch out of the head, and its counters would be nowhere.
    if let Some(index) = item.batches.iter().position(|open| open.allocated >= open.purchased) {
        return Err(item.key.unreadable(format!("batches[{index}].allocated: must be less than purchased")));
    }
    let full = full.filter(|full| item.batches.iter().all(|open| open.reference != full.reference));
    let batches = item.batches.into_iter().chain(full).map(|entry| entry.into_batch(&sku)).collect();
    let product = Product::restore(sku, item.version, batches, item.waiting, item.backlog);
    Ok(Head { product, commit: CommitId(commit) })
}

/// What the last commit of a product has to tell. Other items of the table have nothing to tell.
///
/// # Errors
/// Names the item and the attribute that can't be read.
pub fn outbox_messages(item: serde_dynamo::Item) -> Result<Vec<Message>, UnreadableItem> {
    let is_product = matches!(item.get("SK"), Some(serde_dynamo::AttributeValue::S(sort)) if sort == PRODUCT);
    if !is_product {
        return Ok(Vec::new());
    }
    let item: HeadItem = from_item(item)?;
    // No commit has nothing to tell; subscribers would take the version for one that they missed.
    if item.events.is_empty() {
        return Err(item.key.unreadable("events: must not be empty"));
    }
    Ok(outbox::messages(&item.sku()?, item.version, item.events, item.correlation.as_ref()))
}

impl BatchEntry {
    pub(super) fn from(batch: &Batch) -> Self {
        Self {
            reference: batch.reference.clone(),
            eta: batch.eta,
            purchased: batch.purchased,
            allocated: batch.allocated,
            revision: batch.revision,
        }
    }

    pub(super) fn into_batch(self, sku: &Sku) -> Batch {
        Batch {
            reference: self.reference,
            sku: sku.clone(),
            eta: self.eta,
            purchased: self.purchased,
            allocated: self.allocated,
            revision: self.revision,
        }
    }
}

impl BatchItem {
    pub(super) fn new(new: &NewBatch, full: Option<&Batch>) -> Self {
        Self {
            key: Key::batch(&new.reference),
            sku: new.sku.clone(),
            qty: new.qty,
            eta: new.eta,
            full: full.map(BatchEntry::from),
        }
    }
}

/// Reads a batch: as it was announced, and its counters if it is full.
pub(super) fn batch(item: Item) -> Result<(NewBatch, Option<BatchEntry>), UnreadableItem> {
    let item: BatchItem = from_item(item)?;
    let reference = item.key.partition.strip_prefix("BATCH#").unwrap_or_default();
    let reference = BatchRef::try_from(reference).map_err(|error| item.key.unreadable(format!("PK: {error}")))?;
    if let Some(full) = &item.full {
        if full.reference != reference {
            return Err(item.key.unreadable(format!("full.ref: must be {reference}, not {}", full.reference)));
        }
        if full.allocated > full.purchased {
            return Err(item.key.unreadable("full.allocated: must be at most purchased"));
        }
    }
    Ok((NewBatch { reference, sku: item.sku, qty: item.qty, eta: item.eta }, item.full))
}

impl LineItem {
    pub(super) fn new(line: &OrderLine, position: &Position) -> Self {
        Self { key: Key::line(line), place: partition(position, &line.sku), since: position.since }
    }
}

/// Reads a line: who asked for what, and where it stands.
pub(super) fn placed_line(item: Item) -> Result<Placed, UnreadableItem> {
    let LineItem { key, place, since } = from_item(item)?;
    let line = line_of(&key).ok_or_else(|| key.unreadable("PK and SK name no order line"))?;
    let reference =
        place.strip_prefix("BATCH#").and_then(|shelf| shelf.split_once('#')).map(|(_, reference)| reference);
    let stands = match reference.map(BatchRef::try_from) {
        Some(Ok(reference)) => Place::Batch(reference),
        Some(Err(error)) => return Err(key.unreadable(format!("place: {error}"))),
        None => Place::Waiting,
    };
    let position = Position { place: stands, since };
    let expected = partition(&position, &line.sku);
    if place != expected {
        return Err(key.unreadable(format!("place: must be {expected:?} at version {since}, not {place:?}")));
    }
    Ok(Placed { line, position })
}

fn line_of(key: &Key) -> Option<OrderLine> {
    let orderid = key.partition.strip_prefix("ORDER#")?;
    // A quantity has no `#`, so the last one is the separator, whatever the SKU holds.
    let (sku, qty) = key.sort.strip_prefix(LINE_PREFIX)?.rsplit_once('#')?;
    Some(OrderLine {
        orderid: orderid.try_into().ok()?,
        sku: sku.try_into().ok()?,
        qty: qty.parse::<u32>().ok()?.try_into().ok()?,
    })
}

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
    let key = Key { partition: key("PK"), sort: key("SK") };
    if let Some(name) = ["PK", "SK"].into_iter().find(|name| text(name).is_none()) {
        return Err(key.unreadable(format!("{name}: must be a string")));
    }
    let attributes = serde_dynamo::AttributeValue::M(item.into_inner());
    serde_path_to_error::deserialize(serde_dynamo::Deserializer::from_attribute_value(attributes))
        .map_err(|error| key.unreadable(shortened(error.to_string())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn commits_that_follow_each_other_list_their_lines_in_different_partitions_and_all_of_those_are_known() {
        let (reference, sku) = (BatchRef::try_from("b#1").unwrap(), Sku::try_from("LAMP").unwrap());
        let at = |since| partition(&Position { place: Place::Batch(reference.clone()), since: Version(since) }, &sku);
        assert_ne!(at(1), at(2));
        assert_eq!((1..9).map(at).collect::<BTreeSet<_>>(), shelves(&reference).collect());
    }
}
