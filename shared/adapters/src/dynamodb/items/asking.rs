//! A line that asks: its caller waits for whoever commits next. It stands where the line would, and is no promise. And
//! whose turn that is.

use std::time::Duration;

use domain::{LineId, OrderLine, Quantity, Sku};
use serde::{Deserialize, Serialize};
use service_layer::CorrelationId;
use service_layer::ports::Timestamp;
use service_layer::store::{Asking, AskingId};

use super::line::{UNIT_SEPARATOR, line_of};
use super::{Item, Key, UnreadableItem, from_item};

/// The attribute that tells it from a promised line.
pub(super) const ASKS: &str = "asks";
pub(super) const TURN: &str = "TURN";

/// How many partitions of the index share the lines that ask for a SKU. One takes 1,000 writes a second, and each line
/// is put there and taken out again.
const SHELVES: u64 = 5;

/// How long an item is kept that nobody needs any more. Longer than clocks differ.
const KEPT: Duration = Duration::from_hours(1);

impl Key {
    /// Of whose turn it is. A partition by itself, since it is looked at as often as all lines together.
    pub(in crate::dynamodb) fn turn(sku: &Sku) -> Self {
        Self { pk: format!("TURN#{sku}"), sk: TURN.to_owned() }
    }
}

/// All partitions of the index that list lines that ask for a SKU.
pub(in crate::dynamodb) fn asking_shelves(sku: &Sku) -> impl Iterator<Item = String> {
    (0..SHELVES).map(move |number| shelf(sku, number))
}

fn shelf(sku: &Sku, number: u64) -> String {
    format!("ASKING#{number}#{sku}")
}

/// A line that asks.
#[derive(Serialize, Deserialize)]
pub(in crate::dynamodb) struct AskingItem {
    #[serde(flatten)]
    key: Key,
    qty: Quantity,
    /// The index lists lines that ask by the time since when they do.
    place: String,
    age: u64,
    /// Which request's asking it is: 16 hexadecimal digits.
    asks: String,
    /// Milliseconds since 1970, until when its caller waits.
    until: u64,
    correlation: CorrelationId,
    /// Seconds since 1970.
    expires_at: Option<u64>,
}

impl AskingItem {
    pub(in crate::dynamodb) fn new(asking: &Asking) -> Self {
        let Asking { line, id, since, until, correlation } = asking;
        Self {
            key: Key::line(&line.id()),
            qty: line.qty,
            place: shelf(&line.sku, id.0 % SHELVES),
            age: since.0,
            asks: written(*id),
            until: until.0,
            correlation: correlation.clone(),
            expires_at: Some(until.plus(KEPT).seconds()),
        }
    }
}

/// How an asking is named in an item, and in the conditions of a commit.
pub(in crate::dynamodb) fn written(AskingId(id): AskingId) -> String {
    format!("{id:016x}")
}

/// Reads a line that asks.
pub(in crate::dynamodb) fn read_asking(item: Item) -> Result<Asking, UnreadableItem> {
    let AskingItem { key, qty, place, age, asks, until, correlation, expires_at: _ } = from_item(item)?;
    let line: OrderLine = line_of(&key, qty).ok_or_else(|| key.unreadable("PK and SK name no order line"))?;
    let id = u64::from_str_radix(&asks, 16).map_err(|error| key.unreadable(format!("asks: {error}")))?;
    let expected = shelf(&line.sku, id % SHELVES);
    if place != expected {
        let (place, expected) = (place.replace(UNIT_SEPARATOR, "\\u001f"), expected);
        return Err(key.unreadable(format!("place: must be {expected:?} of {asks}, not {place:?}")));
    }
    Ok(Asking { line, id: AskingId(id), since: Timestamp(age), until: Timestamp(until), correlation })
}

/// An entry of the index: the line, and since when it asks.
#[derive(Deserialize)]
struct Listed {
    #[serde(flatten)]
    key: Key,
    qty: Quantity,
    age: u64,
}

/// Reads an entry of the index: since when a line asks, and which.
pub(in crate::dynamodb) fn listed_asking(item: Item) -> Result<(u64, LineId), UnreadableItem> {
    let Listed { key, qty, age } = from_item(item)?;
    let line = line_of(&key, qty).ok_or_else(|| key.unreadable("PK and SK name no order line"))?;
    Ok((age, line.id()))
}

/// Whose turn it is to commit for all who ask: until when somebody has it.
#[derive(Serialize, Deserialize)]
pub(in crate::dynamodb) struct TurnItem {
    #[serde(flatten)]
    key: Key,
    /// Milliseconds since 1970.
    until: u64,
    /// Seconds since 1970.
    expires_at: u64,
}

impl TurnItem {
    pub(in crate::dynamodb) fn new(sku: &Sku, until: Timestamp) -> Self {
        Self { key: Key::turn(sku), until: until.0, expires_at: until.plus(KEPT).seconds() }
    }
}

/// Reads until when somebody has the turn.
pub(in crate::dynamodb) fn read_turn(item: Item) -> Result<Timestamp, UnreadableItem> {
    let item: TurnItem = from_item(item)?;
    Ok(Timestamp(item.until))
}
