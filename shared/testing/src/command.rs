//! All commands as one type, for tests that draw, note and compare them.

use domain::{Allocation, BatchRef, ChangeBatchQuantity, NewBatch, OrderLine};
use service_layer::ports::Environment;
use service_layer::store::Products;
use service_layer::{Allocate, Call, CreateBatch, Error, MessageBus};

/// What somebody asks of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Bind a line to one batch.
    Allocate(OrderLine),
    /// Add a batch of a SKU.
    CreateBatch(NewBatch),
    /// Say how large a batch really is.
    ChangeBatchQuantity(ChangeBatchQuantity),
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The line has a place on this batch.
    Allocated(BatchRef),
    /// The line has none: no batch of its SKU has enough left.
    OutOfStock,
    /// The command was carried out, and there is nothing to tell.
    Done,
}

impl From<Allocation> for Reply {
    fn from(allocation: Allocation) -> Self {
        match allocation {
            Allocation::Allocated(batchref) => Self::Allocated(batchref),
            Allocation::OutOfStock => Self::OutOfStock,
        }
    }
}

/// A message bus that takes any command.
pub trait HandleCommand {
    /// Carries out a command by its handler.
    fn handle_command(&self, command: Command, call: &Call) -> impl Future<Output = Result<Reply, Error>> + Send;
}

impl<S: Products, E: Environment, M: Sync> HandleCommand for MessageBus<S, E, M> {
    async fn handle_command(&self, command: Command, call: &Call) -> Result<Reply, Error> {
        match command {
            Command::Allocate(line) => self.handle(&Allocate(line), call).await.map(Reply::from),
            Command::CreateBatch(new) => self.handle(&CreateBatch(new), call).await.map(|()| Reply::Done),
            Command::ChangeBatchQuantity(change) => self.handle(&change, call).await.map(|()| Reply::Done),
        }
    }
}
