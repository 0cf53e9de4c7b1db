//! Cursors of the log: opaque to clients, and good only for the question that they came from.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::model::{LogFilter, Position, Severity, Timestamp};

/// The order in which a reader goes through the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    NewestFirst,
    OldestFirst,
    Arrival,
}

/// Grows with any change of the layout below.
const VERSION: u8 = 1;
/// Version, order, time stamp, sequence number, fingerprint of the filter.
const CONTENT_LEN: usize = 1 + 1 + 8 + 8 + 8;
/// The content, and a checksum: a mistyped or cut cursor would lead to a place that its client never was.
const LEN: usize = CONTENT_LEN + 4;

/// Where to go on: behind `position`. By arrival only its sequence number counts.
pub fn encode(order: Order, filter: &LogFilter, position: Position) -> String {
    let mut bytes = Vec::with_capacity(LEN);
    bytes.extend_from_slice(&[VERSION, order as u8]);
    bytes.extend_from_slice(&position.at.unix_micros().to_be_bytes());
    bytes.extend_from_slice(&position.seq.to_be_bytes());
    bytes.extend_from_slice(&fingerprint(filter));
    bytes.extend_from_slice(&checksum(&bytes));
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Errors with `Invalid` for anything that [`encode`] did not make, or made for another order or filter.
pub fn decode(text: &str, order: Order, filter: &LogFilter) -> Result<Position> {
    const GARBLED: &str = "parameter \"cursor\" is none of this server's; give next_cursor back as it came";
    const OTHER: &str = "parameter \"cursor\" belongs to another order or other filters; keep every parameter but limit as \
                         it was, or begin anew without it";
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| <[u8; LEN]>::try_from(bytes).ok());
    let is_whole = |bytes: &[u8; LEN]| bytes[CONTENT_LEN..] == checksum(&bytes[..CONTENT_LEN]) && bytes[0] == VERSION;
    let bytes = bytes.filter(is_whole).ok_or_else(|| Error::invalid(GARBLED))?;
    let number = |from: usize| i64::from_be_bytes(bytes[from..from + 8].try_into().expect("eight bytes"));
    if bytes[1] != order as u8 || bytes[18..CONTENT_LEN] != fingerprint(filter) {
        return Err(Error::invalid(OTHER));
    }
    let at = Timestamp::from_unix_micros(number(2)).ok_or_else(|| Error::invalid(GARBLED))?;
    let seq = Some(number(10)).filter(|seq| *seq >= 0).ok_or_else(|| Error::invalid(GARBLED))?;
    Ok(Position { at, seq })
}

fn checksum(content: &[u8]) -> [u8; 4] {
    let hash = Sha256::digest(content);
    hash[..4].try_into().expect("a hash has 32 bytes")
}

/// Tells filters apart; equal ones have the same however they were written.
fn fingerprint(filter: &LogFilter) -> [u8; 8] {
    let severities = Severity::ALL.map(|severity| filter.severities.contains(severity));
    let instant = |at: Option<Timestamp>| at.map(Timestamp::unix_micros);
    let service = filter.service.as_ref().map(|service| service.as_str());
    let text = format!("{severities:?} {:?} {:?} {service:?}", instant(filter.from), instant(filter.to));
    let hash = Sha256::digest(text.as_bytes());
    hash[..8].try_into().expect("a hash has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Id;

    fn position() -> Position {
        Position { at: Timestamp::parse("2025-05-21T10:15:30.000001Z").unwrap(), seq: 42 }
    }

    #[test]
    fn a_cursor_comes_back_as_the_position_it_was_made_of() {
        let filter = LogFilter { service: Some(Id::new("web").unwrap()), ..LogFilter::default() };
        for order in [Order::NewestFirst, Order::OldestFirst, Order::Arrival] {
            let text = encode(order, &filter, position());
            assert_eq!(decode(&text, order, &filter), Ok(position()));
        }
    }

    #[test]
    fn a_cursor_of_another_question_is_refused() {
        let filter = LogFilter::default();
        let text = encode(Order::NewestFirst, &filter, position());
        assert!(decode(&text, Order::OldestFirst, &filter).is_err());
        let warnings = LogFilter { severities: [Severity::Warning].into_iter().collect(), ..filter.clone() };
        let from = LogFilter { from: Some(Timestamp::MIN), ..filter.clone() };
        let service = LogFilter { service: Some(Id::new("web").unwrap()), ..filter.clone() };
        for other in [warnings, from, service] {
            assert!(decode(&text, Order::NewestFirst, &other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        let filter = LogFilter::default();
        let text = encode(Order::NewestFirst, &filter, position());
        let negative = encode(Order::NewestFirst, &filter, Position { seq: -1, ..position() });
        for bad in ["", "x", "!!", &text[1..], &format!("{text}A"), &negative] {
            assert!(decode(bad, Order::NewestFirst, &filter).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_cursor_with_any_bit_changed_is_refused() {
        let filter = LogFilter::default();
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(encode(Order::Arrival, &filter, position())).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&BASE64_URL_SAFE_NO_PAD.encode(changed), Order::Arrival, &filter).is_err(), "bit {bit}");
        }
    }
}
