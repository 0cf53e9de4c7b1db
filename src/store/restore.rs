//! A backup in the place of the database.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, named_params};

use super::backup::{END_LINKS, damage, no_room, open_draft};
use super::draft::{Draft, with_suffix};
use super::open::{APPLICATION_ID, Lock, beside, cannot, file_name, hex, random};
use super::upgrade;
use crate::error::{Error, Kind, Result};
use crate::model::Timestamp;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestoreOptions {
    /// Whether a database that is there may be replaced; it is kept under another name.
    pub replace: bool,
    /// Keeps the backup's signing keys, and with them the tokens that they signed, if it holds any.
    pub keep_signing_keys: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// Where the database lies that was there before.
    pub kept_aside: Option<PathBuf>,
    pub bytes: u64,
    /// Whether the signing keys of the backup were kept.
    pub has_signing_keys: bool,
}

/// Puts a backup in the place of the database. It is a copy that is checked and changed, and that gets the name when it
/// is whole: the backup stays as it is, and nothing is replaced by what would not open. The database gets a new id, so
/// that nobody takes an answer that they kept for a current one; log-ins and signed links end, and, unless signing keys are kept, so do
/// tokens; API keys and clients are as they were when the backup was made.
///
/// Errors with a message for the operator: `Conflict` while another process holds the database or if there is one already,
/// `NotFound` if there is no such backup, `Invalid` if it is none, `StorageFull` if there is no room, `Internal` if
/// something cannot be read or written.
pub fn restore(file: &Path, database: &Path, options: RestoreOptions, now_unix_micros: i64) -> Result<Restored> {
    let backup = open(file)?;
    let _lock = Lock::take(database)?;
    // Behind symbolic links: the link stays, what it leads to is replaced.
    let place = beside(database, "");
    refuse_if_in_use(file, &place)?;
    let has_content = fs::metadata(&place).is_ok_and(|found| found.len() > 0);
    if has_content && !options.replace {
        let message = format!(
            "there is a database at {}; --force keeps it under another name and puts the backup in its place",
            place.display()
        );
        return Err(Error::new(Kind::Conflict, message));
    }
    let draft = Draft::beside(&place)?;
    copy(backup, file, draft.path())?;
    let renewed = renew(draft.path(), file, options.keep_signing_keys, now_unix_micros);
    let has_signing_keys = renewed.map_err(|error| no_room(&place, error))?;
    let kept_aside = if has_content { Some(keep_aside(&place, now_unix_micros)?) } else { None };
    remove_companions(&place)?;
    let bytes = draft.publish(&place)?;
    Ok(Restored { kept_aside, bytes, has_signing_keys })
}

fn open(file: &Path) -> Result<File> {
    File::open(file).map_err(|e| match e.kind() {
        ErrorKind::NotFound => Error::new(Kind::NotFound, format!("there is no backup at {}", file.display())),
        _ => cannot("open", file, e),
    })
}

/// A copy of a file alone is no backup of a database whose newest commits stand in its WAL.
fn refuse_if_in_use(file: &Path, place: &Path) -> Result<()> {
    let is_database = fs::canonicalize(file).is_ok_and(|file| fs::canonicalize(place).is_ok_and(|place| file == place));
    let has_wal = fs::metadata(beside(file, "-wal")).is_ok_and(|wal| wal.len() > 0);
    if !is_database && !has_wal {
        return Ok(());
    }
    let message = format!("{} is a database in use, not a backup; `analytics backup` makes one of it", file.display());
    Err(Error::invalid(message))
}

fn copy(mut backup: File, file: &Path, draft: &Path) -> Result<()> {
    let to = fs::OpenOptions::new().write(true).truncate(true).open(draft);
    match to.and_then(|mut to| std::io::copy(&mut backup, &mut to)) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == ErrorKind::StorageFull => Err(no_room(draft, Error::new(Kind::StorageFull, ""))),
        Err(e) => Err(cannot("copy", file, e)),
    }
}

/// Makes a copy of a backup a database of its own. Says whether it has signing keys. Errors with `Invalid` if it would not
/// open as a database of ours.
fn renew(draft: &Path, file: &Path, keep_signing_keys: bool, now: i64) -> Result<bool> {
    let no_backup = |why: &str| Error::invalid(format!("{} is no backup to restore: {why}", file.display()));
    let mut conn = open_draft(draft).map_err(|_| no_backup("it is not an SQLite database, or its head is damaged"))?;
    let pragma = |name: &str| conn.query_row(&format!("pragma {name}"), [], |row| row.get::<_, i64>(0));
    if pragma("application_id")? != i64::from(APPLICATION_ID) {
        return Err(no_backup("it is a database of another program"));
    }
    if pragma("user_version")? > upgrade::VERSION {
        return Err(no_backup("it was made by a newer analytics; use that version or a later one"));
    }
    if let Some(line) = damage(&conn).unwrap_or_else(|error| Some(error.message)) {
        return Err(no_backup(&format!("it is damaged ({line})")));
    }
    upgrade::bring_up(&mut conn)?;
    upgrade::compare_with_fresh(&conn).map_err(|error| no_backup(&error.message))?;
    change_identity(&mut conn, keep_signing_keys, now)
}

const RENEW_ID: &str = "update database set database_id = :database_id";
const END_LOGINS: &str = "update login set revoked_at = :now where revoked_at is null";
/// Nothing can verify them without the keys: the list of tokens is to say so.
const REVOKE_TOKENS: &str = "update issued_token set revoked_at = :now where revoked_at is null and expires_at > :now";

fn change_identity(conn: &mut Connection, keep_signing_keys: bool, now: i64) -> Result<bool> {
    let tx = conn.transaction()?;
    tx.execute(RENEW_ID, named_params! { ":database_id": hex(&random::<8>()?) })?;
    tx.execute(END_LOGINS, named_params! { ":now": now })?;
    tx.execute(END_LINKS, [])?;
    if !keep_signing_keys {
        tx.execute("delete from signing_key", [])?;
    }
    let keys: i64 = tx.query_row("select count(*) from signing_key", [], |row| row.get(0))?;
    if keys == 0 {
        tx.execute(REVOKE_TOKENS, named_params! { ":now": now })?;
    }
    tx.commit()?;
    Ok(keys > 0)
}

/// Gives the former database another name, with what belongs to it. Where the file system knows links it has its own name,
/// too, until the new one takes that: whatever comes between, there is a database.
fn keep_aside(place: &Path, now: i64) -> Result<PathBuf> {
    let now = Timestamp::from_unix_micros(now).map_or_else(|| now.to_string(), |now| now.to_string());
    let aside = with_suffix(place, &format!(".before-{}", now.replace(':', "")));
    write_wal_back(place);
    link(place, &aside)?;
    // Damaged, or of another program: then its WAL is left, and is as good as it was.
    let wal = with_suffix(place, "-wal");
    if fs::exists(&wal).unwrap_or(false) {
        link(&wal, &with_suffix(&aside, "-wal"))?;
    }
    Ok(aside)
}

/// After a crash the newest commits may stand in the WAL alone. Closing the last connection brings them into the file.
fn write_wal_back(place: &Path) {
    if let Ok(conn) = Connection::open(file_name(place)) {
        let _ = conn.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()));
    }
}

/// What a former database has left: SQLite would take its WAL for one of the new database.
fn remove_companions(place: &Path) -> Result<()> {
    for companion in ["-wal", "-shm", "-journal"].map(|suffix| with_suffix(place, suffix)) {
        match fs::remove_file(&companion) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(cannot("remove", &companion, e)),
            _ => {}
        }
    }
    Ok(())
}

/// Never over another file.
fn link(from: &Path, to: &Path) -> Result<()> {
    let linked = fs::hard_link(from, to);
    match linked {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(cannot("make", to, e)),
        Err(_) => fs::rename(from, to).map_err(|e| cannot("rename", from, e)),
        Ok(()) => Ok(()),
    }
}
