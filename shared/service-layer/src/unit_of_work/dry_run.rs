//! What putting an order would come to, by reading alone.

use std::collections::BTreeMap;

use domain::{Budget, Refusal, Step, Timestamp};

use super::attempt::{expire, offer};
use super::{in_time, until_it_fits};
use crate::handlers::{Case, PutOrder, PutOrderAnswer};
use crate::ports::Environment;
use crate::store::{Found, Products, ReadSet, StoreError};
use crate::{Call, Error, Handler as _};

/// Stock that is owed is offered in as many commits as it takes; here it is offered at once.
const UNLIMITED: Budget = Budget { items: usize::MAX, event_bytes: usize::MAX };

/// Decides as [`PutOrder`] does, and commits nothing.
pub(crate) async fn dry_run<S: Products, E: Environment>(
    store: &S,
    environment: &E,
    call: &Call,
    order: &PutOrder,
) -> Result<PutOrderAnswer, Error> {
    let wanted = &order.reads();
    let decided = until_it_fits(environment, call.deadline, || decide(store, environment.now(), wanted, order));
    let decided = in_time(environment, call.deadline, decided).await;
    Ok(decided.unwrap_or_else(|| Err(Error::Unavailable("out of time".into())))??)
}

async fn decide<S: Products>(
    store: &S,
    now: Timestamp,
    wanted: &ReadSet,
    order: &PutOrder,
) -> Result<Result<PutOrderAnswer, Refusal>, StoreError> {
    let mut found = settled(store, now, store.find(wanted).await?).await?;
    loop {
        let mut case = Case::of(found, Vec::new());
        match order.decide(&mut case) {
            Ok(Step::Finish(answer)) => return Ok(Ok(answer)),
            Ok(Step::GoOn) => found = case.into_found(None),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
}

/// What is found once what is due is given back, and lines that wait have what is owed to them.
async fn settled<S: Products>(store: &S, now: Timestamp, found: Found) -> Result<Found, StoreError> {
    let mut case = Case { budget: UNLIMITED, ..Case::of(found, Vec::new()) };
    expire(store, &mut case, now).await?;
    offer(store, &mut case, &mut BTreeMap::new()).await?;
    Ok(case.into_found(None))
}
