//! What the rows of one product add up to, held against its counters. Pure: rows come in, drift comes out.

use std::collections::{BTreeMap, BTreeSet};

use adapters::dynamodb::Row;
use domain::{Batch, BatchRef, NewBatch, Place, Placed, Product, Sku, Version, Waiting};

/// A counter that the rows contradict, or rows that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each says itself what it means")]
pub enum Drift {
    #[error("{batches} batches and {lines} lines belong to a product without a head")]
    NoHead { batches: usize, lines: u64 },
    #[error("batch {batch}: {allocated} pieces are counted as allocated, but its {lines} lines hold {pieces}")]
    Allocated { batch: BatchRef, allocated: u32, lines: u64, pieces: u64 },
    #[error("batch {batch} is oversold: {allocated} allocated of {purchased}")]
    Oversold { batch: BatchRef, allocated: u32, purchased: u32 },
    #[error("the head counts {} waiting lines (sum of versions {}), but {} wait ({})", counted.lines, counted.since, found.lines, found.since)]
    Waiting { counted: Waiting, found: Waiting },
    #[error("{lines} lines stand on batch {batch}, which does not exist")]
    NoBatch { batch: BatchRef, lines: u64 },
    #[error("{lines} lines stand on batch {batch}, which holds {holds}")]
    OtherSku { batch: BatchRef, lines: u64, holds: Sku },
    #[error("batch {batch} is in the head, but has no item")]
    OpenWithoutItem { batch: BatchRef },
    #[error("batch {batch} is in the head, but its item says that it is full")]
    OpenAndFull { batch: BatchRef },
    #[error("batch {batch} is in the head, but has no free stock")]
    OpenWithoutStock { batch: BatchRef },
    #[error("batch {batch} is in the head twice")]
    OpenTwice { batch: BatchRef },
    #[error("batch {batch} is neither in the head nor full")]
    Nowhere { batch: BatchRef },
    #[error("batch {batch} is kept as full, but has {free} free")]
    FullWithStock { batch: BatchRef, free: u32 },
    #[error("batch {batch} was announced otherwise than its counters say: reference, ETA or first quantity differ")]
    Announced { batch: BatchRef },
    #[error("a line got to its place at version {since}, but the product is at {version}")]
    FromTheFuture { since: Version, version: Version },
    #[error("stock is owed to waiting lines, but none waits")]
    BacklogWithoutLines,
    #[error("a line of {qty} waits beside batch {batch}, which has {free} free, and nothing is owed")]
    WaitsBesideStock { batch: BatchRef, free: u32, qty: u32 },
}

/// The rows of one product, added up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    head: Option<Product>,
    batches: BTreeMap<BatchRef, (NewBatch, Option<Batch>)>,
    standing: BTreeMap<BatchRef, Standing>,
    waiting: Waiting,
    smallest_waiting: Option<u32>,
    newest: Version,
}

/// The lines on one batch.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    lines: u64,
    pieces: u64,
}

impl Tally {
    pub(crate) fn add_head(&mut self, product: Product) {
        self.head = Some(product);
    }

    pub(crate) fn add_batch(&mut self, announced: NewBatch, full: Option<Batch>) {
        self.batches.insert(announced.reference.clone(), (announced, full));
    }

    pub(crate) fn add_line(&mut self, placed: &Placed) {
        let qty = placed.line.qty.get();
        self.newest = self.newest.max(placed.position.since);
        match &placed.position.place {
            Place::Batch(batch) => {
                let standing = self.standing.entry(batch.clone()).or_default();
                standing.lines = standing.lines.saturating_add(1);
                standing.pieces = standing.pieces.saturating_add(qty.into());
            }
            Place::Waiting => {
                let Waiting { lines, since } = Waiting::of(std::slice::from_ref(placed));
                self.waiting.lines = self.waiting.lines.saturating_add(lines);
                self.waiting.since = self.waiting.since.wrapping_add(since);
                self.smallest_waiting = Some(self.smallest_waiting.map_or(qty, |other| other.min(qty)));
            }
        }
    }

    pub(crate) fn add_lines<'a>(&mut self, lines: impl IntoIterator<Item = &'a Placed>) {
        for placed in lines {
            self.add_line(placed);
        }
    }

    /// All batches that any row speaks of.
    pub(crate) fn references(&self) -> BTreeSet<BatchRef> {
        let open = self.head.iter().flat_map(Product::batches).map(|batch| &batch.reference);
        open.chain(self.batches.keys()).chain(self.standing.keys()).cloned().collect()
    }

    /// What does not agree. Rows read at different moments seem to drift, too.
    pub(crate) fn drift(&self, sku: &Sku) -> Vec<Drift> {
        let mut drift = Vec::new();
        let Some(head) = &self.head else {
            let standing = self.standing.values().fold(0_u64, |sum, standing| sum.saturating_add(standing.lines));
            let (batches, lines) = (self.own_batches(sku).count(), standing.saturating_add(self.waiting.lines.into()));
            if batches > 0 || lines > 0 {
                drift.push(Drift::NoHead { batches, lines });
            }
            return drift;
        };
        self.check_open(head, &mut drift);
        self.check_items(head, sku, &mut drift);
        for (batch, Standing { lines, .. }) in &self.standing {
            match self.batches.get(batch) {
                None => drift.push(Drift::NoBatch { batch: batch.clone(), lines: *lines }),
                Some((announced, _)) if announced.sku != *sku => {
                    let holds = announced.sku.clone();
                    drift.push(Drift::OtherSku { batch: batch.clone(), lines: *lines, holds });
                }
                Some(_) => {}
            }
        }
        if self.waiting != head.waiting() {
            drift.push(Drift::Waiting { counted: head.waiting(), found: self.waiting });
        }
        if self.newest > head.version() {
            drift.push(Drift::FromTheFuture { since: self.newest, version: head.version() });
        }
        self.check_backlog(head, &mut drift);
        drift
    }

    fn own_batches(&self, sku: &Sku) -> impl Iterator<Item = &(NewBatch, Option<Batch>)> {
        self.batches.values().filter(move |(announced, _)| announced.sku == *sku)
    }

    /// The head's batches: those with free stock, each once, and each with an item.
    fn check_open(&self, head: &Product, drift: &mut Vec<Drift>) {
        let mut seen = BTreeSet::new();
        for open in head.batches() {
            let batch = open.reference.clone();
            if !seen.insert(&open.reference) {
                drift.push(Drift::OpenTwice { batch: batch.clone() });
            }
            if open.free() == 0 && open.allocated <= open.purchased {
                drift.push(Drift::OpenWithoutStock { batch: batch.clone() });
            }
            if !self.batches.contains_key(&batch) {
                drift.push(Drift::OpenWithoutItem { batch });
            }
            self.check_counters(open, drift);
        }
    }

    /// The batches' own items: each is in the head, or else full.
    fn check_items(&self, head: &Product, sku: &Sku, drift: &mut Vec<Drift>) {
        for (announced, full) in self.own_batches(sku) {
            let batch = announced.reference.clone();
            let open = head.batch(&batch);
            match (open, full) {
                (Some(_), Some(_)) => drift.push(Drift::OpenAndFull { batch: batch.clone() }),
                (None, None) => drift.push(Drift::Nowhere { batch: batch.clone() }),
                (Some(_), None) | (None, Some(_)) => {}
            }
            if let (None, Some(full)) = (open, full) {
                if full.free() > 0 {
                    drift.push(Drift::FullWithStock { batch: batch.clone(), free: full.free() });
                }
                self.check_counters(full, drift);
            }
            let as_announced = |counters: &Batch| {
                counters.reference == announced.reference
                    && counters.eta == announced.eta
                    && (counters.revision.is_some() || counters.purchased == announced.qty.get())
            };
            if !open.into_iter().chain(full).all(as_announced) {
                drift.push(Drift::Announced { batch });
            }
        }
    }

    fn check_counters(&self, counters: &Batch, drift: &mut Vec<Drift>) {
        let Batch { reference, purchased, allocated, .. } = counters;
        let Standing { lines, pieces } = self.standing.get(reference).copied().unwrap_or_default();
        if u64::from(*allocated) != pieces {
            drift.push(Drift::Allocated { batch: reference.clone(), allocated: *allocated, lines, pieces });
        }
        if allocated > purchased {
            let (allocated, purchased) = (*allocated, *purchased);
            drift.push(Drift::Oversold { batch: reference.clone(), allocated, purchased });
        }
    }

    fn check_backlog(&self, head: &Product, drift: &mut Vec<Drift>) {
        if head.has_backlog() {
            if head.waiting().lines == 0 {
                drift.push(Drift::BacklogWithoutLines);
            }
            return;
        }
        let room = head.batches().iter().max_by_key(|batch| batch.free());
        if let (Some(qty), Some(batch)) = (self.smallest_waiting, room)
            && batch.free() >= qty
        {
            drift.push(Drift::WaitsBesideStock { batch: batch.reference.clone(), free: batch.free(), qty });
        }
    }
}

/// The rows of all products, added up by SKU.
#[derive(Debug, Default)]
pub(crate) struct Tallies(BTreeMap<Sku, Tally>);

impl Tallies {
    pub(crate) fn add(&mut self, row: Row) {
        match row {
            Row::Head(product) => self.of(&product.sku().clone()).add_head(product),
            Row::Batch(announced, full) => self.of(&announced.sku.clone()).add_batch(announced, full),
            Row::Line(placed) => self.of(&placed.line.sku).add_line(&placed),
            Row::Inbox => {}
        }
    }

    fn of(&mut self, sku: &Sku) -> &mut Tally {
        self.0.entry(sku.clone()).or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Products whose rows seem to drift, each with the batches to look at again.
    pub(crate) fn suspects(&self) -> impl Iterator<Item = (Sku, BTreeSet<BatchRef>)> {
        let suspect = self.0.iter().filter(|(sku, tally)| !tally.drift(sku).is_empty());
        suspect.map(|(sku, tally)| (sku.clone(), tally.references()))
    }
}

#[cfg(test)]
mod tests {
    use domain::{OrderLine, Position, Revision};

    use super::*;

    fn sku() -> Sku {
        "LAMP".try_into().unwrap()
    }

    fn announced(reference: &str, sku: &str, qty: u32) -> NewBatch {
        NewBatch {
            reference: reference.try_into().unwrap(),
            sku: sku.try_into().unwrap(),
            qty: qty.try_into().unwrap(),
            eta: None,
        }
    }

    fn counters(reference: &str, purchased: u32, allocated: u32) -> Batch {
        let revision = Some(Revision::Version(1));
        Batch { purchased, allocated, revision, ..Batch::from(announced(reference, "LAMP", 1)) }
    }

    fn line(orderid: &str, qty: u32, place: Place, since: u64) -> Placed {
        let line = OrderLine { orderid: orderid.try_into().unwrap(), sku: sku(), qty: qty.try_into().unwrap() };
        Placed { line, position: Position { place, since: Version(since) } }
    }

    fn on(reference: &str) -> Place {
        Place::Batch(reference.try_into().unwrap())
    }

    /// A product at version 9: an open batch of 10 with 4 allocated, a full one of 3, a line of 7 that waits.
    struct Rows {
        open: Vec<Batch>,
        items: Vec<(NewBatch, Option<Batch>)>,
        lines: Vec<Placed>,
        waiting: Waiting,
        backlog: bool,
    }

    fn healthy() -> Rows {
        Rows {
            open: vec![counters("open", 10, 4)],
            items: vec![
                (announced("open", "LAMP", 10), None),
                (announced("full", "LAMP", 5), Some(counters("full", 3, 3))),
            ],
            lines: vec![
                line("o1", 4, on("open"), 9),
                line("o2", 1, on("full"), 3),
                line("o3", 2, on("full"), 4),
                line("o4", 7, Place::Waiting, 6),
            ],
            waiting: Waiting { lines: 1, since: 6 },
            backlog: false,
        }
    }

    fn told(change: impl FnOnce(&mut Rows)) -> Vec<String> {
        let mut rows = healthy();
        change(&mut rows);
        let mut tally = Tally::default();
        tally.add_head(Product::restore(sku(), Version(9), rows.open, rows.waiting, rows.backlog));
        for (announced, full) in rows.items {
            tally.add_batch(announced, full);
        }
        tally.add_lines(&rows.lines);
        tally.drift(&sku()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rows_that_agree_are_no_drift() {
        assert_eq!(told(|_| {}), [""; 0]);
        assert_eq!(told(|rows| rows.backlog = true), [""; 0], "a debt that is not paid yet");
    }

    #[test]
    fn counters_and_lines() {
        assert_eq!(
            told(|rows| rows.open[0].allocated = 5),
            ["batch open: 5 pieces are counted as allocated, but its 1 lines hold 4"]
        );
        assert_eq!(
            told(|rows| drop(rows.lines.remove(2))),
            ["batch full: 3 pieces are counted as allocated, but its 1 lines hold 1"]
        );
        assert_eq!(told(|rows| rows.open[0].purchased = 3), ["batch open is oversold: 4 allocated of 3"]);
        assert_eq!(
            told(|rows| rows.lines[0].position.since = Version(10)),
            ["a line got to its place at version 10, but the product is at 9"]
        );
    }

    #[test]
    fn waiting_lines() {
        assert_eq!(
            told(|rows| rows.waiting.lines = 2),
            ["the head counts 2 waiting lines (sum of versions 6), but 1 wait (6)"]
        );
        assert_eq!(
            told(|rows| rows.lines[3].position.since = Version(7)),
            ["the head counts 1 waiting lines (sum of versions 6), but 1 wait (7)"]
        );
        assert_eq!(
            told(|rows| rows.open[0].purchased = 11),
            ["a line of 7 waits beside batch open, which has 7 free, and nothing is owed"]
        );
        let nobody_waits = |rows: &mut Rows| {
            rows.lines.pop();
            (rows.waiting, rows.backlog) = (Waiting::default(), true);
        };
        assert_eq!(told(nobody_waits), ["stock is owed to waiting lines, but none waits"]);
    }

    #[test]
    fn batches_in_the_head_and_by_themselves() {
        assert_eq!(
            told(|rows| rows.items[0].1 = Some(counters("open", 10, 4))),
            ["batch open is in the head, but its item says that it is full"]
        );
        assert_eq!(told(|rows| rows.items[1].1 = None), ["batch full is neither in the head nor full"]);
        assert_eq!(
            told(|rows| drop(rows.items.remove(0))),
            ["batch open is in the head, but has no item", "1 lines stand on batch open, which does not exist"]
        );
        assert_eq!(
            told(|rows| rows.items[1].1 = Some(counters("full", 4, 3))),
            ["batch full is kept as full, but has 1 free"]
        );
        assert_eq!(told(|rows| rows.open[0].purchased = 4), ["batch open is in the head, but has no free stock"]);
        assert_eq!(told(|rows| rows.open.push(rows.open[0].clone())), ["batch open is in the head twice"]);
        assert_eq!(
            told(|rows| rows.items[0].0.sku = "DESK".try_into().unwrap()),
            ["1 lines stand on batch open, which holds DESK"]
        );
    }

    #[test]
    fn a_batch_that_never_changed_is_as_it_was_announced() {
        let otherwise =
            "batch open was announced otherwise than its counters say: reference, ETA or first quantity differ";
        assert_eq!(told(|rows| rows.open[0].revision = None), [""; 0]);
        let other_eta = |rows: &mut Rows| rows.open[0].eta = Some("2011-01-02".to_owned().try_into().unwrap());
        assert_eq!(told(other_eta), [otherwise]);
        let other_qty = |rows: &mut Rows| {
            rows.open[0].revision = None;
            rows.items[0].0.qty = 11.try_into().unwrap();
        };
        assert_eq!(told(other_qty), [otherwise]);
    }

    #[test]
    fn rows_without_a_head() {
        let mut tally = Tally::default();
        assert_eq!(tally.drift(&sku()), []);
        tally.add_line(&line("o1", 1, on("b"), 1));
        tally.add_batch(announced("b", "LAMP", 1), None);
        assert_eq!(tally.drift(&sku()), [Drift::NoHead { batches: 1, lines: 1 }]);
    }
}
