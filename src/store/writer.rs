//! The one writer: a thread that drains waiting jobs into one transaction, commits, and then answers them.
//!
//! Invariants: a job is answered only after the commit that holds it; base facts, rollup bookkeeping and counts share
//! that commit; a view is published before its commit and taken back if it fails; after a failed commit everything in
//! memory is loaded anew. A full disk is answered and survived; any other failure ends the writer, and with it the
//! process (`Store::failure`), because a server that can only say 503 is worse than one that restarts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, named_params};
use tokio::sync::watch;

use super::Settings;
use super::checkpoint::{Checkpoints, give_space_back};
use super::digest::DigestKey;
use super::exports;
use super::job::{Batch, Job, Progress};
use super::log::LogWriter;
use super::open::bytes_max;
use super::queue::{Next, Queue};
use super::retire::Retirement;
use super::stats::Stats;
use super::usage::{Bounds, UsageWriter};
use super::varint::damaged;
use super::view::{Stamp, View, Views, read_stamp};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{History, Id, Registration, Rejected, Retired, Timestamp};

/// More items than this in one commit would only delay the acknowledgement of the first.
const GROUP_ITEMS_MAX: usize = 4_000;
/// How long an idle writer sleeps before it looks at housekeeping again.
const IDLE: Duration = Duration::from_millis(200);
/// The same while much space is to be given back, which is done in pieces of some milliseconds.
const IDLE_WHEN_SHRINKING: Duration = Duration::from_millis(5);
/// A piece follows the other after so long even if the writer never rests: what is being removed shall not fill the disk.
const SHRINKING_PAUSE: Duration = Duration::from_millis(25);
/// The same while there is no room: folding would only fail again, and every failure loads the memory anew.
const IDLE_WHEN_FULL: Duration = Duration::from_secs(2);
/// Steps of SQLite's virtual machine, some 30 rows written, after which reads that are short may have the processor.
const STRETCH_STEPS: i32 = 1_000;
/// Having found nothing to do so often in a row (for five seconds), it takes up what is better done late than never.
const QUIET_AFTER: u32 = 25;

pub struct Writer {
    /// Stands before the connection, so that it closes the file first.
    checkpoints: Checkpoints,
    conn: Connection,
    key: DigestKey,
    bounds: Bounds,
    span_cache_bytes: usize,
    clock: Clock,
    queue: Arc<Queue>,
    views: Arc<Views>,
    stats: Arc<Stats>,
    usage: UsageWriter,
    log: LogWriter,
    /// Of the last commit.
    stamp: Stamp,
    /// An erased id may still stand in the WAL: it must be written back and cut.
    scrub: bool,
    /// The last transaction found no room.
    is_full: bool,
    /// The file may hold much free space.
    is_shrinking: bool,
    shrunk_at: Option<Instant>,
    /// How often in a row there was nothing to do.
    idle_times: u32,
}

impl Writer {
    /// Loads what is kept in memory and publishes the first view.
    pub fn load(
        mut conn: Connection,
        settings: &Settings,
        key: DigestKey,
        clock: Clock,
        queue: Arc<Queue>,
        stats: Arc<Stats>,
    ) -> Result<(Writer, Arc<Views>)> {
        let to_do = Arc::clone(&queue);
        conn.progress_handler(STRETCH_STEPS, Some(move || to_do.give_way_unless_much()))?;
        let bounds = Bounds { teams_max: settings.teams_max, services_max: settings.services_max };
        let usage = UsageWriter::load(&conn, key.clone(), bounds, settings.span_cache_bytes)?;
        let log = LogWriter::load(&conn, key.clone(), bounds.services_max)?;
        let stamp = read_stamp(&conn)?;
        let first = View { stamp, usage: usage.overlay(), log: log.directory() };
        let views = Arc::new(Views::new(first));
        // A WAL left by a crash may hold what an erasure was still to remove.
        let scrub = true;
        let writer = Writer {
            conn,
            key,
            bounds,
            span_cache_bytes: settings.span_cache_bytes,
            clock,
            queue,
            views: Arc::clone(&views),
            stats,
            usage,
            log,
            stamp,
            scrub,
            checkpoints: Checkpoints::new(settings),
            is_full: false,
            is_shrinking: false,
            shrunk_at: None,
            idle_times: 0,
        };
        Ok((writer, views))
    }

    /// Works until the queue is closed and empty. A failure is told to `failed`.
    pub fn run(mut self, failed: watch::Sender<Option<String>>) {
        loop {
            let done = match self.queue.next(GROUP_ITEMS_MAX, self.idle()) {
                Next::Group(group) => self.commit_group(group),
                Next::Nothing => self.housekeep(),
                Next::Closed => break,
            };
            if let Err(error) = done {
                failed.send_replace(Some(error.message));
                return;
            }
        }
        // A failure costs the next start some milliseconds, and nothing else.
        while self.usage.is_storing_last_keys() && self.transact(&mut Progress::default(), vec![]).is_ok() {}
        self.checkpoints.finish(&self.conn, &self.clock);
    }

    fn idle(&self) -> Duration {
        match self.is_full {
            true => IDLE_WHEN_FULL,
            false if self.usage.is_folding() => Duration::ZERO,
            false if self.is_shrinking => IDLE_WHEN_SHRINKING,
            false => IDLE,
        }
    }

    /// One transaction for all jobs of the group, then their answers. Errors only if the writer cannot go on.
    fn commit_group(&mut self, group: Vec<Job>) -> Result<()> {
        self.idle_times = 0;
        let started = self.clock.monotonic();
        let items: usize = group.iter().map(Job::items).sum();
        let mut progress = Progress::default();
        let outcome = self.transact(&mut progress, group);
        let settled = self.settle(&outcome);
        if outcome.is_ok() {
            self.stats.committed(items, self.clock.monotonic() - started);
        }
        progress.tell(&outcome);
        settled?;
        self.checkpoint_if_due()?;
        self.shrink_if_due()
    }

    /// After a failure: back to the state of the last commit. Errors if the failure is one to end with.
    fn settle(&mut self, outcome: &Result<()>) -> Result<()> {
        self.is_full = matches!(outcome, Err(error) if error.kind == Kind::StorageFull);
        if !self.is_full {
            return outcome.clone();
        }
        self.usage = UsageWriter::load(&self.conn, self.key.clone(), self.bounds, self.span_cache_bytes)?;
        self.log = LogWriter::load(&self.conn, self.key.clone(), self.bounds.services_max)?;
        Ok(())
    }

    fn transact(&mut self, progress: &mut Progress, group: Vec<Job>) -> Result<()> {
        let next_seq = self.stamp.commit_seq.checked_add(1).ok_or_else(damaged)?;
        progress.attempt(|| execute(&self.conn, "begin immediate"));
        self.run_jobs(progress, group);
        let stamp = progress.attempt(|| self.finish(next_seq));
        // The bound on the file shows while pages are asked for; what a commit lacks is room on the disk.
        let worked = progress.outcome().map_err(|error| self.bound_reached(error));
        let done = worked.and_then(|()| execute(&self.conn, "commit"));
        match done {
            Ok(()) => {
                self.stamp = stamp;
                self.views.committed(next_seq);
            }
            Err(_) => {
                self.views.retract(next_seq);
                // SQLite may have rolled back by itself; either way nothing of this group stays.
                let _ = self.conn.execute_batch("rollback");
            }
        }
        done
    }

    fn bound_reached(&self, error: Error) -> Error {
        match bytes_max(&self.conn) {
            Ok(Some(bytes)) if error.kind == Kind::StorageFull => Error {
                message: format!(
                    "the database may not grow beyond {bytes} bytes (database.bytes_max): nothing of this request was \
                     stored; raise the bound, then send it again"
                ),
                ..error
            },
            _ => error,
        }
    }

    fn finish(&mut self, commit_seq: i64) -> Result<Stamp> {
        const STAMP: &str = "
            update database set commit_seq = :commit_seq, usage_revision = :usage_revision, log_revision = :log_revision";
        let usage_changed = self.usage.finish(&self.conn)?;
        let log_changed = self.log.finish(&self.conn)?;
        let stamp = Stamp {
            commit_seq,
            usage_revision: self.stamp.usage_revision + i64::from(usage_changed),
            log_revision: self.stamp.log_revision + i64::from(log_changed),
        };
        self.conn.prepare_cached(STAMP)?.execute(named_params! {
            ":commit_seq": stamp.commit_seq,
            ":usage_revision": stamp.usage_revision,
            ":log_revision": stamp.log_revision,
        })?;
        self.views.publish(View { stamp, usage: self.usage.overlay(), log: self.log.directory() });
        Ok(stamp)
    }

    /// Usage events that wait together are recorded together, and so are log events: what they share is touched
    /// once. Registrations and erasures keep their place among the usage events.
    fn run_jobs(&mut self, progress: &mut Progress, group: Vec<Job>) {
        let mut recorded = Batch::default();
        let mut appended = Batch::default();
        for job in group {
            match job {
                Job::Record { events, reply } => recorded.push(events, reply),
                Job::Append { events, reply } => appended.push(events, reply),
                Job::Register { registrations, reply } => {
                    recorded.run(progress, |events| self.usage.record(&self.conn, events));
                    let rejected = progress.attempt(|| self.register(&registrations));
                    progress.answer(reply, rejected);
                }
                Job::Erase { user_id, history, reply } => {
                    recorded.run(progress, |events| self.usage.record(&self.conn, events));
                    let erased = progress.attempt(|| self.erase(&user_id, history));
                    self.scrub = true;
                    progress.answer(reply, erased);
                }
                Job::PruneUsage { before, rows_max, reply } => {
                    recorded.run(progress, |events| self.usage.record(&self.conn, events));
                    let pruned = progress.attempt(|| self.usage.prune(&self.conn, before, rows_max));
                    progress.answer(reply, pruned);
                }
                // Before any event is appended: those below the new floors are not taken in.
                Job::Retire { retirement, reply } => {
                    let retired = progress.attempt(|| self.retire(&retirement));
                    progress.answer(reply, retired);
                }
                Job::Control(mut control) => {
                    progress.attempt(|| control.run(&self.conn));
                    progress.finish(control);
                }
            }
        }
        recorded.run(progress, |events| self.usage.record(&self.conn, events));
        appended.run(progress, |events| self.log.append(&self.conn, events));
    }

    fn erase(&mut self, user_id: &Id, history: History) -> Result<bool> {
        // Whether the id is known or not: an export may have been asked for under one that nobody has sent.
        exports::forget_user(&self.conn, user_id, self.clock.unix_micros())?;
        self.usage.erase(&self.conn, user_id, history)
    }

    fn retire(&mut self, retirement: &Retirement) -> Result<Retired> {
        let is_raised = self.log.is_raised_to(&retirement.cutoffs);
        let now = self.clock.unix_micros();
        let waits_for_exports = !is_raised && exports::is_log_read(&self.conn, retirement.exports_since, now)?;
        if waits_for_exports {
            exports::note_waiting(&self.conn, now)?;
        } else {
            exports::end_waiting(&self.conn)?;
        }
        if !is_raised && !waits_for_exports {
            self.log.raise(&self.conn, &retirement.cutoffs)?;
        }
        let (removed, is_swept) = self.log.sweep(&self.conn, retirement.rows_max)?;
        self.is_shrinking |= removed > 0;
        Ok(Retired { removed, is_done: is_swept && !waits_for_exports, waits_for_exports })
    }

    fn register(&mut self, registrations: &[Registration]) -> Result<Vec<Rejected>> {
        let now = Timestamp::from_unix_micros(self.clock.unix_micros());
        let now = now.ok_or_else(|| Error::internal("the system's clock stands outside the years 0001 to 9999"))?;
        self.usage.register(&self.conn, registrations, now)
    }

    /// What can wait until nobody waits: folding on, cutting the WAL, giving space back.
    fn housekeep(&mut self) -> Result<()> {
        if self.usage.is_folding() {
            let outcome = self.transact(&mut Progress::default(), vec![]);
            self.settle(&outcome)?;
            return self.checkpoint_if_due();
        }
        self.idle_times = self.idle_times.saturating_add(u32::from(!self.is_shrinking));
        if self.idle_times == QUIET_AFTER {
            self.usage.settle_down();
        }
        if !self.scrub()? {
            let waiting = self.checkpoints.while_idle(&self.conn, &self.clock)?;
            self.stats.set_wal_pages(waiting);
        }
        self.shrink()
    }

    /// What it moves lies in the WAL, and is written back like any commit.
    fn shrink(&mut self) -> Result<()> {
        self.is_shrinking = give_space_back(&self.conn)?;
        self.shrunk_at = Some(self.clock.monotonic());
        if self.is_shrinking { self.checkpoint_if_due() } else { Ok(()) }
    }

    fn shrink_if_due(&mut self) -> Result<()> {
        let now = self.clock.monotonic();
        let is_due = self.shrunk_at.is_none_or(|at| now.saturating_duration_since(at) >= SHRINKING_PAUSE);
        if self.is_shrinking && is_due { self.shrink() } else { Ok(()) }
    }

    fn checkpoint_if_due(&mut self) -> Result<()> {
        // An erasure must leave the WAL even when the writer never rests.
        if !self.scrub()? {
            let waiting = self.checkpoints.after_group(&self.conn, &self.clock)?;
            self.stats.set_wal_pages(waiting);
        }
        Ok(())
    }

    /// Cuts the WAL if there may be something in it that was erased. Says whether it has done so.
    fn scrub(&mut self) -> Result<bool> {
        let is_cut = self.scrub && self.checkpoints.truncate(&self.conn, &self.clock)?;
        self.scrub &= !is_cut;
        Ok(is_cut)
    }
}

impl Drop for Writer {
    /// However the writer ends: nobody waits for it any longer.
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

fn execute(conn: &Connection, sql: &str) -> Result<()> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
#[path = "writer_test.rs"]
mod tests;
