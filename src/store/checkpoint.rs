//! Housekeeping of the file: WAL pages go back into it, and space that is free back to the file system.
//!
//! All of it can wait: a full disk or a reader in the way only puts it off until the next time.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::Settings;
use super::open::BUSY_TIMEOUT;
use super::write_back::WriteBack;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};

/// WAL pages that wait to be written back before the thread for it is rung for. Pages that are written again and again,
/// as most are, are written back once then.
const WRITE_BACK_PAGES: i64 = 4_000;
/// A WAL of so many pages is begun anew at the next occasion: once the writer itself has written back the last few.
const RENEW_PAGES: i64 = 8_000;
const LAST_PAGES: i64 = 2_000;
/// The same while idle, whatever the length of the WAL: a start after a crash reads what waits.
const IDLE_PAGES: i64 = 1_000;
/// A WAL file at least this long is cut back when the writer is idle.
const TRUNCATE_PAGES: i64 = 4_000;
/// A WAL that grows so long has readers in it without a pause: new ones are turned to the database file.
const RESTART_PAGES: i64 = 16_000;
/// How long a checkpoint that needs every reader out of the WAL waits for them at first, and at most. Writes wait, too.
const READERS_WAIT_MIN: Duration = Duration::from_millis(50);
const READERS_WAIT_MAX: Duration = Duration::from_secs(5);
/// After it waited in vain, it is let be for so many times as long.
const PAUSE: u32 = 4;
/// Free pages above which space is given back to the file system while nobody waits, and how many at a time: each may mean
/// that another page is moved, some 10 us.
const FREE_PAGES_MAX: i64 = 4_096;
const VACUUM_PAGES: i64 = 128;

/// Keeps the WAL short, with a thread that writes back most of it.
pub struct Checkpoints {
    write_back: WriteBack,
    patience: Patience,
}

/// Where readers overlap without a pause, some always hold the WAL back; waiting for those that are there while nothing is
/// written gets through, since new ones read the newest state. So each attempt in vain makes the next one more patient.
struct Patience {
    readers_wait: Duration,
    /// No attempt before.
    paused_until: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { readers_wait: READERS_WAIT_MIN, paused_until: None }
    }
}

impl Checkpoints {
    pub fn new(settings: &Settings) -> Checkpoints {
        Checkpoints { write_back: WriteBack::new(settings), patience: Patience::default() }
    }

    /// After a group, when more of them may wait already. Returns how many pages wait for a checkpoint.
    pub fn after_group(&mut self, conn: &Connection, clock: &Clock) -> Result<i64> {
        let wal = wal_pages(conn)?;
        if wal.all >= RESTART_PAGES && self.insist(conn, "restart", clock)? {
            return Ok(wal.waiting);
        }
        if wal.waiting >= WRITE_BACK_PAGES {
            self.write_back(conn)?;
        } else if wal.all >= RENEW_PAGES && (1..=LAST_PAGES).contains(&wal.waiting) {
            checkpoint(conn, "passive")?;
        }
        Ok(wal.waiting)
    }

    /// While nobody waits. Returns how many pages wait for a checkpoint.
    pub fn while_idle(&mut self, conn: &Connection, clock: &Clock) -> Result<i64> {
        let wal = wal_pages(conn)?;
        if wal.all >= TRUNCATE_PAGES {
            self.truncate(conn, clock)?;
        } else if wal.waiting >= IDLE_PAGES {
            self.write_back(conn)?;
        }
        Ok(wal.waiting)
    }

    fn write_back(&mut self, conn: &Connection) -> Result<()> {
        if !self.write_back.ring()? {
            checkpoint(conn, "passive")?;
        }
        Ok(())
    }

    /// Leaves no WAL behind, if no reader is in the way: what is left undone is done at the next start.
    pub fn finish(&mut self, conn: &Connection, clock: &Clock) {
        self.write_back.stop();
        self.patience = Patience::default();
        let _ = self.truncate(conn, clock);
    }

    /// Writes the WAL back and cuts it to nothing. Says whether that is done.
    pub fn truncate(&mut self, conn: &Connection, clock: &Clock) -> Result<bool> {
        self.insist(conn, "truncate", clock)
    }

    fn insist(&mut self, conn: &Connection, mode: &str, clock: &Clock) -> Result<bool> {
        let Patience { readers_wait, paused_until } = self.patience;
        if paused_until.is_some_and(|until| clock.monotonic() < until) {
            return Ok(false);
        }
        self.write_back.wait()?;
        conn.busy_timeout(readers_wait)?;
        let done = checkpoint(conn, mode);
        conn.busy_timeout(BUSY_TIMEOUT)?;
        if done? {
            self.patience = Patience::default();
            return Ok(true);
        }
        self.patience = Patience {
            readers_wait: (2 * readers_wait).min(READERS_WAIT_MAX),
            paused_until: Some(clock.monotonic() + PAUSE * readers_wait),
        };
        Ok(false)
    }
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

/// `mode`: passive, which waits for nobody, restart or truncate. Says whether all of it was done.
pub(super) fn checkpoint(conn: &Connection, mode: &str) -> Result<bool> {
    let mut statement = conn.prepare_cached(&format!("pragma wal_checkpoint({mode})"))?;
    let is_busy = statement.query_row([], |row| row.get::<_, bool>(0)).map_err(Error::from);
    put_off_if_full(is_busy.map(|is_busy| !is_busy))
}

/// Gives some free space back to the file system, if there is much of it. Says whether there is more.
pub fn give_space_back(conn: &Connection) -> Result<bool> {
    if !is_space_free(conn)? {
        return Ok(false);
    }
    let vacuum = || -> Result<bool> {
        let mut vacuum = conn.prepare_cached(&format!("pragma incremental_vacuum({VACUUM_PAGES})"))?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        Ok(true)
    };
    Ok(put_off_if_full(vacuum())? && is_space_free(conn)?)
}

fn is_space_free(conn: &Connection) -> Result<bool> {
    let free: i64 = conn.prepare_cached("pragma freelist_count")?.query_row([], |row| row.get(0))?;
    Ok(free > FREE_PAGES_MAX)
}

fn put_off_if_full(done: Result<bool>) -> Result<bool> {
    match done {
        Err(error) if error.kind == Kind::StorageFull => Ok(false),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wal_bytes(path: &std::path::Path) -> u64 {
        std::fs::metadata(super::super::beside(path, "-wal")).map_or(0, |wal| wal.len())
    }

    #[test]
    fn readers_that_overlap_without_a_pause_do_not_keep_the_wal_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("pragma journal_mode = wal; pragma wal_autocheckpoint = 0; create table t (a)").unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for start in [0, 100, 200] {
                let (path, stop) = (&path, &stop);
                scope.spawn(move || {
                    let reader = Connection::open(path).unwrap();
                    std::thread::sleep(Duration::from_millis(start));
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        reader.execute_batch("begin; select count(*) from t").unwrap();
                        // A read that takes so long, whatever the machine.
                        std::thread::sleep(Duration::from_millis(300));
                        reader.execute_batch("commit").unwrap();
                    }
                });
            }
            let mut checkpoints = Checkpoints::new(&super::super::testing::settings(&dir));
            let clock = Clock::system();
            let begun = clock.monotonic();
            let mut is_done = false;
            while !is_done && clock.monotonic() - begun < Duration::from_secs(30) {
                conn.execute_batch("insert into t values (1)").unwrap();
                is_done = checkpoints.truncate(&conn, &clock).unwrap();
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(is_done);
        });
        assert_eq!(wal_bytes(&path), 0);
    }
}
