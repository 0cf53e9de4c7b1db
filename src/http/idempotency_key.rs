//! The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header): a string of structured fields (RFC 9651,
//! 3.3.3); the bare word that many clients send is taken, too.

use hyper::header::HeaderMap;

use crate::error::{Error, Result};

const NAME: &str = "idempotency-key";
const CHARS_MAX: usize = 255;

/// The key of a request, if it carries one. Errors with `Invalid` for one that is none, and for two.
pub fn of(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(NAME).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::invalid("the Idempotency-Key header stands more than once; send one"));
    }
    let key = value.to_str().ok().and_then(|text| parse(text.trim()));
    key.map(Some).ok_or_else(|| {
        Error::invalid(format!(
            "the Idempotency-Key header must be a string in quotation marks of 1 to {CHARS_MAX} visible ASCII characters, \
             such as \"8e03978e-40d5-43dd-bc93-6894a57f9324\""
        ))
    })
}

fn parse(text: &str) -> Option<String> {
    let key = match text.strip_prefix('"') {
        Some(rest) => unescaped(rest.strip_suffix('"')?)?,
        None if text.contains('"') || text.contains('\\') => return None,
        None => text.to_string(),
    };
    let is_key = (1..=CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    is_key.then_some(key)
}

/// What stands between the quotation marks: each of its own, and each backslash, has a backslash in front.
fn unescaped(text: &str) -> Option<String> {
    let mut key = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => key.push(chars.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            '"' => return None,
            _ => key.push(char),
        }
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<Option<String>> {
        let mut headers = HeaderMap::new();
        headers.append(NAME, text.parse().unwrap());
        of(&headers)
    }

    #[test]
    fn a_key_is_a_string_or_a_bare_word() {
        let long = "x".repeat(255);
        let table = [
            ("\"8e03978e-40d5\"", "8e03978e-40d5"),
            ("8e03978e-40d5", "8e03978e-40d5"),
            ("  \"a\"  ", "a"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            (&long, &long),
            ("a,b;c=d", "a,b;c=d"),
        ];
        for (text, expected) in table {
            assert_eq!(key(text), Ok(Some(expected.to_string())), "{text}");
        }
        assert_eq!(of(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn what_is_malformed_or_sent_twice_is_refused() {
        let too_long = "x".repeat(256);
        for text in
            ["", "\"\"", "\"", "\"a", "a\"", "\"a\"b\"", r#""a\b""#, r#""a\""#, "a b", "\"a\";p=1", "é", &too_long]
        {
            assert!(key(text).is_err(), "{text:?}");
        }
        let mut headers = HeaderMap::new();
        headers.append(NAME, "a".parse().unwrap());
        headers.append(NAME, "a".parse().unwrap());
        assert!(of(&headers).unwrap_err().message.contains("more than once"));
    }
}
