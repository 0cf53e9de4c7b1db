//! The local socket `<database>.sock`: the administration's way into a running server.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::error::{Error, Result};
use crate::store::beside;

/// Where the server of this database listens for administration.
pub fn path_of(database: &Path) -> PathBuf {
    beside(database, ".sock")
}

/// A listening socket; dropping it removes its file.
pub struct LocalSocket {
    path: PathBuf,
}

impl LocalSocket {
    /// Listens at [`path_of`] the database, for our own user alone. Whoever calls holds the database's lock, so a socket
    /// that lies there already is left over from a process that has ended. Errors with `Internal` if something else
    /// lies there or the path is longer than the system takes.
    pub fn bind(database: &Path) -> Result<(LocalSocket, UnixListener)> {
        let path = path_of(database);
        remove_stale(&path)?;
        // Made under another name, and renamed once nobody else may connect: there is no moment with wider rights.
        let making = beside(&path, ".new");
        remove_stale(&making)?;
        let listener = UnixListener::bind(&making).map_err(|e| cannot_listen(&path, e))?;
        let rights = fs::set_permissions(&making, fs::Permissions::from_mode(0o600));
        rights.and_then(|()| fs::rename(&making, &path)).map_err(|e| cannot_listen(&path, e))?;
        Ok((LocalSocket { path }, listener))
    }
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        // Gone already, with its directory perhaps: then there is nothing to do.
        let _ = fs::remove_file(&self.path);
    }
}

fn remove_stale(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(|e| cannot_listen(path, e)),
        Ok(_) => Err(Error::internal(format!(
            "{} is in the way of the local socket and is not a socket; move it elsewhere",
            path.display()
        ))),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(cannot_listen(path, e)),
    }
}

fn cannot_listen(path: &Path, error: std::io::Error) -> Error {
    // The system's own words for it are hard to understand: "path must be shorter than SUN_LEN".
    let advice = match error.kind() {
        ErrorKind::InvalidInput => "; the path is too long for a socket: give --database relative to where you are",
        _ => "",
    };
    Error::internal(format!("cannot listen on the local socket {}: {error}{advice}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_foreign_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("a.db");
        // A listener of the standard library leaves its file behind, as a killed server does.
        drop(std::os::unix::net::UnixListener::bind(path_of(&database)).unwrap());
        let (socket, _listener) = LocalSocket::bind(&database).unwrap();
        let rights = fs::metadata(path_of(&database)).unwrap().permissions().mode();
        assert_eq!(rights & 0o777, 0o600);
        drop(socket);
        assert!(!path_of(&database).exists());

        fs::write(path_of(&database), "mine").unwrap();
        assert!(LocalSocket::bind(&database).is_err());
        assert_eq!(fs::read_to_string(path_of(&database)).unwrap(), "mine");
    }

    #[tokio::test]
    async fn a_path_too_long_for_a_socket_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("x".repeat(120));
        let message = LocalSocket::bind(&database).err().unwrap().message;
        assert!(message.contains("relative"), "{message}");
    }
}
