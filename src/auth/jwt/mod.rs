//! Signed tokens (RFC 7519, RFC 9068), verified against keys that we were given: never against what a token itself says
//! about its key. Pure: no I/O, no clock.

use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

pub use self::key_set::KeySet;

mod key_set;

/// The claims of a token whose signature and time hold.
pub type Claims = Map<String, Value>;

/// How far the clocks of an issuer and ours may differ.
pub const LEEWAY_S: i64 = 30;

/// What a token must be to be taken.
#[derive(Clone, Debug)]
pub struct Expected {
    /// `iss`, to the letter.
    pub issuer: String,
    /// `aud` must name one of them.
    pub audiences: Vec<String>,
    /// Asymmetric ones only; a key is used only for those that fit its type.
    pub algorithms: Vec<Algorithm>,
    /// `typ` without "application/", in lower case; "at+jwt" unless configured.
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
pub fn claimed_issuer(_token: &str) -> Option<Result<String, Refusal>> {
    todo!()
}

/// Verifies a token at `now_s`, Unix seconds.
pub fn verify(_token: &str, _keys: &KeySet, _expected: &Expected, _now_s: i64) -> Result<Claims, Refusal> {
    todo!()
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
