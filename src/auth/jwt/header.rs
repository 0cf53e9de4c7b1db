use std::str::FromStr;

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use serde_json::{Map, Value};

use super::{Expected, Refusal};

/// Longer ids of keys are refused: they are looked up by, and come from anybody.
pub const KID_BYTES_MAX: usize = 128;

/// What a token's header may say. `jku`, `x5u`, `x5c` and `jwk` are not among it: a token does not choose its key.
#[derive(Debug)]
pub struct Header {
    pub algorithm: Algorithm,
    pub kid: Option<String>,
}

impl Header {
    pub fn read(header: &Map<String, Value>, expected: &Expected) -> Result<Header, Refusal> {
        // An extension that must be understood (RFC 7515, 4.1.11), or one that changes what is signed (RFC 7797).
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(Refusal::Bad("it needs an extension that is not supported"));
        }
        check_type(header.get("typ"), &expected.types)?;
        Ok(Header { algorithm: algorithm(header.get("alg"), expected)?, kid: kid(header.get("kid"))? })
    }
}

/// Tells an access token from any other JWT of the same issuer, an id token above all (RFC 9068, 4).
fn check_type(typ: Option<&Value>, types: &[String]) -> Result<(), Refusal> {
    let name = match typ {
        None => "jwt".to_string(),
        Some(Value::String(typ)) => typ.to_ascii_lowercase(),
        Some(_) => return Err(Refusal::Bad("its \"typ\" is not a text")),
    };
    let name = name.strip_prefix("application/").unwrap_or(&name);
    match types.iter().any(|accepted| accepted == name) {
        true => Ok(()),
        false => Err(Refusal::Bad("it is not an access token: its \"typ\" is another one")),
    }
}

fn algorithm(alg: Option<&Value>, expected: &Expected) -> Result<Algorithm, Refusal> {
    alg.and_then(Value::as_str)
        .and_then(algorithm_named)
        // Never a symmetric one: anybody could sign with the public key.
        .filter(|algorithm| algorithm.family() != AlgorithmFamily::Hmac && expected.algorithms.contains(algorithm))
        .ok_or(Refusal::Bad("its signature algorithm is not accepted"))
}

/// None for one that we do not know.
pub fn algorithm_named(name: &str) -> Option<Algorithm> {
    match name {
        // What EdDSA on this curve is called since RFC 9864; `jsonwebtoken` knows the older name only.
        "Ed25519" => Some(Algorithm::EdDSA),
        name => Algorithm::from_str(name).ok(),
    }
}

fn kid(kid: Option<&Value>) -> Result<Option<String>, Refusal> {
    match kid {
        None => Ok(None),
        Some(Value::String(kid)) if kid.len() <= KID_BYTES_MAX => Ok(Some(kid.clone())),
        Some(_) => Err(Refusal::Bad("its \"kid\" is not a text of at most 128 bytes")),
    }
}
