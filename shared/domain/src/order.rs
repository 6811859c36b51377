//! What an order wants, as a whole.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{LineId, OrderId, OrderLine, Refusal, Sku, Timestamp};

/// The lines that an order is to have: none twice, and no more than one commit surely holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedOrder {
    orderid: OrderId,
    lines: Vec<OrderLine>,
}

/// The shop's own count of what it wants of an order: what is wanted later has a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderVersion(pub u64);

/// What was last wanted of an order as a whole, and carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastPut {
    /// Its version, if it had one.
    pub version: Option<OrderVersion>,
    /// What tells it from all else that could have been wanted.
    pub content: String,
}

impl LastPut {
    /// Whether what is wanted with a version now was carried out before: it is the last, once more.
    ///
    /// # Errors
    /// When something else was wanted since; or the last had a version and this has none, so that nobody knows which is
    /// newer.
    pub fn is_repeated(
        &self,
        orderid: &OrderId,
        version: Option<OrderVersion>,
        content: &str,
    ) -> Result<bool, Refusal> {
        let Some(stored) = self.version else { return Ok(false) };
        match version {
            Some(version) if version > stored => Ok(false),
            Some(version) if version == stored && content == self.content => Ok(true),
            Some(_) | None => Err(Refusal::OrderOutdated { orderid: orderid.clone(), stored }),
        }
    }
}

/// What happens to lines that fit on no batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum IfShort {
    /// Nothing changes, for none of the order's lines.
    #[default]
    Refuse,
    /// They are left out.
    Partial,
    /// They wait for stock.
    Wait,
}

/// On which terms an order wants its lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What happens to lines that are short.
    pub if_short: IfShort,
    /// Until when lines are promised that are not promised for good yet. None: all are, from now on.
    pub hold_until: Option<Timestamp>,
    /// Whether a line that fits on no batch by itself may lie on several.
    pub may_split: bool,
}

impl TryFrom<String> for IfShort {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "refuse" => Ok(Self::Refuse),
            "partial" => Ok(Self::Partial),
            "wait" => Ok(Self::Wait),
            _ => Err("must be refuse, partial or wait"),
        }
    }
}

/// Why lines can't be what an order wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongOrder {
    /// There are too many.
    #[error("must be at most {}, not {lines}", WantedOrder::MOST_LINES)]
    TooManyLines {
        /// How many.
        lines: usize,
    },
    /// One of them repeats an earlier one.
    #[error("is named twice")]
    RepeatedLine {
        /// Its position, from zero.
        index: usize,
    },
    /// One of them is another order's.
    #[error("is of another order")]
    ForeignLine {
        /// Its position, from zero.
        index: usize,
    },
}

impl WantedOrder {
    /// Most lines. Each new one may be of a product of its own and fill a batch, which makes three stored items; a
    /// transaction has a hundred.
    pub const MOST_LINES: usize = 30;

    /// The lines of an order.
    ///
    /// # Errors
    /// When there are too many, one of them comes twice, or is another order's.
    pub fn of(orderid: OrderId, lines: Vec<OrderLine>) -> Result<Self, WrongOrder> {
        if lines.len() > Self::MOST_LINES {
            return Err(WrongOrder::TooManyLines { lines: lines.len() });
        }
        let mut seen: HashSet<LineId> = HashSet::new();
        for (index, line) in lines.iter().enumerate() {
            if line.orderid != orderid {
                return Err(WrongOrder::ForeignLine { index });
            }
            if !seen.insert(line.id()) {
                return Err(WrongOrder::RepeatedLine { index });
            }
        }
        Ok(Self { orderid, lines })
    }

    /// Whose lines they are.
    #[must_use]
    pub fn orderid(&self) -> &OrderId {
        &self.orderid
    }

    /// The lines, as they were given.
    #[must_use]
    pub fn lines(&self) -> &[OrderLine] {
        &self.lines
    }

    /// Those of one SKU.
    #[must_use]
    pub fn lines_of(&self, sku: &Sku) -> Vec<OrderLine> {
        self.lines.iter().filter(|line| line.sku == *sku).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::line;

    #[test]
    fn what_is_wanted_last_is_what_counts() {
        let orderid = OrderId::try_from("o1").unwrap();
        let last = LastPut { version: Some(OrderVersion(7)), content: "seven".to_owned() };
        let outdated = Err(Refusal::OrderOutdated { orderid: orderid.clone(), stored: OrderVersion(7) });
        for (version, content, expected) in [
            (Some(8), "eight", Ok(false)),
            (Some(8), "seven", Ok(false)),
            (Some(7), "seven", Ok(true)),
            (Some(7), "other", outdated.clone()),
            (Some(6), "seven", outdated.clone()),
            (None, "seven", outdated),
        ] {
            let repeated = last.is_repeated(&orderid, version.map(OrderVersion), content);
            assert_eq!(repeated, expected, "{version:?} {content}");
        }
        let last = LastPut { version: None, content: "first".to_owned() };
        for version in [None, Some(OrderVersion(1))] {
            assert_eq!(last.is_repeated(&orderid, version, "first"), Ok(false), "its lines tell");
        }
    }

    #[test]
    fn an_order_wants_each_line_once_and_not_too_many() {
        let orderid = || OrderId::try_from("o1").unwrap();
        let numbered = |count: u32| (1..=count).map(|qty| line("o1", qty)).collect();
        assert_eq!(WantedOrder::of(orderid(), numbered(30)).unwrap().lines().len(), 30);
        assert_eq!(WantedOrder::of(orderid(), numbered(31)), Err(WrongOrder::TooManyLines { lines: 31 }));
        assert_eq!(WantedOrder::of(orderid(), Vec::new()).unwrap().lines(), []);
        let repeated = vec![line("o1", 1), line("o1", 2), line("o1", 1)];
        assert_eq!(WantedOrder::of(orderid(), repeated), Err(WrongOrder::RepeatedLine { index: 2 }));
        let foreign = vec![line("o1", 1), line("o2", 2)];
        assert_eq!(WantedOrder::of(orderid(), foreign), Err(WrongOrder::ForeignLine { index: 1 }));
    }
}
