//! One row to its outcome: sent until there is an answer, or patience ends.

use std::sync::{Mutex, PoisonError};

use adapters::report::chain;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::sync::watch;

use super::answer::{Load, Outcome, Verdict, judge};
use super::kind::{Failure, Kind, Wish};
use super::pace::{Pace, Settings, Turn};
use crate::api::{Api, SendError};

/// Why an import ends before its list does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody stopped it.
    Interrupted,
    /// Every row that is left would come to the same.
    Hopeless(String),
}

/// Ends an import: nothing more is sent, and what is under way is waited for.
#[derive(Debug)]
pub struct Halt {
    is_halted: watch::Sender<bool>,
    reason: Mutex<Option<Stop>>,
}

impl Default for Halt {
    fn default() -> Self {
        Self { is_halted: watch::Sender::new(false), reason: Mutex::new(None) }
    }
}

impl Halt {
    /// Ends it. The first reason is the one that is told.
    pub fn because(&self, stop: Stop) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(stop);
        self.is_halted.send_replace(true);
    }

    /// Why it ended, if it did.
    pub fn reason(&self) -> Option<Stop> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it is to end.
    pub(super) async fn halted(&self) {
        // The sender is this one, so there is always one.
        let _ = self.is_halted.subscribe().wait_for(|is_halted| *is_halted).await;
    }
}

/// Sends rows.
pub(super) struct Sender<'a> {
    api: Api,
    kind: Kind,
    pace: Pace,
    halt: &'a Halt,
}

impl<'a> Sender<'a> {
    pub(super) fn new(api: Api, kind: Kind, settings: Settings, halt: &'a Halt) -> Self {
        Self { api, kind, pace: Pace::new(settings), halt }
    }

    /// Waits until a request may go. None: all ended before.
    pub(super) async fn turn(&self) -> Option<Turn<'_>> {
        tokio::select! {
            biased;
            () = self.halt.halted() => None,
            turn = self.pace.turn() => turn,
        }
    }

    /// Sends a row whose turn it is until it has its outcome. None: all ended before it had one.
    pub(super) async fn send(&self, wish: &Wish, first: Turn<'_>) -> Option<Outcome> {
        let body = Bytes::copy_from_slice(&wish.body);
        let (mut turn, mut tries, is_over) = (first, 0_u32, self.pace.stopwatch());
        loop {
            // Not ended by a halt: what is sent is waited for.
            let verdict = self.ask(body.clone()).await;
            drop(turn);
            match verdict {
                Verdict::Done(outcome) => {
                    self.pace.answered();
                    return Some(outcome);
                }
                Verdict::Stop(reason) => {
                    self.halt.because(Stop::Hopeless(reason));
                    return None;
                }
                Verdict::Again { reason, .. } if is_over() => {
                    if self.pace.given_up() {
                        let gone = format!("the API answers no row any more; the last that was heard is: {reason}");
                        self.halt.because(Stop::Hopeless(gone));
                    }
                    return Some(given_up(tries, &reason));
                }
                Verdict::Again { wait, load, .. } => {
                    if load == Load::TooMuch {
                        self.pace.slow_down(wait);
                    }
                    let wait = self.pace.backoff(tries, wait);
                    tries = tries.saturating_add(1);
                    tokio::select! {
                        () = self.halt.halted() => return None,
                        () = self.pace.wait(wait) => {}
                    }
                }
            }
            turn = self.turn().await?;
        }
    }

    async fn ask(&self, body: Bytes) -> Verdict {
        match self.api.send(Method::POST, self.kind.path(), headers(self.kind), body).await {
            Ok(answer) => judge(self.kind, &answer),
            Err(error @ SendError::Unreachable { .. }) if !self.pace.has_answered() => {
                let hint = "Is the address right, and the API up?";
                Verdict::Stop(format!("{}. {hint}", chain(&error)))
            }
            Err(error @ (SendError::Unreachable { .. } | SendError::NoAnswer { .. })) => {
                Verdict::Again { reason: chain(&error), wait: None, load: Load::Any }
            }
            Err(error @ (SendError::TooLarge | SendError::Path(_) | SendError::Sign(_))) => {
                Verdict::Stop(chain(&error))
            }
        }
    }
}

fn headers(kind: Kind) -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::from_iter([(ACCEPT, json.clone()), (CONTENT_TYPE, json)]);
    if kind == Kind::Lines {
        headers.insert(HeaderName::from_static("prefer"), HeaderValue::from_static("return=representation"));
    }
    headers
}

fn given_up(tries: u32, reason: &str) -> Outcome {
    let failure = Failure::of(format!(
        "nobody knows whether it is in: no answer in {} tries, the last: {reason}",
        tries.saturating_add(1)
    ));
    Outcome::Failed { code: None, failure }
}
