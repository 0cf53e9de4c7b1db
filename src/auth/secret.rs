//! The form of secrets that we make: `<prefix>_<id>_<secret><checksum>`.
//!
//! The id finds the row, the secret (256 bits) proves it, the checksum (6 characters of SHA-256 over what stands before it)
//! tells a mistyped or made-up one apart without a look at the database or argon2. The prefix lets scanners of leaked
//! secrets, and us, know what it is.

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// `ak_`: API keys.
pub const API_KEY: Form = Form { prefix: "ak_", id_len: 12 };
/// `cs_`: secrets of clients; the id in it is the client's.
pub const CLIENT_SECRET: Form = Form { prefix: "cs_", id_len: 12 };
/// `rt_`: refresh tokens; the id in it (128 bits) is the family's.
pub const REFRESH_TOKEN: Form = Form { prefix: "rt_", id_len: 22 };

/// 43 characters of 62 hold 256 bits.
const SECRET_LEN: usize = 43;
const CHECKSUM_LEN: usize = 6;

/// 62 characters that survive a double click, a URL and a shell.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A kind of secret.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    prefix: &'static str,
    id_len: usize,
}

/// The parts of a well-formed secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts<'a> {
    pub id: &'a str,
    pub secret: &'a str,
}

impl Form {
    /// A fresh secret with a fresh id.
    pub fn generate(&self) -> Result<String> {
        self.generate_for(&random_text(self.id_len)?)
    }

    /// A fresh secret with this id, which must be one of this form.
    pub fn generate_for(&self, id: &str) -> Result<String> {
        debug_assert!(id.len() == self.id_len);
        let head = format!("{}{id}_{}", self.prefix, random_text(SECRET_LEN)?);
        let checksum = checksum(&head);
        Ok(head + &checksum)
    }

    /// None if the text is not of the form, or its checksum is wrong.
    pub fn parse<'t>(&self, text: &'t str) -> Option<Parts<'t>> {
        let len = self.prefix.len() + self.id_len + 1 + SECRET_LEN + CHECKSUM_LEN;
        if text.len() != len || !text.is_ascii() {
            return None;
        }
        let (head, sum) = text.split_at(len - CHECKSUM_LEN);
        let (id, secret) = head.strip_prefix(self.prefix)?.split_once('_')?;
        let whole =
            id.len() == self.id_len && [id, secret].iter().all(|part| part.bytes().all(|b| b.is_ascii_alphanumeric()));
        (whole && checksum(head) == sum).then_some(Parts { id, secret })
    }

    pub fn is_one(&self, text: &str) -> bool {
        self.parse(text).is_some()
    }

    /// Whether it begins like one: what is wrong with it can then be said.
    pub fn is_meant(&self, text: &str) -> bool {
        text.starts_with(self.prefix)
    }
}

/// So many characters of [`ALPHABET`], each as likely as any other.
pub fn random_text(len: usize) -> Result<String> {
    let mut text = String::with_capacity(len);
    let mut bytes = [0; 64];
    while text.len() < len {
        getrandom::fill(&mut bytes).map_err(|e| Error::internal(format!("no random numbers from the system: {e}")))?;
        // Bytes past the last whole multiple of 62 would favour the first characters.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        text.extend(fair.take(len - text.len()).map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
    }
    Ok(text)
}

fn checksum(head: &str) -> String {
    let hash = Sha256::digest(head.as_bytes());
    hash[..CHECKSUM_LEN].iter().map(|byte| char::from(ALPHABET[usize::from(byte % 62)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_secret_parses_and_any_change_of_it_does_not() {
        for form in [API_KEY, CLIENT_SECRET, REFRESH_TOKEN] {
            let key = form.generate().unwrap();
            let parts = form.parse(&key).unwrap();
            assert_eq!((parts.id.len(), parts.secret.len()), (form.id_len, SECRET_LEN));
            for at in 0..key.len() {
                let mut changed = key.clone().into_bytes();
                changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
                assert_eq!(form.parse(std::str::from_utf8(&changed).unwrap()), None, "at {at}");
            }
            assert!(!form.is_one("") && !form.is_one(&key[1..]) && !form.is_one(&format!("{key}0")));
            assert!(!form.is_one(&"é".repeat(key.len() / 2)));
        }
    }

    #[test]
    fn secrets_differ_and_an_id_may_be_given() {
        assert_ne!(API_KEY.generate().unwrap(), API_KEY.generate().unwrap());
        let first = CLIENT_SECRET.generate().unwrap();
        let id = CLIENT_SECRET.parse(&first).unwrap().id;
        let second = CLIENT_SECRET.generate_for(id).unwrap();
        assert_eq!(CLIENT_SECRET.parse(&second).unwrap().id, id);
        assert_ne!(first, second);
    }

    #[test]
    fn one_form_is_not_another() {
        assert!(!CLIENT_SECRET.is_one(&API_KEY.generate().unwrap()));
    }
}
