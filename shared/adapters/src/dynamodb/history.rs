//! The history, on a table of its own: whoever writes it has no right to stock.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use domain::{OrderId, Sku, Version};
use service_layer::history::{History, Mention, Recorded, Told};
use service_layer::store::StoreError;

use super::failure::{classify, fault};
use super::items::{
    Item, MentionItem, RecordedItem, first_of, last_of, order_partition, read_mention, read_recorded,
    recorded_partition, to_item,
};
use super::list::{More, items, pages};

/// What happened, in a table of DynamoDB.
#[derive(Clone, Debug)]
pub struct HistoryTable {
    client: Client,
    table: String,
    kept: Duration,
}

impl HistoryTable {
    /// The table as this client sees it. It keeps an event for 90 days.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, kept: Duration::from_hours(90 * 24) }
    }

    /// The same, keeping an event for so long after it happened.
    #[must_use]
    pub fn keeping_events(self, kept: Duration) -> Self {
        Self { kept, ..self }
    }

    /// What must be put for an event.
    fn items_of(&self, told: &Told) -> Result<Vec<Item>, StoreError> {
        let event = to_item(&RecordedItem::new(told, self.kept)).map_err(fault)?;
        let mention = MentionItem::new(told, self.kept).map(|item| to_item(&item)).transpose().map_err(fault)?;
        Ok([Some(event), mention].into_iter().flatten().collect())
    }

    /// A call that changes nothing, for the connection that it opens.
    pub(crate) async fn warm_up(&self) -> Result<(), StoreError> {
        // DynamoDB refuses to write nothing.
        self.write(Vec::new()).await.map(drop)
    }

    /// Writes up to 25 items, and says which of them DynamoDB had no room for.
    async fn write(&self, items: Vec<Item>) -> Result<Vec<ItemKey>, StoreError> {
        let put = |item| {
            let put = PutRequest::builder().set_item(Some(item)).build().map_err(fault)?;
            Ok(WriteRequest::builder().put_request(put).build())
        };
        let requests = items.into_iter().map(put).collect::<Result<Vec<_>, StoreError>>()?;
        let output = self.client.batch_write_item().request_items(&self.table, requests).send().await;
        let left = output.map_err(classify)?.unprocessed_items.unwrap_or_default().into_values().flatten();
        Ok(left.filter_map(|request| request.put_request).map(|put| key_of(&put.item)).collect())
    }

    /// What one partition has. Not consistent, since what it reads comes late anyway, and that costs half.
    fn stored_in(&self, partition: String, condition: &str) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.table).key_condition_expression(condition);
        query.expression_attribute_values(":partition", AttributeValue::S(partition))
    }
}

/// A primary key, to compare.
type ItemKey = (Option<String>, Option<String>);

fn key_of(item: &Item) -> ItemKey {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    (text("PK"), text("SK"))
}

impl History for HistoryTable {
    /// DynamoDB takes 25 items a call, and an event is two at most.
    const BATCH: usize = 12;

    async fn record(&self, events: Vec<Told>) -> Result<Vec<Told>, StoreError> {
        // One that came twice is one: DynamoDB refuses two writes of an item in a call. Those of an event stay together, so
        // that a table with room for some has room for whole events.
        let (mut seen, mut wanted) = (BTreeSet::new(), Vec::new());
        for told in &events {
            let items = self.items_of(told)?.into_iter();
            wanted.extend(items.filter(|item| seen.insert(key_of(item))));
        }
        let left = self.write(wanted).await?;
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let mut unwritten = Vec::new();
        for told in events {
            if self.items_of(&told)?.iter().any(|item| left.contains(&key_of(item))) {
                unwritten.push(told);
            }
        }
        Ok(unwritten)
    }

    async fn of_product(
        &self,
        sku: &Sku,
        versions: RangeInclusive<Version>,
        at_most: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        let query = self
            .stored_in(recorded_partition(sku), "PK = :partition AND SK BETWEEN :first AND :last")
            .expression_attribute_values(":first", AttributeValue::S(first_of(*versions.start())))
            .expression_attribute_values(":last", AttributeValue::S(last_of(*versions.end())))
            .limit(items(at_most));
        let mut found = Vec::new();
        pages(query, |item| {
            match read_recorded(item) {
                Ok(event) => found.push(event),
                // It is missing then, which whoever asks is told.
                Err(error) => tracing::error!(reason = %error, "an event is passed over"),
            }
            Ok(More::needed(found.len() < at_most))
        })
        .await?;
        Ok(found)
    }

    async fn mentions(&self, orderid: &OrderId) -> Result<Vec<Mention>, StoreError> {
        let mut found = Vec::new();
        // None is passed over: that it is missing would be told by nothing.
        pages(self.stored_in(order_partition(orderid), "PK = :partition"), |item| {
            found.push(read_mention(item)?);
            Ok(More::Needed)
        })
        .await?;
        Ok(found)
    }
}
