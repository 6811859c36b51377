//! The store of products on one DynamoDB table. docs/data-model.md shows its items.

#[cfg(test)]
mod broken_items;
mod commit;
mod failure;
mod inbox;
mod items;
mod read;
mod recount;
mod touch;

use aws_sdk_dynamodb::Client;

pub use items::{UnreadableItem, outbox_messages};
pub use recount::{Cursor, Page, Row};

/// The index that lists the lines of a batch, and the waiting lines of a SKU, in the order they got there.
const INDEX: &str = "LinesByPlace";

/// Products, view and inbox in one table.
#[derive(Clone, Debug)]
pub struct DynamoDb {
    client: Client,
    table: String,
}

impl DynamoDb {
    /// The table as this client sees it.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}
