//! Committing: head, batches and lines together, each under the condition that nobody changed it since.

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use domain::{Batch, BatchRef, Move, OrderLine, Placed, Position, Product, Sku};
use service_layer::ports::{Commit, Products, Snapshot, StoreError, Wanted};

use super::DynamoDb;
use super::failure::{fault, of_put, of_transaction};
use super::items::{self, BatchEntry, BatchItem, HeadItem, Key, LineItem, to_attribute, to_item};

const IS_NEW: &str = "attribute_not_exists(PK)";

impl Products for DynamoDb {
    async fn find(&self, wanted: Wanted<'_>) -> Result<Snapshot, StoreError> {
        self.read(wanted).await
    }

    async fn waiting_lines(&self, sku: &Sku) -> Result<Vec<Placed>, StoreError> {
        self.query_waiting(sku).await
    }

    async fn newest_lines(&self, batch: &BatchRef, pieces: u32, at_most: usize) -> Result<Vec<Placed>, StoreError> {
        self.query_newest(batch, pieces, at_most).await
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        let head = self.put_head(&commit)?;
        let mut others = self.batches(&commit)?;
        for moved in commit.after.moves() {
            others.push(self.put_line(moved, commit.after)?);
        }
        for line in commit.absent {
            others.push(self.check_absent(line)?);
        }
        if others.is_empty() {
            return self.write_alone(head).await;
        }
        let head = TransactWriteItem::builder().put(head).build();
        others.insert(0, head);
        let transaction = self.client.transact_write_items().set_transact_items(Some(others));
        transaction.send().await.map(drop).map_err(of_transaction)
    }
}

impl DynamoDb {
    /// A plain write costs half of a transaction.
    async fn write_alone(&self, head: Put) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(head.table_name)
            .set_item(Some(head.item))
            .set_condition_expression(head.condition_expression)
            .set_expression_attribute_names(head.expression_attribute_names)
            .set_expression_attribute_values(head.expression_attribute_values)
            .set_return_values_on_condition_check_failure(head.return_values_on_condition_check_failure)
            .send()
            .await
            .map(drop)
            .map_err(of_put)
    }

    fn put_head(&self, commit: &Commit<'_>) -> Result<Put, StoreError> {
        let item = to_item(&HeadItem::new(commit)).map_err(fault)?;
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match commit.before {
            None => put.condition_expression(IS_NEW),
            Some(before) => put
                .condition_expression("#version = :version")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":version", AttributeValue::N(before.version().to_string())),
        };
        put.build().map_err(fault)
    }

    /// The items of batches that are new, became full, or were full before and changed.
    fn batches(&self, commit: &Commit<'_>) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut items = Vec::new();
        for now in commit.after.batches() {
            let announced = commit.announced.filter(|new| new.reference == now.reference);
            let before = commit.before.and_then(|product| product.batch(&now.reference));
            let full_before = before.filter(|batch| batch.free() == 0);
            let full_now = (now.free() == 0).then_some(now);
            let item = TransactWriteItem::builder();
            if let Some(new) = announced {
                let put = Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(to_item(&BatchItem::new(new, full_now)).map_err(fault)?))
                    .condition_expression(IS_NEW);
                items.push(item.put(put.build().map_err(fault)?).build());
            } else if full_before != full_now {
                items.push(item.update(self.update_full(now, full_before, full_now)?).build());
            }
        }
        Ok(items)
    }

    fn update_full(&self, batch: &Batch, before: Option<&Batch>, now: Option<&Batch>) -> Result<Update, StoreError> {
        let counters = |batch| to_attribute(&BatchEntry::from(batch)).map_err(fault);
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(Key::batch(&batch.reference).into_item()))
            .expression_attribute_names("#full", "full");
        let update = match now {
            Some(now) => {
                update.update_expression("SET #full = :now").expression_attribute_values(":now", counters(now)?)
            }
            None => update.update_expression("REMOVE #full"),
        };
        let update = match before {
            Some(before) => {
                update.condition_expression("#full = :before").expression_attribute_values(":before", counters(before)?)
            }
            None => update.condition_expression("attribute_exists(PK)"),
        };
        update.build().map_err(fault)
    }

    fn check_absent(&self, line: &OrderLine) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(Key::line(line).into_item()))
            .condition_expression(IS_NEW);
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(fault)?).build())
    }

    fn put_line(&self, moved: &Move, product: &Product) -> Result<TransactWriteItem, StoreError> {
        let Move { line, from, to } = moved;
        let position = Position { place: to.clone(), since: product.version() };
        let item = to_item(&LineItem::new(line, &position)).map_err(fault)?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = match from {
            None => put.condition_expression(IS_NEW),
            Some(from) => put
                .condition_expression("#place = :place AND #since = :since")
                .expression_attribute_names("#place", "place")
                .expression_attribute_names("#since", "since")
                .expression_attribute_values(":place", AttributeValue::S(items::partition(from, &line.sku)))
                .expression_attribute_values(":since", AttributeValue::N(from.since.to_string())),
        };
        Ok(TransactWriteItem::builder().put(put.build().map_err(fault)?).build())
    }
}
