//! What becomes of the rows, and the lists that are written.

use crate::program::{Folder, without_times};
use crate::server::Server;

const DOCUMENT: &str = include_str!("../../../docs/import.md");

fn batches(count: usize) -> String {
    let rows = (0..count).map(|row| format!("b{row},RETRO-CLOCK,{},2031-02-01\n", row + 1));
    format!("ref,sku,qty,eta\n{}", rows.collect::<Vec<_>>().concat())
}

#[tokio::test]
async fn each_row_is_in_once_and_a_second_import_adds_nothing() {
    let (server, folder) = (Server::well_behaved().await, Folder::new("twice"));
    folder.write("stock.csv", batches(100));
    let first = folder.import(&["stock.csv", "--api", &server.url]).await;
    assert_eq!((first.code, first.summary().as_str()), (Some(0), "100 rows: 100 added, 0 there already, 0 failed"));
    assert_eq!(server.stored(), 100);
    let second = folder.import(&["stock.csv", "--api", &server.url]).await;
    assert_eq!((second.code, second.summary().as_str()), (Some(0), "100 rows: 0 added, 100 there already, 0 failed"));
    assert_eq!(server.stored(), 100);
    assert_eq!(folder.files(), ["stock.csv"], "nothing failed, so there is no list of it");
    assert_eq!(server.kept().asked[0].headers["accept"], "application/json");
}

#[tokio::test]
async fn a_spreadsheet_has_other_separators_marks_and_line_ends() {
    let (server, folder) = (Server::well_behaved().await, Folder::new("spreadsheet"));
    let list = "\u{feff}Note;SKU ;Ref;QTY;\r\n\"a; b\r\nc\";Möbel;b1;10;\r\n;;;;\r\nx;Möbel;b2;ten;\r\n";
    folder.write("stock.csv", list);
    let run = folder.import(&["stock.csv", "--separator", ";", "--api", &server.url]).await;
    assert_eq!((run.code, run.summary().as_str()), (Some(1), "2 rows: 1 added, 0 there already, 1 failed"));
    assert!(run.stderr.starts_with("line 5, qty: invalid value: string \"ten\""), "{run:?}");
    assert!(server.kept().stored.contains_key("b1/Möbel"));
    let failed = folder.read("stock.failed.csv");
    assert!(failed.starts_with("\u{feff}Note;SKU ;Ref;QTY;;field;reason\nx;Möbel;b2;ten;;qty;"), "{failed}");
}

#[tokio::test]
async fn rows_that_failed_are_a_list_that_can_be_mended_and_brought_in() {
    let (server, folder) = (Server::well_behaved().await, Folder::new("mended"));
    folder.write("stock.csv", "sku,qty,ref,shelf\nS,1,b1,\"A, 1\"\nS,1e1,b2,\"A, 2\"\nS,2,b1,A3\nS,3,b4\n");
    let first = folder.import(&["stock.csv", "--api", &server.url]).await;
    assert_eq!((first.code, first.summary().as_str()), (Some(1), "4 rows: 1 added, 0 there already, 3 failed"));
    let failed = "sku,qty,ref,shelf,field,reason\n\
                  S,1e1,b2,\"A, 2\",qty,\"invalid value: string \"\"1e1\"\", expected a whole number from 1 to 4294967295\"\n\
                  S,2,b1,A3,,\"the row in line 2 has the same ref and sku, and another qty or eta\"\n\
                  S,3,b4\n";
    assert_eq!(folder.read("stock.failed.csv"), failed);
    // As it is, it is a list; what the API knows of its rows is told now.
    let again = folder.import(&["stock.failed.csv", "--api", &server.url]).await;
    assert_eq!((again.code, again.summary().as_str()), (Some(1), "3 rows: 0 added, 0 there already, 3 failed"));
    assert_eq!(folder.read("stock.failed.csv"), failed, "it was not written over");
    let differs =
        "S,2,b1,A3,,\"batch b1 exists already, with another sku, qty or eta; stored is sku S, qty 1, eta none\"\n";
    let told = folder.read("stock.failed.failed.csv");
    assert!(told.starts_with("sku,qty,ref,shelf,field,reason\nS,1e1,b2,"), "no column is doubled: {told}");
    assert!(told.contains(differs), "{told}");
    let mended = failed.replace("1e1", "10").replace("S,2,b1", "S,2,b3").replace("S,3,b4", "S,3,b4,");
    folder.write("stock.failed.csv", &mended);
    let last = folder.import(&["stock.failed.csv", "--api", &server.url]).await;
    assert_eq!((last.code, last.summary().as_str()), (Some(0), "3 rows: 3 added, 0 there already, 0 failed"));
    assert_eq!(folder.files(), ["stock.csv", "stock.failed.csv"], "those that failed before are in");
}

#[tokio::test]
async fn lines_are_told_their_answers_in_the_order_of_the_list() {
    let (server, folder) = (Server::well_behaved().await, Folder::new("lines"));
    let good = "orderid,sku,qty,line,who\no1,S,2,L1,me\no1,SOLD-OUT,1,,me\no1,PROMISED,1,L3,me\n";
    folder.write("orders.csv", good);
    let run = folder.import(&["orders.csv", "--lines", "--api", &server.url]).await;
    let summary = "3 rows: 1 allocated, 0 there already, 1 waiting, 1 out of stock, 0 failed";
    assert_eq!((run.code, run.summary().as_str()), (Some(3), summary), "{run:?}");
    let answers = "orderid,sku,qty,line,who,result,batchref,message\n\
                   o1,S,2,L1,me,allocated,b1,\n\
                   o1,SOLD-OUT,1,,me,out_of_stock,,not kept: ask again when there is stock\n\
                   o1,PROMISED,1,L3,me,waiting,,\"was promised before, and gets the next stock\"\n";
    assert_eq!(folder.read("orders.answers.csv"), answers);
    assert_eq!(server.kept().asked[0].headers["prefer"], "return=representation");

    folder.write("orders.csv", format!("{good}o2,UNKNOWN,1,,you\no2,S,0,,you\n"));
    let run = folder.import(&["orders.csv", "--lines", "--output", "told.csv", "--api", &server.url]).await;
    assert_eq!(run.code, Some(1));
    let told = folder.read("told.csv");
    assert!(told.contains("\no1,S,2,L1,me,allocated,b1,was allocated before\n"), "{told}");
    assert!(told.contains("\no2,UNKNOWN,1,,you,unknown_sku,,Invalid sku UNKNOWN\n"), "{told}");
    assert!(told.contains("\no2,S,0,,you,failed,,\"invalid value"), "{told}");
    assert_eq!(folder.files(), ["orders.answers.csv", "orders.csv", "orders.failed.csv", "told.csv"]);
}

#[tokio::test]
async fn a_check_sends_nothing_and_writes_nothing() {
    let folder = Folder::new("check");
    folder.write("stock.csv", "ref,sku,qty\nb1,S,1\nb1,S,1\nb1,S,2\nb2,S,many\n");
    let run = folder.import(&["stock.csv", "--check"]).await;
    assert_eq!(run.stdout, "4 rows: 2 can be sent, 2 would fail, 1 repeat an earlier row\n");
    assert!(run.stderr.contains("line 4: the row in line 2 has the same ref and sku"), "{run:?}");
    assert_eq!((run.code, folder.files()), (Some(1), vec!["stock.csv".to_owned()]));
    folder.write("stock.csv", "ref,sku,qty\nb1,S,1\n");
    assert_eq!(folder.import(&["stock.csv", "--check"]).await.code, Some(0));
}

#[tokio::test]
async fn a_list_may_come_by_standard_input() {
    let (server, folder) = (Server::well_behaved().await, Folder::new("stdin"));
    let run = folder.import_from_stdin("ref,sku,qty\nb1,S,1\nb2,S,no\n", &["-", "--api", &server.url]).await;
    assert_eq!((run.code, run.summary().as_str()), (Some(1), "2 rows: 1 added, 0 there already, 1 failed"));
    assert_eq!(folder.files(), ["import.failed.csv"]);
}

#[tokio::test]
async fn only_the_first_failures_are_shown() {
    let (server, folder) = (Server::well_behaved().await, Folder::new("many"));
    folder.write("stock.csv", batches(30).replace(",RETRO-CLOCK,", ",,"));
    let run = folder.import(&["stock.csv", "--api", &server.url]).await;
    assert_eq!(run.stderr.matches("must not be empty").count(), 20);
    assert!(run.stderr.ends_with("and 10 more\n"), "{run:?}");
    assert_eq!(folder.read("stock.failed.csv").lines().count(), 31);
}

#[tokio::test]
async fn nothing_that_an_import_did_not_write_is_written_over() {
    let (server, folder) = (Server::well_behaved().await, Folder::new("foreign"));
    folder.write("stock.csv", batches(1));
    folder.write("mine.csv", "ref,sku,qty\n");
    let refused = async |how: &[&str], why: &str| {
        let run = folder.import(&[&["stock.csv", "--api", &server.url], how].concat()).await;
        assert!(run.code == Some(2) && run.stderr.contains(why), "{run:?}");
    };
    refused(&["--failed", "stock.csv"], "stock.csv is the list that is being read").await;
    refused(&["--failed", "mine.csv"], "no import wrote it (its columns don't end in field, reason)").await;
    refused(&["--lines", "--output", "mine.csv"], "the list has no column \"orderid\"").await;
    refused(&["--failed", "nowhere/failed.csv"], "nowhere/failed.csv.part can't be written").await;
    assert_eq!((server.stored(), folder.files()), (0, vec!["mine.csv".to_owned(), "stock.csv".to_owned()]));
    folder.write("stock.csv.part", batches(1));
    refused(&["--failed", "stock.csv"], "stock.csv is the list").await;
    let run = folder.import(&["stock.csv.part", "--api", &server.url, "--failed", "stock.csv"]).await;
    assert!(run.code == Some(2) && run.stderr.contains("stock.csv.part is the list that is being read"), "{run:?}");
}

#[tokio::test]
async fn what_is_no_list_is_refused_before_anything_is_sent() {
    let (server, folder) = (Server::well_behaved().await, Folder::new("odd"));
    let refused = async |bytes: &[u8], why: &str| {
        folder.write("odd.csv", bytes);
        let run = folder.import(&["odd.csv", "--api", &server.url]).await;
        assert!(run.code == Some(2) && run.stderr.contains(why), "{why}: {run:?}");
    };
    refused(b"", "the list is empty").await;
    refused(b"PK\x03\x04\0\0\x08", "no text").await;
    refused(b"b1,S,1\nb2,S,2\n", "must name ref, sku, qty, eta, and names \"b1\", \"S\", \"1\"").await;
    refused(b"ref;sku;qty\nb1;S;1\n", "Try --separator ';'").await;
    refused(b"ref,sku,qty,Qty\n", "more than one column \"qty\"").await;
    let folder_run = folder.import(&[".", "--api", &server.url]).await;
    assert!(folder_run.code == Some(2) && folder_run.stderr.contains("reading .: "), "{folder_run:?}");
    let missing = folder.import(&["none.csv", "--api", &server.url]).await;
    assert!(missing.code == Some(2) && missing.stderr.contains("opening none.csv"), "{missing:?}");
    assert_eq!(folder.import(&["odd.csv"]).await.code, Some(2), "no --api");
    folder.write("odd.csv", "ref,sku,qty\n");
    let only_header = folder.import(&["odd.csv", "--api", &server.url]).await;
    assert_eq!((only_header.code, only_header.summary().as_str()), (Some(0), "the list has no rows"));
    let endless = format!("ref,sku,qty\nb1,S,1\nb2,\"S,1\n{}", "b3,S,1\n".repeat(200_000));
    folder.write("odd.csv", endless);
    let run = folder.import(&["odd.csv", "--api", &server.url]).await;
    assert!(run.code == Some(2) && run.stderr.contains("the row that begins in line 3 has more than"), "{run:?}");
    assert_eq!(server.stored(), 1, "what stands before it is in");
}

/// The blocks of a language in the document, in their order.
fn blocks(language: &str) -> Vec<&'static str> {
    let starts = DOCUMENT.split("```").skip(1).step_by(2);
    starts.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

#[tokio::test]
async fn the_documents_examples_are_as_it_says() {
    let (server, folder) = (Server::well_behaved().await, Folder::new("document"));
    let [list, lines, answers, failed] = blocks("csv")[..] else { panic!("four lists") };
    let mut told = blocks("console").into_iter();
    let mut is_told = async |arguments: &[&str]| {
        let block = told.next().unwrap();
        let expected: Vec<_> = block.lines().skip(1).map(without_times).collect();
        assert!(block.starts_with(&format!("$ cargo local import {}", arguments.join(" "))), "{block}");
        let run = folder.import(&[arguments, &["--api", &server.url]].concat()).await;
        let shown = run.stderr + &run.stdout;
        let shown: Vec<_> = shown.lines().map(without_times).collect();
        assert_eq!(shown, expected);
    };
    folder.write("stock.csv", list);
    is_told(&["stock.csv"]).await;
    assert_eq!(folder.read("stock.failed.csv"), failed);
    folder.write("orders.csv", lines);
    is_told(&["orders.csv", "--lines"]).await;
    assert_eq!(folder.read("orders.answers.csv"), answers);
}
