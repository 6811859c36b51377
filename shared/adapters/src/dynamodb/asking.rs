//! Lines that ask, and whose turn it is to commit for them.

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use domain::{LineId, Sku};
use futures_util::future::try_join_all;
use service_layer::ports::Timestamp;
use service_layer::store::{Asked, Asking, Asks, Look, Seen, StoreError, Turn};
use service_layer::{LONGEST_TURN, is_turn};

use super::DynamoDb;
use super::failure::{classify, fault};
use super::find::Consistency;
use super::items::{
    AskingItem, Item, Key, Kind, TurnItem, asking_shelves, listed_asking, read_part, read_turn, to_item,
};
use super::list::{More, items, pages};

impl Asks for DynamoDb {
    async fn ask(&self, asking: &Asking) -> Result<Asked, StoreError> {
        let item = to_item(&AskingItem::new(asking)).map_err(fault)?;
        // A line that was promised is there since some version; one that asks, by this request or another, is not.
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put =
            put.condition_expression("attribute_not_exists(#since)").expression_attribute_names("#since", "since");
        // Tried once: whoever is not answered must know that the line may be put there later.
        let once = Builder::new().retry_config(RetryConfig::disabled());
        match put.customize().config_override(once).send().await {
            Ok(_) => Ok(Asked::Asks),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(Asked::Known),
                Some(PutItemError::TransactionConflictException(_)) => Err(StoreError::Conflict(Vec::new())),
                _ => Err(classify(error)),
            },
        }
    }

    /// Not consistent, since that costs half: whoever sees too little looks again.
    async fn look(&self, line: &LineId) -> Result<Look, StoreError> {
        let keys = [Key::line(line), Key::turn(&line.sku)].map(Key::into_item).to_vec();
        let mut look = Look { line: Seen::Nothing, taken_until: None };
        for item in self.get_some(keys, Consistency::Eventual, 1).await? {
            match Kind::of(&item) {
                Kind::Turn => look.taken_until = Some(read_turn(item)?),
                Kind::Asking => look.line = Seen::Asks,
                Kind::Head | Kind::Batch | Kind::Inbox | Kind::Cancelled | Kind::LastPut | Kind::Line => {
                    look.line = Seen::Promised(Box::new(read_part(item)?));
                }
            }
        }
        Ok(look)
    }

    async fn take_turn(&self, sku: &Sku, now: Timestamp, until: Timestamp) -> Result<Turn, StoreError> {
        let item = to_item(&TurnItem::new(sku, until)).map_err(fault)?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            // One that ends so late is of a clock that goes wrong.
            .condition_expression("attribute_not_exists(PK) OR #until <= :now OR #until > :latest")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":now", milliseconds(now))
            .expression_attribute_values(":latest", milliseconds(now.plus(LONGEST_TURN)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(Turn::Ours) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refusal)) => {
                let taken = refusal.item().map(|item: &Item| read_turn(item.clone())).transpose()?;
                // Whoever has it had it a moment ago, if it is not told until when.
                Ok(Turn::TakenUntil(taken.filter(|taken| is_turn(*taken, now)).unwrap_or(now)))
            }
            _ => Err(classify(error)),
        }
    }

    async fn end_turn(&self, sku: &Sku, until: Timestamp) -> Result<(), StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::turn(sku).into_item()))
            .condition_expression("#until = :until")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":until", milliseconds(until));
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(classify(error)),
            },
        }
    }

    async fn asking(&self, sku: &Sku, at_most: usize) -> Result<Vec<LineId>, StoreError> {
        // Shelves are filled at random: twice its share is more than one has, mostly.
        let shelves: Vec<String> = asking_shelves(sku).collect();
        let most = at_most.saturating_mul(2).div_ceil(shelves.len());
        let shelves = shelves.into_iter().map(|shelf| Box::pin(self.asking_on(shelf, most)));
        let mut listed = try_join_all(shelves).await?.concat();
        listed.sort_by_key(|(since, _)| *since);
        Ok(listed.into_iter().take(at_most).map(|(_, line)| line).collect())
    }
}

impl DynamoDb {
    /// The first lines of one shelf, and since when they ask.
    async fn asking_on(&self, partition: String, most: usize) -> Result<Vec<(u64, LineId)>, StoreError> {
        let (mut listed, mut seen) = (Vec::new(), 0_usize);
        pages(self.listed_in(partition).limit(items(most)), |item| {
            seen = seen.saturating_add(1);
            match listed_asking(item) {
                Ok(entry) => listed.push(entry),
                // It keeps nobody from his place, and whoever asks for it again puts it right.
                Err(error) => tracing::error!(reason = %error, "a line that asks is passed over"),
            }
            Ok(More::needed(seen < most))
        })
        .await?;
        Ok(listed)
    }
}

fn milliseconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.0.to_string())
}
