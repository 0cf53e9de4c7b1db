//! Where a file's bytes go: counted, hashed, compressed if asked for, bounded.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::Written;
use crate::clock::give_way;
use crate::error::{Error, Kind, Result};

/// Pieces below this are put together before they are hashed and written.
const BUFFER_BYTES: usize = 256 * 1024;

/// What is compressed at a stretch, before others may have the processor; plain bytes take less time. Whoever writes line
/// by line sees to it by itself.
const GZIP_STRETCH_BYTES: usize = 32 * 1024;

pub struct Sink(Way);

enum Way {
    Plain(Counted),
    /// One member from the first byte to the last.
    Gzip(Box<GzEncoder<Counted>>),
}

impl Sink {
    /// Writes into a file that is there. Errors as [`super::write`].
    pub fn open(file: &Path, gzip: bool, bytes_max: u64) -> Result<Sink> {
        let file = OpenOptions::new().write(true).open(file).map_err(explain)?;
        let counted = Counted { file, digest: Sha256::new(), buffer: Vec::new(), bytes: 0, bytes_max };
        Ok(Sink(if gzip {
            Way::Gzip(Box::new(GzEncoder::new(counted, Compression::fast())))
        } else {
            Way::Plain(counted)
        }))
    }

    /// Errors with `StorageFull` if there is no room, `TooLarge` beyond the bound; no more is to be written then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let (way, stretch): (&mut dyn Write, usize) = match &mut self.0 {
            Way::Plain(counted) => (counted, BUFFER_BYTES),
            Way::Gzip(encoder) => (encoder, GZIP_STRETCH_BYTES),
        };
        for stretch in bytes.chunks(stretch) {
            way.write_all(stretch).map_err(explain)?;
            if stretch.len() >= GZIP_STRETCH_BYTES {
                give_way();
            }
        }
        Ok(())
    }

    /// Writes what still waits. Errors as [`Sink::write`].
    pub fn finish(self, rows: u64) -> Result<Written> {
        let counted = match self.0 {
            Way::Plain(counted) => counted,
            Way::Gzip(encoder) => encoder.finish().map_err(explain)?,
        };
        counted.finish(rows).map_err(explain)
    }
}

/// The file itself. Of these bytes speak the count, the digest and the bound.
struct Counted {
    file: File,
    digest: Sha256,
    buffer: Vec<u8>,
    /// Those that still wait in the buffer, too.
    bytes: u64,
    bytes_max: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(ErrorKind::FileTooLarge.into());
        }
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() < BUFFER_BYTES {
            self.buffer.extend_from_slice(bytes);
        } else {
            self.digest.update(bytes);
            self.file.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.digest.update(&self.buffer);
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Counted {
    fn finish(mut self, rows: u64) -> io::Result<Written> {
        self.flush()?;
        let sha256 = self.digest.finalize().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Ok(Written { rows, bytes: self.bytes, sha256 })
    }
}

fn explain(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::new(
            Kind::StorageFull,
            "the disk is full: the export could not be written to its end; free space, then ask for it again",
        ),
        ErrorKind::FileTooLarge => Error::new(
            Kind::TooLarge,
            "the export would become larger than a file may be here; ask for a shorter range, narrow the filter, or raise exports.max_bytes",
        ),
        _ => Error::internal(format!("cannot write an export's file: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use tempfile::NamedTempFile;

    use super::*;

    /// Pieces around the size at which they are no longer put together.
    fn pieces() -> Vec<Vec<u8>> {
        let sizes = [0, 1, 100, BUFFER_BYTES - 1, 1, BUFFER_BYTES, BUFFER_BYTES + 1, 7, 3 * BUFFER_BYTES, 5];
        sizes.iter().enumerate().map(|(i, len)| vec![i as u8; *len]).collect()
    }

    fn hex(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_file_holds_what_was_written_and_the_sink_says_what_the_file_holds() {
        for gzip in [false, true] {
            let file = NamedTempFile::new().unwrap();
            let mut sink = Sink::open(file.path(), gzip, u64::MAX).unwrap();
            pieces().iter().for_each(|piece| sink.write(piece).unwrap());
            let written = sink.finish(12).unwrap();
            let found = std::fs::read(file.path()).unwrap();
            assert_eq!(written, Written { rows: 12, bytes: found.len() as u64, sha256: hex(&found) });
            let mut content = vec![];
            match gzip {
                // A decoder of one member: were there two, it would stop after the first.
                true => GzDecoder::new(&found[..]).read_to_end(&mut content).map(|_| ()).unwrap(),
                false => content = found,
            }
            assert_eq!(content, pieces().concat());
        }
    }

    #[test]
    fn a_file_may_reach_its_bound_and_not_pass_it() {
        let file = NamedTempFile::new().unwrap();
        let mut sink = Sink::open(file.path(), false, 10).unwrap();
        sink.write(b"0123456789").unwrap();
        assert_eq!(sink.finish(1).unwrap().bytes, 10);

        let mut sink = Sink::open(file.path(), false, 10).unwrap();
        sink.write(b"012345").unwrap();
        assert_eq!(sink.write(b"67890").unwrap_err().kind, Kind::TooLarge);

        // With gzip, what comes out counts, which is less than what goes in, and is known at the end only.
        let mut sink = Sink::open(file.path(), true, 10).unwrap();
        let written = sink.write(&[0; 100_000]);
        assert_eq!(written.and_then(|()| sink.finish(1)).unwrap_err().kind, Kind::TooLarge);
    }

    #[test]
    fn a_full_disk_is_told_as_such() {
        let mut sink = Sink::open(Path::new("/dev/full"), false, u64::MAX).unwrap();
        sink.write(b"waits in the buffer").unwrap();
        assert_eq!(sink.finish(1).unwrap_err().kind, Kind::StorageFull);
        let mut sink = Sink::open(Path::new("/dev/full"), false, u64::MAX).unwrap();
        assert_eq!(sink.write(&[0; BUFFER_BYTES]).unwrap_err().kind, Kind::StorageFull);
    }
}
