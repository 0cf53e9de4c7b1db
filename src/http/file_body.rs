//! The bodies of answers: bytes in memory, or a part of a file that is read piece by piece as the client takes it.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Read at once. A download holds one piece that is being sent and one that has been read ahead.
const PIECE_BYTES: u64 = 128 * 1024;
/// Pieces read at one time, over all downloads; the others wait in line. A slow disk must not take all blocking threads.
const READERS_MAX: usize = 8;

static READERS: Semaphore = Semaphore::const_new(READERS_MAX);

/// What is to be sent of a file.
pub struct FilePart {
    pub file: Arc<File>,
    pub range: Range<u64>,
}

/// The body of any answer.
pub enum ResponseBody {
    Full(Full<Bytes>),
    File(FileBody),
}

/// Reads on blocking threads, so that a slow disk holds up nobody else, and holds no thread while the client is slow. A
/// file that has become shorter, or cannot be read, ends the connection: the client sees less than was announced, and never
/// takes a part for the whole.
pub struct FileBody {
    part: FilePart,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FilePart {
    pub fn bytes(&self) -> u64 {
        self.range.end - self.range.start
    }
}

impl FileBody {
    pub fn new(part: FilePart) -> FileBody {
        FileBody { part, reading: None }
    }

    /// Begins to read the next piece, if there is one.
    fn read_ahead(&mut self) {
        let (start, len) = (self.part.range.start, self.part.bytes().min(PIECE_BYTES));
        if len > 0 && self.reading.is_none() {
            let file = Arc::clone(&self.part.file);
            self.reading = Some(tokio::spawn(read(file, start, len as usize)));
        }
    }
}

async fn read(file: Arc<File>, start: u64, len: usize) -> io::Result<Bytes> {
    let _place = READERS.acquire().await.map_err(io::Error::other)?;
    let read = move || {
        let mut piece = vec![0; len];
        file.read_exact_at(&mut piece, start)?;
        Ok(piece.into())
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.read_ahead();
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx)).unwrap_or_else(|e| Err(io::Error::other(e)));
        self.reading = None;
        match read {
            Ok(piece) => {
                self.part.range.start += piece.len() as u64;
                self.read_ahead();
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Err(e) => {
                let _ = writeln!(io::stderr(), "error: a download was broken off, its file cannot be read: {e}");
                Poll::Ready(Some(Err(e)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.part.bytes() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.part.bytes())
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            ResponseBody::Full(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            ResponseBody::File(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ResponseBody::Full(body) => body.is_end_stream(),
            ResponseBody::File(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ResponseBody::Full(body) => body.size_hint(),
            ResponseBody::File(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tempfile::NamedTempFile;

    use super::*;

    fn file_of(bytes: &[u8]) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn body(file: &NamedTempFile, range: Range<u64>) -> FileBody {
        FileBody::new(FilePart { file: Arc::new(file.reopen().unwrap()), range })
    }

    #[tokio::test]
    async fn every_part_of_a_file_is_sent_as_it_is() {
        let bytes: Vec<u8> = (0..3 * PIECE_BYTES + 7).map(|at| (at % 251) as u8).collect();
        let file = file_of(&bytes);
        let end = bytes.len() as u64;
        for range in [0..end, 0..0, 5..6, 1..PIECE_BYTES + 1, PIECE_BYTES..2 * PIECE_BYTES, end - 1..end] {
            let body = body(&file, range.clone());
            assert_eq!(body.size_hint().exact(), Some(range.end - range.start));
            let sent = body.collect().await.unwrap().to_bytes();
            assert!(sent == bytes[range.start as usize..range.end as usize], "{range:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_becomes_shorter_breaks_off() {
        let file = file_of(&vec![1; 3 * PIECE_BYTES as usize]);
        let mut body = body(&file, 0..3 * PIECE_BYTES);
        assert!(body.frame().await.unwrap().is_ok());
        file.as_file().set_len(PIECE_BYTES).unwrap();
        // A piece may have been read ahead; none behind it comes.
        let rest = body.collect().await;
        assert!(rest.is_err());
    }
}
