//! Lines a second over callers, as SVG.

use std::fmt::Write as _;

/// A curve: its name, and lines a second for each number of callers.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(u32, f64)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 56.0;
const COLOURS: [&str; 2] = ["#b3541e", "#1f5f99"];

/// Both axes are logarithmic: each step doubles.
pub(crate) fn draw(curves: &[Curve]) -> String {
    const CALLERS: f64 = 128.0;
    const LINES: (f64, f64) = (16.0, 2_048.0);
    let x = |callers: u32| MARGIN + f64::from(callers).log2() / CALLERS.log2() * (WIDTH - 2.0 * MARGIN);
    let y =
        |lines: f64| HEIGHT - MARGIN - (lines / LINES.0).log2() / (LINES.1 / LINES.0).log2() * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\">Committed lines of one SKU a second, over concurrent callers (simulated)</text>\n"
    );
    let mut lines = LINES.0;
    while lines <= LINES.1 {
        let (at, right) = (y(lines), WIDTH - MARGIN);
        let _ = writeln!(svg, "<path d=\"M{MARGIN} {at:.1}H{right}\" stroke=\"#ddd\"/>");
        let _ =
            writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{lines}</text>", MARGIN - 8.0, at + 4.0);
        lines *= 2.0;
    }
    for (Curve { name, points }, colour) in curves.iter().zip(COLOURS) {
        let path: Vec<String> =
            points.iter().map(|(callers, lines)| format!("{:.1},{:.1}", x(*callers), y(*lines))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (callers, lines) in points {
            let (at, up) = (x(*callers), y(*lines));
            let _ = writeln!(svg, "<circle cx=\"{at:.1}\" cy=\"{up:.1}\" r=\"3\" fill=\"{colour}\"/>");
            let below = HEIGHT - MARGIN + 18.0;
            let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{callers}</text>");
        }
        if let Some((callers, lines)) = points.last() {
            let (at, up) = (x(*callers), y(*lines) - 10.0);
            let _ =
                writeln!(svg, "<text x=\"{at:.1}\" y=\"{up:.1}\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>");
        }
    }
    svg.push_str("</svg>\n");
    svg
}
