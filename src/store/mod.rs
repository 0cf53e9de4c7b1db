//! The only part that knows SQLite. Its face towards facts is a handful of calls in the domain's words (`record`,
//! `register`, `erase`, `append` on [`Store`]; `figures`, `series`, `groups`, `user`, `page`, `scan`, `check` and the revisions on
//! [`Snapshot`]); control tables have their own and never join facts.

mod accounts;
mod backup;
mod checkpoint;
mod clients;
mod digest;
mod draft;
mod exports;
mod failure;
mod issued_tokens;
mod job;
mod keys;
mod limits;
mod log;
mod logins;
mod open;
mod queue;
mod repair;
mod restore;
mod retire;
mod signing_keys;
mod snapshot;
mod stats;
#[cfg(test)]
pub(crate) mod testing;
mod upgrade;
mod usage;
mod varint;
mod view;
mod write_back;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

pub use self::accounts::Account;
pub use self::backup::{BackupOptions, backup, discard_backup, refuse_own_files};
pub use self::clients::Client;
use self::digest::DigestKey;
pub use self::draft::Draft;
pub use self::exports::{
    Accepted, ExportDirectory, ExportError, ExportFilter, ExportJob, ExportPage, Finished, Idempotency, NewExport,
    Recovered, Removed,
};
pub use self::issued_tokens::IssuedToken;
use self::job::{ControlJob, Job, Reply};
pub use self::keys::ApiKey;
pub use self::limits::{Overrides, charge_export};
pub use self::log::EventRow;
pub use self::logins::{Login, Refresh, Refreshed};
pub use self::open::{Durability, beside};
use self::queue::Queue;
pub use self::repair::repair;
pub use self::restore::{RestoreOptions, Restored, restore};
pub use self::signing_keys::SigningKey;
use self::snapshot::{BULK_CACHE_KIB, REQUEST_CACHE_KIB, ReaderPool};
pub use self::snapshot::{Glance, Revision, Snapshot};
pub use self::stats::{COMMIT_BUCKETS_S, StatsReading};
pub use self::usage::horizon::{PrunableUsage, PrunedUsage};
use self::view::Views;
use self::writer::Writer;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::{Day, History, Id, Registration, Rejected, SystemEvent, UsageEvent};

#[derive(Clone, Debug)]
pub struct Settings {
    pub path: PathBuf,
    pub durability: Durability,
    /// The file may not grow beyond so many bytes, its WAL apart; 0 for no bound.
    pub bytes_max: u64,
    /// Distinct teams taken, over the life of the database.
    pub teams_max: u32,
    /// Distinct services taken, of usage and of the log each.
    pub services_max: u32,
    /// Events that may wait for the writer; above it a request is answered 503.
    pub queue_items_max: usize,
    /// What reads may keep in memory of the users of days, months and years.
    pub span_cache_bytes: usize,
}

/// An open database. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    database_id: Arc<str>,
    key: DigestKey,
    queue: Arc<Queue>,
    views: Arc<Views>,
    readers: ReaderPool,
    bulk_readers: ReaderPool,
    exports: exports::ExportBell,
    stats: Arc<stats::Stats>,
    failed: watch::Receiver<Option<String>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// Dropped last: nobody else may open the file while we still write.
    _lock: open::Lock,
}

impl Store {
    /// Opens or makes the database and starts its writer. Errors with a message for the operator: `Conflict` if
    /// another process holds it, `Internal` if the file is foreign, newer, damaged or cannot be written.
    pub fn open(settings: &Settings, clock: Clock) -> Result<Store> {
        let lock = open::Lock::take(&settings.path)?;
        let conn = open::open_writer(settings, clock.unix_micros())?;
        let (database_id, key) = identity(&conn)?;
        let queue = Arc::new(Queue::new(settings.queue_items_max));
        let stats = Arc::new(stats::Stats::default());
        let loaded = Writer::load(conn, settings, key.clone(), clock, Arc::clone(&queue), Arc::clone(&stats));
        let (writer, views) = loaded.map_err(|error| unloadable(&settings.path, &error))?;
        let (failing, failed) = watch::channel(None);
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || writer.run(failing));
        let thread = thread.map_err(|e| Error::internal(format!("cannot start the writer: {e}")))?;
        let inner = Inner {
            path: settings.path.clone(),
            database_id,
            key,
            queue,
            views,
            readers: ReaderPool::new(REQUEST_CACHE_KIB),
            bulk_readers: ReaderPool::new(BULK_CACHE_KIB),
            exports: exports::ExportBell::default(),
            stats,
            failed,
            writer: Mutex::new(Some(thread)),
            _lock: lock,
        };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// Takes usage events in; durable when it returns. Gives back, by index, those that would pass a bound.
    /// Errors with `Busy` if too much waits already, `StorageFull` if there is no room: nothing was taken then.
    pub async fn record(&self, events: Vec<UsageEvent>) -> Result<Vec<Rejected>> {
        self.submit(|reply| Job::Record { events, reply }).await
    }

    /// Registers users, in order; durable when it returns. Errors as [`Store::record`].
    pub async fn register(&self, registrations: Vec<Registration>) -> Result<Vec<Rejected>> {
        self.submit(|reply| Job::Register { registrations, reply }).await
    }

    /// Erases a person: the id leaves every structured column at once, and the file within a minute. Files of exports that
    /// may hold it can no longer be downloaded.
    /// False if there is no such user. Errors as [`Store::record`].
    pub async fn erase(&self, user_id: Id, history: History) -> Result<bool> {
        let erased = self.submit(|reply| Job::Erase { user_id, history, reply }).await?;
        // Files of exports that held the id are given up and have to go.
        self.inner.exports.ring();
        Ok(erased)
    }

    /// Appends system events in order; durable when it returns. Errors as [`Store::record`].
    pub async fn append(&self, events: Vec<SystemEvent>) -> Result<Vec<Rejected>> {
        self.submit(|reply| Job::Append { events, reply }).await
    }

    /// Rejects usage events before the month of `before` from now on, and removes some of the base facts that lie there:
    /// `rows_max` of them are looked at, in one transaction. To be called again until it says that it is done, with pauses.
    /// No answer changes by it. A `before` that lies behind one given earlier only goes on with what is left of that.
    /// Errors as [`Store::record`].
    pub async fn prune_usage(&self, before: Day, rows_max: usize) -> Result<PrunedUsage> {
        let pruned = self.submit(|reply| Job::PruneUsage { before, rows_max, reply }).await?;
        self.inner.stats.pruned_usage(pruned.removed);
        Ok(pruned)
    }

    /// Retention has looked what is too old, for /metrics.
    pub fn note_pruning(&self, unix_micros: i64) {
        self.inner.stats.note_pruning(unix_micros);
    }

    /// Items that wait for the writer.
    pub fn queue_items(&self) -> usize {
        self.inner.queue.items()
    }

    /// A consistent state that holds everything acknowledged so far. Short reads may run it inline on an async
    /// worker: it waits for no lock and no writer.
    pub fn snapshot(&self) -> Result<Snapshot<'_>> {
        Snapshot::begin(&self.inner, &self.inner.readers)
    }

    /// The same for those who read much, piece by piece: they neither take the pages from memory that requests come back
    /// to, nor keep any of their own.
    pub fn bulk_snapshot(&self) -> Result<Snapshot<'_>> {
        Snapshot::begin(&self.inner, &self.inner.bulk_readers)
    }

    /// The newest acknowledged state, as far as it is in memory: takes no transaction.
    pub fn glance(&self) -> Glance {
        Glance::new(&self.inner)
    }

    /// The same, and what the file holds of one user: reads it in a single statement.
    pub fn glance_at_user(&self, user_id: &Id) -> Result<Glance> {
        Glance::at_user(&self.inner, user_id)
    }

    /// A keyed digest of a secret of ours, which has 256 bits: what it tells of the secret helps nobody.
    pub fn secret_tag(&self, secret: &str) -> i64 {
        self.inner.key.short(digest::Kind::Secret, secret)
    }

    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    pub fn stats(&self) -> StatsReading {
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        StatsReading {
            queue_items: self.inner.queue.items() as u64,
            file_bytes: bytes(&self.inner.path),
            wal_bytes: bytes(&beside(&self.inner.path, "-wal")),
            ..self.inner.stats.read()
        }
    }

    /// Resolves with the reason once the writer has failed. The process should end then: nothing more is taken in.
    pub async fn failure(&self) -> String {
        let mut failed = self.inner.failed.clone();
        let reason = failed.wait_for(Option::is_some).await.map(|reason| reason.clone());
        match reason {
            Ok(reason) => reason.unwrap_or_default(),
            // The writer has ended without a word: it was closed, or it panicked.
            Err(_) if self.is_closed() => std::future::pending().await,
            Err(_) => "the writer ended unexpectedly".into(),
        }
    }

    /// Does what waits, then closes the file tidily. Later writes are errors.
    pub fn close(&self) {
        self.inner.close();
    }

    fn is_closed(&self) -> bool {
        self.inner.writer.lock().is_none()
    }

    async fn control<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.submit(|reply| Job::Control(Box::new(Control { work: Some(work), value: None, reply }))).await
    }

    async fn submit<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.inner.queue.push(job(reply))?;
        answer.await.unwrap_or_else(|_| Err(Error::internal("the writer ended before it answered")))
    }
}

impl Inner {
    fn close(&self) {
        let thread = self.writer.lock().take();
        // Before the writer is told: it must be the last to close, or the WAL stays.
        self.readers.close();
        self.bulk_readers.close();
        self.queue.close();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

struct Control<T, F> {
    work: Option<F>,
    value: Option<T>,
    reply: Reply<T>,
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T> + Send> ControlJob for Control<T, F> {
    fn run(&mut self, conn: &Connection) -> Result<()> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(conn)?);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<()>) {
        let Control { value, reply, .. } = *self;
        let value = value.ok_or_else(|| Error::internal("the job was not run"));
        let _ = reply.send(outcome.and(value));
    }
}

/// What is kept in memory follows from the base facts: most damage to it can be mended.
fn unloadable(path: &Path, error: &Error) -> Error {
    Error::internal(format!(
        "cannot load {}: {error}. `analytics check --repair` makes everything anew that follows from the base facts; if \
         those are damaged too, restore a backup",
        path.display()
    ))
}

fn identity(conn: &Connection) -> Result<(Arc<str>, DigestKey)> {
    const IDENTITY: &str = "select database_id, digest_key from database";
    let read = |row: &rusqlite::Row| Ok((row.get::<_, String>(0)?, row.get::<_, [u8; 32]>(1)?));
    let (database_id, key) = conn.query_row(IDENTITY, [], read)?;
    Ok((database_id.into(), DigestKey::new(key)))
}
