//! Queues as SQS keeps them: a message comes in any order, sometimes again, and is hidden while somebody works on it.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use service_layer::ports::{Environment as _, Timestamp};
use testing::{sqs_event, sqs_message};

use super::choices::Odds;
use super::world::World;

/// As template.yaml has it.
const VISIBILITY: Duration = Duration::from_mins(3);
/// More than a run has faults: what is given up here is given up for a reason of its own.
pub(super) const RECEIVES: u32 = 40;

/// The queues that functions are fed from, one function each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Changes,
    Lines,
    Events,
}

impl Source {
    pub(super) const ALL: [Self; 3] = [Self::Changes, Self::Lines, Self::Events];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Lines => "lines",
            Self::Events => "events",
        }
    }
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) body: String,
    sent: Timestamp,
    pub(super) visible_at: Timestamp,
    receives: u32,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) messages: Vec<Entry>,
    pub(super) dead: Vec<Entry>,
}

impl Queue {
    pub(super) fn push(&mut self, id: String, body: String, sent: Timestamp) {
        self.messages.push(Entry { id, body, sent, visible_at: sent, receives: 0 });
    }

    pub(super) fn has_visible(&self, now: Timestamp) -> bool {
        self.messages.iter().any(|entry| entry.visible_at <= now)
    }

    /// One to three messages, in any order; some may come again.
    pub(super) fn receive(&mut self, world: &World) -> Vec<Entry> {
        let now = world.now();
        let mut batch = Vec::new();
        let visible = self.messages.iter().filter(|entry| entry.visible_at <= now).count();
        for _ in 0..=world.choose(visible.min(3), Odds::Even) {
            let visible = (0..self.messages.len()).filter(|index| self.messages[*index].visible_at <= now);
            let visible: Vec<usize> = visible.collect();
            let mut entry = self.messages.remove(visible[world.choose(visible.len(), Odds::Even)]);
            entry.receives += 1;
            if world.chance(|left| &mut left.duplicates) {
                self.messages.push(entry.clone());
            }
            batch.push(entry);
        }
        batch
    }

    pub(super) fn finish(&mut self, batch: Vec<Entry>, answer: &SqsBatchResponse, now: Timestamp) {
        let failed =
            |entry: &Entry| answer.batch_item_failures.iter().any(|failure| failure.item_identifier == entry.id);
        self.return_all(batch.into_iter().filter(failed).collect(), now);
    }

    pub(super) fn return_all(&mut self, batch: Vec<Entry>, now: Timestamp) {
        for entry in batch {
            if entry.receives < RECEIVES {
                self.messages.push(Entry { visible_at: now.plus(VISIBILITY), ..entry });
            } else {
                self.dead.push(entry);
            }
        }
    }
}

/// As Lambda hands them over.
pub(super) fn event_of(batch: &[Entry]) -> SqsEvent {
    sqs_event(batch.iter().map(|entry| {
        let mut message = sqs_message(&entry.id, &entry.body);
        message.attributes.insert("SentTimestamp".to_owned(), entry.sent.0.to_string());
        message
    }))
}

pub(super) fn ids(batch: &[Entry]) -> String {
    batch.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>().join(", ")
}
