//! The aggregate: one SKU's batches. Each rule about who gets which of them has a file of its own.

mod allocate;
mod arrange;
mod cancel;
mod change_eta;
mod change_quantity;
mod create_batch;
mod displaced;
mod expire;
mod offer;
mod ship;
mod split;

pub use allocate::{Allocation, Answered};
pub use arrange::{Arranged, Available};
pub use change_eta::ChangeEta;
pub use change_quantity::{ChangeBatchQuantity, ChangeOutcome, Counted};
use displaced::Displaced;
pub use offer::AllWaiting;

use crate::{
    Batch, BatchRef, Event, Move, NewBatch, OrderLine, Part, Place, Quantity, Refusal, Sku, Split, Tally, Timestamp,
    Version,
};

/// Bytes that a product's batches may take where they are stored together, at [`Product::BATCH_SIZE`] and its
/// reference each: about 1,500 batches with free stock.
const BATCHES_SIZE: usize = 200_000;

/// Whether a command did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is done now.
    Now,
    /// It was done before, and this was a repeat.
    Before,
}

/// One SKU as of its last commit, and what the change under way has done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    state: ProductState,
    pending: Pending,
}

/// What a store keeps of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductState {
    /// What it is.
    pub sku: Sku,
    /// How many commits it has seen.
    pub version: Version,
    /// All batches with free stock; and of the full ones those that a command needs.
    pub batches: Vec<Batch>,
    /// The promised lines that have no batch.
    pub waiting: Tally,
    /// The lines that are promised for a while only.
    pub held: Held,
    /// Whether stock arrived that was not yet offered to every waiting line.
    pub backlog: bool,
    /// The smallest quantity that a line was refused since stock last came free, which was told then.
    pub refused: Option<Quantity>,
}

/// Lines that are promised for a while only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// What they come to.
    pub tally: Tally,
    /// None of them is due before. None: there are none.
    pub due: Option<Timestamp>,
}

/// What a change has done that is not committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pending {
    events: Vec<Event>,
    moves: Vec<Move>,
    added: Vec<NewBatch>,
    /// Lines that were taken off their batch and are still to be placed, the oldest promise first.
    displaced: Vec<Displaced>,
}

impl Product {
    /// What a store adds to the reference of each batch: field names, dates and numbers.
    const BATCH_SIZE: usize = 130;

    /// A product without batches, at version zero: its first batch makes version one.
    #[must_use]
    pub fn new(sku: Sku) -> Self {
        let (version, waiting, held) = (Version::default(), Tally::default(), Held::default());
        Self::restore(ProductState { sku, version, batches: Vec::new(), waiting, held, backlog: false, refused: None })
    }

    /// A product as a store kept it.
    #[must_use]
    pub fn restore(state: ProductState) -> Self {
        Self { state, pending: Pending::default() }
    }

    /// What the product is.
    #[must_use]
    pub fn sku(&self) -> &Sku {
        &self.state.sku
    }

    /// How many commits it has seen, the change under way included.
    #[must_use]
    pub fn version(&self) -> Version {
        self.state.version
    }

    /// The batches known here.
    #[must_use]
    pub fn batches(&self) -> &[Batch] {
        &self.state.batches
    }

    /// One batch, if known here.
    #[must_use]
    pub fn batch(&self, reference: &BatchRef) -> Option<&Batch> {
        self.state.batches.iter().find(|batch| batch.reference == *reference)
    }

    /// The batches that have free stock.
    pub fn open_batches(&self) -> impl Iterator<Item = &Batch> {
        self.state.batches.iter().filter(|batch| batch.is_open())
    }

    /// The same, those first that are used first: the warehouse, then the earliest.
    #[must_use]
    pub fn open_batches_by_preference(&self) -> Vec<&Batch> {
        let mut batches: Vec<&Batch> = self.open_batches().collect();
        batches.sort_by(|one, other| one.preference().cmp(&other.preference()));
        batches
    }

    /// Whether a batch has enough free stock for a line.
    #[must_use]
    pub fn has_room_for(&self, line: &OrderLine) -> bool {
        self.state.batches.iter().any(|batch| batch.can_allocate(line))
    }

    /// The promised lines that have no batch.
    #[must_use]
    pub fn waiting(&self) -> Tally {
        self.state.waiting
    }

    /// The lines that are promised for a while only.
    #[must_use]
    pub fn held(&self) -> Held {
        self.state.held
    }

    /// Whether stock arrived that was not yet offered to every waiting line. Until [`Product::offer`] is done
    /// with that, nobody else may have it.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.state.backlog
    }

    /// The smallest quantity that was refused, and told to be, since stock last came free. A refusal of as much or more
    /// is nothing new.
    #[must_use]
    pub fn refused(&self) -> Option<Quantity> {
        self.state.refused
    }

    /// What the change under way has to tell. A change without events is no change.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.pending.events
    }

    /// The parts that the change under way puts elsewhere, makes or does away with, and the lines that it turns away: each
    /// at most once.
    #[must_use]
    pub fn moves(&self) -> &[Move] {
        &self.pending.moves
    }

    /// The lines that the change under way turns away, whether it has an event of that or not.
    pub fn turned_away(&self) -> impl Iterator<Item = &OrderLine> {
        self.moves().iter().filter(|moved| moved.turns_away()).map(|moved| &moved.line)
    }

    /// The batches that the change under way adds.
    #[must_use]
    pub fn added(&self) -> &[NewBatch] {
        &self.pending.added
    }

    /// The product after its change was committed: the same, with nothing under way.
    #[must_use]
    pub fn committed(self) -> Self {
        debug_assert!(self.pending.displaced.is_empty(), "a backlog is to be offered, and then displaced lines placed");
        Self::restore(self.state)
    }

    /// The product as whoever reads it next is shown it: without full batches, and with nothing under way.
    #[must_use]
    pub fn as_stored(&self) -> Self {
        let ProductState { sku, version, batches: _, waiting, held, backlog, refused } = &self.state;
        Self::restore(ProductState {
            sku: sku.clone(),
            version: *version,
            batches: self.open_batches().cloned().collect(),
            waiting: *waiting,
            held: *held,
            backlog: *backlog,
            refused: *refused,
        })
    }

    /// Adds a full batch's counters, unless the batch is known here already.
    pub fn include(&mut self, full: Batch) {
        if self.batch(&full.reference).is_none() {
            self.state.batches.push(full);
        }
    }

    /// The best batch for a line, if any has room for it.
    fn preferred(&self, line: &OrderLine, except: Option<&BatchRef>) -> Option<&Batch> {
        let batches = self.state.batches.iter();
        let have_room = batches.filter(|batch| Some(&batch.reference) != except && batch.can_allocate(line));
        have_room.min_by(|one, other| one.preference().cmp(&other.preference()))
    }

    fn batch_mut(&mut self, reference: &BatchRef) -> Option<&mut Batch> {
        self.state.batches.iter_mut().find(|batch| batch.reference == *reference)
    }

    /// Puts a part elsewhere. It stays held for as long as it was, if it has not ended.
    fn put(&mut self, part: &Part, to: Place) {
        self.put_until(part, to, part.held_until);
    }

    /// Puts a part somewhere, for a while or for good.
    fn put_until(&mut self, part: &Part, to: Place, held_until: Option<Timestamp>) {
        let (line, split, from, age) = (part.line.clone(), part.split, Some(part.clone()), Some(part.age));
        self.note(Move { line, split, from, to: Some(to), age, held_until });
    }

    /// Notes what becomes of a part, and counts it where it is listed.
    fn note(&mut self, moved: Move) {
        // The version that this change makes, also if this is the first thing it does.
        let since = self.changed_version();
        let held_until = moved.held_until.filter(|_| moved.to.as_ref().is_some_and(Place::is_standing));
        let ProductState { waiting, held, .. } = &mut self.state;
        if let Some(from) = &moved.from {
            if from.place == Place::Waiting {
                *waiting = waiting.without(from.line.qty, from.since);
            }
            if from.held_until.is_some() {
                held.tally = held.tally.without(from.line.qty, from.since);
            }
        }
        if moved.to == Some(Place::Waiting) {
            *waiting = waiting.with(moved.line.qty, since);
        }
        if let Some(until) = held_until {
            held.tally = held.tally.with(moved.line.qty, since);
            held.due = held.due.into_iter().chain([until]).min();
        }
        if held.tally.count == 0 {
            held.due = None;
        }
        self.pending.moves.push(Move { held_until, ..moved });
    }

    /// Takes pieces of a batch for a line.
    fn take(&mut self, reference: &BatchRef, pieces: Quantity) {
        if let Some(batch) = self.batch_mut(reference) {
            batch.take(pieces);
        }
    }

    /// Takes pieces off a batch that are nobody's any more; or changes nothing, if it was full and there is no room for
    /// one more that is not.
    fn give_back(&mut self, reference: &BatchRef, pieces: Quantity) -> Result<(), Refusal> {
        if self.batch(reference).is_some_and(|batch| !batch.is_open()) {
            self.check_room_for(reference)?;
        }
        let Some(batch) = self.batch_mut(reference) else {
            return Err(Refusal::UnknownBatch(reference.clone()));
        };
        batch.give_back(pieces);
        self.stock_came_free();
        Ok(())
    }

    /// Stock that came free belongs to the lines that wait already; and what was refused before may fit now.
    fn stock_came_free(&mut self) {
        self.state.backlog |= self.state.waiting.count > 0;
        self.state.refused = None;
    }

    fn record(&mut self, event: Event) {
        self.state.version = self.changed_version();
        self.pending.events.push(event);
    }

    /// The version that this change makes, whatever it has done so far.
    fn changed_version(&self) -> Version {
        if self.pending.events.is_empty() { self.version().next() } else { self.version() }
    }

    /// Checks that one more batch with free stock can be stored together with the others.
    fn check_room_for(&self, reference: &BatchRef) -> Result<(), Refusal> {
        let others = self.open_batches().map(|batch| &batch.reference).filter(|other| *other != reference);
        let size = |reference: &BatchRef| reference.as_str().len().saturating_add(Self::BATCH_SIZE);
        let total = others.fold(size(reference), |sum, other| sum.saturating_add(size(other)));
        if total > BATCHES_SIZE { Err(Refusal::TooManyBatches(self.sku().clone())) } else { Ok(()) }
    }
}

/// That these pieces of a line have a place on a batch, for a while or for good.
fn allocated(line: &OrderLine, split: Option<Split>, batch: &Batch, held_until: Option<Timestamp>) -> Event {
    let (batchref, line_qty) = (batch.reference.clone(), split.map(|split| split.of));
    Event::Allocated { line: line.clone(), batchref, eta: batch.eta, held_until, line_qty }
}

/// A line is stored by itself, and so is a batch that it fills.
fn items_to_place(line: &OrderLine, batch: &Batch) -> usize {
    if batch.free() == line.qty.get() { 2 } else { 1 }
}
