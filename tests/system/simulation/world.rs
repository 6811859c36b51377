//! The world that functions run in: store, index, topic, mailer and time, with all that may go wrong with them.
//!
//! Every call of a function's ports first gives the scheduler its turn, then does its work or fails. So whatever
//! order calls may come in, and wherever a function may die, is a choice.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use adapters::in_memory::{InMemoryEnvironment, InMemoryStore, call_until};
use domain::{LineId, Part, Sku, SkuLines};
use futures_util::FutureExt as _;
use service_layer::outbox::Envelope;
use service_layer::ports::{Claim, Environment, Holds, Inbox, Mail, Mailer, PublishError, Publisher, Timestamp};
use service_layer::store::{
    Asked, Asking, Asks, Commit, Found, Listing, Look, Products, ReadSet, Seen, StoreError, Turn,
};
use service_layer::{AllocateLines, Call, CommandFigures, Figures, MessageBus, Source};
use testing::{Command, line};

use super::choices::{Choices, Odds};

/// How much may go wrong in one run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Adversity {
    /// Calls that fail, hang, or lose their reply.
    pub(crate) faults: u32,
    /// Functions that die.
    pub(crate) crashes: u32,
    /// Messages and requests that come twice.
    pub(crate) duplicates: u32,
    /// Reads of two items that are no snapshot.
    pub(crate) torn_reads: u32,
    /// Reads of the index as it was before.
    pub(crate) lags: u32,
    /// Times that one who sleeps wakes though others might still have gone on: they are slow.
    pub(crate) delays: u32,
    /// By how many milliseconds clocks may be ahead or behind.
    pub(crate) skew: u32,
}

#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<State>>);

#[expect(clippy::struct_excessive_bools, reason = "each says that something happened, by itself")]
pub(crate) struct State {
    pub(crate) choices: Choices,
    pub(crate) left: Adversity,
    pub(crate) store: Arc<InMemoryStore>,
    /// What was carried out before the run.
    pub(crate) prepared: Vec<Command>,
    /// The store before each of the last commits, and of the commands before all, which a lagging index may still show.
    past: Vec<Arc<InMemoryStore>>,
    /// What the world was asked that nobody may ask.
    pub(crate) wrong: Option<String>,
    pub(crate) published: Vec<Envelope>,
    pub(crate) mails: Vec<Mail>,
    /// Whether somebody was refused without a commit.
    pub(crate) refused_in_silence: bool,
    pub(crate) now: Timestamp,
    drawn: u64,
    /// Lines that stand at the end, though their order is cancelled.
    pub(crate) crossed: u32,
    /// Whether the function that is being polled has had its turn: of two calls side by side, one goes first.
    pub(crate) took_turn: bool,
    /// What the function that is being polled waits for: its turn, or a time.
    pub(crate) wants_turn: bool,
    pub(crate) wakes_at: Option<Timestamp>,
    /// What happened, for a reader.
    pub(crate) story: Vec<String>,
    /// Set by a commit: there is something to check.
    pub(crate) committed: bool,
    /// Lines that were put among those that ask, and are not there yet.
    late: Vec<Asking>,
    /// Whether callers who lose a race share the next commit. Otherwise each goes on by itself.
    pub(crate) shares_commits: bool,
    /// Whether a commit gave places to lines of several callers.
    pub(crate) shared_a_commit: bool,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Works,
    /// It fails, and has no effect.
    Fails,
    /// It has its effect, but the reply is an error.
    LosesReply,
    /// It is refused for another one that is under way.
    Collides,
    /// It never comes back, and has no effect.
    Hangs,
    /// It never comes back, and has its effect.
    WorksAndHangs,
}

const FATES: [Fate; 6] = [Fate::Works, Fate::Fails, Fate::LosesReply, Fate::Collides, Fate::Hangs, Fate::WorksAndHangs];

impl World {
    pub(crate) fn new(choices: Choices, adversity: Adversity) -> Self {
        Self(Arc::new(Mutex::new(State {
            choices,
            left: adversity,
            store: Arc::new(InMemoryStore::default()),
            prepared: Vec::new(),
            past: Vec::new(),
            wrong: None,
            published: Vec::new(),
            mails: Vec::new(),
            refused_in_silence: false,
            now: Timestamp(1_000_000),
            // Ids of commits are drawn, and none is that of a commit before the run.
            drawn: 1_000_000,
            crossed: 0,
            took_turn: false,
            wants_turn: false,
            wakes_at: None,
            story: Vec::new(),
            committed: false,
            late: Vec::new(),
            shares_commits: false,
            shared_a_commit: false,
        })))
    }

    /// Commands that were carried out before the run begins.
    pub(crate) fn prepare(&self, commands: &[Command]) {
        self.state().prepared = commands.to_vec();
        let store = self.store();
        let bus = MessageBus::new(&*store, InMemoryEnvironment::default(), ());
        for command in commands {
            self.state().past.push(Arc::new(store.copied()));
            now(bus.handle(command, &call_until(Timestamp(1_000_000)))).unwrap();
        }
    }

    /// Three callers have just got their lines of this SKU by one commit, so that the next ones share theirs.
    pub(crate) fn prepare_a_crowd(&self, sku: &str) {
        self.state().shares_commits = true;
        let lines = ["x1", "x2", "x3"].map(|orderid| line(orderid, sku, 1));
        self.state().prepared.extend(lines.iter().cloned().map(Command::Allocate));
        let store = self.store();
        self.state().past.push(Arc::new(store.copied()));
        let environment = InMemoryEnvironment::default();
        now(environment.sleep(Duration::from_millis(self.now().0)));
        let bus = MessageBus::new(&*store, environment, ());
        let lines = AllocateLines::of(SkuLines::of(lines).pop().unwrap());
        now(bus.handle(&lines, &call_until(self.now().plus(Duration::from_secs(10))))).unwrap();
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn tell(&self, what: impl Into<String>) {
        self.state().story.push(what.into());
    }

    pub(crate) fn choose(&self, of: usize, odds: Odds) -> usize {
        self.state().choices.choose(u32::try_from(of).unwrap(), odds) as usize
    }

    /// Spends one of these, if chance will have it.
    pub(crate) fn chance(&self, of_what: impl Fn(&mut Adversity) -> &mut u32) -> bool {
        let mut state = self.state();
        if *of_what(&mut state.left) == 0 || state.choices.choose(2, Odds::OneIn(6)) == 0 {
            return false;
        }
        *of_what(&mut state.left) -= 1;
        true
    }

    /// Lets the scheduler decide who goes on.
    pub(crate) async fn turn(&self) {
        let mut waited = false;
        poll_fn(|context| {
            let mut state = self.state();
            if std::mem::replace(&mut waited, true) && !state.took_turn {
                state.took_turn = true;
                return Poll::Ready(());
            }
            state.wants_turn = true;
            // Whoever joins several of them polls those again that were woken.
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// A function may die after its last call, before anybody hears of it.
    pub(crate) async fn last_chance_to_die(&self) {
        if self.state().left.crashes > 0 {
            self.turn().await;
        }
    }

    fn fate(&self, call: &str, possible: usize) -> Fate {
        let mut state = self.state();
        if state.left.faults == 0 {
            return Fate::Works;
        }
        let fate = FATES[state.choices.choose(u32::try_from(possible).unwrap(), Odds::OneIn(12)) as usize];
        if fate != Fate::Works {
            state.left.faults -= 1;
            state.story.push(format!("    {call}: {fate:?}"));
        }
        fate
    }

    /// A call of the store, after its turn.
    async fn call<T>(
        &self,
        name: &str,
        possible: usize,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.turn().await;
        self.write_late();
        let silence = || StoreError::Unavailable("no reply".into());
        match self.fate(name, possible) {
            Fate::Works => work(),
            Fate::Fails => Err(silence()),
            Fate::LosesReply => work().and(Err(silence())),
            Fate::Collides => Err(StoreError::Conflict(Vec::new())),
            Fate::Hangs => std::future::pending().await,
            Fate::WorksAndHangs => {
                let _ = work();
                std::future::pending().await
            }
        }
    }

    /// Makes a write that is on its way still, if chance will have it.
    fn write_late(&self) {
        if self.state().late.is_empty() || self.choose(2, Odds::Even) == 0 {
            return;
        }
        let late = self.state().late.pop();
        if let Some(asking) = late {
            self.tell(format!("    {} asks late", asking.line.orderid));
            drop(now(self.store().ask(&asking)));
        }
    }

    fn store(&self) -> Arc<InMemoryStore> {
        Arc::clone(&self.state().store)
    }

    /// The entries of the index: those of now, or some as one of the last commits found them. A line's old entry and
    /// its new one may lie in different partitions, each of which lags by itself: then the index shows both, or
    /// neither.
    fn indexed(&self) -> Vec<Part> {
        let parts = self.store().parts();
        let versions = self.state().past.len();
        let mut past = parts.clone();
        if versions > 0 && self.chance(|left| &mut left.lags) {
            let back = 1 + self.choose(versions.min(3), Odds::Even);
            past = Arc::clone(&self.state().past[versions - back]).parts();
            self.tell(format!("    the index lags up to {back} commits"));
        }
        let mut shown = Vec::new();
        for (id, part) in parts {
            let before = past.remove(&id);
            if before.as_ref() == Some(&part) {
                shown.push(part);
                continue;
            }
            if self.choose(2, Odds::Even) == 0 {
                shown.push(part);
            }
            if let Some(before) = before
                && self.choose(2, Odds::Even) == 1
            {
                shown.push(before);
            }
        }
        shown
    }
}

/// The in-memory store never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("a store in memory does not wait")
}

impl Products for World {
    async fn find(&self, wanted: &ReadSet) -> Result<Found, StoreError> {
        let first = self.call("find", 2, || now(self.store().find(wanted))).await?;
        let items = wanted.skus.len() + wanted.lines.len() + wanted.batches.len() + wanted.orders.len();
        if items < 2 && wanted.whole_order.is_none() || !self.chance(|left| &mut left.torn_reads) {
            return Ok(first);
        }
        // One item is read now, the other one later.
        self.turn().await;
        let second = now(self.store().find(wanted))?;
        self.tell("    a torn read");
        let torn = match self.choose(2, Odds::Even) {
            0 => Found { products: second.products, ..first },
            _ => Found { products: first.products, ..second },
        };
        if torn.is_closed() { Ok(torn) } else { Err(StoreError::Conflict(Vec::new())) }
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Part>, StoreError> {
        self.call("list", 2, || Ok(listing.select(self.indexed()))).await
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        let work = || {
            let store = self.store();
            let before = Arc::new(store.copied());
            let committed = now(store.commit(commit));
            if let Err(StoreError::Fault(reason)) = &committed {
                self.state().wrong = Some(format!("a commit that no store takes: {reason}"));
            }
            committed?;
            let mut state = self.state();
            state.past.push(before);
            state.committed = true;
            let moved = commit.products.iter().flat_map(|changed| changed.after.moves());
            let asked = moved.filter(|moved| moved.to.is_some() && commit.asking(&moved.line.id()).is_some());
            state.shared_a_commit |= asked.count() > 1;
            Ok(())
        };
        self.call("commit", FATES.len(), work).await
    }
}

impl Asks for World {
    /// A write that nobody waits for any more may still be made, later.
    async fn ask(&self, asking: &Asking) -> Result<Asked, StoreError> {
        let work = || now(self.store().ask(asking));
        let asked = self.call("ask", FATES.len(), work).await;
        if asked.is_err() && self.choose(2, Odds::Even) == 1 {
            self.state().late.push(asking.clone());
        }
        asked
    }

    /// What became of a line, or that it asks, may not show yet; whose turn it is, neither.
    async fn look(&self, line: &LineId) -> Result<Look, StoreError> {
        let look = self.call("look", 2, || now(self.store().look(line))).await?;
        if !self.chance(|left| &mut left.lags) {
            return Ok(look);
        }
        self.tell("    an old look");
        Ok(match self.choose(3, Odds::Even) {
            0 => Look { line: Seen::Nothing, ..look },
            1 => Look { line: Seen::Asks, ..look },
            _ => Look { taken_until: None, ..look },
        })
    }

    async fn take_turn(&self, sku: &Sku, time: Timestamp, until: Timestamp) -> Result<Turn, StoreError> {
        self.call("take turn", FATES.len(), || now(self.store().take_turn(sku, time, until))).await
    }

    async fn end_turn(&self, sku: &Sku, until: Timestamp) -> Result<(), StoreError> {
        self.call("end turn", FATES.len(), || now(self.store().end_turn(sku, until))).await
    }

    async fn asking(&self, sku: &Sku, at_most: usize) -> Result<Vec<LineId>, StoreError> {
        let store = self.store();
        let versions = self.state().past.len();
        let shown = if versions > 0 && self.chance(|left| &mut left.lags) {
            let back = 1 + self.choose(versions.min(3), Odds::Even);
            self.tell(format!("    the index lags up to {back} commits"));
            Arc::clone(&self.state().past[versions - back])
        } else {
            store
        };
        self.call("list who asks", 2, || now(shown.asking(sku, at_most))).await
    }
}

impl Holds for World {
    /// A product of which a line was held a moment ago may not be listed yet.
    async fn due(&self, now: Timestamp, at_most: usize) -> Result<Vec<Sku>, StoreError> {
        let due = self.call("list what is due", 2, || self::now(self.store().due(now, at_most))).await?;
        let lags = !due.is_empty() && self.chance(|left| &mut left.lags);
        Ok(if lags { Vec::new() } else { due })
    }
}

impl Inbox for World {
    async fn claim(&self, id: &str, claimant: u64, time: Timestamp, lease: Duration) -> Result<Claim, StoreError> {
        self.call("claim", 3, || now(self.store().claim(id, claimant, time, lease))).await
    }

    async fn finish(&self, id: &str, time: Timestamp) -> Result<(), StoreError> {
        self.call("finish", 3, || now(self.store().finish(id, time))).await
    }
}

impl Publisher for World {
    /// Few, so that some records are published in parts.
    const BATCH: usize = 2;

    async fn publish(&self, messages: &[Envelope]) -> Result<(), PublishError> {
        self.turn().await;
        let source = || Source::from("the topic did not answer");
        match self.fate("publish", 4) {
            Fate::Works | Fate::Hangs | Fate::WorksAndHangs => {
                self.state().published.extend_from_slice(messages);
                Ok(())
            }
            Fate::Fails => Err(PublishError { first: 0, source: source() }),
            Fate::LosesReply => {
                self.state().published.extend_from_slice(messages);
                Err(PublishError { first: 0, source: source() })
            }
            Fate::Collides => {
                let part = messages.len() - 1;
                self.state().published.extend_from_slice(&messages[..part]);
                Err(PublishError { first: part, source: source() })
            }
        }
    }
}

impl Mailer for World {
    async fn send(&self, mail: &Mail) -> Result<(), Source> {
        self.turn().await;
        match self.fate("mail", 3) {
            Fate::Fails => return Err("the mailer did not answer".into()),
            Fate::LosesReply => {
                self.state().mails.push(mail.clone());
                return Err("the mailer did not answer".into());
            }
            Fate::Works | Fate::Collides | Fate::Hangs | Fate::WorksAndHangs => {}
        }
        self.state().mails.push(mail.clone());
        Ok(())
    }
}

/// The world as one process sees it, whose clock may be ahead of others or behind.
#[derive(Clone)]
pub(crate) struct Clocked {
    pub(crate) world: World,
    pub(crate) ahead: i64,
}

impl Environment for Clocked {
    fn now(&self) -> Timestamp {
        Timestamp(self.world.now().0.saturating_add_signed(self.ahead))
    }

    async fn sleep(&self, duration: Duration) {
        self.world.sleep(duration).await;
    }

    fn random(&self) -> u64 {
        self.world.random()
    }

    fn record(&self, call: &Call, figures: &Figures) {
        self.world.record(call, figures);
    }
}

impl Environment for World {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.now().plus(duration);
        poll_fn(|context| {
            let mut state = self.state();
            if state.now >= until {
                return Poll::Ready(());
            }
            state.wakes_at = Some(state.wakes_at.map_or(until, |other| other.min(until)));
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn random(&self) -> u64 {
        let mut state = self.state();
        state.drawn += 1;
        state.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn record(&self, _: &Call, figures: &Figures) {
        if let Figures::Command(CommandFigures { out_of_stock: 1.., waiting_lines: None, .. }) = figures {
            self.state().refused_in_silence = true;
        }
    }
}
