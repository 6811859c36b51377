//! Calls that change nothing and whose answers nobody needs. They open the connection that a function's first event
//! would wait for, with the rights that it has anyway.

use aws_sdk_dynamodb::types::AttributeValue;
use service_layer::store::StoreError;

use super::DynamoDb;
use super::failure::classify;
use super::items::Key;

/// No key of the table begins so.
const NOBODY: &str = "NOBODY";

impl DynamoDb {
    /// For functions that carry out commands: all of them may query the index, and not all may read the same items.
    pub(crate) async fn warm_up_index(&self) -> Result<(), StoreError> {
        self.listed_in(NOBODY.to_owned()).limit(1).send().await.map(drop).map_err(classify)
    }

    /// For what is only read, which mostly begins with a query of the table.
    pub(crate) async fn warm_up_table(&self) -> Result<(), StoreError> {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("PK = :nobody")
            .expression_attribute_values(":nobody", AttributeValue::S(NOBODY.to_owned()))
            .send()
            .await
            .map(drop)
            .map_err(classify)
    }

    /// For functions that may only write: a write that is refused, because what it would overwrite is not there. Costs
    /// a write unit.
    pub(crate) async fn warm_up_inbox(&self) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(Key::inbox(NOBODY).into_item()))
            .condition_expression("attribute_exists(PK)")
            .send()
            .await
            .map(drop)
            .map_err(classify)
    }
}
