//! Tokens of an issuer that the tests play: any header, any claims, signed for real. Nothing here is the product's.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

pub struct Signer {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Signer {
    pub fn new() -> Signer {
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let ed = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
        Signer {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref()).expect("our own key"),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).expect("our own key"),
        }
    }

    /// The public keys as a JWKS: `rsa`, `ec` and `ed` are their ids.
    pub fn jwks(&self) -> Value {
        json!({"keys": [
            self.rsa_jwk(),
            {"kty": "EC", "crv": "P-256", "kid": "ec", "x": base64url(&self.point()[..32]), "y": base64url(&self.point()[32..])},
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": base64url(self.ed.public_key().as_ref())},
        ]})
    }

    pub fn rsa_jwk(&self) -> Value {
        let key: &rsa::PublicKey = self.rsa.public_key();
        let (n, e) = (key.modulus(), key.exponent());
        json!({"kty": "RSA", "use": "sig", "kid": "rsa",
            "n": base64url(n.big_endian_without_leading_zero()), "e": base64url(e.big_endian_without_leading_zero())})
    }

    /// What a careless verifier would take for a shared secret.
    pub fn rsa_pem(&self) -> String {
        let der: PublicKeyX509Der = self.rsa.public_key().as_der().expect("DER");
        let body: Vec<String> = STANDARD
            .encode(der.as_ref())
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into())
            .collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", body.join("\n"))
    }

    pub fn rs256(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .expect("RSA signs anything");
        format!("{message}.{}", base64url(&signature))
    }

    pub fn es256(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = self.ec.sign(&SystemRandom::new(), message.as_bytes()).expect("ECDSA signs anything");
        format!("{message}.{}", base64url(signature.as_ref()))
    }

    pub fn eddsa(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        format!("{message}.{}", base64url(self.ed.sign(message.as_bytes()).as_ref()))
    }

    fn point(&self) -> &[u8] {
        // Uncompressed: 4, x, y.
        &self.ec.public_key().as_ref()[1..]
    }
}

pub fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = message(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", base64url(tag.as_ref()))
}

pub fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.", message(header, claims))
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()))
}

pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
