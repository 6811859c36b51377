//! How long to wait, and when to give up.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::Error;
use crate::ports::{Environment, Timestamp};
use crate::store::StoreError;

const FIRST_DELAY: Duration = Duration::from_millis(10);
const LONGEST_DELAY: Duration = Duration::from_millis(250);
/// What a last try and its answer may take.
pub(crate) const MARGIN: Duration = Duration::from_millis(500);

/// Gives up in time to answer. What was under way may still happen.
pub(crate) fn in_time<E: Environment, T>(
    environment: &E,
    deadline: Timestamp,
    work: impl Future<Output = T>,
) -> impl Future<Output = Option<T>> {
    // Boxed before the future below holds it: work is large, and whatever held it would be as large, and be copied when
    // it moves.
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

/// Reads again what did not fit together, since it changed between two of its parts.
pub(crate) async fn until_it_fits<E: Environment, T, F: Future<Output = Result<T, StoreError>>>(
    environment: &E,
    deadline: Timestamp,
    read: impl Fn() -> F,
) -> Result<T, Error> {
    let mut tries = 0_u32;
    loop {
        let error = match read().await {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        tries = tries.saturating_add(1);
        let delay = full_jitter(tries, environment.random());
        match error {
            StoreError::Conflict(_) if !leaves_time(environment.now(), delay, deadline) => {
                return Err(Error::Contended { tries });
            }
            StoreError::Conflict(_) => environment.sleep(delay).await,
            StoreError::Unavailable(_) | StoreError::Fault(_) => return Err(error.into()),
        }
    }
}

/// Whether a try after this delay could still be answered.
pub(crate) fn leaves_time(now: Timestamp, delay: Duration, deadline: Timestamp) -> bool {
    now.plus(delay).plus(MARGIN) < deadline
}

/// A delay drawn evenly between nothing and a limit that doubles with each try, so that those who collided once
/// don't meet again. ("Full jitter", <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>)
pub(crate) fn full_jitter(tries: u32, random: u64) -> Duration {
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
        assert_eq!(full_jitter(100, 250_000), LONGEST_DELAY);
    }

    #[test]
    fn a_try_that_could_not_be_answered_before_the_deadline_is_not_made() {
        let leaves_time = |delay| leaves_time(Timestamp(9_000), Duration::from_millis(delay), Timestamp(10_000));
        assert!(leaves_time(0) && leaves_time(499));
        assert!(!leaves_time(500) && !leaves_time(501));
    }
}
