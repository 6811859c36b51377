//! Where the pieces of a line stand, and how a commit moves them.
//!
//! Mostly, all of a line stands in one place. One that may be split can lie on several batches, and wait for the rest: its
//! parts are so many ranges of its pieces, which have all of them together and none twice.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{BatchRef, LineId, LineName, OrderId, OrderLine, Quantity, Sku, Timestamp, Version};

/// Where pieces of a promised line stand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// Pieces of a line that stand in one place: all of them, unless it is split.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// The line, with as many pieces as stand here.
    pub line: OrderLine,
    /// Which of its pieces these are, if it may be split. None: it stays together.
    pub split: Option<Split>,
    /// Where they stand.
    pub place: Place,
    /// The version of the product at which the line was first promised. It keeps that through all its moves: older
    /// promises have smaller ones.
    pub age: Version,
    /// The version of the product at which they got there.
    pub since: Version,
    /// Until when the line is promised, if that is for a while only. What has ended is not held.
    pub held_until: Option<Timestamp>,
}

/// Which pieces of a line make a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Split {
    /// The first of them, counted from zero.
    pub first: u32,
    /// How many the line has.
    pub of: Quantity,
}

/// The first of the pieces, counted from zero.
pub(crate) fn first(split: Option<Split>) -> u32 {
    split.map_or(0, |split| split.first)
}

/// What names a part, in the order in which parts are stored: its line, and the first of its pieces. So no two parts can
/// get the same name, whoever makes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId {
    /// The line.
    pub line: LineId,
    /// The first of its pieces, counted from zero. Each line has a part with that one.
    pub first: u32,
}

impl PartId {
    /// The first part of a line: all of it, unless it is split.
    #[must_use]
    pub fn first_of(line: LineId) -> Self {
        Self { line, first: 0 }
    }
}

impl Part {
    /// What names it.
    #[must_use]
    pub fn id(&self) -> PartId {
        PartId { line: self.line.id(), first: self.first() }
    }

    /// The first of its pieces, counted from zero.
    #[must_use]
    pub fn first(&self) -> u32 {
        first(self.split)
    }

    /// The line, with all its pieces.
    #[must_use]
    pub fn whole_line(&self) -> OrderLine {
        OrderLine { qty: self.whole_qty(), ..self.line.clone() }
    }

    /// How many pieces its line has.
    #[must_use]
    pub fn whole_qty(&self) -> Quantity {
        self.split.map_or(self.line.qty, |split| split.of)
    }

    /// Whether it has all pieces of its line.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.line.qty == self.whole_qty()
    }

    /// How many pieces a batch must have free to be of use to it while it waits.
    #[must_use]
    pub fn least_share(&self) -> u32 {
        let pieces = self.line.qty.get();
        match self.split.map(Split::least) {
            Some(least) if pieces >= least.saturating_mul(2) => least,
            Some(_) | None => pieces,
        }
    }

    /// Whether it is promised no more at this time, though nobody has given it back yet.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.held_until.is_some_and(|until| until <= now)
    }

    /// The order in which promises are kept: the oldest first, and those of one commit by their lines.
    #[must_use]
    pub fn seniority(&self) -> (Version, &OrderId, &Sku, Quantity, &LineName, u32) {
        let (orderid, sku, name) = self.line.names();
        (self.age, orderid, sku, self.whole_qty(), name, self.first())
    }

    /// Sorts parts by their lines, which come in the order of their first parts. Beside one that has all pieces, others are
    /// left of a line that was shipped long ago, and will be deleted as that one was.
    #[must_use]
    pub fn by_line<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Vec<Vec<&'a Self>> {
        let mut lines: Vec<Vec<&Self>> = Vec::new();
        let mut known: HashMap<(&OrderId, &Sku, &LineName), usize> = HashMap::new();
        for part in parts {
            let index = *known.entry(part.line.names()).or_insert(lines.len());
            match lines.get_mut(index) {
                Some(line) => line.push(part),
                None => lines.push(vec![part]),
            }
        }
        for line in &mut lines {
            line.sort_by_key(|part| part.first());
            if line.first().is_some_and(|first| first.is_whole()) {
                line.truncate(1);
            }
        }
        lines
    }

    /// Whether these parts of one line, sorted, are all that it has: that none lacks or is there twice. Of one that is
    /// shipped, some may have been deleted already.
    #[must_use]
    pub fn are_all(parts: &[&Self]) -> bool {
        let Some(one) = parts.first() else { return false };
        if parts.iter().all(|part| part.place.is_shipped()) {
            return true;
        }
        let mut end = 0_u32;
        let follow = parts.iter().all(|part| {
            let follows = part.first() == end && part.whole_qty() == one.whole_qty();
            end = end.saturating_add(part.line.qty.get());
            follows
        });
        follow && end == one.whole_qty().get()
    }
}

/// What a change does to a part of a line.
///
/// From nothing to nothing is a move too: the line was turned away, and must have no place still when that is
/// committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The line, with the pieces of the part.
    pub line: OrderLine,
    /// Which of its pieces these are, if it may be split.
    pub split: Option<Split>,
    /// Where the change found the part; none, if there was none of that name.
    pub from: Option<Part>,
    /// Where it goes; none, if there is none of that name from then on.
    pub to: Option<Place>,
    /// When the line was first promised; none, if that is by this change.
    pub age: Option<Version>,
    /// Until when it is promised there, if that is for a while only.
    pub held_until: Option<Timestamp>,
}

impl Move {
    /// What names the part.
    #[must_use]
    pub fn id(&self) -> PartId {
        PartId { line: self.line.id(), first: first(self.split) }
    }

    /// Whether it moves this part, whatever its quantity is before and afterwards.
    #[must_use]
    pub fn is_of(&self, part: &Part) -> bool {
        self.line.is_same(&part.line) && first(self.split) == part.first()
    }

    /// Whether the line is turned away, which had no place and gets none.
    #[must_use]
    pub fn turns_away(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// The part once the change is committed as this version.
    #[must_use]
    pub fn part_at(&self, version: Version) -> Option<Part> {
        let place = self.to.clone()?;
        let age = self.age.unwrap_or(version);
        let held_until = self.held_until.filter(|_| place.is_standing());
        Some(Part { line: self.line.clone(), split: self.split, place, age, since: version, held_until })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::*;

    fn part(first: u32, qty: u32, of: u32, place: Place) -> Part {
        let name = of.to_string().as_str().try_into().unwrap();
        let split = Some(Split { first, of: of.try_into().unwrap() });
        Part { split, line: OrderLine { name, ..line("o1", qty) }, place, ..waiting(1, line("o1", qty)) }
    }

    fn are_all(parts: &[Part]) -> bool {
        let lines = Part::by_line(parts);
        assert_eq!(lines.len(), 1);
        Part::are_all(&lines[0])
    }

    #[test]
    fn the_parts_of_a_line_are_all_its_pieces_each_once() {
        let part = |first, qty| part(first, qty, 9, Place::Waiting);
        assert!(are_all(&[part(0, 9)]));
        assert!(are_all(&[part(4, 5), part(0, 4)]), "in whatever order");
        assert!(!are_all(&[part(0, 4)]) && !are_all(&[part(4, 5)]));
        assert!(!are_all(&[part(0, 4), part(5, 4)]) && !are_all(&[part(0, 5), part(4, 5)]));
    }

    #[test]
    fn of_a_line_that_was_shipped_long_ago_parts_may_be_deleted_one_by_one() {
        let shipped = |first, qty| part(first, qty, 9, Place::Shipped("b1".try_into().unwrap()));
        assert!(are_all(&[shipped(4, 3)]));
        // And once its first part is gone, the line may be asked for anew.
        let anew = Part { split: None, ..part(0, 9, 9, Place::Waiting) };
        assert_eq!(Part::by_line(&[anew.clone(), shipped(4, 3)]), [[&anew]]);
    }
}
