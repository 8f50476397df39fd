//! The client's address: the rightmost untrusted one of `X-Forwarded-For`.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Whom the request comes from. What stands left of an untrusted address, anybody may have written.
/// `None` where a trusted proxy names no readable address.
pub(crate) fn client(
    peer: Option<SocketAddr>,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> Option<IpAddr> {
    let mut address = peer?.ip().to_canonical();
    let forwarded = headers.get_all("x-forwarded-for").into_iter().collect::<Vec<_>>();
    let mut hops = forwarded.iter().rev().flat_map(|value| {
        value.to_str().unwrap_or("?").rsplit(',').map(str::trim).collect::<Vec<_>>()
    });
    while trusted.iter().any(|network| network.contains(&address)) {
        match hops.next() {
            Some(hop) => address = parse(hop)?,
            None => break,
        }
    }
    Some(address)
}

/// Proxies write an address bare, or with a port.
fn parse(hop: &str) -> Option<IpAddr> {
    let address = hop.parse::<IpAddr>().or_else(|_| hop.parse::<SocketAddr>().map(|a| a.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn found(peer: &str, forwarded: &[&'static str], trusted: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client(peer.parse().ok(), &headers, &trusted).map(|address| address.to_string())
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = ["127.0.0.0/8", "10.0.0.0/8", "::1/128"];
        let is = |peer, forwarded: &[&'static str], expected: &str| {
            assert_eq!(found(peer, forwarded, &trusted).as_deref(), Some(expected));
        };
        is("203.0.113.9:1", &["198.51.100.1"], "203.0.113.9");
        is("127.0.0.1:1", &["198.51.100.1"], "198.51.100.1");
        is("127.0.0.1:1", &["1.1.1.1, 198.51.100.1, 10.0.0.7"], "198.51.100.1");
        is("127.0.0.1:1", &["1.1.1.1", "198.51.100.1:4711"], "198.51.100.1");
        is("[::1]:1", &["[2001:db8::1]:443"], "2001:db8::1");
        is("[::ffff:127.0.0.1]:1", &["::ffff:198.51.100.1"], "198.51.100.1");
        is("127.0.0.1:1", &[], "127.0.0.1");
        is("127.0.0.1:1", &["10.0.0.1"], "10.0.0.1");
        assert_eq!(found("127.0.0.1:1", &["198.51.100.1, unknown"], &trusted), None);
        assert_eq!(found("127.0.0.1:1", &["198.51.100.1"], &[]).as_deref(), Some("127.0.0.1"));
    }
}
