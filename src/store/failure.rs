use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

use crate::error::{Error, Kind};

/// A full disk is an answer to the client; everything else that SQLite may say is a fault of ours.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        if is_disk_full(&error) {
            return Error::new(
                Kind::StorageFull,
                "the disk is full: nothing of this request was stored; free space, then send it again",
            );
        }
        Error::internal(format!("SQLite: {error}"))
    }
}

fn is_disk_full(error: &rusqlite::Error) -> bool {
    // The index of the WAL grows, too, and SQLite has words of its own for a disk that has no room for that.
    error
        .sqlite_error()
        .is_some_and(|error| error.code == ErrorCode::DiskFull || error.extended_code == SQLITE_IOERR_SHMSIZE)
}
