//! How much memory an import takes.

use std::time::{Duration, Instant};

use tokio::process::Child;

use crate::program::{Folder, Run};
use crate::server::Server;

/// The most memory that a program has had, in kB; and what it said.
async fn most_memory(child: Child) -> (u64, Run) {
    let status = format!("/proc/{}/status", child.id().unwrap());
    let (mut run, mut most) = (tokio::spawn(Run::of(child)), 0);
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        most = line.map_or(most, |kilobytes| kilobytes.parse().unwrap());
        if let Ok(run) = tokio::time::timeout(Duration::from_millis(10), &mut run).await {
            return (most, run.unwrap());
        }
    }
}

/// Brings in so many rows, each with a note of so many characters.
async fn import(rows: usize, note: usize) -> (u64, Run) {
    let (server, folder) = (Server::well_behaved().await, Folder::new(&format!("memory-{rows}-{note}")));
    let note = "x".repeat(note);
    let rows: Vec<_> = (0..rows).map(|row| format!("b{row},RETRO-CLOCK,{},2031-02-01,{note}\n", row + 1)).collect();
    folder.write("stock.csv", format!("ref,sku,qty,eta,note\n{}", rows.concat()));
    most_memory(folder.start(&["stock.csv", "--api", &server.url])).await
}

#[tokio::test]
async fn memory_does_not_grow_with_the_list() {
    // What is read ahead has ten kilobytes a row, so that keeping the others could not be overlooked.
    let (few, _) = import(500, 10_000).await;
    let (many, run) = import(4_000, 10_000).await;
    assert_eq!(run.summary(), "4000 rows: 4000 added, 0 there already, 0 failed");
    assert!(few > 0 && many < few + 8_000, "{few} kB for 500 rows, {many} kB for 4,000");
}

/// For docs/performance.md.
#[tokio::test]
#[ignore = "takes minutes, and fails by nothing: it measures"]
async fn measured() {
    for rows in [1_000, 100_000] {
        let began = Instant::now();
        let (most, run) = import(rows, 10).await;
        println!("{most} kB, {:?}: {}", began.elapsed(), run.stdout);
    }
}
