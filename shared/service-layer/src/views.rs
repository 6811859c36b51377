//! The views: what can be asked, beside commands. They change nothing, and each thing that they tell is as of its own last
//! commit.

use domain::{Batch, BatchRef, Eta, LineId, OrderId, OrderLine, Part, Place, Product, Refusal, Sku};

use crate::handlers::unknown;
use crate::ports::{Environment, Lists, OrderLines, Rank, StoredBatch};
use crate::store::{Found, Products, ReadSet, StoreError};
use crate::unit_of_work::{in_time, until_it_fits};
use crate::{Call, Error};

/// Most SKUs of a reference that one page looks for lines in.
const SKUS: usize = 50;
/// Most batches of a reference that are shown.
pub const BATCHES: usize = 1_000;
/// Lines that are read at once where all are wanted.
const LINES: usize = 1_000;

/// Reads what is asked for, in time to answer.
#[derive(Clone, Copy, Debug)]
pub struct Views<'a, S, E> {
    /// Where it is read.
    pub store: &'a S,
    /// The environment that this runs in.
    pub environment: &'a E,
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<P> {
    /// Where the last page ended; none for the first one.
    pub after: Option<P>,
    /// Most entries.
    pub limit: usize,
}

impl<P> Wanted<P> {
    /// The beginning of a list.
    #[must_use]
    pub fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }

    /// To read this many tells whether there are more.
    fn and_one_more(&self) -> usize {
        self.limit.saturating_add(1)
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, P> {
    /// Its entries.
    pub entries: Vec<T>,
    /// Where it ends; none if the list does.
    pub next: Option<P>,
}

impl<T, P> Page<T, P> {
    /// The first so many of these entries.
    #[must_use]
    pub fn first(mut entries: Vec<T>, limit: usize, position: impl Fn(&T) -> P) -> Self {
        let is_all = entries.len() <= limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| !is_all).map(position);
        Self { entries, next }
    }
}

/// A line of an order, as it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedLine {
    /// The line.
    pub line: OrderLine,
    /// Where it stands: all its parts.
    pub parts: Vec<OrderedPart>,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedPart {
    /// Where it stands.
    pub part: Part,
    /// When its batch is expected, if it has one that is.
    pub eta: Option<Eta>,
}

impl OrderedLine {
    /// The lines that have these parts, by SKU and name, with what was found of their batches.
    pub(crate) fn all(parts: &[Part], found: &Found) -> Vec<Self> {
        let eta = |part: &Part| found.product(&part.line.sku)?.batch(part.place.batch()?)?.eta;
        let of = |parts: Vec<&Part>| {
            let line = parts.first()?.whole_line();
            Some(Self {
                line,
                parts: parts.into_iter().map(|part| OrderedPart { part: part.clone(), eta: eta(part) }).collect(),
            })
        };
        let mut lines: Vec<Self> = Part::by_line(parts).into_iter().filter_map(of).collect();
        lines.sort_by_cached_key(|line| line.line.id());
        lines
    }

    /// The same once it has ended: as it was shipped, or else cancelled.
    pub(crate) fn ended(mut self) -> Self {
        let standing = self.parts.first().filter(|first| first.part.place.is_standing());
        if let Some(OrderedPart { part, .. }) = standing.cloned() {
            let part = Part { line: self.line.clone(), split: None, place: Place::Cancelled, held_until: None, ..part };
            self.parts = vec![OrderedPart { part, eta: None }];
        }
        self
    }
}

/// A place in the list of all lines on the batches of a reference, which is sorted by SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRank {
    /// The batch's.
    pub sku: Sku,
    /// A line on it; none for the end of them.
    pub line: Option<Rank>,
}

impl BatchRank {
    /// Whether lines on this SKU's batch may come after it.
    fn leaves(&self, sku: &Sku) -> bool {
        match self.line {
            Some(_) => *sku >= self.sku,
            None => *sku > self.sku,
        }
    }
}

impl<S: Products + Lists, E: Environment> Views<'_, S, E> {
    /// A product, with its batches that have free stock. One round trip.
    ///
    /// # Errors
    /// A SKU of which no batch was ever added, or a store that fails.
    pub async fn product(&self, sku: &Sku, call: &Call) -> Result<Product, Error> {
        let wanted = &ReadSet { skus: vec![sku.clone()], ..ReadSet::default() };
        let found = self.read(call, || self.store.find(wanted)).await?;
        found.product(sku).cloned().ok_or_else(|| Refusal::UnknownSku(sku.clone()).into())
    }

    /// The batches of a reference, by SKU, at most [`BATCHES`]; full ones too. Two round trips.
    ///
    /// # Errors
    /// A reference that no batch has, or a store that fails.
    pub async fn batches(&self, reference: &BatchRef, call: &Call) -> Result<Page<Batch, Sku>, Error> {
        let read = || async move {
            let stored = self.store.batches_of(reference, None, BATCHES.saturating_add(1)).await?;
            let Page { entries, next } = Page::first(stored, BATCHES, |batch: &StoredBatch| batch.added.sku.clone());
            let open = entries.iter().filter(|batch| batch.full.is_none()).map(|batch| batch.added.sku.clone());
            let found = self.store.find(&ReadSet { skus: open.collect(), ..ReadSet::default() }).await?;
            let counters =
                |StoredBatch { added, full }| full.or_else(|| found.product(&added.sku)?.batch(reference).cloned());
            let batches: Option<Vec<Batch>> = entries.into_iter().map(counters).collect();
            // One became full between the two reads.
            let entries = batches.ok_or_else(|| StoreError::Conflict(Vec::new()))?;
            Ok(Page { entries, next })
        };
        let page = self.read(call, read).await?;
        if page.entries.is_empty() { Err(Refusal::UnknownBatch(reference.clone()).into()) } else { Ok(page) }
    }

    /// Lines of an order, by SKU and name, with the dates of their batches. Two round trips, the first for the lines.
    ///
    /// # Errors
    /// An order that nobody asked for, or a store that fails.
    pub async fn order(
        &self,
        orderid: &OrderId,
        wanted: &Wanted<LineId>,
        call: &Call,
    ) -> Result<Page<OrderedLine, LineId>, Error> {
        let read = || async move {
            let (is_known, Page { entries, next }) = self.lines_of(orderid, wanted).await?;
            let parts = entries.concat();
            let found = self.store.find(&ReadSet::of_batches_of(&parts)).await?;
            Ok((is_known, Page { entries: OrderedLine::all(&parts, &found), next }))
        };
        let (is_known, lines) = self.read(call, read).await?;
        if is_known {
            return Ok(lines);
        }
        // Behind its last line, an order has none.
        let first = &Wanted::first(1);
        let is_known = wanted.after.is_some() && self.read(call, || self.lines_of(orderid, first)).await?.0;
        if is_known { Ok(lines) } else { Err(Refusal::UnknownOrder(orderid.clone()).into()) }
    }

    /// The lines of an order that have a batch, by SKU and quantity. None: all together they take more than so many bytes,
    /// at `row_bytes` and their names each. One round trip for every thousand lines.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn allocations(
        &self,
        orderid: &OrderId,
        (row_bytes, most_bytes): (usize, usize),
        call: &Call,
    ) -> Result<Option<Vec<(Sku, BatchRef)>>, Error> {
        let (mut wanted, mut allocated, mut bytes) = (Wanted::first(LINES), Vec::new(), 0_usize);
        loop {
            let (_, page) = self.read(call, || self.lines_of(orderid, &wanted)).await?;
            for part in page.entries.into_iter().flatten() {
                // What is held is not promised yet.
                let Some(batch) = part.place.batch().filter(|_| part.held_until.is_none()).cloned() else { continue };
                let names = part.line.sku.as_str().len().saturating_add(batch.as_str().len());
                bytes = bytes.saturating_add(row_bytes).saturating_add(names);
                allocated.push((part.whole_line(), part.first(), batch));
            }
            if bytes > most_bytes {
                return Ok(None);
            }
            if page.next.is_none() {
                break;
            }
            wanted.after = page.next;
        }
        // Names of lines are text, in which 10 comes before 2.
        allocated.sort();
        Ok(Some(allocated.into_iter().map(|(line, _, batch)| (line.sku, batch)).collect()))
    }

    /// Lines of an order, each with all its parts, and whether anybody asked for it.
    pub(crate) async fn lines_of(
        &self,
        orderid: &OrderId,
        wanted: &Wanted<LineId>,
    ) -> Result<(bool, Page<Vec<Part>, LineId>), StoreError> {
        let after = wanted.after.as_ref();
        let OrderLines { is_cancelled, parts } = self.store.of_order(orderid, after, wanted.and_one_more()).await?;
        let is_known = is_cancelled || !parts.is_empty();
        let lines = Part::by_line(&parts);
        // Some parts were read before a commit, and others after it.
        if !lines.iter().all(|parts| Part::are_all(parts)) {
            return Err(StoreError::Conflict(Vec::new()));
        }
        let lines = lines.into_iter().map(|parts| parts.into_iter().cloned().collect()).collect();
        let line_of = |parts: &Vec<Part>| parts.first().map(|part| part.line.id());
        let Page { entries, next } = Page::first(lines, wanted.limit, line_of);
        Ok((is_known, Page { entries, next: next.flatten() }))
    }

    /// The lines of a SKU that wait, the oldest promise first.
    ///
    /// # Errors
    /// A SKU of which no batch was ever added, or a store that fails.
    pub async fn waiting(&self, sku: &Sku, wanted: &Wanted<Rank>, call: &Call) -> Result<Page<Part, Rank>, Error> {
        let after = wanted.after.as_ref();
        let parts = self.read(call, || self.store.waiting(sku, after, wanted.and_one_more())).await?;
        if parts.is_empty() {
            self.product(sku, call).await?;
        }
        Ok(Page::first(parts, wanted.limit, Rank::of))
    }

    /// The lines that stand on the batches of a reference, or on the one of this SKU: by SKU, the youngest promise first.
    /// One round trip, and one for each SKU. A page ends before it is full after [`SKUS`] of them.
    ///
    /// # Errors
    /// A reference that no batch has, or none of the SKU, or a store that fails.
    pub async fn on_batches(
        &self,
        reference: &BatchRef,
        only: Option<&Sku>,
        wanted: &Wanted<BatchRank>,
        call: &Call,
    ) -> Result<Page<Part, BatchRank>, Error> {
        let mut skus = self.skus_from(reference, only, wanted.after.as_ref(), call).await?;
        let left = skus.split_off(skus.len().min(SKUS));
        let mut parts = Vec::new();
        for sku in &skus {
            let begun = wanted.after.as_ref().filter(|after| after.sku == *sku);
            let after = begun.and_then(|begun| begun.line.as_ref());
            let room = wanted.and_one_more().saturating_sub(parts.len());
            parts.extend(self.read(call, || self.store.on_batch(sku, reference, after, room)).await?);
            if parts.len() > wanted.limit {
                break;
            }
        }
        let rank = |part: &Part| BatchRank { sku: part.line.sku.clone(), line: Some(Rank::of(part)) };
        let mut page = Page::first(parts, wanted.limit, rank);
        if page.next.is_none() && !left.is_empty() {
            page.next = skus.pop().map(|sku| BatchRank { sku, line: None });
        }
        Ok(page)
    }

    /// The SKUs of a reference, or this one of them, on whose batches lines may come after the one that is named: so many
    /// as a page looks at, and one more if there are more.
    async fn skus_from(
        &self,
        reference: &BatchRef,
        only: Option<&Sku>,
        after: Option<&BatchRank>,
        call: &Call,
    ) -> Result<Vec<Sku>, Error> {
        let from = only.or(after.map(|after| &after.sku));
        // The one that it begins with may have been done, and then there are more.
        let at_most = if only.is_some() { 1 } else { SKUS.saturating_add(2) };
        let stored = self.read(call, || self.store.batches_of(reference, from, at_most)).await?;
        let mut skus: Vec<Sku> = stored.into_iter().map(|batch| batch.added.sku).collect();
        skus.retain(|sku| only.is_none_or(|only| only == sku));
        let is_known = match (only, after) {
            // Behind the last of its SKUs, a reference has none.
            (None, Some(_)) if skus.is_empty() => {
                let any = self.read(call, || self.store.batches_of(reference, None, 1)).await?;
                !any.is_empty()
            }
            _ => !skus.is_empty(),
        };
        if !is_known {
            return Err(unknown(reference, only).into());
        }
        skus.retain(|sku| after.is_none_or(|after| after.leaves(sku)));
        skus.truncate(SKUS.saturating_add(1));
        Ok(skus)
    }

    /// Reads until what was read fits together, or time is up.
    pub(crate) async fn read<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        call: &Call,
        read: impl Fn() -> F,
    ) -> Result<T, Error> {
        let fitting = until_it_fits(self.environment, call.deadline, read);
        let read = in_time(self.environment, call.deadline, fitting).await;
        read.unwrap_or_else(|| Err(Error::Unavailable("out of time".into())))
    }
}
