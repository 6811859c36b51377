//! What can be asked of the past.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use domain::{OrderId, Part, Refusal, Sku, Version};

use super::{Complete, History, Mention, Mentioned, Recorded};
use crate::ports::{Environment, Lists};
use crate::store::Products;
use crate::views::{Page, Views, Wanted};
use crate::{Call, Error};

/// The first version that a product has.
const FIRST: Version = Version(1);
/// Lines of an order that are read at once.
const LINES: usize = 1_000;
/// Events of a product that are read at once in search of an order's.
const READ: usize = 1_000;
/// Most events that one page is searched in,
const SEARCHED: usize = 4 * READ;
/// and of most SKUs.
const SKUS: usize = 50;

/// Reads the past, in time to answer.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a, S, H, E> {
    /// What is now.
    pub views: Views<'a, S, E>,
    /// Where what was is kept.
    pub history: &'a H,
}

/// What happened to a product after a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductHistory {
    /// The product's version now.
    pub version: Version,
    /// How much of the page, or of all up to now if it is the last one, is recorded.
    pub complete: Complete,
    /// What is recorded. The page has all of a version, or nothing.
    pub events: Page<Recorded, Version>,
}

/// What happened to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderHistory {
    /// How far the page has come, by SKU.
    pub products: Vec<Reached>,
    /// Its events by SKU and version. The page has all of a version, or nothing.
    pub events: Page<Recorded, OrderRank>,
}

/// How much is recorded of what happened to an order's lines of a SKU, between where the page begins and where it ends. A
/// refusal, and what was before a line was cancelled and wanted again, are found by that event itself: as long as it is not
/// recorded, nothing tells of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The SKU.
    pub sku: Sku,
    /// The last version that the page looked at: on the last page, the last that changed the order.
    pub version: Version,
    /// Since the page's beginning, nothing is missing up to this version.
    pub complete_to: Version,
}

/// A place in the list of an order's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRank {
    /// The event's SKU.
    pub sku: Sku,
    /// Its version.
    pub version: Version,
}

impl<S: Products + Lists, H: History, E: Environment> Past<'_, S, H, E> {
    /// What happened to a product, from its first version on. Two round trips.
    ///
    /// # Errors
    /// A SKU of which no batch was ever added, or a store that fails.
    pub async fn of_product(&self, sku: &Sku, wanted: &Wanted<Version>, call: &Call) -> Result<ProductHistory, Error> {
        let version = self.views.product(sku, call).await?.version();
        let after = wanted.after.unwrap_or(Version(0));
        let events = self.whole_versions(sku, after.next()..=version, wanted.limit, call).await?;
        // Behind the version of now there is nothing, and nothing is missing.
        let last = events.next.unwrap_or(version).max(after);
        Ok(ProductHistory { version, complete: Complete::of(after, last, &events.entries), events })
    }

    /// The first so many events of these versions; more, if the last of them shares its version with others.
    async fn whole_versions(
        &self,
        sku: &Sku,
        versions: RangeInclusive<Version>,
        at_most: usize,
        call: &Call,
    ) -> Result<Page<Recorded, Version>, Error> {
        if versions.is_empty() {
            return Ok(Page { entries: Vec::new(), next: None });
        }
        let more = at_most.saturating_add(1);
        let mut entries = self.read(sku, versions.clone(), more, call).await?;
        let Some(last) = entries.last().filter(|_| entries.len() >= more).map(|event| event.version) else {
            return Ok(Page { entries, next: None });
        };
        // Of the last one there may be more.
        entries.retain(|event| event.version < last);
        if entries.is_empty() {
            entries = self.read(sku, last..=last, usize::MAX, call).await?;
        }
        // Not consistent, the second reading may have less than the first: then that version is missing.
        let reached = entries.last().map_or(last, |event| event.version);
        let next = Some(reached).filter(|reached| reached < versions.end());
        Ok(Page { entries, next })
    }

    /// What happened to an order. One round trip, one for each further thousand lines, and one for each SKU and each further
    /// thousand of its events while the order's lines were there; a page ends before it is full after [`SEARCHED`] of these,
    /// or after [`SKUS`].
    ///
    /// # Errors
    /// An order that nobody asked for, or a store that fails.
    pub async fn of_order(
        &self,
        orderid: &OrderId,
        wanted: &Wanted<OrderRank>,
        call: &Call,
    ) -> Result<OrderHistory, Error> {
        let lines = self.lines(orderid, call);
        let mentions = self.views.read(call, || self.history.mentions(orderid));
        let (lines, mentions) = futures_util::future::try_join(lines, mentions).await?;
        if lines.is_none() && mentions.is_empty() {
            return Err(Refusal::UnknownOrder(orderid.clone()).into());
        }
        let spans = spans(&lines.unwrap_or_default(), &mentions);
        let mut search = Search { orderid, events: Vec::new(), products: Vec::new(), searched: 0 };
        let spans = spans.into_iter().filter_map(|(sku, span)| {
            let span = left(&sku, span, wanted.after.as_ref())?;
            Some((sku, span))
        });
        let mut next = None;
        for (number, (sku, span)) in spans.enumerate() {
            next = if number < SKUS {
                self.search(&mut search, &sku, span, wanted.limit, call).await?
            } else {
                Some(OrderRank { sku, version: before(*span.start()) })
            };
            if next.is_some() {
                break;
            }
        }
        let Search { events: entries, products, .. } = search;
        Ok(OrderHistory { products, events: Page { entries, next } })
    }

    /// Looks for an order's events in these versions of a product, until the page is full: then, where it ends.
    async fn search(
        &self,
        search: &mut Search<'_>,
        sku: &Sku,
        span: RangeInclusive<Version>,
        limit: usize,
        call: &Call,
    ) -> Result<Option<OrderRank>, Error> {
        let mut after = before(*span.start());
        loop {
            if search.events.len() >= limit || search.searched >= SEARCHED {
                return Ok(Some(OrderRank { sku: sku.clone(), version: after }));
            }
            let page = self.whole_versions(sku, after.next()..=*span.end(), READ, call).await?;
            let last = page.next.unwrap_or(*span.end());
            let reached = search.take(sku, after, last, page.entries, limit);
            if reached == *span.end() {
                return Ok(None);
            }
            after = reached;
        }
    }

    /// All parts of an order's lines. None: nobody has heard of it.
    async fn lines(&self, orderid: &OrderId, call: &Call) -> Result<Option<Vec<Part>>, Error> {
        let (mut wanted, mut all, mut is_known) = (Wanted::first(LINES), Vec::new(), false);
        loop {
            let (is_known_so_far, page) = self.views.read(call, || self.views.lines_of(orderid, &wanted)).await?;
            is_known |= is_known_so_far;
            all.extend(page.entries.into_iter().flatten());
            if page.next.is_none() {
                return Ok(is_known.then_some(all));
            }
            wanted.after = page.next;
        }
    }

    async fn read(
        &self,
        sku: &Sku,
        versions: RangeInclusive<Version>,
        at_most: usize,
        call: &Call,
    ) -> Result<Vec<Recorded>, Error> {
        let read = || self.history.of_product(sku, versions.clone(), at_most);
        self.views.read(call, read).await
    }
}

/// A page of an order's events on its way.
struct Search<'a> {
    orderid: &'a OrderId,
    events: Vec<Recorded>,
    products: Vec<Reached>,
    searched: usize,
}

impl Search<'_> {
    /// Takes the order's events of the versions after one, up to another, and says how far it came before it had enough.
    fn take(&mut self, sku: &Sku, after: Version, last: Version, mut events: Vec<Recorded>, limit: usize) -> Version {
        self.searched = self.searched.saturating_add(events.len());
        let is_ours = |event: &Recorded| event.orderid.as_ref() == Some(self.orderid);
        let room = limit.saturating_sub(self.events.len());
        // All of a version, or nothing: so those of the one that fills the page are taken too.
        let ours = events.iter().filter(|event| is_ours(event));
        let filling = ours.map(|event| event.version).nth(room.saturating_sub(1));
        let more_follow = |version: &Version| events.last().is_some_and(|event| event.version > *version);
        let reached = filling.filter(more_follow).unwrap_or(last);
        events.retain(|event| event.version <= reached);
        self.note(sku, after, reached, &events);
        events.retain(is_ours);
        self.events.extend(events);
        reached
    }

    fn note(&mut self, sku: &Sku, after: Version, reached: Version, seen: &[Recorded]) {
        let complete_to = Complete::of(after, reached, seen).to;
        match self.products.last_mut().filter(|product| product.sku == *sku) {
            Some(product) => {
                if product.complete_to == after {
                    product.complete_to = complete_to;
                }
                product.version = reached;
            }
            None => self.products.push(Reached { sku: sku.clone(), version: reached, complete_to }),
        }
    }
}

/// Between which versions of each product something can have happened to an order: since its lines were first promised,
/// until they came where they are; and what is mentioned beside that.
fn spans(parts: &[Part], mentions: &[Mention]) -> BTreeMap<Sku, RangeInclusive<Version>> {
    let mut spans: BTreeMap<Sku, RangeInclusive<Version>> = BTreeMap::new();
    let mut include = |sku: &Sku, first: Version, last: Version| {
        let span = spans.entry(sku.clone()).or_insert(first..=last);
        *span = first.min(*span.start())..=last.max(*span.end());
    };
    for Part { line, age, since, .. } in parts {
        include(&line.sku, *age, *since);
    }
    for Mention { line, version, what } in mentions {
        let is_of_this_promise = |part: &Part| part.line.id() == *line && part.age < *version;
        let first = match what {
            Mentioned::Refused => *version,
            Mentioned::Cancelled if parts.iter().any(is_of_this_promise) => *version,
            // It was promised at some version before, which nothing tells any more.
            Mentioned::Cancelled => FIRST,
        };
        include(&line.sku, first, *version);
    }
    spans
}

fn before(Version(version): Version) -> Version {
    Version(version.saturating_sub(1))
}

/// What is left of a product's versions after a place in the list.
fn left(sku: &Sku, span: RangeInclusive<Version>, after: Option<&OrderRank>) -> Option<RangeInclusive<Version>> {
    let span = match after {
        Some(after) if *sku < after.sku => return None,
        Some(after) if *sku == after.sku => after.version.next().max(*span.start())..=*span.end(),
        Some(_) | None => span,
    };
    (!span.is_empty()).then_some(span)
}
