//! The same on dynoxide, a DynamoDB in this process, in real time: its commits, its conditions, and races that are lost
//! to real rivals.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::bootstrap::{retries, timeouts};
use adapters::dynamodb::DynamoDb;
use adapters::system::System;
use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::Client;
use domain::OrderLine;
use inner_loop::Database;
use local::{Template, Tools};
use service_layer::ports::{Environment, Timestamp};
use service_layer::{Call, MessageBus};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::figures::{Figures, RUN, header, note, row, take};
use super::plain::{Path, ask, line, stock};
use super::queued::{invoke, record};
use super::{BATCH, CALLERS, CHOSEN, CONCURRENCY, WINDOW};

const TABLE: &str = "allocation";
/// Before anything counts: connections are made.
const WARM_UP: Duration = Duration::from_secs(10);

pub(crate) async fn run() -> Result<()> {
    let tools = Tools::install().await.context("the parser of template.yaml can't be installed")?;

    for (path, title) in [(Path::Plain, "One line a commit"), (Path::Shared, "Commits that callers share")] {
        println!("### {title}, on dynoxide\n\n{}", header(&["lines a commit"]));
        for callers in CALLERS {
            eprintln!("measuring {callers} callers, {path:?} ...");
            let figures = measure(&tools, |tasks, store, counted| ask_by(tasks, store, counted, callers, path)).await?;
            println!("{}", row(callers, &figures, &[format!("{:.1}", figures.lines_each_commit())]));
        }
        println!();
    }

    let [.., callers, _] = CALLERS;
    eprintln!("measuring {callers} callers and a queue ...");
    let queued = measure(&tools, |tasks, store, counted| many_lines_a_commit(tasks, store, counted, callers)).await?;
    println!("\n### Many lines a commit, {callers} callers, on dynoxide\n");
    println!("| queue | lines/s | lines a commit | lost races a commit | given back |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    println!(
        "| {CHOSEN} | {:.0} | {:.1} | {:.2} | {} |",
        queued.lines_each_second(),
        queued.lines_each_commit(),
        queued.lost_each_commit(),
        queued.turned_away,
    );
    Ok(())
}

/// Starts tasks that never end, on a table with stock, and counts what comes of them once they are warm.
async fn measure(
    tools: &Tools,
    start: impl FnOnce(&mut JoinSet<()>, &DynamoDb, &Arc<Mutex<Figures>>),
) -> Result<Figures> {
    // One for each measurement, so that none begins with the lines of another.
    let database = Database::start()?;
    database.create_tables(&Template::read(tools).await?, TABLE).await?;
    let config = database.sdk_config().into_builder().timeout_config(timeouts()).retry_config(retries()).build();
    let store = DynamoDb::new(Client::new(&config), TABLE.to_owned());
    // Boxed, since the compiler does not follow futures of this depth.
    Box::pin(stock(&store, System::default())).await;

    let (mut tasks, counted) = (JoinSet::new(), Arc::default());
    start(&mut tasks, &store, &counted);
    sleep(WARM_UP).await;
    take(&counted);
    sleep(RUN).await;
    let figures = take(&counted);
    ensure!(tasks.try_join_next().is_none(), "a task ended, which only a panic makes it do");
    tasks.shutdown().await;
    Ok(figures)
}

fn ask_by(tasks: &mut JoinSet<()>, store: &DynamoDb, counted: &Arc<Mutex<Figures>>, callers: u32, path: Path) {
    for caller in 0..callers {
        let (bus, counted) = (bus(store, counted), Arc::clone(counted));
        tasks.spawn(async move { ask(bus, path, caller, &counted).await });
    }
}

/// Callers are answered when their line is on the queue. They are faster than the consumers, so it is full, and has
/// room for a batch only.
fn many_lines_a_commit(tasks: &mut JoinSet<()>, store: &DynamoDb, counted: &Arc<Mutex<Figures>>, callers: u32) {
    let (queue, waiting) = mpsc::channel(BATCH);
    let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
    for caller in 0..callers {
        let queue = queue.clone();
        tasks.spawn(async move {
            for number in 0.. {
                queue.send(line(caller, number)).await.expect("consumers listen");
            }
        });
    }
    for _ in 0..CONCURRENCY {
        let (bus, waiting, counted) = (bus(store, counted), Arc::clone(&waiting), Arc::clone(counted));
        tasks.spawn(async move {
            loop {
                let batch = gather(&mut *waiting.lock().await).await;
                let failed = invoke(&bus, batch.iter().map(|line| record(line, 1)).collect()).await;
                // They come again after three minutes, when the run is over.
                note(&counted, |counted| counted.turned_away += u32::try_from(failed.len()).unwrap_or(u32::MAX));
            }
        });
    }
}

/// A full batch, or what has come when the window ends.
async fn gather(waiting: &mut mpsc::Receiver<OrderLine>) -> Vec<OrderLine> {
    let mut batch = Vec::new();
    let end = Instant::now() + WINDOW;
    while let Some(room @ 1..) = BATCH.checked_sub(batch.len())
        && timeout_at(end, waiting.recv_many(&mut batch, room)).await.is_ok()
    {}
    batch
}

/// As if in a process of its own, but for the client's connections, which all share.
fn bus(store: &DynamoDb, counted: &Arc<Mutex<Figures>>) -> MessageBus<DynamoDb, Counting> {
    MessageBus::new(store.clone(), Counting { system: System::default(), counted: Arc::clone(counted) }, ())
}

/// The real clock and chance, and the sum of all that was recorded.
struct Counting {
    system: System,
    counted: Arc<Mutex<Figures>>,
}

impl Environment for Counting {
    fn now(&self) -> Timestamp {
        self.system.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.system.sleep(duration).await;
    }

    fn random(&self) -> u64 {
        self.system.random()
    }

    fn record(&self, _: &Call, figures: &service_layer::Figures) {
        let service_layer::Figures::Command(work) = figures else { return };
        note(&self.counted, |counted| {
            counted.lines += work.allocations;
            // With stock for all, a call makes one commit or fails.
            counted.commits += work.allocations.min(1);
            counted.lost += work.conflicts;
        });
    }
}
