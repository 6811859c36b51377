//! Order lines, and what names them.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{LineName, OrderId, Quantity, Sku};

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
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.names() == other.names()
    }

    pub(crate) fn names(&self) -> (&OrderId, &Sku, &LineName) {
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
/// What the name of a part takes of that: a separator, and the first of its pieces in eight digits.
const PART_BYTES: usize = 9;

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

    /// Whether there is room for the key of a part of the line.
    ///
    /// # Errors
    /// When the names are too long together. Says which field is wrong.
    pub fn check_for_parts(&self) -> Result<(), String> {
        let (bytes, most) = (self.bytes(), NAMES_BYTES.saturating_sub(PART_BYTES));
        if bytes <= most {
            return Ok(());
        }
        Err(format!("line: must have at most {most} bytes in UTF-8 together with sku if it may be split, not {bytes}"))
    }

    fn bytes(&self) -> usize {
        self.sku.as_str().len().saturating_add(self.name.as_str().len())
    }

    /// What names the line that has this name or, where nobody gave it one, this quantity.
    ///
    /// # Errors
    /// When there is neither, or the names are too long together. Says which field is wrong.
    pub fn named(orderid: OrderId, sku: Sku, line: Option<LineName>, qty: Option<Quantity>) -> Result<Self, String> {
        let name = line.or(qty.map(LineName::from)).ok_or("missing field `line` or `qty`")?;
        let id = Self { orderid, sku, name };
        let bytes = id.bytes();
        if bytes > NAMES_BYTES {
            return Err(format!("line: must have at most {NAMES_BYTES} bytes in UTF-8 together with sku, not {bytes}"));
        }
        Ok(id)
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
