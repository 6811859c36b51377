//! Many callers who want the same: each asks, and one at a time commits for all. docs/decisions/0027 says how this was
//! chosen, and performance.md what it brings.
//!
//! All of it is advice, but for the commit. Whoever has lost a race puts its line among those that ask, and looks at it
//! from time to time. Whoever finds it unanswered, and nobody whose turn it is, takes the turn and commits for all. If
//! that one dies, its turn is over soon. If two have the turn, the version of the product lets one of them commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Allocation, LineId, OrderLine, Part, Place, Refusal, Sku};
use futures_util::future::try_join;

use crate::handlers::{Allocate, AllocateAlone, AllocateAsking, Alone, CROWDED};
use crate::ports::{Environment, Timestamp};
use crate::store::{A_CROWD, Asked, Asking, AskingId, Asks, Look, Seen, StoreError, Turn};
use crate::unit_of_work::{BUDGET, MARGIN, SILENCES, full_jitter, in_time, leaves_time, record, try_at_once};
use crate::{Call, CommandFigures, Error, Throttled};

/// Races to lose before a line asks. The second one would be lost as well, mostly.
const TRIES_ALONE: u32 = 1;
/// Races that whoever has the turn may lose: to callers who do not know yet that others ask.
const TRIES_OF_A_TURN: u32 = 4;

/// All times are measured by what the line's own call took, since a store that answers slowly is asked by many: at least
const QUICKEST: Duration = Duration::from_millis(2);
/// and at most this.
const SLOWEST: Duration = Duration::from_secs(1);
/// A store whose calls take as long has too many of them.
const SLOW: Duration = Duration::from_millis(25);
/// When a turn is over at last, though nobody has ended it.
const TURN: f64 = 20.0;
/// What an answer takes at least, and is expected to take if nobody has waited for one of late.
const ANSWER: f64 = 5.0;
/// When to look first: at random between these shares of what an answer is expected to take.
const FIRST_LOOK: [f64; 2] = [0.2, 0.8];
/// What passes at most between two looks: this share of it, and more after each.
const NEXT_LOOK: f64 = 0.25;
const GROWTH: f64 = 1.5;
/// What an answer is expected to take at most, and what passes between two looks; unless the store is slower.
const LONGEST: Duration = Duration::from_millis(500);
/// A turn that ends later than this is one of a clock that goes wrong.
pub const LONGEST_TURN: Duration = Duration::from_secs(3);

/// Lines to read for one commit. It holds fewer, but some are listed that have been answered by now.
const READ_FOR_A_COMMIT: usize = 130;
/// Lines to list for one turn, which may make two commits.
const LISTED: usize = BUDGET.items + READ_FOR_A_COMMIT;

/// Most SKUs to remember.
const SKUS: usize = 1_000;

/// SKUs that many callers want, as this process has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crowds(Arc<Mutex<HashMap<Sku, Crowd>>>);

#[derive(Clone, Copy, Debug)]
struct Crowd {
    seen_at: Timestamp,
    /// What the last answer took.
    waited: Duration,
}

impl Crowds {
    fn by_sku(&self) -> MutexGuard<'_, HashMap<Sku, Crowd>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that wants this SKU, if it was seen a moment ago.
    fn of(&self, sku: &Sku, now: Timestamp) -> Option<Crowd> {
        self.by_sku().get(sku).copied().filter(|crowd| now < crowd.seen_at.plus(CROWDED))
    }

    fn note(&self, sku: &Sku, seen_at: Timestamp, waited: Duration) {
        let mut crowds = self.by_sku();
        if crowds.len() >= SKUS {
            crowds.clear();
        }
        crowds.insert(sku.clone(), Crowd { seen_at, waited });
    }

    fn forget(&self, sku: &Sku) {
        self.by_sku().remove(sku);
    }
}

/// Binds a line to a batch, by itself or together with others who ask for the same SKU.
pub(crate) async fn allocate<S: Asks, E: Environment>(
    store: &S,
    environment: &E,
    crowds: &Crowds,
    call: &Call,
    command: &Allocate,
) -> Result<Answer, Error> {
    let figures = CommandFigures::default();
    let (silences, answered, may_ask_late) = (0, None, false);
    let mut sharing = Sharing { store, environment, crowds, call, command, figures, silences, answered, may_ask_late };
    let outcome = in_time(environment, call.deadline, sharing.answer()).await;
    let reply = match outcome {
        // It may ask once more, later, and get a place that its caller would not know of.
        Some(Ok(Ok(Allocation::OutOfStock) | Err(_))) if sharing.may_ask_late => {
            Err(Error::Unavailable("a question that was not answered may still be on its way".into()))
        }
        Some(reply) => reply,
        None => sharing.answered.take().ok_or_else(|| Error::Unavailable("out of time".into())),
    };
    record(environment, call, sharing.figures, &reply);
    reply
}

/// What a line is told.
type Answer = Result<Allocation, Refusal>;

/// A line that asks.
struct Question {
    line: LineId,
    asked_at: Timestamp,
    /// What a call takes.
    pace: Duration,
    /// What its answer may take.
    expected: Duration,
}

struct Sharing<'a, S, E> {
    store: &'a S,
    environment: &'a E,
    crowds: &'a Crowds,
    call: &'a Call,
    command: &'a Allocate,
    figures: CommandFigures,
    /// Calls that the store did not answer.
    silences: u32,
    /// What the line is told, while others are still served.
    answered: Option<Answer>,
    /// Whether the store did not answer when the line was put among those that ask: it may be put there later.
    may_ask_late: bool,
}

impl<'a, S: Asks, E: Environment> Sharing<'a, S, E> {
    fn line(&self) -> &'a OrderLine {
        &self.command.0
    }

    /// By itself if nobody is in the way, else together with others. Whoever is sent away by these, because nothing fits
    /// or its order is cancelled, finds out by itself again.
    async fn answer(&mut self) -> Result<Answer, Error> {
        let mut asks_at_once = self.crowds.of(&self.line().sku, self.environment.now()).is_some();
        loop {
            if !asks_at_once && let Some(answer) = self.alone().await? {
                return Ok(answer);
            }
            asks_at_once = false;
            if let Some(answer) = self.together().await? {
                return Ok(answer);
            }
            self.crowds.forget(&self.line().sku);
        }
    }

    /// None: others are in the way.
    async fn alone(&mut self) -> Result<Option<Answer>, Error> {
        let now = self.environment.now();
        let handler = AllocateAlone { command: self.command, now, has_asked: self.figures.asked > 0 };
        let work = try_at_once(self.store, self.environment, self.call, &handler, TRIES_ALONE);
        let (outcome, figures) = Box::pin(work).await;
        self.figures.add(&figures);
        match outcome {
            Ok(Alone::Answered(answer)) => Ok(Some(answer)),
            Ok(Alone::Crowded) => Ok(None),
            Err(error) if is_overrun(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// None: it asks no more, and was not answered.
    async fn together(&mut self) -> Result<Option<Answer>, Error> {
        let Some(question) = self.ask().await? else { return Ok(None) };
        let [first, latest] = FIRST_LOOK.map(|share| question.expected.mul_f64(share));
        let spread = latest.saturating_sub(first);
        self.environment.sleep(first.saturating_add(spread.mul_f64(self.environment.chance()))).await;
        let mut longest = question.expected.mul_f64(NEXT_LOOK);
        loop {
            let Look { line, taken_until } = self.look(&question).await?;
            match line {
                Seen::Nothing => return Ok(None),
                Seen::Promised(part) => return Ok(self.heard(&question, *part)),
                Seen::Asks => {}
            }
            let is_free = !taken_until.is_some_and(|until| is_turn(until, self.environment.now()));
            if is_free && let Some(answer) = self.take_turn(&question).await? {
                return Ok(Some(answer));
            }
            if self.environment.now() >= last_moment(self.call.deadline) {
                return Err(Error::Unavailable("out of time".into()));
            }
            self.environment.sleep(longest.mul_f64(self.environment.chance())).await;
            longest = longest.mul_f64(GROWTH).min(LONGEST.max(question.expected));
        }
    }

    /// Puts the line among those that ask. None: it was promised before.
    async fn ask(&mut self) -> Result<Option<Question>, Error> {
        let (store, environment, line) = (self.store, self.environment, self.line());
        let asked_at = environment.now();
        let asking = Asking {
            line: line.clone(),
            id: AskingId(environment.random()),
            since: asked_at,
            until: last_moment(self.call.deadline),
            correlation: self.call.correlation.clone(),
        };
        self.figures.asked = 1;
        let silences_before = self.silences;
        let asked = self.insist(|| store.ask(&asking)).await?;
        self.may_ask_late |= self.silences > silences_before;
        if asked == Asked::Known {
            return Ok(None);
        }
        let pace = environment.now().since(asked_at).clamp(QUICKEST, SLOWEST);
        let least = pace.mul_f64(ANSWER);
        let crowd = self.crowds.of(&line.sku, asked_at);
        let expected = crowd.map_or(least, |crowd| crowd.waited.min(LONGEST).max(least));
        Ok(Some(Question { line: line.id(), asked_at, pace, expected }))
    }

    /// Looks once. If too many do that, there is time to look again.
    async fn look(&mut self, question: &Question) -> Result<Look, Error> {
        match self.store.look(&question.line).await {
            Err(StoreError::Unavailable(source)) => {
                self.figures.add_silence(&source);
                let in_a_moment = self.environment.now().plus(question.pace);
                Ok(Look { line: Seen::Asks, taken_until: Some(in_a_moment) })
            }
            look => Ok(look?),
        }
    }

    /// What somebody's commit made of the line. Unless that is simply a place, the rules tell what to answer.
    fn heard(&self, question: &Question, part: Part) -> Option<Answer> {
        let now = self.environment.now();
        self.crowds.note(&question.line.sku, now, now.since(question.asked_at));
        match part.place {
            // A line that its order holds for a while is confirmed alone.
            Place::Batch(batchref) if part.line == *self.line() && part.held_until.is_none() => {
                Some(Ok(Allocation::Allocated(batchref)))
            }
            Place::Batch(_) | Place::Waiting | Place::Shipped(_) | Place::Cancelled => None,
        }
    }

    /// Commits for all who ask, if it is this line's turn. None: it is not, or others were faster and may have answered
    /// this line too.
    async fn take_turn(&mut self, question: &Question) -> Result<Option<Answer>, Error> {
        let (store, sku) = (self.store, &question.line.sku);
        let now = self.environment.now();
        let until = now.plus(question.pace.mul_f64(TURN).min(LONGEST_TURN));
        let (take, list) = (|| store.take_turn(sku, now, until), || store.asking(sku, LISTED));
        let others = if question.pace < SLOW {
            // Side by side, since whoever has the turn keeps others waiting.
            let (Turn::Ours, others) = self.insist(|| try_join(take(), list())).await? else { return Ok(None) };
            others
        } else {
            // Many try to take it before anybody has, and would list in vain.
            let Turn::Ours = self.insist(take).await? else { return Ok(None) };
            self.insist(list).await?
        };
        let answer = self.lead(&others, question.asked_at).await;
        // If that fails, it ends by itself.
        let _ = store.end_turn(sku, until).await;
        answer
    }

    /// Commits for its own line and those that ask beside it, and once more for the rest where these are too many.
    async fn lead(&mut self, others: &[LineId], asked_at: Timestamp) -> Result<Option<Answer>, Error> {
        let is_crowd = others.len() >= A_CROWD;
        let (begun_at, lost_before) = (self.environment.now(), self.figures.conflicts);
        let first = others.get(..READ_FOR_A_COMMIT).unwrap_or(others);
        let answer = match self.commit_for(Some(self.line().clone()), first).await {
            Ok(Some(answer)) => answer,
            Err(error) if !is_overrun(&error) => return Err(error),
            Ok(None) | Err(_) => return Ok(None),
        };
        let now = self.environment.now();
        if is_crowd {
            self.crowds.note(&self.line().sku, now, now.since(asked_at));
        } else {
            self.crowds.forget(&self.line().sku);
        }
        let rest = if self.figures.conflicts > lost_before {
            // It was made for a few.
            first
        } else {
            // It holds as many, with its own line.
            others.get(BUDGET.items.saturating_sub(1)..).unwrap_or_default()
        };
        let patience = now.since(begun_at).saturating_mul(2);
        if rest.len() >= BUDGET.items / 2 && leaves_time(now, patience, self.call.deadline) {
            self.answered = Some(answer.clone());
            // If that fails, or takes too long, they ask still.
            let (environment, until) = (self.environment, now.plus(patience).plus(MARGIN));
            let _ = in_time(environment, until, self.commit_for(None, rest)).await;
        }
        Ok(Some(answer))
    }

    async fn commit_for(&mut self, own: Option<OrderLine>, others: &[LineId]) -> Result<Option<Answer>, Error> {
        let (sku, others) = (self.line().sku.clone(), others.to_vec());
        let handler = AllocateAsking { sku, own, others, now: self.environment.now() };
        let work = try_at_once(self.store, self.environment, self.call, &handler, TRIES_OF_A_TURN);
        let (outcome, figures) = Box::pin(work).await;
        self.figures.add(&figures);
        outcome
    }

    /// Calls again while the store does not answer.
    async fn insist<T, F: Future<Output = Result<T, StoreError>>>(&mut self, call: impl Fn() -> F) -> Result<T, Error> {
        let (mut tries, mut silences) = (0_u32, 0_u32);
        loop {
            let error = match Box::pin(call()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let mut is_throttled = false;
            if let StoreError::Unavailable(source) = &error {
                self.silences = self.silences.saturating_add(1);
                self.figures.add_silence(source);
                is_throttled = Throttled::behind(source).is_some();
            }
            tries = tries.saturating_add(1);
            silences = silences.saturating_add(u32::from(!is_throttled));
            let delay = full_jitter(tries, self.environment.random());
            let may_answer = matches!(error, StoreError::Unavailable(_) | StoreError::Conflict(_));
            let time_is_left = leaves_time(self.environment.now(), delay, self.call.deadline);
            if !may_answer || silences >= SILENCES || !time_is_left {
                return Err(match error {
                    StoreError::Conflict(_) => Error::Contended { tries },
                    error => error.into(),
                });
            }
            self.environment.sleep(delay).await;
        }
    }
}

/// Whether others were faster, or too many of them are in the way.
fn is_overrun(error: &Error) -> bool {
    match error {
        Error::Contended { .. } => true,
        Error::Unavailable(source) => Throttled::behind(source).is_some(),
        Error::Refused(_) | Error::Fault(_) => false,
    }
}

/// Until when a line may get a place whose caller must be answered by then.
fn last_moment(deadline: Timestamp) -> Timestamp {
    let margin = u64::try_from(MARGIN.as_millis()).unwrap_or(u64::MAX);
    Timestamp(deadline.0.saturating_sub(margin))
}

/// Whether somebody has a turn that ends then: it is not over, and no clock goes so wrong.
#[must_use]
pub fn is_turn(until: Timestamp, now: Timestamp) -> bool {
    now < until && until <= now.plus(LONGEST_TURN)
}
