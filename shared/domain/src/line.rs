//! Order lines: what names them, where they stand, and how a commit moves them.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{BatchRef, LineName, OrderId, Quantity, Sku, Timestamp, Version};

/// One line of an order: what it asks of one SKU.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "LineFields")]
pub struct OrderLine {
    /// The order it belongs to.
    pub orderid: OrderId,
    /// What is ordered.
    pub sku: Sku,
    /// How many pieces.
    pub qty: Quantity,
    /// What tells it from the others of its order and SKU. Where nobody gives it a name, its quantity is it.
    #[serde(rename = "line")]
    pub name: LineName,
}

impl OrderLine {
    /// A line that nobody gave a name.
    #[must_use]
    pub fn unnamed(orderid: OrderId, sku: Sku, qty: Quantity) -> Self {
        Self { orderid, sku, qty, name: qty.into() }
    }

    /// Whether it is the same line, whatever its quantity is.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.names() == other.names()
    }

    fn names(&self) -> (&OrderId, &Sku, &LineName) {
        (&self.orderid, &self.sku, &self.name)
    }

    /// What names this line.
    #[must_use]
    pub fn id(&self) -> LineId {
        LineId { orderid: self.orderid.clone(), sku: self.sku.clone(), name: self.name.clone() }
    }
}

/// A line, or what names one, as it is read.
#[derive(Deserialize)]
struct LineFields {
    orderid: OrderId,
    sku: Sku,
    qty: Option<Quantity>,
    line: Option<LineName>,
}

/// Most bytes of a SKU and a line's name together, so that a line's key fits a sort key of 1,024 bytes.
const NAMES_BYTES: usize = 1_018;

impl TryFrom<LineFields> for OrderLine {
    type Error = String;

    fn try_from(fields: LineFields) -> Result<Self, String> {
        let qty = fields.qty.ok_or("missing field `qty`")?;
        let LineId { orderid, sku, name } = fields.try_into()?;
        Ok(Self { orderid, sku, qty, name })
    }
}

/// What names a line, in the order in which lines are stored. It is read from the line's name or, where nobody gave it
/// one, from its quantity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "LineFields")]
pub struct LineId {
    /// The order it belongs to.
    pub orderid: OrderId,
    /// What is ordered.
    pub sku: Sku,
    /// Its own name among the lines of this order and SKU.
    #[serde(rename = "line")]
    pub name: LineName,
}

impl TryFrom<LineFields> for LineId {
    type Error = String;

    fn try_from(LineFields { orderid, sku, qty, line }: LineFields) -> Result<Self, String> {
        Self::named(orderid, sku, line, qty)
    }
}

impl LineId {
    /// Whether it names this line.
    #[must_use]
    pub fn names(&self, line: &OrderLine) -> bool {
        line.names() == (&self.orderid, &self.sku, &self.name)
    }

    /// What names the line that has this name or, where nobody gave it one, this quantity.
    ///
    /// # Errors
    /// When there is neither, or the names are too long together. Says which field is wrong.
    pub fn named(orderid: OrderId, sku: Sku, line: Option<LineName>, qty: Option<Quantity>) -> Result<Self, String> {
        let name = line.or(qty.map(LineName::from)).ok_or("missing field `line` or `qty`")?;
        let bytes = sku.as_str().len().saturating_add(name.as_str().len());
        if bytes > NAMES_BYTES {
            return Err(format!("line: must have at most {NAMES_BYTES} bytes in UTF-8 together with sku, not {bytes}"));
        }
        Ok(Self { orderid, sku, name })
    }
}

/// Where a promised line stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// On this batch.
    Batch(BatchRef),
    /// It waits for the next stock: it lost its batch, or there was none for it.
    Waiting,
    /// It went to its customer, with pieces of this batch. There it stays.
    Shipped(BatchRef),
    /// It was given back. It comes back only if its order as a whole is put with it.
    Cancelled,
}

impl Place {
    /// The batch that it has its pieces of, also once they are shipped.
    #[must_use]
    pub fn batch(&self) -> Option<&BatchRef> {
        match self {
            Self::Batch(reference) | Self::Shipped(reference) => Some(reference),
            Self::Waiting | Self::Cancelled => None,
        }
    }

    /// Whether it is with its customer.
    #[must_use]
    pub fn is_shipped(&self) -> bool {
        matches!(self, Self::Shipped(_))
    }

    /// Whether a line that is there can be cancelled: it was promised, and has not ended.
    #[must_use]
    pub fn is_standing(&self) -> bool {
        match self {
            Self::Batch(_) | Self::Waiting => true,
            Self::Shipped(_) | Self::Cancelled => false,
        }
    }
}

/// The pieces of a line that stand in one place: all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// The line.
    pub line: OrderLine,
    /// Where it stands.
    pub place: Place,
    /// The version of the product at which the line was first promised. It keeps that through all its moves: older
    /// promises have smaller ones.
    pub age: Version,
    /// The version of the product at which it got there.
    pub since: Version,
    /// Until when it is promised, if that is for a while only. What has ended is not held.
    pub held_until: Option<Timestamp>,
}

impl Part {
    /// Whether it is promised no more at this time, though nobody has given it back yet.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.held_until.is_some_and(|until| until <= now)
    }

    /// The order in which promises are kept: the oldest first, and those of one commit by their lines.
    #[must_use]
    pub fn seniority(&self) -> (Version, &OrderLine) {
        (self.age, &self.line)
    }
}

/// What a change does to one line.
///
/// From nothing to nothing is a move too: the line was turned away, and must have no place still when that is
/// committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The line.
    pub line: OrderLine,
    /// Where the change found it; none, if it had no place.
    pub from: Option<Part>,
    /// Where it goes; none, if it gets no place.
    pub to: Option<Place>,
    /// Until when it is promised there, if that is for a while only.
    pub held_until: Option<Timestamp>,
}

impl Move {
    /// Whether it moves this line, whatever its quantity is before and afterwards.
    #[must_use]
    pub fn is_of(&self, line: &OrderLine) -> bool {
        self.line.is_same(line)
    }

    /// The line's part once the change is committed as this version.
    #[must_use]
    pub fn part_at(&self, version: Version) -> Option<Part> {
        let place = self.to.clone()?;
        // One that was cancelled comes back as a new promise.
        let promised = self.from.as_ref().filter(|from| from.place != Place::Cancelled);
        let age = promised.map_or(version, |from| from.age);
        let held_until = self.held_until.filter(|_| place.is_standing());
        Some(Part { line: self.line.clone(), place, age, since: version, held_until })
    }
}

/// How many parts there are, the sum of the versions since which they stand where they do, and their pieces. A list of
/// parts that agrees in all is complete, also if it comes from an index that may lag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many parts.
    #[serde(rename = "lines")]
    pub count: u32,
    /// The sum of their versions.
    #[serde(rename = "since")]
    pub version_sum: u64,
    /// All the pieces that they ask for.
    #[serde(rename = "qty")]
    pub pieces: u64,
}

impl Tally {
    /// What parts come to.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Self {
        parts.into_iter().fold(Self::default(), Self::with_part)
    }

    /// The same, with one part more.
    #[must_use]
    pub fn with_part(self, part: &Part) -> Self {
        self.with(part.line.qty, part.since)
    }

    pub(crate) fn with(self, pieces: Quantity, since: Version) -> Self {
        Self {
            count: self.count.saturating_add(1),
            version_sum: self.version_sum.wrapping_add(since.0),
            pieces: self.pieces.saturating_add(pieces.get().into()),
        }
    }

    pub(crate) fn without(self, pieces: Quantity, since: Version) -> Self {
        Self {
            count: self.count.saturating_sub(1),
            version_sum: self.version_sum.wrapping_sub(since.0),
            pieces: self.pieces.saturating_sub(pieces.get().into()),
        }
    }
}

/// Lines of one SKU that differ from each other; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkuLines {
    sku: Sku,
    lines: Vec<OrderLine>,
}

impl SkuLines {
    /// Sorts lines by their SKU, otherwise in the order they came, and drops repeated ones. Two of one name that ask for
    /// different quantities are not together.
    #[must_use]
    pub fn of(lines: impl IntoIterator<Item = OrderLine>) -> Vec<Self> {
        let mut sorted: Vec<(Self, HashSet<LineId>)> = Vec::new();
        let mut seen = HashSet::new();
        for line in lines {
            if !seen.insert(line.clone()) {
                continue;
            }
            let id = line.id();
            match sorted.iter_mut().find(|(of_sku, ids)| of_sku.sku == line.sku && !ids.contains(&id)) {
                Some((of_sku, ids)) => {
                    of_sku.lines.push(line);
                    ids.insert(id);
                }
                None => sorted.push((Self { sku: line.sku.clone(), lines: vec![line] }, HashSet::from([id]))),
            }
        }
        sorted.into_iter().map(|(of_sku, _)| of_sku).collect()
    }

    /// What the lines ask for.
    #[must_use]
    pub fn sku(&self) -> &Sku {
        &self.sku
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[OrderLine] {
        &self.lines
    }

    /// The first half of the lines, and the rest. Of a single line, all is in the rest.
    #[must_use]
    pub fn halved(mut self) -> Vec<Self> {
        let rest = self.lines.split_off(self.lines.len() / 2);
        let first = Self { sku: self.sku.clone(), lines: self.lines };
        let halves = [first, Self { sku: self.sku, lines: rest }];
        halves.into_iter().filter(|half| !half.lines.is_empty()).collect()
    }

    /// The lines after the first so many. None: that was all.
    #[must_use]
    pub fn after(mut self, done: usize) -> Option<Self> {
        self.lines.drain(..done.min(self.lines.len()));
        if self.lines.is_empty() { None } else { Some(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(orderid: &str, sku: &str) -> OrderLine {
        OrderLine::unnamed(orderid.try_into().unwrap(), sku.try_into().unwrap(), 1.try_into().unwrap())
    }

    fn lamps(orderids: &[&str]) -> Option<SkuLines> {
        SkuLines::of(orderids.iter().map(|orderid| line(orderid, "LAMP"))).pop()
    }

    #[test]
    fn lines_are_sorted_by_sku_each_once_in_the_order_they_came() {
        let asked = [line("o2", "LAMP"), line("o1", "DESK"), line("o2", "LAMP"), line("o1", "LAMP")];
        let sorted = SkuLines::of(asked);
        let told: Vec<_> = sorted.iter().map(|of_sku| (of_sku.sku().as_str(), of_sku.lines())).collect();
        let (of_lamps, of_desks) = ([line("o2", "LAMP"), line("o1", "LAMP")], [line("o1", "DESK")]);
        assert_eq!(told, [("LAMP", &of_lamps[..]), ("DESK", &of_desks[..])]);
    }

    #[test]
    fn lines_of_one_name_that_differ_are_not_together() {
        let named = |qty: u32| {
            let qty = qty.try_into().unwrap();
            OrderLine { qty, name: "a".try_into().unwrap(), ..line("o1", "LAMP") }
        };
        let sorted = SkuLines::of([named(1), line("o1", "LAMP"), named(2), named(1)]);
        let told: Vec<_> = sorted.iter().map(SkuLines::lines).collect();
        assert_eq!(told, [&[named(1), line("o1", "LAMP")][..], &[named(2)]]);
    }

    #[test]
    fn a_line_is_named_as_it_is_told_or_else_by_its_quantity() {
        let line = |json: &str| serde_json::from_str::<OrderLine>(json).map_err(|error| error.to_string());
        let id = |json: &str| serde_json::from_str::<LineId>(json).map_err(|error| error.to_string());
        let (unnamed, named) =
            (r#"{"orderid":"o1","sku":"S","qty":3}"#, r#"{"orderid":"o1","sku":"S","qty":3,"line":"a"}"#);
        assert_eq!(line(unnamed).unwrap().name.as_str(), "3");
        assert_eq!(line(named).unwrap().name.as_str(), "a");
        assert_eq!(serde_json::to_string(&line(named).unwrap()).unwrap(), named);
        assert_eq!(id(unnamed), Ok(line(unnamed).unwrap().id()));
        assert_eq!(id(r#"{"orderid":"o1","sku":"S","line":"a"}"#), Ok(line(named).unwrap().id()));
        assert_eq!(line(r#"{"orderid":"o1","sku":"S","line":"a"}"#), Err("missing field `qty`".to_owned()));
        assert_eq!(id(r#"{"orderid":"o1","sku":"S"}"#), Err("missing field `line` or `qty`".to_owned()));
    }

    #[test]
    fn a_sku_and_a_lines_name_fit_a_sort_key_together() {
        let read = |sku: usize, name: usize| {
            let (sku, name) = ("🪑".repeat(sku), "é".repeat(name));
            serde_json::from_value::<LineId>(serde_json::json!({"orderid": "o", "sku": sku, "line": name}))
        };
        assert!(read(250, 9).is_ok());
        assert!(read(250, 10).unwrap_err().to_string().contains("1018 bytes in UTF-8 together with sku, not 1020"));
    }

    #[test]
    fn halves_are_the_first_lines_and_the_rest_and_none_is_empty() {
        let halves_of = |orderids| lamps(orderids).unwrap().halved();
        assert_eq!(halves_of(&["o1", "o2", "o3"]), [lamps(&["o1"]).unwrap(), lamps(&["o2", "o3"]).unwrap()]);
        assert_eq!(halves_of(&["o1", "o2", "o3", "o4"]).first(), lamps(&["o1", "o2"]).as_ref());
        assert_eq!(halves_of(&["o1"]), [lamps(&["o1"]).unwrap()]);
    }

    #[test]
    fn lines_after_the_first_so_many_are_left() {
        let left_after = |done| lamps(&["o1", "o2", "o3"]).unwrap().after(done);
        assert_eq!(left_after(0), lamps(&["o1", "o2", "o3"]));
        assert_eq!(left_after(2), lamps(&["o3"]));
        assert_eq!((left_after(3), left_after(4)), (None, None), "that was all");
    }
}
