//! The socket as hyper sees it: every request's head passes the [`Guard`] first.
//!
//! Instead of a head that breaks a rule, hyper is handed a request of our own making, so that the refusal takes the same
//! way out as every other answer, in its turn behind the requests before it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::guard::{Guard, HEAD_BYTES_MAX, Verdict, Violation};

/// The method of the request that stands for a refused one. A client that sends it gets what any unknown method gets.
pub const REFUSED: &str = "REFUSED";
const STAND_IN: &[u8] = b"REFUSED / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";

/// What is read from the socket at once: in front of heads, and once a body proves to be long.
const READ_BYTES: usize = 4 * 1024;
const READ_BYTES_LONG: usize = 64 * 1024;

/// What a closed connection may still send before we stop listening: closing with unread bytes resets the connection,
/// and the client would lose the answer that tells it why.
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

pub struct Guarded<S> {
    stream: S,
    guard: Guard,
    /// `start..passed` may be handed on, `passed..filled` is still to be looked at or held back.
    inbox: Vec<u8>,
    start: usize,
    passed: usize,
    filled: usize,
    /// Nothing more is read for hyper.
    ended: bool,
    head_timeout: Duration,
    /// Runs while an unfinished head is held back.
    head_deadline: Option<Pin<Box<Sleep>>>,
    /// Why the last request of this connection is a stand-in.
    refusal: Arc<OnceLock<Violation>>,
    linger: Option<Linger>,
}

struct Linger {
    deadline: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guarded<S> {
    pub fn new(stream: S, head_timeout: Duration, refusal: Arc<OnceLock<Violation>>) -> Guarded<S> {
        Guarded {
            stream,
            guard: Guard::default(),
            inbox: Vec::new(),
            start: 0,
            passed: 0,
            filled: 0,
            ended: false,
            head_timeout,
            head_deadline: None,
            refusal,
            linger: None,
        }
    }

    /// Looks at what waits. True once there is something to hand on, or the end.
    fn look(&mut self) -> bool {
        if self.passed == self.filled {
            return false;
        }
        match self.guard.inspect(&self.inbox[self.passed..self.filled]) {
            Verdict::Pass(count) => {
                self.passed += count;
                self.head_deadline = None;
            }
            Verdict::Hold => return false,
            Verdict::Refuse(violation) => self.refuse(violation),
            Verdict::Cut => self.ended = true,
        }
        true
    }

    fn refuse(&mut self, violation: Violation) {
        // Set once: a refusal is the last thing that a connection hears.
        let _ = self.refusal.set(violation);
        self.inbox.clear();
        self.inbox.extend_from_slice(STAND_IN);
        (self.start, self.passed, self.filled) = (0, STAND_IN.len(), STAND_IN.len());
        self.head_deadline = None;
        self.ended = true;
    }

    /// Reads more from the socket behind what is held back.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.make_room();
        let mut buffer = ReadBuf::new(&mut self.inbox[self.filled..]);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => {
                let count = buffer.filled().len();
                self.filled += count;
                self.ended = count == 0;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_head_deadline(cx).map(Ok),
        }
    }

    fn make_room(&mut self) {
        let was_full = self.filled == self.inbox.len() && self.filled > 0;
        self.inbox.copy_within(self.passed..self.filled, 0);
        (self.filled, self.start, self.passed) = (self.filled - self.passed, 0, 0);
        let wanted = match self.filled {
            0 if was_full => READ_BYTES_LONG,
            0 => READ_BYTES,
            held => (held + READ_BYTES).min(HEAD_BYTES_MAX + READ_BYTES),
        };
        if self.inbox.len() < wanted {
            self.inbox.resize(wanted, 0);
        }
    }

    fn poll_head_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.filled == 0 {
            return Poll::Pending;
        }
        let timeout = self.head_timeout;
        let deadline = self.head_deadline.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(deadline.as_mut().poll(cx));
        self.refuse(Violation::Slow);
        Poll::Ready(())
    }

    /// Reads and drops what the client still sends, so that it gets to read our last answer.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Linger { deadline: Box::pin(sleep(LINGER)), bytes: 0 });
        self.inbox.resize(self.inbox.len().max(READ_BYTES), 0);
        loop {
            let mut buffer = ReadBuf::new(&mut self.inbox);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && linger.bytes < LINGER_BYTES_MAX => {
                    linger.bytes += buffer.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return linger.deadline.as_mut().poll(cx),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Read for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut to: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.start < this.passed {
                let count = to.remaining().min(this.passed - this.start);
                to.put_slice(&this.inbox[this.start..this.start + count]);
                this.start += count;
                return Poll::Ready(Ok(()));
            }
            if this.refusal.get().is_some() {
                // hyper would take the end of input for a client that has gone, and drop the answer. It closes by itself
                // once the stand-in is answered.
                return Poll::Pending;
            }
            if this.ended {
                return Poll::Ready(Ok(()));
            }
            if !this.look() {
                ready!(this.poll_fill(cx))?;
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Write for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let unread = this.filled > this.start || !this.guard.is_between_requests();
        if unread || this.refusal.get().is_some() {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, parts)
    }
}
