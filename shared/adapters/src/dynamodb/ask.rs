//! Lists for whoever asks, as far as they are wanted.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{BatchRef, LineId, OrderId, Part, Sku, Timestamp};
use futures_util::future::try_join_all;
use service_layer::ports::{ByAge, Holds, Lists, OrderLines, Rank, StoredBatch};
use service_layer::store::StoreError;

use super::DynamoDb;
use super::items::{
    DUE, Key, Kind, batch_partition, listed_due, order_partition, read_batch, read_part, shelves, waiting_partition,
};
use super::list::{More, items, pages};

impl Lists for DynamoDb {
    async fn of_order(
        &self,
        orderid: &OrderId,
        after: Option<&LineId>,
        at_most: usize,
    ) -> Result<OrderLines, StoreError> {
        // Whether it is cancelled and what was last wanted are two items more, and come before all lines.
        let limit = at_most.saturating_add(2);
        let query = self.stored_in(order_partition(orderid)).limit(items(limit));
        let query = match after {
            None => query.key_condition_expression("PK = :partition"),
            Some(line) => query
                .key_condition_expression("PK = :partition AND SK > :after")
                .expression_attribute_values(":after", AttributeValue::S(Key::after_line(line).sk)),
        };
        let (mut lines, mut known) = (OrderLines::default(), 0_usize);
        pages(query, |item| {
            match Kind::of(&item) {
                Kind::Cancelled => lines.is_cancelled = true,
                // What asks was not promised, and neither is what is wanted.
                Kind::Asking | Kind::LastPut => {}
                Kind::Head | Kind::Batch | Kind::Inbox | Kind::Turn | Kind::Line => {
                    let part = read_part(item)?;
                    let is_next = lines.parts.last().is_none_or(|last: &Part| !last.line.is_same(&part.line));
                    if is_next && known == at_most {
                        return Ok(More::Enough);
                    }
                    known = known.saturating_add(usize::from(is_next));
                    lines.parts.push(part);
                }
            }
            // Of a line that may be split, more parts may follow.
            let may_have_more = known < at_most || lines.parts.last().is_some_and(|last| !last.is_whole());
            Ok(More::needed(may_have_more))
        })
        .await?;
        Ok(lines)
    }

    async fn waiting(&self, sku: &Sku, after: Option<&Rank>, at_most: usize) -> Result<Vec<Part>, StoreError> {
        self.by_age(waiting_partition(sku), ByAge::OldestFirst, after, at_most).await
    }

    async fn on_batch(
        &self,
        sku: &Sku,
        reference: &BatchRef,
        after: Option<&Rank>,
        at_most: usize,
    ) -> Result<Vec<Part>, StoreError> {
        // From all shelves at once, of which each has as many as might come first.
        let order = ByAge::YoungestFirst;
        let shelves = shelves(sku, reference).map(|shelf| Box::pin(self.by_age(shelf, order, after, at_most)));
        Ok(order.first(try_join_all(shelves).await?.concat(), after, at_most))
    }

    async fn batches_of(
        &self,
        reference: &BatchRef,
        from: Option<&Sku>,
        at_most: usize,
    ) -> Result<Vec<StoredBatch>, StoreError> {
        let query = self.stored_in(batch_partition(reference)).limit(items(at_most));
        let query = match from {
            None => query.key_condition_expression("PK = :partition"),
            Some(sku) => query
                .key_condition_expression("PK = :partition AND SK >= :from")
                .expression_attribute_values(":from", AttributeValue::S(Key::batch(sku, reference).sk)),
        };
        let mut batches = Vec::new();
        pages(query, |item| {
            batches.push(read_batch(item)?);
            Ok(More::needed(batches.len() < at_most))
        })
        .await?;
        Ok(batches)
    }
}

impl Holds for DynamoDb {
    async fn due(&self, now: Timestamp, at_most: usize) -> Result<Vec<Sku>, StoreError> {
        let query = self.held_in(DUE.to_owned()).key_condition_expression("#hold = :hold AND due <= :now");
        let query = query.expression_attribute_values(":now", AttributeValue::N(now.0.to_string()));
        let mut due = Vec::new();
        pages(query.limit(items(at_most)), |item| {
            due.push(listed_due(item)?);
            Ok(More::needed(due.len() < at_most))
        })
        .await?;
        Ok(due)
    }
}

impl DynamoDb {
    /// A page of what one partition of the index lists. The index sorts by age alone, so all lines of an age are read
    /// before they are sorted by their names.
    async fn by_age(
        &self,
        partition: String,
        order: ByAge,
        after: Option<&Rank>,
        at_most: usize,
    ) -> Result<Vec<Part>, StoreError> {
        let limit = items(at_most.saturating_add(1));
        let query = self.listed_in(partition).limit(limit).scan_index_forward(order == ByAge::OldestFirst);
        let query = match after {
            None => query,
            Some(Rank { age, .. }) => query
                .key_condition_expression(match order {
                    ByAge::OldestFirst => "#place = :place AND age >= :age",
                    ByAge::YoungestFirst => "#place = :place AND age <= :age",
                })
                .expression_attribute_values(":age", AttributeValue::N(age.to_string())),
        };
        let mut parts: Vec<Part> = Vec::new();
        pages(query, |item| {
            let part = read_part(item)?;
            if parts.len() >= at_most && parts.last().is_some_and(|last| last.age != part.age) {
                return Ok(More::Enough);
            }
            // Of the age at which the last page ended, some lines were in it.
            if order.comes_after(&part, after) {
                parts.push(part);
            }
            Ok(More::Needed)
        })
        .await?;
        Ok(order.first(parts, after, at_most))
    }
}
