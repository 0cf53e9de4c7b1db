//! How many connections each peer address holds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::Mutex;

use super::client_address::is_trusted;
use crate::limits::peer_prefix;

/// Counts open connections by address.
#[derive(Clone)]
pub struct Peers {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    per_peer_max: usize,
    /// They hold the connections of many clients.
    trusted_proxies: Vec<IpNet>,
}

/// One connection of a peer, for as long as it lives.
pub struct Place {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    peer: IpAddr,
}

impl Peers {
    pub fn new(per_peer_max: usize, trusted_proxies: Vec<IpNet>) -> Peers {
        Peers { counts: Arc::default(), per_peer_max, trusted_proxies }
    }

    /// None if the peer holds as many connections as it may.
    pub fn enter(&self, address: IpAddr) -> Option<Place> {
        // A proxy counts apart from its neighbours in its network, who are not trusted.
        let (peer, max) = match is_trusted(address, &self.trusted_proxies) {
            true => (address.to_canonical(), usize::MAX),
            false => (peer_prefix(address), self.per_peer_max),
        };
        let mut counts = self.counts.lock();
        let count = counts.entry(peer).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Place { counts: Arc::clone(&self.counts), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_holds_so_many_connections_and_gives_them_back() {
        let peers = Peers::new(2, vec![]);
        let enter = |text: &str| peers.enter(text.parse().unwrap());
        let first = enter("2001:db8::1").unwrap();
        let _second = enter("2001:db8::ffff:2").unwrap();
        assert!(enter("2001:db8::3").is_none());
        assert!(enter("2001:db8:0:1::3").is_some());
        drop(first);
        assert!(enter("2001:db8::3").is_some());
        let _mapped = (enter("::ffff:192.0.2.1").unwrap(), enter("192.0.2.1").unwrap());
        assert!(enter("192.0.2.1").is_none() && enter("192.0.2.2").is_some());
        drop((_second, _mapped));
        assert!(peers.counts.lock().is_empty());
    }

    #[test]
    fn a_trusted_proxy_holds_as_many_as_it_needs() {
        let peers = Peers::new(1, vec!["10.0.0.0/8".parse().unwrap()]);
        let enter = |text: &str| peers.enter(text.parse().unwrap());
        let _proxied = [enter("10.0.0.1"), enter("::ffff:10.0.0.1"), enter("10.0.0.1")].map(Option::unwrap);
        let _direct = enter("192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_none());
    }
}
