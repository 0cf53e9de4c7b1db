//! Keeps what an issuer publishes: asked for when needed, seldom, once at a time, and never lost to a bad answer.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::documents::{Documents, Sources};
use super::fetch::{Fetcher, TIMEOUT};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};

/// An issuer is asked at most so often, whatever tokens come.
const FETCH_AFTER_MICROS: u64 = 30_000_000;
/// Documents are asked for again after this, in the background.
const STALE_AFTER_MICROS: u64 = 15 * 60 * 1_000_000;
/// Files are near: a change of them is seen as soon as we would look at all.
const STALE_FILE_AFTER_MICROS: u64 = FETCH_AFTER_MICROS;

pub struct Published {
    issuer: String,
    sources: Sources,
    fetcher: Arc<Fetcher>,
    clock: Clock,
    documents: Mutex<Option<Arc<Documents>>>,
    slot: Mutex<Slot>,
    /// Monotonic microseconds: from then on the documents are asked for again when they are used.
    stale_at: AtomicU64,
    /// Changes at the end of each fetch.
    finished: watch::Sender<()>,
    on_key_gone: Box<dyn Fn() + Send + Sync>,
}

/// Who may fetch. Taken before asking, so that a thousand requests at once ask once.
#[derive(Default)]
struct Slot {
    is_running: bool,
    /// Monotonic microseconds.
    taken_at: Option<u64>,
}

impl Published {
    /// Reads files; what is at the issuer is fetched when it is first needed. `on_key_gone` is called when a key has
    /// left the set: what it signed is good no more. Errors with what cannot be read, for the operator.
    pub fn new(
        issuer: &str,
        sources: Sources,
        fetcher: Arc<Fetcher>,
        clock: Clock,
        on_key_gone: impl Fn() + Send + Sync + 'static,
    ) -> std::result::Result<Published, String> {
        let documents = if sources.are_local() { Some(Arc::new(sources.read()?)) } else { None };
        let published = Published {
            issuer: issuer.to_string(),
            sources,
            fetcher,
            clock,
            documents: Mutex::new(documents),
            slot: Mutex::default(),
            stale_at: AtomicU64::new(0),
            finished: watch::Sender::new(()),
            on_key_gone: Box::new(on_key_gone),
        };
        published.stale_at.store(published.clock.monotonic_micros() + STALE_FILE_AFTER_MICROS, Relaxed);
        Ok(published)
    }

    /// What is known; asks the issuer if nothing is. Errors with `Busy` if it cannot be had.
    pub async fn documents(self: &Arc<Self>) -> Result<Arc<Documents>> {
        if let Some(documents) = self.known() {
            return Ok(documents);
        }
        self.refresh().await;
        self.known().ok_or_else(|| {
            let message =
                "this token cannot be verified just now: its issuer does not answer; try again after Retry-After";
            Error::new(Kind::Busy { retry_after_s: self.retry_after_s() }, message)
        })
    }

    /// Asks anew, unless that was done less than 30 s ago, and waits for the answer; joins one that is under way.
    pub async fn refresh(self: &Arc<Self>) {
        // Before it may start: its end cannot be missed.
        let mut finished = self.finished.subscribe();
        if self.start() {
            let _ = finished.changed().await;
        }
    }

    /// To be called whenever the documents, or what was verified by them, are used.
    pub fn keep_fresh(self: &Arc<Self>) {
        if self.clock.monotonic_micros() >= self.stale_at.load(Relaxed) && self.known().is_some() {
            self.start();
        }
    }

    pub fn known(&self) -> Option<Arc<Documents>> {
        self.documents.lock().clone()
    }

    /// True if a fetch is under way now. It is a task of its own: a client that hangs up does not end it for others.
    fn start(self: &Arc<Self>) -> bool {
        let now = self.clock.monotonic_micros();
        {
            let mut slot = self.slot.lock();
            if slot.is_running || slot.taken_at.is_some_and(|at| now.saturating_sub(at) < FETCH_AFTER_MICROS) {
                return slot.is_running;
            }
            *slot = Slot { is_running: true, taken_at: Some(now) };
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let fetched = tokio::time::timeout(TIMEOUT, this.sources.fetch(&this.fetcher)).await;
            this.finish(fetched.unwrap_or_else(|_| Err(format!("no answer within {} s", TIMEOUT.as_secs()))));
        });
        true
    }

    /// A bad answer changes nothing: what is known serves on while the issuer is down.
    fn finish(&self, fetched: std::result::Result<Documents, String>) {
        let fresh_for = match fetched {
            Ok(documents) => {
                self.publish(documents);
                if self.sources.are_local() { STALE_FILE_AFTER_MICROS } else { STALE_AFTER_MICROS }
            }
            Err(reason) => {
                let _ = writeln!(std::io::stderr(), "warning: trusted issuer {}: {reason}", self.issuer);
                FETCH_AFTER_MICROS
            }
        };
        self.stale_at.store(self.clock.monotonic_micros() + fresh_for, Relaxed);
        self.slot.lock().is_running = false;
        self.finished.send_replace(());
    }

    fn publish(&self, documents: Documents) {
        let documents = Arc::new(documents);
        let before = self.documents.lock().replace(Arc::clone(&documents));
        // After the new set stands: what is verified from now on is verified by it.
        if before.is_some_and(|before| documents.keys.lacks_any_of(&before.keys)) {
            (self.on_key_gone)();
        }
    }

    fn retry_after_s(&self) -> u64 {
        let taken_at = self.slot.lock().taken_at;
        let since = taken_at.map_or(0, |at| self.clock.monotonic_micros().saturating_sub(at));
        FETCH_AFTER_MICROS.saturating_sub(since).div_ceil(1_000_000).max(1)
    }
}
