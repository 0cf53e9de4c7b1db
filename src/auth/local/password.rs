//! What a password may be. Passwords are hashed by argon2id and stand nowhere else.

use crate::error::{Error, Result};

const BYTES_MIN: usize = 12;
/// Enough for every pass phrase; hashing must not depend on what a stranger sends.
const BYTES_MAX: usize = 1_024;

/// What the password for a name without an account is compared with, so that it takes as long as with one. No password
/// is known that fits it: its bytes are made up.
pub const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5cyBwYXNzd29yZA$TGUgc2lsZW5jZSBlc3QgbGUgcGx1cyBiZWF1IGRvbi4";

/// Errors with `Invalid` and what a password must be, never with the password itself.
pub fn check(password: &str) -> Result<()> {
    if (BYTES_MIN..=BYTES_MAX).contains(&password.len()) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the password must be {BYTES_MIN} to {BYTES_MAX} bytes long; a few words that nobody else would put together do"
    )))
}

/// Whether it is so long that no account can have it. Short ones are tried: the least length may grow.
pub fn is_hopeless(password: &str) -> bool {
    password.len() > BYTES_MAX
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::phc::PasswordHash;

    use super::*;
    use crate::auth::hashing::Hasher;

    #[test]
    fn a_password_is_neither_short_nor_endless() {
        for (len, good) in [(0, false), (11, false), (12, true), (1_024, true), (1_025, false)] {
            let password = "x".repeat(len);
            assert_eq!(check(&password).is_ok(), good, "{len}");
            assert_eq!(is_hopeless(&password), len > 1_024, "{len}");
        }
        // Bytes, not characters: the message says so.
        assert!(check("ééééé€").is_ok());
        let message = check("swordfish").unwrap_err().message;
        assert!(message.contains("12 to 1024 bytes") && !message.contains("swordfish"), "{message}");
    }

    #[tokio::test]
    async fn nobodys_hash_takes_the_same_work_as_anybodys() {
        let fresh = Hasher::default().hash("a good long password".into()).await.unwrap();
        let (fresh, nobodys) = (PasswordHash::new(&fresh).unwrap(), PasswordHash::new(NOBODYS_HASH).unwrap());
        assert_eq!((&fresh.algorithm, fresh.version), (&nobodys.algorithm, nobodys.version));
        assert_eq!(fresh.params, nobodys.params);
        let lengths = |hash: &PasswordHash| (hash.salt.map(|salt| salt.len()), hash.hash.map(|hash| hash.len()));
        assert_eq!(lengths(&fresh), lengths(&nobodys));
    }
}
