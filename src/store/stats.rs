//! What the writer counts about itself, for /metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the commit time's buckets, in seconds.
pub const COMMIT_BUCKETS_S: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];

#[derive(Default)]
pub struct Stats {
    commits: AtomicU64,
    items: AtomicU64,
    commit_micros: AtomicU64,
    buckets: [AtomicU64; COMMIT_BUCKETS_S.len()],
    wal_pages: AtomicI64,
    pruned_user_days: AtomicU64,
    retired_events: AtomicU64,
    pruning_unix_micros: AtomicI64,
}

/// A reading of `Stats`, and of what is measured when asked.
#[derive(Clone, Debug, Default)]
pub struct StatsReading {
    /// Groups committed, and items (events, registrations, ..) in them; their ratio is the group size.
    pub commits: u64,
    pub items: u64,
    pub commit_seconds: f64,
    /// Commits within each bound of [`COMMIT_BUCKETS_S`], cumulative.
    pub commit_buckets: [u64; COMMIT_BUCKETS_S.len()],
    /// Items that wait for the writer.
    pub queue_items: u64,
    /// Pages of 4,096 bytes that wait for a checkpoint.
    pub wal_pages: u64,
    pub file_bytes: u64,
    pub wal_bytes: u64,
    /// Since the start.
    pub pruned_user_days: u64,
    pub retired_events: u64,
    /// When retention last looked; None if it has not since the start.
    pub pruning_unix_micros: Option<i64>,
}

impl Stats {
    pub fn committed(&self, items: usize, took: Duration) {
        self.commits.fetch_add(1, Relaxed);
        self.items.fetch_add(items as u64, Relaxed);
        self.commit_micros.fetch_add(took.as_micros() as u64, Relaxed);
        for (bucket, bound) in self.buckets.iter().zip(COMMIT_BUCKETS_S) {
            if took.as_secs_f64() <= bound {
                bucket.fetch_add(1, Relaxed);
            }
        }
    }

    pub fn pruned_usage(&self, user_days: u64) {
        self.pruned_user_days.fetch_add(user_days, Relaxed);
    }

    pub fn retired_events(&self, events: u64) {
        self.retired_events.fetch_add(events, Relaxed);
    }

    pub fn note_pruning(&self, unix_micros: i64) {
        self.pruning_unix_micros.store(unix_micros, Relaxed);
    }

    pub fn set_wal_pages(&self, pages: i64) {
        self.wal_pages.store(pages, Relaxed);
    }

    /// Sizes of files and queue are left at zero for the caller to fill in.
    pub fn read(&self) -> StatsReading {
        StatsReading {
            commits: self.commits.load(Relaxed),
            items: self.items.load(Relaxed),
            commit_seconds: self.commit_micros.load(Relaxed) as f64 / 1e6,
            commit_buckets: std::array::from_fn(|i| self.buckets[i].load(Relaxed)),
            wal_pages: self.wal_pages.load(Relaxed).max(0) as u64,
            pruned_user_days: self.pruned_user_days.load(Relaxed),
            retired_events: self.retired_events.load(Relaxed),
            pruning_unix_micros: Some(self.pruning_unix_micros.load(Relaxed)).filter(|at| *at != 0),
            ..StatsReading::default()
        }
    }
}
