//! Keys that sign tokens for tests, straight with the cryptography: not with what the tests are about.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A private key with its `kid`.
pub struct TestKey {
    pub kid: &'static str,
    secret: Secret,
}

enum Secret {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// One RSA key for all tests: making one takes a tenth of a second and more.
pub fn rsa() -> &'static TestKey {
    static KEY: OnceLock<TestKey> = OnceLock::new();
    KEY.get_or_init(|| TestKey::rsa("rsa"))
}

impl TestKey {
    pub fn rsa(kid: &'static str) -> TestKey {
        TestKey { kid, secret: Secret::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())) }
    }

    pub fn p256(kid: &'static str) -> TestKey {
        TestKey {
            kid,
            secret: Secret::P256(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
        }
    }

    pub fn p384(kid: &'static str) -> TestKey {
        TestKey {
            kid,
            secret: Secret::P384(EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap()),
        }
    }

    pub fn ed25519(kid: &'static str) -> TestKey {
        TestKey { kid, secret: Secret::Ed25519(Ed25519KeyPair::generate().unwrap()) }
    }

    /// A token of type at+jwt that names this key.
    pub fn token(&self, alg: &str, claims: &Value) -> String {
        self.sign(&json!({"alg": alg, "typ": "at+jwt", "kid": self.kid}), claims)
    }

    /// A token with exactly this header, signed as its `alg` says; with SHA-256 where the key knows no such algorithm.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let signature = self.signature(header["alg"].as_str().unwrap_or_default(), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn signature(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.secret {
            Secret::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(rsa_encoding(alg), &random, message, &mut signature).unwrap();
                signature
            }
            Secret::P256(key) | Secret::P384(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Secret::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// The public key as an entry of a JWKS, with `kid` and `use`.
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.secret {
            Secret::Rsa(key) => {
                let (n, e) = (key.public_key().modulus(), key.public_key().exponent());
                let text = |part: &[u8]| text(part);
                json!({"kty": "RSA", "n": text(n.big_endian_without_leading_zero()),
                    "e": text(e.big_endian_without_leading_zero())})
            }
            Secret::P256(key) => curve_jwk("P-256", key.public_key().as_ref()),
            Secret::P384(key) => curve_jwk("P-384", key.public_key().as_ref()),
            Secret::Ed25519(key) => json!({"kty": "OKP", "crv": "Ed25519", "x": text(key.public_key().as_ref())}),
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public key in PEM.
    pub fn pem(&self) -> String {
        let der: Result<PublicKeyX509Der, _> = match &self.secret {
            Secret::Rsa(key) => key.public_key().as_der(),
            Secret::P256(key) | Secret::P384(key) => key.public_key().as_der(),
            Secret::Ed25519(key) => key.public_key().as_der(),
        };
        pem("PUBLIC KEY", der.unwrap().as_ref())
    }
}

/// The part of a token that is signed.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let text = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", text(header), text(claims))
}

pub fn jwks(keys: &[&TestKey]) -> Vec<u8> {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()}).to_string().into_bytes()
}

pub fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn curve_jwk(curve: &str, point: &[u8]) -> Value {
    let (x, y) = point[1..].split_at(point.len() / 2);
    json!({"kty": "EC", "crv": curve, "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
}

fn rsa_encoding(alg: &str) -> &'static dyn RsaEncoding {
    match alg {
        "RS384" => &signature::RSA_PKCS1_SHA384,
        "RS512" => &signature::RSA_PKCS1_SHA512,
        "PS256" => &signature::RSA_PSS_SHA256,
        "PS384" => &signature::RSA_PSS_SHA384,
        "PS512" => &signature::RSA_PSS_SHA512,
        _ => &signature::RSA_PKCS1_SHA256,
    }
}
