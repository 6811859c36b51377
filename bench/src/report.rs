//! What was measured, as Markdown tables and as a picture.

use std::fmt::Write as _;

use crate::functions::{Figure, Measured};

const TABLES: [(&str, &[Figure]); 4] = [
    ("Cold start", &[Figure::InitCpu, Figure::FirstCpu, Figure::ColdCpu, Figure::ColdWall]),
    ("Warm invocation", &[Figure::WarmCpu, Figure::WarmMedian, Figure::Warm99th]),
    (
        "Million instructions",
        &[Figure::InitInstructions, Figure::FirstInstructions, Figure::ColdInstructions, Figure::WarmInstructions],
    ),
    ("MiB", &[Figure::Memory, Figure::Binary, Figure::Zip]),
];

/// A table for each kind of figure, a line for each function; in each cell function, floor and ratio.
pub(crate) fn tables(measured: &[Measured]) -> String {
    let mut text = String::new();
    for (title, figures) in TABLES {
        let heads: Vec<&str> = figures.iter().map(|figure| figure.title()).collect();
        let _ = writeln!(text, "\n| {title} | {} |\n| --- |{}", heads.join(" | "), " --- |".repeat(heads.len()));
        for function in measured {
            let cells: Vec<String> = figures.iter().map(|figure| cell(function, *figure)).collect();
            let _ = writeln!(text, "| {} | {} |", function.name, cells.join(" | "));
        }
    }
    text
}

fn cell(function: &Measured, figure: Figure) -> String {
    function.row(figure).map_or_else(
        || "not counted".to_owned(),
        |row| format!("{:.2} / {:.2} = **{:.2}**", row.function, row.floor, row.ratio),
    )
}
