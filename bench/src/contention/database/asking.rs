//! Lines that ask, and whose turn it is: what these calls take, and how long an index and a replica lag.

use std::collections::HashMap;
use std::time::Duration;

use adapters::in_memory::InMemoryStore;
use domain::{LineId, Sku};
use service_layer::ports::Timestamp;
use service_layer::store::{Asked, Asking, Asks as _, Commit, Look, Seen, StoreError};

use super::{Conditions, READ, units};

const WRITE: Duration = Duration::from_millis(5);
/// Partitions of the index that lines that ask are spread over: as docs/data-model.md has it.
const SHELVES: usize = 5;
/// Bytes of an entry of the index.
const ENTRY: usize = 190;
/// How much older than the last commit an index and a read that is not consistent are, on average. No published figure.
const LAG: Duration = Duration::from_millis(10);
const REPLICA_LAG: Duration = Duration::from_millis(5);

#[derive(Default)]
pub(super) struct LinesThatAsk {
    listed: HashMap<LineId, Listed>,
    /// When a read that is not consistent shows what became of a line.
    answered: HashMap<LineId, Duration>,
}

/// A line that asks, as the index shows it.
struct Listed {
    shelf: String,
    since: Timestamp,
    from: Duration,
    until: Option<Duration>,
}

impl Conditions {
    /// The line, and an entry of the index.
    pub(super) async fn put_asking(&self, store: &InMemoryStore, asking: &Asking) -> Result<Asked, StoreError> {
        let latency = self.latency(WRITE);
        self.clock.wait(latency / 2).await;
        let written = self.write(2.0, &HashMap::from([(shelf_of(asking), 1.0)]));
        let asked = match written {
            Ok(()) => store.ask(asking).await,
            Err(throttled) => Err(throttled),
        };
        if let Ok(Asked::Asks) = asked {
            let from = self.clock.time() + self.lag(LAG);
            let listed = Listed { shelf: shelf_of(asking), since: asking.since, from, until: None };
            self.state().asking.listed.insert(asking.line.id(), listed);
        }
        self.clock.wait(latency / 2).await;
        asked
    }

    /// Two items, each at half a unit, since that is not consistent.
    pub(super) async fn look_at(&self, store: &InMemoryStore, line: &LineId) -> Result<Look, StoreError> {
        let latency = self.latency(READ);
        self.clock.wait(latency / 2).await;
        let read = self.read(1.0, &HashMap::from([(format!("turn {}", line.sku), 0.5)]));
        let mut look = store.look(line).await?;
        let now = self.clock.time();
        // Of three replicas, two have been written.
        let is_late = self.clock.chance() < 1.0 / 3.0;
        if is_late && self.state().asking.answered.get(line).is_some_and(|shown| now < *shown) {
            look.line = Seen::Asks;
        }
        self.clock.wait(latency / 2).await;
        read.map(|()| look)
    }

    /// A write of the turn, whatever comes of it.
    pub(super) async fn write_turn<T>(
        &self,
        sku: &Sku,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let latency = self.latency(WRITE);
        self.clock.wait(latency / 2).await;
        let written = match self.write(1.0, &HashMap::from([(format!("turn {sku}"), 1.0)])) {
            Ok(()) => work.await,
            Err(throttled) => Err(throttled),
        };
        self.clock.wait(latency / 2).await;
        written
    }

    /// From all shelves at once.
    pub(super) async fn list_asking(&self, sku: &Sku, at_most: usize) -> Result<Vec<LineId>, StoreError> {
        let latency = (0..SHELVES).map(|_| self.latency(READ)).max().unwrap_or_default();
        self.clock.wait(latency / 2).await;
        let (now, limit) = (self.clock.time(), (2 * at_most).div_ceil(SHELVES));
        let (mut listed, mut partitions) = (Vec::new(), HashMap::new());
        {
            let mut state = self.state();
            state.asking.listed.retain(|_, listed| listed.until.is_none_or(|until| now < until));
            for shelf in (0..SHELVES).map(|number| shelf(sku, number)) {
                let on_shelf =
                    state.asking.listed.iter().filter(|(_, listed)| listed.shelf == shelf && listed.from <= now);
                let mut entries: Vec<_> = on_shelf.map(|(line, listed)| (listed.since, line.clone())).collect();
                entries.sort();
                entries.truncate(limit);
                partitions.insert(shelf, units(entries.len() * ENTRY, 4_096) / 2.0);
                listed.extend(entries);
            }
        }
        let read = self.read(partitions.values().sum(), &partitions);
        listed.sort();
        self.clock.wait(latency / 2).await;
        read.map(|()| listed.into_iter().take(at_most).map(|(_, line)| line).collect())
    }

    /// What a commit changed of who asks, and when that shows.
    pub(super) fn note_answers(&self, commit: &Commit<'_>, now: Duration) {
        let moved = commit.products.iter().flat_map(|changed| changed.after.moves());
        let placed = moved.filter(|moved| moved.to.is_some()).map(|moved| moved.line.id());
        for line in placed.chain(commit.dismissed.iter().map(|asking| asking.line.id())) {
            let (index, replica) = (self.lag(LAG), self.lag(REPLICA_LAG));
            let mut state = self.state();
            if let Some(listed) = state.asking.listed.get_mut(&line) {
                listed.until = Some(now + index);
                state.asking.answered.insert(line, now + replica);
            }
        }
    }

    /// How far behind an index or a replica is.
    fn lag(&self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.clock.chance()).ln())
    }
}

/// The partition of the index that lists a line.
pub(super) fn shelf_of(asking: &Asking) -> String {
    let number = usize::try_from(asking.id.0 % 1_000).unwrap_or_default() % SHELVES;
    shelf(&asking.line.sku, number)
}

fn shelf(sku: &Sku, number: usize) -> String {
    format!("index asking {sku} {number}")
}
