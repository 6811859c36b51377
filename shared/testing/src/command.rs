//! All commands as one type, for tests that draw, note and compare them.

use std::fmt;

use adapters::http::Route;
use domain::{
    Allocation, BatchRef, ChangeOutcome, Counted, Done, IfShort, LineId, NewBatch, OrderId, OrderLine, OrderVersion,
    Part, Refusal, Revision, Sku, Step, Terms,
};
use serde_json::{Map, Value, json};
use service_layer::store::{Found, Listing, ReadSet};
use service_layer::{
    Allocate, CancelOrder, CancelledOrder, Case, ChangeBatch, CreateBatch, Deallocate, Handler, NewEta, OrderedLine,
    PutOrder, PutOrderAnswer, Ship,
};

/// What somebody asks of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Bind a line to one batch.
    Allocate(OrderLine),
    /// Cancel a line.
    Deallocate(LineId),
    /// Note that a line was shipped.
    Ship(LineId),
    /// Cancel an order.
    CancelOrder(OrderId),
    /// Bring an order to what it wants.
    PutOrder(PutOrder),
    /// Add a batch of a SKU.
    CreateBatch(NewBatch),
    /// Say how large a batch really is, or when it comes.
    ChangeBatch(ChangeBatch),
}

/// What a command is about, and its events are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A line.
    Line(LineId),
    /// A batch.
    Batch(BatchRef),
    /// An order.
    Order(OrderId),
}

impl Command {
    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::Allocate(line) => Subject::Line(line.id()),
            Self::Deallocate(id) | Self::Ship(id) => Subject::Line(id.clone()),
            Self::CancelOrder(orderid) => Subject::Order(orderid.clone()),
            Self::PutOrder(order) => Subject::Order(order.wanted.orderid().clone()),
            Self::CreateBatch(new) => Subject::Batch(new.reference.clone()),
            Self::ChangeBatch(change) => Subject::Batch(change.reference.clone()),
        }
    }

    /// The product that it changes, where it names it. A change of a batch does not, nor does an order.
    #[must_use]
    pub fn sku(&self) -> Option<&Sku> {
        match self {
            Self::Allocate(line) => Some(&line.sku),
            Self::Deallocate(id) | Self::Ship(id) => Some(&id.sku),
            Self::CreateBatch(new) => Some(&new.sku),
            Self::ChangeBatch(change) => change.sku.as_ref(),
            Self::CancelOrder(_) | Self::PutOrder(_) => None,
        }
    }

    /// The request that asks for it: its body. A change's path names the batch, and that of an order names the order; one
    /// that is cancelled has no body.
    #[must_use]
    pub fn request(&self) -> (Route, Value) {
        match self {
            Self::Allocate(line) => (Route::Allocate, json!(line)),
            Self::Deallocate(id) => (Route::Deallocate, json!(id)),
            Self::Ship(id) => (Route::Ship, json!(id)),
            Self::CancelOrder(_) => (Route::CancelOrder, Value::Null),
            Self::PutOrder(order) => (Route::PutOrder, order_body(order)),
            Self::CreateBatch(new) => (Route::CreateBatch, json!(new)),
            Self::ChangeBatch(change) => (Route::ChangeBatch, change_body(change)),
        }
    }

    fn handler(&self) -> Box<dyn AnyHandler> {
        match self {
            Self::Allocate(line) => Box::new(Allocate(line.clone())),
            Self::Deallocate(id) => Box::new(Deallocate(id.clone())),
            Self::Ship(id) => Box::new(Ship(id.clone())),
            Self::CancelOrder(orderid) => Box::new(CancelOrder(orderid.clone())),
            Self::PutOrder(order) => Box::new(order.clone()),
            Self::CreateBatch(new) => Box::new(CreateBatch(new.clone())),
            Self::ChangeBatch(change) => Box::new(change.clone()),
        }
    }
}

/// For a reader.
impl fmt::Display for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocate(line) => write!(formatter, "{} of {} for {}", line.qty, line.sku, line.orderid),
            Self::Deallocate(id) => write!(formatter, "cancel {} of {} for {}", id.name, id.sku, id.orderid),
            Self::Ship(id) => write!(formatter, "ship {} of {} for {}", id.name, id.sku, id.orderid),
            Self::CancelOrder(orderid) => write!(formatter, "cancel all for {orderid}"),
            Self::PutOrder(PutOrder { wanted, terms: Terms { if_short, hold_until, may_split }, version }) => {
                write!(formatter, "{} wants", wanted.orderid())?;
                for OrderLine { sku, qty, .. } in wanted.lines() {
                    write!(formatter, " {qty} of {sku}")?;
                }
                write!(formatter, ", if short {if_short:?}")?;
                if let Some(OrderVersion(version)) = version {
                    write!(formatter, ", version {version}")?;
                }
                if *may_split {
                    write!(formatter, ", split if need be")?;
                }
                hold_until.map_or(Ok(()), |until| write!(formatter, ", until {}", until.0))
            }
            Self::CreateBatch(new) => write!(formatter, "batch {} of {} {}", new.reference, new.qty, new.sku),
            Self::ChangeBatch(ChangeBatch { reference, counted, eta, .. }) => {
                write!(formatter, "{reference}")?;
                match counted {
                    Some(Counted::Purchased(pieces)) => write!(formatter, " holds {pieces}")?,
                    Some(Counted::OnHand(pieces)) => write!(formatter, " has {pieces} on hand")?,
                    None => {}
                }
                match eta {
                    Some(NewEta(Some(day))) => write!(formatter, " comes {day}"),
                    Some(NewEta(None)) => write!(formatter, " is here"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A change as the body of a request says it, or of a message that names the batch too. One without a version is as of
/// its sending.
#[must_use]
pub fn change_body(change: &ChangeBatch) -> Value {
    let mut body = Map::new();
    let mut say = |field: &str, value: Value| drop(body.insert(field.to_owned(), value));
    match change.counted {
        Some(Counted::Purchased(pieces)) => say("qty", pieces.into()),
        Some(Counted::OnHand(pieces)) => say("on_hand", pieces.into()),
        None => {}
    }
    if let Some(NewEta(eta)) = change.eta {
        say("eta", json!(eta));
    }
    if let Some(sku) = &change.sku {
        say("sku", json!(sku));
    }
    if let Revision::Version(version) = change.revision {
        say("version", version.into());
    }
    body.into()
}

/// What is wanted of an order, as the body of a request says it.
#[must_use]
pub fn order_body(PutOrder { wanted, terms, version }: &PutOrder) -> Value {
    let Terms { if_short, hold_until, may_split } = terms;
    let lines = wanted.lines().iter().map(|line| json!({"sku": line.sku, "qty": line.qty, "line": line.name}));
    let if_short = match if_short {
        IfShort::Refuse => "refuse",
        IfShort::Partial => "partial",
        IfShort::Wait => "wait",
    };
    json!({
        "lines": lines.collect::<Vec<_>>(),
        "if_short": if_short,
        "version": version,
        "hold_until": hold_until,
        "split": may_split,
    })
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The line has a place on this batch.
    Allocated(BatchRef),
    /// The line has none: no batch of its SKU has enough left.
    OutOfStock,
    /// The line's order is cancelled.
    OrderCancelled(OrderId),
    /// The order is cancelled, and these are its lines.
    Cancelled(Vec<Part>),
    /// The order is as it was wanted, and these are its lines.
    Put(Vec<Part>),
    /// These lines of the order are short, and nothing was changed.
    Short(Vec<LineId>),
    /// The command was carried out, and there is nothing to tell.
    Done,
}

impl From<Allocation> for Reply {
    fn from(allocation: Allocation) -> Self {
        match allocation {
            Allocation::Allocated(batchref) | Allocation::Kept(batchref) => Self::Allocated(batchref),
            Allocation::Waiting | Allocation::OutOfStock => Self::OutOfStock,
        }
    }
}

/// A line of a cancelled order may be refused by a commit that changes something: then by its answer.
impl From<Result<Allocation, Refusal>> for Reply {
    fn from(answer: Result<Allocation, Refusal>) -> Self {
        match answer {
            Ok(allocation) => allocation.into(),
            Err(Refusal::OrderCancelled(orderid)) => Self::OrderCancelled(orderid),
            Err(other) => panic!("{other} is an error, and no answer"),
        }
    }
}

impl From<CancelledOrder> for Reply {
    fn from(cancelled: CancelledOrder) -> Self {
        Self::Cancelled(parts_of(cancelled.lines))
    }
}

impl From<PutOrderAnswer> for Reply {
    fn from(answer: PutOrderAnswer) -> Self {
        match answer {
            PutOrderAnswer::Placed(placed) => Self::Put(parts_of(placed.lines)),
            PutOrderAnswer::Short(lines) => Self::Short(lines.into_iter().map(|short| short.line.id()).collect()),
            PutOrderAnswer::OrderCancelled(orderid) => Self::OrderCancelled(orderid),
        }
    }
}

fn parts_of(lines: Vec<OrderedLine>) -> Vec<Part> {
    lines.into_iter().flat_map(|line| line.parts).map(|part| part.part).collect()
}

impl From<ChangeOutcome> for Reply {
    fn from(_: ChangeOutcome) -> Self {
        Self::Done
    }
}

impl From<Done> for Reply {
    fn from(_: Done) -> Self {
        Self::Done
    }
}

/// A command does what its own handler does.
impl Handler for Command {
    type Answer = Reply;

    fn reads(&self) -> ReadSet {
        self.handler().reads()
    }

    fn lists(&self, found: &Found) -> Option<Listing> {
        self.handler().lists(found)
    }

    fn decide(&self, case: &mut Case) -> Result<Step<Reply>, Refusal> {
        self.handler().decide(case)
    }
}

/// A handler whose answer is a reply.
trait AnyHandler {
    fn reads(&self) -> ReadSet;
    fn lists(&self, found: &Found) -> Option<Listing>;
    fn decide(&self, case: &mut Case) -> Result<Step<Reply>, Refusal>;
}

impl<H: Handler> AnyHandler for H
where
    Reply: From<H::Answer>,
{
    fn reads(&self) -> ReadSet {
        Handler::reads(self)
    }

    fn lists(&self, found: &Found) -> Option<Listing> {
        Handler::lists(self, found)
    }

    fn decide(&self, case: &mut Case) -> Result<Step<Reply>, Refusal> {
        let step = Handler::decide(self, case)?;
        Ok(match step {
            Step::Finish(answer) => Step::Finish(answer.into()),
            Step::GoOn => Step::GoOn,
        })
    }
}
