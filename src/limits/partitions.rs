//! Windows by whom they are for: many at once, and no more than so many.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use super::window::Window;
use crate::clock::Clock;

/// Requests of different keys seldom meet at one lock.
const SHARDS: usize = 16;
/// One shard is swept at most so often: what is idle is gone within `SHARDS` times as long, at next to no cost.
const SWEEP_MICROS: u64 = 1_000_000;

/// What is kept for each key. Once it is idle it is worth as much as a fresh one.
pub trait Counter: Default {
    fn is_idle(&self, now_micros: u64) -> bool;
}

impl<const SECONDS: u64> Counter for Window<SECONDS> {
    fn is_idle(&self, now_micros: u64) -> bool {
        self.is_empty_at(now_micros)
    }
}

/// A bounded table of counters. Idle ones go by themselves.
pub struct Partitions<K, C> {
    shards: [Mutex<HashMap<K, C>>; SHARDS],
    hasher: RandomState,
    live: AtomicUsize,
    live_max: usize,
    swept: AtomicUsize,
    next_sweep_micros: AtomicU64,
}

impl<K: Hash + Eq, C: Counter> Partitions<K, C> {
    pub fn new(live_max: usize) -> Partitions<K, C> {
        Partitions {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            live: AtomicUsize::new(0),
            live_max,
            swept: AtomicUsize::new(0),
            next_sweep_micros: AtomicU64::new(0),
        }
    }

    /// Works with the counter of a key, a fresh one if there is none yet. None if there is no room for that.
    pub fn with<T>(&self, key: K, clock: &Clock, work: impl FnOnce(&mut C, u64) -> T) -> Option<T> {
        let mut shard = self.shard(&key).lock();
        // Read behind the lock, so that the counter never sees time go back.
        let now = clock.monotonic_micros();
        let worked = match shard.entry(key) {
            Entry::Occupied(entry) => Some(work(entry.into_mut(), now)),
            Entry::Vacant(place) => self.reserve().then(|| work(place.insert(C::default()), now)),
        };
        drop(shard);
        self.sweep_if_due(now);
        worked
    }

    /// Works with the counter of a key if there is one.
    pub fn look<T>(&self, key: &K, clock: &Clock, work: impl FnOnce(&mut C, u64) -> T) -> Option<T> {
        let mut shard = self.shard(key).lock();
        let now = clock.monotonic_micros();
        shard.get_mut(key).map(|counter| work(counter, now))
    }

    /// Gives the room of idle counters back, a part of it at each call that comes late enough after the last.
    pub fn sweep_if_due(&self, now_micros: u64) {
        let due = self.next_sweep_micros.load(Relaxed);
        let next = now_micros + SWEEP_MICROS;
        if now_micros < due || self.next_sweep_micros.compare_exchange(due, next, Relaxed, Relaxed).is_err() {
            return;
        }
        let turn = self.swept.fetch_add(1, Relaxed) % SHARDS;
        let mut shard = self.shards[turn].lock();
        let before = shard.len();
        shard.retain(|_, counter| !counter.is_idle(now_micros));
        self.live.fetch_sub(before - shard.len(), Relaxed);
        if shard.len() < shard.capacity() / 4 {
            shard.shrink_to_fit();
        }
    }

    fn shard(&self, key: &K) -> &Mutex<HashMap<K, C>> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    /// False if there is no room for one more.
    fn reserve(&self) -> bool {
        let more = |live: usize| (live < self.live_max).then_some(live + 1);
        self.live.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    #[cfg(test)]
    pub fn live(&self) -> usize {
        self.live.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    #[test]
    fn a_full_table_takes_nobody_new_until_somebody_is_idle() {
        let (clock, table) = (Clock::manual(0), Partitions::<u32, Window<60>>::new(1_000));
        let take = |key: u32| table.with(key, &clock, |window, now| window.take(2, now).is_ok());
        for key in 0..1_000 {
            assert_eq!(take(key), Some(true));
        }
        assert_eq!((take(1_000), take(7), take(7)), (None, Some(true), Some(false)));
        // A second for each shard, and all that has been idle for a minute is gone; what is in use stays.
        for second in 0..=SHARDS as i64 {
            clock.set(MINUTE - 1 + second * 1_000_000);
            take(7);
        }
        assert_eq!((table.live(), take(1_000)), (1, Some(true)));
        assert_eq!(table.look(&5, &clock, |_, _| ()), None);
    }
}
