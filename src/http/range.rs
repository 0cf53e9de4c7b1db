//! Which bytes of a representation a client wants (RFC 9110, 13.1.5 and 14). Pure.

use std::ops::Range;

use hyper::header::{self, HeaderMap};

use super::http_date;

/// What a request is to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    Whole,
    /// Never empty.
    Part(Range<u64>),
    /// Nothing of what was asked for exists.
    Unsatisfiable,
}

/// What tells one state of a representation from another.
pub struct Validators<'v> {
    /// Strong, in quotation marks.
    pub etag: &'v str,
    /// Unix seconds.
    pub last_modified_s: i64,
}

/// What `Range` and `If-Range` ask of so many bytes. Several ranges are answered with the whole, as is anything malformed.
pub fn wanted(headers: &HeaderMap, validators: &Validators, bytes: u64) -> Wanted {
    let mut values = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Wanted::Whole };
    if !is_same(headers, validators) {
        return Wanted::Whole;
    }
    value.to_str().ok().and_then(|text| parse(text, bytes)).unwrap_or(Wanted::Whole)
}

/// Whether what the client has a part of is what we have: by a strong tag, or the exact date.
fn is_same(headers: &HeaderMap, validators: &Validators) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else { return true };
    let Ok(text) = value.to_str() else { return false };
    match text.starts_with('"') || text.starts_with("W/") {
        true => text == validators.etag,
        false => http_date::parse(text) == Some(validators.last_modified_s),
    }
}

/// None if it is no single range of bytes.
fn parse(text: &str, bytes: u64) -> Option<Wanted> {
    let (unit, range) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let part = match (first, last) {
        ("", suffix) => bytes.saturating_sub(number(suffix)?)..bytes,
        (first, "") => number(first)?..bytes,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            first..last.saturating_add(1).min(bytes)
        }
    };
    Some(if part.is_empty() { Wanted::Unsatisfiable } else { Wanted::Part(part) })
}

/// Digits only; a number too large for us is behind any end.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALIDATORS: Validators = Validators { etag: "\"abc\"", last_modified_s: 784_111_777 };

    fn asked(pairs: &[(header::HeaderName, &str)], bytes: u64) -> Wanted {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        wanted(&headers, &VALIDATORS, bytes)
    }

    #[test]
    fn a_single_range_is_a_part_within_the_bytes() {
        let table = [
            ("bytes=0-0", 10, Wanted::Part(0..1)),
            ("bytes=0-9", 10, Wanted::Part(0..10)),
            ("bytes=3-5", 10, Wanted::Part(3..6)),
            ("bytes=3-", 10, Wanted::Part(3..10)),
            ("bytes=9-", 10, Wanted::Part(9..10)),
            ("bytes=-3", 10, Wanted::Part(7..10)),
            ("bytes=-11", 10, Wanted::Part(0..10)),
            ("bytes=5-99999999999999999999", 10, Wanted::Part(5..10)),
            ("bytes=-99999999999999999999", 10, Wanted::Part(0..10)),
            ("BYTES= 3-5 ", 10, Wanted::Part(3..6)),
            ("bytes=10-", 10, Wanted::Unsatisfiable),
            ("bytes=10-20", 10, Wanted::Unsatisfiable),
            ("bytes=99999999999999999999-", 10, Wanted::Unsatisfiable),
            ("bytes=18446744073709551615-18446744073709551615", 10, Wanted::Unsatisfiable),
            ("bytes=-0", 10, Wanted::Unsatisfiable),
            ("bytes=0-", 0, Wanted::Unsatisfiable),
            ("bytes=-1", 0, Wanted::Unsatisfiable),
        ];
        for (text, bytes, expected) in table {
            assert_eq!(asked(&[(header::RANGE, text)], bytes), expected, "{text} of {bytes}");
        }
    }

    #[test]
    fn several_ranges_and_what_is_malformed_give_the_whole() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-3",
            "bytes=0-1,3-4",
            "bytes=0-1,",
            "bytes=+1-2",
            "bytes=1--2",
            "bytes=1-2-3",
            "lines=0-1",
            "bytes 0-1",
            "bytes=0 - 1",
            "bytes=0x1-",
        ] {
            assert_eq!(asked(&[(header::RANGE, text)], 10), Wanted::Whole, "{text:?}");
        }
        assert_eq!(asked(&[(header::RANGE, "bytes=0-1"), (header::RANGE, "bytes=2-3")], 10), Wanted::Whole);
        assert_eq!(asked(&[], 10), Wanted::Whole);
    }

    #[test]
    fn a_part_is_sent_only_of_what_the_client_has_begun() {
        let with = |if_range: &str| asked(&[(header::RANGE, "bytes=3-"), (header::IF_RANGE, if_range)], 10);
        for same in ["\"abc\"", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(with(same), Wanted::Part(3..10), "{same}");
        }
        let others =
            ["\"abd\"", "W/\"abc\"", "abc", "", "Sun, 06 Nov 1994 08:49:38 GMT", "Sun, 06 Nov 1994 08:49:36 GMT"];
        for other in others {
            assert_eq!(with(other), Wanted::Whole, "{other:?}");
        }
    }
}
