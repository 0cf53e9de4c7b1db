//! The reference: one process that puts the same rows into a bare table, with the same durability.

use std::time::Instant;

use rusqlite::{Connection, params};

use super::events::{Arrival, History, Line, Lines, Usage};
use super::{Plan, cpu_of};

/// Prints items, seconds and CPU seconds.
pub fn usage(plan: &Plan, rows_a_commit: usize) {
    let mut history = History::new(1);
    let rows: Vec<Usage> = (0..plan.events).map(|_| history.next(Arrival::InOrder)).collect();
    let directory = plan.directory();
    let conn = open(&directory);
    conn.execute_batch("create table usage (at integer, user_id text, team text, service text, session text)")
        .expect("a table");
    measure(&conn, &rows, rows_a_commit, |rows| {
        let mut insert = conn.prepare_cached("insert into usage values (?, ?, ?, ?, ?)").expect("valid SQL");
        for row in rows {
            insert.execute(params![row.at, row.user, row.team, row.service, row.session]).expect("a row goes in");
        }
    });
}

/// Prints items, seconds and CPU seconds.
pub fn log(plan: &Plan, rows_a_commit: usize) {
    let mut lines = Lines::new(1);
    let rows: Vec<Line> = (0..plan.events).map(|_| lines.next()).collect();
    let directory = plan.directory();
    let conn = open(&directory);
    conn.execute_batch("create table log (at integer, severity text, service text, message text)").expect("a table");
    measure(&conn, &rows, rows_a_commit, |rows| {
        let mut insert = conn.prepare_cached("insert into log values (?, ?, ?, ?)").expect("valid SQL");
        for row in rows {
            insert.execute(params![row.at, row.severity, row.service, row.message]).expect("a row goes in");
        }
    });
}

fn open(directory: &tempfile::TempDir) -> Connection {
    let conn = Connection::open(directory.path().join("bare.db")).expect("a database");
    conn.execute_batch("pragma journal_mode = wal; pragma synchronous = full; pragma cache_size = -65536")
        .expect("pragmas");
    conn
}

fn measure<T>(conn: &Connection, rows: &[T], rows_a_commit: usize, insert: impl Fn(&[T])) {
    let (cpu, begun) = (cpu_of(std::process::id()), Instant::now());
    for rows in rows.chunks(rows_a_commit) {
        conn.execute_batch("begin immediate").expect("a transaction");
        insert(rows);
        conn.execute_batch("commit").expect("a commit");
    }
    let (took, cpu) = (begun.elapsed(), cpu_of(std::process::id()) - cpu);
    println!("{} {} {}", rows.len(), took.as_secs_f64(), cpu.as_secs_f64());
}
