//! One public key, and what it may be used for.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::header::{KID_BYTES_MAX, algorithm_named};

/// Shorter RSA keys can be broken, longer ones only cost time.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

const RSA: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// `kid`.
    pub id: Option<String>,
    material: Material,
    /// `alg`: the only one that it is for.
    algorithm: Option<Algorithm>,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    /// Both big-endian.
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// Points are uncompressed: 4, x, y.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// None unless it is a good key (RFC 7517) for signatures, of a type that we know.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Option<PublicKey> {
        // Whoever can read a private half can sign with it.
        if !is_for_signatures(jwk) || jwk.contains_key("d") {
            return None;
        }
        let material = material_of_jwk(jwk)?;
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(alg) => Some(algorithm_named(alg.as_str()?)?),
        };
        let id = match jwk.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str().filter(|kid| kid.len() <= KID_BYTES_MAX)?.to_string()),
        };
        let key = PublicKey { id, material, algorithm };
        key.has_use().then_some(key)
    }

    /// Reads one block of PEM, a certificate's too. None unless it holds a good key of a type that we know.
    pub fn from_pem(block: &[u8]) -> Option<PublicKey> {
        let material = rsa_of_pem(block).or_else(|| point_of_pem(block)).or_else(|| ed25519_of_pem(block))?;
        Some(PublicKey { id: None, material, algorithm: None })
    }

    /// Whether it may be used for this algorithm.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|own| own == algorithm) && self.material.algorithms().contains(&algorithm)
    }

    /// Whether the signature (base64url) is this key's. To be asked only where it fits.
    pub fn signed(&self, algorithm: Algorithm, message: &str, signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.material.decoding_key(), algorithm)
            .unwrap_or(false)
    }

    fn has_use(&self) -> bool {
        self.algorithm.is_none_or(|own| self.material.algorithms().contains(&own))
    }
}

impl Material {
    fn algorithms(&self) -> &'static [Algorithm] {
        match self {
            Material::Rsa { .. } => &RSA,
            Material::P256(_) => &[Algorithm::ES256],
            Material::P384(_) => &[Algorithm::ES384],
            Material::Ed25519(_) => &[Algorithm::EdDSA],
        }
    }

    fn decoding_key(&self) -> DecodingKey {
        match self {
            Material::Rsa { modulus, exponent } => DecodingKey::from_rsa_raw_components(modulus, exponent),
            Material::P256(point) | Material::P384(point) => DecodingKey::from_ec_der(point),
            Material::Ed25519(x) => DecodingKey::from_ed_der(x),
        }
    }
}

/// `use` and `key_ops` say what a key is for; one that says nothing is for anything.
fn is_for_signatures(jwk: &Map<String, Value>) -> bool {
    let verifies = |ops: &Value| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify"));
    jwk.get("use").is_none_or(|usage| usage == "sig") && jwk.get("key_ops").is_none_or(verifies)
}

fn material_of_jwk(jwk: &Map<String, Value>) -> Option<Material> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    match (text("kty")?, text("crv")) {
        ("RSA", _) => rsa(&bytes("n")?, bytes("e")?),
        ("EC", Some("P-256")) => p256([&[4], &*bytes("x")?, &*bytes("y")?].concat()),
        ("EC", Some("P-384")) => p384([&[4], &*bytes("x")?, &*bytes("y")?].concat()),
        ("OKP", Some("Ed25519")) => ed25519(bytes("x")?),
        _ => None,
    }
}

fn rsa(modulus: &[u8], exponent: Vec<u8>) -> Option<Material> {
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let modulus = &modulus[zeros..];
    let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
    RSA_BITS.contains(&bits).then(|| Material::Rsa { modulus: modulus.to_vec(), exponent })
}

/// None unless the point lies on the curve.
fn p256(point: Vec<u8>) -> Option<Material> {
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).ok().map(|_| Material::P256(point))
}

fn p384(point: Vec<u8>) -> Option<Material> {
    ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &point).ok().map(|_| Material::P384(point))
}

fn ed25519(x: Vec<u8>) -> Option<Material> {
    (x.len() == 32).then_some(Material::Ed25519(x))
}

fn rsa_of_pem(block: &[u8]) -> Option<Material> {
    let key = DecodingKey::from_rsa_pem(block).ok()?;
    let key = aws_lc_rs::rsa::PublicKey::from_der(key.try_get_as_bytes().ok()?).ok()?;
    let exponent = key.exponent().big_endian_without_leading_zero().to_vec();
    rsa(key.modulus().big_endian_without_leading_zero(), exponent)
}

fn point_of_pem(block: &[u8]) -> Option<Material> {
    let point = DecodingKey::from_ec_pem(block).ok()?.try_get_as_bytes().ok()?.to_vec();
    p256(point.clone()).or_else(|| p384(point))
}

fn ed25519_of_pem(block: &[u8]) -> Option<Material> {
    ed25519(DecodingKey::from_ed_pem(block).ok()?.try_get_as_bytes().ok()?.to_vec())
}
