//! The message bus: every command and every event comes in here, and goes to its handler.

use domain::{Allocation, Event, Refusal};

use crate::handlers::{Allocate, Handler, PutOrder, PutOrderAnswer, send_out_of_stock_mail};
use crate::outbox::Envelope;
use crate::ports::{Environment, Inbox, Mailer};
use crate::sharing::{self, Crowds};
use crate::store::{Asks, Products};
use crate::unit_of_work::{self, in_time};
use crate::{Call, Error};

/// Takes messages to their handlers. What it can handle follows from what it is given: commands need a store of
/// products, events an inbox and a mailer.
#[derive(Clone, Debug)]
pub struct MessageBus<S, E, M = ()> {
    store: S,
    environment: E,
    mailer: M,
    crowds: Crowds,
}

impl<S, E, M> MessageBus<S, E, M> {
    /// A bus over these adapters.
    pub fn new(store: S, environment: E, mailer: M) -> Self {
        Self { store, environment, mailer, crowds: Crowds::default() }
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
    pub async fn handle<H: Handler>(&self, command: &H, call: &Call) -> Result<H::Answer, Error> {
        unit_of_work::run(&self.store, &self.environment, call, command).await
    }

    /// What putting an order would come to at this moment. Nothing is written.
    ///
    /// # Errors
    /// Those that putting it would have.
    pub async fn dry_run(&self, order: &PutOrder, call: &Call) -> Result<PutOrderAnswer, Error> {
        unit_of_work::dry_run(&self.store, &self.environment, call, order).await
    }
}

impl<S: Asks, E: Environment, M> MessageBus<S, E, M> {
    /// Binds a line to one batch as [`Allocate`] does by itself, but together with others where many want the same.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn allocate(&self, command: &Allocate, call: &Call) -> Result<Result<Allocation, Refusal>, Error> {
        sharing::allocate(&self.store, &self.environment, &self.crowds, call, command).await
    }
}

impl<S: Inbox, E: Environment, M: Mailer> MessageBus<S, E, M> {
    /// Reacts to an event: once for each commit, whichever of its events comes first. The others do nothing, and neither
    /// does a repeated one. It is given up in time to answer before the deadline.
    ///
    /// # Errors
    /// When the reaction failed or may be under way elsewhere; the event is to be delivered again.
    pub async fn handle_event(&self, envelope: &Envelope, call: &Call) -> Result<(), Error> {
        // Most events are for others.
        let Event::OutOfStock { line, .. } = &envelope.event else { return Ok(()) };
        let mail = send_out_of_stock_mail(self, envelope, line, &call.correlation);
        let sent = in_time(&self.environment, call.deadline, mail);
        sent.await.unwrap_or_else(|| Err(Error::Unavailable("out of time".into())))
    }
}
