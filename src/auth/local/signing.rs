//! The keys that sign the issuer's tokens.
//!
//! The first token makes the first key. A new key signs at once; the one that it replaces signs no more, but is published
//! and accepted as long as a token that it signed may be good (`store::signing_keys` says how long), and deleted when the
//! next key is made, or at the first token after the next start.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::jwt::KeySet;
use super::super::secret::random_text;
use super::super::unbroken::unbroken;
use super::{Inner, Issuer, SigningAlgorithm};
use crate::error::{Error, Result};
use crate::store::SigningKey;

/// Names a key; drawn by chance, so that no two issuers ever mean different keys by one.
const KID_LEN: usize = 16;

/// The keys in memory: this process alone writes the database, so they are read once.
#[derive(Default)]
pub(super) struct Signing {
    ring: Mutex<Option<Arc<Ring>>>,
    /// Held while a key is made, so that memory follows the database in the order of its commits.
    making: tokio::sync::Mutex<()>,
}

/// All keys at one time.
pub(super) struct Ring {
    /// None until this process signs: to verify needs no current key.
    signer: Option<Signer>,
    pub verifying: KeySet,
    jwks: Value,
}

/// The current key.
pub(super) struct Signer {
    pub kid: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Issuer {
    /// The public keys (RFC 7517), retired ones too while tokens that they signed may live.
    pub fn jwks(&self) -> Result<Value> {
        Ok(self.0.ring()?.jwks.clone())
    }

    /// Makes a new signing key at once; the old one stays published. Gives the new `kid`.
    pub async fn rotate(&self) -> Result<String> {
        let inner = Arc::clone(&self.0);
        unbroken(async move {
            let _making = inner.signing.making.lock().await;
            let keys = inner.store.rotate_signing_key(inner.fresh_key()?).await?;
            Ok(inner.use_keys(&keys)?.signer()?.kid.clone())
        })
        .await
    }
}

impl Inner {
    /// The keys to verify with.
    pub(super) fn ring(&self) -> Result<Arc<Ring>> {
        // Held while they are read, so that they cannot replace those of a rotation meanwhile.
        let mut ring = self.signing.ring.lock();
        if let Some(ring) = &*ring {
            return Ok(Arc::clone(ring));
        }
        let loaded = Arc::new(Ring::new(&self.store.snapshot()?.signing_keys()?, None)?);
        Ok(Arc::clone(ring.insert(loaded)))
    }

    /// The keys with a current one, of the algorithm that the settings ask for.
    pub(super) async fn signing_ring(self: &Arc<Inner>) -> Result<Arc<Ring>> {
        if let Some(ring) = self.signing.with_signer() {
            return Ok(ring);
        }
        let inner = Arc::clone(self);
        unbroken(async move {
            let _making = inner.signing.making.lock().await;
            if let Some(ring) = inner.signing.with_signer() {
                return Ok(ring);
            }
            let keys = inner.store.ensure_signing_key(inner.fresh_key()?).await?;
            inner.use_keys(&keys)
        })
        .await
    }

    /// A key that nobody knows yet.
    fn fresh_key(&self) -> Result<SigningKey> {
        let private_key = match self.settings.algorithm {
            SigningAlgorithm::EdDsa => fresh_eddsa()?,
            SigningAlgorithm::Es256 => {
                let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
                made.map_err(|_| unmade())?.as_ref().to_vec()
            }
        };
        Ok(SigningKey {
            kid: random_text(KID_LEN)?,
            algorithm: self.settings.algorithm.as_str().to_string(),
            private_key,
            created_at: self.clock.unix_micros(),
            retired_at: None,
        })
    }

    /// Puts what a commit left into memory.
    fn use_keys(&self, keys: &[SigningKey]) -> Result<Arc<Ring>> {
        let current = keys.first().filter(|key| key.retired_at.is_none());
        let ring = Arc::new(Ring::new(keys, current.map(Signer::new).transpose()?)?);
        *self.signing.ring.lock() = Some(Arc::clone(&ring));
        Ok(ring)
    }
}

/// PKCS #8. The seed is the system's: AWS-LC's own random numbers begin with 40 ms of measuring the processor's jitter, which
/// `--ephemeral` would take to start. To sign with such a key needs none.
fn fresh_eddsa() -> Result<Vec<u8>> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| Error::internal(format!("no random numbers from the system: {e}")))?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| unmade())?;
    Ok(pair.to_pkcs8v1().map_err(|_| unmade())?.as_ref().to_vec())
}

fn unmade() -> Error {
    Error::internal("a signing key could not be made")
}

impl Signing {
    fn with_signer(&self) -> Option<Arc<Ring>> {
        self.ring.lock().as_ref().filter(|ring| ring.signer.is_some()).map(Arc::clone)
    }
}

impl Ring {
    fn new(keys: &[SigningKey], signer: Option<Signer>) -> Result<Ring> {
        let jwks = keys.iter().map(public_jwk).collect::<Result<Vec<_>>>()?;
        Ok(Ring { signer, verifying: KeySet::from_own(&jwks), jwks: json!({ "keys": jwks }) })
    }

    /// The current key. Errors with `Internal` if the ring was made to verify only.
    pub(super) fn signer(&self) -> Result<&Signer> {
        self.signer.as_ref().ok_or_else(|| Error::internal("there is no current signing key"))
    }
}

impl Signer {
    fn new(key: &SigningKey) -> Result<Signer> {
        let (algorithm, encoding_key) = match algorithm(key)? {
            SigningAlgorithm::EdDsa => (Algorithm::EdDSA, EncodingKey::from_ed_der(&key.private_key)),
            SigningAlgorithm::Es256 => (Algorithm::ES256, EncodingKey::from_ec_der(&key.private_key)),
        };
        Ok(Signer { kid: key.kid.clone(), algorithm, key: encoding_key })
    }

    /// A JWS of the type `at+jwt` (RFC 9068, 2.1).
    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<String> {
        let mut header = Header::new(self.algorithm);
        header.typ = Some("at+jwt".into());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|e| Error::internal(format!("signing a token: {e}")))
    }
}

/// The public half as RFC 7517 writes it (RFC 7518, 6.2; RFC 8037, 2).
fn public_jwk(key: &SigningKey) -> Result<Value> {
    let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let algorithm = algorithm(key)?;
    let mut jwk = match algorithm {
        SigningAlgorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_pkcs8(&key.private_key).map_err(|_| damaged(key))?;
            json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref()) })
        }
        SigningAlgorithm::Es256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.private_key);
            let pair = pair.map_err(|_| damaged(key))?;
            // An uncompressed point: a byte that says so, then its two coordinates.
            let (x, y) = pair.public_key().as_ref().split_at_checked(33).ok_or_else(|| damaged(key))?;
            json!({ "kty": "EC", "crv": "P-256", "x": base64(&x[1..]), "y": base64(y) })
        }
    };
    jwk["use"] = "sig".into();
    jwk["alg"] = algorithm.as_str().into();
    jwk["kid"] = key.kid.as_str().into();
    Ok(jwk)
}

fn algorithm(key: &SigningKey) -> Result<SigningAlgorithm> {
    SigningAlgorithm::parse(&key.algorithm).ok_or_else(|| damaged(key))
}

fn damaged(key: &SigningKey) -> Error {
    Error::internal(format!("the row {:?} of signing_key is damaged; delete it, and a new key is made", key.kid))
}
