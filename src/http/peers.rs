//! How many connections each peer address holds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts open connections by address. A household or a server holds a whole /64 of IPv6, so that is one peer.
#[derive(Clone)]
pub struct Peers {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    per_peer_max: usize,
}

/// One connection of a peer, for as long as it lives.
pub struct Place {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    peer: IpAddr,
}

impl Peers {
    pub fn new(per_peer_max: usize) -> Peers {
        Peers { counts: Arc::default(), per_peer_max }
    }

    /// None if the peer holds as many connections as it may.
    pub fn enter(&self, address: IpAddr) -> Option<Place> {
        let peer = peer_of(address);
        let mut counts = self.counts.lock();
        let count = counts.entry(peer).or_default();
        if *count >= self.per_peer_max {
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

fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_holds_so_many_connections_and_gives_them_back() {
        let peers = Peers::new(2);
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
}
