//! The directory of exports. Names come from rows of jobs only.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::store::draft::Draft;
use crate::store::open::cannot;

/// Where files of exports lie. Making one touches nothing.
#[derive(Clone, Debug)]
pub struct ExportDirectory {
    path: PathBuf,
}

impl ExportDirectory {
    pub fn new(path: impl Into<PathBuf>) -> ExportDirectory {
        ExportDirectory { path: path.into() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it if it is not there, for us alone, and takes its lock: two servers must not clear each other's files away.
    /// Errors with `Conflict` if somebody else holds it, `Internal` if it cannot be made or written to.
    pub fn prepare(&self) -> Result<File> {
        match DirBuilder::new().recursive(true).mode(0o700).create(&self.path) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(cannot("make", &self.path, e)),
            _ => {}
        }
        let lock = self.path.join(".lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock);
        let file = file.map_err(|e| cannot("write", &lock, e))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(_) => Err(Error::new(
                Kind::Conflict,
                format!(
                    "the directory {} is used by another server; give each its own (exports.directory)",
                    self.path.display()
                ),
            )),
        }
    }

    /// An empty file in the making; it gets the name by [`Draft::publish`] to [`ExportDirectory::path_of`].
    pub fn draft(&self, file_name: &str) -> Result<Draft> {
        Draft::beside(&self.path_of(file_name))
    }

    /// `file_name`: of a job's row.
    pub fn path_of(&self, file_name: &str) -> PathBuf {
        self.path.join(file_name)
    }

    /// None if it is not there, or is no regular file: no link out of the directory is followed.
    pub fn open(&self, file_name: &str) -> Result<Option<File>> {
        let path = self.path_of(file_name);
        let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32;
        match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Ok(file) => {
                let is_file = file.metadata().map_err(|e| cannot("read", &path, e))?.is_file();
                Ok(is_file.then_some(file))
            }
            Err(e)
                if e.kind() == ErrorKind::NotFound
                    || e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) =>
            {
                Ok(None)
            }
            Err(e) => Err(cannot("read", &path, e)),
        }
    }

    /// Removes a file; one that is not there is well.
    pub fn remove(&self, file_name: &str) -> Result<()> {
        let path = self.path_of(file_name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(cannot("remove", &path, e)),
            _ => Ok(()),
        }
    }

    /// Removes what no job has a right to: whole files that are not `kept`, and drafts. What does not bear a name of ours
    /// is left alone. To be called while nothing is being written. Gives how many went; what could not be removed is told to
    /// `failed`, and is in nobody's way.
    pub fn remove_orphans(&self, kept: &HashSet<String>, mut failed: impl FnMut(&Error)) -> Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.path).map_err(|e| cannot("read", &self.path, e))? {
            let name = entry.map_err(|e| cannot("read", &self.path, e))?.file_name().to_string_lossy().into_owned();
            if is_ours(&name) && !kept.contains(&name) {
                match self.remove(&name) {
                    Ok(()) => removed += 1,
                    Err(error) => failed(&error),
                }
            }
        }
        Ok(removed)
    }
}

/// `export-<22 letters and digits>.<extension>`, with what a draft has behind it; or what was to lose its name at once.
fn is_ours(name: &str) -> bool {
    if let Some(numbers) = name.strip_prefix(".spool-") {
        return numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    }
    let Some((id, rest)) = name.strip_prefix("export-").and_then(|rest| rest.split_once('.')) else { return false };
    let is_id = id.len() == 22 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id
        && ["csv", "csv.gz", "xlsx"].iter().any(|extension| {
            rest.strip_prefix(extension).is_some_and(|behind| behind.is_empty() || behind.starts_with(".part-"))
        })
}
