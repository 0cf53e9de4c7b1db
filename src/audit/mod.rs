//! The server's own audit trail: system events of the reserved service `analytics`, written into its own log.
//!
//! What an attacker can repeat is grouped per source (or principal) and minute: the first of a group is written at once, so
//! that an alert is not late, and the rest of that minute as one event with their number when the minute is over.

mod event;
mod groups;

use std::collections::VecDeque;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use self::groups::{Groups, Line};
use crate::clock::Clock;
use crate::error::{Kind, Result};
use crate::model::{Rejected, Timestamp};
use crate::store::Store;

/// Lines that may wait for the disk; of what comes on top only the number is kept.
const WAITING_MAX: usize = 10_000;
/// Lines written in one piece.
const BATCH_MAX: usize = 500;
/// How often we look whether a minute is over, and try again where nothing could be written.
const TICK: Duration = Duration::from_secs(1);
/// At the end we wait at most so often, and so long, for a writer that has too much to do.
const FLUSH_TRIES: u32 = 50;
const FLUSH_PAUSE: Duration = Duration::from_millis(100);

/// Something that happened to the server itself. No variant can hold a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    Started {
        version: &'static str,
    },
    Stopped,
    /// A credential did not hold. Grouped per source and minute.
    LoginFailed {
        source: IpAddr,
        way: &'static str,
    },
    /// A good credential did not reach far enough. Grouped per principal and minute.
    Refused {
        issuer: String,
        subject: String,
        what: &'static str,
        source: Option<IpAddr>,
    },
    /// An administrator made, changed or revoked something: ("key", "created", id, owner).
    Changed {
        what: &'static str,
        how: &'static str,
        name: String,
        detail: String,
    },
    /// A refresh token was used twice. Grouped per account and minute.
    RefreshTokenReused {
        account: String,
        source: Option<IpAddr>,
    },
    /// Grouped per name and minute.
    LimitExceeded {
        name: String,
        policy: &'static str,
    },
    /// An export job failed, other than by being cancelled.
    ExportFailed {
        id: String,
        owner: String,
        code: String,
    },
    /// Retention has removed so many of something older than this day or instant.
    Pruned {
        what: &'static str,
        removed: u64,
        before: String,
    },
}

/// Cheap to clone. Off, it takes entries and forgets them.
#[derive(Clone)]
pub struct Audit(Option<Arc<Inner>>);

struct Inner {
    store: Store,
    clock: Clock,
    trail: Mutex<Trail>,
    noted: Notify,
    /// Held while lines are written, so that none is written twice.
    writing: tokio::sync::Mutex<()>,
}

/// What has been noted and not yet written.
#[derive(Default)]
struct Trail {
    groups: Groups,
    waiting: VecDeque<Line>,
    lost: u64,
    /// Whether the operator has been told that nothing can be written.
    is_told: bool,
}

impl Audit {
    pub fn off() -> Audit {
        Audit(None)
    }

    pub fn new(store: Store, clock: Clock) -> Audit {
        let inner = Inner {
            store,
            clock,
            trail: Mutex::default(),
            noted: Notify::new(),
            writing: tokio::sync::Mutex::default(),
        };
        Audit(Some(Arc::new(inner)))
    }

    /// Takes an entry and returns at once; bounded whatever comes.
    pub fn note(&self, entry: Entry) {
        let Some(inner) = &self.0 else { return };
        let Some(now) = inner.now() else { return };
        let mut trail = inner.trail.lock();
        trail.end_minute(now);
        if let Some(line) = trail.groups.take(entry, now) {
            trail.wait(line);
            drop(trail);
            inner.noted.notify_one();
        }
    }

    /// Writes what has been noted, until dropped. To be spawned once. What cannot be written just now (a full disk, a busy
    /// writer) waits within bounds.
    pub async fn run(self) {
        let Some(inner) = self.0 else { return };
        loop {
            if let Some(now) = inner.now() {
                inner.trail.lock().end_minute(now);
            }
            match inner.write().await {
                Ok(()) => tokio::select! {
                    () = inner.noted.notified() => {}
                    () = tokio::time::sleep(TICK) => {}
                },
                Err(_) => tokio::time::sleep(TICK).await,
            }
        }
    }

    /// Writes everything noted so far, open groups too; durable when it returns. Gives up, and says so on standard error,
    /// where nothing can be written.
    pub async fn flush(&self) {
        let Some(inner) = &self.0 else { return };
        inner.trail.lock().end_groups();
        for _ in 0..FLUSH_TRIES {
            match inner.write().await {
                Err(error) if matches!(error.kind, Kind::Busy { .. }) => tokio::time::sleep(FLUSH_PAUSE).await,
                _ => return,
            }
        }
    }
}

impl Inner {
    /// None where the system's clock stands outside the years that a time stamp can hold.
    fn now(&self) -> Option<Timestamp> {
        Timestamp::from_unix_micros(self.clock.unix_micros())
    }

    /// Errors as [`Store::append`]; what was not written keeps its place.
    async fn write(&self) -> Result<()> {
        let _writing = self.writing.lock().await;
        loop {
            let (lines, lost) = {
                let trail = self.trail.lock();
                (trail.waiting.iter().take(BATCH_MAX).cloned().collect::<Vec<_>>(), trail.lost)
            };
            let last = lines.last().map(|line| line.at).or_else(|| self.now());
            let mut events: Vec<_> = lines.iter().map(event::of).collect();
            events.extend(last.filter(|_| lost > 0).map(|at| event::of_lost(lost, at)));
            if events.is_empty() {
                return Ok(());
            }
            let outcome = self.store.append(events).await;
            self.tell(problem(&outcome));
            let rejected = outcome?;
            let mut trail = self.trail.lock();
            trail.waiting.drain(..lines.len());
            trail.lost -= lost;
            // What was rejected once would be rejected again.
            if !rejected.is_empty() {
                return Ok(());
            }
        }
    }

    /// A trail that cannot be written is no reason to stop; but somebody must hear of it, once.
    fn tell(&self, problem: Option<&str>) {
        let was_told = std::mem::replace(&mut self.trail.lock().is_told, problem.is_some());
        if let Some(problem) = problem.filter(|_| !was_told) {
            let _ = writeln!(std::io::stderr(), "warning: the audit trail cannot be written: {problem}");
        }
    }
}

/// What stands in the way of writing, for longer than a moment. Our service has a name like any other: where the log has
/// all the names that it may have, its events are rejected.
fn problem(outcome: &Result<Vec<Rejected>>) -> Option<&str> {
    match outcome {
        Ok(rejected) => rejected.first().map(|first| first.message.as_str()),
        Err(error) => Some(error.message.as_str()).filter(|_| !matches!(error.kind, Kind::Busy { .. })),
    }
}

impl Trail {
    fn end_minute(&mut self, now: Timestamp) {
        if self.groups.is_over(now) {
            self.end_groups();
        }
    }

    fn end_groups(&mut self) {
        for line in self.groups.end() {
            self.wait(line);
        }
    }

    fn wait(&mut self, line: Line) {
        match self.waiting.len() < WAITING_MAX {
            true => self.waiting.push_back(line),
            false => self.lost += line.times.number(),
        }
    }
}

#[cfg(test)]
mod tests;
