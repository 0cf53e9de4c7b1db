use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::open::{cannot, hex, random};
use crate::error::Result;

/// What SQLite may leave beside a file.
const COMPANIONS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// Between the name of the file to be and 16 random hexadecimal digits.
const INFIX: &str = ".part-";

/// A file in the making, for its owner alone. It gets its name once it is whole and on the disk; until then it lies
/// beside, and goes when it is dropped.
pub struct Draft {
    path: PathBuf,
}

impl Draft {
    /// An empty file beside `file`.
    pub fn beside(file: &Path) -> Result<Draft> {
        let path = with_suffix(file, &format!("{INFIX}{}", hex(&random::<8>()?)));
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.map_err(|e| cannot("make", &path, e))?;
        Ok(Draft { path })
    }

    /// Removes drafts of `file` that whoever made them was killed over. They may hold what the file itself would not, such
    /// as signing keys.
    pub fn discard_all(file: &Path) {
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Some(begins) = file.file_name().map(|name| format!("{}{INFIX}", name.to_string_lossy())) else { return };
        let Ok(entries) = std::fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_draft = name
                .strip_prefix(&begins)
                .is_some_and(|rest| rest.len() >= 16 && rest.bytes().take(16).all(|byte| byte.is_ascii_hexdigit()));
            if is_draft {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in the place of `file`, durably. Gives its size in bytes.
    pub fn publish(self, file: &Path) -> Result<u64> {
        let synced = File::open(&self.path).and_then(|draft| draft.sync_all().and_then(|()| draft.metadata()));
        let bytes = synced.map_err(|e| cannot("write", &self.path, e))?.len();
        std::fs::rename(&self.path, file).map_err(|e| cannot("write", file, e))?;
        sync_directory_of(file)?;
        Ok(bytes)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone under its own name, or of no use to anybody.
        let _ = std::fs::remove_file(&self.path);
        for suffix in COMPANIONS {
            let _ = std::fs::remove_file(with_suffix(&self.path, suffix));
        }
    }
}

/// A new name survives a power cut only when its directory is on the disk, too.
fn sync_directory_of(file: &Path) -> Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        Ok(()) => Ok(()),
        // Some file systems know no such thing.
        Err(e) if e.kind() == ErrorKind::InvalidInput || e.kind() == ErrorKind::Unsupported => Ok(()),
        Err(e) => Err(cannot("write", directory, e)),
    }
}

/// The very name with something behind it; links are not followed.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    PathBuf::from(name)
}
