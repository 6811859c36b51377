//! What the rows of one product add up to, held against its counters. Pure: rows come in, drift comes out.

use std::collections::{BTreeMap, BTreeSet};

use adapters::dynamodb::Row;
use domain::{Batch, BatchRef, Held, LineId, NewBatch, Part, Place, Product, Quantity, Sku, Tally, Timestamp, Version};

/// A counter that the rows contradict, or rows that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each says itself what it means")]
pub enum Drift {
    #[error("{batches} batches and {lines} lines belong to a product without a head")]
    NoHead { batches: usize, lines: u64 },
    #[error("batch {batch}: {allocated} pieces are counted as allocated, but its {lines} lines hold {pieces}")]
    Allocated { batch: BatchRef, allocated: u32, lines: u64, pieces: u64 },
    #[error("batch {batch} is oversold: {bound} allocated or shipped of {purchased}")]
    Oversold { batch: BatchRef, bound: u32, purchased: u32 },
    #[error("the head counts {} waiting lines ({} pieces, sum of versions {}), but {} wait ({}, {})", counted.count, counted.pieces, counted.version_sum, found.count, found.pieces, found.version_sum)]
    Waiting { counted: Tally, found: Tally },
    #[error("the head counts {} held lines ({} pieces, sum of versions {}), but {} are held ({}, {})", counted.count, counted.pieces, counted.version_sum, found.count, found.pieces, found.version_sum)]
    Held { counted: Tally, found: Tally },
    #[error("a line is due at {due:?}, before the head looks for one, at {looked:?}")]
    DueBefore { due: Timestamp, looked: Option<Timestamp> },
    #[error("{lines} lines stand on batch {batch}, which does not exist")]
    NoBatch { batch: BatchRef, lines: u64 },
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
    #[error("batch {batch} was added otherwise than its counters say: reference, ETA or first quantity differ")]
    AddedOtherwise { batch: BatchRef },
    #[error("line {:?} of order {:?} has {qty} pieces, but its {parts} parts have {pieces}, or have one twice", .line.name.as_str(), .line.orderid.as_str())]
    Parts { line: LineId, qty: Quantity, parts: usize, pieces: u64 },
    #[error("a line got to its place at version {since}, but the product is at {version}")]
    FromTheFuture { since: Version, version: Version },
    #[error("stock is owed to waiting lines, but none waits")]
    BacklogWithoutLines,
    #[error("a line that takes {qty} waits beside batch {batch}, which has {free} free, and nothing is owed")]
    WaitsBesideStock { batch: BatchRef, free: u32, qty: u32 },
    #[error("a line of {qty} counts as refused, but batch {batch} has {free} free: a refusal would not be told")]
    RefusedBesideStock { batch: BatchRef, free: u32, qty: u32 },
}

/// The rows of one product, added up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    head: Option<Product>,
    batches: BTreeMap<BatchRef, (NewBatch, Option<Batch>)>,
    standing: BTreeMap<BatchRef, Standing>,
    waiting: Tally,
    held: Tally,
    first_due: Option<Timestamp>,
    smallest_waiting: Option<u32>,
    newest: Version,
    /// Those of lines that are split, and have not ended.
    parts: Vec<Part>,
}

/// The lines on one batch.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    lines: u64,
    pieces: u64,
}

impl Sums {
    pub(crate) fn add_head(&mut self, product: Product) {
        self.head = Some(product);
    }

    pub(crate) fn add_batch(&mut self, added: NewBatch, full: Option<Batch>) {
        self.batches.insert(added.reference.clone(), (added, full));
    }

    pub(crate) fn add_part(&mut self, part: &Part) {
        let qty = part.line.qty.get();
        self.newest = self.newest.max(part.since);
        if let Some(until) = part.held_until {
            self.held = self.held.with_part(part);
            self.first_due = self.first_due.into_iter().chain([until]).min();
        }
        if part.place.is_standing() && !part.is_whole() {
            self.parts.push(part.clone());
        }
        match &part.place {
            Place::Batch(batch) => {
                let standing = self.standing.entry(batch.clone()).or_default();
                standing.lines = standing.lines.saturating_add(1);
                standing.pieces = standing.pieces.saturating_add(qty.into());
            }
            Place::Waiting => {
                self.waiting = self.waiting.with_part(part);
                let share = part.least_share();
                self.smallest_waiting = Some(self.smallest_waiting.map_or(share, |other| other.min(share)));
            }
            // These expire, and no counter says how many are left.
            Place::Shipped(_) | Place::Cancelled => {}
        }
    }

    pub(crate) fn add_parts<'a>(&mut self, parts: impl IntoIterator<Item = &'a Part>) {
        for part in parts {
            self.add_part(part);
        }
    }

    /// All batches that any row speaks of.
    pub(crate) fn references(&self) -> BTreeSet<BatchRef> {
        let open = self.head.iter().flat_map(Product::batches).map(|batch| &batch.reference);
        open.chain(self.batches.keys()).chain(self.standing.keys()).cloned().collect()
    }

    /// What does not agree. Rows read at different moments seem to drift, too.
    pub(crate) fn drift(&self) -> Vec<Drift> {
        let mut drift = Vec::new();
        let Some(head) = &self.head else {
            let standing = self.standing.values().fold(0_u64, |sum, standing| sum.saturating_add(standing.lines));
            let (batches, lines) = (self.batches.values().count(), standing.saturating_add(self.waiting.count.into()));
            if batches > 0 || lines > 0 {
                drift.push(Drift::NoHead { batches, lines });
            }
            return drift;
        };
        self.check_open(head, &mut drift);
        self.check_items(head, &mut drift);
        for (batch, Standing { lines, .. }) in &self.standing {
            if !self.batches.contains_key(batch) {
                drift.push(Drift::NoBatch { batch: batch.clone(), lines: *lines });
            }
        }
        if self.waiting != head.waiting() {
            drift.push(Drift::Waiting { counted: head.waiting(), found: self.waiting });
        }
        let Held { tally, due: looked } = head.held();
        if self.held != tally {
            drift.push(Drift::Held { counted: tally, found: self.held });
        }
        if let Some(due) = self.first_due.filter(|due| looked.is_none_or(|looked| *due < looked)) {
            drift.push(Drift::DueBefore { due, looked });
        }
        if self.newest > head.version() {
            drift.push(Drift::FromTheFuture { since: self.newest, version: head.version() });
        }
        self.check_parts(&mut drift);
        self.check_backlog(head, &mut drift);
        let room = head.batches().iter().max_by_key(|batch| batch.free());
        if let (Some(qty), Some(batch)) = (head.refused().map(Quantity::get), room)
            && batch.free() >= qty
        {
            drift.push(Drift::RefusedBesideStock { batch: batch.reference.clone(), free: batch.free(), qty });
        }
        drift
    }

    /// The head's batches: those with free stock, each once, and each with an item.
    fn check_open(&self, head: &Product, drift: &mut Vec<Drift>) {
        let mut seen = BTreeSet::new();
        for open in head.batches() {
            let batch = open.reference.clone();
            if !seen.insert(&open.reference) {
                drift.push(Drift::OpenTwice { batch: batch.clone() });
            }
            if !open.is_open() && open.bound() <= open.purchased {
                drift.push(Drift::OpenWithoutStock { batch: batch.clone() });
            }
            if !self.batches.contains_key(&batch) {
                drift.push(Drift::OpenWithoutItem { batch });
            }
            self.check_counters(open, drift);
        }
    }

    /// The batches' own items: each is in the head, or else full.
    fn check_items(&self, head: &Product, drift: &mut Vec<Drift>) {
        for (added, full) in self.batches.values() {
            let batch = added.reference.clone();
            let open = head.batch(&batch);
            match (open, full) {
                (Some(_), Some(_)) => drift.push(Drift::OpenAndFull { batch: batch.clone() }),
                (None, None) => drift.push(Drift::Nowhere { batch: batch.clone() }),
                (Some(_), None) | (None, Some(_)) => {}
            }
            if let (None, Some(full)) = (open, full) {
                if full.is_open() {
                    drift.push(Drift::FullWithStock { batch: batch.clone(), free: full.free() });
                }
                self.check_counters(full, drift);
            }
            let as_added = |counters: &Batch| {
                counters.reference == added.reference
                    && (counters.eta_revision.is_some() || counters.eta == added.eta)
                    && (counters.revision.is_some() || counters.purchased == added.qty.get())
            };
            if !open.into_iter().chain(full).all(as_added) {
                drift.push(Drift::AddedOtherwise { batch });
            }
        }
    }

    fn check_counters(&self, counters: &Batch, drift: &mut Vec<Drift>) {
        let Batch { reference, purchased, allocated, .. } = counters;
        let Standing { lines, pieces } = self.standing.get(reference).copied().unwrap_or_default();
        if u64::from(*allocated) != pieces {
            drift.push(Drift::Allocated { batch: reference.clone(), allocated: *allocated, lines, pieces });
        }
        let (bound, purchased) = (counters.bound(), *purchased);
        if bound > purchased {
            drift.push(Drift::Oversold { batch: reference.clone(), bound, purchased });
        }
    }

    /// The parts of a line are all its pieces, each once.
    fn check_parts(&self, drift: &mut Vec<Drift>) {
        for parts in Part::by_line(&self.parts).iter().filter(|parts| !Part::are_all(parts)) {
            let Some(first) = parts.first() else { continue };
            let pieces = parts.iter().map(|part| u64::from(part.line.qty.get())).sum();
            drift.push(Drift::Parts { line: first.line.id(), qty: first.whole_qty(), parts: parts.len(), pieces });
        }
    }

    fn check_backlog(&self, head: &Product, drift: &mut Vec<Drift>) {
        if head.has_backlog() {
            if head.waiting().count == 0 {
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
pub(crate) struct Products(BTreeMap<Sku, Sums>);

impl Products {
    pub(crate) fn add(&mut self, row: Row) {
        match row {
            Row::Head(product) => self.of(&product.sku().clone()).add_head(product),
            Row::Batch(added, full) => self.of(&added.sku.clone()).add_batch(added, full),
            Row::Line(part) => self.of(&part.line.sku.clone()).add_part(&part),
            Row::Inbox | Row::Cancelled(_) | Row::LastPut | Row::Asking => {}
        }
    }

    fn of(&mut self, sku: &Sku) -> &mut Sums {
        self.0.entry(sku.clone()).or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Products whose rows seem to drift, each with the batches to look at again.
    pub(crate) fn suspects(&self) -> impl Iterator<Item = (Sku, BTreeSet<BatchRef>)> {
        let suspect = self.0.iter().filter(|(_, sums)| !sums.drift().is_empty());
        suspect.map(|(sku, sums)| (sku.clone(), sums.references()))
    }
}

#[cfg(test)]
mod tests;
