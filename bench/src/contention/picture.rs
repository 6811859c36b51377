//! Curves over concurrent callers, as SVG.

use std::fmt::Write as _;

/// A curve: its name, and a value for each number of callers.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(u32, f64)>,
}

/// What curves are compared by.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    /// The least and the most that its axis shows.
    pub(crate) range: (f64, f64),
    pub(crate) curves: Vec<Curve>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 340.0;
const MARGIN: f64 = 56.0;
const COLOURS: [&str; 3] = ["#b3541e", "#2a7f3f", "#1f5f99"];
const MOST_CALLERS: f64 = 512.0;

/// One panel below the other. All axes are logarithmic: each step doubles.
pub(crate) fn draw(panels: &[Panel]) -> String {
    let mut svg = String::new();
    let mut height = 0.0;
    for panel in panels {
        let _ = writeln!(svg, "<g transform=\"translate(0 {height})\">");
        draw_panel(&mut svg, panel);
        svg.push_str("</g>\n");
        height += HEIGHT;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{svg}</svg>\n"
    )
}

fn x(callers: u32) -> f64 {
    MARGIN + f64::from(callers).log2() / MOST_CALLERS.log2() * (WIDTH - 2.0 * MARGIN)
}

fn draw_panel(svg: &mut String, Panel { title, range: (least, most), curves }: &Panel) {
    let y = |value: f64| HEIGHT - MARGIN - (value / least).log2() / (most / least).log2() * (HEIGHT - 2.0 * MARGIN);
    let _ = writeln!(svg, "<text x=\"{MARGIN}\" y=\"24\">{title}</text>");
    let mut step = *least;
    while step <= *most {
        let (at, right) = (y(step), WIDTH - MARGIN);
        let _ = writeln!(svg, "<path d=\"M{MARGIN} {at:.1}H{right}\" stroke=\"#ddd\"/>");
        let _ =
            writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{step}</text>", MARGIN - 8.0, at + 4.0);
        step *= 2.0;
    }
    for (Curve { name, points }, colour) in curves.iter().zip(COLOURS) {
        let path: Vec<String> =
            points.iter().map(|(callers, value)| format!("{:.1},{:.1}", x(*callers), y(*value))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (callers, value) in points {
            let (at, up, below) = (x(*callers), y(*value), HEIGHT - MARGIN + 18.0);
            let _ = writeln!(svg, "<circle cx=\"{at:.1}\" cy=\"{up:.1}\" r=\"3\" fill=\"{colour}\"/>");
            let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{callers}</text>");
        }
        if let Some((callers, value)) = points.last() {
            let (at, up) = (x(*callers), y(*value) - 10.0);
            let _ =
                writeln!(svg, "<text x=\"{at:.1}\" y=\"{up:.1}\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>");
        }
    }
}
