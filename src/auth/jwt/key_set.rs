//! The public keys of an issuer.

use serde_json::{Map, Value};

use super::Refusal;
use super::header::Header;
use super::key::PublicKey;

/// A larger document is refused, wherever it comes from.
pub const BYTES_MAX: usize = 256 * 1024;
const KEYS_MAX: usize = 100;
/// How many keys are tried for a token that does not say which: each try costs up to 50 us.
const TRIES_MAX: usize = 4;

/// The keys of an issuer that can verify signatures, each with its `kid`, if it has one, and the algorithms that it is
/// for.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

impl KeySet {
    /// Reads a JWKS (RFC 7517). Keys for encryption, symmetric and unknown ones are left out; a set without a usable
    /// key is an error.
    pub fn from_jwks(json: &[u8]) -> Result<KeySet, String> {
        check_size(json)?;
        let set: Map<String, Value> = serde_json::from_slice(json).map_err(|_| "it is not a JSON object")?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or("it has no array \"keys\"")?;
        if keys.len() > KEYS_MAX {
            return Err(format!("it holds more than {KEYS_MAX} keys"));
        }
        KeySet::of(keys.iter().filter_map(|jwk| PublicKey::from_jwk(jwk.as_object()?)).collect())
    }

    /// Keys of ours, however many: to be told that they are too many would help nobody. Those that cannot be used are left
    /// out.
    pub fn from_own(jwks: &[Value]) -> KeySet {
        KeySet { keys: jwks.iter().filter_map(|jwk| PublicKey::from_jwk(jwk.as_object()?)).collect() }
    }

    /// Reads PEM public keys, or certificates; a key that cannot be used is an error.
    pub fn from_pem(pem: &[u8]) -> Result<KeySet, String> {
        check_size(pem)?;
        let text = std::str::from_utf8(pem).map_err(|_| "it is not PEM")?;
        if text.contains("PRIVATE KEY-----") {
            return Err("it holds a private key; put the public one there".into());
        }
        let blocks: Vec<&str> = text.split("-----BEGIN ").skip(1).collect();
        if blocks.len() > KEYS_MAX {
            return Err(format!("it holds more than {KEYS_MAX} keys"));
        }
        let keys = blocks.iter().enumerate().map(|(index, block)| {
            PublicKey::from_pem(format!("-----BEGIN {block}").as_bytes()).ok_or_else(|| {
                format!("key {} in it is no public key of RSA (2048 to 8192 bits), P-256, P-384 or Ed25519", index + 1)
            })
        });
        KeySet::of(keys.collect::<Result<_, String>>()?)
    }

    /// Whether a key of `other` is not in this set as it is there.
    pub fn lacks_any_of(&self, other: &KeySet) -> bool {
        other.keys.iter().any(|key| !self.keys.contains(key))
    }

    /// Errors unless one of the keys that the header may mean signed the message. The signature is base64url.
    pub(super) fn check(&self, header: &Header, message: &str, signature: &str) -> Result<(), Refusal> {
        let named: Vec<&PublicKey> = self.keys.iter().filter(|key| key.id.is_some() && key.id == header.kid).collect();
        let is_signed = |keys: &[&PublicKey]| keys.iter().any(|key| key.signed(header.algorithm, message, signature));
        if named.is_empty() {
            // The issuer may have a new key, unless one of those here is the one.
            return is_signed(&self.nameless(header)?).then_some(()).ok_or(Refusal::UnknownKey);
        }
        // Ids may repeat, for keys of different types above all.
        let fitting: Vec<&PublicKey> = named.into_iter().filter(|key| key.fits(header.algorithm)).collect();
        if fitting.is_empty() {
            return Err(Refusal::Bad("its signature algorithm does not fit the key that it names"));
        }
        let tried = &fitting[..fitting.len().min(TRIES_MAX)];
        is_signed(tried).then_some(()).ok_or(Refusal::Bad("its signature is wrong"))
    }

    /// Keys that may be meant without being named: all that fit where the token names none, those without an id where
    /// it does (keys of a PEM file have none).
    fn nameless(&self, header: &Header) -> Result<Vec<&PublicKey>, Refusal> {
        let may_be_meant = |key: &&PublicKey| key.fits(header.algorithm) && (header.kid.is_none() || key.id.is_none());
        let keys: Vec<&PublicKey> = self.keys.iter().filter(may_be_meant).collect();
        if keys.len() > TRIES_MAX {
            return Err(Refusal::Bad("it does not say by its \"kid\" which of its issuer's keys signed it"));
        }
        Ok(keys)
    }

    fn of(keys: Vec<PublicKey>) -> Result<KeySet, String> {
        if keys.is_empty() {
            return Err("it holds no public key that can verify signatures".into());
        }
        Ok(KeySet { keys })
    }
}

fn check_size(document: &[u8]) -> Result<(), String> {
    if document.len() > BYTES_MAX {
        return Err(format!("it is larger than {} KiB", BYTES_MAX / 1024));
    }
    Ok(())
}
