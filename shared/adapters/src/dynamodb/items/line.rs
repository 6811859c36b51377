//! A part of a line, which mostly is all of it: where its pieces stand. An index lists parts by place.

use std::time::Duration;

use domain::{
    BatchRef, InvalidName, LineId, LineName, OrderId, OrderLine, Part, PartId, Place, Quantity, Sku, Split, Version,
};
use serde::{Deserialize, Serialize};
use service_layer::ports::Timestamp;

use super::{Item, Key, UnreadableItem, from_item};

/// How the sort keys of lines begin.
const LINE_PREFIX: &str = "LINE#";

/// Stands between two names. No name has it, as none has control characters, and it sorts before all that names have: so
/// the lines of an order are stored by SKU, then by name.
pub(super) const UNIT_SEPARATOR: char = '\u{1f}';

/// How many partitions of the index share the lines of a batch. One takes 1,000 lines a second, and a SKU on sale can
/// place more.
const SHELVES: u64 = 2;

impl Key {
    pub(in crate::dynamodb) fn line(id: &LineId) -> Self {
        let LineId { orderid, sku, name } = id;
        Self { pk: order_partition(orderid), sk: format!("{LINE_PREFIX}{sku}{UNIT_SEPARATOR}{name}") }
    }

    /// The first part of a line has the line's key; the others follow it, in their order and before any other line.
    pub(in crate::dynamodb) fn part(PartId { line, first }: &PartId) -> Self {
        let Self { pk, sk } = Self::line(line);
        match first {
            0 => Self { pk, sk },
            first => Self { pk, sk: format!("{sk}{UNIT_SEPARATOR}{first:08x}") },
        }
    }

    /// How the sort keys of all parts of a line begin, but for the first one's.
    pub(in crate::dynamodb) fn other_parts(line: &LineId) -> Self {
        let Self { pk, sk } = Self::line(line);
        Self { pk, sk: format!("{sk}{UNIT_SEPARATOR}") }
    }

    /// What comes after all parts of a line, and before the lines after it: no name ends with a blank, so that nothing has
    /// this key.
    pub(in crate::dynamodb) fn after_line(line: &LineId) -> Self {
        let Self { pk, sk } = Self::line(line);
        Self { pk, sk: format!("{sk} ") }
    }
}

/// The partition of the table that has an order's lines.
pub(in crate::dynamodb) fn order_partition(orderid: &OrderId) -> String {
    format!("ORDER#{orderid}")
}

/// The partition of the index that lists a part; none, if it is listed nowhere. Those of one commit stay together, those
/// of the next go elsewhere.
fn index_partition(part: &Part) -> Option<String> {
    match &part.place {
        Place::Batch(reference) => Some(shelf(&part.line.sku, reference, part.since.0 % SHELVES)),
        Place::Waiting => Some(waiting_partition(&part.line.sku)),
        Place::Shipped(_) | Place::Cancelled => None,
    }
}

/// All partitions of the index that list lines of a batch.
pub(in crate::dynamodb) fn shelves(sku: &Sku, reference: &BatchRef) -> impl Iterator<Item = String> {
    (0..SHELVES).map(move |number| shelf(sku, reference, number))
}

fn shelf(sku: &Sku, reference: &BatchRef, number: u64) -> String {
    format!("BATCH#{number}#{reference}{UNIT_SEPARATOR}{sku}")
}

/// The partition of the index that lists the lines of a SKU that wait.
pub(in crate::dynamodb) fn waiting_partition(sku: &Sku) -> String {
    format!("WAITING#{sku}")
}

/// The partition of the index of holds that lists the lines of a SKU that are held.
pub(in crate::dynamodb) fn held_partition(sku: &Sku) -> String {
    format!("HELD#{sku}")
}

/// Where a part of a line stands.
#[derive(Serialize, Deserialize)]
pub(in crate::dynamodb) struct LineItem {
    #[serde(flatten)]
    key: Key,
    /// Its pieces.
    qty: Quantity,
    /// Those of the line, if it may be split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<Quantity>,
    /// Unless it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<Ended>,
    age: Version,
    since: Version,
    /// If it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
    /// Milliseconds since 1970, if it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<u64>,
    /// Seconds since 1970, if it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

/// How a line ended.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    Shipped(BatchRef),
    Cancelled,
}

impl LineItem {
    /// Of a commit made at this time. A line that has ended is kept for so long.
    pub(in crate::dynamodb) fn new(part: &Part, at: Timestamp, kept: Duration) -> Self {
        let ended = match &part.place {
            Place::Batch(_) | Place::Waiting => None,
            Place::Shipped(reference) => Some(Ended::Shipped(reference.clone())),
            Place::Cancelled => Some(Ended::Cancelled),
        };
        Self {
            key: Key::part(&part.id()),
            qty: part.line.qty,
            of: part.split.map(|split| split.of),
            place: index_partition(part),
            expires_at: ended.is_some().then(|| at.plus(kept).seconds()),
            ended,
            age: part.age,
            since: part.since,
            hold: part.held_until.map(|_| held_partition(&part.line.sku)),
            due: part.held_until.map(|until| until.0),
        }
    }
}

/// Reads a part of a line: who asked for what, and where it stands.
pub(in crate::dynamodb) fn read_part(item: Item) -> Result<Part, UnreadableItem> {
    let LineItem { key, qty, of, place, ended, age, since, hold, due, expires_at: _ } = from_item(item)?;
    let PartId { line, first } = named_by(&key).ok_or_else(|| key.unreadable("PK and SK name no order line"))?;
    let LineId { orderid, sku, name } = line;
    let line = OrderLine { orderid, sku, qty, name };
    let split = split(first, qty, of).map_err(|reason| key.unreadable(reason))?;
    let stands = match (&place, ended) {
        (Some(place), None) => listed_in(place).map_err(|error| key.unreadable(format!("place: {error}")))?,
        (None, Some(Ended::Shipped(reference))) => Place::Shipped(reference),
        (None, Some(Ended::Cancelled)) => Place::Cancelled,
        (Some(_), Some(_)) => return Err(key.unreadable("place: must not be there beside ended")),
        (None, None) => return Err(key.unreadable("missing field `place` or `ended`")),
    };
    let part = Part { line, split, place: stands, age, since, held_until: due.map(Timestamp) };
    if part.held_until.is_some() && !part.place.is_standing() {
        return Err(key.unreadable("due: must not be there beside ended"));
    }
    let held = part.held_until.map(|_| held_partition(&part.line.sku));
    if hold != held {
        return Err(key.unreadable(format!("hold: must be {held:?}, as due says, not {hold:?}")));
    }
    let expected = index_partition(&part);
    if let (Some(place), Some(expected)) = (&place, expected)
        && *place != expected
    {
        return Err(key.unreadable(format!("place: must be {expected:?} at version {since}, not {place:?}")));
    }
    Ok(part)
}

/// What a partition of the index lists: lines on a batch, or those that wait.
fn listed_in(partition: &str) -> Result<Place, InvalidName> {
    let shelf = partition.strip_prefix("BATCH#").and_then(|shelf| shelf.split_once('#'));
    let reference = shelf.and_then(|(_, names)| names.split_once(UNIT_SEPARATOR)).map(|(reference, _)| reference);
    reference.map_or(Ok(Place::Waiting), |reference| BatchRef::try_from(reference).map(Place::Batch))
}

/// Which pieces of its line a part has.
fn split(first: u32, qty: Quantity, of: Option<Quantity>) -> Result<Option<Split>, String> {
    let Some(of) = of else {
        return if first == 0 { Ok(None) } else { Err("missing field `of`".to_owned()) };
    };
    if u64::from(first).saturating_add(qty.get().into()) > of.get().into() {
        return Err(format!("qty: must be at most {of} with the {first} before it, as `of` says, not {qty}"));
    }
    Ok(Some(Split { first, of }))
}

/// The part of a line that a key names.
fn named_by(key: &Key) -> Option<PartId> {
    let orderid: OrderId = key.pk.strip_prefix("ORDER#")?.try_into().ok()?;
    let names: Vec<&str> = key.sk.strip_prefix(LINE_PREFIX)?.split(UNIT_SEPARATOR).collect();
    let (sku, name, first) = match names[..] {
        [sku, name] => (sku, name, 0),
        [sku, name, first] => (sku, name, u32::from_str_radix(first, 16).ok().filter(|first| *first > 0)?),
        _ => return None,
    };
    let (sku, name): (Sku, LineName) = (sku.try_into().ok()?, name.try_into().ok()?);
    let id = PartId { line: LineId { orderid, sku, name }, first };
    (Key::part(&id) == *key).then_some(id)
}

/// The line that a key names.
pub(super) fn line_of(key: &Key, qty: Quantity) -> Option<OrderLine> {
    let PartId { line: LineId { orderid, sku, name }, first } = named_by(key)?;
    (first == 0).then_some(OrderLine { orderid, sku, qty, name })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn commits_that_follow_each_other_list_their_lines_in_different_partitions_and_all_of_those_are_known() {
        let (reference, sku) = (BatchRef::try_from("b#1").unwrap(), Sku::try_from("LAMP").unwrap());
        let line = OrderLine::unnamed("o1".try_into().unwrap(), sku, 1.try_into().unwrap());
        let at = |since| {
            let place = Place::Batch(reference.clone());
            index_partition(&Part {
                line: line.clone(),
                split: None,
                place,
                age: Version(1),
                since: Version(since),
                held_until: None,
            })
            .unwrap()
        };
        assert_ne!(at(1), at(2));
        assert_eq!((1..9).map(at).collect::<BTreeSet<_>>(), shelves(&line.sku, &reference).collect());
    }
}
