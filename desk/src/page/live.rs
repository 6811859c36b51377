//! What just happened: the newest events, for the page to ask for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// How many events are kept.
const KEPT: usize = 500;

/// The newest events of the topic. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Live(Arc<Mutex<Recent>>);

#[derive(Debug, Default)]
struct Recent {
    /// With a number each, the newest last.
    events: VecDeque<(u64, Value)>,
    last: u64,
    trouble: Option<String>,
}

impl Live {
    /// Keeps an event, unless it is one of those that are kept already: events may come more than once.
    pub fn add(&self, event: Value) {
        let mut recent = self.lock();
        let id = event.get("id");
        if id.is_some() && recent.events.iter().any(|(_, known)| known.get("id") == id) {
            return;
        }
        recent.last = recent.last.saturating_add(1);
        let number = recent.last;
        recent.events.push_back((number, event));
        if recent.events.len() > KEPT {
            recent.events.pop_front();
        }
    }

    /// What keeps events from coming; `None` once they do.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        self.lock().trouble = trouble;
    }

    /// Events that came after the one with number `after`, and the number of the last. `run` tells one desk from the next,
    /// which counts anew.
    pub(super) fn after(&self, after: u64, run: u32) -> Value {
        let recent = self.lock();
        let events: Vec<Value> = recent
            .events
            .iter()
            .filter(|(number, _)| *number > after)
            .map(|(number, event)| json!({"number": number, "event": event}))
            .collect();
        json!({"run": run, "last": recent.last, "events": events, "trouble": recent.trouble})
    }

    // Nothing in here panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64) -> Value {
        json!({"id": format!("A#{id}#1")})
    }

    #[test]
    fn the_newest_are_kept_and_repeats_are_not() {
        let live = Live::default();
        for id in 0..600 {
            live.add(event(id));
            live.add(event(id));
        }
        let all = live.after(0, 7);
        assert_eq!((all["last"].as_u64(), all["run"].as_u64()), (Some(600), Some(7)));
        let events = all["events"].as_array().unwrap();
        assert_eq!(events.len(), KEPT);
        assert_eq!((&events[0]["event"], &events[499]["event"]), (&event(100), &event(599)));
        assert_eq!(live.after(599, 7)["events"], json!([{"number": 600, "event": event(599)}]));
    }

    #[test]
    fn trouble_is_told_until_it_is_over() {
        let live = Live::default();
        live.set_trouble(Some("no way to the queue".to_owned()));
        assert_eq!(live.after(0, 1)["trouble"], "no way to the queue");
        live.set_trouble(None);
        assert_eq!(live.after(0, 1)["trouble"], Value::Null);
    }
}
