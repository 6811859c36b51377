//! Where servers can be reached: at both of this machine's own addresses, and from no other machine.

use std::net::TcpListener;

use anyhow::{Context as _, Result};
use reqwest::Client;

use crate::layers::Outcome;

/// 127.0.0.1 and `::1`, as the system's tables of sockets write them: words in the order of the processor's bytes.
const IPV4: &str = "0100007F";
const IPV6: &str = "00000000000000000000000001000000";

/// Asks over both addresses. On a machine without `::1`, one answers, and whoever starts the server is told so.
pub(crate) async fn check(url: &str) -> Outcome {
    let (_, rest) = url.split_once("//localhost:").with_context(|| format!("not at localhost: {url}"))?;
    let port: u16 = rest.split('/').next().unwrap_or_default().parse()?;
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();

    let by_ipv4 = ask(&url.replace("localhost", "127.0.0.1")).await?;
    let by_ipv6 = ask(&url.replace("localhost", "[::1]")).await;
    if has_ipv6 {
        assert_eq!(by_ipv6?, by_ipv4);
        assert_eq!(local::port::without_ipv6(), None);
    } else {
        assert!(by_ipv6.is_err(), "{by_ipv6:?}");
        assert!(local::port::without_ipv6().unwrap().contains("127.0.0.1 only"));
    }
    let own = if has_ipv6 { vec![IPV4, IPV6] } else { vec![IPV4] };
    assert_eq!(listening(port), own, "addresses that port {port} listens at");
    Ok(())
}

async fn ask(url: &str) -> Result<(u16, String)> {
    let answer = Client::builder().no_proxy().build()?.get(url).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// The addresses at which anything on this machine listens on a port.
fn listening(port: u16) -> Vec<String> {
    // A machine without IPv6 may lack the second one.
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let address = |line: &str| {
        let [_, local, _, state] = line.split_whitespace().take(4).collect::<Vec<_>>().try_into().ok()?;
        let (address, at) = local.split_once(':')?;
        let listens = state == "0A" && at == format!("{port:04X}");
        listens.then(|| address.to_owned())
    };
    tables.iter().flat_map(|table| table.lines()).filter_map(address).collect()
}
