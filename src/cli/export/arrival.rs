//! A file as it arrives: counted and hashed, and begun anew where the server says so.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};

pub struct Arrival {
    file: File,
    bytes: u64,
    hash: Sha256,
}

impl Arrival {
    /// Into a file that is there.
    pub fn begin(path: &Path) -> Result<Arrival> {
        let file = OpenOptions::new().write(true).truncate(true).open(path).map_err(cannot_write)?;
        Ok(Arrival { file, bytes: 0, hash: Sha256::new() })
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn take(&mut self, piece: &[u8]) -> Result<()> {
        self.file.write_all(piece).map_err(cannot_write)?;
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    pub fn begin_anew(&mut self) -> Result<()> {
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(cannot_write)?;
        (self.bytes, self.hash) = (0, Sha256::new());
        Ok(())
    }

    /// Bytes, and SHA-256 in lower-case hexadecimal.
    pub fn finish(self) -> (u64, String) {
        let hash = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        (self.bytes, hash)
    }
}

fn cannot_write(error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull => Kind::StorageFull,
        _ => Kind::Internal,
    };
    Error::new(kind, format!("cannot write the file: {error}"))
}
