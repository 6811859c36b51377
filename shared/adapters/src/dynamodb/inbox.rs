//! The inbox: which events were handled, or are being handled under a lease.

use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use service_layer::ports::{Claim, Inbox, Timestamp};
use service_layer::store::StoreError;

use super::DynamoDb;
use super::failure::classify;
use super::items::{Item, Key, UnreadableItem};

/// A queue keeps a message for 14 days at most; after that no repeated one can come.
const MEMORY: Duration = Duration::from_hours(15 * 24);

impl Inbox for DynamoDb {
    async fn claim(&self, id: &str, claimant: u64, now: Timestamp, lease: Duration) -> Result<Claim, StoreError> {
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(claimed(id, claimant, now, lease)))
            .condition_expression("attribute_not_exists(PK) OR lease_until < :now OR claimant = :claimant")
            .expression_attribute_values(":now", number(now.0))
            .expression_attribute_values(":claimant", number(claimant))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else {
            return Ok(Claim::Granted);
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refusal)) => {
                Ok(refused(&Key::inbox(id), refusal.item())?)
            }
            _ => Err(classify(error)),
        }
    }

    async fn finish(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(finished(id, now)));
        request.send().await.map(drop).map_err(classify)
    }
}

/// What the entry says that refused a claim. One that can't be read must not pass for finished: the mail would be
/// lost.
pub(super) fn refused(key: &Key, entry: Option<&Item>) -> Result<Claim, UnreadableItem> {
    let entry = entry.ok_or_else(|| key.unreadable("it refused a claim, and was not handed back"))?;
    let has = |name: &str| match entry.get(name) {
        None => Ok(false),
        Some(AttributeValue::N(_)) => Ok(true),
        Some(_) => Err(key.unreadable(format!("{name}: must be a number"))),
    };
    match (has("lease_until")?, has("claimant")?, has("expires_at")?) {
        (true, true, true) => Ok(Claim::Held),
        (false, false, true) => Ok(Claim::Finished),
        (_, _, false) => Err(key.unreadable("missing field `expires_at`")),
        (true, false, true) => Err(key.unreadable("missing field `claimant`")),
        (false, true, true) => Err(key.unreadable("missing field `lease_until`")),
    }
}

pub(super) fn claimed(id: &str, claimant: u64, now: Timestamp, lease: Duration) -> Item {
    let mut item = finished(id, now);
    item.insert("lease_until".to_owned(), number(now.plus(lease).0));
    item.insert("claimant".to_owned(), number(claimant));
    item
}

/// An entry without a lease is a finished one. `expires_at` is in seconds, as DynamoDB's time to live wants it.
pub(super) fn finished(id: &str, now: Timestamp) -> Item {
    let mut item = Key::inbox(id).into_item();
    item.insert("expires_at".to_owned(), number(now.plus(MEMORY).seconds()));
    item
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_kept_for_a_day_longer_than_a_queue_keeps_a_message() {
        let second_and_fifteen_days = AttributeValue::N("1296001".to_owned());
        let now = Timestamp(1_999);
        for entry in [finished("LAMP#1#1", now), claimed("LAMP#1#1", 7, now, Duration::from_secs(40))] {
            assert_eq!(entry["expires_at"], second_and_fifteen_days);
        }
    }
}
