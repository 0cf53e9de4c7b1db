mod accept;
mod directory;
mod erase;
mod model;
mod remove;
mod run;
mod story;

use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::store::testing;

/// A store with the calls of these tests, in few words. Jobs go by number, owners by name.
struct Room {
    store: Store,
    clock: Clock,
    directory: TempDir,
}

impl Room {
    fn new() -> Room {
        Room::open(tempfile::tempdir().unwrap())
    }

    /// As after a restart.
    fn reopen(self) -> Room {
        let Room { store, directory, .. } = self;
        drop(store);
        Room::open(directory)
    }

    fn open(directory: TempDir) -> Room {
        let clock = Clock::manual(0);
        let store = Store::open(&testing::settings(&directory), clock.clone()).unwrap();
        Room { store, clock, directory }
    }

    async fn accept(&self, n: u32, owner: &str) -> ExportJob {
        match self.store.accept_export(testing::new_export(n, owner, 0)).await.unwrap() {
            Accepted::New(job) => job,
            other => panic!("{other:?}"),
        }
    }

    async fn begin(&self, each: u32) -> Option<ExportJob> {
        let is_due = self.store.snapshot().unwrap().is_export_due(each, 0).unwrap();
        let begun = self.store.begin_export(each, 0).await.unwrap();
        assert_eq!(is_due, begun.is_some());
        begun
    }

    /// Begins a job and completes it, with a file of so many bytes that expires then.
    async fn complete(&self, n: u32, bytes: u64, now: i64, expires_at: i64) -> ExportJob {
        self.accept(n, "me").await;
        let job = self.begin(u32::MAX).await.unwrap();
        assert_eq!(job.id, testing::export_id(n));
        assert!(self.store.complete_export(&job, finished(bytes, expires_at), now).await.unwrap());
        self.job(n).unwrap()
    }

    fn job(&self, n: u32) -> Option<ExportJob> {
        self.store.snapshot().unwrap().export_job(&testing::export_id(n)).unwrap()
    }

    fn state(&self, n: u32) -> JobState {
        self.job(n).unwrap().state
    }

    fn to_unlink(&self) -> Vec<String> {
        let jobs = self.store.snapshot().unwrap().exports_to_unlink(usize::MAX).unwrap();
        jobs.into_iter().map(|job| job.id).collect()
    }
}

fn finished(bytes: u64, expires_at: i64) -> Finished {
    Finished { rows: 1, bytes, sha256: "00".into(), expires_at }
}

fn error(code: &str) -> ExportError {
    ExportError { code: code.into(), message: "it is said why".into() }
}
