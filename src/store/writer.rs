//! The one writer: a thread that drains waiting jobs into one transaction, commits, and then answers them.
//!
//! Invariants: a job is answered only after the commit that holds it; base facts, rollup bookkeeping and counts share
//! that commit; a view is published before its commit and taken back if it fails; after a failed commit everything in
//! memory is loaded anew. A full disk is answered and survived; any other failure ends the writer, and with it the
//! process (`Store::failure`), because a server that can only say 503 is worse than one that restarts.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, named_params};
use tokio::sync::{oneshot, watch};

use super::digest::DigestKey;
use super::log::LogWriter;
use super::queue::{Next, Queue};
use super::stats::Stats;
use super::usage::{Bounds, UsageWriter};
use super::view::{View, Views};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{History, Id, Registration, Rejected, SystemEvent, Timestamp, UsageEvent};

pub type Reply<T> = oneshot::Sender<Result<T>>;

/// What the writer is asked to do.
pub enum Job {
    Record {
        events: Vec<UsageEvent>,
        reply: Reply<Vec<Rejected>>,
    },
    Register {
        registrations: Vec<Registration>,
        reply: Reply<Vec<Rejected>>,
    },
    Append {
        events: Vec<SystemEvent>,
        reply: Reply<Vec<Rejected>>,
    },
    Erase {
        user_id: Id,
        history: History,
        reply: Reply<bool>,
    },
    /// A change of control tables.
    Control(Box<dyn ControlJob>),
}

/// Runs inside the transaction; is told the outcome after it.
pub trait ControlJob: Send {
    fn run(&mut self, conn: &Connection) -> Result<()>;
    fn finish(self: Box<Self>, outcome: Result<()>);
}

impl Job {
    /// Weight in the queue and the group.
    pub fn items(&self) -> usize {
        match self {
            Job::Record { events, .. } => events.len(),
            Job::Register { registrations, .. } => registrations.len(),
            Job::Append { events, .. } => events.len(),
            Job::Erase { .. } | Job::Control(_) => 1,
        }
    }
}

/// A job done but not yet answered.
type Answer = Box<dyn FnOnce(Result<()>)>;

fn answer<T: 'static>(reply: Reply<T>, value: T) -> Answer {
    // A receiver that is gone (the client hung up) is none of our concern: the work is done all the same.
    Box::new(move |outcome| drop(reply.send(outcome.map(|()| value))))
}

/// More items than this in one commit would only delay the acknowledgement of the first.
const GROUP_ITEMS_MAX: usize = 4_000;
/// WAL pages after which the writer checkpoints, once the group is answered.
const CHECKPOINT_PAGES: i64 = 1_000;
/// A WAL file at least this long is cut back when the writer is idle.
const TRUNCATE_PAGES: i64 = 4_000;
/// A WAL that grows so long has readers in it without a pause: new ones are turned to the database file.
const RESTART_PAGES: i64 = 16_000;
/// How long a checkpoint may wait for readers before it gives up until the next time.
const READERS_WAIT: Duration = Duration::from_millis(50);
/// Free pages above which space is given back to the file system while idle, and how many at a time.
const FREE_PAGES_MAX: i64 = 4_096;
const VACUUM_PAGES: i64 = 1_024;
/// How long an idle writer sleeps before it looks at housekeeping again.
const IDLE: Duration = Duration::from_millis(200);

pub struct Writer {
    conn: Connection,
    key: DigestKey,
    bounds: Bounds,
    clock: Clock,
    queue: Arc<Queue>,
    views: Arc<Views>,
    stats: Arc<Stats>,
    usage: UsageWriter,
    log: LogWriter,
    commit_seq: i64,
    /// An erased id may still stand in the WAL: it must be written back and cut.
    scrub: bool,
}

impl Writer {
    /// Loads what is kept in memory and publishes the first view.
    pub fn load(
        conn: Connection,
        key: DigestKey,
        bounds: Bounds,
        clock: Clock,
        queue: Arc<Queue>,
        stats: Arc<Stats>,
    ) -> Result<(Writer, Arc<Views>)> {
        let usage = UsageWriter::load(&conn, key.clone(), bounds)?;
        let log = LogWriter::load(&conn, key.clone(), bounds.services_max)?;
        let commit_seq = read_commit_seq(&conn)?;
        let first = View { commit_seq, usage: usage.overlay(), log: log.directory() };
        let views = Arc::new(Views::new(first));
        // A WAL left by a crash may hold what an erasure was still to remove.
        let scrub = true;
        let writer =
            Writer { conn, key, bounds, clock, queue, views: Arc::clone(&views), stats, usage, log, commit_seq, scrub };
        Ok((writer, views))
    }

    /// Works until the queue is closed and empty. A failure is told to `failed`, and the queue closes.
    pub fn run(mut self, failed: watch::Sender<Option<String>>) {
        loop {
            let wait = if self.usage.is_folding() { Duration::ZERO } else { IDLE };
            let done = match self.queue.next(GROUP_ITEMS_MAX, wait) {
                Next::Group(group) => self.commit_group(group),
                Next::Nothing => self.housekeep(),
                Next::Closed => break,
            };
            if let Err(error) = done {
                self.queue.close();
                failed.send_replace(Some(error.message));
                return;
            }
        }
        // A tidy end leaves no WAL behind; what is left undone is done at the next start.
        let _ = checkpoint(&self.conn, "truncate");
    }

    /// One transaction for all jobs of the group, then their answers. Errors only if the writer cannot go on.
    fn commit_group(&mut self, group: Vec<Job>) -> Result<()> {
        let started = self.clock.monotonic();
        let items: usize = group.iter().map(Job::items).sum();
        let mut answers = Vec::with_capacity(group.len());
        let outcome = self.transact(|writer| writer.run_jobs(group, &mut answers));
        let fatal = self.settle(&outcome)?;
        if outcome.is_ok() {
            self.stats.committed(items, started.elapsed());
        }
        for answer in answers {
            answer(outcome.clone());
        }
        if fatal {
            return outcome;
        }
        self.checkpoint_if_due()
    }

    /// After a failure: back to the state of the last commit. Says whether the failure is one to end with.
    fn settle(&mut self, outcome: &Result<()>) -> Result<bool> {
        let Err(error) = outcome else { return Ok(false) };
        if error.kind != Kind::StorageFull {
            return Ok(true);
        }
        self.usage = UsageWriter::load(&self.conn, self.key.clone(), self.bounds)?;
        self.log = LogWriter::load(&self.conn, self.key.clone(), self.bounds.services_max)?;
        Ok(false)
    }

    fn transact(&mut self, work: impl FnOnce(&mut Writer) -> Result<()>) -> Result<()> {
        self.conn.prepare_cached("begin immediate")?.execute([])?;
        let next = self.commit_seq + 1;
        let done = work(self).and_then(|()| self.finish(next));
        let done = done.and_then(|()| Ok(self.conn.prepare_cached("commit")?.execute([]).map(drop)?));
        match done {
            Ok(()) => self.commit_seq = next,
            Err(_) => {
                self.views.retract(next);
                // SQLite may have rolled back by itself; either way nothing of this group stays.
                let _ = self.conn.execute_batch("rollback");
            }
        }
        done
    }

    fn finish(&mut self, commit_seq: i64) -> Result<()> {
        const STAMP: &str = "
            update database set commit_seq = :commit_seq,
                usage_revision = usage_revision + :usage_changed, log_revision = log_revision + :log_changed";
        let usage_changed = self.usage.finish(&self.conn)?;
        let log_changed = self.log.finish(&self.conn)?;
        let stamp =
            named_params! { ":commit_seq": commit_seq, ":usage_changed": usage_changed, ":log_changed": log_changed };
        self.conn.prepare_cached(STAMP)?.execute(stamp)?;
        self.views.publish(View { commit_seq, usage: self.usage.overlay(), log: self.log.directory() });
        Ok(())
    }

    /// Usage events that wait together are recorded together, and so are log events: what they share is touched
    /// once. Registrations and erasures keep their place among the usage events.
    fn run_jobs(&mut self, group: Vec<Job>, answers: &mut Vec<Answer>) -> Result<()> {
        let mut recorded = Batch::default();
        let mut appended = Batch::default();
        let mut failed = None;
        for job in group {
            let done = match job {
                Job::Record { events, reply } => {
                    recorded.push(events, reply);
                    Ok(())
                }
                Job::Append { events, reply } => {
                    appended.push(events, reply);
                    Ok(())
                }
                Job::Register { registrations, reply } => {
                    recorded.run(answers, |events| self.usage.record(&self.conn, events)).and_then(|()| {
                        let rejected = self.register(&registrations);
                        keep(answers, reply, rejected)
                    })
                }
                Job::Erase { user_id, history, reply } => {
                    recorded.run(answers, |events| self.usage.record(&self.conn, events)).and_then(|()| {
                        let erased = self.usage.erase(&self.conn, &user_id, history);
                        self.scrub |= matches!(erased, Ok(true));
                        keep(answers, reply, erased)
                    })
                }
                Job::Control(mut control) => {
                    let done = control.run(&self.conn);
                    answers.push(Box::new(move |outcome| control.finish(outcome)));
                    done
                }
            };
            // Whoever is in the group is answered, even when the group has failed already.
            failed = failed.or(done.err());
        }
        let recorded = recorded.run(answers, |events| self.usage.record(&self.conn, events));
        let appended = appended.run(answers, |events| self.log.append(&self.conn, events));
        failed.map_or(Ok(()), Err).and(recorded).and(appended)
    }

    fn register(&mut self, registrations: &[Registration]) -> Result<Vec<Rejected>> {
        let now = Timestamp::from_unix_micros(self.clock.unix_micros());
        let now = now.ok_or_else(|| Error::internal("the system's clock stands outside the years 0001 to 9999"))?;
        self.usage.register(&self.conn, registrations, now)
    }

    /// What can wait until nobody waits: folding on, cutting the WAL, giving space back.
    fn housekeep(&mut self) -> Result<()> {
        if self.usage.is_folding() {
            let outcome = self.transact(|_| Ok(()));
            return if self.settle(&outcome)? { outcome } else { self.checkpoint_if_due() };
        }
        let wal = wal_pages(&self.conn)?;
        self.stats.set_wal_pages(wal.waiting);
        if self.scrub || wal.all >= TRUNCATE_PAGES {
            // A reader in the way makes it busy; the next round tries again.
            let busy = checkpoint(&self.conn, "truncate")?;
            self.scrub &= busy;
        }
        let free: i64 = self.conn.prepare_cached("pragma freelist_count")?.query_row([], |row| row.get(0))?;
        if free > FREE_PAGES_MAX {
            let mut vacuum = self.conn.prepare(&format!("pragma incremental_vacuum({VACUUM_PAGES})"))?;
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(())
    }

    fn checkpoint_if_due(&mut self) -> Result<()> {
        let wal = wal_pages(&self.conn)?;
        self.stats.set_wal_pages(wal.waiting);
        if self.scrub {
            // An erasure must leave the WAL even when the writer never rests.
            self.scrub = checkpoint(&self.conn, "truncate")?;
        } else if wal.all >= RESTART_PAGES {
            checkpoint(&self.conn, "restart")?;
        } else if wal.waiting >= CHECKPOINT_PAGES {
            checkpoint(&self.conn, "passive")?;
        }
        Ok(())
    }
}

/// Jobs of one kind, done in one go; each is told what of its own was rejected.
struct Batch<T> {
    items: Vec<T>,
    /// Where each job's items end.
    replies: Vec<(usize, Reply<Vec<Rejected>>)>,
}

impl<T> Default for Batch<T> {
    fn default() -> Batch<T> {
        Batch { items: vec![], replies: vec![] }
    }
}

impl<T> Batch<T> {
    fn push(&mut self, items: Vec<T>, reply: Reply<Vec<Rejected>>) {
        if self.items.is_empty() {
            self.items = items;
        } else {
            self.items.extend(items);
        }
        self.replies.push((self.items.len(), reply));
    }

    fn run(&mut self, answers: &mut Vec<Answer>, work: impl FnOnce(&[T]) -> Result<Vec<Rejected>>) -> Result<()> {
        if self.replies.is_empty() {
            return Ok(());
        }
        let items = std::mem::take(&mut self.items);
        let (mut rejected, failed) = match work(&items) {
            Ok(rejected) => (rejected.into_iter().peekable(), None),
            Err(error) => (vec![].into_iter().peekable(), Some(error)),
        };
        let mut start = 0;
        for (end, reply) in self.replies.drain(..) {
            let mut own = vec![];
            while let Some(item) = rejected.next_if(|item| item.index < end) {
                own.push(Rejected { index: item.index - start, ..item });
            }
            answers.push(answer(reply, own));
            start = end;
        }
        failed.map_or(Ok(()), Err)
    }
}

fn keep<T: Default + 'static>(answers: &mut Vec<Answer>, reply: Reply<T>, done: Result<T>) -> Result<()> {
    match done {
        Ok(value) => {
            answers.push(answer(reply, value));
            Ok(())
        }
        Err(error) => {
            answers.push(answer(reply, T::default()));
            Err(error)
        }
    }
}

fn read_commit_seq(conn: &Connection) -> Result<i64> {
    Ok(conn.query_row("select commit_seq from database", [], |row| row.get(0))?)
}

/// Pages in the WAL, and those of them that are not in the database file yet.
struct WalPages {
    all: i64,
    waiting: i64,
}

/// Asks without doing anything.
fn wal_pages(conn: &Connection) -> Result<WalPages> {
    let mut statement = conn.prepare_cached("pragma wal_checkpoint(noop)")?;
    let (all, done): (i64, i64) = statement.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))?;
    Ok(WalPages { all, waiting: all - done })
}

/// `mode`: passive, restart or truncate. Says whether somebody stood in the way.
fn checkpoint(conn: &Connection, mode: &str) -> Result<bool> {
    conn.busy_timeout(READERS_WAIT)?;
    let mut statement = conn.prepare_cached(&format!("pragma wal_checkpoint({mode})"))?;
    let busy = statement.query_row([], |row| row.get::<_, i64>(0))? != 0;
    conn.busy_timeout(super::open::BUSY_TIMEOUT)?;
    Ok(busy)
}
