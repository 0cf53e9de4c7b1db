use super::page::Page;
use crate::store::{COMMIT_BUCKETS_S, StatsReading};

pub fn render(page: &mut Page, store: &StatsReading) {
    page.family("analytics_store_commits_total", "counter", "Groups of requests committed together.");
    page.sample("", &[], store.commits);
    page.family("analytics_store_committed_items_total", "counter", "Items in them; per commit, the group size.");
    page.sample("", &[], store.items);
    page.family("analytics_store_commit_duration_seconds", "histogram", "Time of a commit, fsync included.");
    page.histogram(&[], &COMMIT_BUCKETS_S, &store.commit_buckets, store.commits, store.commit_seconds);
    let gauges = [
        ("analytics_store_queue_items", "Items that wait for the writer.", store.queue_items),
        ("analytics_store_wal_pages", "Pages of the WAL that wait for a checkpoint.", store.wal_pages),
        ("analytics_store_wal_bytes", "Size of the WAL.", store.wal_bytes),
        ("analytics_store_file_bytes", "Size of the database file.", store.file_bytes),
    ];
    for (name, help, value) in gauges {
        page.family(name, "gauge", help);
        page.sample("", &[], value);
    }
}
