//! Listing by partition: lines for commands that move them.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::Part;
use futures_util::future::try_join_all;
use service_layer::store::{Listing, Needed, StoreError};

use super::failure::classify;
use super::items::{Item, held_partition, read_part, shelves, waiting_partition};
use super::{DynamoDb, HOLDS, INDEX};

impl DynamoDb {
    pub(super) async fn query(&self, listing: &Listing) -> Result<Vec<Part>, StoreError> {
        match listing {
            // Boxed, so that the futures of callers stay flat.
            Listing::Waiting { sku, .. } => Box::pin(self.parts(self.listed_in(waiting_partition(sku)))).await,
            Listing::Held { sku, at_most } => {
                let mut parts = Vec::new();
                let query = self.held_in(held_partition(sku)).limit(items(*at_most));
                Box::pin(pages(query, |item| {
                    parts.push(read_part(item)?);
                    Ok(More::needed(parts.len() < *at_most))
                }))
                .await?;
                Ok(parts)
            }
            Listing::OnBatch { sku, batch, .. } => {
                let shelves = shelves(sku, batch).map(|shelf| Box::pin(self.parts(self.listed_in(shelf))));
                Ok(listing.select(try_join_all(shelves).await?.concat()))
            }
            Listing::Youngest { sku, batch, pieces, at_most, .. } => {
                // From all shelves at once, of which each has as many as might be the youngest.
                let needed = Needed { pieces: *pieces, lines: *at_most };
                let shelves = shelves(sku, batch).map(|shelf| Box::pin(self.youngest_on(shelf, needed)));
                Ok(listing.select(try_join_all(shelves).await?.concat()))
            }
        }
    }

    async fn youngest_on(&self, partition: String, mut needed: Needed) -> Result<Vec<Part>, StoreError> {
        // Each line has a piece at least, so no more lines than pieces are needed.
        let page = needed.lines.min(usize::try_from(needed.pieces).unwrap_or(usize::MAX));
        let query = self.listed_in(partition).scan_index_forward(false).limit(items(page));
        let mut parts = Vec::new();
        pages(query, |item| {
            let part = read_part(item)?;
            needed.take(&part);
            parts.push(part);
            Ok(More::needed(!needed.is_met()))
        })
        .await?;
        Ok(parts)
    }

    /// All lines that a query comes to.
    async fn parts(&self, query: QueryFluentBuilder) -> Result<Vec<Part>, StoreError> {
        let mut parts = Vec::new();
        pages(query, |item| {
            parts.push(read_part(item)?);
            Ok(More::Needed)
        })
        .await?;
        Ok(parts)
    }

    /// What one partition of the table has, under a condition on its keys. Consistent: what was committed before is seen.
    pub(super) fn stored_in(&self, partition: String) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        query.expression_attribute_values(":partition", AttributeValue::S(partition))
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

    /// What one partition of the index of holds lists, those first that are due first.
    pub(super) fn held_in(&self, partition: String) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(HOLDS)
            .key_condition_expression("#hold = :hold")
            .expression_attribute_names("#hold", "hold")
            .expression_attribute_values(":hold", AttributeValue::S(partition))
    }
}

/// Follows a query over all its pages, until `take` has enough.
pub(super) async fn pages(
    query: QueryFluentBuilder,
    mut take: impl FnMut(Item) -> Result<More, StoreError> + Send,
) -> Result<(), StoreError> {
    let mut start = None;
    loop {
        let output = query.clone().set_exclusive_start_key(start.take()).send().await.map_err(classify)?;
        for item in output.items.unwrap_or_default() {
            match take(item)? {
                More::Needed => {}
                More::Enough => return Ok(()),
            }
        }
        match output.last_evaluated_key {
            Some(key) if !key.is_empty() => start = Some(key),
            _ => return Ok(()),
        }
    }
}

/// As many items as a query is to read at most, in the client's numbers.
pub(super) fn items(most: usize) -> i32 {
    i32::try_from(most).unwrap_or(i32::MAX)
}

pub(super) enum More {
    Needed,
    Enough,
}

impl More {
    pub(super) fn needed(is_needed: bool) -> Self {
        if is_needed { Self::Needed } else { Self::Enough }
    }
}
