//! What is read for a command, and what was found.

use std::collections::BTreeSet;

use domain::{BatchRef, Event, LineId, NewBatch, OrderId, OrderLine, Part, Place, Product, Refusal, Sku};

use super::{Asking, CommitId, StoredPut};
use crate::ports::Timestamp;

/// What to read for a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// Products.
    pub skus: Vec<Sku>,
    /// Lines, as far as they were promised.
    pub lines: Vec<LineId>,
    /// Batches, each of one SKU.
    pub batches: Vec<(Sku, BatchRef)>,
    /// References of which all batches are wanted, whatever their SKU.
    pub references: Vec<BatchRef>,
    /// Whether a line may be taken to be new, and its product to be as it was seen last, until a commit tells.
    pub may_guess: bool,
    /// Whether lines that can't be read may be left out, as if they were not there.
    pub may_skip: bool,
    /// Orders: whether they are cancelled.
    pub orders: Vec<OrderId>,
    /// An order, with all its lines.
    pub whole_order: Option<OrderId>,
}

impl ReadSet {
    /// A line, and its product.
    #[must_use]
    pub fn of_line(id: &LineId) -> Self {
        Self { skus: vec![id.sku.clone()], lines: vec![id.clone()], ..Self::default() }
    }

    /// A line that is new, mostly, its product, and whether its order is cancelled.
    #[must_use]
    pub fn of_new_line(id: &LineId) -> Self {
        Self { may_guess: true, orders: vec![id.orderid.clone()], ..Self::of_line(id) }
    }

    /// Lines of one SKU, their product, and whether their orders are cancelled.
    pub fn of_lines<'a>(sku: &Sku, lines: impl IntoIterator<Item = &'a OrderLine>) -> Self {
        Self::of_ids(sku, lines.into_iter().map(OrderLine::id))
    }

    /// The same of lines that are named.
    pub fn of_ids(sku: &Sku, lines: impl IntoIterator<Item = LineId>) -> Self {
        let lines: Vec<LineId> = lines.into_iter().collect();
        // No store reads one thing twice.
        let orders: BTreeSet<&OrderId> = lines.iter().map(|line| &line.orderid).collect();
        let orders = orders.into_iter().cloned().collect();
        Self { skus: vec![sku.clone()], lines, orders, ..Self::default() }
    }

    /// The batches that lines name, with their products.
    #[must_use]
    pub fn of_batches_of(parts: &[Part]) -> Self {
        let named = parts.iter().filter_map(|part| Some((part.line.sku.clone(), part.place.batch()?.clone())));
        let batches: BTreeSet<(Sku, BatchRef)> = named.collect();
        let skus: BTreeSet<Sku> = batches.iter().map(|(sku, _)| sku.clone()).collect();
        Self { skus: skus.into_iter().collect(), batches: batches.into_iter().collect(), ..Self::default() }
    }

    /// An order, with all its lines.
    #[must_use]
    pub fn of_order(orderid: &OrderId) -> Self {
        Self { whole_order: Some(orderid.clone()), ..Self::default() }
    }

    /// The line that may be taken to be new, if it is all that is asked for beside its product and its order.
    pub(crate) fn new_line(&self) -> Option<&LineId> {
        match (&self.skus[..], &self.lines[..], &self.batches[..], &self.references[..]) {
            ([sku], [line], [], []) if line.sku == *sku && self.may_guess => Some(line),
            _ => None,
        }
    }
}

/// What was read for a command. It is no snapshot: each thing is as of its own last commit, and a commit checks them
/// all.
///
/// It is *closed*: it has the product of each SKU that a found part or batch names, and that product has the counters
/// of each batch that they name, also of a full one. And of each line it has all parts or none.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Products; those of which a batch was ever added.
    pub products: Vec<Stored>,
    /// Where those lines stand that were promised, with all their parts.
    pub parts: Vec<Part>,
    /// Those lines that ask, and were not promised.
    pub asking: Vec<Asking>,
    /// Batches as they were added.
    pub batches: Vec<NewBatch>,
    /// Those orders that are cancelled.
    pub cancelled: Vec<OrderId>,
    /// The order all of whose lines were read. Of these, shipped ones name their batches too, so that it can be shown.
    pub whole_order: Option<OrderId>,
    /// What was last wanted of that order as a whole.
    pub last_put: Option<StoredPut>,
    /// Orders that were asked for and not read. Whether they are cancelled must be seen with the commit.
    pub unread: Vec<OrderId>,
}

/// A product as of its last commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// All batches with free stock, and those full ones that were asked for.
    pub product: Product,
    /// The last commit's id.
    pub commit: CommitId,
    /// When that was made, if it gave places to so many lines that callers had better share the next one.
    pub crowded_at: Option<Timestamp>,
}

/// Lines that get a place by one commit from which on callers share the next one.
pub(crate) const A_CROWD: usize = 3;

impl Stored {
    /// A product as whoever reads it after this commit is shown it.
    #[must_use]
    pub fn after(product: &Product, commit: CommitId, at: Timestamp) -> Self {
        let crowded_at = is_crowd(product.events()).then_some(at);
        Self { product: product.as_stored(), commit, crowded_at }
    }
}

/// Whether these are the events of a commit that gave places to many lines.
#[must_use]
pub fn is_crowd(events: &[Event]) -> bool {
    events.iter().filter(|event| matches!(event, Event::Allocated { .. })).count() >= A_CROWD
}

impl Found {
    /// A product, if it is there.
    #[must_use]
    pub fn product(&self, sku: &Sku) -> Option<&Product> {
        self.products.iter().map(|stored| &stored.product).find(|product| product.sku() == sku)
    }

    /// Where a line stands, if it was promised: its parts, in their order.
    #[must_use]
    pub fn parts_of(&self, id: &LineId) -> Vec<&Part> {
        let of_line = self.parts.iter().filter(|part| id.names(&part.line));
        Part::by_line(of_line).pop().unwrap_or_default()
    }

    /// The parts of a line that was promised.
    ///
    /// # Errors
    /// When it was not.
    pub(crate) fn promised(&self, id: &LineId) -> Result<Vec<&Part>, Refusal> {
        let parts = self.parts_of(id);
        if parts.is_empty() { Err(Refusal::UnknownLine(id.clone())) } else { Ok(parts) }
    }

    /// A line that asks, if it does.
    #[must_use]
    pub fn asking(&self, id: &LineId) -> Option<&Asking> {
        self.asking.iter().find(|asking| id.names(&asking.line))
    }

    /// A batch as it was added, if it is there.
    #[must_use]
    pub fn batch(&self, sku: &Sku, reference: &BatchRef) -> Option<&NewBatch> {
        self.batches.iter().find(|batch| batch.sku == *sku && batch.reference == *reference)
    }

    /// Whether an order is cancelled.
    #[must_use]
    pub fn is_cancelled(&self, orderid: &OrderId) -> bool {
        self.cancelled.contains(orderid)
    }

    /// The products that found parts and batches name, each with the batch that is named, if one is.
    pub fn named(&self) -> impl Iterator<Item = (&Sku, Option<&BatchRef>)> {
        let by_batches = self.batches.iter().map(|batch| (&batch.sku, Some(&batch.reference)));
        let by_parts = self.parts.iter().map(|part| match &part.place {
            Place::Batch(reference) => (&part.line.sku, Some(reference)),
            Place::Shipped(reference) => (&part.line.sku, self.whole_order.is_some().then_some(reference)),
            Place::Waiting | Place::Cancelled => (&part.line.sku, None),
        });
        by_batches.chain(by_parts)
    }

    /// Whether it has all that it names.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let knows = |product: &Product, named: Option<&BatchRef>| {
            named.is_none_or(|reference| product.batch(reference).is_some())
        };
        let is_known = |(sku, named)| self.product(sku).is_some_and(|product| knows(product, named));
        self.split_lines().iter().all(|parts| Part::are_all(parts)) && self.named().all(is_known)
    }

    /// The parts of each line of which not all is in one place.
    #[must_use]
    pub fn split_lines(&self) -> Vec<Vec<&Part>> {
        Part::by_line(self.parts.iter().filter(|part| !part.is_whole()))
    }

    /// The same with these products as they are by now. None if that leaves something open: it must be read again.
    #[must_use]
    pub(crate) fn with(mut self, newer: Vec<Stored>) -> Option<Self> {
        self.products.retain(|stored| newer.iter().all(|newer| newer.product.sku() != stored.product.sku()));
        self.products.extend(newer);
        self.is_closed().then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use testing::{batch, line, new_batch, on_batch, stored_product, waiting};

    use super::*;

    fn stored(sku: &str, batches: &[&str]) -> Stored {
        let batches = batches.iter().map(|reference| batch(reference, sku, 9)).collect();
        Stored { product: stored_product(sku, 7, batches), commit: CommitId(1), crowded_at: None }
    }

    /// What is found of lamps and desks, beside these parts and batches.
    fn found(parts: Vec<Part>, batches: Vec<NewBatch>) -> Found {
        let products = vec![stored("LAMP", &["b1", "b2"]), stored("DESK", &["b3"])];
        Found { products, parts, batches, ..Found::default() }
    }

    fn on(reference: &str, sku: &str) -> Part {
        on_batch(line("o1", sku, 1), &reference.try_into().unwrap(), 3)
    }

    #[test]
    fn what_is_found_is_closed_if_it_has_all_products_and_counters_that_it_names() {
        let is_closed = |parts, batches| found(parts, batches).is_closed();
        assert!(is_closed(Vec::new(), Vec::new()));
        assert!(is_closed(vec![on("b1", "LAMP"), on("b3", "DESK")], vec![new_batch("b2", "LAMP", 9)]));
        assert!(is_closed(vec![waiting(line("o1", "LAMP", 1), 3)], Vec::new()));
        let ended = |sku: &str, place| Part { place, ..on("b1", sku) };
        let shipped = || ended("LAMP", Place::Shipped("b4".try_into().unwrap()));
        assert!(is_closed(vec![ended("DESK", Place::Cancelled), shipped()], Vec::new()), "lines that have ended");
        let whole_order = Some("o1".try_into().unwrap());
        assert!(
            !Found { whole_order, ..found(vec![shipped()], Vec::new()) }.is_closed(),
            "what is to be shown of them"
        );
        assert!(!is_closed(vec![on("b1", "LAMP"), on("b4", "LAMP")], Vec::new()), "a line's batch");
        assert!(!is_closed(vec![on("b1", "BED")], Vec::new()), "a line's product");
        assert!(!is_closed(vec![on("b3", "LAMP")], Vec::new()), "a batch of another product");
        assert!(!is_closed(vec![waiting(line("o1", "BED", 1), 3)], Vec::new()), "the product that a line waits for");
        assert!(!is_closed(Vec::new(), vec![new_batch("b1", "LAMP", 9), new_batch("b4", "LAMP", 9)]), "its counters");
        assert!(!is_closed(Vec::new(), vec![new_batch("b4", "BED", 9)]), "a batch's product");
    }

    #[test]
    fn a_newer_product_takes_the_place_of_the_old_one_unless_it_lacks_what_was_asked_for() {
        let asked = || found(vec![on("b2", "LAMP")], Vec::new());
        let with = |newer: &[&str]| asked().with(vec![stored("LAMP", newer)]);
        let newer = with(&["b2", "b4"]).unwrap();
        let skus: Vec<_> = newer.products.iter().map(|stored| stored.product.sku().as_str()).collect();
        assert_eq!(skus, ["DESK", "LAMP"], "each of them once");
        assert!(newer.product(&"LAMP".try_into().unwrap()).unwrap().batch(&"b4".try_into().unwrap()).is_some());
        assert!(with(&["b1"]).is_none(), "the line's batch is full by now, or nobody knows");
    }

    #[test]
    fn a_line_may_be_taken_to_be_new_if_it_and_its_product_are_all_that_is_asked_for() {
        let [one, other] = ["o1", "o2"].map(|orderid| line(orderid, "LAMP", 1));
        let of_one = || ReadSet::of_new_line(&one.id());
        assert_eq!(of_one().new_line(), Some(&one.id()));
        assert_eq!(ReadSet::of_line(&one.id()).new_line(), None, "whoever ends a line must know it");
        let lines = |sku: &str, lines: &[&OrderLine]| {
            let lines = ReadSet::of_lines(&sku.try_into().unwrap(), lines.iter().copied());
            ReadSet { may_guess: true, ..lines }
        };
        assert_eq!(lines("LAMP", &[&one]).new_line(), Some(&one.id()));
        assert_eq!(lines("LAMP", &[&one, &other]).new_line(), None);
        assert_eq!(lines("DESK", &[&one]).new_line(), None, "another product");
        assert_eq!(ReadSet { batches: vec![(one.sku.clone(), "b1".try_into().unwrap())], ..of_one() }.new_line(), None);
    }
}
