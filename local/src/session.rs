//! What the commands share: how they end, and what they tell to try.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Runs until the work ends, or until somebody stops it, which is told by the code `stopped`. What is left of the work is
/// dropped then, and with it all that it started.
pub async fn run_until_stopped(work: impl Future<Output = Result<&'static str>>, stopped: ExitCode) -> ExitCode {
    let outcome = tokio::select! {
        outcome = work => outcome.map(|farewell| (farewell, ExitCode::SUCCESS)),
        farewell = asked_to_stop() => farewell.map(|farewell| (farewell, stopped)),
    };
    match outcome {
        Ok((farewell, code)) => {
            eprintln!("{farewell}");
            code
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns with what to say once all is stopped.
async fn asked_to_stop() -> Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    eprintln!("\nstopping");
    Ok("stopped: nothing is left running")
}

/// A line of its own where there is something to tell, else nothing.
#[must_use]
pub fn without_ipv6() -> String {
    crate::port::without_ipv6().map(|note| format!("\n{note}\n")).unwrap_or_default()
}

/// Requests to try.
#[must_use]
pub fn requests(api: &str) -> String {
    let json = "-H 'content-type: application/json'";
    format!(
        r#"Try:
  curl -i {api}/batches {json} -d '{{"ref":"batch-001","sku":"RETRO-CLOCK","qty":100,"eta":null}}'
  curl -i {api}/allocate {json} -d '{{"orderid":"order-001","sku":"RETRO-CLOCK","qty":10}}'
  curl -i {api}/allocations/order-001
  curl -i {api}/orders/order-001
  curl -i {api}/products/RETRO-CLOCK"#
    )
}
