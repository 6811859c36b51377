//! Bring an order to what it wants, as a whole.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use domain::{
    Available, Batch, Budget, Done, Event, IfShort, LastPut, OrderId, OrderLine, OrderVersion, Part, Place, Product,
    Refusal, Sku, Step, Terms, WantedOrder,
};
use sha2::{Digest as _, Sha256};

use super::cancel_order::cancel_lines;
use super::{Case, Draft, Handler};
use crate::OrderedLine;
use crate::store::{Put, ReadSet, StoredPut};
use crate::unit_of_work::BUDGET;

/// Most items that a transaction holds.
const MOST_ITEMS: usize = 100;

/// Brings an order's lines to those that it wants, in one commit or not at all: new ones are placed, those that it has no
/// more are given back, and those of another quantity are exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutOrder {
    /// The lines that it is to have.
    pub wanted: WantedOrder,
    /// On which terms.
    pub terms: Terms,
    /// The shop's own count of what it wants. Once there was one, what is older is refused.
    pub version: Option<OrderVersion>,
}

/// An order as it was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedOrder {
    /// Whether it is so by this command.
    pub done: Done,
    /// Its lines, by SKU and name; but for cancelled ones.
    pub lines: Vec<OrderedLine>,
}

/// A line that fits nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortLine {
    /// What is wanted.
    pub line: OrderLine,
    /// What its order could use: pieces that nobody has, and those that it gives back.
    pub available: Available,
}

/// What whoever puts an order is told. What is refused is an answer too, since it may have to be told to subscribers, or a
/// line to be given back with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOrderAnswer {
    /// It is as it was wanted.
    Placed(PlacedOrder),
    /// These lines are short, and nothing was changed.
    Short(Vec<ShortLine>),
    /// It is cancelled. Lines that were on their way meanwhile are given back.
    OrderCancelled(OrderId),
}

impl PutOrderAnswer {
    /// Whether it was so before, and nothing was done.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        matches!(self, Self::Placed(PlacedOrder { done: Done::Before, .. }))
    }
}

impl Handler for PutOrder {
    type Answer = PutOrderAnswer;

    fn reads(&self) -> ReadSet {
        let skus: BTreeSet<&Sku> = self.wanted.lines().iter().map(|line| &line.sku).collect();
        ReadSet { skus: skus.into_iter().cloned().collect(), ..ReadSet::of_order(self.orderid()) }
    }

    fn decide(&self, case: &mut Case) -> Result<Step<PutOrderAnswer>, Refusal> {
        if case.found.is_cancelled(self.orderid()) {
            // Lines that were on their way when it was cancelled are given back.
            return Ok(match cancel_lines(case)? {
                Step::GoOn => Step::GoOn,
                Step::Finish(()) => Step::Finish(PutOrderAnswer::OrderCancelled(self.orderid().clone())),
            });
        }
        let (content, last) = (self.content(), case.found.last_put.clone());
        if let Some(StoredPut { put, .. }) = &last
            && put.is_repeated(self.orderid(), self.version, &content)?
        {
            return Ok(placed(Done::Before, case));
        }
        let short = self.arrange(case)?;
        if self.terms.if_short == IfShort::Refuse && !short.is_empty() {
            case.draft = Draft::of(&case.found);
            for ShortLine { line, .. } in &short {
                let parts = case.found.parts_of(&line.id());
                case.draft.product(&line.sku)?.tell_refused(line, &parts, &self.terms);
            }
            case.draft.rest_on(self.orderid().clone());
            return Ok(Step::Finish(PutOrderAnswer::Short(short)));
        }
        if self.terms.if_short == IfShort::Partial && !short.is_empty() {
            case.draft.rest_on(self.orderid().clone());
        }
        let writes = case.draft.is_changed() || self.version.is_some();
        // Of an order that nobody has heard of, nothing was done before.
        let is_repeat = !writes && short.is_empty() && !case.found.parts.is_empty();
        let done = if is_repeat { Done::Before } else { Done::Now };
        if writes {
            let now = LastPut { version: self.version, content };
            case.draft.note(Put { orderid: self.orderid().clone(), before: last.map(|last| last.commit), now });
            // What ends a line, or changes its promise, changes the first of its parts.
            let standing = case.found.parts.iter().filter(|part| part.place.is_standing() && part.first() == 0);
            case.draft.keep(standing.cloned().collect());
        }
        self.pay(case)?;
        Ok(placed(done, case))
    }
}

impl PutOrder {
    fn orderid(&self) -> &OrderId {
        self.wanted.orderid()
    }

    /// What tells all that is wanted from anything else: its digest, whatever the order of its lines.
    fn content(&self) -> String {
        let mut lines: Vec<&OrderLine> = self.wanted.lines().iter().collect();
        lines.sort_unstable();
        let mut digest = Sha256::new();
        digest.update(match self.terms.if_short {
            IfShort::Refuse => b"refuse ",
            IfShort::Partial => b"partial",
            IfShort::Wait => b"wait   ",
        });
        digest.update(self.terms.hold_until.map_or(0, |until| until.0).to_be_bytes());
        for OrderLine { orderid: _, sku, qty, name } in lines {
            for part in [sku.as_str().as_bytes(), name.as_str().as_bytes(), &qty.get().to_be_bytes()] {
                digest.update(part.len().to_be_bytes());
                digest.update(part);
            }
        }
        if self.terms.may_split {
            digest.update(b"may be split");
        }
        digest.finalize().iter().fold(String::new(), |mut text, byte| {
            // To a text, that can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Changes each product that the order has to do with. Tells the lines that are short.
    fn arrange(&self, case: &mut Case) -> Result<Vec<ShortLine>, Refusal> {
        let standing = case.found.parts.iter().filter(|part| part.place.is_standing());
        let skus: BTreeSet<Sku> =
            self.wanted.lines().iter().chain(standing.map(|part| &part.line)).map(|line| line.sku.clone()).collect();
        let mut all_short = Vec::new();
        for sku in skus {
            let of_sku = case.found.parts.iter().filter(|part| part.line.sku == sku);
            let parts: Vec<Part> = of_sku.cloned().collect();
            let product = case.draft.product(&sku)?;
            let arranged = product.arrange(&self.wanted.lines_of(&sku), &parts, &self.terms)?;
            let available = &arranged.available;
            all_short.extend(arranged.short.into_iter().map(|line| ShortLine { line, available: available.clone() }));
        }
        // As they were asked for.
        all_short.sort_by_key(|short| self.wanted.lines().iter().position(|line| *line == short.line));
        Ok(all_short)
    }

    /// Takes what the change needs from the commit, so that others are offered no more than what is left.
    fn pay(&self, case: &mut Case) -> Result<(), Refusal> {
        let items_of = |after: &Product| items(case.found.product(after.sku()), after);
        let products: usize = case.draft.changed().map(items_of).sum();
        let others = case.draft.kept().len().saturating_add(usize::from(case.draft.put().is_some()));
        let bytes: usize = case.draft.changed().flat_map(Product::events).map(Event::size).sum();
        let items = MOST_ITEMS.checked_sub(products.saturating_add(others));
        let event_bytes = BUDGET.event_bytes.checked_sub(bytes);
        let (Some(items), Some(event_bytes)) = (items, event_bytes) else {
            return Err(Refusal::TooManyChanges(self.orderid().clone()));
        };
        case.budget = Budget { items, event_bytes };
        Ok(())
    }
}

fn placed(done: Done, case: &Case) -> Step<PutOrderAnswer> {
    Step::Finish(PutOrderAnswer::Placed(PlacedOrder { done, lines: lines_after(case) }))
}

/// Where an order's lines stand after the change.
fn lines_after(case: &Case) -> Vec<OrderedLine> {
    let mut parts = case.draft.parts_after(&case.found);
    parts.retain(|part| part.place != Place::Cancelled);
    OrderedLine::all(&parts, &case.found)
}

/// What a product's change takes of a transaction: the product, each part that moves, and each batch that becomes full, or
/// open, or is full and changes.
fn items(before: Option<&Product>, after: &Product) -> usize {
    let full = |batch: &Batch| (!batch.is_open()).then(|| batch.clone());
    let changes = |now: &&Batch| {
        let was = before.and_then(|product| product.batch(&now.reference));
        was.and_then(full) != full(now)
    };
    let batches = after.batches().iter().filter(changes).count();
    batches.saturating_add(after.moves().len()).saturating_add(1)
}
