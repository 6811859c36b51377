//! The head: a product as of its last commit, with what that commit has to tell.

use domain::{Event, Held, Product, ProductState, Quantity, Sku, Tally, Timestamp, Version};
use serde::{Deserialize, Serialize};
use service_layer::CorrelationId;
use service_layer::outbox::{self, Envelope};
use service_layer::store::{Commit, CommitId, Stored, is_crowd};

use super::{BatchEntry, Item, Key, UnreadableItem, from_item};

pub(super) const PRODUCT: &str = "PRODUCT";

impl Key {
    pub(in crate::dynamodb) fn product(sku: &Sku) -> Self {
        Self { pk: format!("SKU#{sku}"), sk: PRODUCT.to_owned() }
    }
}

/// The partition of the index of holds that lists products that have held lines. One takes 1,000 writes a second; a product
/// is written there when the time changes at which its first one is due.
pub(in crate::dynamodb) const DUE: &str = "DUE";

/// An entry of the index of holds: a product.
#[derive(Deserialize)]
struct Listed {
    #[serde(flatten)]
    key: Key,
}

/// Reads an entry of the index of holds: which product it is.
pub(in crate::dynamodb) fn listed_due(item: Item) -> Result<Sku, UnreadableItem> {
    let Listed { key } = from_item(item)?;
    sku_of(&key)
}

fn sku_of(key: &Key) -> Result<Sku, UnreadableItem> {
    let sku = key.pk.strip_prefix("SKU#").unwrap_or_default();
    Sku::try_from(sku).map_err(|error| key.unreadable(format!("PK: {error}")))
}

/// A product as of its last commit, with what that commit has to tell.
#[derive(Serialize, Deserialize)]
pub(in crate::dynamodb) struct HeadItem {
    #[serde(flatten)]
    key: Key,
    version: Version,
    commit: String,
    /// Those with free stock.
    batches: Vec<BatchEntry>,
    waiting: Tally,
    /// Absent if no line is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<Tally>,
    /// If a line is held: by these two, the index of holds lists the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
    /// Milliseconds since 1970. No line that is held is due before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<u64>,
    backlog: bool,
    /// Absent if nothing was refused since stock last came free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<Quantity>,
    events: Vec<Event>,
    at: Timestamp,
    /// What the last commit came of. Items written by earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<CorrelationId>,
    /// What each of its events came of, where that is not the same of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    correlations: Vec<CorrelationId>,
}

impl HeadItem {
    pub(in crate::dynamodb) fn new(product: &Product, commit: &Commit<'_>) -> Self {
        let Held { tally, due } = product.held();
        Self {
            key: Key::product(product.sku()),
            version: product.version(),
            commit: commit.id.to_string(),
            batches: product.open_batches().map(BatchEntry::from).collect(),
            waiting: product.waiting(),
            held: due.map(|_| tally),
            hold: due.map(|_| DUE.to_owned()),
            due: due.map(|due| due.0),
            backlog: product.has_backlog(),
            refused: product.refused(),
            events: product.events().to_vec(),
            at: commit.at,
            correlation: Some(commit.correlation.clone()),
            correlations: correlations(product.events(), commit),
        }
    }

    fn sku(&self) -> Result<Sku, UnreadableItem> {
        sku_of(&self.key)
    }
}

fn correlations(events: &[Event], commit: &Commit<'_>) -> Vec<CorrelationId> {
    let of_each = || events.iter().map(|event| commit.correlation_of(event));
    if of_each().all(|correlation| correlation == commit.correlation) {
        return Vec::new();
    }
    of_each().cloned().collect()
}

/// Reads a product, with the batches that have free stock.
pub(in crate::dynamodb) fn read_head(item: Item) -> Result<Stored, UnreadableItem> {
    let item: HeadItem = from_item(item)?;
    let sku = item.sku()?;
    let commit = u64::from_str_radix(&item.commit, 16);
    let commit = commit.map_err(|error| item.key.unreadable(format!("commit: {error}")))?;
    // The next commit would leave such a batch out of the head, and its counters would be nowhere.
    let batches: Vec<_> = item.batches.into_iter().map(|entry| entry.into_batch(&sku)).collect();
    if let Some(index) = batches.iter().position(|batch| !batch.is_open()) {
        return Err(item
            .key
            .unreadable(format!("batches[{index}].allocated: must be less than purchased, with shipped")));
    }
    let HeadItem { version, waiting, held, hold, due, backlog, refused, events, at, .. } = item;
    if hold.as_deref() != due.map(|_| DUE) {
        return Err(item.key.unreadable(format!("hold: must be {DUE} if due is there, and only then, not {hold:?}")));
    }
    let held = match (held, due) {
        (Some(tally), Some(due)) => Held { tally, due: Some(Timestamp(due)) },
        (None, None) => Held::default(),
        (Some(_), None) | (None, Some(_)) => {
            return Err(item.key.unreadable("due: must be there if held is, and only then"));
        }
    };
    let state = ProductState { sku, version, batches, waiting, held, backlog, refused };
    let product = Product::restore(state);
    Ok(Stored { product, commit: CommitId(commit), crowded_at: is_crowd(&events).then_some(at) })
}

/// What the last commit of a product has to tell. Other items of the table have nothing to tell.
///
/// # Errors
/// Names the item and the attribute that can't be read.
pub fn outbox_envelopes(item: serde_dynamo::Item) -> Result<Vec<Envelope>, UnreadableItem> {
    let is_product = matches!(item.get("SK"), Some(serde_dynamo::AttributeValue::S(sk)) if sk == PRODUCT);
    if !is_product {
        return Ok(Vec::new());
    }
    let item: HeadItem = from_item(item)?;
    // No commit has nothing to tell; subscribers would take the version for one that they missed.
    if item.events.is_empty() {
        return Err(item.key.unreadable("events: must not be empty"));
    }
    let (sku, events) = (item.sku()?, item.events.len());
    let correlations = match item.correlations.len() {
        0 => vec![item.correlation; events],
        count if count == events => item.correlations.into_iter().map(Some).collect(),
        count => {
            let reason = format!("correlations: must have {events} elements as events has, not {count}");
            return Err(item.key.unreadable(reason));
        }
    };
    let events = item.events.into_iter().zip(correlations).collect();
    Ok(outbox::envelopes(&sku, item.version, item.at, events))
}
