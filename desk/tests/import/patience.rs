//! An API that throttles, breaks, is slow or gone.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use desk::api::{Api, Entry};
use desk::import::{
    Draft, Ending, Halt, Kind, List, Progress, Purpose, Reading, Report, Settings, Stop, Tally, bring_in,
};
use futures_util::FutureExt as _;
use tokio::sync::{Barrier, Semaphore, watch};

use crate::program::Folder;
use crate::server::{Reaction, Server};

const HASTE: Settings = Settings {
    at_once: 20,
    rate: None,
    patience: Duration::from_secs(20),
    backoff: Duration::from_millis(4),
    longest_backoff: Duration::from_millis(20),
    chance: || 0.5,
};

fn list_of(rows: usize) -> String {
    let rows: Vec<_> = (0..rows).map(|row| format!("b{row},S,1\n")).collect();
    format!("ref,sku,qty\n{}", rows.concat())
}

/// Brings so many batches in.
async fn import(server: &Server, rows: usize, settings: Settings) -> (Tally, Option<Stop>) {
    let (report, stop) = import_into(server, rows, settings, None).await;
    (report, stop)
}

async fn import_into(server: &Server, rows: usize, settings: Settings, failed: Option<&Path>) -> (Tally, Option<Stop>) {
    let list = List::open(std::io::Cursor::new(list_of(rows)), b',', "").unwrap();
    let reading = Reading::of(Kind::Batches, list.header(), b',').unwrap();
    let failed = failed.map(|place| Draft::begin(Purpose::Failed, place, None, b',', list.header()).unwrap());
    let mut report = Report::new(failed, None, Progress::nowhere());
    let api = Api::connect(&server.url, &Entry::default()).await.unwrap();
    let halt = Halt::default();
    let work = bring_in(list, reading, (Kind::Batches, api, settings), &halt, &mut report);
    tokio::time::timeout(Duration::from_mins(1), work).await.expect("an end").unwrap();
    (report.finish(Ending::Whole).unwrap().tally, halt.reason())
}

fn all_added(rows: u64) -> Tally {
    Tally { rows, added: rows, ..Tally::default() }
}

#[tokio::test]
async fn twenty_are_under_way_together_and_no_more() {
    // No request is answered before twenty are there.
    let barrier = Arc::new(Barrier::new(20));
    let server = Server::start(move |_| {
        let barrier = Arc::clone(&barrier);
        Reaction::After(
            async move {
                barrier.wait().await;
            }
            .boxed(),
        )
    })
    .await;
    assert_eq!(import(&server, 100, HASTE).await, (all_added(100), None));
    assert_eq!(server.kept().most, 20);
}

#[tokio::test]
async fn what_the_api_throttles_or_breaks_is_tried_again() {
    let server = Server::start(|asked| match (asked.name.as_str(), asked.before) {
        (_, 0) => Reaction::Answer(429, &[], r#"{"message":"Too Many Requests"}"#),
        ("b1", 1) => Reaction::Answer(503, &[], r#"{"message":"m","code":"contended"}"#),
        ("b2", 1) => Reaction::Answer(500, &[], r#"{"message":"Internal Server Error"}"#),
        ("b3", 1) => Reaction::Answer(502, &[], "<html>"),
        ("b4", 1) => Reaction::Answer(504, &[], ""),
        _ => Reaction::Usual,
    })
    .await;
    assert_eq!(import(&server, 40, HASTE).await, (all_added(40), None));
    assert_eq!([server.times("b0"), server.times("b1"), server.times("b4")], [2, 3, 3]);
}

#[tokio::test]
async fn nobody_asks_before_the_api_said_so() {
    let server = Server::start(|asked| match asked.before {
        0 if asked.name == "b0" => Reaction::Answer(429, &[("retry-after", "1")], ""),
        _ => Reaction::Usual,
    })
    .await;
    let settings = Settings { at_once: 1, ..HASTE };
    assert_eq!(import(&server, 5, settings).await, (all_added(5), None));
    let kept = server.kept();
    let waited = |asked: usize| kept.asked[asked].at.duration_since(kept.asked[0].at);
    assert!(waited(1) >= Duration::from_millis(990), "the others too: {:?}", waited(1));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_and_nothing_is_in_twice() {
    let server = Server::start(|asked| if asked.before == 0 { Reaction::Lost } else { Reaction::Usual }).await;
    let there_already = Tally { rows: 30, there_already: 30, ..Tally::default() };
    assert_eq!(import(&server, 30, HASTE).await, (there_already, None));
    assert_eq!((server.stored(), server.times("b7")), (30, 2));
}

#[tokio::test]
async fn a_row_that_never_has_an_answer_fails_and_keeps_no_other_from_being_sent() {
    let server = Server::start(|asked| match asked.name.as_str() {
        "b3" => Reaction::Answer(503, &[("retry-after", "0")], r#"{"message":"too many","code":"contended"}"#),
        _ => Reaction::Usual,
    })
    .await;
    let folder = Folder::new("given-up");
    folder.write("failed.csv", "");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("import-given-up/failed.csv");
    let settings = Settings { at_once: 2, patience: Duration::from_millis(300), ..HASTE };
    let began = Instant::now();
    let (tally, stop) = import_into(&server, 15, settings, Some(&place)).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!((tally, stop), (Tally { rows: 15, added: 14, failed: 1, ..Tally::default() }, None));
    let (tried, last) = (server.times("b3"), server.kept().asked.last().map(|asked| asked.name.clone()));
    assert!(tried > 3 && last.as_deref() == Some("b3"), "{tried} tries");
    let told = folder.read("failed.csv");
    let reason = format!("no answer in {tried} tries, the last: 503 too many\"\n");
    assert!(told.starts_with("ref,sku,qty,field,reason\nb3,S,1,,\"nobody knows") && told.ends_with(&reason), "{told}");
}

#[tokio::test]
async fn an_api_that_has_gone_ends_the_import() {
    let server = Server::start(|asked| match asked.name.as_str() {
        "b0" | "b1" => Reaction::Usual,
        _ => Reaction::Answer(500, &[], "gone"),
    })
    .await;
    let settings = Settings { at_once: 2, patience: Duration::from_millis(200), ..HASTE };
    let (tally, stop) = import(&server, 1_000, settings).await;
    assert!((10..=20).contains(&tally.failed) && tally.rows == tally.failed + 2, "{tally:?}");
    let Some(Stop::Hopeless(reason)) = stop else { panic!("{stop:?}") };
    assert!(reason.contains("the API answers no row any more") && reason.contains("500"), "{reason}");
}

#[tokio::test]
async fn an_internal_error_of_the_service_is_not_asked_for_again() {
    let server = Server::start(|asked| match asked.name.as_str() {
        "b3" => Reaction::Answer(500, &[], r#"{"message":"internal error","code":"internal"}"#),
        _ => Reaction::Usual,
    })
    .await;
    let (tally, _) = import(&server, 10, HASTE).await;
    assert_eq!((tally.failed, tally.added, server.times("b3")), (1, 9, 1));
}

#[tokio::test]
async fn answers_that_come_out_of_order_are_reported_in_the_order_of_the_list() {
    // The first row is answered last of twenty, and each of them is refused.
    let (others, first) = (Arc::new(Semaphore::new(0)), watch::Sender::new(()));
    let server = Server::start(move |asked| {
        let others = Arc::clone(&others);
        if asked.name == "b0" && asked.before == 0 {
            let wait = async move { drop(others.acquire_many(19).await.unwrap()) };
            return Reaction::After(wait.boxed());
        }
        others.add_permits(1);
        first.send_replace(());
        Reaction::Answer(409, &[], r#"{"message":"no","code":"too_many_batches"}"#)
    })
    .await;
    let folder = Folder::new("order");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("import-order/failed.csv");
    let (tally, _) = import_into(&server, 60, HASTE, Some(&place)).await;
    assert_eq!((tally.added, tally.failed), (1, 59));
    let told = folder.read("failed.csv");
    let names: Vec<_> = told.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect();
    assert_eq!(names, (1..60).map(|row| format!("b{row}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_rate_is_kept() {
    let server = Server::well_behaved().await;
    let began = Instant::now();
    import(&server, 21, Settings { rate: Some(50.0), ..HASTE }).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(380), "{took:?}");
}
