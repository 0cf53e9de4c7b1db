//! The framing of a chunked body, byte by byte (RFC 9112, 7.1).

/// Bytes of a chunk's extensions.
const EXTENSION_BYTES_MAX: usize = 1024;
/// Bytes of the trailer section behind a chunked body.
const TRAILER_BYTES_MAX: usize = 8 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chunked {
    Size {
        size: u64,
        digits: u8,
    },
    /// Behind the size: a blank or an extension, up to the line's end.
    Extension {
        size: u64,
        len: usize,
    },
    SizeLf {
        size: u64,
    },
    Payload {
        left: u64,
    },
    PayloadCr,
    PayloadLf,
    /// At the start of a trailer line; `len` counts the whole section.
    TrailerStart {
        len: usize,
    },
    Trailer {
        len: usize,
    },
    TrailerLf {
        len: usize,
    },
    EndLf,
    End,
}

impl Chunked {
    pub const START: Chunked = Chunked::Size { size: 0, digits: 0 };

    /// Takes bytes off the front, at least one: the state behind them, and how many. None if they do not belong there.
    pub fn advance(self, bytes: &[u8]) -> Option<(Chunked, usize)> {
        match self {
            Chunked::Payload { left } => Some(skip_payload(left, bytes.len())),
            other => step(other, *bytes.first()?).map(|next| (next, 1)),
        }
    }
}

fn skip_payload(left: u64, there: usize) -> (Chunked, usize) {
    let passed = left.min(there as u64);
    let next = if passed == left { Chunked::PayloadCr } else { Chunked::Payload { left: left - passed } };
    (next, passed as usize)
}

/// One byte of a chunked body's framing (RFC 9112, 7.1); None if it does not belong there.
fn step(chunked: Chunked, byte: u8) -> Option<Chunked> {
    match (chunked, byte) {
        (Chunked::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < 16 => {
            let digit = char::from(byte).to_digit(16).map(u64::from)?;
            Some(Chunked::Size { size: size << 4 | digit, digits: digits + 1 })
        }
        (Chunked::Size { size, digits: 1.. }, b'\r') => Some(Chunked::SizeLf { size }),
        (Chunked::Size { size, digits: 1.. }, b';' | b' ' | b'\t') => Some(Chunked::Extension { size, len: 0 }),
        (Chunked::Extension { size, .. }, b'\r') => Some(Chunked::SizeLf { size }),
        (Chunked::Extension { size, len }, b'\t' | b' '..=b'~') if len < EXTENSION_BYTES_MAX => {
            Some(Chunked::Extension { size, len: len + 1 })
        }
        (Chunked::SizeLf { size: 0 }, b'\n') => Some(Chunked::TrailerStart { len: 0 }),
        (Chunked::SizeLf { size }, b'\n') => Some(Chunked::Payload { left: size }),
        (Chunked::PayloadCr, b'\r') => Some(Chunked::PayloadLf),
        (Chunked::PayloadLf, b'\n') => Some(Chunked::Size { size: 0, digits: 0 }),
        (Chunked::TrailerStart { .. }, b'\r') => Some(Chunked::EndLf),
        (Chunked::EndLf, b'\n') => Some(Chunked::End),
        (Chunked::Trailer { len }, b'\r') => Some(Chunked::TrailerLf { len }),
        (Chunked::TrailerLf { len }, b'\n') => Some(Chunked::TrailerStart { len }),
        (Chunked::TrailerStart { len } | Chunked::Trailer { len }, b'\t' | b' '..=b'~' | 0x80..)
            if len < TRAILER_BYTES_MAX =>
        {
            Some(Chunked::Trailer { len: len + 1 })
        }
        _ => None,
    }
}
