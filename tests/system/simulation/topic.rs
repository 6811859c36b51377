//! A topic that fails in every way, on its own clock, for a function that nothing else runs beside.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use service_layer::Figures;
use service_layer::outbox::Envelope;
use service_layer::ports::{Environment, PublishError, Publisher, Timestamp};

use super::choices::{Choices, Odds};

/// What a call takes.
const CALL: Duration = Duration::from_millis(20);
/// After which the SDK gives up a call that gets no reply.
const PATIENCE: Duration = Duration::from_secs(5);

/// A time during which the topic takes nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) says: Says,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Says {
    No,
    Nothing,
}

pub(super) struct Topic(Mutex<State>);

struct State {
    now: Timestamp,
    choices: Choices,
    faults_left: u32,
    outage: Option<Outage>,
    calls: Vec<Call>,
    /// The function died in a call; else it waits for a reply until it is stopped.
    died: bool,
}

/// The ids in a call, and which of them the topic took.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    pub(super) sent: Vec<String>,
    pub(super) taken: Vec<String>,
}

/// What may become of a call.
const FATES: u32 = 7;

impl Topic {
    pub(super) fn new(choices: Choices, faults: u32) -> Self {
        Self(Mutex::new(State {
            now: Timestamp(0),
            choices,
            faults_left: faults,
            outage: None,
            calls: Vec::new(),
            died: false,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn is_away(&self, outage: Outage) {
        self.state().outage = Some(outage);
    }

    pub(super) fn set_now(&self, now: Timestamp) {
        self.state().now = now;
    }

    /// From now on, all goes well.
    pub(super) fn mend(&self) {
        let mut state = self.state();
        (state.faults_left, state.outage) = (0, None);
    }

    /// The function that was calling died, or else was stopped at this time.
    pub(super) fn stopped(&self, at: Timestamp) {
        let mut state = self.state();
        if !std::mem::take(&mut state.died) {
            state.now = at;
        }
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    pub(super) fn choose(&self, of: usize, odds: Odds) -> usize {
        self.state().choices.choose(u32::try_from(of).unwrap(), odds) as usize
    }

    /// All of these, or fewer.
    pub(super) fn at_least_one_of(&self, count: usize) -> usize {
        count - self.choose(count, Odds::OneIn(2))
    }

    pub(super) fn take_choices(&self) -> Choices {
        std::mem::replace(&mut self.state().choices, Choices::from_script(Vec::new()))
    }

    /// The first message that was not published, or none; or no reply at all.
    fn call(&self, messages: &[Envelope]) -> Option<Result<(), usize>> {
        let mut state = self.state();
        state.now = state.now.plus(CALL);
        let now = state.now;
        if let Some(Outage { says, .. }) = state.outage.filter(|outage| outage.from <= now && now < outage.until) {
            if let Says::Nothing = says {
                state.now = now.plus(PATIENCE);
            }
            return Some(Err(0));
        }
        let sent = messages.iter().map(|message| message.id.clone()).collect();
        state.calls.push(Call { sent, taken: Vec::new() });
        let fate = if state.faults_left > 0 { state.choices.choose(FATES, Odds::OneIn(6)) } else { 0 };
        state.faults_left -= u32::from(fate > 0);
        let takes = |state: &mut State, index: usize| {
            let id = messages[index].id.clone();
            state.calls.last_mut().unwrap().taken.push(id);
        };
        match fate {
            1 => return Some(Err(0)),
            2 => {
                // Some entries of a call that succeeds.
                let mut first = None;
                for index in 0..messages.len() {
                    if state.choices.choose(2, Odds::Even) == 1 {
                        first = first.or(Some(index));
                    } else {
                        takes(&mut state, index);
                    }
                }
                return Some(first.map_or(Ok(()), Err));
            }
            4 => return None,
            5 => {
                state.died = true;
                return None;
            }
            _ => (0..messages.len()).for_each(|index| takes(&mut state, index)),
        }
        match fate {
            // The reply is lost.
            3 => {
                state.now = now.plus(PATIENCE);
                Some(Err(0))
            }
            6 => {
                state.died = true;
                None
            }
            _ => Some(Ok(())),
        }
    }
}

impl Publisher for Topic {
    const BATCH: usize = 10;

    async fn publish(&self, messages: &[Envelope]) -> Result<(), PublishError> {
        match self.call(messages) {
            Some(outcome) => outcome.map_err(|first| PublishError { first, source: "the topic refused".into() }),
            None => std::future::pending().await,
        }
    }
}

impl Environment for Topic {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    async fn sleep(&self, duration: Duration) {
        let mut state = self.state();
        state.now = state.now.plus(duration);
    }

    fn random(&self) -> u64 {
        0
    }

    fn record(&self, _: &service_layer::Call, _: &Figures) {}
}
