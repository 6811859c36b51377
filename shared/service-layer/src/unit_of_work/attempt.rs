//! One attempt: settle what is due, or decide and commit.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use domain::{AllWaiting, BatchRef, LineId, OrderLine, Part, Product, Sku, Step, Timestamp};

use super::{Sent, Setback, UnitOfWork, index_lags};
use crate::CommandFigures;
use crate::handlers::{Case, Handler};
use crate::ports::Environment;
use crate::store::{Changed, Commit, CommitId, Found, Listing, Products, ReadSet, StoreError};

/// What a commit is made for.
enum Made<A> {
    /// The command, with what its caller is to be told then, if that is all.
    ForTheCommand(Option<A>),
    /// What is due or owed, before the command.
    ToSettle,
}

/// Held lines that are looked at together: about as many as a commit can give back.
const HELD: usize = 100;

impl<S: Products, E: Environment, H: Handler> UnitOfWork<'_, S, E, H> {
    /// Makes at most one commit.
    pub(super) async fn attempt(&mut self) -> Result<Step<H::Answer>, Setback> {
        let found = match self.carried.found.take() {
            Some(found) => found,
            None => self.store.find(&self.reads()).await?,
        };
        self.recognise_own_commit(&found);
        // What is due and a backlog come before the command, whoever comes by: stock that nobody is promised any more is
        // given back, and what is owed to waiting lines is not given away.
        let now = self.environment.now();
        let is_unsettled = |product: &Product| product.may_have_due(now) || product.has_backlog();
        if found.products.iter().any(|stored| is_unsettled(&stored.product)) {
            return self.settle(found, now).await;
        }
        // What was asked is committed, and its backlog settled.
        if let Some(answer) = self.carried.answer.take() {
            return Ok(Step::Finish(answer));
        }
        self.decide(found).await
    }

    /// What the handler reads. Whoever may have made a commit must know, and not guess.
    fn reads(&self) -> ReadSet {
        let wanted = self.handler.reads();
        ReadSet { may_guess: wanted.may_guess && self.carried.sent.is_empty(), ..wanted }
    }

    /// A commit whose reply was lost took effect if a product carries its id. It is counted, and its answer is known.
    fn recognise_own_commit(&mut self, found: &Found) {
        if let Some(own) = self.carried.own_commit(found) {
            let own = self.carried.sent.swap_remove(own);
            self.carried.figures.add_commit(&own.figures);
            // Where an order is cancelled, that may have come between: a line of it must give its place back.
            let answer = own.answer.filter(|_| found.cancelled.is_empty());
            self.carried.answer = answer.or(self.carried.answer.take());
            self.carried.goes_on |= !own.settles;
        }
    }

    /// Gives back what is due, and offers stock that is owed to the lines that wait for it.
    async fn settle(&mut self, found: Found, now: Timestamp) -> Result<Step<H::Answer>, Setback> {
        self.carried.listed.clear();
        let mut case = Case::of(found, Vec::new());
        expire(self.store, &mut case, now).await?;
        self.offer(&mut case).await?;
        if !case.draft.is_changed() {
            // Nothing is due, and no waiting line fits: that is settled without a commit.
            self.carried.found = Some(case.into_found(None));
            return Ok(Step::GoOn);
        }
        match self.commit(&case, Made::ToSettle).await {
            // Where the answer is known already, nothing is left to decide.
            Ok(id) if self.carried.answer.is_some() => self.carried.found = Some(case.into_found(Some(id))),
            // The offer may have moved the very line that was asked for, so all is read again.
            Ok(_) => {}
            Err(error) => {
                self.carried.waiting.clear();
                return Err(error.into());
            }
        }
        Ok(Step::GoOn)
    }

    /// Lets the handler decide, and commits what it changed.
    async fn decide(&mut self, found: Found) -> Result<Step<H::Answer>, Setback> {
        let listed = self.list(&found).await?;
        let (goes_on, lost_races) = (self.carried.goes_on, self.carried.lost_races);
        let mut case = Case { goes_on, lost_races, ..Case::of(found, listed) };
        let step = self.handler.decide(&mut case).map_err(Setback::Refused)?;
        if !self.is_still_so(&case).await? {
            // The same request, sent twice, got a line its place. All is read again, and shows that.
            return Ok(Step::GoOn);
        }
        if !case.draft.is_changed() {
            let refused = u32::try_from(case.draft.turned_away().count()).unwrap_or(u32::MAX);
            self.carried.figures.add_refusals(refused);
            return Ok(step);
        }
        self.offer(&mut case).await?;
        let answer = match step {
            Step::Finish(answer) => Some(answer),
            Step::GoOn => None,
        };
        let id = match self.commit(&case, Made::ForTheCommand(answer)).await {
            Ok(id) => id,
            // Products alone were in the way, and came back. All other conditions held, so what else was found is true.
            Err(StoreError::Conflict(newer)) if !newer.is_empty() => {
                self.carried.found = case.found.with(newer);
                return Err(StoreError::Conflict(Vec::new()).into());
            }
            Err(error) => {
                // Sums that match prove a list right only if it was read after all that they add up.
                self.carried.waiting.clear();
                return Err(error.into());
            }
        };
        self.carried.goes_on = true;
        let is_settled = !case.draft.products().any(Product::has_backlog);
        if is_settled && let Some(answer) = self.carried.answer.take() {
            return Ok(Step::Finish(answer));
        }
        self.carried.listed = case.listed_that_stay();
        // What was read before an order was marked does not show all its lines.
        let is_all = case.draft.cancelled().is_empty();
        self.carried.found = is_all.then(|| case.into_found(Some(id)));
        Ok(Step::GoOn)
    }

    /// Whether lines are where they were found that an answer rests on, and no commit holds: those of an order that it says
    /// so of, and without a change those that are turned away, and those that are split.
    ///
    /// They are read once more, after the products. If they are the same then, they were so when the products were read,
    /// since a line that moves never comes back to the version since which it stood there. So that was the moment at which
    /// all was true.
    async fn is_still_so(&self, case: &Case) -> Result<bool, Setback> {
        let turned_away = case.draft.turned_away().map(OrderLine::id);
        // Their parts are read one after the other.
        let split = case.found.split_lines().into_iter().filter_map(|parts| Some(parts.first()?.line.id()));
        let (lines, whole_order) = match case.draft.rests_on() {
            Some(orderid) => (Vec::new(), Some(orderid.clone())),
            None if case.draft.is_changed() => (Vec::new(), None),
            None => (turned_away.chain(split).collect(), None),
        };
        if lines.is_empty() && whole_order.is_none() {
            return Ok(true);
        }
        let again = self.store.find(&ReadSet { lines: lines.clone(), whole_order, ..ReadSet::default() }).await?;
        let known = case.found.parts.iter().chain(&again.parts).map(|part| part.line.id());
        let lines: BTreeSet<LineId> = if lines.is_empty() { known.collect() } else { lines.into_iter().collect() };
        Ok(lines.iter().all(|line| again.parts_of(line) == case.found.parts_of(line)))
    }

    /// What the handler wants listed. Of what the last commit left of its list, as much may do.
    async fn list(&mut self, found: &Found) -> Result<Vec<Part>, Setback> {
        let left = std::mem::take(&mut self.carried.listed);
        let Some(listing) = self.handler.lists(found) else { return Ok(Vec::new()) };
        if listing.is_complete(&left) {
            return Ok(left);
        }
        let listed = self.store.list(&listing).await?;
        if listing.is_complete(&listed) { Ok(listed) } else { Err(index_lags().into()) }
    }

    /// Offers what is owed, in the commit that is being made.
    async fn offer(&mut self, case: &mut Case) -> Result<(), Setback> {
        Ok(offer(self.store, case, &mut self.carried.waiting).await?)
    }

    /// Commits what the draft changed.
    async fn commit(&mut self, case: &Case, made: Made<H::Answer>) -> Result<CommitId, StoreError> {
        let changed = |after| Changed { before: case.found.product(Product::sku(after)), after };
        let products: Vec<_> = case.draft.changed().map(changed).collect();
        if moves_a_part_twice(&products) {
            // One of the two lists is older than the other; or a line came back to its batch, and the index shows both.
            // DynamoDB takes no two writes of one item, and would call that a fault.
            return Err(StoreError::Conflict(Vec::new()));
        }
        let (answer, settles) = match made {
            Made::ForTheCommand(answer) => (answer, false),
            Made::ToSettle => (None, true),
        };
        let id = CommitId(self.environment.random());
        let figures = CommandFigures::of_commit(case.draft.products());
        let kept = case.draft.kept();
        let commit = Commit {
            products: &products,
            cancelled: case.draft.cancelled(),
            unread: &case.found.unread,
            asking: &case.found.asking,
            dismissed: case.draft.dismissed(),
            put: case.draft.put(),
            kept: &kept,
            ..Commit::new(id, &self.call.correlation, case.draft.origins(), self.environment.now())
        };
        if let Err(error) = self.store.commit(commit).await {
            self.carried.sent.push(Sent { id, answer, settles, figures });
            return Err(error);
        }
        self.carried.figures.add_commit(&figures);
        self.carried.answer = answer.or(self.carried.answer.take());
        for waiting in self.carried.waiting.values_mut() {
            waiting.retain(|part| case.draft.stays(part));
        }
        Ok(id)
    }
}

/// Gives back what is due of each product.
pub(super) async fn expire<S: Products>(store: &S, case: &mut Case, now: Timestamp) -> Result<(), StoreError> {
    let due = case.draft.products().filter(|product| product.may_have_due(now));
    let due: Vec<Sku> = due.map(|product| product.sku().clone()).collect();
    for sku in due {
        let mut first = store.list(&Listing::Held { sku: sku.clone(), at_most: HELD }).await?;
        let due = || first.iter().filter(|part| part.is_due(now));
        let named: BTreeSet<&BatchRef> = due().filter_map(|part| part.place.batch()).collect();
        let full = named.into_iter().filter(|reference| !case.knows(&sku, reference));
        let batches: Vec<_> = full.map(|reference| (sku.clone(), reference.clone())).collect();
        // A line is given back as a whole, and the list may end within it.
        let in_part = Part::by_line(due()).into_iter().filter(|parts| !Part::are_all(parts));
        let lines: Vec<LineId> = in_part.filter_map(|parts| Some(parts.first()?.line.id())).collect();
        if !batches.is_empty() || !lines.is_empty() {
            let wanted = ReadSet { skus: vec![sku.clone()], batches, lines: lines.clone(), ..ReadSet::default() };
            let found = store.find(&wanted).await?;
            // Where the product is another one by now, all is read again, as after a lost race.
            case.include(&sku, &found).ok_or_else(|| StoreError::Conflict(Vec::new()))?;
            first.retain(|part| !lines.iter().any(|line| line.names(&part.line)) || found.parts.contains(part));
            let held = found.parts.into_iter().filter(|part| part.held_until.is_some());
            let others: Vec<Part> = held.filter(|part| !first.contains(part)).collect();
            first.extend(others);
        }
        for product in case.draft.products_mut().filter(|product| *product.sku() == sku) {
            product.expire(&first, now, &mut case.budget);
        }
    }
    Ok(())
}

/// Offers each product's backlog to the lines that wait for it, which are listed unless they were before.
pub(super) async fn offer<S: Products>(
    store: &S,
    case: &mut Case,
    listed: &mut BTreeMap<Sku, Vec<Part>>,
) -> Result<(), StoreError> {
    for product in case.draft.products_mut().filter(|product| product.has_backlog()) {
        // Lines that begin to wait in this commit were refused by this stock already.
        let tally = case.found.product(product.sku()).map(Product::waiting).unwrap_or_default();
        let listing = Listing::Waiting { sku: product.sku().clone(), tally };
        let waiting = listed.entry(product.sku().clone()).or_default();
        if !listing.is_complete(waiting) {
            *waiting = store.list(&listing).await?;
        }
        let all = AllWaiting::checked(waiting, tally).ok_or_else(index_lags)?;
        product.offer(&all, &mut case.budget);
    }
    Ok(())
}

fn moves_a_part_twice(products: &[Changed<'_>]) -> bool {
    let mut seen = HashSet::new();
    let mut moves = products.iter().flat_map(|changed| changed.after.moves());
    !moves.all(|moved| seen.insert(moved.id()))
}
