//! What holds for events on their way from the table to the topic, under all that the stream's mapping may do.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use service_layer::ports::Timestamp;

use super::choices::{Choices, Odds};
use super::run::Verdict;
use super::stream_mapping::{Mapping, Reading, Record, Settings};
use super::topic::{Outage, Says, Topic};
use super::{Told, asked_for, fail};
use crate::layers::{Layers, Outcome, add_tests};
use crate::servers::Servers;

/// Random streams in a normal run.
const SEEDS: u64 = 2_000;
const FAULTS: u32 = 12;
const HOUR: Duration = Duration::from_hours(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

pub(super) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "simulation",
        [
            random_streams_lose_no_event,
            a_poison_record_leaves_and_its_neighbours_do_not,
            an_outage_of_an_hour_needs_no_operator,
            an_outage_of_a_day_is_replayed_from_the_bucket,
        ]
    );
}

fn readings() -> impl Iterator<Item = Reading> {
    [Duration::ZERO, Duration::from_secs(1), LONGEST_PAUSE].into_iter().flat_map(|pause| {
        [false, true].into_iter().flat_map(move |progress_costs_a_retry| {
            [false, true].map(|age_counts_for_the_batch| Reading {
                progress_costs_a_retry,
                age_counts_for_the_batch,
                pause,
            })
        })
    })
}

/// The figures of a run.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    invocations_for_poison: u32,
    time_for_poison: Duration,
}

impl Figures {
    fn max(self, other: Self) -> Self {
        Self {
            invocations_for_poison: self.invocations_for_poison.max(other.invocations_for_poison),
            time_for_poison: self.time_for_poison.max(other.time_for_poison),
        }
    }
}

/// Versions of some products, committed in bursts.
fn records(topic: &Topic, count: usize, skus: usize, poison: usize) -> Vec<Record> {
    let mut now = Timestamp(0);
    let mut versions = BTreeMap::new();
    let mut records: Vec<Record> = (0..count)
        .map(|_| {
            let gap = [0, 10, 1_000, 60_000][topic.choose(4, Odds::OneIn(3))];
            now = now.plus(Duration::from_millis(gap));
            let sku = topic.choose(skus, Odds::Even);
            let version = versions.entry(sku).or_insert(0);
            *version += 1;
            let events = 1 + topic.choose(15, Odds::OneIn(2));
            Record { sku, version: *version, committed: now, events, readable: true }
        })
        .collect();
    for _ in 0..poison {
        records[topic.choose(count, Odds::Even)].readable = false;
    }
    records
}

fn random_mapping(choices: Choices, settings: Settings) -> Mapping {
    let topic = Topic::new(choices, FAULTS);
    let all: Vec<Reading> = readings().collect();
    let reading = all[topic.choose(all.len(), Odds::Even)];
    let (count, skus, poison) =
        (1 + topic.choose(40, Odds::Even), 1 + topic.choose(6, Odds::Even), topic.choose(3, Odds::Even));
    let records = records(&topic, count, skus, poison);
    if topic.choose(3, Odds::Even) == 1 {
        let within = |minutes| Duration::from_mins(1) * u32::try_from(topic.choose(minutes, Odds::Even)).unwrap();
        let from = Timestamp(0).plus(within(10));
        let says = if topic.choose(2, Odds::Even) == 0 { Says::No } else { Says::Nothing };
        topic.is_away(Outage { from, until: from.plus(within(10)), says });
    }
    Mapping::new(settings, reading, records, topic)
}

/// What holds for every stream whose topic is not away for long.
fn check(mapping: &mut Mapping, settings: Settings) -> Result<Figures, String> {
    mapping.drain()?;
    let left = mapping.left();
    let poison: Vec<usize> =
        (0..mapping.records.len()).filter(|sequence| !mapping.records[*sequence].readable).collect();
    if !left.iter().eq(&poison) {
        return Err(format!("{left:?} left by the bucket, but {poison:?} can't be read"));
    }
    if let Some(object) = mapping.bucket.iter().find(|object| object.records.len() > 1) {
        return Err(format!("{:?} left together", object.records));
    }
    check_order(mapping)?;
    let mut figures = Figures::default();
    for sequence in &poison {
        let (first, last, times) = mapping.led[sequence];
        figures = figures.max(Figures { invocations_for_poison: times, time_for_poison: last.since(first) });
    }
    let splits = settings.batch_size.next_power_of_two().ilog2();
    if figures.invocations_for_poison > 1 + settings.retries + splits + FAULTS {
        return Err(format!("{figures:?}"));
    }
    mapping.replay()?;
    Ok(figures)
}

/// When an event is first published, all older ones of its product are published too, or were refused in the very call
/// that took it. Those of records that left by the bucket come with the replay.
fn check_order(mapping: &Mapping) -> Verdict {
    let calls = mapping.topic.calls();
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, call) in calls.iter().enumerate() {
        for id in &call.taken {
            first.entry(id).or_insert(number);
        }
    }
    let left = mapping.left();
    // The older events of each product, and the latest of the calls that first took them.
    let mut older: BTreeMap<usize, (Vec<(String, usize)>, usize)> = BTreeMap::new();
    for (sequence, record) in mapping.records.iter().enumerate() {
        if left.contains(&sequence) {
            continue;
        }
        for id in record.ids() {
            let Some(number) = first.get(id.as_str()).copied() else { return Err(format!("{id} was not published")) };
            let (older, latest) = older.entry(record.sku).or_default();
            if number < *latest {
                let overtaken = older.iter().find(|(old, at)| *at > number && !calls[number].sent.contains(old));
                if let Some((old, at)) = overtaken {
                    return Err(format!("{id} was first published in call {number}, {old} in call {at}"));
                }
            }
            *latest = number.max(*latest);
            older.push((id, number));
        }
    }
    Ok(())
}

fn tell(choices: Choices, settings: Settings, figures: &mut Figures) -> Told {
    let mut mapping = random_mapping(choices, settings);
    let checked = catch_unwind(AssertUnwindSafe(|| check(&mut mapping, settings)))
        .unwrap_or_else(|panic| Err(format!("panic: {:?}", panic.downcast_ref::<String>())));
    let verdict = checked.map(|of_run| *figures = figures.max(of_run));
    let (choices, story, heard) = (mapping.choices(), std::mem::take(&mut mapping.story), BTreeSet::new());
    Told {
        verdict,
        choices,
        story,
        heard,
        refused_in_silence: false,
        shared_a_commit: false,
        crossed: 0,
        is_split: false,
    }
}

async fn random_streams_lose_no_event(_: Arc<Servers>) -> Outcome {
    let settings = Settings::of_the_template()?;
    let (first, last) = asked_for().map_or((0, SEEDS), |seed| (seed, seed + 1));
    let mut figures = Figures::default();
    for seed in first..last {
        let told = tell(Choices::from_seed(seed), settings, &mut figures);
        if told.verdict.is_err() {
            let rerun = |script| tell(Choices::from_script(script), settings, &mut Figures::default());
            let again = format!("seed {seed} (SEED={seed} cargo test -p tests -- simulation::random_streams)");
            return fail(&again, told.choices.script(), rerun);
        }
    }
    println!("{} random streams, {figures:?}", last - first);
    Ok(())
}

/// A whole batch for each lane, of versions of 20 products, all in one moment, one of which can't be read.
fn a_full_batch(settings: Settings, reading: Reading, poison: usize) -> Mapping {
    let topic = Topic::new(Choices::from_script(Vec::new()), 0);
    let record = |sequence: usize| Record {
        sku: sequence % 20,
        version: 1 + sequence / 20,
        committed: Timestamp(0),
        events: 1,
        readable: sequence != poison,
    };
    let records = (0..4 * settings.batch_size).map(record).collect();
    Mapping::new(settings, reading, records, topic)
}

/// With no wait between tries it is gone in no time, with the longest in some hours; always long before its neighbours
/// are too old.
async fn a_poison_record_leaves_and_its_neighbours_do_not(_: Arc<Servers>) -> Outcome {
    let settings = Settings::of_the_template()?;
    for reading in readings() {
        for poison in [0, 41, 202, 399] {
            let mut mapping = a_full_batch(settings, reading, poison);
            let figures = check(&mut mapping, settings).map_err(anyhow::Error::msg)?;
            let Figures { invocations_for_poison, time_for_poison } = figures;
            anyhow::ensure!(invocations_for_poison <= 207, "{figures:?}, {reading:?}");
            anyhow::ensure!(
                time_for_poison <= 207 * reading.pause && time_for_poison < settings.age / 2,
                "{figures:?}"
            );
            // Nobody in another lane, and nobody before it, waits for it.
            for (sequence, (_, last, _)) in &mapping.led {
                let waits = sequence % 4 == poison % 4 && *sequence >= poison;
                let soon = Timestamp(0).plus(Duration::from_secs(10) + reading.pause);
                anyhow::ensure!(waits || *last < soon, "{sequence} waits for {poison} until {last:?}, {reading:?}");
            }
        }
    }
    Ok(())
}

/// Away from the first commit on.
fn away(settings: Settings, reading: Reading, time: Duration, says: Says) -> Mapping {
    let topic = Topic::new(Choices::from_script(Vec::new()), 0);
    topic.is_away(Outage { from: Timestamp(0), until: Timestamp(0).plus(time), says });
    let record = |sequence: usize| Record {
        sku: sequence % 4,
        version: 1 + sequence / 4,
        committed: Timestamp(0).plus(Duration::from_mins(20) * u32::try_from(sequence / 4).unwrap()),
        events: 2,
        readable: true,
    };
    let records = (0..4 * 3).map(record).collect();
    Mapping::new(settings, reading, records, topic)
}

async fn an_outage_of_an_hour_needs_no_operator(_: Arc<Servers>) -> Outcome {
    let settings = Settings::of_the_template()?;
    for reading in readings() {
        for says in [Says::No, Says::Nothing] {
            let mut mapping = away(settings, reading, HOUR, says);
            check(&mut mapping, settings).map_err(anyhow::Error::msg)?;
        }
    }
    Ok(())
}

async fn an_outage_of_a_day_is_replayed_from_the_bucket(_: Arc<Servers>) -> Outcome {
    let settings = Settings::of_the_template()?;
    for reading in readings() {
        for says in [Says::No, Says::Nothing] {
            let mut mapping = away(settings, reading, 24 * HOUR, says);
            mapping.drain().map_err(anyhow::Error::msg)?;
            anyhow::ensure!(mapping.left().len() == mapping.records.len(), "only {:?} left", mapping.left());
            mapping.replay().map_err(anyhow::Error::msg)?;
        }
    }
    Ok(())
}
