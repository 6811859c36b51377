//! A line: where its pieces stand. An index lists lines by place.

use domain::{BatchRef, LineId, OrderId, OrderLine, Part, Place, Quantity, Sku, Version};
use serde::{Deserialize, Serialize};

use super::{Item, Key, UnreadableItem, from_item};

/// How the sort keys of lines begin.
pub(in crate::dynamodb) const LINE_PREFIX: &str = "LINE#";

/// How many partitions of the index share the lines of a batch. One takes 1,000 lines a second, and a SKU on sale can
/// place more.
const SHELVES: u64 = 2;

impl Key {
    pub(in crate::dynamodb) fn line(id: &LineId) -> Self {
        let LineId { orderid, sku, name } = id;
        Self { pk: order_partition(orderid), sk: format!("{LINE_PREFIX}{sku}#{name}") }
    }
}

/// The partition of the table that has an order's lines.
pub(in crate::dynamodb) fn order_partition(orderid: &OrderId) -> String {
    format!("ORDER#{orderid}")
}

/// The partition of the index that lists a part. Those of one commit stay together, those of the next go elsewhere.
pub(in crate::dynamodb) fn index_partition(part: &Part) -> String {
    match &part.place {
        Place::Batch(reference) => shelf(reference, part.since.0 % SHELVES),
        Place::Waiting => waiting_partition(&part.line.sku),
    }
}

/// All partitions of the index that list lines of a batch.
pub(in crate::dynamodb) fn shelves(reference: &BatchRef) -> impl Iterator<Item = String> {
    (0..SHELVES).map(|number| shelf(reference, number))
}

fn shelf(reference: &BatchRef, number: u64) -> String {
    format!("BATCH#{number}#{reference}")
}

/// The partition of the index that lists the lines of a SKU that wait.
pub(in crate::dynamodb) fn waiting_partition(sku: &Sku) -> String {
    format!("WAITING#{sku}")
}

/// Where a line stands.
#[derive(Serialize, Deserialize)]
pub(in crate::dynamodb) struct LineItem {
    #[serde(flatten)]
    key: Key,
    qty: Quantity,
    place: String,
    age: Version,
    since: Version,
}

impl LineItem {
    pub(in crate::dynamodb) fn new(part: &Part) -> Self {
        let place = index_partition(part);
        Self { key: Key::line(&part.line.id()), qty: part.line.qty, place, age: part.age, since: part.since }
    }
}

/// Reads a line: who asked for what, and where it stands.
pub(in crate::dynamodb) fn read_part(item: Item) -> Result<Part, UnreadableItem> {
    let LineItem { key, qty, place, age, since } = from_item(item)?;
    let (line, name) = line_of(&key, qty).ok_or_else(|| key.unreadable("PK and SK name no order line"))?;
    if name != qty.to_string() {
        return Err(key.unreadable(format!("qty: must be what SK says, not {qty}")));
    }
    let reference =
        place.strip_prefix("BATCH#").and_then(|shelf| shelf.split_once('#')).map(|(_, reference)| reference);
    let stands = match reference.map(BatchRef::try_from) {
        Some(Ok(reference)) => Place::Batch(reference),
        Some(Err(error)) => return Err(key.unreadable(format!("place: {error}"))),
        None => Place::Waiting,
    };
    let part = Part { line, place: stands, age, since };
    let expected = index_partition(&part);
    if place != expected {
        return Err(key.unreadable(format!("place: must be {expected:?} at version {since}, not {place:?}")));
    }
    Ok(part)
}

/// The line that a key names, and the name that tells it from the others of its order and SKU.
fn line_of(key: &Key, qty: Quantity) -> Option<(OrderLine, &str)> {
    let orderid = key.pk.strip_prefix("ORDER#")?;
    // A quantity has no `#`, so the last one is the separator, whatever the SKU holds.
    let (sku, name) = key.sk.strip_prefix(LINE_PREFIX)?.rsplit_once('#')?;
    Some((OrderLine { orderid: orderid.try_into().ok()?, sku: sku.try_into().ok()?, qty }, name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn commits_that_follow_each_other_list_their_lines_in_different_partitions_and_all_of_those_are_known() {
        let (reference, sku) = (BatchRef::try_from("b#1").unwrap(), Sku::try_from("LAMP").unwrap());
        let line = OrderLine { orderid: "o1".try_into().unwrap(), sku, qty: 1.try_into().unwrap() };
        let at = |since| {
            let place = Place::Batch(reference.clone());
            index_partition(&Part { line: line.clone(), place, age: Version(1), since: Version(since) })
        };
        assert_ne!(at(1), at(2));
        assert_eq!((1..9).map(at).collect::<BTreeSet<_>>(), shelves(&reference).collect());
    }
}
