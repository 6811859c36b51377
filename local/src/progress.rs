//! Slow steps say what they are doing, and for how long.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::Result;

/// A step shorter than this is not worth a line of its own.
const WORTH_TELLING: Duration = Duration::from_millis(500);

/// Runs `work`, telling on standard error its name and how long it has been running.
pub(crate) async fn step<T>(name: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let started = Instant::now();
    let terminal = std::io::stderr().is_terminal();
    let mut tick = tokio::time::interval(if terminal { Duration::from_secs(1) } else { Duration::from_secs(5) });
    tick.tick().await;
    let mut work = std::pin::pin!(work);
    let mut told = false;
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            _ = tick.tick() => {
                told = true;
                tell(terminal, &format!("  {name} ... {} s", started.elapsed().as_secs()));
            }
        }
    };
    let took = started.elapsed();
    match &result {
        Ok(_) if told || took > WORTH_TELLING => {
            finish(terminal, &format!("  {name}: {:.1} s", took.as_secs_f32()));
        }
        Ok(_) => {}
        Err(_) => finish(terminal, &format!("  {name}: failed after {:.1} s", took.as_secs_f32())),
    }
    result
}

/// On a terminal, one line that changes; elsewhere, such as in a CI log, a line each time.
fn tell(terminal: bool, text: &str) {
    if terminal {
        eprint!("\r{text}\x1b[K");
        // A progress line that can't be written is no reason to stop.
        let _ = std::io::stderr().flush();
    } else {
        eprintln!("{text}");
    }
}

fn finish(terminal: bool, text: &str) {
    tell(terminal, text);
    if terminal {
        eprintln!();
    }
}
