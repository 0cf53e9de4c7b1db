//! Holds raw requests against the rules that hyper is lenient about (RFC 9112). A pure state machine over bytes: it
//! checks each head before hyper sees it, and follows the framing of bodies to find where the next head begins.
//!
//! Leniency about framing is what request smuggling lives on: where a proxy and a server disagree about the end of a
//! request, one client's bytes become another's request.

mod chunked;
mod head;

use chunked::Chunked;
use head::Framing;

/// Bytes of a request's head, from the method to the empty line.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
pub const HEADERS_MAX: usize = 64;

/// What is wrong with a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// Breaks a rule of the protocol; the text says which, for a person.
    Malformed(&'static str),
    TooLarge,
    /// The head did not arrive in time.
    Slow,
}

/// What may be done with the bytes just looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// So many bytes from the front are in order; never 0. Ask again for what lies behind.
    Pass(usize),
    /// The head is not whole: hold it back and come again with more behind it.
    Hold,
    Refuse(Violation),
    /// The framing of a body is broken. The request is under way already, so all that is left is to end it there.
    Cut,
}

#[derive(Debug, Default)]
pub struct Guard {
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// `seen`: so many bytes of the unfinished head hold no end of it.
    Head {
        seen: usize,
    },
    Body {
        left: u64,
    },
    Chunked(Chunked),
}

impl Default for State {
    fn default() -> State {
        State::Head { seen: 0 }
    }
}

impl Guard {
    /// Looks at bytes that were not passed yet; `bytes` is never empty and begins where the last `Pass` ended.
    pub fn inspect(&mut self, bytes: &[u8]) -> Verdict {
        match self.state {
            State::Head { seen } => self.inspect_head(bytes, seen),
            State::Body { left } => {
                let passed = left.min(bytes.len() as u64);
                self.state = if passed == left { State::default() } else { State::Body { left: left - passed } };
                Verdict::Pass(passed as usize)
            }
            State::Chunked(chunked) => self.inspect_chunks(bytes, chunked),
        }
    }

    /// Whether the next byte begins a request, and none of its head is held back.
    pub fn is_between_requests(&self) -> bool {
        self.state == State::Head { seen: 0 }
    }

    fn inspect_head(&mut self, bytes: &[u8], seen: usize) -> Verdict {
        // Empty lines in front of a request are to be ignored (RFC 9112, 2.2).
        if bytes.starts_with(b"\r\n") {
            return Verdict::Pass(2);
        }
        let from = seen.saturating_sub(3);
        let Some(end) = head::find_end(&bytes[from..]).map(|end| from + end) else {
            self.state = State::Head { seen: bytes.len() };
            return match bytes.len() {
                ..HEAD_BYTES_MAX => head::early_refusal(bytes, seen).map_or(Verdict::Hold, Verdict::Refuse),
                _ => Verdict::Refuse(Violation::TooLarge),
            };
        };
        if end > HEAD_BYTES_MAX {
            return Verdict::Refuse(Violation::TooLarge);
        }
        match head::framing(&bytes[..end]) {
            Ok(Framing::Length(0)) => self.state = State::default(),
            Ok(Framing::Length(left)) => self.state = State::Body { left },
            Ok(Framing::Chunked) => self.state = State::Chunked(Chunked::START),
            Err(violation) => return Verdict::Refuse(violation),
        }
        Verdict::Pass(end)
    }

    fn inspect_chunks(&mut self, bytes: &[u8], mut chunked: Chunked) -> Verdict {
        let mut at = 0;
        while at < bytes.len() {
            let Some((next, passed)) = chunked.advance(&bytes[at..]) else { return Verdict::Cut };
            (chunked, at) = (next, at + passed);
            if chunked == Chunked::End {
                self.state = State::default();
                return Verdict::Pass(at);
            }
        }
        self.state = State::Chunked(chunked);
        Verdict::Pass(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in pieces of `step`, as a connection would, and tells how many passed and what ended it.
    fn feed(bytes: &[u8], step: usize) -> (usize, Option<Verdict>, Guard) {
        let mut guard = Guard::default();
        let mut passed = 0;
        for end in (step..bytes.len() + step).step_by(step) {
            let end = end.min(bytes.len());
            while passed < end {
                match guard.inspect(&bytes[passed..end]) {
                    Verdict::Pass(count) => passed += count,
                    Verdict::Hold => break,
                    refusal => return (passed, Some(refusal), guard),
                }
            }
        }
        (passed, None, guard)
    }

    #[test]
    fn requests_in_order_pass_whole_however_they_are_cut() {
        let good: [&[u8]; 10] = [
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\r\n\r\nGET /a?b=c HTTP/1.0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
            b"GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\nHost: x\r\nX-Empty:\r\n\r\n",
            b"POST / HTTP/1.1\r\nhost:x\r\ncontent-length: 5\r\n\r\n\r\n\r\nxGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\nA \r\n\r\n\r\nGET /a\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\nA: b\r\nC: d\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /\xf0\x9f\xa6\x80 HTTP/1.1\r\nHost: x\r\nX: \xe9\r\n\r\n",
        ];
        for bytes in good {
            for step in [1, 2, 3, 7, bytes.len()] {
                let (passed, refusal, guard) = feed(bytes, step);
                let shown = String::from_utf8_lossy(bytes);
                assert_eq!((passed, refusal), (bytes.len(), None), "{shown:?} in steps of {step}");
                assert!(guard.is_between_requests(), "{shown:?}");
            }
        }
    }

    #[test]
    fn what_breaks_the_rules_is_refused_before_a_byte_of_it_passes() {
        let bad: [&[u8]; 30] = [
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n",
            b"GET / HTTP/1.1\nHost: x\n\n",
            b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
            b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n",
            b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET / HTTP/1.2\r\nHost: x\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /\r\nHost: x\r\n\r\n",
            b"DELETE /users/a#1 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: u@x/a\r\n\r\n",
            b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\x02\0\x01",
        ];
        for bytes in bad {
            for step in [1, bytes.len()] {
                let (passed, refusal, _) = feed(bytes, step);
                let shown = String::from_utf8_lossy(bytes);
                assert!(matches!(refusal, Some(Verdict::Refuse(Violation::Malformed(_)))), "{shown:?}: {refusal:?}");
                assert_eq!(passed, 0, "{shown:?}");
            }
        }
    }

    #[test]
    fn a_head_that_is_too_large_is_refused_while_it_arrives() {
        let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(HEAD_BYTES_MAX));
        let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX));
        for text in [long, many] {
            let (passed, refusal, _) = feed(text.as_bytes(), 1000);
            assert_eq!((passed, refusal), (0, Some(Verdict::Refuse(Violation::TooLarge))));
        }
    }

    #[test]
    fn a_broken_chunk_cuts_the_body() {
        let head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let broken: [&[u8]; 7] =
            [b"5\nhello", b"x\r\n", b"\r\n", b"-1\r\n", b"1\r\nab\r\n", b"11111111111111111\r\n", b"0\r\nA: b\n\r\n"];
        for body in broken {
            let (_, refusal, _) = feed(&[head.as_slice(), body].concat(), 1);
            assert_eq!(refusal, Some(Verdict::Cut), "{:?}", String::from_utf8_lossy(body));
        }
    }
}
