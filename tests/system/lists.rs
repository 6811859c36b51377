//! Lists brought in on the running stack, as somebody who moves in would.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use desk::api::{Api as DeskApi, Entry};
use desk::import::{
    Draft, Ending, Halt, Kind, List, Progress, Purpose, Reading, Report, Reported, Settings, Tally, bring_in,
};

use crate::layers::{Layers, Outcome, add_tests};
use crate::names::unique;
use crate::servers::Servers;
use crate::shop::Api;

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(layers, "stack", [a_list_of_batches_is_in_once_and_then_one_of_lines_gets_them]);
}

const SETTINGS: Settings = Settings {
    at_once: 20,
    rate: None,
    patience: std::time::Duration::from_mins(3),
    backoff: std::time::Duration::from_millis(500),
    longest_backoff: std::time::Duration::from_secs(20),
    chance: || 0.5,
};

/// Brings a list in, and tells what became of it and the text of the list of failed rows, or of answers.
async fn bring(url: &str, kind: Kind, list: String) -> Result<(Tally, String)> {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique("list.csv"));
    let list = List::open(std::io::Cursor::new(list), b',', kind.columns())?;
    let reading = Reading::of(kind, list.header(), b',')?;
    let purpose = if kind == Kind::Lines { Purpose::Answers } else { Purpose::Failed };
    let told = Draft::begin(purpose, &place, None, b',', list.header())?;
    let (failed, answers) = if kind == Kind::Lines { (None, Some(told)) } else { (Some(told), None) };
    let (mut report, halt) = (Report::new(failed, answers, Progress::nowhere()), Halt::default());
    let api = DeskApi::connect(url, &Entry::default()).await?;
    bring_in(list, reading, (kind, api, SETTINGS), &halt, &mut report).await?;
    ensure!(halt.reason().is_none(), "{:?}", halt.reason());
    let Reported { tally, .. } = report.finish(Ending::Whole)?;
    let text = std::fs::read_to_string(&place).context("reading what was written")?;
    std::fs::remove_file(&place)?;
    Ok((tally, text))
}

/// 300 batches of 30 SKUs; three rows are wrong.
fn batches(prefix: &str) -> String {
    let mut list = "note,sku,ref,qty,eta\n".to_owned();
    for row in 0..300 {
        let qty = if row == 7 { "1e1" } else { "10" };
        let eta = if row == 77 { "soon" } else { ["", "2031-02-01"][row % 2] };
        let blank = if row == 177 { " " } else { "" };
        writeln!(list, "\"{row}, of 300\",{blank}{prefix}-S{},{prefix}-b{row},{qty},{eta}", row % 30).unwrap();
    }
    list
}

async fn a_list_of_batches_is_in_once_and_then_one_of_lines_gets_them(servers: Arc<Servers>) -> Outcome {
    let url = servers.stack().await?.api_url();
    let (api, prefix) = (Api::at(url)?, unique("list"));

    let (tally, failed) = bring(url, Kind::Batches, batches(&prefix)).await?;
    assert_eq!(tally, Tally { rows: 300, added: 297, failed: 3, ..Tally::default() });
    let reasons: Vec<_> = failed.lines().skip(1).map(|line| line.split_once(&prefix).unwrap().0).collect();
    assert_eq!(reasons, ["\"7, of 300\",", "\"77, of 300\",", "\"177, of 300\", "], "{failed}");
    let (tally, _) = bring(url, Kind::Batches, batches(&prefix)).await?;
    assert_eq!(tally, Tally { rows: 300, there_already: 297, failed: 3, ..Tally::default() });
    // Ten batches of ten for each SKU, without the rows that failed: 7, 77 and 177.
    for (sku, pieces) in [("S0", 100), ("S7", 90), ("S17", 90), ("S27", 90), ("S29", 100)] {
        let product = api.ask(&format!("products/{prefix}-{sku}")).await?;
        let batches = product["batches"].as_array().context("batches")?;
        let purchased: u64 = batches.iter().filter_map(|batch| batch["purchased"].as_u64()).sum();
        assert_eq!(purchased, pieces, "{sku}: {product}");
    }
    let differs = format!("ref,sku,qty\n{prefix}-b0,{prefix}-S0,11\n");
    let (tally, failed) = bring(url, Kind::Batches, differs).await?;
    assert_eq!((tally.failed, tally.rows), (1, 1));
    assert!(failed.contains(&format!("stored is sku {prefix}-S0, qty 10, eta none")), "{failed}");

    let mut lines = "orderid,sku,qty,line\n".to_owned();
    for row in 0..60 {
        writeln!(lines, "{prefix}-o{},{prefix}-S{},3,L{row}", row / 3, row % 30)?;
    }
    writeln!(lines, "{prefix}-o0,{prefix}-NONE,1,X\n{prefix}-o0,{prefix}-S1,11,Y")?;
    let (tally, answers) = bring(url, Kind::Lines, lines.clone()).await?;
    assert_eq!(tally, Tally { rows: 62, added: 60, out_of_stock: 1, failed: 1, ..Tally::default() });
    let results: Vec<_> = answers.lines().skip(1).map(|line| line.split(',').nth(4).unwrap()).collect();
    assert_eq!(results, [vec!["allocated"; 60], vec!["unknown_sku", "out_of_stock"]].concat(), "{answers}");
    let (tally, again) = bring(url, Kind::Lines, lines).await?;
    assert_eq!(tally, Tally { rows: 62, there_already: 60, out_of_stock: 1, failed: 1, ..Tally::default() });
    let batch_of = |line: &str| line.split(',').nth(5).map(str::to_owned);
    assert!(again.lines().map(batch_of).eq(answers.lines().map(batch_of)), "each has its batch still: {again}");
    let order = api.ask(&format!("orders/{prefix}-o1")).await?;
    let states: Vec<_> = order["lines"].as_array().context("lines")?.iter().map(|line| &line["state"]).collect();
    assert_eq!(states, ["allocated", "allocated", "allocated"]);
    Ok(())
}
