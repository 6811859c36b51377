//! Counts what each request costs by DynamoDB's published rules, and holds that against what the server reports.
//!
//! The rules are applied to what was sent and answered, since no server reports what a refused transaction costs. What
//! it does report must agree. dynoxide's figures do; those of a server that the tests are pointed at may have an error
//! that is known here, as DynamoDB Local 2.6.1 has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::batch_write_item::{BatchWriteItemInput, BatchWriteItemOutput};
use aws_sdk_dynamodb::operation::get_item::{GetItemInput, GetItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::query::{QueryInput, QueryOutput};
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsInput, TransactWriteItemsOutput};
use aws_sdk_dynamodb::types::{AttributeValue, Capacity, ConsumedCapacity, ReturnConsumedCapacity, TransactWriteItem};
use aws_smithy_types::config_bag::{Storable, StoreReplace};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// Round trips, and the capacity units they take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    pub(crate) round_trips: u32,
    /// Round trips that wrote, or tried to.
    pub(crate) writes: u32,
    pub(crate) read_units: f64,
    /// Of the table and of the index.
    pub(crate) write_units: [f64; 2],
}

impl Cost {
    pub(crate) fn plus(self, other: Self) -> Self {
        let ([table, index], [more_table, more_index]) = (self.write_units, other.write_units);
        Self {
            round_trips: self.round_trips + other.round_trips,
            writes: self.writes + other.writes,
            read_units: self.read_units + other.read_units,
            write_units: [table + more_table, index + more_index],
        }
    }

    /// Dollars for a million of these. List price of us-east-1, on demand: see docs/performance.md.
    pub(crate) fn dollars(&self) -> f64 {
        self.read_units * 0.125 + self.write_units.iter().sum::<f64>() * 0.625
    }
}

/// An interceptor of a client, which adds up what it does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<Mutex<State>>);

/// A request under way, kept with its call.
#[derive(Debug)]
enum Request {
    BatchGet(BatchGetItemInput),
    Get,
    Query(QueryInput),
    Put(PutItemInput),
    BatchWrite(BatchWriteItemInput),
    Transaction(TransactWriteItemsInput),
}

impl Storable for Request {
    type Storer = StoreReplace<Self>;
}

#[derive(Debug, Default)]
struct State {
    cost: Cost,
    under_way: u32,
    /// Items that were read or written: a write is charged for the larger of the old item and the new, and by what
    /// changes in indexes.
    seen: HashMap<String, Item>,
}

impl Meter {
    /// What was done since it was last read.
    pub(crate) fn read(&self) -> Cost {
        std::mem::take(&mut self.0.lock().unwrap().cost)
    }
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        call: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input_mut();
        let wanted = Some(ReturnConsumedCapacity::Indexes);
        let request = if let Some(input) = input.downcast_mut::<BatchGetItemInput>() {
            input.return_consumed_capacity = wanted;
            Request::BatchGet(input.clone())
        } else if let Some(input) = input.downcast_mut::<GetItemInput>() {
            input.return_consumed_capacity = wanted;
            Request::Get
        } else if let Some(input) = input.downcast_mut::<QueryInput>() {
            input.return_consumed_capacity = wanted;
            Request::Query(input.clone())
        } else if let Some(input) = input.downcast_mut::<TransactWriteItemsInput>() {
            input.return_consumed_capacity = wanted;
            Request::Transaction(input.clone())
        } else if let Some(input) = input.downcast_mut::<PutItemInput>() {
            input.return_consumed_capacity = wanted;
            Request::Put(input.clone())
        } else if let Some(input) = input.downcast_mut::<BatchWriteItemInput>() {
            input.return_consumed_capacity = wanted;
            Request::BatchWrite(input.clone())
        } else {
            return Err("a call whose cost is not counted".into());
        };
        call.interceptor_state().store_put(request);
        let mut state = self.0.lock().unwrap();
        // Requests side by side are one round trip.
        state.cost.round_trips += u32::from(state.under_way == 0);
        state.under_way += 1;
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        call: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = call.load::<Request>().ok_or("a call that did not begin")?;
        let mut state = self.0.lock().unwrap();
        state.under_way -= 1;
        let output = context.output_or_error().and_then(Result::ok);
        let failed = "a read failed, and its cost is not counted";
        let cost = match request {
            Request::BatchGet(input) => {
                state.batch_get(input, output.and_then(|output| output.downcast_ref()).ok_or(failed)?)
            }
            Request::Get => state.get(output.and_then(|output| output.downcast_ref()).ok_or(failed)?),
            Request::Query(input) => state.query(input, output.and_then(|output| output.downcast_ref()).ok_or(failed)?),
            Request::Put(input) => state.put(input, output.and_then(|output| output.downcast_ref())),
            Request::BatchWrite(input) => {
                state.batch_write(input, output.and_then(|output| output.downcast_ref()).ok_or(failed)?)
            }
            Request::Transaction(input) => state.transaction(input, output.and_then(|output| output.downcast_ref())),
        };
        state.cost = state.cost.plus(cost?);
        Ok(())
    }
}

/// Units of table and index, as reported.
fn reported<'a>(consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) -> [f64; 2] {
    let mut units = [0.0, 0.0];
    for consumed in consumed {
        units[0] += consumed.table().and_then(Capacity::capacity_units).unwrap_or_default();
        let indexes = consumed.global_secondary_indexes().into_iter().flatten();
        units[1] += indexes.filter_map(|(_, index)| index.capacity_units()).sum::<f64>();
    }
    units
}

fn agree(what: &str, reported: [f64; 2], accepted: &[[f64; 2]]) -> Result<(), BoxError> {
    if accepted.contains(&reported) {
        return Ok(());
    }
    Err(format!("{what}: the server reports {reported:?}, and by the rules it is {accepted:?}").into())
}

impl State {
    /// A missing item is read too: it takes a unit. DynamoDB Local forgets that here, and nowhere else.
    fn batch_get(&mut self, input: &BatchGetItemInput, output: &BatchGetItemOutput) -> Result<Cost, BoxError> {
        let keys = input.request_items().into_iter().flatten().map(|(_, keys)| keys.keys().len()).sum::<usize>();
        let found: Vec<&Item> = output.responses().into_iter().flatten().flat_map(|(_, items)| items).collect();
        let units = found.iter().map(|item| blocks(self.see(item), 4)).sum::<f64>();
        let missing = blocks(1, 4) * f64::from(u32::try_from(keys - found.len())?);
        let reported = reported(output.consumed_capacity());
        agree("BatchGetItem", reported, &[[units, 0.0], [units + missing, 0.0]])?;
        Ok(Cost { read_units: units + missing, ..Cost::default() })
    }

    fn get(&mut self, output: &GetItemOutput) -> Result<Cost, BoxError> {
        let units = blocks(output.item().map_or(0, |item| self.see(item)), 4);
        agree("GetItem", reported(output.consumed_capacity()), &[[units, 0.0]])?;
        Ok(Cost { read_units: units, ..Cost::default() })
    }

    /// Each put as if it were alone.
    fn batch_write(&mut self, input: &BatchWriteItemInput, output: &BatchWriteItemOutput) -> Result<Cost, BoxError> {
        let requests = input.request_items().into_iter().flatten().flat_map(|(_, requests)| requests);
        let mut units = 0.0;
        for put in requests.map(|request| request.put_request().ok_or("a batch that does not put")) {
            let item = put?.item();
            units += blocks(size(item).max(self.known(item)), 1);
            self.see(item);
        }
        agree("BatchWriteItem", reported(output.consumed_capacity()), &[[units, 0.0]])?;
        Ok(Cost { writes: 1, write_units: [units, 0.0], ..Cost::default() })
    }

    /// All items of a page together are rounded up. What is read from the index, or not consistently, costs half.
    fn query(&mut self, input: &QueryInput, output: &QueryOutput) -> Result<Cost, BoxError> {
        for item in output.items() {
            self.see(item);
        }
        let bytes = output.items().iter().map(size).sum::<usize>();
        let half = if input.consistent_read() == Some(true) { 1.0 } else { 0.5 };
        let units = blocks(bytes, 4) * half;
        let expected = if input.index_name().is_some() { [0.0, units] } else { [units, 0.0] };
        agree("Query", reported(output.consumed_capacity()), &[expected])?;
        Ok(Cost { read_units: units, ..Cost::default() })
    }

    fn put(&mut self, input: &PutItemInput, output: Option<&PutItemOutput>) -> Result<Cost, BoxError> {
        let item = input.item().ok_or("a put without an item")?;
        let units = blocks(size(item).max(self.known(item)), 1);
        if let Some(output) = output {
            agree("PutItem", reported(output.consumed_capacity()), &[[units, 0.0]])?;
            self.see(item);
        }
        Ok(Cost { writes: 1, write_units: [units, 0.0], ..Cost::default() })
    }

    /// Twice the units on the table, and once those of the index, which is written after the transaction. A refused one
    /// is charged on the table.
    fn transaction(
        &mut self,
        input: &TransactWriteItemsInput,
        output: Option<&TransactWriteItemsOutput>,
    ) -> Result<Cost, BoxError> {
        let mut actions = Vec::new();
        for action in input.transact_items() {
            actions.push(self.action(action)?);
        }
        let sum = |actions: &[[f64; 2]]| actions.iter().fold([0.0, 0.0], |sum, one| [sum[0] + one[0], sum[1] + one[1]]);
        let [table, index] = sum(&actions);
        let mut cost = Cost { writes: 1, write_units: [2.0 * table, 0.0], ..Cost::default() };
        let Some(output) = output else { return Ok(cost) };
        cost.write_units[1] = index;
        // DynamoDB Local counts equal actions once, and all of them, the index too, times four.
        let mut distinct: Vec<[f64; 2]> = Vec::new();
        for action in &actions {
            if !distinct.contains(action) {
                distinct.push(*action);
            }
        }
        let mistaken = sum(&distinct).map(|units| 4.0 * units);
        agree("TransactWriteItems", reported(output.consumed_capacity()), &[cost.write_units, mistaken])?;
        for put in input.transact_items().iter().filter_map(TransactWriteItem::put) {
            self.see(put.item());
        }
        Ok(cost)
    }

    /// Units of table and index for one action, as if it were a plain write.
    fn action(&self, action: &TransactWriteItem) -> Result<[f64; 2], BoxError> {
        if let Some(put) = action.put() {
            let table = blocks(size(put.item()).max(self.known(put.item())), 1);
            let old = self.seen.get(&key(put.item()));
            Ok([table, INDEXES.iter().map(|index| entries(old, put.item(), index)).sum()])
        } else if let Some(update) = action.update() {
            let values = update.expression_attribute_values().map(size).unwrap_or_default();
            Ok([blocks(self.known(update.key()) + values, 1), 0.0])
        } else if let Some(check) = action.condition_check() {
            Ok([blocks(self.known(check.key()), 1), 0.0])
        } else {
            Err("an action whose cost is not counted".into())
        }
    }

    fn known(&self, item: &Item) -> usize {
        self.seen.get(&key(item)).map(size).unwrap_or_default()
    }

    fn see(&mut self, item: &Item) -> usize {
        self.seen.insert(key(item), item.clone());
        size(item)
    }
}

/// The keys of each index, and what it projects beside them. An item that lacks a key is not listed.
const INDEXES: [[&[&str]; 2]; 2] =
    [[&["place", "age"], &["qty", "since", "hold", "due"]], [&["hold", "due"], &["qty", "since", "place", "age"]]];

/// Units that an index takes for an item that is written. An entry whose key changes is deleted, and put anew. All
/// attributes of a listed line are projected, so that its entry is as large as the line; of a head, none is.
fn entries(old: Option<&Item>, new: &Item, [keys, projected]: &[&[&str]; 2]) -> f64 {
    let of = |item: &Item, names: &[&str]| names.iter().map(|name| item.get(*name).cloned()).collect::<Vec<_>>();
    let listed = |item: &&Item| keys.iter().all(|key| item.contains_key(*key));
    let entry = |item: &Item| if item.contains_key("qty") { blocks(size(item), 1) } else { 1.0 };
    match (old.filter(listed), Some(new).filter(listed)) {
        (Some(one), None) | (None, Some(one)) => entry(one),
        (Some(old), Some(new)) if of(old, keys) != of(new, keys) => entry(old) + entry(new),
        (Some(old), Some(new)) if of(old, projected) != of(new, projected) => entry(old).max(entry(new)),
        (None, None) | (Some(_), Some(_)) => 0.0,
    }
}

fn key(item: &Item) -> String {
    format!("{:?} {:?}", item.get("PK"), item.get("SK"))
}

/// How many started blocks of so many KB; one at least.
pub(crate) fn blocks(bytes: usize, kilobytes: usize) -> f64 {
    f64::from(u32::try_from(bytes.div_ceil(kilobytes * 1_024).max(1)).unwrap())
}

/// Bytes of an item, or of a map's content: names and values.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
pub(crate) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size_of_value(value)).sum()
}

fn size_of_value(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.trim_matches('0').len().div_ceil(2) + 1,
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + size_of_value(value)).sum::<usize>(),
        AttributeValue::M(map) => 3 + map.len() + size(map),
        _ => 1,
    }
}
