//! What ends an import before its list does.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::sync::watch;

use crate::program::{Folder, Run};
use crate::server::{Asked, Reaction, Server};

const ROWS: usize = 200;

fn list() -> String {
    let rows =
        (0..ROWS).map(|row| format!("b{row},S,{}\n", if row == 5 { "none".to_owned() } else { row.to_string() }));
    format!("ref,sku,qty\n{}", rows.skip(1).collect::<Vec<_>>().concat())
}

/// A server that answers this many, and the others once the gate is open.
async fn gated(answered: usize) -> (Server, watch::Sender<bool>) {
    let gate = watch::Sender::new(false);
    let opened = Arc::new(gate.clone());
    let server = Server::start(move |asked: &Asked| {
        let row: usize = asked.name[1..].parse().unwrap();
        if row <= answered {
            return Reaction::Usual;
        }
        let mut opened = opened.subscribe();
        Reaction::After(async move { drop(opened.wait_for(|is_open| *is_open).await) }.boxed())
    })
    .await;
    (server, gate)
}

/// Looks until it is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    let looked = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), looked).await.expect("it never was so");
}

/// Waits until the server is asked for so many.
async fn until_asked(server: &Server, count: usize) {
    let asked = || server.kept().asked.iter().map(|asked| asked.name.clone()).collect::<Vec<_>>();
    let enough = tokio::time::timeout(Duration::from_secs(30), until(|| server.kept().asked.len() >= count)).await;
    assert!(enough.is_ok(), "{} asked, and not {count}: {:?}", asked().len(), asked());
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().unwrap().try_into().unwrap()), signal).unwrap();
}

#[tokio::test]
async fn a_killed_import_is_finished_by_a_second_one() {
    let ((server, gate), folder) = (gated(50).await, Folder::new("killed"));
    folder.write("stock.csv", list());
    let mut child = folder.start(&["stock.csv", "--api", &server.url]);
    // Row 5 is sent nowhere; twenty hang behind the first fifty.
    until_asked(&server, 69).await;
    until(|| folder.read("stock.failed.csv.part").contains("b5,")).await;
    child.kill().await.unwrap();
    assert_eq!(folder.files(), ["stock.csv", "stock.failed.csv.part"]);
    let part = folder.read("stock.failed.csv.part");
    assert!(part.starts_with("ref,sku,qty,field,reason\nb5,S,none,qty,") && part.ends_with('\n'), "{part}");
    gate.send_replace(true);
    let run = folder.import(&["stock.csv", "--api", &server.url]).await;
    assert_eq!(run.code, Some(1), "row 5 is as it was");
    assert_eq!(server.stored(), ROWS - 2);
    let counts: Vec<usize> = run.summary().split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(counts[0] == ROWS - 1 && counts[2] >= 49 && counts[1] + counts[2] == ROWS - 2, "{run:?}");
    assert_eq!(folder.files(), ["stock.csv", "stock.failed.csv"]);
}

#[tokio::test]
async fn an_interrupted_import_waits_for_what_is_under_way_and_says_how_far_it_came() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let ((server, gate), folder) = (gated(50).await, Folder::new(&format!("interrupted-{signal}")));
        folder.write("stock.csv", list());
        let mut child = folder.start(&["stock.csv", "--api", &server.url]);
        until_asked(&server, 69).await;
        send(&child, signal);
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        while !stderr.next_line().await.unwrap().expect("a word").starts_with("stopping when") {}
        gate.send_replace(true);
        let run = Run::of(child).await;
        assert_eq!(run.code, Some(130), "{run:?}");
        assert_eq!(server.stored(), 69, "what was under way is in, and nothing else");
        assert_eq!(run.summary(), "70 rows: 69 added, 0 there already, 1 failed");
        assert!(run.stdout.contains("stopped after 70 rows"), "{run:?}");
        assert_eq!(folder.files(), ["stock.csv", "stock.failed.csv"]);
        let again = folder.import(&["stock.csv", "--api", &server.url]).await;
        let summary = format!("{} rows: {} added, 69 there already, 1 failed", ROWS - 1, ROWS - 2 - 69);
        assert_eq!(again.summary(), summary);
    }
}

#[tokio::test]
async fn a_second_interrupt_waits_for_nothing() {
    let ((server, _gate), folder) = (gated(50).await, Folder::new("interrupted-twice"));
    folder.write("stock.csv", list());
    let child = folder.start(&["stock.csv", "--api", &server.url]);
    until_asked(&server, 69).await;
    until(|| folder.read("stock.failed.csv.part").contains("b5,")).await;
    send(&child, Signal::SIGINT);
    send(&child, Signal::SIGTERM);
    let run = tokio::time::timeout(Duration::from_secs(20), Run::of(child)).await.expect("an end");
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(folder.read("stock.failed.csv.part").contains("\nb5,S,none,"));
}

#[tokio::test]
async fn an_api_that_lets_nobody_in_is_asked_no_further() {
    for (status, text) in [(401, r#"{"message":"Unauthorized"}"#), (403, r#"{"message":"Forbidden"}"#)] {
        let server = Server::start(move |_| Reaction::Answer(status, &[], text)).await;
        let folder = Folder::new(&format!("closed-{status}"));
        folder.write("stock.csv", list());
        let run = folder.import(&["stock.csv", "--api", &server.url]).await;
        assert_eq!(run.code, Some(2));
        assert!(run.stderr.contains("error: the API lets nobody in") && run.stderr.contains("API_TOKEN"), "{run:?}");
        assert!(server.kept().asked.len() <= 20);
        assert!(server.times("b1") == 1 && run.stderr.matches("lets nobody in").count() == 1);
    }
}

#[tokio::test]
async fn an_api_that_is_not_there_or_another_is_one_error() {
    let folder = Folder::new("nobody");
    folder.write("stock.csv", "ref,sku,qty\nb1,S,1\nb2,S,1\n");
    let nobody = folder.import(&["stock.csv", "--api", "http://127.0.0.1:9"]).await;
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(2), ""));
    assert!(nobody.stderr.starts_with("error: no connection to http://127.0.0.1:9"), "{nobody:?}");
    assert_eq!(nobody.stderr.lines().count(), 1);
    let server = Server::well_behaved().await;
    let other = folder.import(&["stock.csv", "--api", &format!("{}/elsewhere", server.url)]).await;
    assert!(other.code == Some(2) && other.stderr.contains("is this the API's address?"), "{other:?}");
    let none = folder.import(&["stock.csv", "--api", "localhost:80"]).await;
    assert!(none.code == Some(2) && none.stderr.contains("is no address of an API"), "{none:?}");
    assert_eq!(folder.files(), ["stock.csv"]);
}

#[tokio::test]
async fn a_token_is_sent_with_each_row_and_never_shown() {
    let (server, folder) = (Server::well_behaved().await, Folder::new("token"));
    folder.write("stock.csv", "ref,sku,qty\nb1,S,1\nb2,S,no\n");
    let child = folder.command(&["stock.csv", "--api", &server.url]).env("API_TOKEN", "s3cr3t").spawn().unwrap();
    let run = Run::of(child).await;
    assert_eq!(server.kept().asked[0].headers["authorization"], "Bearer s3cr3t");
    assert!(!format!("{run:?}").contains("s3cr3t"), "{run:?}");
    let help = folder.command(&["--help"]).env("API_TOKEN", "s3cr3t").spawn().unwrap();
    assert!(!Run::of(help).await.stdout.contains("s3cr3t"));
}
