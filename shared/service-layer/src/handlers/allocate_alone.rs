//! Bind a line to a batch, unless its caller had better ask beside many others.

use std::time::Duration;

use domain::{Allocation, Refusal, Step};

use super::{Allocate, Case, Handler};
use crate::ports::Timestamp;
use crate::store::ReadSet;

/// How long callers share commits after one was shared.
pub(crate) const CROWDED: Duration = Duration::from_secs(1);

/// Binds a line to one batch, as [`Allocate`] does, unless many want the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AllocateAlone<'a> {
    pub(crate) command: &'a Allocate,
    pub(crate) now: Timestamp,
    /// Whether the line has asked before. Then nobody may guess what became of it.
    pub(crate) has_asked: bool,
}

/// What came of that.
#[derive(Clone, Debug)]
pub(crate) enum Alone {
    /// The line has its answer.
    Answered(Result<Allocation, Refusal>),
    /// Nothing was done: callers of its SKU share commits at this moment.
    Crowded,
}

impl Handler for AllocateAlone<'_> {
    type Answer = Alone;

    fn reads(&self) -> ReadSet {
        let reads = self.command.reads();
        ReadSet { may_guess: reads.may_guess && !self.has_asked, ..reads }
    }

    fn decide(&self, case: &mut Case) -> Result<Step<Alone>, Refusal> {
        if self.is_crowded(case) {
            return Ok(Step::Finish(Alone::Crowded));
        }
        Ok(match self.command.decide(case)? {
            Step::Finish(answer) => Step::Finish(Alone::Answered(answer)),
            Step::GoOn => Step::GoOn,
        })
    }
}

impl AllocateAlone<'_> {
    fn is_crowded(&self, case: &Case) -> bool {
        let (line, found) = (&self.command.0, &case.found);
        // Whoever asks has not been answered, and may get a place by anybody's commit.
        if found.asking(&line.id()).is_some_and(|asking| asking.until > self.now) {
            return true;
        }
        // What is refused takes no commit, mostly, and what is known none at all.
        let wants_a_commit = found.parts_of(&line.id()).is_empty() && !found.is_cancelled(&line.orderid);
        let is_crowded = found.products.iter().any(|stored| {
            let shared = stored.crowded_at.is_some_and(|at| self.now < at.plus(CROWDED));
            shared && stored.product.has_room_for(line)
        });
        wants_a_commit && is_crowded
    }
}
