//! Signed tokens (RFC 7519, RFC 9068), verified against keys that we were given: never against what a token itself says
//! about its key. Pure: no I/O, no clock.
//!
//! Only signatures are left to `jsonwebtoken`: set up as strictly as it can be, it still takes tokens without `iss` or
//! `aud`, of any `typ`, with an unknown `crit` or an `iat` in the future.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

pub use self::key_set::{BYTES_MAX as KEY_SET_BYTES_MAX, KeySet};
use header::Header;

pub mod claims;
mod header;
mod key;
mod key_set;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

/// The claims of a token whose signature and time hold.
pub type Claims = Map<String, Value>;

/// How far the clocks of an issuer and ours may differ.
pub const LEEWAY_S: i64 = 30;
/// Longer tokens are not looked at; the heads of requests have the same bound.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What a token must be to be taken.
#[derive(Clone, Debug)]
pub struct Expected {
    /// `iss`, to the letter.
    pub issuer: String,
    /// `aud` must name one of them.
    pub audiences: Vec<String>,
    /// Asymmetric ones only; a key is used only for those that fit its type.
    pub algorithms: Vec<Algorithm>,
    /// `typ` without "application/", in lower case; "at+jwt" unless configured. Tokens that say no type are taken
    /// where "jwt" is among them.
    pub types: Vec<String>,
}

/// Why a token is not taken; the text is for the client and names no secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Signed by a key that we do not have: the issuer may have a new one.
    UnknownKey,
    Bad(&'static str),
}

/// Whether a text has the form of a JWT, and the issuer that it claims: only to choose whom to ask. None for anything
/// else, an opaque token among them.
pub fn claimed_issuer(token: &str) -> Option<Result<String, Refusal>> {
    if token.len() > TOKEN_BYTES_MAX {
        return Some(Err(Refusal::Bad("it is too long")));
    }
    let parts = Parts::split(token)?;
    object(parts.header)?;
    Some(match object(parts.claims) {
        Some(claims) => claims::issuer(&claims).map(str::to_string),
        None => Err(UNREADABLE),
    })
}

/// Verifies a token at `now_s`, Unix seconds.
pub fn verify(token: &str, keys: &KeySet, expected: &Expected, now_s: i64) -> Result<Claims, Refusal> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Refusal::Bad("it is too long"));
    }
    let parts = Parts::split(token).ok_or(UNREADABLE)?;
    let header = Header::read(&object(parts.header).ok_or(UNREADABLE)?, expected)?;
    let claims = object(parts.claims).ok_or(UNREADABLE)?;
    // Before the signature: a token that would be refused anyway costs no cryptography, and no look for a new key.
    claims::check(&claims, expected, now_s)?;
    keys.check(&header, parts.signed, parts.signature)?;
    Ok(claims)
}

/// What of a token is signed. Of two tokens that differ in the signature alone, as ECDSA lets anybody make them, this
/// is the same: what counts by token has to count by this.
pub fn signed_part(token: &str) -> &str {
    token.rsplit_once('.').map_or(token, |(signed, _)| signed)
}

/// The same where it is not known whether a token is signed at all: the whole of it if it has not the form of a JWT.
pub fn counted_part(token: &str) -> &str {
    if claimed_issuer(token).is_some() { signed_part(token) } else { token }
}

const UNREADABLE: Refusal = Refusal::Bad("it cannot be read as a JWT");

/// The parts of a compact token (RFC 7515, 3.1), as they were sent.
struct Parts<'t> {
    header: &'t str,
    claims: &'t str,
    signature: &'t str,
    /// Header and claims.
    signed: &'t str,
}

impl Parts<'_> {
    fn split(token: &str) -> Option<Parts<'_>> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        (!claims.contains('.')).then_some(Parts { header, claims, signature, signed })
    }
}

/// None unless the text is base64url of a JSON object.
fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

impl Refusal {
    /// For the client.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::UnknownKey => "it is signed by a key that its issuer does not publish",
            Refusal::Bad(reason) => reason,
        }
    }
}
