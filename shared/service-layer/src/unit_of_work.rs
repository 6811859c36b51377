//! The unit of work: find a product, change it in memory, commit all of it or nothing, and start over when
//! somebody else was faster.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use domain::{Budget, NewBatch, OrderLine, Placed, Product, Waiting};
use futures_util::future::{Either, select};

use crate::ports::{Commit, CommitId, Environment, Head, Products, Snapshot, StoreError, Timestamp, Wanted};
use crate::{Call, Error, Figures, Work};

/// What one commit may hold. A transaction holds 100 items, two of which are the product and the batch that the
/// command names. A stored product holds 400 KB, half of which its batches may take.
pub const BUDGET: Budget = Budget { items: 98, event_bytes: 150_000 };
/// Most lines read at once to find the ones that give way: enough for several commits, and with names of up to some
/// hundred bytes less than a page of the index, which is a megabyte.
const LINES: usize = 1_000;

/// Lost races before the caller is told; mostly, its time is up before.
const TRIES: u32 = 100;
/// Silences of the store before the caller is told. Its client has tried several times in each.
const SILENCES: u32 = 3;
const FIRST_DELAY: Duration = Duration::from_millis(10);
const LONGEST_DELAY: Duration = Duration::from_millis(250);
/// How long a head that was handed back is worth a try: as long as the first delay may be. After a longer one somebody
/// else has committed, where many do, and the try would be lost as well.
const FRESH: Duration = Duration::from_millis(20);
/// What a last try and its answer may take.
const MARGIN: Duration = Duration::from_millis(500);

/// One command's way to change a product: what to read for it, and a pure decision.
pub(crate) trait Change: Sync {
    type Answer: Clone + Send;

    fn wanted(&self) -> Wanted<'_>;

    /// How many pieces other lines must give back first.
    fn shortfall(&self, _product: &Product) -> u32 {
        0
    }

    /// `newest` holds the lines that may give way, if there is a shortfall.
    fn decide(
        &self,
        snapshot: &Snapshot,
        newest: &[Placed],
        budget: &mut Budget,
    ) -> Result<Proposal<Self::Answer>, Error>;
}

/// What a command makes of a product, and on what else that rests. Without events it is no change: its answer was true
/// before.
pub(crate) struct Proposal<A> {
    pub(crate) product: Product,
    /// The batch that it adds.
    pub(crate) announced: Option<NewBatch>,
    /// Lines that must have no place still.
    pub(crate) absent: Vec<OrderLine>,
    /// The answer once this is committed. None: decide again on the changed product.
    pub(crate) answer: Option<A>,
}

/// Runs a change until it is committed, refused, or out of tries or time.
///
/// Stock that is owed to waiting lines goes to them first, whoever comes by; stock that the change brings goes
/// to them in the same commit.
pub(crate) async fn run<S: Products, E: Environment, C: Change>(
    store: &S,
    environment: &E,
    call: &Call,
    change: &C,
) -> Result<C::Answer, Error> {
    let mut memory = Memory {
        snapshot: None,
        newest: Vec::new(),
        waiting: Vec::new(),
        sent: Vec::new(),
        answer: None,
        work: Work::default(),
    };
    let tries = try_until_done(store, environment, call, change, &mut memory);
    let outcome = in_time(environment, call.deadline, tries).await;
    let reply = match (outcome, memory.answer) {
        // Of the second, all that was asked is committed; debts that are left are paid by whoever comes next.
        (Some(Ok(answer)), _) | (_, Some(answer)) => Ok(answer),
        (Some(Err(error)), None) => Err(error),
        (None, None) => Err(Error::Unavailable("out of time".into())),
    };
    if let Err(Error::Contended { .. } | Error::Unavailable(_)) = reply {
        memory.work.retries_exhausted = 1;
    }
    environment.record(call, &Figures::Command(memory.work));
    reply
}

/// Gives up in time to answer. What was under way may still happen.
pub fn in_time<E: Environment, T>(
    environment: &E,
    deadline: Timestamp,
    work: impl Future<Output = T>,
) -> impl Future<Output = Option<T>> {
    // Boxed before the future below holds it: work is large, and whatever held it would be as large, and be copied when it moves.
    let work = Box::pin(work);
    async move {
        let left = deadline.since(environment.now()).saturating_sub(MARGIN);
        // Work comes first: where a clock jumps, time is not up before it has begun.
        match select(work, pin!(environment.sleep(left))).await {
            Either::Left((outcome, _)) => Some(outcome),
            Either::Right(((), _)) => None,
        }
    }
}

async fn try_until_done<S: Products, E: Environment, C: Change>(
    store: &S,
    environment: &E,
    call: &Call,
    change: &C,
    memory: &mut Memory<C::Answer>,
) -> Result<C::Answer, Error> {
    let (mut tries, mut silences) = (0_u32, 0_u32);
    loop {
        let error = match attempt(store, environment, call, change, memory).await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {
                (tries, silences) = (0, 0);
                continue;
            }
            Err(Setback::Refused(error)) => return Err(error),
            Err(Setback::Store(error)) => error,
        };
        tries = tries.saturating_add(1);
        match error {
            StoreError::Conflict(_) => memory.work.conflicts = memory.work.conflicts.saturating_add(1),
            StoreError::Unavailable(_) => silences = silences.saturating_add(1),
            StoreError::Fault(_) => {}
        }
        let delay = full_jitter(tries, environment.random());
        let time_is_left = environment.now().plus(delay).plus(MARGIN) < call.deadline;
        match error {
            StoreError::Conflict(_) if tries < TRIES && time_is_left => {}
            StoreError::Unavailable(_) if silences < SILENCES && time_is_left => {}
            StoreError::Conflict(_) => return Err(Error::Contended { tries }),
            StoreError::Unavailable(source) => return Err(Error::Unavailable(source)),
            StoreError::Fault(source) => return Err(Error::Fault(source)),
        }
        environment.sleep(delay).await;
        // An own commit is not shown again, once somebody else has committed.
        let shows_own = memory.snapshot.as_ref().is_some_and(|snapshot| memory.own_commit(snapshot).is_some());
        if delay > FRESH && !shows_own {
            memory.snapshot = None;
        }
        memory.work.retries = memory.work.retries.saturating_add(1);
    }
}

/// What one attempt leaves to the next.
struct Memory<A> {
    /// The product as the last commit, or its refusal, showed it. None: read it.
    snapshot: Option<Snapshot>,
    /// With it, the lines that may give way next, if they were read for the last commit.
    newest: Vec<Placed>,
    /// Lines that waited when they were last read, less those that were moved since. The product tells whether they are
    /// all that wait.
    waiting: Vec<Placed>,
    /// Commits whose replies may have been lost. The one whose id the product carries took effect.
    sent: Vec<Sent<A>>,
    /// What to tell the caller: it is committed, and only debts to waiting lines may be left.
    answer: Option<A>,
    work: Work,
}

impl<A> Memory<A> {
    /// Which of the commits without a reply is the one that the product shows.
    fn own_commit(&self, snapshot: &Snapshot) -> Option<usize> {
        let head = snapshot.head.as_ref()?;
        self.sent.iter().position(|sent| sent.id == head.commit)
    }
}

struct Sent<A> {
    id: CommitId,
    answer: Option<A>,
    work: Work,
}

enum Setback {
    /// The command can't be done.
    Refused(Error),
    /// The store did not do its part.
    Store(StoreError),
}

impl From<StoreError> for Setback {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Makes at most one commit. No answer means that there is more to do.
async fn attempt<S: Products, E: Environment, C: Change>(
    store: &S,
    environment: &E,
    call: &Call,
    change: &C,
    memory: &mut Memory<C::Answer>,
) -> Result<Option<C::Answer>, Setback> {
    let snapshot = match memory.snapshot.take() {
        Some(snapshot) => snapshot,
        None => store.find(change.wanted()).await?,
    };
    let mut newest = std::mem::take(&mut memory.newest);
    if let Some(own) = memory.own_commit(&snapshot) {
        let own = memory.sent.swap_remove(own);
        memory.work.add_commit(&own.work);
        memory.answer = own.answer.or(memory.answer.take());
    }

    let mut budget = BUDGET;
    let debtor = snapshot.head.as_ref().filter(|head| head.product.has_backlog());
    let Proposal { mut product, announced, absent, answer } = if let Some(debtor) = debtor {
        Proposal { product: debtor.product.clone(), announced: None, absent: Vec::new(), answer: None }
    } else if let Some(answer) = memory.answer.take() {
        return Ok(Some(answer));
    } else {
        newest = lines_to_give_way(store, change, &snapshot, newest).await?;
        change.decide(&snapshot, &newest, &mut budget).map_err(Setback::Refused)?
    };
    let pays_debts = debtor.is_some();
    if let (true, Some(answer)) = (product.events().is_empty(), &answer) {
        return Ok(Some(answer.clone()));
    }

    let before = snapshot.head.as_ref().map(|head| &head.product);
    if product.has_backlog() {
        let owed = before.map(Product::waiting).unwrap_or_default();
        if Waiting::of(&memory.waiting) != owed {
            memory.waiting = store.waiting_lines(product.sku()).await?;
        }
        if Waiting::of(&memory.waiting) != owed {
            return Err(lagging());
        }
        product.offer(&memory.waiting, &mut budget);
        if product.events().is_empty() {
            // No waiting line fits: the debt is settled without a commit.
            let head = snapshot.head.map(|head| Head { product, ..head });
            memory.snapshot = Some(Snapshot { head, ..snapshot });
            return Ok(None);
        }
    }
    if moves_a_line_twice(&product) {
        // One of the two lists is older than the other; or a line came back to its batch, and the index shows both.
        // DynamoDB takes no two writes of one item, and would call that a fault.
        return Err(lagging());
    }

    let id = CommitId(environment.random());
    let commit = Commit {
        id,
        before,
        after: &product,
        announced: announced.as_ref(),
        absent: &absent,
        correlation: &call.correlation,
    };
    let work = Work::of_commit(product.events(), product.waiting().lines);
    match store.commit(commit).await {
        Ok(()) => {
            memory.work.add_commit(&work);
            memory.answer = answer.or(memory.answer.take());
            let stays = |placed: &Placed| product.moves().iter().all(|moved| moved.line != placed.line);
            memory.waiting.retain(stays);
            newest.retain(stays);
            // Paying debts may have moved the very line that was asked for.
            if memory.answer.is_some() || !pays_debts {
                let head = Head { product: product.committed(), commit: id };
                memory.snapshot = Some(Snapshot { head: Some(head), ..snapshot });
                memory.newest = newest;
            }
            Ok(None)
        }
        Err(error) => {
            memory.sent.push(Sent { id, answer, work });
            match error {
                // All other conditions held, so what else was read is still true.
                StoreError::Conflict(Some(head)) if !pays_debts && shows_all(&head, change.wanted()) => {
                    memory.snapshot = Some(Snapshot { head: Some(*head), ..snapshot });
                    Err(StoreError::Conflict(None).into())
                }
                error => {
                    // Sums that match prove a list right only if it was read after all that they add up.
                    memory.waiting.clear();
                    Err(error.into())
                }
            }
        }
    }
}

fn moves_a_line_twice(product: &Product) -> bool {
    let mut seen = HashSet::new();
    !product.moves().iter().all(|moved| seen.insert(&moved.line))
}

/// A head that was handed back shows batches with free stock only; a full one that was asked for must be read with it.
fn shows_all(head: &Head, wanted: Wanted<'_>) -> bool {
    match wanted {
        Wanted::Line(_) | Wanted::Lines(..) | Wanted::NewBatch(_) => true,
        Wanted::Batch(reference) => head.product.batch(reference).is_some(),
    }
}

async fn lines_to_give_way<S: Products, C: Change>(
    store: &S,
    change: &C,
    snapshot: &Snapshot,
    left: Vec<Placed>,
) -> Result<Vec<Placed>, Setback> {
    let (Some(Head { product, .. }), Wanted::Batch(reference)) = (&snapshot.head, change.wanted()) else {
        return Ok(Vec::new());
    };
    let shortfall = change.shortfall(product);
    if shortfall == 0 {
        return Ok(Vec::new());
    }
    let pieces = |lines: &[Placed]| lines.iter().fold(0_u32, |sum, placed| sum.saturating_add(placed.line.qty.get()));
    // Either all that must give way, or as many as a commit moves.
    let are_enough = |lines: &[Placed]| pieces(lines) >= shortfall || lines.len() >= BUDGET.items;
    let newest = if are_enough(&left) { left } else { store.newest_lines(reference, shortfall, LINES).await? };
    // Too few lines, or more than the batch has: some that are listed have left it since.
    let allocated = product.batch(reference).map_or(0, |batch| batch.allocated);
    if pieces(&newest) > allocated || !are_enough(&newest) {
        return Err(lagging());
    }
    Ok(newest)
}

/// An index that has not caught up is read again, like a product after a lost race.
fn lagging() -> Setback {
    Setback::Store(StoreError::Conflict(None))
}

/// A delay drawn evenly between nothing and a limit that doubles with each try, so that those who collided once
/// don't meet again. ("Full jitter", <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>)
fn full_jitter(tries: u32, random: u64) -> Duration {
    let limit = FIRST_DELAY.saturating_mul(1 << tries.min(10)).min(LONGEST_DELAY);
    let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
    let drawn = random.checked_rem(limit.saturating_add(1)).unwrap_or_default();
    Duration::from_micros(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_spread_up_to_a_limit_that_grows_and_ends() {
        assert_eq!(full_jitter(1, 0), Duration::ZERO);
        assert_eq!(full_jitter(1, 20_000), Duration::from_millis(20));
        assert_eq!(full_jitter(1, 20_001), Duration::ZERO);
        assert_eq!(full_jitter(TRIES, 250_000), LONGEST_DELAY);
    }
}
