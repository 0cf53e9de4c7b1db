//! A copy of the database in one file, of one commit, made while the server goes on.
//!
//! The command does it by itself instead of asking the server: it is long blocking work, the file belongs to whoever gives
//! the command, in a directory where the server may have no rights, and a fault in the middle of it is none of the
//! server's. Beside a server it only reads. Where there is none it holds the lock and may write, so that SQLite leaves no
//! WAL behind.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::draft::Draft;
use super::open::{self, BUSY_TIMEOUT, Lock, beside, explain, file_name};
use crate::error::{Error, Kind, Result};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BackupOptions {
    /// Signing keys are left out unless asked for: whoever finds a copy could sign tokens with them.
    pub with_signing_keys: bool,
    /// Whether a file that has the name already may go.
    pub overwrite: bool,
}

/// Writes a copy of the database into `file`, which gets its name when it is whole, checked and on the disk. Gives its
/// size in bytes. Errors with a message for the operator: `NotFound` if there is no database, `Conflict` if the file is
/// there, `Invalid` if it is part of the database itself, `StorageFull` if there is no room, `Internal` if the database is
/// damaged or one of the two cannot be read or written.
pub fn backup(database: &Path, file: &Path, options: BackupOptions) -> Result<u64> {
    if !fs::exists(database).unwrap_or(true) {
        let message = format!("no database at {}; name it with --database", database.display());
        return Err(Error::new(Kind::NotFound, message));
    }
    refuse_own_files(database, file)?;
    refuse_what_is_no_file(file)?;
    if !options.overwrite && fs::symlink_metadata(file).is_ok() {
        let message = format!("{} is there already; name another file, or overwrite it with --force", file.display());
        return Err(Error::new(Kind::Conflict, message));
    }
    Draft::discard_all(file);
    let draft = Draft::beside(file)?;
    copy(database, draft.path()).map_err(|error| no_room(file, error))?;
    finish(draft.path(), database, options.with_signing_keys).map_err(|error| no_room(file, error))?;
    draft.publish(file)
}

/// Ends all signed links to files of exports.
pub(super) const END_LINKS: &str = "update export_job set link_key = null where link_key is not null";

/// To be called when a backup is given up half-way, by a signal: nothing of it stays.
pub fn discard_backup(file: &Path) {
    Draft::discard_all(file);
}

/// Files of the database may not be written over, by whatever name they are called. Errors with `Invalid`.
pub fn refuse_own_files(database: &Path, file: &Path) -> Result<()> {
    let own = ["", "-wal", "-shm", ".lock", ".sock"].map(|suffix| beside(database, suffix));
    // Some of them are there only while the database is open.
    let is_named = |own: &Path| own.file_name() == file.file_name() && is_same(directory_of(own), directory_of(file));
    if own.iter().any(|own| is_same(own, file) || is_named(own)) {
        return Err(Error::invalid(format!("{} belongs to the database itself; name another file", file.display())));
    }
    Ok(())
}

/// Whether both are there and are one.
fn is_same(one: &Path, other: &Path) -> bool {
    let inode = |path| fs::metadata(path).map(|found| (found.dev(), found.ino()));
    matches!((inode(one), inode(other)), (Ok(one), Ok(other)) if one == other)
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A rename would put the backup in the place of a device, `/dev/null` say.
fn refuse_what_is_no_file(file: &Path) -> Result<()> {
    if fs::metadata(file).is_ok_and(|found| !found.is_file()) {
        return Err(Error::invalid(format!("{} is not a file that a backup could be; name another", file.display())));
    }
    Ok(())
}

/// One read transaction, whatever is written meanwhile. The copy has no free pages and no WAL.
fn copy(database: &Path, draft: &Path) -> Result<()> {
    // None: a server has it, or we may not write there; reading will do.
    let lock = Lock::take(database).ok();
    let access = match lock {
        Some(_) => OpenFlags::SQLITE_OPEN_READ_WRITE,
        None => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let conn = Connection::open_with_flags(file_name(database), access | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let conn = conn.map_err(|e| explain(database, e))?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    open::identify(&conn, database)?;
    let draft = file_name(draft);
    let name = draft.to_str().ok_or_else(|| Error::invalid("the backup's name must be UTF-8; name another file"))?;
    match conn.execute("vacuum into ?1", [name]) {
        Ok(_) => Ok(()),
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => Err(damaged(database, &e.to_string())),
        Err(e) => Err(e.into()),
    }
}

fn finish(draft: &Path, database: &Path, with_signing_keys: bool) -> Result<()> {
    let conn = open_draft(draft)?;
    // Whoever finds a copy could sign links to downloads with them. New ones are made when they are asked for.
    conn.execute(END_LINKS, [])?;
    if !with_signing_keys {
        conn.execute("delete from signing_key", [])?;
    }
    match damage(&conn)? {
        None => Ok(()),
        Some(line) => Err(damaged(database, &line)),
    }
}

fn damaged(database: &Path, how: &str) -> Error {
    Error::internal(format!(
        "{} is damaged ({how}), and so no backup was made; `analytics check` tells more, and an older backup may be whole",
        database.display()
    ))
}

/// Opens a draft to be changed. It needs no journal: a crash leaves a draft that nobody uses. What is deleted is
/// overwritten.
pub(super) fn open_draft(draft: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file_name(draft), flags)?;
    conn.execute_batch(
        "pragma journal_mode = memory; pragma secure_delete = on; pragma foreign_keys = on; pragma trusted_schema = off;
        pragma cell_size_check = on; pragma temp_store = memory;",
    )?;
    Ok(conn)
}

/// The first thing that SQLite finds wrong with a file; None is well.
pub(super) fn damage(conn: &Connection) -> Result<Option<String>> {
    let line: String = conn.query_row("pragma integrity_check(1)", [], |row| row.get(0))?;
    Ok((line != "ok").then_some(line))
}

/// Here it is the backup that has no room, not what a client has sent.
pub(super) fn no_room(file: &Path, error: Error) -> Error {
    match error.kind {
        Kind::StorageFull => Error {
            message: format!("there is no room on the disk for {}; free some, or name another place", file.display()),
            ..error
        },
        _ => error,
    }
}
