//! The repository of products: what a command reads, what it lists, and what it commits.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;

use domain::{BatchRef, LineId, NewBatch, OrderId, OrderLine, Part, Place, Product, Sku, Tally};

use crate::ports::Timestamp;
use crate::{CorrelationId, Source};

/// The repository of products.
pub trait Products: Send + Sync {
    /// Reads what a command needs, as of the last commits. What is found is closed, see [`Found`].
    fn find(&self, wanted: &ReadSet) -> impl Future<Output = Result<Found, StoreError>> + Send;

    /// Lists parts from an index, which may lag behind the last commits: whether it did, [`Listing::is_complete`]
    /// tells.
    fn list(&self, listing: &Listing) -> impl Future<Output = Result<Vec<Part>, StoreError>> + Send;

    /// Commits, or changes nothing.
    fn commit(&self, commit: Commit<'_>) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl<S: Products> Products for &S {
    async fn find(&self, wanted: &ReadSet) -> Result<Found, StoreError> {
        (**self).find(wanted).await
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Part>, StoreError> {
        (**self).list(listing).await
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        (**self).commit(commit).await
    }
}

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
        let lines: Vec<LineId> = lines.into_iter().map(OrderLine::id).collect();
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
/// of each batch that they name, also of a full one.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Products; those of which a batch was ever added.
    pub products: Vec<Stored>,
    /// Where those lines stand that were promised.
    pub parts: Vec<Part>,
    /// Batches as they were added.
    pub batches: Vec<NewBatch>,
    /// Those orders that are cancelled.
    pub cancelled: Vec<OrderId>,
    /// The order all of whose lines were read. Of these, shipped ones name their batches too, so that it can be shown.
    pub whole_order: Option<OrderId>,
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
}

impl Found {
    /// A product, if it is there.
    #[must_use]
    pub fn product(&self, sku: &Sku) -> Option<&Product> {
        self.products.iter().map(|stored| &stored.product).find(|product| product.sku() == sku)
    }

    /// Where a line stands, if it was promised.
    #[must_use]
    pub fn part(&self, id: &LineId) -> Option<&Part> {
        let is_named = |part: &&Part| {
            let OrderLine { orderid, sku, name, .. } = &part.line;
            (orderid, sku, name) == (&id.orderid, &id.sku, &id.name)
        };
        self.parts.iter().find(is_named)
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
        self.named().all(|(sku, named)| self.product(sku).is_some_and(|product| knows(product, named)))
    }

    /// The same with these products as they are by now. None if that leaves something open: it must be read again.
    #[must_use]
    pub(crate) fn with(mut self, newer: Vec<Stored>) -> Option<Self> {
        self.products.retain(|stored| newer.iter().all(|newer| newer.product.sku() != stored.product.sku()));
        self.products.extend(newer);
        self.is_closed().then_some(self)
    }
}

/// A list of parts that an index keeps, and what shows that the index left nothing out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// All lines of a SKU that wait, the oldest promise first.
    Waiting {
        /// The product.
        sku: Sku,
        /// What the product says that they come to.
        tally: Tally,
    },
    /// All lines on a batch, the oldest promise first.
    OnBatch {
        /// What it holds.
        sku: Sku,
        /// The batch.
        batch: BatchRef,
        /// All the pieces that they hold together.
        allocated: u32,
    },
    /// A batch's lines, the youngest promise first: as many as hold these pieces.
    Youngest {
        /// What it holds.
        sku: Sku,
        /// The batch.
        batch: BatchRef,
        /// Pieces that are wanted.
        pieces: u32,
        /// Most lines.
        at_most: usize,
        /// All the pieces that the batch's lines hold together.
        allocated: u32,
    },
}

impl Listing {
    /// Which of these parts are listed, in the right order.
    #[must_use]
    pub fn select(&self, mut parts: Vec<Part>) -> Vec<Part> {
        match self {
            Self::Waiting { sku, .. } => {
                parts.retain(|part| part.line.sku == *sku && part.place == Place::Waiting);
                parts.sort_by_key(|part| part.age);
            }
            Self::OnBatch { sku, batch, .. } => {
                parts.retain(|part| is_on(part, sku, batch));
                parts.sort_by_key(|part| part.age);
            }
            Self::Youngest { sku, batch, pieces, at_most, .. } => {
                parts.retain(|part| is_on(part, sku, batch));
                parts.sort_by_key(|part| Reverse(part.age));
                let mut needed = Needed { pieces: *pieces, lines: *at_most };
                parts.retain(|part| needed.take(part));
            }
        }
        parts
    }

    /// Whether a list is what was asked for: neither does something lack, nor is something in it that has left.
    #[must_use]
    pub fn is_complete(&self, parts: &[Part]) -> bool {
        match self {
            Self::Waiting { tally, .. } => Tally::of(parts) == *tally,
            Self::OnBatch { sku, batch, allocated } => are_on(parts, sku, batch) && held_by(parts) == *allocated,
            Self::Youngest { sku, batch, pieces, allocated, at_most } => {
                let held = held_by(parts);
                let is_enough = held >= *pieces || parts.len() >= *at_most;
                are_on(parts, sku, batch) && held <= *allocated && is_enough
            }
        }
    }
}

fn is_on(part: &Part, sku: &Sku, batch: &BatchRef) -> bool {
    part.line.sku == *sku && matches!(&part.place, Place::Batch(reference) if reference == batch)
}

/// What is left of another batch's list may hold as many pieces.
fn are_on(parts: &[Part], sku: &Sku, batch: &BatchRef) -> bool {
    parts.iter().all(|part| is_on(part, sku, batch))
}

fn held_by(parts: &[Part]) -> u32 {
    parts.iter().fold(0, |sum, part| sum.saturating_add(part.line.qty.get()))
}

/// What is still to be found of a batch's youngest lines.
#[derive(Clone, Copy, Debug)]
pub struct Needed {
    /// Pieces.
    pub pieces: u32,
    /// Most lines.
    pub lines: usize,
}

impl Needed {
    /// Counts a part, and tells whether it was still needed.
    pub fn take(&mut self, part: &Part) -> bool {
        let needed = !self.is_met();
        self.pieces = self.pieces.saturating_sub(part.line.qty.get());
        self.lines = self.lines.saturating_sub(1);
        needed
    }

    /// Whether nothing more is needed.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.pieces == 0 || self.lines == 0
    }
}

/// Names one attempt to commit, so that a writer whose reply was lost can recognise its own commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitId(pub u64);

impl fmt::Display for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// One commit: all of it happens, or nothing.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// Names this attempt.
    pub id: CommitId,
    /// The products that it changes.
    pub products: &'a [Changed<'a>],
    /// The orders that it cancels, whether or not they were before.
    pub cancelled: &'a [OrderId],
    /// Orders that nobody read, see [`Found::unread`].
    pub unread: &'a [OrderId],
    /// What asked for it. Its events carry this on.
    pub correlation: &'a CorrelationId,
    /// When it is made. Its events tell it.
    pub at: Timestamp,
}

/// A product's part in a commit.
#[derive(Clone, Copy, Debug)]
pub struct Changed<'a> {
    /// The product that was read; none before its first batch. It must still be the stored one.
    pub before: Option<&'a Product>,
    /// The product with its change, its events, its moves and the batches it adds. Each moved line must still be where
    /// it was, and no batch of its SKU may have the reference of one that is added.
    pub after: &'a Product,
}

/// Why a store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another commit came first; nothing was changed. If products alone were in the way, the store may hand back those
    /// that were, as they are now.
    #[error("another change came first")]
    Conflict(Vec<Stored>),
    /// Throttled, timed out or out of reach. A commit may have taken effect all the same.
    #[error("the store does not answer")]
    Unavailable(#[source] Source),
    /// What trying again does not mend.
    #[error("the store failed")]
    Fault(#[source] Source),
}

#[cfg(test)]
mod tests {
    use testing::{batch, line, new_batch, on_batch, stored_product, waiting};

    use super::*;

    fn stored(sku: &str, batches: &[&str]) -> Stored {
        let batches = batches.iter().map(|reference| batch(reference, sku, 9)).collect();
        Stored { product: stored_product(sku, 7, batches), commit: CommitId(1) }
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
    fn a_list_of_waiting_lines_is_complete_if_it_comes_to_what_the_product_counted() {
        let [old, young, stale, both] = [3, 5, 4, 8].map(|since| waiting(line(&format!("o{since}"), "LAMP", 1), since));
        let tally = Tally { count: 2, version_sum: 8, pieces: 2 };
        let is_complete = |parts: &[&Part]| {
            let parts: Vec<Part> = parts.iter().map(|part| (*part).clone()).collect();
            Listing::Waiting { sku: "LAMP".try_into().unwrap(), tally }.is_complete(&parts)
        };
        assert!(is_complete(&[&old, &young]) && is_complete(&[&young, &old]));
        assert!(!is_complete(&[]) && !is_complete(&[&old]), "the index lags");
        assert!(!is_complete(&[&stale, &young]), "as many, but one of them has left");
        assert!(!is_complete(&[&old, &young, &stale]), "one that has left is among them");
        assert!(!is_complete(&[&both]), "the same sum of versions, but one lacks");
    }

    #[test]
    fn a_batchs_youngest_lines_are_complete_if_they_hold_what_is_wanted_and_not_more_than_there_is() {
        let lines = |pieces: &[u32]| -> Vec<Part> {
            let of = |qty: &u32| on_batch(line("o1", "LAMP", *qty), &"b1".try_into().unwrap(), 3);
            pieces.iter().map(of).collect()
        };
        let listing = |pieces, allocated| Listing::Youngest {
            sku: "LAMP".try_into().unwrap(),
            batch: "b1".try_into().unwrap(),
            pieces,
            at_most: 1_000,
            allocated,
        };
        let is_complete = |pieces: &[u32]| listing(5, 9).is_complete(&lines(pieces));
        assert!(is_complete(&[3, 2]) && is_complete(&[9]));
        assert!(!is_complete(&[]) && !is_complete(&[4]), "the index lags");
        let others = [on_batch(line("o1", "DESK", 9), &"b1".try_into().unwrap(), 3)];
        assert!(!listing(5, 9).is_complete(&others), "of a batch that shares the reference");
        let on_batch =
            Listing::OnBatch { sku: "LAMP".try_into().unwrap(), batch: "b1".try_into().unwrap(), allocated: 9 };
        assert!(on_batch.is_complete(&lines(&[3, 6])) && !on_batch.is_complete(&others));
        assert!(!is_complete(&[3, 7]), "one that has left is among them");
        assert!(!is_complete(&[u32::MAX, 6]), "so many that no counter holds them");
        // The most that may be listed will do, however many pieces are wanted.
        let is_enough = |count: usize| listing(2_000, 2_000).is_complete(&lines(&vec![1; count]));
        assert!(is_enough(1_000) && !is_enough(999));
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

    #[test]
    fn a_commits_id_is_written_in_sixteen_digits() {
        assert_eq!(CommitId(255).to_string(), "00000000000000ff");
    }
}
