//! The form of an API key: `ak_<id>_<secret><checksum>`.
//!
//! The id (12 characters) finds the row, the secret (256 bits) proves the key, the checksum (6 characters of SHA-256 over
//! what stands before it) tells a mistyped or made-up key apart without a look at the database or argon2.

use sha2::{Digest, Sha256};

const PREFIX: &str = "ak_";
const ID_LEN: usize = 12;
const SECRET_LEN: usize = 43;
const CHECKSUM_LEN: usize = 6;
const KEY_LEN: usize = PREFIX.len() + ID_LEN + 1 + SECRET_LEN + CHECKSUM_LEN;

/// 62 characters that survive a double click, a URL and a shell.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The parts of a well-formed key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts<'a> {
    pub id: &'a str,
    pub secret: &'a str,
}

/// A fresh key: 43 characters of 62 hold 256 bits.
pub fn generate() -> Result<String, getrandom::Error> {
    let head = format!("{PREFIX}{}_{}", random_text(ID_LEN)?, random_text(SECRET_LEN)?);
    let checksum = checksum(&head);
    Ok(head + &checksum)
}

/// None if the text is not of the form, or its checksum is wrong.
pub fn parse(key: &str) -> Option<Parts<'_>> {
    if key.len() != KEY_LEN || !key.is_ascii() {
        return None;
    }
    let (head, sum) = key.split_at(KEY_LEN - CHECKSUM_LEN);
    let (id, secret) = head.strip_prefix(PREFIX)?.split_once('_')?;
    let whole = id.len() == ID_LEN && [id, secret].iter().all(|part| part.bytes().all(|b| b.is_ascii_alphanumeric()));
    (whole && checksum(head) == sum).then_some(Parts { id, secret })
}

pub fn is_key(text: &str) -> bool {
    parse(text).is_some()
}

fn random_text(len: usize) -> Result<String, getrandom::Error> {
    let mut text = String::with_capacity(len);
    let mut bytes = [0; 64];
    while text.len() < len {
        getrandom::fill(&mut bytes)?;
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
    fn a_fresh_key_parses_and_any_change_of_it_does_not() {
        let key = generate().unwrap();
        let parts = parse(&key).unwrap();
        assert_eq!((parts.id.len(), parts.secret.len()), (ID_LEN, SECRET_LEN));
        for at in 0..key.len() {
            let mut changed = key.clone().into_bytes();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(parse(std::str::from_utf8(&changed).unwrap()), None, "at {at}");
        }
        assert!(!is_key("") && !is_key(&key[1..]) && !is_key(&format!("{key}0")) && !is_key(&"é".repeat(KEY_LEN / 2)));
    }

    #[test]
    fn keys_differ() {
        assert_ne!(generate().unwrap(), generate().unwrap());
    }
}
