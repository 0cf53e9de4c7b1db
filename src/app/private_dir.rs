use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A fresh directory that only we can enter. Dropping it removes it with everything inside.
pub struct PrivateDir {
    path: PathBuf,
}

impl PrivateDir {
    /// Makes it where the system keeps temporary files (`TMPDIR`). Errors with `Internal` if that cannot be written to.
    pub fn create() -> Result<PrivateDir> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(|e| Error::internal(format!("no random numbers from the system: {e}")))?;
        let path = std::env::temp_dir().join(format!("analytics-{:016x}", u64::from_ne_bytes(name)));
        // Fails if the name is taken, by whomever: nobody can put a directory of theirs under us.
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|e| {
            Error::internal(format!(
                "cannot make {}: {e}; TMPDIR names another place for temporary files",
                path.display()
            ))
        })?;
        Ok(PrivateDir { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.path) {
            super::say(&format!("warning: cannot remove {}: {e}", self.path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_private_directory_is_ours_alone_and_goes_with_everything_inside() {
        let dir = PrivateDir::create().unwrap();
        let path = dir.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(path.join("file"), "content").unwrap();
        drop(dir);
        assert!(!path.exists());
    }
}
