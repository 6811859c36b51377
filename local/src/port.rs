//! Ports of this machine.

use std::net::TcpListener;

use anyhow::{Context as _, Result};

/// A port that was free a moment ago.
pub(crate) fn free() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("looking for a free port")?;
    Ok(listener.local_addr().context("looking for a free port")?.port())
}

/// Finds out whether a port can be used.
///
/// # Errors
/// When it can't, with the reason.
pub fn check(port: u16) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", port));
    listener.with_context(|| format!("port {port} can't be used: name another one, or none to get a free one"))?;
    Ok(port)
}
