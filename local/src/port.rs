//! Ports of this machine's own addresses, 127.0.0.1 and `::1`.
//!
//! `localhost` is both, and some clients try one of them only. So whatever is started here answers at both, and nowhere
//! else: what listens on all addresses at once would be within reach of other machines.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::libc::EAFNOSUPPORT;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// How many ports are tried until one is free on both addresses. Hardly ever is the first one not.
const TRIES: u32 = 20;

/// What to tell on a machine that has no address `::1`; nothing on others.
#[must_use]
pub fn without_ipv6() -> Option<&'static str> {
    let missing = matches!(listen(Ipv6Addr::LOCALHOST, 0), Ok(None));
    missing.then_some("This machine has no IPv6 address ::1, so all of it answers at 127.0.0.1 only.")
}

/// Finds out whether a port can be used.
///
/// # Errors
/// When it can't, with the reason.
pub fn check(port: u16) -> Result<()> {
    Listeners::on(port).map(drop)
}

/// One port, on each of this machine's own addresses.
pub struct Listeners {
    /// The port.
    pub port: u16,
    /// At 127.0.0.1.
    pub ipv4: TcpListener,
    /// At `::1`; none, where there is no such address.
    pub ipv6: Option<TcpListener>,
}

impl Listeners {
    /// Listens on `port`, or on a free one for `None`.
    ///
    /// # Errors
    /// When it is taken, or none is free.
    pub fn new(port: Option<u16>) -> Result<Self> {
        port.map_or_else(Self::free, Self::on)
    }

    fn on(port: u16) -> Result<Self> {
        let unusable = || format!("port {port} can't be used: name another one, or none to get a free one");
        let ipv4 = listen(Ipv4Addr::LOCALHOST, port).with_context(unusable)?;
        let ipv6 = listen(Ipv6Addr::LOCALHOST, port).with_context(unusable)?;
        let ipv4 = ipv4.context("this machine has no address 127.0.0.1").with_context(unusable)?;
        Ok(Self { port, ipv4, ipv6 })
    }

    fn free() -> Result<Self> {
        let looking = "looking for a free port";
        for _ in 0..TRIES {
            let ipv4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(looking)?;
            let port = ipv4.local_addr().context(looking)?.port();
            match listen(Ipv6Addr::LOCALHOST, port) {
                Ok(ipv6) => return Ok(Self { port, ipv4, ipv6 }),
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                Err(error) => return Err(error).context(looking),
            }
        }
        bail!("{looking}: none of {TRIES} was free at both 127.0.0.1 and ::1");
    }

    /// Leaves 127.0.0.1 to a server that can listen on one address only, and carries to it what comes to `::1`.
    pub(crate) fn leave_ipv4(self) -> Result<Carrier> {
        let Some(ipv6) = self.ipv6 else { return Ok(Carrier(None)) };
        let ipv6 = asynchronous(ipv6)?;
        Ok(Carrier(Some(tokio::spawn(carry_all(ipv6, self.port)))))
    }
}

/// The same for tasks of the runtime on which this is called.
///
/// # Errors
/// When the system refuses.
pub fn asynchronous(listener: TcpListener) -> Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true).and_then(|()| listener.try_into()).context("listening")
}

/// `None` if this machine does not have the address.
fn listen(address: impl Into<IpAddr>, port: u16) -> io::Result<Option<TcpListener>> {
    match TcpListener::bind((address.into(), port)) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Carries connections from `::1` to 127.0.0.1, until it is dropped.
pub(crate) struct Carrier(Option<JoinHandle<()>>);

impl Drop for Carrier {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn carry_all(listener: tokio::net::TcpListener, port: u16) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(carry(client, port));
            }
            // Too many files are open; that passes.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Either end may go away at any time, and the other end is told by the end of its connection.
async fn carry(mut client: TcpStream, port: u16) -> io::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
