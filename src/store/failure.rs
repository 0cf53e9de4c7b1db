use crate::error::{Error, Kind};

/// A full disk is an answer to the client; everything else that SQLite may say is a fault of ours.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Error::new(
                Kind::StorageFull,
                "the disk is full: nothing of this request was stored; free space, then send it again",
            ),
            _ => Error::internal(format!("SQLite: {error}")),
        }
    }
}
