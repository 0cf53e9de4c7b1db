//! Failed credentials per peer address, and per account.
//!
//! Secrets of ours have 256 bits and cannot be guessed, so their failures are counted per peer only to keep noise down, and
//! whoever has a good one is never refused. Passwords can be guessed: so tries against an account are bounded from one
//! peer, and over all peers.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::partitions::Partitions;
use super::refusal;
use super::window::Window;
use crate::clock::Clock;
use crate::error::Error;
use crate::model::{Target, TargetKind};

/// Failures against one client or account from one peer, and against one account from anywhere, per minute.
const PER_PAIR: u32 = 10;
const PER_ACCOUNT: u32 = 100;
/// Peers, pairs and accounts watched at once. Where there is no room for more peers, the new ones are not counted for a
/// minute. Accounts always find room: each failure against one has cost argon2, of which there are 50 a second at most.
const WATCHED_MAX: usize = 10_000;
const WINDOW_MICROS: u64 = 60_000_000;

pub struct Failures {
    clock: Clock,
    /// Failures of one peer; 0: no limit.
    per_peer: u32,
    peers: Partitions<IpAddr, Window<60>>,
    pairs: Partitions<(Target, IpAddr), Window<60>>,
    accounts: Partitions<Target, Window<60>>,
    /// Nobody is suspect from then on: until somebody fails too often again, a request need not look further.
    suspects_until_micros: AtomicU64,
}

impl Failures {
    pub fn new(clock: Clock, per_peer: u32) -> Failures {
        Failures {
            clock,
            per_peer,
            peers: Partitions::new(WATCHED_MAX),
            pairs: Partitions::new(WATCHED_MAX),
            accounts: Partitions::new(WATCHED_MAX),
            suspects_until_micros: AtomicU64::new(0),
        }
    }

    /// Counts one; where something is full already it is not counted there, and the refusal comes back.
    pub fn count(&self, peer: IpAddr, holder: Option<&Target>) -> Option<Error> {
        let peer = peer_prefix(peer);
        let by_peer = self.count_peer(peer);
        let by_pair = holder.and_then(|holder| take(&self.pairs, (holder.clone(), peer), PER_PAIR, &self.clock));
        let account = holder.filter(|holder| holder.kind == TargetKind::Account);
        let by_account = account.and_then(|account| take(&self.accounts, account.clone(), PER_ACCOUNT, &self.clock));
        too_many(by_peer, by_pair.max(by_account))
    }

    /// The refusal, if a try from the peer is not even to be looked at. A client's secret is looked at whatever others at
    /// its address do: telling a wrong one costs little.
    pub fn refuses(&self, peer: IpAddr, holder: Option<&Target>) -> Option<Error> {
        let peer = peer_prefix(peer);
        let is_client = holder.is_some_and(|holder| holder.kind == TargetKind::Client);
        let by_peer = if is_client { None } else { self.peer_wait_s(peer) };
        let by_pair = holder.and_then(|holder| wait_s(&self.pairs, &(holder.clone(), peer), PER_PAIR, &self.clock));
        let by_account = holder.and_then(|holder| wait_s(&self.accounts, holder, PER_ACCOUNT, &self.clock));
        too_many(by_peer, by_pair.max(by_account))
    }

    /// Whether the peer has failed as often as it may.
    pub fn is_suspect(&self, peer: IpAddr) -> bool {
        let now = self.clock.monotonic_micros();
        self.peers.sweep_if_due(now);
        self.pairs.sweep_if_due(now);
        self.accounts.sweep_if_due(now);
        now < self.suspects_until_micros.load(Relaxed) && self.peer_wait_s(peer_prefix(peer)).is_some()
    }

    fn count_peer(&self, peer: IpAddr) -> Option<u64> {
        if self.per_peer == 0 {
            return None;
        }
        let work = |window: &mut Window<60>, now: u64| {
            let refused = window.take(self.per_peer, now).err();
            if window.remaining(self.per_peer, now) == 0 {
                self.suspects_until_micros.fetch_max(now + WINDOW_MICROS, Relaxed);
            }
            refused
        };
        self.peers.with(peer, &self.clock, work).flatten()
    }

    fn peer_wait_s(&self, peer: IpAddr) -> Option<u64> {
        if self.per_peer == 0 {
            return None;
        }
        wait_s(&self.peers, &peer, self.per_peer, &self.clock)
    }
}

/// What counts as one peer: an IPv4 address, or a /64 of IPv6, which a household or a server holds whole.
pub fn peer_prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 => v4,
    }
}

/// Seconds to wait if there was no room; None if it was counted, or nobody new can be watched.
fn take<K>(table: &Partitions<K, Window<60>>, key: K, quota: u32, clock: &Clock) -> Option<u64>
where
    K: std::hash::Hash + Eq,
{
    table.with(key, clock, |window, now| window.take(quota, now).err()).flatten()
}

/// Seconds until there is room; None if there is.
fn wait_s<K>(table: &Partitions<K, Window<60>>, key: &K, quota: u32, clock: &Clock) -> Option<u64>
where
    K: std::hash::Hash + Eq,
{
    table.look(key, clock, |window, now| window.wait_s(quota, now)).filter(|wait_s| *wait_s > 0)
}

fn too_many(by_peer: Option<u64>, by_holder: Option<u64>) -> Option<Error> {
    let wait_s = by_peer.max(by_holder)?;
    let what = match by_holder {
        Some(_) => "too many failed tries with this name of late",
        None => "too many failed credentials from this address of late",
    };
    Some(refusal(wait_s, &format!("{what}; check what you send, then try again in {wait_s} s")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const PEER_MAX: u32 = 30;

    fn failures() -> (Clock, Failures) {
        let clock = Clock::manual(0);
        (clock.clone(), Failures::new(clock, PEER_MAX))
    }

    fn peer(n: u32) -> IpAddr {
        IpAddr::V4((0x0A00_0000 + n).into())
    }

    fn account(name: &str) -> Target {
        Target::new(TargetKind::Account, name)
    }

    #[test]
    fn a_peer_is_an_address_or_a_network_of_ipv6() {
        let prefix = |text: &str| peer_prefix(text.parse().unwrap()).to_string();
        assert_eq!(prefix("192.0.2.1"), "192.0.2.1");
        assert_eq!(prefix("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(prefix("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn a_peer_that_fails_too_often_is_suspect_until_a_failure_is_a_minute_old() {
        let (clock, failures) = failures();
        assert!((0..PEER_MAX).all(|_| failures.count(peer(1), None).is_none()));
        let refusal = failures.count(peer(1), None).unwrap();
        assert_eq!(refusal.kind, Kind::TooManyRequests { retry_after_s: 60 });
        assert!(failures.is_suspect(peer(1)) && !failures.is_suspect(peer(2)));
        assert!(failures.refuses(peer(1), None).is_some() && failures.refuses(peer(2), None).is_none());
        clock.set(60_000_000);
        assert!(!failures.is_suspect(peer(1)) && failures.refuses(peer(1), None).is_none());
        assert!(failures.count(peer(1), None).is_none());
    }

    #[test]
    fn an_account_is_guarded_from_one_peer_and_from_many() {
        let (clock, failures) = failures();
        let (eve, bob) = (account("eve"), account("bob"));
        assert!((0..PER_PAIR).all(|_| failures.count(peer(1), Some(&eve)).is_none()));
        assert!(failures.refuses(peer(1), Some(&eve)).is_some());
        assert!(failures.refuses(peer(1), Some(&bob)).is_none() && failures.refuses(peer(2), Some(&eve)).is_none());
        for n in PER_PAIR..PER_ACCOUNT {
            assert!(failures.count(peer(n), Some(&eve)).is_none());
        }
        assert!(
            failures.refuses(peer(1_000), Some(&eve)).is_some() && failures.refuses(peer(1_000), Some(&bob)).is_none()
        );
        clock.set(60_000_000);
        assert!(failures.refuses(peer(1), Some(&eve)).is_none());
    }

    #[test]
    fn a_client_is_not_refused_for_what_others_do() {
        let (_clock, failures) = failures();
        let client = Target::new(TargetKind::Client, "client");
        for n in 0..1_000 {
            failures.count(peer(n), Some(&client));
            failures.count(peer(0), None);
        }
        assert!(failures.refuses(peer(0), Some(&client)).is_none());
        for _ in 0..PER_PAIR {
            failures.count(peer(0), Some(&client));
        }
        assert!(failures.refuses(peer(0), Some(&client)).is_some());
        assert!(failures.refuses(peer(1), Some(&client)).is_none());
    }

    #[test]
    fn a_flood_of_peers_takes_bounded_room_and_gives_it_back() {
        let (clock, failures) = failures();
        for n in 0..100_000 {
            assert!(failures.count(peer(n), Some(&account(&n.to_string()))).is_none());
        }
        assert!(failures.peers.live() <= WATCHED_MAX && failures.pairs.live() <= WATCHED_MAX);
        for second in 60..80 {
            clock.set(second * 1_000_000);
            failures.is_suspect(peer(0));
        }
        assert_eq!((failures.peers.live(), failures.pairs.live(), failures.accounts.live()), (0, 0, 0));
    }
}
