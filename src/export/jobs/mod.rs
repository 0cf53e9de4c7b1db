//! From the queue to the file: begins jobs, sees to them, ends them, and clears files away.
//!
//! One thread supervises (`supervisor`): it begins jobs, tells their progress, stops those that are not ours any more,
//! and removes files. Each job that is under way has a thread of its own (`attempt`) that writes the file and its outcome.

mod attempt;
mod outcome;
mod supervisor;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::runtime::Handle;

use self::supervisor::Supervisor;
use super::turns::Turns;
use super::{Assignment, Settings, Watch, Written};
use crate::audit::Audit;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::store::{ExportDirectory, Store};

const PAUSE_WHEN_BUSY: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_DOUBLINGS_MAX: u32 = 5;

/// What makes a file: [`super::write`], but for tests.
type Write = dyn Fn(&Store, &Assignment, &Watch) -> Result<Written> + Send + Sync;

/// Works on accepted jobs until it is stopped or dropped; either puts back into the queue what is under way.
pub struct Exporter {
    office: Arc<Office>,
    supervisor: Option<JoinHandle<()>>,
}

/// What all threads of an exporter share.
struct Office {
    store: Store,
    directory: ExportDirectory,
    settings: Settings,
    audit: Audit,
    clock: Clock,
    runtime: Handle,
    turns: Arc<Turns>,
    write: Box<Write>,
    stopping: Stopping,
}

/// Whether it is time to end.
#[derive(Default)]
struct Stopping {
    is_set: AtomicBool,
    lock: Mutex<()>,
    told: Condvar,
}

impl Exporter {
    /// Takes the directory, takes up what an ended process has left, removes files that no job has a right to, and begins
    /// to work. Must be called within the runtime. Errors as [`ExportDirectory::prepare`].
    pub async fn start(
        store: Store,
        directory: ExportDirectory,
        settings: Settings,
        audit: Audit,
        clock: Clock,
    ) -> Result<Exporter> {
        Exporter::start_with(store, directory, settings, audit, clock, Box::new(super::write)).await
    }

    async fn start_with(
        store: Store,
        directory: ExportDirectory,
        settings: Settings,
        audit: Audit,
        clock: Clock,
        write: Box<Write>,
    ) -> Result<Exporter> {
        let lock = directory.prepare()?;
        let turns = Arc::new(Turns::new(settings.workers));
        let (runtime, stopping) = (Handle::current(), Stopping::default());
        let office = Office { store, directory, settings, audit, clock, runtime, turns, write, stopping };
        let office = Arc::new(office);
        let mut supervisor = Supervisor::new(Arc::clone(&office));
        match supervisor.take_over().await {
            Err(error) if is_passing(&error) => supervisor.leave_alone(&error),
            taken => taken?,
        }
        let supervisor = spawn("exports", move || supervise(supervisor, lock))?;
        Ok(Exporter { office, supervisor: Some(supervisor) })
    }

    /// Puts what is under way back into the queue, and ends.
    pub async fn stop(self) {
        // Waits for threads; on a blocking thread, so that a second signal is still heard.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.office.stopping.set();
        self.office.store.wake_exports();
        if let Some(supervisor) = self.supervisor.take() {
            let _ = supervisor.join();
        }
    }
}

/// `lock`: of the directory, held for as long as somebody may write into it.
fn supervise(supervisor: Supervisor, lock: File) {
    supervisor.run();
    drop(lock);
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(work);
    thread.map_err(|e| Error::internal(format!("cannot start a thread: {e}")))
}

impl Stopping {
    fn set(&self) {
        self.is_set.store(true, SeqCst);
        // Under the lock: whoever has looked and does not wait yet must not miss it.
        let _lock = self.lock.lock();
        self.told.notify_all();
    }

    fn is_set(&self) -> bool {
        self.is_set.load(SeqCst)
    }

    /// Sleeps, or until it is time to end.
    fn pause(&self, time: Duration) {
        let mut lock = self.lock.lock();
        self.told.wait_while_for(&mut lock, |()| !self.is_set(), time);
    }
}

impl Office {
    /// For the operator: what nobody else is told.
    fn say(&self, message: &str) {
        let _ = writeln!(std::io::stderr(), "exports: {message}");
    }
}

/// Whether the database may take later what it does not take now.
fn is_passing(error: &Error) -> bool {
    matches!(error.kind, Kind::StorageFull | Kind::Busy { .. })
}

/// How long the database is left alone that has taken nothing, `failures` times in a row before. A busy one soon has room
/// again; to a full one every try costs much.
fn pause_after(error: &Error, failures: u32) -> Duration {
    match error.kind {
        Kind::Busy { .. } => PAUSE_WHEN_BUSY,
        _ => PAUSE * 2u32.pow(failures.min(PAUSE_DOUBLINGS_MAX)),
    }
}
