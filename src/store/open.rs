//! Opens a database: the lock, the file's identity, the schema's version, the pragmas.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, named_params};

use super::{Settings, upgrade};
use crate::error::{Error, Kind, Result};

/// "anlt": marks a file as ours (pragma application_id).
pub const APPLICATION_ID: i32 = 0x616e_6c74;
/// Older versions may corrupt a database when the WAL is reset (mended in 3.51.3).
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// How long to wait for another program that looks into the file, such as the sqlite3 shell.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How hard a commit is pressed onto the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// Acknowledged is on disk, whatever happens to the machine.
    Full,
    /// For databases that are thrown away at exit.
    None,
}

impl Durability {
    fn pragma(self) -> &'static str {
        match self {
            Durability::Full => "pragma synchronous = full",
            Durability::None => "pragma synchronous = off",
        }
    }
}

/// Held as long as the database is open: a second server on the same file is refused.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Errors with `Conflict` while another process holds the database.
    pub fn take(database: &Path) -> Result<Lock> {
        let path = beside(database, ".lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| cannot("open", &path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let message = format!(
                    "{} is in use by another process{}; stop it, or name another file with --database",
                    database.display(),
                    if holder.is_empty() { String::new() } else { format!(" (pid {})", holder.trim()) },
                );
                return Err(Error::new(Kind::Conflict, message));
            }
            Err(TryLockError::Error(e)) => return Err(cannot("lock", &path, e)),
        }
        // The pid is a courtesy to the next one who asks; the lock itself is what counts.
        let noted = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
        noted.map_err(|e| cannot("write", &path, e))?;
        Ok(Lock { _file: file })
    }
}

/// `<database><suffix>`: files that belong to the database lie beside it. Where the database's name is a symbolic link,
/// they lie beside the file it leads to: one file has one lock, by whichever name it is called.
pub fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = followed(database).into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// The file behind symbolic links; of a directory it does not matter by which way it is reached. What was relative
/// stays so: a socket's path may not be long.
fn followed(path: &Path) -> PathBuf {
    const LINKS_MAX: usize = 40;
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let Ok(target) = std::fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

/// As SQLite takes it for the name of a file, whatever it is called: `:memory:` is none by itself.
pub fn file_name(path: &Path) -> PathBuf {
    if path.is_relative() { Path::new(".").join(path) } else { path.to_path_buf() }
}

pub fn cannot(what: &str, path: &Path, error: std::io::Error) -> Error {
    use std::io::ErrorKind;
    let reason = match error.kind() {
        ErrorKind::NotFound => "its directory does not exist; make it first".into(),
        _ => error.to_string(),
    };
    let kind = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Kind::StorageFull,
        _ => Kind::Internal,
    };
    Error::new(kind, format!("cannot {what} {}: {reason}", path.display()))
}

/// Opens the one writing connection; makes a fresh database where there is none, upgrades an older one.
/// Errors with a message for the operator if the file is foreign, newer or damaged. The caller holds the lock.
pub fn open_writer(settings: &Settings, now_unix_micros: i64) -> Result<Connection> {
    let path = settings.path.as_path();
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(Error::internal(format!("SQLite {} is too old; 3.51.3 is needed", rusqlite::version())));
    }
    make_private(path);
    // Without SQLITE_OPEN_URI: a path is a path, even one that begins with "file:".
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(file_name(path), flags).map_err(|e| explain(path, e))?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    // Before the first write: making a file that is thrown away must not wait for the disk either.
    conn.execute_batch(settings.durability.pragma()).map_err(|e| explain(path, e))?;
    let fresh = is_fresh(&conn).map_err(|e| explain(path, e))?;
    if fresh {
        // Both must be set before the first table. Space is given back later without rewriting the file.
        conn.execute_batch("pragma page_size = 4096; pragma auto_vacuum = incremental;")?;
    } else {
        identify(&conn, path)?;
    }
    conn.execute_batch("pragma journal_mode = wal").map_err(|e| explain(path, e))?;
    set_pragmas(&conn)?;
    // Checkpoints are ours to begin, outside the path of an acknowledgement.
    conn.execute_batch("pragma wal_autocheckpoint = 0; pragma cache_size = -65536;")?;
    // What is deleted is overwritten where its page is written anyway: the digest of an erased id does not stay behind.
    conn.execute_batch("pragma secure_delete = fast")?;
    if fresh {
        create(&mut conn, now_unix_micros)?;
    } else {
        upgrade::bring_up(&mut conn)?;
        upgrade::compare_with_fresh(&conn).map_err(|e| Error { message: format!("{}: {e}", path.display()), ..e })?;
    }
    if settings.bytes_max > 0 {
        bound(&conn, settings.bytes_max)?;
    }
    Ok(conn)
}

/// Lets the file grow up to so many bytes, but never below what it has: writes that need more are refused.
fn bound(conn: &Connection, bytes_max: u64) -> Result<()> {
    let page_bytes: u32 = conn.query_row("pragma page_size", [], |row| row.get(0))?;
    let pages = (bytes_max / u64::from(page_bytes)).clamp(1, PAGES_UNBOUNDED - 1);
    Ok(conn.query_row(&format!("pragma max_page_count = {pages}"), [], |_| Ok(()))?)
}

/// What SQLite allows a file of which nobody says more.
const PAGES_UNBOUNDED: u64 = 0xffff_fffe;

/// Up to how many bytes the file may grow; None if there is no bound but SQLite's own.
pub fn bytes_max(conn: &Connection) -> Result<Option<u64>> {
    let pragma = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let (pages, page_bytes) = (pragma("pragma max_page_count")? as u64, pragma("pragma page_size")? as u64);
    Ok((pages < PAGES_UNBOUNDED).then_some(pages * page_bytes))
}

/// A file that is not there yet is made for its owner alone: it will hold ids and messages. SQLite gives the WAL the same
/// mode. One that is there keeps its mode, and what cannot be made is for SQLite to tell.
fn make_private(path: &Path) {
    let _ = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
}

/// Opens the connection that writes WAL pages back and nothing else. It waits for the disk as the writer would.
pub fn open_write_back(settings: &Settings) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file_name(&settings.path), flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.execute_batch(settings.durability.pragma())?;
    set_pragmas(&conn)?;
    Ok(conn)
}

/// Opens a connection that can only read, and keeps so much of what it has read.
pub fn open_reader(path: &Path, cache_kib: u32) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file_name(path), flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    set_pragmas(&conn)?;
    conn.execute_batch(&format!("pragma query_only = on; pragma cache_size = -{cache_kib};"))?;
    Ok(conn)
}

fn set_pragmas(conn: &Connection) -> Result<()> {
    conn.set_prepared_statement_cache_capacity(128);
    // With STAT4 compiled in, SQLite would otherwise plan many prepared statements anew at every execution, to fit the
    // values bound: look-ups by event_id cost 8.9 us instead of 2.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch(
        "pragma foreign_keys = on; pragma trusted_schema = off; pragma cell_size_check = on; pragma temp_store = memory;",
    )?;
    Ok(())
}

/// Whether nothing has ever been written into the file.
fn is_fresh(conn: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 = conn.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
    let application_id: i32 = conn.query_row("pragma application_id", [], |row| row.get(0))?;
    Ok(tables == 0 && application_id == 0)
}

pub fn identify(conn: &Connection, path: &Path) -> Result<()> {
    let application_id: i32 = conn.query_row("pragma application_id", [], |row| row.get(0))?;
    if application_id != APPLICATION_ID {
        return Err(Error::internal(format!(
            "{} is a database of another program and is left as it is; name another file with --database",
            path.display()
        )));
    }
    let version: i64 = conn.query_row("pragma user_version", [], |row| row.get(0))?;
    if version > upgrade::VERSION {
        return Err(Error::internal(format!(
            "{} was written by a newer analytics (schema {version}, this one knows {}); use that version or a later one",
            path.display(),
            upgrade::VERSION
        )));
    }
    Ok(())
}

const CREATE_DATABASE_ROW: &str = "
    insert into database (one, database_id, digest_key, created_at, commit_seq, usage_revision, log_revision)
    values (1, :database_id, :digest_key, :created_at, 0, 0, 0)";

fn create(conn: &mut Connection, now_unix_micros: i64) -> Result<()> {
    let tx = conn.transaction()?;
    tx.execute_batch(upgrade::SCHEMA)?;
    tx.execute_batch(&format!(
        "pragma application_id = {APPLICATION_ID}; pragma user_version = {};",
        upgrade::VERSION
    ))?;
    let row = named_params! {
        ":database_id": hex(&random::<8>()?),
        ":digest_key": random::<32>()?,
        ":created_at": now_unix_micros,
    };
    tx.execute(CREATE_DATABASE_ROW, row)?;
    tx.commit()?;
    Ok(())
}

pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::internal(format!("no random numbers from the system: {e}")))?;
    Ok(bytes)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn explain(path: &Path, error: rusqlite::Error) -> Error {
    let path = path.display();
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => Error::internal(format!(
            "{path} is not an SQLite database, or its head is damaged; it is left as it is: restore a backup, or name another file with --database"
        )),
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
            Error::internal(format!("{path} is damaged ({error}); restore a backup"))
        }
        Some(rusqlite::ErrorCode::CannotOpen) => Error::internal(format!(
            "cannot open {path}: {error}; check that its directory exists and that you may write there"
        )),
        _ => Error::internal(format!("cannot open {path}: {error}")),
    }
}
