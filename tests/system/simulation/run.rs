//! One run of a world: who goes on next, what is delivered when, and who dies.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use adapters::in_memory::{InMemoryEnvironment, InMemoryStore, call_until};
use adapters::{queued, sqs};
use aws_lambda_events::sqs::SqsBatchResponse;
use domain::{Event, OrderLine, Part, PartId, Place, Product, Refusal, Revision, SkuLines};
use futures_util::FutureExt as _;
use lambda_runtime::Context;
use serde_json::json;
use service_layer::outbox::{Envelope, Record, Stopped, relay};
use service_layer::ports::{Environment, Timestamp};
use service_layer::store::Asks;
use service_layer::{Allocate, AllocateLines, CancelOrder, Error, MessageBus, Remembering, Swept, sweep};
use testing::{Command, Reply, allocations, change_body};

use super::books::{self, Books};
use super::choices::Odds;
use super::plan::{Outbox, Plan};
use super::queue::{Entry, Queue, RECEIVES, Source, event_of, ids};
use super::world::{Clocked, World};
use crate::history::{self, Asked, Index, Request, Told, ToldLine};

/// As template.yaml has them.
const HTTP_LIMIT: Duration = Duration::from_secs(10);
const QUEUE_LIMIT: Duration = Duration::from_secs(30);
/// Functions at a time.
const INSTANCES: usize = 4;
/// A run that is longer is stuck.
const STEPS: u32 = 20_000;

/// What went wrong, for a reader.
pub(crate) type Verdict = Result<(), String>;

struct Function {
    name: String,
    event: Trigger,
    work: Pin<Box<dyn Future<Output = Answer>>>,
    waits: Waits,
}

#[derive(Clone)]
enum Trigger {
    /// With its place in the history.
    Request(Command, usize),
    /// Since when they were worked on.
    Messages(Source, Vec<Entry>, u64),
    /// Records of the stream, from this one on.
    Stream(usize),
    /// The clock.
    Sweep,
}

enum Answer {
    Told(Result<Reply, Error>),
    Batch(SqsBatchResponse),
    Relayed(usize, Result<(), Stopped>),
    Swept(Result<Swept, Error>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    Turn,
    Until(Timestamp),
    Forever,
}

/// What may happen next.
#[derive(Clone, Copy)]
enum Next {
    Poll(usize),
    Request,
    Messages(Source),
    Relay,
    Sweep,
}

pub(crate) struct Run {
    world: World,
    /// What processes remember from one command to the next. They trust it at once, so that it is out of date as often
    /// as can be.
    processes: [Remembering<World>; INSTANCES],
    functions: Vec<Function>,
    requests: VecDeque<Command>,
    queues: BTreeMap<Source, Queue>,
    /// How many commits the stream is past.
    relayed: usize,
    /// How many published messages the events queue got.
    delivered: usize,
    books: Books,
    plan: Plan,
    /// What callers asked, and what they were told.
    history: Vec<Request>,
    index: Index,
    /// Counts whatever callers can see.
    clock: u64,
    flights: Vec<Flight>,
    /// By how many milliseconds the clocks of some processes are ahead, and those of others behind.
    skew: u32,
}

/// A command under way, from when it was taken up until it was answered, or its function died.
struct Flight {
    command: Command,
    since: u64,
    until: u64,
    /// Whether it was carried out or refused. Otherwise it may have been, or not.
    done: bool,
}

impl Flight {
    fn crosses(&self, other: &Self) -> bool {
        self.since < other.until && other.since < self.until
    }
}

impl Run {
    pub(crate) fn new(world: World, plan: Plan) -> Self {
        let mut run = Self {
            processes: std::array::from_fn(|_| Remembering::new(world.clone(), 0)),
            world,
            functions: Vec::new(),
            requests: plan.requests.iter().cloned().collect(),
            queues: Source::ALL.map(|source| (source, Queue::default())).into(),
            relayed: 0,
            delivered: 0,
            books: Books::of(&plan),
            plan,
            history: Vec::new(),
            index: Index::Current,
            clock: 0,
            flights: Vec::new(),
            skew: 0,
        };
        {
            let state = run.world.state();
            run.index = if state.left.lags > 0 { Index::MayLag } else { Index::Current };
            run.skew = state.left.skew;
            run.history.extend(state.prepared.iter().map(|command| ask(command.clone(), 0)));
        }
        for (sent, mut change) in (1..).zip(run.plan.changes.clone()) {
            let mut body = change_body(&change);
            body["batchref"] = json!(change.reference);
            run.queue(Source::Changes).push(format!("change-{sent}"), body.to_string(), Timestamp(sent));
            if let Revision::AsOf(as_of) = &mut change.revision {
                *as_of = sent;
            }
            run.history.push(ask(Command::ChangeBatch(change), 0));
        }
        for (sent, line) in (1..).zip(run.plan.queued.clone()) {
            run.queue(Source::Lines).push(
                format!("line-{sent}"),
                serde_json::to_string(&line).unwrap(),
                Timestamp(sent),
            );
            run.history.push(ask(Command::Allocate(line.clone()), 0));
        }
        run
    }

    /// Goes on until nothing is left to do, and checks the rules after each commit and at the end.
    pub(crate) fn finish(mut self) -> Verdict {
        self.books.check(&self.world.state().store)?;
        for _ in 0..STEPS {
            let possible = self.possible();
            if let Some((sleeper, time)) = self.next_sleeper()
                && !possible.is_empty()
                && self.world.chance(|left| &mut left.delays)
            {
                self.world.tell("    the others are slow");
                let mut state = self.world.state();
                state.now = state.now.max(time);
                drop(state);
                self.poll(sleeper)?;
                continue;
            }
            if possible.is_empty() {
                let Some(time) = self.next_time() else { return self.settled() };
                let mut state = self.world.state();
                state.now = state.now.max(time);
                continue;
            }
            match possible[self.world.choose(possible.len(), Odds::Even)] {
                Next::Poll(index) if self.world.chance(|left| &mut left.crashes) => self.die(index),
                Next::Poll(index) => self.poll(index)?,
                Next::Request => self.start_request()?,
                Next::Messages(source) => self.start_messages(source)?,
                Next::Relay => self.start_relay()?,
                Next::Sweep => self.start_sweep()?,
            }
        }
        Err(format!("not settled after {STEPS} steps"))
    }

    fn possible(&self) -> Vec<Next> {
        let now = self.world.now();
        let ready = |function: &Function| match function.waits {
            Waits::Turn => true,
            Waits::Until(time) => time <= now,
            Waits::Forever => false,
        };
        let mut possible: Vec<Next> =
            (0..self.functions.len()).filter(|index| ready(&self.functions[*index])).map(Next::Poll).collect();
        if self.functions.len() >= INSTANCES {
            return possible;
        }
        if !self.requests.is_empty() {
            possible.push(Next::Request);
        }
        let relaying = self.functions.iter().any(|function| matches!(function.event, Trigger::Stream(_)));
        let has_relay = self.plan.outbox == Outbox::Relayed;
        if has_relay && !relaying && self.relayed < self.books.commits().len() {
            possible.push(Next::Relay);
        }
        let sweeps = self.functions.iter().any(|function| matches!(function.event, Trigger::Sweep));
        if !sweeps && self.next_due().is_some_and(|due| due <= now) {
            possible.push(Next::Sweep);
        }
        let waiting = self.queues.iter().filter(|(_, queue)| queue.has_visible(now));
        possible.extend(waiting.map(|(source, _)| Next::Messages(*source)));
        possible
    }

    /// When the first product is due, by the clock that is most behind.
    fn next_due(&self) -> Option<Timestamp> {
        let skew = Duration::from_millis(self.skew.into());
        let store = &self.world.state().store;
        let (products, parts) = (store.products(), store.parts());
        let due = |product: &Product| {
            let of_product = parts.values().filter(|part| part.line.sku == *product.sku());
            // The time may be that of a line that is not held any more: there is nothing to do then.
            Some(product.held().due?.max(of_product.filter_map(|part| part.held_until).min()?))
        };
        products.iter().filter_map(due).min().map(|due| due.plus(skew))
    }

    /// Who wakes next, and when.
    fn next_sleeper(&self) -> Option<(usize, Timestamp)> {
        let now = self.world.now();
        let sleepers = self.functions.iter().enumerate().filter_map(|(index, function)| match function.waits {
            Waits::Until(time) if time > now => Some((index, time)),
            Waits::Until(_) | Waits::Turn | Waits::Forever => None,
        });
        sleepers.min_by_key(|(_, time)| *time)
    }

    /// When something becomes possible by itself.
    fn next_time(&self) -> Option<Timestamp> {
        let wakes = self.functions.iter().filter_map(|function| match function.waits {
            Waits::Until(time) => Some(time),
            Waits::Turn | Waits::Forever => None,
        });
        let times = self.queues.values().flat_map(|queue| &queue.messages).map(|entry| entry.visible_at);
        let now = self.world.now();
        wakes.chain(times).chain(self.next_due()).filter(|time| *time > now).min()
    }

    /// Runs a new function up to its first call. Nobody can tell when it did that.
    fn start(&mut self, name: String, event: Trigger, work: impl Future<Output = Answer> + 'static) -> Verdict {
        self.world.tell(format!("{name} starts"));
        self.functions.push(Function { name, event, work: Box::pin(work), waits: Waits::Turn });
        self.poll(self.functions.len() - 1)
    }

    fn queue(&mut self, source: Source) -> &mut Queue {
        self.queues.get_mut(&source).expect("a queue for each source")
    }

    /// That of a process whose clock goes as those before and after it do not.
    fn command_bus(&self) -> MessageBus<Remembering<World>, Clocked> {
        let number = self.functions.len();
        let skew = i64::from(self.skew);
        let clocked = Clocked { world: self.world.clone(), ahead: [0, skew, -skew, 0][number % INSTANCES] };
        MessageBus::new(self.processes[number].clone(), clocked, ())
    }

    fn start_request(&mut self) -> Verdict {
        let index = self.world.choose(self.requests.len(), Odds::Even);
        let Some(command) = self.requests.remove(index) else { return Ok(()) };
        if self.world.chance(|left| &mut left.duplicates) {
            self.requests.push_back(command.clone());
        }
        let (bus, event, invoked) = (self.command_bus(), command.clone(), self.tick());
        self.history.push(ask(command.clone(), invoked));
        let asked = self.history.len() - 1;
        let deadline = self.world.now().plus(HTTP_LIMIT);
        let name = format!("request {command}");
        let shares_commits = self.world.state().shares_commits;
        self.start(name, Trigger::Request(event, asked), async move {
            let reply = match &command {
                Command::Allocate(line) if shares_commits => allocate(&bus, line, deadline).await,
                command => bus.handle(command, &call_until(deadline)).await,
            };
            bus.environment().world.last_chance_to_die().await;
            Answer::Told(reply)
        })
    }

    fn start_messages(&mut self, source: Source) -> Verdict {
        let world = self.world.clone();
        let batch = self.queue(source).receive(&world);
        let (event, context) = (event_of(&batch), self.context());
        let name = format!("{} {}", source.name(), ids(&batch));
        let trigger = Trigger::Messages(source, batch, self.tick());
        let bus = self.command_bus();
        match source {
            Source::Changes => self.start(name, trigger, async move {
                let answer = sqs::hear_warehouse(&bus, event, &context, RECEIVES).await;
                world.last_chance_to_die().await;
                Answer::Batch(answer)
            }),
            Source::Lines => self.start(name, trigger, async move {
                let answer = queued::allocate_lines(&bus, event, &context, RECEIVES).await;
                world.last_chance_to_die().await;
                Answer::Batch(answer)
            }),
            Source::Events => self.start(name, trigger, async move {
                let bus = MessageBus::new(world.clone(), world.clone(), world.clone());
                let answer = sqs::handle_events(&bus, event, &context, RECEIVES).await;
                world.last_chance_to_die().await;
                Answer::Batch(answer)
            }),
        }
    }

    fn start_relay(&mut self) -> Verdict {
        let commits = self.books.commits();
        let count = 1 + self.world.choose((commits.len() - self.relayed).min(3), Odds::Even);
        let from = self.relayed;
        let record = |(index, envelopes): (usize, &Vec<Envelope>)| Record {
            sequence_number: (from + index).to_string(),
            envelopes: Ok(envelopes.clone()),
        };
        let records = commits[from..from + count].iter().enumerate().map(record).collect();
        let topic = self.world.clone();
        self.start(format!("relay of {count} from {from}"), Trigger::Stream(from), async move {
            let outcome = relay(&topic, records, || true).await;
            topic.last_chance_to_die().await;
            Answer::Relayed(count, outcome)
        })
    }

    fn start_sweep(&mut self) -> Verdict {
        let number = self.functions.len();
        let skew = i64::from(self.skew);
        let clocked = Clocked { world: self.world.clone(), ahead: [0, skew, -skew, 0][number % INSTANCES] };
        let bus = MessageBus::new(self.world.clone(), clocked, ());
        let deadline = self.world.now().plus(QUEUE_LIMIT);
        self.start("sweep".to_owned(), Trigger::Sweep, async move {
            let swept = sweep(&bus, &call_until(deadline)).await;
            bus.environment().world.last_chance_to_die().await;
            Answer::Swept(swept)
        })
    }

    fn context(&self) -> Context {
        let mut context = Context::default();
        context.deadline = self.world.now().plus(QUEUE_LIMIT).0;
        context
    }

    fn die(&mut self, index: usize) {
        let function = self.functions.remove(index);
        self.world.tell(format!("{} dies", function.name));
        self.note_flight(&function.event, false);
        self.give_back(function.event);
    }

    fn poll(&mut self, index: usize) -> Verdict {
        let function = &mut self.functions[index];
        {
            let mut state = self.world.state();
            (state.wants_turn, state.wakes_at, state.committed) = (false, None, false);
            state.took_turn = false;
            state.story.push(format!("  {}", function.name));
        }
        let polled = function.work.as_mut().poll(&mut TaskContext::from_waker(Waker::noop()));
        let (wants_turn, wakes_at, committed) = {
            let state = self.world.state();
            (state.wants_turn, state.wakes_at, state.committed)
        };
        function.waits = match wakes_at {
            _ if wants_turn => Waits::Turn,
            Some(time) => Waits::Until(time),
            None => Waits::Forever,
        };
        if committed {
            self.books.check(&self.world.state().store)?;
        }
        self.deliver();
        match polled {
            Poll::Pending => Ok(()),
            Poll::Ready(answer) => {
                let function = self.functions.remove(index);
                self.answered(function, answer)
            }
        }
    }

    /// What the topic has goes to the queue that subscribes to it, once or twice.
    fn deliver(&mut self) {
        let new: Vec<Envelope> = self.world.state().published[self.delivered..].to_vec();
        self.delivered += new.len();
        for message in new {
            if let Event::OutOfStock { .. } = message.event {
                let times = 1 + usize::from(self.world.chance(|left| &mut left.duplicates));
                for _ in 0..times {
                    let body = serde_json::to_string(&message).unwrap();
                    let now = self.world.now();
                    self.queue(Source::Events).push(message.id.clone(), body, now);
                }
            }
        }
    }

    fn answered(&mut self, function: Function, answer: Answer) -> Verdict {
        let now = self.world.now();
        let done = match &answer {
            Answer::Told(reply) => !matches!(reply, Err(Error::Contended { .. } | Error::Unavailable(_))),
            Answer::Batch(answer) => answer.batch_item_failures.is_empty(),
            Answer::Relayed(..) | Answer::Swept(_) => true,
        };
        self.note_flight(&function.event, done);
        match (function.event, answer) {
            (Trigger::Request(command, asked), Answer::Told(reply)) => {
                self.world.tell(format!("{} is told {reply:?}", function.name));
                self.remember(asked, &command, &reply);
                match reply {
                    Ok(reply) => self.books.told(&command, &reply),
                    Err(Error::Contended { .. } | Error::Unavailable(_)) => {
                        self.requests.push_back(command);
                        Ok(())
                    }
                    // A line may come before the first batch of its SKU, or be cancelled before it comes. Nobody asks again.
                    // Whether that is true, the history tells.
                    Err(error) if Told::of_error(&error).is_some() => Ok(()),
                    Err(error) => Err(format!("{command:?} is told {error:?}")),
                }
            }
            (Trigger::Messages(source, batch, _), Answer::Batch(answer)) => {
                self.world.tell(format!("{}: {} fail", function.name, answer.batch_item_failures.len()));
                self.queue(source).finish(batch, &answer, now);
                Ok(())
            }
            // Whatever failed, the next one tries again.
            (Trigger::Sweep, Answer::Swept(swept)) => {
                self.world.tell(format!("sweep is told {swept:?}"));
                Ok(())
            }
            (Trigger::Stream(from), Answer::Relayed(count, outcome)) => {
                self.relayed = match outcome {
                    Ok(()) => from + count,
                    Err(stopped) => stopped.sequence_number.parse().map_err(|error| format!("{stopped}: {error}"))?,
                };
                Ok(())
            }
            _ => Err(format!("{} gave an answer of another kind", function.name)),
        }
    }

    fn note_flight(&mut self, trigger: &Trigger, done: bool) {
        let (commands, since) = match trigger {
            Trigger::Request(command, asked) => (vec![command.clone()], self.history[*asked].invoked),
            Trigger::Messages(Source::Lines, batch, since) => {
                let line = |entry: &Entry| serde_json::from_str(&entry.body).map(Command::Allocate).unwrap();
                (batch.iter().map(line).collect(), *since)
            }
            Trigger::Messages(Source::Changes | Source::Events, ..) | Trigger::Stream(_) | Trigger::Sweep => return,
        };
        let until = self.tick();
        self.flights.extend(commands.into_iter().map(|command| Flight { command, since, until, done }));
    }

    /// Lines that stand though their order is cancelled: each crossed with the cancellation, nobody was done with either
    /// who began after that, and it ends as soon as anybody asks for either again.
    fn check_cancelled_orders(&self, store: &InMemoryStore) -> Result<u32, String> {
        let mut standing = 0;
        for orderid in store.cancelled() {
            let stands = |part: &&Part| part.line.orderid == orderid && part.place.is_standing();
            for part in store.parts().values().filter(stands) {
                let asks_for = |flight: &&Flight| match &flight.command {
                    Command::Allocate(line) => *line == part.whole_line(),
                    Command::PutOrder(put) => put.wanted.lines().contains(&part.whole_line()),
                    _ => false,
                };
                let line: Vec<_> = self.flights.iter().filter(asks_for).collect();
                let cancels = |flight: &&Flight| flight.command == Command::CancelOrder(orderid.clone());
                let order: Vec<_> = self.flights.iter().filter(cancels).collect();
                let crosses = |line: &&&Flight| order.iter().any(|order| line.crosses(order));
                let crossed_until = line.iter().filter(crosses).map(|line| line.until).max();
                let began_later = |flight: &&&Flight| flight.done && Some(flight.since) >= crossed_until;
                if crossed_until.is_none() || line.iter().chain(&order).any(|flight| began_later(&flight)) {
                    return Err(format!("{:?} stands at {:?}, and its order is cancelled", part.line, part.place));
                }
                let line = part.whole_line();
                let lines = SkuLines::of([line.clone()]).pop().unwrap();
                for asks in [0, 1, 2] {
                    let copy = store.copied();
                    let bus = MessageBus::new(&copy, InMemoryEnvironment::starting_at(1), ());
                    let call = call_until(Timestamp(1_000_000));
                    match asks {
                        0 => drop(bus.handle(&CancelOrder(orderid.clone()), &call).now_or_never()),
                        1 => drop(bus.handle(&Allocate(line.clone()), &call).now_or_never()),
                        _ => drop(bus.handle(&AllocateLines::of(lines.clone()), &call).now_or_never()),
                    }
                    let place = copy.parts().get(&PartId::first_of(line.id())).map(|part| part.place.clone());
                    if place != Some(Place::Cancelled) {
                        return Err(format!("{:?} is asked for again, and stands at {place:?}", part.line));
                    }
                }
                standing += 1;
            }
        }
        Ok(standing)
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Notes what a caller was told, and what the view shows now.
    fn remember(&mut self, asked: usize, command: &Command, reply: &Result<Reply, Error>) {
        let told = match reply {
            Ok(Reply::Allocated(batch)) => Some(Told::Allocated(batch.clone())),
            Ok(Reply::OutOfStock) => Some(Told::OutOfStock),
            Ok(Reply::Done) => Some(Told::Done),
            Ok(Reply::OrderCancelled(_)) => Some(Told::OrderCancelled),
            Ok(Reply::Cancelled(parts)) => Some(Told::Cancelled(ToldLine::all(parts))),
            Ok(Reply::Put(parts)) => Some(Told::Put(ToldLine::all(parts))),
            Ok(Reply::Short(lines)) => Some(Told::Short(lines.clone())),
            Err(error) => Told::of_error(error),
        };
        let now = self.tick();
        self.history[asked].answer = told.map(|told| (now, told));
        if let Command::Allocate(line) = command {
            let store = Arc::clone(&self.world.state().store);
            let shown = allocations(&*store, &line.orderid).now_or_never().expect("a store in memory does not wait");
            let (now, orderid) = (self.tick(), line.orderid.clone());
            let answer = Some((now, Told::Shown(shown.unwrap())));
            self.history.push(Request { asked: Asked::View(orderid), invoked: now, answer });
        }
    }

    /// A function died: whoever called it tries again.
    fn give_back(&mut self, event: Trigger) {
        let now = self.world.now();
        match event {
            Trigger::Request(command, _) => self.requests.push_back(command),
            Trigger::Messages(source, batch, _) => self.queue(source).return_all(batch, now),
            Trigger::Stream(_) | Trigger::Sweep => {}
        }
    }

    fn settled(mut self) -> Verdict {
        if let Some(stuck) = self.functions.first() {
            return Err(format!("{} waits for ever", stuck.name));
        }
        let mut state = self.world.state();
        self.books.check(&state.store)?;
        state.crossed = self.check_cancelled_orders(&state.store)?;
        if let Some(held) = state.store.parts().values().find(|part| part.held_until.is_some()) {
            return Err(format!("nobody looks for {held:?}"));
        }
        self.books.check_the_end(&state, &self.plan)?;
        let end = history::check(&self.history, &state.store.outbox(), self.index)?;
        books::check_history(&end, &state.store)?;
        match self.queues.values().flat_map(|queue| &queue.dead).next() {
            Some(dead) => Err(format!("{} {} ended as a dead letter", dead.id, dead.body)),
            None => Ok(()),
        }
    }
}

/// As the function that allocates does.
async fn allocate<S: Asks>(
    bus: &MessageBus<S, Clocked>,
    line: &OrderLine,
    deadline: Timestamp,
) -> Result<Reply, Error> {
    let answer = bus.allocate(&Allocate(line.clone()), &call_until(deadline)).await?;
    match answer {
        Err(refusal @ Refusal::OrderCancelled(_)) => Ok(Reply::from(Err(refusal))),
        Err(refusal) => Err(refusal.into()),
        Ok(allocation) => Ok(allocation.into()),
    }
}

fn ask(command: Command, invoked: u64) -> Request {
    Request { asked: Asked::Command(command), invoked, answer: None }
}
