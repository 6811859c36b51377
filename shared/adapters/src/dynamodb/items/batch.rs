//! A batch: as it was added; and, once it is full, its counters.

use domain::{Batch, BatchRef, Eta, NewBatch, Quantity, Revision, Sku};
use serde::{Deserialize, Serialize};
use service_layer::ports::StoredBatch;

use super::{Item, Key, UnreadableItem, from_item};

/// How the sort keys of batches begin.
pub(super) const BATCH_PREFIX: &str = "SKU#";

impl Key {
    pub(in crate::dynamodb) fn batch(sku: &Sku, reference: &BatchRef) -> Self {
        Self { pk: batch_partition(reference), sk: format!("{BATCH_PREFIX}{sku}") }
    }
}

/// The partition of the table that has all batches of a reference.
pub(in crate::dynamodb) fn batch_partition(reference: &BatchRef) -> String {
    format!("BATCH#{reference}")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(pieces: &u32) -> bool {
    *pieces == 0
}

/// A batch's counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::dynamodb) struct BatchEntry {
    #[serde(rename = "ref")]
    reference: BatchRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eta: Option<Eta>,
    purchased: u32,
    allocated: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    shipped: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_hand: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eta_revision: Option<Revision>,
}

impl BatchEntry {
    pub(in crate::dynamodb) fn from(batch: &Batch) -> Self {
        Self {
            reference: batch.reference.clone(),
            eta: batch.eta,
            purchased: batch.purchased,
            allocated: batch.allocated,
            shipped: batch.shipped,
            revision: batch.revision,
            on_hand: batch.on_hand,
            eta_revision: batch.eta_revision,
        }
    }

    pub(super) fn into_batch(self, sku: &Sku) -> Batch {
        Batch {
            reference: self.reference,
            sku: sku.clone(),
            eta: self.eta,
            purchased: self.purchased,
            allocated: self.allocated,
            shipped: self.shipped,
            revision: self.revision,
            on_hand: self.on_hand,
            eta_revision: self.eta_revision,
        }
    }
}

/// A batch as it was added; and, once it is full, its counters.
#[derive(Serialize, Deserialize)]
pub(in crate::dynamodb) struct BatchItem {
    #[serde(flatten)]
    key: Key,
    qty: Quantity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eta: Option<Eta>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    full: Option<BatchEntry>,
}

impl BatchItem {
    pub(in crate::dynamodb) fn new(new: &NewBatch, full: Option<&Batch>) -> Self {
        Self { key: Key::batch(&new.sku, &new.reference), qty: new.qty, eta: new.eta, full: full.map(BatchEntry::from) }
    }
}

/// Reads a batch.
pub(in crate::dynamodb) fn read_batch(item: Item) -> Result<StoredBatch, UnreadableItem> {
    let item: BatchItem = from_item(item)?;
    let reference = item.key.pk.strip_prefix("BATCH#").unwrap_or_default();
    let reference = BatchRef::try_from(reference).map_err(|error| item.key.unreadable(format!("PK: {error}")))?;
    let sku = item.key.sk.strip_prefix(BATCH_PREFIX).unwrap_or_default();
    let sku = Sku::try_from(sku).map_err(|error| item.key.unreadable(format!("SK: {error}")))?;
    let full = item.full.map(|entry| entry.into_batch(&sku));
    if let Some(full) = &full {
        if full.reference != reference {
            return Err(item.key.unreadable(format!("full.ref: must be {reference}, not {}", full.reference)));
        }
        if full.bound() > full.purchased {
            return Err(item.key.unreadable("full.allocated: must be at most purchased, with shipped"));
        }
    }
    Ok(StoredBatch { added: NewBatch { reference, sku, qty: item.qty, eta: item.eta }, full })
}
