//! Committing: heads, batches, lines and what is wanted of an order together, each under the condition that nobody changed
//! it since; and marks of cancelled orders, which nobody changes.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use domain::{Batch, Move, OrderId, Part, PartId, Product};
use service_layer::ports::Timestamp;
use service_layer::store::{Asking, Changed, Commit, Put as Wish, StoreError};

use super::DynamoDb;
use super::failure::{fault, of_put, of_transaction};
use super::items::{
    BatchEntry, BatchItem, CancelledItem, HeadItem, Key, LastPutItem, LineItem, to_attribute, to_item, written,
};

const IS_NEW: &str = "attribute_not_exists(PK)";

impl DynamoDb {
    /// Heads come first, so that the reasons of a refusal tell by their position which products were in the way. Calls are
    /// boxed, as those that read are: a command is moved once, with room for its largest call, whether it makes that or not.
    pub(super) async fn write(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        let (mut heads, mut others) = (Vec::new(), Vec::new());
        for changed in commit.products {
            heads.push(self.put_head(changed, &commit)?);
            self.put_batches(changed, &mut others)?;
            for moved in changed.after.moves() {
                others.extend(self.put_line(moved, changed.after, &commit)?);
            }
        }
        for part in commit.kept {
            others.push(self.check(&part.id(), Still::since(part))?);
        }
        for asking in commit.dismissed {
            others.push(self.dismiss(asking)?);
        }
        let (count, mut puts) = (heads.len(), heads);
        for orderid in commit.cancelled {
            puts.push(self.put_cancelled(orderid, commit.at)?);
        }
        if let Some(put) = commit.put {
            puts.push(self.put_last(put, &commit)?);
        }
        if puts.len() == 1
            && others.is_empty()
            && let Some(put) = puts.pop()
        {
            return Box::pin(self.write_alone(put)).await;
        }
        let puts = puts.into_iter().map(|put| TransactWriteItem::builder().put(put).build());
        let request = self.client.transact_write_items().set_transact_items(Some(puts.chain(others).collect()));
        Box::pin(request.send()).await.map(drop).map_err(|error| of_transaction(error, count))
    }

    /// A plain write costs half of a transaction.
    async fn write_alone(&self, put: Put) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(put.table_name)
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_names(put.expression_attribute_names)
            .set_expression_attribute_values(put.expression_attribute_values)
            .set_return_values_on_condition_check_failure(put.return_values_on_condition_check_failure)
            .send()
            .await
            .map(drop)
            .map_err(of_put)
    }

    /// Without a condition: an order may be cancelled at any time, and is so only once.
    fn put_cancelled(&self, orderid: &OrderId, at: Timestamp) -> Result<Put, StoreError> {
        let item = to_item(&CancelledItem::new(orderid, at, self.ended_lines_kept)).map_err(fault)?;
        Put::builder().table_name(&self.table).set_item(Some(item)).build().map_err(fault)
    }

    /// What is wanted of an order, if nobody has wanted anything else of it since.
    fn put_last(&self, last: &Wish, commit: &Commit<'_>) -> Result<Put, StoreError> {
        let item = LastPutItem::new(last, commit.id, commit.at, self.ended_lines_kept);
        let put = Put::builder().table_name(&self.table).set_item(Some(to_item(&item).map_err(fault)?));
        let put = match last.before {
            None => put.condition_expression(IS_NEW),
            Some(before) => put
                .condition_expression("#commit = :commit")
                .expression_attribute_names("#commit", "commit")
                .expression_attribute_values(":commit", AttributeValue::S(before.to_string())),
        };
        put.build().map_err(fault)
    }

    fn put_head(&self, changed: &Changed<'_>, commit: &Commit<'_>) -> Result<Put, StoreError> {
        let item = to_item(&HeadItem::new(changed.after, commit)).map_err(fault)?;
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match changed.before {
            None => put.condition_expression(IS_NEW),
            Some(before) => put
                .condition_expression("#version = :version")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":version", AttributeValue::N(before.version().to_string())),
        };
        put.build().map_err(fault)
    }

    /// The items of batches that are new, became full, or were full before and changed.
    fn put_batches(&self, changed: &Changed<'_>, items: &mut Vec<TransactWriteItem>) -> Result<(), StoreError> {
        for now in changed.after.batches() {
            let added = changed.after.added().iter().find(|new| new.reference == now.reference);
            let before = changed.before.and_then(|product| product.batch(&now.reference));
            let full_before = before.filter(|batch| !batch.is_open());
            let full_now = (!now.is_open()).then_some(now);
            let item = TransactWriteItem::builder();
            if let Some(new) = added {
                let put = Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(to_item(&BatchItem::new(new, full_now)).map_err(fault)?))
                    .condition_expression(IS_NEW);
                items.push(item.put(put.build().map_err(fault)?).build());
            } else if full_before != full_now {
                items.push(item.update(self.update_full(now, full_before, full_now)?).build());
            }
        }
        Ok(())
    }

    fn update_full(&self, batch: &Batch, before: Option<&Batch>, now: Option<&Batch>) -> Result<Update, StoreError> {
        let counters = |batch| to_attribute(&BatchEntry::from(batch)).map_err(fault);
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(Key::batch(&batch.sku, &batch.reference).into_item()))
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

    /// Puts a part of a line where it goes. One that is no more is deleted. A line that is turned away is not written: it must
    /// have no place still.
    fn put_line(
        &self,
        moved: &Move,
        product: &Product,
        commit: &Commit<'_>,
    ) -> Result<Option<TransactWriteItem>, StoreError> {
        let id = moved.id();
        let asking = commit.asking(&id.line).filter(|_| id.first == 0);
        let still = Still::of(moved, asking);
        let Some(part) = moved.part_at(product.version()) else {
            if moved.from.is_some() {
                return Ok(Some(self.delete(&id, still)?));
            }
            // One item is written once.
            let is_written = commit.dismisses(&id.line);
            return if is_written { Ok(None) } else { Ok(Some(self.check(&id, still)?)) };
        };
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(to_item(&LineItem::new(&part, commit.at, self.ended_lines_kept)).map_err(fault)?))
            .condition_expression(still.condition)
            .set_expression_attribute_names(still.names)
            .set_expression_attribute_values(still.values);
        Ok(Some(TransactWriteItem::builder().put(put.build().map_err(fault)?).build()))
    }

    /// Writes nothing, but has a part of a line be as it was found.
    fn check(&self, part: &PartId, still: Still) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(Key::part(part).into_item()))
            .condition_expression(still.condition)
            .set_expression_attribute_names(still.names)
            .set_expression_attribute_values(still.values);
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(fault)?).build())
    }

    /// Has a line ask no more.
    fn dismiss(&self, asking: &Asking) -> Result<TransactWriteItem, StoreError> {
        self.delete(&PartId::first_of(asking.line.id()), Still::asking(asking))
    }

    fn delete(&self, part: &PartId, still: Still) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(Key::part(part).into_item()))
            .condition_expression(still.condition)
            .set_expression_attribute_names(still.names)
            .set_expression_attribute_values(still.values);
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(fault)?).build())
    }
}

/// The condition that a line is as it was read.
struct Still {
    condition: &'static str,
    names: Option<HashMap<String, String>>,
    values: Option<HashMap<String, AttributeValue>>,
}

impl Still {
    fn of(moved: &Move, asking: Option<&Asking>) -> Self {
        match (&moved.from, asking) {
            (Some(from), _) => Self::since(from),
            (None, Some(asking)) => Self::asking(asking),
            (None, None) => Self { condition: IS_NEW, names: None, values: None },
        }
    }

    /// It is put somewhere by one commit at a time, so that since when it is there tells where.
    fn since(part: &Part) -> Self {
        Self::with("#since = :since", "#since", "since", ":since", AttributeValue::N(part.since.to_string()))
    }

    fn asking(asking: &Asking) -> Self {
        Self::with("#asks = :asks", "#asks", "asks", ":asks", AttributeValue::S(written(asking.id)))
    }

    fn with(condition: &'static str, name: &str, attribute: &str, value: &str, is: AttributeValue) -> Self {
        let names = HashMap::from([(name.to_owned(), attribute.to_owned())]);
        Self { condition, names: Some(names), values: Some(HashMap::from([(value.to_owned(), is)])) }
    }
}
