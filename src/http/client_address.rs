//! Which address a request comes from when proxies stand before us.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the peer's or, if that is a trusted proxy, what the proxies say of it in `X-Forwarded-For`. Each
/// proxy appends the address it was called from, so the list is read from its end, as far as trusted proxies wrote it:
/// what stands before that was sent by the client, who may write what he likes.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut known = peer.to_canonical();
    if !is_trusted(known, trusted) {
        return known;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().collect::<Vec<_>>();
    // Several lines are one list (RFC 9110, 5.3). A line that is no text is an entry that is no address.
    let entries = lines.into_iter().rev().flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    for entry in entries.map(str::trim).filter(|entry| !entry.is_empty()) {
        let Some(address) = parse(entry) else { break };
        known = address;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    known
}

pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    !trusted.is_empty() && trusted.iter().any(|net| net.contains(&address.to_canonical()))
}

/// An address; some proxies add the port, and brackets around IPv6.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn from(peer: &str, lines: &[&'static [u8]]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"].map(|net| net.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap());
        }
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_what_they_wrote() {
        let table: [(&str, &[&[u8]], &str); 16] = [
            ("203.0.113.1", &[], "203.0.113.1"),
            ("203.0.113.1", &[b"198.51.100.1"], "203.0.113.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[b"198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &[b"198.51.100.1"], "198.51.100.1"),
            // The client's own words stand before what the proxy appended.
            ("10.0.0.1", &[b"8.8.8.8, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[b"8.8.8.8, 198.51.100.1, 10.2.3.4,192.0.2.7"], "198.51.100.1"),
            ("10.0.0.1", &[b"8.8.8.8", b"198.51.100.1, 10.2.3.4"], "198.51.100.1"),
            ("10.0.0.1", &[b"198.51.100.1", b" , "], "198.51.100.1"),
            // Nobody but proxies: the first of them.
            ("10.0.0.1", &[b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &[b"198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[b"198.51.100.1, \xff"], "10.0.0.1"),
            ("10.0.0.1", &[b"198.51.100.1:4711"], "198.51.100.1"),
            ("fd00::1", &[b"[2001:db8::5]:443"], "2001:db8::5"),
            ("fd00::1", &[b"[2001:db8::5], [fd00::2]"], "2001:db8::5"),
            ("fd00::1", &[b"::ffff:198.51.100.1"], "198.51.100.1"),
        ];
        for (peer, lines, expected) in table {
            assert_eq!(from(peer, lines), expected, "{peer} {lines:?}");
        }
    }
}
