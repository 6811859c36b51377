//! The views: what can be asked, beside commands. They change nothing, and each thing that they tell is as of its own last
//! commit.

use domain::{Batch, BatchRef, Eta, LineId, OrderId, Part, Product, Refusal, Sku};

use crate::ports::{Environment, LinePages, OrderLines, Rank};
use crate::store::{Found, Products, ReadSet, StoreError};
use crate::unit_of_work::{in_time, until_it_fits};
use crate::{Call, Error};

/// Most SKUs of a reference that one page looks for lines in.
const SKUS: usize = 50;

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
pub struct Page<P> {
    /// Where the last page ended; none for the first one.
    pub after: Option<P>,
    /// Most lines.
    pub limit: usize,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines<T, P> {
    /// Its lines.
    pub lines: Vec<T>,
    /// Where it ends; none if the list does.
    pub next: Option<P>,
}

impl<T, P> Lines<T, P> {
    /// The first so many of these lines.
    #[must_use]
    pub fn first(mut lines: Vec<T>, limit: usize, position: impl Fn(&T) -> P) -> Self {
        let is_all = lines.len() <= limit;
        lines.truncate(limit);
        let next = lines.last().filter(|_| !is_all).map(position);
        Self { lines, next }
    }
}

/// A line of an order, as it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedLine {
    /// The line, and where it stands.
    pub part: Part,
    /// When its batch is expected, if it has one that is.
    pub eta: Option<Eta>,
}

impl OrderedLine {
    /// These parts, with what was found of their batches.
    pub(crate) fn all(parts: Vec<Part>, found: &Found) -> Vec<Self> {
        let eta = |part: &Part| found.product(&part.line.sku)?.batch(part.place.batch()?)?.eta;
        parts.into_iter().map(|part| Self { eta: eta(&part), part }).collect()
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

impl<S: Products + LinePages, E: Environment> Views<'_, S, E> {
    /// A product, with its batches that have free stock. One round trip.
    ///
    /// # Errors
    /// A SKU of which no batch was ever added, or a store that fails.
    pub async fn product(&self, sku: &Sku, call: &Call) -> Result<Product, Error> {
        let wanted = &ReadSet { skus: vec![sku.clone()], ..ReadSet::default() };
        let found = self.read(call, || self.store.find(wanted)).await?;
        found.product(sku).cloned().ok_or_else(|| Refusal::UnknownSku(sku.clone()).into())
    }

    /// The batches of a reference, by SKU. Two round trips.
    ///
    /// # Errors
    /// A reference that no batch has, or a store that fails.
    pub async fn batches(&self, reference: &BatchRef, call: &Call) -> Result<Vec<Batch>, Error> {
        let wanted = &ReadSet { references: vec![reference.clone()], ..ReadSet::default() };
        let found = self.read(call, || self.store.find(wanted)).await?;
        let counters = found.batches.iter().filter_map(|batch| found.product(&batch.sku)?.batch(reference));
        let mut batches: Vec<Batch> = counters.cloned().collect();
        if batches.is_empty() {
            return Err(Refusal::UnknownBatch(reference.clone()).into());
        }
        batches.sort_by(|one, other| one.sku.cmp(&other.sku));
        Ok(batches)
    }

    /// Lines of an order, by SKU and name, with the dates of their batches. Two round trips, the first for the lines.
    ///
    /// # Errors
    /// An order that nobody asked for, or a store that fails.
    pub async fn order(
        &self,
        orderid: &OrderId,
        page: &Page<LineId>,
        call: &Call,
    ) -> Result<Lines<OrderedLine, LineId>, Error> {
        let after = page.after.as_ref();
        let read = || async move {
            let OrderLines { is_cancelled, parts } = self.store.of_order(orderid, after, one_more(page.limit)).await?;
            let is_known = is_cancelled || !parts.is_empty() || after.is_some();
            let Lines { lines, next } = Lines::first(parts, page.limit, |part| part.line.id());
            let found = self.store.find(&ReadSet::of_batches_of(&lines)).await?;
            Ok((is_known, Lines { lines: OrderedLine::all(lines, &found), next }))
        };
        let (is_known, lines) = self.read(call, read).await?;
        if is_known { Ok(lines) } else { Err(Refusal::UnknownOrder(orderid.clone()).into()) }
    }

    /// The same without dates, in one round trip. An order that nobody asked for has no lines.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn parts(
        &self,
        orderid: &OrderId,
        page: &Page<LineId>,
        call: &Call,
    ) -> Result<Lines<Part, LineId>, Error> {
        let after = page.after.as_ref();
        let read = self.read(call, || self.store.of_order(orderid, after, one_more(page.limit))).await?;
        Ok(Lines::first(read.parts, page.limit, |part| part.line.id()))
    }

    /// The lines of a SKU that wait, the oldest promise first.
    ///
    /// # Errors
    /// A SKU of which no batch was ever added, or a store that fails.
    pub async fn waiting(&self, sku: &Sku, page: &Page<Rank>, call: &Call) -> Result<Lines<Part, Rank>, Error> {
        let after = page.after.as_ref();
        let parts = self.read(call, || self.store.waiting(sku, after, one_more(page.limit))).await?;
        if parts.is_empty() {
            self.product(sku, call).await?;
        }
        Ok(Lines::first(parts, page.limit, Rank::of))
    }

    /// The lines that stand on the batches of a reference, or on the one of this SKU: by SKU, the youngest promise first.
    /// One round trip, and one for each SKU. Where very many SKUs have none, a page ends before it is full.
    ///
    /// # Errors
    /// A reference that no batch has, or none of the SKU, or a store that fails.
    pub async fn on_batches(
        &self,
        reference: &BatchRef,
        only: Option<&Sku>,
        page: &Page<BatchRank>,
        call: &Call,
    ) -> Result<Lines<Part, BatchRank>, Error> {
        let mut skus = self.read(call, || self.store.skus_of(reference)).await?;
        skus.retain(|sku| only.is_none_or(|only| only == sku));
        if skus.is_empty() {
            return Err(Refusal::UnknownBatch(reference.clone()).into());
        }
        let after = page.after.as_ref();
        skus.retain(|sku| after.is_none_or(|after| after.leaves(sku)));
        let (looked_at, left) = skus.split_at(skus.len().min(SKUS));
        let mut parts = Vec::new();
        for sku in looked_at {
            let after = after.filter(|after| after.sku == *sku).and_then(|after| after.line.as_ref());
            let wanted = one_more(page.limit).saturating_sub(parts.len());
            parts.extend(self.read(call, || self.store.on_batch(sku, reference, after, wanted)).await?);
            if parts.len() > page.limit {
                break;
            }
        }
        let rank = |part: &Part| BatchRank { sku: part.line.sku.clone(), line: Some(Rank::of(part)) };
        let mut lines = Lines::first(parts, page.limit, rank);
        if lines.next.is_none() && !left.is_empty() {
            lines.next = looked_at.last().map(|sku| BatchRank { sku: sku.clone(), line: None });
        }
        Ok(lines)
    }

    /// Reads until what was read fits together, or time is up.
    async fn read<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        call: &Call,
        read: impl Fn() -> F,
    ) -> Result<T, Error> {
        let fitting = until_it_fits(self.environment, call.deadline, read);
        let read = in_time(self.environment, call.deadline, fitting).await;
        read.unwrap_or_else(|| Err(Error::Unavailable("out of time".into())))
    }
}

/// To read this many tells whether there are more.
fn one_more(limit: usize) -> usize {
    limit.saturating_add(1)
}
