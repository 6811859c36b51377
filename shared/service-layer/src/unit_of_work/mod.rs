//! The unit of work: find products, change them in memory, commit all of it or nothing, and start over when
//! somebody else was faster.

mod attempt;
mod backoff;
mod dry_run;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Budget, Part, Refusal, Sku, Step};

pub(crate) use backoff::{MARGIN, full_jitter, in_time, leaves_time, until_it_fits};
pub(crate) use dry_run::dry_run;

use crate::handlers::Handler;
use crate::ports::Environment;
use crate::store::{CommitId, Found, Products, StoreError};
use crate::{Call, CommandFigures, Error, Figures, Throttled};

/// What one commit may hold. A transaction holds 100 items, two of which are the product and the batch that the
/// command names. A stored product holds 400 KB, half of which its batches may take.
pub const BUDGET: Budget = Budget { items: 98, event_bytes: 150_000 };

/// Lost races before the caller is told; mostly, its time is up before.
const TRIES: u32 = 100;
/// Silences of the store before the caller is told. Its client has tried several times in each.
pub(crate) const SILENCES: u32 = 6;
/// Pauses grow so often where nobody else should go first: a call takes 8 ms, and many callers wait for one more.
const SHORT: u32 = 3;
/// How long a product that was handed back is worth a try: as long as the first delay may be. After a longer one
/// somebody else has committed, where many do, and the try would be lost as well.
const FRESH: Duration = Duration::from_millis(20);

/// Carries out a command until it is committed, refused, or out of tries or time.
///
/// Stock that is owed to waiting lines goes to them first, whoever comes by; stock that the command brings goes
/// to them in the same commit.
pub(crate) async fn run<S: Products, E: Environment, H: Handler>(
    store: &S,
    environment: &E,
    call: &Call,
    handler: &H,
) -> Result<H::Answer, Error> {
    let patience = Patience { tries: TRIES, pause: Pause::Jitter };
    let mut work = UnitOfWork::new(store, environment, call, handler, patience);
    let outcome = in_time(environment, call.deadline, work.try_until_done()).await;
    let (reply, figures) = work.end(outcome);
    record(environment, call, figures, &reply);
    reply
}

/// The same without a limit of its own for time, and for so many lost races only, after each of which it goes on at once.
/// Tells what it took beside.
pub(crate) async fn try_at_once<S: Products, E: Environment, H: Handler>(
    store: &S,
    environment: &E,
    call: &Call,
    handler: &H,
    tries: u32,
) -> (Result<H::Answer, Error>, CommandFigures) {
    let patience = Patience { tries, pause: Pause::None };
    let mut work = UnitOfWork::new(store, environment, call, handler, patience);
    let outcome = work.try_until_done().await;
    work.end(Some(outcome))
}

/// Takes note of what a command took, and whether it was given up.
pub(crate) fn record<E: Environment, A>(
    environment: &E,
    call: &Call,
    mut figures: CommandFigures,
    reply: &Result<A, Error>,
) {
    if let Err(Error::Contended { .. } | Error::Unavailable(_)) = reply {
        figures.retries_exhausted = 1;
    }
    environment.record(call, &Figures::Command(figures));
}

/// What lost races lead to.
#[derive(Clone, Copy)]
struct Patience {
    /// How many of them, before the caller is told.
    tries: u32,
    /// What passes after each.
    pause: Pause,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// More and more, at random, so that those who collided once don't meet again.
    Jitter,
    /// Nothing: there is nobody else who should go first.
    None,
}

struct UnitOfWork<'a, S, E, H: Handler> {
    store: &'a S,
    environment: &'a E,
    call: &'a Call,
    handler: &'a H,
    patience: Patience,
    carried: Carried<H::Answer>,
}

/// What one attempt leaves to the next.
struct Carried<A> {
    /// What the last commit, or its refusal, showed. None: read it.
    found: Option<Found>,
    /// With it, the lines that may give way next, if they were listed for the last commit.
    listed: Vec<Part>,
    /// Lines that waited when they were last listed, less those that were moved since. The products tell whether they
    /// are all that wait.
    waiting: BTreeMap<Sku, Vec<Part>>,
    /// Commits whose replies may have been lost. The one whose id a product carries took effect.
    sent: Vec<Sent<A>>,
    /// What to tell the caller. All that was asked is committed, and only a backlog may be left.
    answer: Option<A>,
    /// Whether a commit of the command was made.
    goes_on: bool,
    /// How many races were lost since then.
    lost_races: u32,
    figures: CommandFigures,
}

struct Sent<A> {
    id: CommitId,
    answer: Option<A>,
    /// Whether it settled what came before the command, and did nothing of that itself.
    settles: bool,
    figures: CommandFigures,
}

impl<A> Carried<A> {
    fn new() -> Self {
        let (listed, waiting, sent) = (Vec::new(), BTreeMap::new(), Vec::new());
        let figures = CommandFigures::default();
        Self { found: None, listed, waiting, sent, answer: None, goes_on: false, lost_races: 0, figures }
    }

    /// Which of the commits without a reply is the one that a product or an order shows.
    fn own_commit(&self, found: &Found) -> Option<usize> {
        let of_products = || found.products.iter().map(|stored| stored.commit);
        let shown = || of_products().chain(found.last_put.iter().map(|stored| stored.commit));
        let is_shown = |sent: &Sent<A>| shown().any(|commit| commit == sent.id);
        self.sent.iter().position(is_shown)
    }

    fn shows_own_commit(&self) -> bool {
        self.found.as_ref().is_some_and(|found| self.own_commit(found).is_some())
    }
}

enum Setback {
    /// The command can't be carried out.
    Refused(Refusal),
    /// The store did not do its part.
    Store(StoreError),
}

impl From<StoreError> for Setback {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// An index that has not caught up is read again, like a product after a lost race.
fn index_lags() -> StoreError {
    StoreError::Conflict(Vec::new())
}

impl<'a, S: Products, E: Environment, H: Handler> UnitOfWork<'a, S, E, H> {
    fn new(store: &'a S, environment: &'a E, call: &'a Call, handler: &'a H, patience: Patience) -> Self {
        Self { store, environment, call, handler, patience, carried: Carried::new() }
    }

    /// What came of it. Without an outcome, time was up.
    fn end(self, outcome: Option<Result<H::Answer, Error>>) -> (Result<H::Answer, Error>, CommandFigures) {
        let Carried { answer, figures, .. } = self.carried;
        let reply = match (outcome, answer) {
            // In the second case all that was asked is committed. What failed or took too long is the rest of a backlog,
            // which whoever comes next will settle.
            (Some(Ok(answer)), _) | (_, Some(answer)) => Ok(answer),
            (Some(Err(error)), None) => Err(error),
            (None, None) => Err(Error::Unavailable("out of time".into())),
        };
        (reply, figures)
    }

    /// Attempts, each with one commit at most, until one finishes the command.
    async fn try_until_done(&mut self) -> Result<H::Answer, Error> {
        let (mut tries, mut silences) = (0_u32, 0_u32);
        loop {
            let error = match self.attempt().await {
                // The command is carried out, or was before.
                Ok(Step::Finish(answer)) => return Ok(answer),
                // A commit was made and there is more to do, or somebody else's was seen that answers. What comes next has
                // all its tries again.
                Ok(Step::GoOn) => {
                    (tries, silences) = (0, 0);
                    self.carried.lost_races = 0;
                    continue;
                }
                // No retry helps against a rule.
                Err(Setback::Refused(refusal)) => return Err(refusal.into()),
                Err(Setback::Store(error)) => error,
            };
            tries = tries.saturating_add(1);
            let delay = match (&error, self.patience.pause) {
                (StoreError::Conflict(_), Pause::None) => Duration::ZERO,
                (_, Pause::None) => full_jitter(tries.min(SHORT), self.environment.random()),
                (_, Pause::Jitter) => full_jitter(tries, self.environment.random()),
            };
            let time_is_left = leaves_time(self.environment.now(), delay, self.call.deadline);
            match error {
                // Somebody else committed first. The next one to do so may be we.
                StoreError::Conflict(_) => {
                    self.carried.lost_races = self.carried.lost_races.saturating_add(1);
                    let figures = &mut self.carried.figures;
                    figures.conflicts = figures.conflicts.saturating_add(1);
                    if tries >= self.patience.tries || !time_is_left {
                        return Err(Error::Contended { tries });
                    }
                }
                // No answer. The commit may be there all the same; the next attempt will see it.
                StoreError::Unavailable(source) => {
                    self.carried.figures.add_silence(&source);
                    silences = silences.saturating_add(1);
                    let is_throttled = Throttled::behind(&source).is_some();
                    let is_patient = match self.patience.pause {
                        // A throttled read comes through in a moment. A throttled commit has too many rivals.
                        Pause::None if is_throttled => self.carried.sent.is_empty(),
                        Pause::None | Pause::Jitter => silences < SILENCES,
                    };
                    if !is_patient || !time_is_left {
                        return Err(Error::Unavailable(source));
                    }
                }
                // Whatever is broken is broken the next time too.
                StoreError::Fault(source) => return Err(Error::Fault(source)),
            }
            self.wait(delay).await;
        }
    }

    /// Waits before the next attempt, and forgets what will be out of date by then.
    async fn wait(&mut self, delay: Duration) {
        self.environment.sleep(delay).await;
        // An own commit is kept: it is not shown again once somebody else has committed.
        if delay > FRESH && !self.carried.shows_own_commit() {
            self.carried.found = None;
        }
        let figures = &mut self.carried.figures;
        figures.retries = figures.retries.saturating_add(1);
    }
}
