//! As much of DynamoDB as the adapter uses. That the adapter and the real one agree is the contract suite's part.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::wire::{Reply, Service};

type Key = (String, String);

/// A table that refuses as DynamoDB does, leaves keys unprocessed if it is told to, and pages every query: an empty
/// page, a page with one item, an empty page, and so on.
#[derive(Default)]
pub(crate) struct Table {
    items: BTreeMap<Key, Value>,
    tokens: BTreeSet<String>,
    /// Writes of a product that took effect.
    pub(crate) commits: u32,
    /// How often a `BatchGetItem` leaves its keys, from this one on, unprocessed.
    pub(crate) unprocessed: Option<(usize, u32)>,
}

pub(crate) fn refusal(code: &str) -> Reply {
    let (status, body) = refused(code);
    Reply::Says(status, body)
}

fn refused(code: &str) -> (u16, String) {
    let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "refused"});
    (400, body.to_string())
}

pub(crate) fn cancelled(codes: &[&str]) -> Reply {
    let (status, body) = cancellation(&codes.iter().map(|code| json!({"Code": code})).collect::<Vec<_>>());
    Reply::Says(status, body)
}

fn cancellation(reasons: &[Value]) -> (u16, String) {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled", "CancellationReasons": reasons
    });
    (400, body.to_string())
}

impl Table {
    pub(crate) fn item(&self, partition: &str, sort: &str) -> Option<&Value> {
        self.items.get(&(partition.to_owned(), sort.to_owned()))
    }

    /// Spoils an item.
    pub(crate) fn remove_attribute(&mut self, partition: &str, sort: &str, attribute: &str) {
        let item = self.items.get_mut(&(partition.to_owned(), sort.to_owned())).unwrap();
        item.as_object_mut().unwrap().remove(attribute);
    }

    /// Loses an item.
    pub(crate) fn remove(&mut self, partition: &str, sort: &str) {
        assert!(self.items.remove(&(partition.to_owned(), sort.to_owned())).is_some(), "{partition}/{sort}");
    }

    fn holds(&self, write: &Value, key: &Key) -> bool {
        let stored = self.items.get(key);
        let attribute = |name: &str| stored.and_then(|item| item.get(name.trim_start_matches('#')));
        let Some(condition) = write["ConditionExpression"].as_str() else { return true };
        match condition {
            "attribute_not_exists(PK)" => stored.is_none(),
            "attribute_exists(PK)" => stored.is_some(),
            "attribute_not_exists(#since)" => attribute("since").is_none(),
            turn if turn.contains("#until <= :now") => {
                let number = |value: &Value| value["N"].as_str().unwrap().parse::<u64>().unwrap();
                let values = &write["ExpressionAttributeValues"];
                let is_over = |until: u64| until <= number(&values[":now"]) || until > number(&values[":latest"]);
                attribute("until").is_none_or(|until| is_over(number(until)))
            }
            claim if claim.contains("lease_until") => {
                let values = &write["ExpressionAttributeValues"];
                let until = attribute("lease_until").and_then(|until| until["N"].as_str()?.parse::<u64>().ok());
                let now = values[":now"]["N"].as_str().unwrap().parse().unwrap();
                stored.is_none()
                    || until.is_some_and(|until| until < now)
                    || attribute("claimant") == Some(&values[":claimant"])
            }
            equations => equations.split(" AND ").all(|equation| {
                let (name, value) = equation.split_once(" = ").unwrap();
                attribute(name) == Some(&write["ExpressionAttributeValues"][value])
            }),
        }
    }

    fn write(&mut self, write: &Value) {
        let key = key(if write["Item"].is_null() { &write["Key"] } else { &write["Item"] });
        if !write["Item"].is_null() {
            self.commits += u32::from(key.1 == "PRODUCT");
            self.items.insert(key, write["Item"].clone());
            return;
        }
        // A check writes nothing.
        let Some(update) = write["UpdateExpression"].as_str() else { return };
        let item = self.items.get_mut(&key).unwrap().as_object_mut().unwrap();
        match update {
            "SET #full = :now" => {
                item.insert("full".to_owned(), write["ExpressionAttributeValues"][":now"].clone());
            }
            "REMOVE #full" => drop(item.remove("full")),
            other => panic!("{other}"),
        }
    }

    fn put(&mut self, write: &Value) -> (u16, String) {
        let key = key(&write["Item"]);
        if self.holds(write, &key) {
            self.write(write);
            return (200, "{}".to_owned());
        }
        let code = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
        (400, json!({"__type": code, "message": "refused", "Item": self.items.get(&key)}).to_string())
    }

    /// Of a turn.
    fn delete(&mut self, write: &Value) -> (u16, String) {
        let key = key(&write["Key"]);
        if self.holds(write, &key) {
            self.items.remove(&key);
            return (200, "{}".to_owned());
        }
        refused("ConditionalCheckFailedException")
    }

    fn transact(&mut self, request: &Value) -> (u16, String) {
        let token = request["ClientRequestToken"].as_str().unwrap().to_owned();
        if self.tokens.contains(&token) {
            return (200, "{}".to_owned());
        }
        let writes: Vec<(&String, &Value)> =
            request["TransactItems"].as_array().unwrap().iter().map(only_member).collect();
        let reasons: Vec<Value> = writes
            .iter()
            .map(|(_, write)| {
                let key = key(if write["Item"].is_null() { &write["Key"] } else { &write["Item"] });
                if self.holds(write, &key) {
                    json!({"Code": "None"})
                } else {
                    json!({"Code": "ConditionalCheckFailed", "Item": self.items.get(&key)})
                }
            })
            .collect();
        if reasons.iter().any(|reason| reason["Code"] != "None") {
            return cancellation(&reasons);
        }
        self.tokens.insert(token);
        for (action, write) in writes {
            match action.as_str() {
                "Delete" => drop(self.items.remove(&key(&write["Key"]))),
                _ => self.write(write),
            }
        }
        (200, "{}".to_owned())
    }

    fn batch_get(&mut self, request: &Value) -> (u16, String) {
        let (table, wanted) = request["RequestItems"].as_object().unwrap().iter().next().unwrap();
        let looks = wanted["Keys"].as_array().unwrap().iter().any(|key| key["SK"]["S"] == "TURN");
        if !looks {
            assert_consistent(wanted);
        }
        let mut keys = wanted["Keys"].as_array().unwrap().clone();
        if keys.iter().map(key).collect::<BTreeSet<_>>().len() < keys.len() {
            return refused("ValidationException");
        }
        let mut unprocessed = json!({});
        if let Some((from, times @ 1..)) = self.unprocessed {
            self.unprocessed = Some((from, times - 1));
            let left = keys.split_off(from.min(keys.len()));
            unprocessed = json!({table: {"Keys": left, "ConsistentRead": true}});
        }
        let found: Vec<&Value> = keys.iter().filter_map(|wanted| self.items.get(&key(wanted))).collect();
        (200, json!({"Responses": {table: found}, "UnprocessedKeys": unprocessed}).to_string())
    }

    fn query(&self, query: &Value) -> Value {
        let values = &query["ExpressionAttributeValues"];
        let (attribute, value) = if query["IndexName"].is_string() {
            ("place", ":place")
        } else {
            assert_consistent(query);
            ("PK", ":partition")
        };
        let begins = values[":line"]["S"].as_str().unwrap_or_default();
        let is_listed =
            |item: &&Value| item[attribute] == values[value] && item["SK"]["S"].as_str().unwrap().starts_with(begins);
        let mut found: Vec<&Value> = self.items.values().filter(is_listed).collect();
        found.sort_by_key(|item| item["age"]["N"].as_str().unwrap_or_default().parse::<u64>().unwrap_or_default());
        if query["ScanIndexForward"] == false {
            found.reverse();
        }
        let start = query["ExclusiveStartKey"]["SK"]["S"].as_str();
        let page: usize = start.map_or(0, |page| page.parse().unwrap());
        let item = found.get(page / 2).filter(|_| page % 2 == 1);
        // A key without attributes is none either.
        let mut answer = json!({"Items": item.into_iter().collect::<Vec<_>>(), "LastEvaluatedKey": {}});
        if page < 2 * found.len() {
            answer["LastEvaluatedKey"] = json!({"PK": {"S": "page"}, "SK": {"S": (page + 1).to_string()}});
        }
        answer
    }
}

impl Service for Table {
    fn answer(&mut self, operation: &str, body: &[u8]) -> (u16, String) {
        let request: Value = serde_json::from_slice(body).unwrap();
        let answer = match operation {
            "PutItem" => return self.put(&request),
            "DeleteItem" => return self.delete(&request),
            "TransactWriteItems" => return self.transact(&request),
            "GetItem" => {
                assert_consistent(&request);
                match self.items.get(&key(&request["Key"])) {
                    Some(item) => json!({"Item": item}),
                    None => json!({}),
                }
            }
            "BatchGetItem" => return self.batch_get(&request),
            "Query" => self.query(&request),
            other => panic!("{other}"),
        };
        (200, answer.to_string())
    }
}

/// Other reads may show what was true a second ago, on AWS, and no emulator tells.
fn assert_consistent(read: &Value) {
    assert_eq!(read["ConsistentRead"], true, "{read}");
}

fn key(item: &Value) -> Key {
    let text = |name: &str| item[name]["S"].as_str().unwrap().to_owned();
    (text("PK"), text("SK"))
}

fn only_member(action: &Value) -> (&String, &Value) {
    action.as_object().unwrap().iter().next().unwrap()
}
