//! The message bus: every command and every event comes in here, and goes to its handler by `match`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use domain::{
    Allocation, BatchRef, Budget, ChangeBatchQuantity, Command, Event, NewBatch, OrderLine, Placed, Product, Progress,
    Sku, SkuLines,
};

use crate::outbox::Message;
use crate::ports::{Claim, Environment, Inbox, Mail, Mailer, Products, Snapshot, Wanted};
use crate::unit_of_work::{self, BUDGET, Change, Proposal, in_time};
use crate::{Call, CorrelationId, Error};

/// How long a handler of an event keeps others away: longer than any function may run.
const LEASE: Duration = Duration::from_secs(40);

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The line has a place on this batch.
    Allocated(BatchRef),
    /// The line has none: no batch of this SKU has enough left.
    OutOfStock(Sku),
    /// The command was carried out, and there is nothing to tell.
    Done,
}

/// Takes messages to their handlers. What it can handle follows from what it is given: commands need a store of
/// products, events an inbox and a mailer.
#[derive(Clone, Debug)]
pub struct MessageBus<S, E, M = ()> {
    store: S,
    environment: E,
    mailer: M,
}

impl<S, E, M> MessageBus<S, E, M> {
    /// A bus over these adapters.
    pub fn new(store: S, environment: E, mailer: M) -> Self {
        Self { store, environment, mailer }
    }

    /// The store, for what needs no message: reading.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The environment that the bus runs in.
    pub fn environment(&self) -> &E {
        &self.environment
    }

    /// The mailer.
    pub fn mailer(&self) -> &M {
        &self.mailer
    }
}

impl<S: Products, E: Environment, M> MessageBus<S, E, M> {
    /// Carries out a command, or changes nothing. It is given up in time to answer before the deadline.
    ///
    /// # Errors
    /// See [`Error`]. A change in several commits may be done in part; the same command goes on with it.
    pub async fn handle_command(&self, command: Command, call: &Call) -> Result<Reply, Error> {
        match command {
            Command::Allocate(line) => self.run(&line, call).await,
            Command::CreateBatch(new) => self.run(&new, call).await,
            Command::ChangeBatchQuantity(change) => self.run(&change, call).await,
        }
    }

    /// Binds lines of one SKU to batches, as many of the first ones as one commit holds, and tells how many these are:
    /// one at least. As for each of them a command to allocate it would.
    ///
    /// # Errors
    /// See [`Error`]. Nothing was changed.
    pub async fn allocate_lines(&self, lines: &SkuLines, call: &Call) -> Result<usize, Error> {
        self.run(lines, call).await
    }

    async fn run<C: Change>(&self, change: &C, call: &Call) -> Result<C::Answer, Error> {
        unit_of_work::run(&self.store, &self.environment, call, change).await
    }
}

impl<S: Inbox, E: Environment, M: Mailer> MessageBus<S, E, M> {
    /// Reacts to an event, once for each id. A repeated one does nothing. It is given up in time to answer before the
    /// deadline.
    ///
    /// # Errors
    /// When the reaction failed or may be under way elsewhere; the event is to be delivered again.
    pub async fn handle_event(&self, message: &Message, call: &Call) -> Result<(), Error> {
        match &message.event {
            Event::OutOfStock { line } => {
                let mail = self.send_out_of_stock_mail(&message.id, line, &call.correlation);
                let sent = in_time(&self.environment, call.deadline, mail);
                sent.await.unwrap_or_else(|| Err(Error::Unavailable("out of time".into())))
            }
            Event::Allocated { .. }
            | Event::Deallocated { .. }
            | Event::BatchCreated { .. }
            | Event::BatchQuantityChanged { .. } => Ok(()),
        }
    }

    async fn send_out_of_stock_mail(
        &self,
        id: &str,
        line: &OrderLine,
        correlation: &CorrelationId,
    ) -> Result<(), Error> {
        let claimant = self.environment.random();
        match self.store.claim(id, claimant, self.environment.now(), LEASE).await? {
            Claim::Finished => return Ok(()),
            Claim::Held => return Err(Error::InProgress(id.to_owned())),
            Claim::Granted => {}
        }
        let OrderLine { orderid, sku, qty } = line;
        let mail = Mail {
            subject: format!("Out of stock for {sku}"),
            text: format!(
                "Out of stock for {sku}: no batch has {qty} left for order {orderid}.\n\nCorrelation id: {correlation}\n"
            ),
        };
        self.mailer.send(&mail).await.map_err(Error::Unavailable)?;
        Ok(self.store.finish(id, self.environment.now()).await?)
    }
}

impl Change for OrderLine {
    type Answer = Reply;

    fn wanted(&self) -> Wanted<'_> {
        Wanted::Line(self)
    }

    fn decide(&self, snapshot: &Snapshot, _: &[Placed], _: &mut Budget) -> Result<Proposal<Self::Answer>, Error> {
        let Some(head) = &snapshot.head else {
            return Err(Error::InvalidSku(self.sku.clone()));
        };
        let mut product = head.product.clone();
        let reply = match product.allocate(self, snapshot.position(self)) {
            Allocation::Allocated(batchref) => Reply::Allocated(batchref),
            Allocation::OutOfStock => Reply::OutOfStock(self.sku.clone()),
        };
        // A line that is turned away must not have got a place meanwhile, by the same request sent twice.
        let turned_away = product.moves().is_empty() && snapshot.position(self).is_none();
        let absent = if turned_away { vec![self.clone()] } else { Vec::new() };
        Ok(Proposal { product, announced: None, absent, answer: Some(reply) })
    }
}

impl Change for SkuLines {
    type Answer = usize;

    fn wanted(&self) -> Wanted<'_> {
        Wanted::Lines(self.sku(), first_lines(self))
    }

    fn decide(&self, snapshot: &Snapshot, _: &[Placed], budget: &mut Budget) -> Result<Proposal<Self::Answer>, Error> {
        let Some(head) = &snapshot.head else {
            return Err(Error::InvalidSku(self.sku().clone()));
        };
        let mut product = head.product.clone();
        let positions: HashMap<_, _> = snapshot.lines.iter().map(|placed| (&placed.line, &placed.position)).collect();
        let lines = first_lines(self);
        let with_positions = lines.iter().map(|line| (line, positions.get(line).copied()));
        let answered = product.allocate_each(with_positions, budget);
        let moved: HashSet<_> = product.moves().iter().map(|moved| &moved.line).collect();
        let turned_away = |line: &&OrderLine| !moved.contains(line) && !positions.contains_key(line);
        let absent = lines.iter().take(answered).filter(turned_away).cloned().collect();
        Ok(Proposal { product, announced: None, absent, answer: Some(answered) })
    }
}

/// As many as one commit may move.
fn first_lines(lines: &SkuLines) -> &[OrderLine] {
    lines.lines().get(..BUDGET.items).unwrap_or(lines.lines())
}

impl Change for NewBatch {
    type Answer = Reply;

    fn wanted(&self) -> Wanted<'_> {
        Wanted::NewBatch(self)
    }

    fn decide(&self, snapshot: &Snapshot, _: &[Placed], _: &mut Budget) -> Result<Proposal<Self::Answer>, Error> {
        let mut product = match &snapshot.head {
            Some(head) => head.product.clone(),
            None => Product::new(self.sku.clone()),
        };
        match &snapshot.announced {
            None => product.create_batch(self)?,
            Some(announced) if announced == self => {}
            Some(_) => return Err(Error::BatchExists(self.reference.clone())),
        }
        Ok(Proposal { product, announced: Some(self.clone()), absent: Vec::new(), answer: Some(Reply::Done) })
    }
}

impl Change for ChangeBatchQuantity {
    type Answer = Reply;

    fn wanted(&self) -> Wanted<'_> {
        Wanted::Batch(&self.reference)
    }

    fn shortfall(&self, product: &Product) -> u32 {
        product.shortfall(self)
    }

    fn decide(
        &self,
        snapshot: &Snapshot,
        newest: &[Placed],
        budget: &mut Budget,
    ) -> Result<Proposal<Self::Answer>, Error> {
        let Some(head) = &snapshot.head else {
            return Err(Error::UnknownBatch(self.reference.clone()));
        };
        let mut product = head.product.clone();
        let answer = match product.change_batch_quantity(self, newest, budget)? {
            Progress::Done => Some(Reply::Done),
            Progress::More => None,
        };
        if product.events().is_empty() {
            tracing::info!(batchref = %self.reference, revision = ?self.revision, "change of quantity is not newer");
        }
        Ok(Proposal { product, announced: None, absent: Vec::new(), answer })
    }
}
