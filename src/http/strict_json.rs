//! Strict JSON bodies: unknown fields are refused by name.

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// What a client sent comes back at a length that a person can read.
const SHOWN_CHARS_MAX: usize = 200;

/// Reads a body. Errors with `Invalid` and what is wrong with it.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|e| refused(&e.to_string()))
}

/// Reads a body that holds a secret: as [`read`], but the error shows none of its values.
pub fn read_secret<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|e| {
        let told = e.to_string();
        // These name fields; what else is wrong with a field is told by showing the value.
        let names_a_field = ["unknown field", "missing field", "duplicate field"].iter().any(|s| told.starts_with(s));
        match e.is_data() && !names_a_field {
            true => refused(&format!("a value of the wrong type at line {} column {}", e.line(), e.column())),
            false => refused(&told),
        }
    })
}

fn refused(rule: &str) -> Error {
    let shown: String = rule.chars().take(SHOWN_CHARS_MAX).collect();
    Error::invalid(format!("the body: {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        password: String,
    }

    #[test]
    fn what_is_wrong_is_named_without_a_word_of_the_secret() {
        let table = [
            (r#"{"pasword":"hunter2"}"#, "unknown field `pasword`"),
            ("{}", "missing field `password`"),
            (r#"{"password":"hunter2","password":"hunter2"}"#, "duplicate field"),
            (r#"{"password":["hunter2"]}"#, "wrong type at line 1"),
            (r#""hunter2""#, "wrong type"),
            (r#"{"password":"hunter2"#, "EOF"),
            (r#"hunter2"#, "expected value"),
        ];
        for (json, told) in table {
            let message = read_secret::<Body>(json.as_bytes()).err().expect(json).message;
            assert!(message.contains(told) && !message.contains("hunter2"), "{json}: {message}");
        }
        let message = read_secret::<Body>(br#"{"password":20071984}"#).err().unwrap().message;
        assert!(!message.contains("2007"), "{message}");
        assert_eq!(read_secret::<Body>(br#"{"password":"x"}"#).unwrap().password, "x");
        let long = format!("{{\"{}\":1}}", "x".repeat(10_000));
        assert!(read::<Body>(long.as_bytes()).err().unwrap().message.len() < 300);
    }
}
