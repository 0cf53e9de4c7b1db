//! A file without a name, for what does not fit into memory: it goes with the process, however that ends.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::{Error, Kind, Result};

/// Names are tried until one is free; others are held for a moment only.
const TRIES_MAX: u32 = 100;

pub struct Spool {
    file: File,
    bytes: u64,
}

impl Spool {
    /// Errors with `StorageFull` if there is no room, `Internal` if the directory cannot be written to.
    pub fn create(directory: &Path) -> Result<Spool> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut tries = 0;
        loop {
            let path = directory.join(format!(".spool-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed)));
            let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
            match made.and_then(|file| std::fs::remove_file(&path).map(|()| file)) {
                Ok(file) => return Ok(Spool { file, bytes: 0 }),
                Err(e) if e.kind() == ErrorKind::AlreadyExists && tries < TRIES_MAX => tries += 1,
                Err(e) => return Err(failed("write to", e)),
            }
        }
    }

    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| failed("write to", e))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn read_at(&self, at: u64, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(bytes, at).map_err(|e| failed("read from", e))
    }
}

fn failed(what: &str, error: std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::new(
            Kind::StorageFull,
            "the disk has no room for what this export needs on its way; free space, or ask for a shorter range",
        ),
        _ => Error::internal(format!("cannot {what} a file of an export that waits for its turn: {error}")),
    }
}
