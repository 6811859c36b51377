//! The store of products on one DynamoDB table. docs/data-model.md shows its items.

mod ask;
mod asking;
#[cfg(test)]
mod broken_items;
mod failure;
mod find;
mod history;
mod inbox;
mod items;
mod list;
mod recount;
mod throttling;
mod transaction;
mod warm_up;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use domain::Part;
use service_layer::store::{Commit, Found, Listing, Products, ReadSet, StoreError};

pub use history::HistoryTable;
pub use items::{UnreadableItem, outbox_envelopes};
pub use recount::{Cursor, Page, Row};

/// The index that lists the lines of a batch, and the waiting lines of a SKU, by age: in the order in which they were
/// first promised.
const INDEX: &str = "LinesByPlace";
/// The index that lists lines that are held by when they are due, and the products that have some.
const HOLDS: &str = "Holds";

/// Products, view and inbox in one table.
#[derive(Clone, Debug)]
pub struct DynamoDb {
    client: Client,
    table: String,
    /// How long lines are remembered that are shipped or cancelled.
    ended_lines_kept: Duration,
}

impl DynamoDb {
    /// The table as this client sees it. It forgets lines 90 days after they ended.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, ended_lines_kept: Duration::from_hours(90 * 24) }
    }

    /// The same, forgetting lines so long after they were shipped or cancelled.
    #[must_use]
    pub fn keeping_ended_lines(self, kept: Duration) -> Self {
        Self { ended_lines_kept: kept, ..self }
    }
}

impl Products for DynamoDb {
    async fn find(&self, wanted: &ReadSet) -> Result<Found, StoreError> {
        self.read(wanted).await
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Part>, StoreError> {
        self.query(listing).await
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        self.write(commit).await
    }
}
