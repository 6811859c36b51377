//! Reading whole rows, for an operator who recounts them. No function does this, and nothing here writes.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::{Batch, BatchRef, NewBatch, OrderId, Part, PartId, Place, Product, Sku};
use service_layer::ports::StoredBatch;
use service_layer::store::StoreError;

use super::DynamoDb;
use super::failure::classify;
use super::find::KEYS;
use super::items::{
    Item, Key, Kind, UnreadableItem, read_asking, read_batch, read_cancelled, read_head, read_last_put, read_part,
    read_turn, shelves, waiting_partition,
};
use super::list::{More, pages};

/// How often keys that DynamoDB left unprocessed are asked for again.
const TRIES: u32 = 10;

/// What one item of the table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A product, with the batches that have free stock.
    Head(Product),
    /// A batch as it was added and, if it is full, its counters.
    Batch(NewBatch, Option<Batch>),
    /// A part of a promised line, which mostly is all of it.
    Line(Part),
    /// An entry of the inbox, which counts for nothing here.
    Inbox,
    /// What was last wanted of an order, which counts for nothing either.
    LastPut,
    /// That an order is cancelled, which counts for nothing either.
    Cancelled(OrderId),
    /// A line that asks, or whose turn it is to commit for those: no promise, and kept for a while only.
    Asking,
}

/// Some items of the table, and where the next ones begin.
#[derive(Debug)]
pub struct Page {
    /// The items, each read or with the reason why it can't be.
    pub rows: Vec<Result<Row, UnreadableItem>>,
    /// None: this was the last page.
    pub next: Option<Cursor>,
    /// Read capacity units that the page took, as far as the store tells.
    pub units: f64,
}

/// Where a page ended.
#[derive(Clone, Debug)]
pub struct Cursor(Item);

impl DynamoDb {
    /// A page of all items, read consistently, each by itself: two of them may be from different moments.
    ///
    /// # Errors
    /// When the table can't be read.
    pub async fn page(&self, from: Option<Cursor>, most: i32) -> Result<Page, StoreError> {
        let scan = self.client.scan().table_name(&self.table).consistent_read(true).limit(most);
        let scan = scan.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let output = scan.set_exclusive_start_key(from.map(|cursor| cursor.0)).send().await.map_err(classify)?;
        Ok(Page {
            units: output.consumed_capacity.and_then(|consumed| consumed.capacity_units).unwrap_or_default(),
            rows: output.items.unwrap_or_default().into_iter().map(row).collect(),
            next: output.last_evaluated_key.filter(|key| !key.is_empty()).map(Cursor),
        })
    }

    /// A product's head. None: it has none.
    ///
    /// # Errors
    /// When the table, or this item, can't be read.
    pub async fn head_row(&self, sku: &Sku) -> Result<Option<Product>, StoreError> {
        let item = self.get(Key::product(sku)).await?;
        Ok(item.map(read_head).transpose()?.map(|stored| stored.product))
    }

    /// A batch's own item. None: it has none.
    ///
    /// # Errors
    /// When the table, or this item, can't be read.
    pub async fn batch_row(
        &self,
        sku: &Sku,
        reference: &BatchRef,
    ) -> Result<Option<(NewBatch, Option<Batch>)>, StoreError> {
        let stored = self.get(Key::batch(sku, reference)).await?.map(read_batch).transpose()?;
        Ok(stored.map(|StoredBatch { added, full }| (added, full)))
    }

    /// The lines that stand in a place: those that the index lists, each read consistently from the table. The index
    /// may not yet list one that is there.
    ///
    /// # Errors
    /// When the table, or one of these items, can't be read.
    pub async fn parts_at(&self, place: &Place, sku: &Sku) -> Result<Vec<Part>, StoreError> {
        let partitions = match place {
            Place::Batch(reference) => shelves(sku, reference).collect(),
            Place::Waiting => vec![waiting_partition(sku)],
            // The index lists none that have ended.
            Place::Shipped(_) | Place::Cancelled => Vec::new(),
        };
        // A line that moved may be listed where it was and where it is.
        let mut listed: BTreeSet<PartId> = BTreeSet::new();
        for partition in partitions {
            pages(self.listed_in(partition), |item| {
                listed.insert(read_part(item)?.id());
                Ok(More::Needed)
            })
            .await?;
        }
        let keys: Vec<Item> = listed.iter().map(|id| Key::part(id).into_item()).collect();
        let mut parts = Vec::new();
        for keys in keys.chunks(KEYS) {
            for item in self.get_all(keys.to_vec(), TRIES).await? {
                parts.push(read_part(item)?);
            }
        }
        parts.retain(|part| part.place == *place && part.line.sku == *sku);
        Ok(parts)
    }
}

fn row(item: Item) -> Result<Row, UnreadableItem> {
    match Kind::of(&item) {
        Kind::Head => read_head(item).map(|stored| Row::Head(stored.product)),
        Kind::Batch => read_batch(item).map(|StoredBatch { added, full }| Row::Batch(added, full)),
        Kind::Inbox => Ok(Row::Inbox),
        Kind::LastPut => read_last_put(item).map(|_| Row::LastPut),
        Kind::Cancelled => read_cancelled(item).map(Row::Cancelled),
        Kind::Asking => read_asking(item).map(|_| Row::Asking),
        Kind::Turn => read_turn(item).map(|_| Row::Asking),
        Kind::Line => read_part(item).map(Row::Line),
    }
}
