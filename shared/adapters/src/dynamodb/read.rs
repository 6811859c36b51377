//! Reading: products for commands, lines for those that move them, and the view.

use std::cmp::Reverse;
use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use domain::{BatchRef, NewBatch, OrderId, OrderLine, Place, Placed, Sku};
use futures_util::future::try_join_all;
use service_layer::ports::{AllocationsView, Head, Snapshot, StoreError, Wanted};

use super::failure::{classify, fault};
use super::items::{self, Item, Key, LINE_PREFIX};
use super::{DynamoDb, INDEX};

/// How often keys that DynamoDB left unprocessed are asked for again before the store counts as silent. The
/// caller waits between its own tries.
const BATCH_TRIES: u32 = 3;

impl DynamoDb {
    pub(super) async fn read(&self, wanted: Wanted<'_>) -> Result<Snapshot, StoreError> {
        match wanted {
            Wanted::Line(line) => self.read_lines(&line.sku, std::slice::from_ref(line)).await,
            Wanted::Lines(sku, lines) => self.read_lines(sku, lines).await,
            Wanted::NewBatch(new) => self.read_new_batch(new).await,
            Wanted::Batch(reference) => self.read_batch(reference).await,
        }
    }

    /// One round trip. Head and lines are no snapshot: a commit checks all.
    async fn read_lines(&self, sku: &Sku, lines: &[OrderLine]) -> Result<Snapshot, StoreError> {
        let (head, items) = self.head_and(sku, lines.iter().map(Key::line)).await?;
        let lines = items.into_iter().map(items::placed_line).collect::<Result<_, _>>()?;
        Ok(Snapshot { head, lines, announced: None })
    }

    async fn read_new_batch(&self, new: &NewBatch) -> Result<Snapshot, StoreError> {
        let (head, items) = self.head_and(&new.sku, std::iter::once(Key::batch(&new.reference))).await?;
        let announced = items.into_iter().next().map(items::batch).transpose()?.map(|(announced, _)| announced);
        Ok(Snapshot { head, lines: Vec::new(), announced })
    }

    /// Two round trips, since the batch has to say which product it belongs to. A full batch's counters are then
    /// older than the head; the commit checks that they are still the same.
    async fn read_batch(&self, reference: &BatchRef) -> Result<Snapshot, StoreError> {
        let Some(item) = self.get(Key::batch(reference)).await? else {
            return Ok(Snapshot::default());
        };
        let (announced, full) = items::batch(item)?;
        let key = Key::product(&announced.sku);
        let Some(item) = self.get(key.clone()).await? else {
            return Err(fault(format!("batch {reference} belongs to {}, which has no item", key.partition)));
        };
        let head = items::head(item, full)?;
        if head.product.batch(reference).is_none() {
            // It became full between the two reads.
            return Err(StoreError::Conflict(None));
        }
        Ok(Snapshot { head: Some(head), lines: Vec::new(), announced: Some(announced) })
    }

    pub(super) async fn get(&self, key: Key) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let output = request.set_key(Some(key.into_item())).send().await.map_err(classify)?;
        Ok(output.item)
    }

    /// A product's head, and what else has one of these keys.
    async fn head_and(
        &self,
        sku: &Sku,
        others: impl Iterator<Item = Key>,
    ) -> Result<(Option<Head>, Vec<Item>), StoreError> {
        let head = Key::product(sku);
        let keys = std::iter::once(head.clone()).chain(others).map(Key::into_item).collect();
        // Boxed, so that the futures of callers stay flat.
        let mut items = Box::pin(self.get_all(keys, BATCH_TRIES)).await?;
        let is_head = |item: &Item| item.get("SK").and_then(|sort| sort.as_s().ok()) == Some(&head.sort);
        let head = items.iter().position(is_head).map(|position| items.swap_remove(position));
        Ok((head.map(|item| items::head(item, None)).transpose()?, items))
    }

    /// Up to 100 items, in any order.
    pub(super) async fn get_all(&self, mut keys: Vec<Item>, tries: u32) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::new();
        for _ in 0..tries {
            let request = KeysAndAttributes::builder().consistent_read(true).set_keys(Some(keys));
            let output = self
                .client
                .batch_get_item()
                .request_items(&self.table, request.build().map_err(fault)?)
                .send()
                .await
                .map_err(classify)?;
            found.extend(output.responses.into_iter().flat_map(HashMap::into_values).flatten());
            match output.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table)) {
                Some(left) if !left.keys.is_empty() => keys = left.keys,
                _ => return Ok(found),
            }
        }
        Err(StoreError::Unavailable("keys of a BatchGetItem stayed unprocessed".into()))
    }

    /// From all shelves at once, of which each has as many as might be the newest.
    pub(super) async fn query_newest(
        &self,
        batch: &BatchRef,
        pieces: u32,
        at_most: usize,
    ) -> Result<Vec<Placed>, StoreError> {
        let shelves = items::shelves(batch).map(|shelf| Box::pin(self.newest_on(shelf, pieces, at_most)));
        let mut lines = try_join_all(shelves).await?.concat();
        lines.sort_by_key(|placed| Reverse(placed.position.since));
        let mut needed = Needed { pieces, lines: at_most };
        lines.retain(|placed| needed.take(placed));
        Ok(lines)
    }

    async fn newest_on(&self, partition: String, pieces: u32, at_most: usize) -> Result<Vec<Placed>, StoreError> {
        // Each line has a piece at least, so no more lines than pieces are needed.
        let page = pieces.min(u32::try_from(at_most).unwrap_or(u32::MAX));
        let query = self.listed_in(partition).scan_index_forward(false).limit(i32::try_from(page).unwrap_or(i32::MAX));
        let mut needed = Needed { pieces, lines: at_most };
        let mut lines = Vec::new();
        self.pages(query, |item| {
            let placed = items::placed_line(item)?;
            needed.take(&placed);
            lines.push(placed);
            Ok(if needed.is_met() { More::Enough } else { More::Wanted })
        })
        .await?;
        Ok(lines)
    }

    pub(super) async fn query_waiting(&self, sku: &Sku) -> Result<Vec<Placed>, StoreError> {
        let mut lines = Vec::new();
        self.pages(self.listed_in(items::waiting(sku)), |item| {
            lines.push(items::placed_line(item)?);
            Ok(More::Wanted)
        })
        .await?;
        Ok(lines)
    }

    /// What one partition of the index lists.
    pub(super) fn listed_in(&self, partition: String) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression("#place = :place")
            .expression_attribute_names("#place", "place")
            .expression_attribute_values(":place", AttributeValue::S(partition))
    }

    /// Follows a query over all its pages, until `take` has enough.
    pub(super) async fn pages(
        &self,
        query: QueryFluentBuilder,
        mut take: impl FnMut(Item) -> Result<More, StoreError> + Send,
    ) -> Result<(), StoreError> {
        let mut start = None;
        loop {
            let output = query.clone().set_exclusive_start_key(start.take()).send().await.map_err(classify)?;
            for item in output.items.unwrap_or_default() {
                match take(item)? {
                    More::Wanted => {}
                    More::Enough => return Ok(()),
                }
            }
            match output.last_evaluated_key {
                Some(key) if !key.is_empty() => start = Some(key),
                _ => return Ok(()),
            }
        }
    }
}

pub(super) enum More {
    Wanted,
    Enough,
}

/// How much is still to be found of lines that give way.
struct Needed {
    pieces: u32,
    lines: usize,
}

impl Needed {
    /// Whether this line is one of them.
    fn take(&mut self, placed: &Placed) -> bool {
        let wanted = !self.is_met();
        self.pieces = self.pieces.saturating_sub(placed.line.qty.get());
        self.lines = self.lines.saturating_sub(1);
        wanted
    }

    fn is_met(&self) -> bool {
        self.pieces == 0 || self.lines == 0
    }
}

impl AllocationsView for DynamoDb {
    /// Consistent, so that a client sees the line that it was just told about.
    async fn allocations(&self, orderid: &OrderId) -> Result<Vec<(Sku, BatchRef)>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("PK = :order AND begins_with(SK, :line)")
            .expression_attribute_values(":order", AttributeValue::S(items::order_partition(orderid)))
            .expression_attribute_values(":line", AttributeValue::S(LINE_PREFIX.to_owned()));
        let mut lines = Vec::new();
        self.pages(query, |item| {
            lines.push(items::placed_line(item)?);
            Ok(More::Wanted)
        })
        .await?;
        // Sort keys are text, in which 10 comes before 2.
        lines.sort_by(|one, other| one.line.cmp(&other.line));
        let allocated = lines.into_iter().filter_map(|Placed { line, position }| match position.place {
            Place::Batch(batchref) => Some((line.sku, batchref)),
            Place::Waiting => None,
        });
        Ok(allocated.collect())
    }
}
