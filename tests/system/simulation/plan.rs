//! What is asked of the service in one run, and who listens.

use domain::OrderLine;
use service_layer::ChangeBatch;
use testing::Command;

/// What is asked of the service in one run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) requests: Vec<Command>,
    pub(crate) changes: Vec<ChangeBatch>,
    /// Lines that are put on the queue.
    pub(crate) queued: Vec<OrderLine>,
    pub(crate) outbox: Outbox,
}

/// Whether anybody reads the outbox. Where it is not what a run is about, its schedules are not worth trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outbox {
    Relayed,
    Unread,
}
