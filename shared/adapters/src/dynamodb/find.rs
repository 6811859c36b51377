//! Finding by key: what a command reads, until it is closed.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use domain::{Batch, LineId};
use futures_util::future::{try_join, try_join_all};
use service_layer::ports::StoredBatch;
use service_layer::store::{Found, ReadSet, StoreError, Stored};

use super::DynamoDb;
use super::failure::{classify, fault};
use super::items::{
    Item, Key, Kind, batch_partition, order_partition, read_asking, read_batch, read_cancelled, read_head,
    read_last_put, read_part,
};
use super::list::{More, pages};

/// How often keys that DynamoDB left unprocessed are asked for again before the store counts as silent. The
/// caller waits between its own tries.
const TRIES: u32 = 3;
/// Most keys in one `BatchGetItem`.
pub(super) const KEYS: usize = 100;

/// How new what is read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consistency {
    /// All that was written before is seen.
    Strong,
    /// What was written a moment ago may be missing. It costs half.
    Eventual,
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    asked: Vec<Key>,
    found: Found,
    /// The counters of full batches.
    full: Vec<Batch>,
    /// Lines all parts of which were read.
    completed: Vec<LineId>,
}

impl DynamoDb {
    /// One round trip for what is wanted. What it names and was not asked for takes one more: a batch has to say which
    /// product it belongs to, a line which batch, and an order which lines it has.
    pub(super) async fn read(&self, wanted: &ReadSet) -> Result<Found, StoreError> {
        let mut reading = Reading::default();
        let mut keys: Vec<Key> = wanted.skus.iter().map(Key::product).collect();
        keys.extend(wanted.lines.iter().map(Key::line));
        keys.extend(wanted.batches.iter().map(|(sku, reference)| Key::batch(sku, reference)));
        keys.extend(wanted.orders.iter().map(Key::cancelled));
        let references = wanted.references.iter().map(batch_partition);
        let partitions: Vec<String> = references.chain(wanted.whole_order.iter().map(order_partition)).collect();
        reading.found.whole_order.clone_from(&wanted.whole_order);
        let mut items = if partitions.is_empty() {
            self.items(&keys).await?
        } else {
            // Boxed, so that the futures of callers stay flat.
            let all = try_join_all(partitions.into_iter().map(|partition| Box::pin(self.all_in(partition))));
            let (all, items) = Box::pin(try_join(all, self.items(&keys))).await?;
            for item in all.into_iter().flatten() {
                reading.add(item)?;
            }
            items
        };
        loop {
            reading.asked.append(&mut keys);
            for item in items {
                let is_line = matches!(Kind::of(&item), Kind::Line | Kind::Asking);
                match reading.add(item) {
                    Err(StoreError::Fault(source)) if is_line && wanted.may_skip => {
                        tracing::error!(reason = %source, "a line is passed over");
                    }
                    added => added?,
                }
            }
            items = self.other_parts(&mut reading).await?;
            if !items.is_empty() {
                continue;
            }
            keys = reading.missing();
            if keys.is_empty() {
                return reading.closed();
            }
            items = self.items(&keys).await?;
        }
    }

    /// The parts of lines that were found in part, and not looked for yet. Mostly, there is no such line.
    async fn other_parts(&self, reading: &mut Reading) -> Result<Vec<Item>, StoreError> {
        let lines = reading.in_part();
        let parts_of = |line: &LineId| {
            let Key { pk, sk } = Key::other_parts(line);
            let query = self.stored_in(pk).key_condition_expression("PK = :partition AND begins_with(SK, :line)");
            Box::pin(self.all(query.expression_attribute_values(":line", AttributeValue::S(sk))))
        };
        let parts = try_join_all(lines.iter().map(parts_of)).await?;
        reading.completed.extend(lines);
        Ok(parts.concat())
    }

    /// All that a partition of the table has: the batches that share a reference, or what is stored of an order.
    async fn all_in(&self, partition: String) -> Result<Vec<Item>, StoreError> {
        self.all(self.stored_in(partition).key_condition_expression("PK = :partition")).await
    }

    async fn all(&self, query: QueryFluentBuilder) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        pages(query, |item| {
            items.push(item);
            Ok(More::Needed)
        })
        .await?;
        Ok(items)
    }

    /// What there is under these keys, in any order.
    async fn items(&self, keys: &[Key]) -> Result<Vec<Item>, StoreError> {
        // Boxed, so that the futures of callers stay flat.
        match keys {
            [] => Ok(Vec::new()),
            [key] => Ok(Box::pin(self.get(key.clone())).await?.into_iter().collect()),
            keys => {
                let wanted = keys.iter().cloned().map(Key::into_item).collect();
                Box::pin(self.get_all(wanted, TRIES)).await
            }
        }
    }

    pub(super) async fn get(&self, key: Key) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let output = request.set_key(Some(key.into_item())).send().await.map_err(classify)?;
        Ok(output.item)
    }

    /// Items in any order, as many as there are keys: of more than one call's worth, all calls at once.
    pub(super) async fn get_all(&self, keys: Vec<Item>, tries: u32) -> Result<Vec<Item>, StoreError> {
        if keys.len() <= KEYS {
            return self.get_some(keys, Consistency::Strong, tries).await;
        }
        let calls = keys.chunks(KEYS).map(|keys| Box::pin(self.get_some(keys.to_vec(), Consistency::Strong, tries)));
        Ok(try_join_all(calls).await?.concat())
    }

    /// Up to 100 items.
    pub(super) async fn get_some(
        &self,
        mut keys: Vec<Item>,
        consistency: Consistency,
        tries: u32,
    ) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::new();
        let is_strong = consistency == Consistency::Strong;
        for _ in 0..tries {
            let request = KeysAndAttributes::builder().consistent_read(is_strong).set_keys(Some(keys));
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
}

impl Reading {
    fn add(&mut self, item: Item) -> Result<(), StoreError> {
        match Kind::of(&item) {
            Kind::Head => self.found.products.push(read_head(item)?),
            Kind::Batch => {
                let StoredBatch { added, full } = read_batch(item)?;
                self.asked.push(Key::batch(&added.sku, &added.reference));
                self.found.batches.push(added);
                self.full.extend(full);
            }
            Kind::LastPut => self.found.last_put = Some(read_last_put(item)?),
            Kind::Cancelled => self.found.cancelled.push(read_cancelled(item)?),
            // Of a whole order, they are no part.
            Kind::Asking => self.found.asking.push(read_asking(item)?),
            Kind::Line | Kind::Inbox | Kind::Turn => self.found.parts.push(read_part(item)?),
        }
        Ok(())
    }

    /// Lines of which a part was read, and not all.
    fn in_part(&self) -> Vec<LineId> {
        let firsts = self.found.parts.iter().filter(|part| !part.is_whole()).map(|part| part.line.id());
        let is_read =
            |line: &LineId| self.completed.contains(line) || self.found.whole_order.as_ref() == Some(&line.orderid);
        firsts.filter(|line| !is_read(line)).collect()
    }

    /// What is named, not known, and was not asked for yet.
    fn missing(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        let mut want = |key: Key| {
            if !self.asked.contains(&key) && !keys.contains(&key) {
                keys.push(key);
            }
        };
        for (sku, reference) in self.found.named() {
            match (self.found.product(sku), reference) {
                (None, _) => want(Key::product(sku)),
                (Some(product), Some(reference)) if product.batch(reference).is_none() => {
                    want(Key::batch(sku, reference));
                }
                (Some(_), _) => {}
            }
        }
        keys
    }

    /// Adds the counters of full batches to their products. These may be older or newer than the head; the commit
    /// checks that they are still the same.
    fn closed(mut self) -> Result<Found, StoreError> {
        for (sku, reference) in self.found.named() {
            if self.found.product(sku).is_none() {
                let batch = reference.map_or_else(String::new, |reference| format!(" of batch {reference}"));
                return Err(fault(format!("the product {sku}{batch} has no item")));
            }
        }
        for full in self.full {
            let is_of = |stored: &&mut Stored| *stored.product.sku() == full.sku;
            if let Some(stored) = self.found.products.iter_mut().find(is_of) {
                stored.product.include(full);
            }
        }
        // It became full, or open again, between two reads.
        if self.found.is_closed() { Ok(self.found) } else { Err(StoreError::Conflict(Vec::new())) }
    }
}
