//! The queued path: requests become messages, and Lambda's pollers hand them over in batches to the real consumer.
//!
//! As AWS documents the pollers: a FIFO queue hands over at most 10 messages, one batch of a group at a time, with no
//! window; a standard queue up to 10,000, gathered for a window, in as many invocations at a time as
//! `MaximumConcurrency` says (2 at least; 5 to begin with where nothing is said). A partition of a FIFO queue takes 300
//! sends a second (`docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html`,
//! `.../services-sqs-scaling.html`, `.../AWSSimpleQueueService/latest/SQSDeveloperGuide/high-throughput-fifo.html`).
//! Assumed: a send takes 10 ms, a receive of ten messages 5 ms, an invocation 3 ms beside its work.
//!
//! A standard queue hands over its oldest messages first, and is fair among groups, as AWS documents it
//! (`.../AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues-detailed.html`). A group that has more than a
//! tenth of the messages in flight, and at least 30, is noisy until none of its messages waits. As long as messages of
//! quiet groups wait, they are handed over; of several noisy groups, the one with the fewest in flight goes first.
//! Assumed: SQS counts exactly and at once, though AWS calls these numbers approximate. Left out: a group is noisy also
//! if its messages took more than a tenth of the consumers' time of late, since AWS does not say since when; and it is
//! quiet again after five minutes with nothing in flight, which is longer than a run.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
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
/// A group is noisy with so many messages in flight, if they are more than one in so many of all.
const NOISY_FROM: usize = 30;
const NOISY_ONE_IN: usize = 10;

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
    /// How many were sent before.
    number: u64,
    receives: u32,
}

#[derive(Default)]
struct State {
    sent: u64,
    /// Messages that can be received: those of each group, the oldest first.
    waiting: BTreeMap<u32, VecDeque<Message>>,
    /// Messages that were given back, and when they can be received again.
    hidden: VecDeque<(Duration, Message)>,
    /// How many messages of a group were received, and are not done with. No group has none.
    in_flight: HashMap<u32, usize>,
    noisy: HashSet<u32>,
    /// When each group may be sent to next.
    paced: HashMap<u32, Duration>,
    accepted: HashMap<OrderLine, Duration>,
    returned: u32,
}

impl State {
    /// Whose message a FIFO queue hands over next: the oldest of a group that nobody holds, and then only more of that
    /// group.
    fn next_in_order(&self, received: Option<&Message>) -> Option<u32> {
        self.oldest_of(|group| match received {
            Some(received) => received.group == group,
            None => !self.in_flight.contains_key(&group),
        })
    }

    /// Whose message a standard queue hands over next: the oldest of a quiet group; if there is none, that of the noisy
    /// group with the fewest in flight.
    fn next_in_fairness(&self) -> Option<u32> {
        self.oldest_of(|group| !self.noisy.contains(&group)).or_else(|| {
            let noisy = self.waiting.keys().filter(|group| self.noisy.contains(group));
            noisy.min_by_key(|group| self.in_flight.get(group)).copied()
        })
    }

    fn oldest_of(&self, may_be: impl Fn(u32) -> bool) -> Option<u32> {
        let groups = self.waiting.iter().filter(|(group, _)| may_be(**group));
        let oldest = groups.min_by_key(|(_, messages)| messages.front().map(|message| message.number));
        oldest.map(|(group, _)| *group)
    }

    fn take(&mut self, group: u32) -> Option<Message> {
        let messages = self.waiting.get_mut(&group)?;
        let mut message = messages.pop_front()?;
        message.receives += 1;
        *self.in_flight.entry(group).or_default() += 1;
        if messages.is_empty() {
            self.waiting.remove(&group);
            self.noisy.remove(&group);
            return Some(message);
        }
        let all: usize = self.in_flight.values().sum();
        let own = self.in_flight.get(&group).copied().unwrap_or_default();
        if own >= NOISY_FROM && own * NOISY_ONE_IN > all {
            self.noisy.insert(group);
        }
        Some(message)
    }

    /// It is in flight no more.
    fn let_go(&mut self, group: u32) {
        let in_flight = self.in_flight.entry(group).or_default();
        *in_flight -= 1;
        if *in_flight == 0 {
            self.in_flight.remove(&group);
        }
    }

    fn show(&mut self, message: Message) {
        self.waiting.entry(message.group).or_default().push_back(message);
    }

    /// Lets those be received again that were hidden for long enough.
    fn show_hidden(&mut self, now: Duration) {
        while let Some((_, message)) = self.hidden.pop_front_if(|(visible_at, _)| *visible_at <= now) {
            self.let_go(message.group);
            self.show(message);
        }
    }
}

/// A queue at SQS.
pub(super) struct Queue {
    clock: Clock,
    candidate: Candidate,
    state: Mutex<State>,
}

impl Queue {
    pub(super) fn new(clock: Clock, candidate: Candidate) -> Arc<Self> {
        Arc::new(Self { clock, candidate, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When each line was asked for that the queue took.
    pub(super) fn accepted(&self) -> HashMap<OrderLine, Duration> {
        self.state().accepted.clone()
    }

    fn any_group(&self) -> u32 {
        let groups = match self.candidate {
            Candidate::Fifo { groups } => groups,
            Candidate::Standard { .. } => 1,
        };
        (self.clock.random() % u64::from(groups)).try_into().unwrap_or_default()
    }

    pub(super) async fn send(&self, line: OrderLine, group: u32) {
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
        let mut state = self.state();
        state.accepted.insert(line.clone(), asked);
        let number = state.sent;
        state.sent += 1;
        state.show(Message { line, group, number, receives: 0 });
    }

    /// Up to ten messages that nobody holds; of a FIFO queue, of one group that nobody holds.
    fn receive(&self, most: usize) -> Vec<Message> {
        let mut state = self.state();
        state.show_hidden(self.clock.time());
        let mut received: Vec<Message> = Vec::new();
        while received.len() < most.min(RECEIVED) {
            let group = match self.candidate {
                Candidate::Fifo { .. } => state.next_in_order(received.first()),
                Candidate::Standard { .. } => state.next_in_fairness(),
            };
            let Some(message) = group.and_then(|group| state.take(group)) else { break };
            received.push(message);
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
        for message in batch {
            if failed.contains(message.line.orderid.as_str()) {
                state.returned += 1;
                state.hidden.push_back((now + VISIBILITY, message));
            } else {
                state.let_go(message.group);
            }
        }
    }
}

pub(crate) fn measure(seed: u64, candidate: Candidate, load: Load) -> (Figures, Toll) {
    let clock = Clock::from_seed(seed);
    let database = stocked(&clock);
    let queue = Queue::new(clock.clone(), candidate);
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
        let group = queue.any_group();
        queue.send(line(sender, number), group).await;
    }
}

/// A function's instance, and the poller that feeds it.
pub(super) async fn work(queue: Arc<Queue>, database: Arc<Database>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sends(state: &mut State, group: u32, messages: u64) {
        for _ in 0..messages {
            let number = state.sent;
            state.sent += 1;
            state.show(Message { line: line(group, 0), group, number, receives: 0 });
        }
    }

    /// Of which groups so many messages are received.
    fn receives(state: &mut State, messages: usize) -> Vec<u32> {
        let one = |_| state.next_in_fairness().and_then(|group| Some(state.take(group)?.group));
        (0..messages).filter_map(one).collect()
    }

    #[test]
    fn who_has_thirty_messages_in_flight_waits_for_the_others() {
        let mut state = State::default();
        sends(&mut state, 1, 50);
        sends(&mut state, 2, 2);
        assert_eq!(receives(&mut state, 33), [vec![1; 30], vec![2; 2], vec![1; 1]].concat());
    }

    #[test]
    fn a_tenth_of_all_in_flight_is_not_too_much() {
        let mut state = State::default();
        state.in_flight.insert(3, 300);
        sends(&mut state, 1, 50);
        sends(&mut state, 2, 2);
        assert_eq!(receives(&mut state, 36), [vec![1; 34], vec![2; 2]].concat());
    }

    #[test]
    fn a_group_is_quiet_again_when_none_of_it_waits() {
        let mut state = State::default();
        sends(&mut state, 1, 40);
        receives(&mut state, 40);
        sends(&mut state, 1, 1);
        sends(&mut state, 2, 1);
        assert_eq!(receives(&mut state, 2), [1, 2]);
    }

    #[test]
    fn of_noisy_groups_the_one_with_the_fewest_in_flight_goes_first() {
        let mut state = State::default();
        sends(&mut state, 1, 50);
        receives(&mut state, 40);
        sends(&mut state, 2, 50);
        // From the thirtieth on, both are noisy.
        assert_eq!(receives(&mut state, 40), [2; 40]);
    }
}
