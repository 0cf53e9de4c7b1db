//! The rules for one head: request line, header lines, and how the body is framed (RFC 9112, 2 to 6).

use hyper::Uri;

use super::{HEADERS_MAX, Violation};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// 0 where there is no body.
    Length(u64),
    Chunked,
}

const BARE_LINE_FEED: Violation = Violation::Malformed("a line of the head ends in a bare line feed");

/// Where the head ends: just behind the empty line.
pub fn find_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == b'\n') {
        from += at + 1;
        if bytes[..from].ends_with(b"\r\n\r\n") {
            return Some(from);
        }
    }
    None
}

/// A client that sends bare line feeds, or something else than HTTP, would wait for an answer that never comes: nothing
/// it sends ends a head. `seen`: so many bytes were looked at before.
pub fn early_refusal(bytes: &[u8], seen: usize) -> Option<Violation> {
    const NOT_HTTP: &str = "this is not HTTP/1.1; is the client speaking TLS or HTTP/2 here?";
    if !bytes.first().is_some_and(|first| is_token(*first) || *first == b'\r') {
        return Some(Violation::Malformed(NOT_HTTP));
    }
    let fresh = &bytes[seen.saturating_sub(1)..];
    fresh.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r').then_some(BARE_LINE_FEED)
}

/// Checks a whole head, the empty line included.
pub fn framing(head: &[u8]) -> Result<Framing, Violation> {
    let mut lines = head[..head.len() - 2].split_inclusive(|byte| *byte == b'\n');
    let version = request_line(line(lines.next().unwrap_or_default())?)?;
    let mut headers = Headers::default();
    for text in lines {
        headers.take(line(text)?)?;
    }
    headers.framing(version)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// The text of a line without its end; tab is the only control character that may stand in it.
fn line(text: &[u8]) -> Result<&[u8], Violation> {
    let text = text.strip_suffix(b"\r\n").ok_or(BARE_LINE_FEED)?;
    if text.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
        return Err(Violation::Malformed("the head holds a control character"));
    }
    Ok(text)
}

fn request_line(line: &[u8]) -> Result<Version, Violation> {
    const RULE: Violation =
        Violation::Malformed("the first line must be a method, a path and HTTP/1.1, with one blank between them");
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(RULE);
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(RULE);
    }
    if method == b"CONNECT" {
        return Err(Violation::Malformed("this server is no proxy: CONNECT is not supported"));
    }
    if !is_target(target) {
        return Err(Violation::Malformed("the request's target is no URI; percent-encode what does not belong in one"));
    }
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err(Violation::Malformed("this server speaks HTTP/1.1 and HTTP/1.0")),
    }
}

/// Most targets are a path of plain characters; anything else is left to the parser that hyper uses. That one cuts a
/// fragment off, and so would make `DELETE /users/a#1`, whose client forgot to encode the id, erase another user.
fn is_target(target: &[u8]) -> bool {
    (target.starts_with(b"/") && target.iter().all(|byte| PLAIN[usize::from(*byte)]))
        || (!target.contains(&b'#') && Uri::try_from(target).is_ok())
}

/// What the headers seen so far say about framing.
#[derive(Default)]
struct Headers {
    count: usize,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Headers {
    fn take(&mut self, line: &[u8]) -> Result<(), Violation> {
        self.count += 1;
        if self.count > HEADERS_MAX {
            return Err(Violation::TooLarge);
        }
        if line.first().is_some_and(|first| *first == b' ' || *first == b'\t') {
            return Err(Violation::Malformed("a header is folded over several lines; send it on one"));
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        let (name, value) = line.split_at(colon);
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(Violation::Malformed("a header line must be a name, a colon at once behind it, and a value"));
        }
        self.header(name, value[1..].trim_ascii())
    }

    fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), Violation> {
        // By length first: most headers are none of these.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value)?,
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value)?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value)?,
            7 if name.eq_ignore_ascii_case(b"upgrade") => upgrade(value)?,
            _ => {}
        }
        Ok(())
    }

    /// Its value is never used; but what is no host at all must be refused (RFC 9112, 3.2).
    fn host(&mut self, value: &[u8]) -> Result<(), Violation> {
        self.hosts += 1;
        match value.iter().all(|byte| HOST[usize::from(*byte)]) {
            true => Ok(()),
            false => Err(Violation::Malformed("the Host header must be a host, and its port if it has one")),
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Violation> {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        match (length, self.length.is_some()) {
            (Some(_), true) => Err(Violation::Malformed("Content-Length stands more than once")),
            (Some(length), false) => {
                self.length = Some(length);
                Ok(())
            }
            (None, _) => Err(Violation::Malformed("Content-Length must be one whole number of bytes")),
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Violation> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Violation::Malformed(
                "Transfer-Encoding must be chunked, once; compress with Content-Encoding",
            ));
        }
        self.chunked = true;
        Ok(())
    }

    fn framing(&self, version: Version) -> Result<Framing, Violation> {
        match (self.hosts, version) {
            (0, Version::Http11) => return Err(Violation::Malformed("HTTP/1.1 needs a Host header")),
            (0 | 1, _) => {}
            (_, _) => return Err(Violation::Malformed("the Host header stands more than once")),
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Violation::Malformed("Content-Length and Transfer-Encoding exclude each other")),
            (true, None) if version == Version::Http10 => Err(Violation::Malformed("Transfer-Encoding needs HTTP/1.1")),
            (true, None) => Ok(Framing::Chunked),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

/// Other upgrades may be asked for and are passed over, as RFC 9110, 7.8 allows. An upgrade to HTTP/2 hidden in a
/// request is a way around proxies, and nothing else.
fn upgrade(value: &[u8]) -> Result<(), Violation> {
    let h2c = value.split(|byte| *byte == b',').any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"h2c"));
    if h2c {
        return Err(Violation::Malformed("this server does not speak HTTP/2: do not ask for an upgrade to h2c"));
    }
    Ok(())
}

/// A character of a token (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

const TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");

/// Characters of a target that need no closer look.
const PLAIN: [bool; 256] = table(b"/?&=%-._~:,+@!$'()*;");

/// Characters of a host and port (RFC 3986, 3.2.2).
const HOST: [bool; 256] = table(b"-._~%!$&'()*+,;=:[]");

/// Letters, digits and `others`. Every byte of a head is looked up, so it is done by table.
const fn table(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut other = 0;
    while other < others.len() {
        table[others[other] as usize] = true;
        other += 1;
    }
    table
}
