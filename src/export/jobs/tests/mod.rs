mod files;
mod outcomes;
mod restarts;
mod retention;
mod sharing;

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::model::{ExportReport, History, Id, JobState, LogFilter};
use crate::store::testing::{export_id, new_export};
use crate::store::{Accepted, ExportJob, NewExport, Removed, testing};

/// A bound on waiting for what takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(5);

/// A database, a directory and a clock, which outlive exporters.
struct House {
    clock: Clock,
    store: Store,
    directory: ExportDirectory,
    settings: Settings,
    audit: Audit,
    _root: TempDir,
}

impl House {
    fn new() -> House {
        let root = tempfile::tempdir().unwrap();
        let clock = Clock::manual(0);
        let store = Store::open(&testing::settings(&root), clock.clone()).unwrap();
        let settings = Settings {
            directory: PathBuf::new(),
            workers: 2,
            retention: Duration::from_secs(1_000),
            bytes_max: 1 << 20,
            time_limit: Duration::from_secs(100),
        };
        let directory = ExportDirectory::new(root.path().join("exports"));
        let audit = Audit::new(store.clone(), clock.clone());
        House { clock, store, directory, settings, audit, _root: root }
    }

    async fn start(
        &self,
        write: impl Fn(&Store, &Assignment, &Watch) -> Result<Written> + Send + Sync + 'static,
    ) -> Exporter {
        let (store, directory) = (self.store.clone(), self.directory.clone());
        let (settings, audit, clock) = (self.settings.clone(), self.audit.clone(), self.clock.clone());
        Exporter::start_with(store, directory, settings, audit, clock, Box::new(write)).await.unwrap()
    }

    async fn accept(&self, n: u32, owner: &str) {
        self.accept_new(new_export(n, owner, 0)).await;
    }

    async fn accept_new(&self, new: NewExport) {
        assert!(matches!(self.store.accept_export(new).await.unwrap(), Accepted::New(_)));
    }

    async fn begin(&self) -> ExportJob {
        self.store.begin_export(9, 0).await.unwrap().unwrap()
    }

    fn job(&self, n: u32) -> ExportJob {
        self.store.snapshot().unwrap().export_job(&export_id(n)).unwrap().unwrap()
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = self.clock.monotonic();
        while !is_so() {
            assert!(self.clock.monotonic() - begun < PATIENCE, "in vain we waited: {what}");
            tokio::time::sleep(GLANCE).await;
        }
    }

    async fn until_finished(&self, n: u32) -> ExportJob {
        self.until("the job is finished", || self.job(n).state.is_finished()).await;
        self.job(n)
    }

    /// State, and code of the error.
    async fn end_of(&self, n: u32) -> (JobState, String) {
        let job = self.until_finished(n).await;
        (job.state, job.error.map_or(String::new(), |error| error.code))
    }

    /// Names in the directory but for the lock.
    fn files(&self) -> HashSet<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != ".lock").collect()
    }

    async fn restart(
        self,
        write: impl Fn(&Store, &Assignment, &Watch) -> Result<Written> + Send + Sync + 'static,
    ) -> (House, Exporter) {
        let exporter = self.start(write).await;
        (self, exporter)
    }
}

fn names(jobs: &[u32]) -> HashSet<String> {
    jobs.iter().map(|n| format!("export-{}.csv", export_id(*n))).collect()
}

/// Writes a few bytes at once.
fn quick(_: &Store, assignment: &Assignment, _: &Watch) -> Result<Written> {
    fs::write(&assignment.file, "0123456789").unwrap();
    Ok(Written { rows: 3, bytes: 10, sha256: "ab".into() })
}

/// Writes a piece, and then nothing more until it is told to stop.
fn endless(store: &Store, assignment: &Assignment, watch: &Watch) -> Result<Written> {
    fs::write(&assignment.file, "012").unwrap();
    watch.expect_rows(100);
    watch.add_rows(7);
    loop {
        drop(watch.turn()?);
        store.wait_for_exports(store.exports_changed(), GLANCE);
        let _ = assignment;
    }
}

fn all_events() -> LogFilter {
    let request = crate::ingest::stored_export_request(&new_export(1, "me", 0).request, None).unwrap();
    match request.report {
        ExportReport::Events(filter) => filter,
        other => panic!("{other:?}"),
    }
}
