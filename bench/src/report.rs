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

const ROW: f64 = 34.0;
const LEFT: f64 = 170.0;
const WIDTH: f64 = 640.0;

/// Each cold start as a point, by the CPU time it took: a function's above, its floor's below.
pub(crate) fn picture(measured: &[Measured]) -> String {
    let points = || measured.iter().flat_map(|function| function.cold.iter());
    let most = points().map(|(function, floor)| function.max(*floor)).fold(1.0, f64::max).ceil();
    let x = |milliseconds: f64| LEFT + milliseconds / most * WIDTH;
    let bottom = measured.iter().fold(30.0, |bottom, _| bottom + ROW);
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{:.0}" height="{:.0}" font-family="sans-serif" font-size="12">"#,
        LEFT + WIDTH + 30.0,
        bottom + 40.0
    );
    let _ = write!(svg, r##"<rect width="100%" height="100%" fill="#fff"/>"##);
    let step = if most > 20.0 { 5 } else { 1 };
    for tick in (0..1_000).step_by(step).map(f64::from).take_while(|tick| *tick <= most) {
        let _ = write!(
            svg,
            r##"<path d="M{0:.1} 24V{bottom:.0}" stroke="#ddd"/><text x="{0:.1}" y="{1:.0}" text-anchor="middle">{tick}</text>"##,
            x(tick),
            bottom + 16.0
        );
    }
    let middle = LEFT + WIDTH / 2.0;
    let _ = write!(
        svg,
        r#"<text x="{middle}" y="{:.0}" text-anchor="middle">ms of CPU from process start to the first answer</text>"#,
        bottom + 34.0
    );
    let _ = write!(
        svg,
        r##"<text x="{LEFT}" y="16"><tspan fill="#06c">function</tspan> and <tspan fill="#888">floor</tspan></text>"##
    );
    let mut y = 30.0;
    for Measured { name, cold, .. } in measured {
        let _ = write!(svg, r#"<text x="{:.0}" y="{:.0}" text-anchor="end">{name}</text>"#, LEFT - 10.0, y + 18.0);
        for (function, floor) in cold {
            for (milliseconds, height, color) in [(function, 8.0, "#06c"), (floor, 20.0, "#888")] {
                let (x, y) = (x(*milliseconds), y + height);
                let _ = write!(svg, r#"<circle cx="{x:.1}" cy="{y:.0}" r="3" fill="{color}" fill-opacity=".35"/>"#);
            }
        }
        y += ROW;
    }
    svg + "</svg>\n"
}
