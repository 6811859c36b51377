//! The queued path: requests become messages, and Lambda's pollers hand them over in batches to the real consumer.
//!
//! As AWS documents the pollers: a FIFO queue hands over at most 10 messages, one batch of a group at a time, with no
//! window; a standard queue up to 10,000, gathered for a window, in as many invocations at a time as
//! `MaximumConcurrency` says (2 at least; 5 to begin with where nothing is said). A partition of a FIFO queue takes 300
//! sends a second (`docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html`,
//! `.../services-sqs-scaling.html`, `.../AWSSimpleQueueService/latest/SQSDeveloperGuide/high-throughput-fifo.html`).
//! Assumed: a send takes 10 ms, a receive of ten messages 5 ms, an invocation 3 ms beside its work.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use adapters::queued::allocate_lines;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use domain::OrderLine;
use lambda_runtime::Context;
use service_layer::MessageBus;
use service_layer::ports::Environment;
use service_layer::store::Products;

use super::clock::{Clock, Task};
use super::database::{Database, Toll};
use super::figures::{Figures, RUN};
use super::plain::{line, stocked};

const SEND: Duration = Duration::from_millis(10);
const RECEIVE: Duration = Duration::from_millis(5);
const RECEIVED: usize = 10;
const INVOCATION: Duration = Duration::from_millis(3);
const LIMIT: Duration = Duration::from_secs(30);
const VISIBILITY: Duration = Duration::from_mins(3);
const MAX_RECEIVES: u32 = 5;
/// What a partition of a FIFO queue takes: one send each so often.
const FIFO_PACE: Duration = Duration::from_micros(3_333);

/// A kind of queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Candidate {
    /// So many groups for each SKU.
    Fifo { groups: u32 },
    /// So many invocations at a time.
    Standard { concurrency: u32, batch: usize, window: Duration },
}

impl fmt::Display for Candidate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fifo { groups } => write!(formatter, "FIFO, {groups} group(s) a SKU"),
            Self::Standard { concurrency, batch, window } => {
                write!(formatter, "standard, {concurrency} at a time, {batch} or {} ms", window.as_millis())
            }
        }
    }
}

/// Who sends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// So many callers, each of whom sends again as soon as the queue has taken its request.
    Callers(u32),
    /// So many lines each second, whatever comes of them.
    Rate(u32),
}

struct Message {
    line: OrderLine,
    group: u32,
    visible_at: Duration,
    receives: u32,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Message>,
    busy_groups: HashSet<u32>,
    /// When each group may be sent to next.
    paced: HashMap<u32, Duration>,
    accepted: HashMap<OrderLine, Duration>,
    returned: u32,
}

struct Queue {
    clock: Clock,
    candidate: Candidate,
    state: Mutex<State>,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, line: OrderLine) {
        let groups = match self.candidate {
            Candidate::Fifo { groups } => groups,
            Candidate::Standard { .. } => 1,
        };
        let group = (self.clock.random() % u64::from(groups)).try_into().unwrap_or_default();
        let asked = self.clock.time();
        self.clock.wait(SEND.mul_f64(0.5 + self.clock.chance())).await;
        if matches!(self.candidate, Candidate::Fifo { .. }) {
            let turn = {
                let mut state = self.state();
                let next = state.paced.entry(group).or_default();
                let turn = (*next).max(self.clock.time());
                *next = turn + FIFO_PACE;
                turn
            };
            self.clock.wait(turn.saturating_sub(self.clock.time())).await;
        }
        let visible_at = self.clock.time();
        let mut state = self.state();
        state.accepted.insert(line.clone(), asked);
        state.waiting.push_back(Message { line, group, visible_at, receives: 0 });
    }

    /// Up to ten messages that nobody holds; of a FIFO queue, of one group that nobody holds.
    fn receive(&self, most: usize) -> Vec<Message> {
        let (now, fifo) = (self.clock.time(), matches!(self.candidate, Candidate::Fifo { .. }));
        let mut state = self.state();
        let mut received: Vec<Message> = Vec::new();
        let mut passed_over = Vec::new();
        while received.len() < most.min(RECEIVED)
            && let Some(mut message) = state.waiting.pop_front()
        {
            let held = fifo
                && received
                    .first()
                    .map_or(state.busy_groups.contains(&message.group), |first| first.group != message.group);
            if held || message.visible_at > now {
                passed_over.push(message);
                continue;
            }
            message.receives += 1;
            received.push(message);
        }
        for message in passed_over.into_iter().rev() {
            state.waiting.push_front(message);
        }
        if let (true, Some(first)) = (fifo, received.first()) {
            state.busy_groups.insert(first.group);
        }
        received
    }

    async fn gather(&self) -> Vec<Message> {
        let (batch, window) = match self.candidate {
            Candidate::Fifo { .. } => (RECEIVED, Duration::ZERO),
            Candidate::Standard { batch, window, .. } => (batch, window),
        };
        let mut gathered = Vec::new();
        let mut since = None;
        loop {
            self.clock.wait(RECEIVE).await;
            gathered.extend(self.receive(batch - gathered.len()));
            if gathered.is_empty() {
                continue;
            }
            let since = *since.get_or_insert(self.clock.time());
            if gathered.len() >= batch || self.clock.time() >= since + window {
                return gathered;
            }
        }
    }

    fn finish(&self, batch: Vec<Message>, failed: &HashSet<String>) {
        let now = self.clock.time();
        let mut state = self.state();
        for mut message in batch {
            state.busy_groups.remove(&message.group);
            if failed.contains(message.line.orderid.as_str()) {
                state.returned += 1;
                message.visible_at = now + VISIBILITY;
                state.waiting.push_back(message);
            }
        }
    }
}

pub(crate) fn measure(seed: u64, candidate: Candidate, load: Load) -> (Figures, Toll) {
    let clock = Clock::from_seed(seed);
    let database = stocked(&clock);
    let queue = Arc::new(Queue { clock: clock.clone(), candidate, state: Mutex::default() });
    let end = clock.time() + RUN;
    let workers = match candidate {
        Candidate::Fifo { groups } => groups,
        Candidate::Standard { concurrency, .. } => concurrency,
    };
    let workers = (0..workers).map(|_| -> Task<'static> { Box::pin(work(Arc::clone(&queue), Arc::clone(&database))) });
    let senders = match load {
        Load::Callers(callers) => callers,
        Load::Rate(rate) => rate,
    };
    let senders = (0..senders).map(|sender| -> Task<'static> { Box::pin(send(Arc::clone(&queue), load, sender)) });
    clock.run(workers.chain(senders), end);
    let toll = database.hooks.toll();
    let state = queue.state();
    let placed = database.hooks.placed();
    let latencies =
        placed.iter().filter_map(|(line, time)| Some(time.saturating_sub(*state.accepted.get(line)?))).collect();
    (Figures { latencies, turned_away: state.returned, ..Figures::of_store(&toll) }, toll)
}

async fn send(queue: Arc<Queue>, load: Load, sender: u32) {
    if let Load::Rate(_) = load {
        queue.clock.wait(Duration::from_secs(1).mul_f64(queue.clock.chance())).await;
    }
    for number in 0.. {
        if let Load::Rate(_) = load {
            // Each of them one line a second, on average.
            queue.clock.wait(Duration::from_secs(1).mul_f64(0.5 + queue.clock.chance())).await;
        }
        queue.send(line(sender, number)).await;
    }
}

/// A function's instance, and the poller that feeds it.
async fn work(queue: Arc<Queue>, database: Arc<Database>) {
    let bus = MessageBus::new(&*database, queue.clock.clone(), ());
    loop {
        let batch = queue.gather().await;
        queue.clock.wait(INVOCATION).await;
        let records = batch.iter().map(|message| record(&message.line, message.receives)).collect();
        let failed = invoke(&bus, records).await;
        queue.finish(batch, &failed);
    }
}

/// Has the real consumer allocate the lines of messages. Tells the ids of those that it gives back.
pub(crate) async fn invoke<S: Products, E: Environment>(
    bus: &MessageBus<S, E>,
    records: Vec<SqsMessage>,
) -> HashSet<String> {
    let mut event = SqsEvent::default();
    event.records = records;
    let mut context = Context::default();
    context.deadline = bus.environment().now().plus(LIMIT).0;
    let answer = allocate_lines(bus, event, &context, MAX_RECEIVES).await;
    answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

/// A message as the consumer gets it.
pub(crate) fn record(OrderLine { orderid, sku, qty, .. }: &OrderLine, receives: u32) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(orderid.to_string());
    record.body = Some(format!(r#"{{"orderid":"{orderid}","sku":"{sku}","qty":{qty}}}"#));
    record.attributes.insert("ApproximateReceiveCount".to_owned(), receives.to_string());
    record
}
