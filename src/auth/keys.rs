//! API keys: made, verified, revoked.
//!
//! Order of verification: cache, form and checksum, row, then argon2id, one at a time and only for a secret that belongs to
//! an existing key's id. A success is cached under a digest of the key until it expires or is revoked.

use std::collections::HashMap;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::key_format;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{Principal, Scopes};
use crate::store::{ApiKey, Store};

/// Successes remembered at once; beyond it the cache starts anew.
const CACHE_MAX: usize = 10_000;
/// `last_used_at` is noted at most so often per key: it tells days, not seconds.
const TOUCH_AFTER_MICROS: i64 = 60_000_000;

#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    cache: Mutex<Cache>,
    /// Keys of this process alone (`--ephemeral`, `--demo`): never stored, never revoked.
    session: Mutex<HashMap<[u8; 32], Verified>>,
    /// argon2 takes 19 MiB and a core: one at a time, whatever comes.
    hashing: Arc<Semaphore>,
}

/// Keys that have proven themselves, by fingerprint.
#[derive(Default)]
struct Cache {
    verified: HashMap<[u8; 32], Verified>,
    /// How many revocations there have been: what was read before the last one may not be remembered after it.
    revocations: u64,
}

#[derive(Clone)]
struct Verified {
    id: String,
    principal: Principal,
    expires_at: Option<i64>,
    touched_at: i64,
}

/// A key just made. `key` is shown once and kept nowhere.
pub struct NewKey {
    pub id: String,
    pub key: String,
}

impl Keys {
    pub fn new(store: Store, clock: Clock) -> Keys {
        Keys(Arc::new(Inner {
            store,
            clock,
            cache: Mutex::default(),
            session: Mutex::default(),
            hashing: Arc::new(Semaphore::new(1)),
        }))
    }

    /// Makes a key; it works as soon as this returns. `expires_at`: Unix microseconds.
    pub async fn create(&self, owner: &str, scopes: Scopes, expires_at: Option<i64>) -> Result<NewKey> {
        let key = generate()?;
        let parts = key_format::parse(&key).expect("a fresh key is well-formed");
        let (id, secret) = (parts.id.to_string(), parts.secret.to_string());
        let secret_hash = self.hash(secret).await?;
        let row = ApiKey {
            id: id.clone(),
            owner: owner.to_string(),
            scopes,
            secret_hash,
            created_at: self.0.clock.unix_micros(),
            expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        self.0.store.create_key(row).await?;
        Ok(NewKey { id, key })
    }

    /// Makes a key that lives only as long as this process.
    pub fn create_for_session(&self, owner: &str, scopes: Scopes) -> Result<String> {
        let key = generate()?;
        let id = key_format::parse(&key).expect("a fresh key is well-formed").id.to_string();
        let verified = Verified { id, principal: principal(owner, scopes), expires_at: None, touched_at: i64::MAX };
        self.0.session.lock().insert(fingerprint(&key), verified);
        Ok(key)
    }

    /// Every stored key, revoked ones too.
    pub fn list(&self) -> Result<Vec<ApiKey>> {
        self.0.store.snapshot()?.keys()
    }

    /// Revokes a key at once, caches included. False if there is no such key, or it is revoked already.
    pub async fn revoke(&self, id: &str) -> Result<bool> {
        let revoked = self.0.store.revoke_key(id.to_string(), self.0.clock.unix_micros()).await?;
        // After the commit: whoever verifies from now on reads the revoked row.
        let mut cache = self.0.cache.lock();
        cache.revocations += 1;
        cache.verified.retain(|_, verified| verified.id != id);
        Ok(revoked)
    }

    /// Errors with `Unauthorized` if the key is malformed, unknown, wrong, expired or revoked; it does not say which of
    /// the last four.
    pub async fn verify(&self, key: &str) -> Result<Principal> {
        // The cache first: a known key costs one hash and a look-up.
        let fingerprint = fingerprint(key);
        if let Some(principal) = self.cached(&fingerprint) {
            return Ok(principal);
        }
        let parts = key_format::parse(key).ok_or_else(|| {
            Error::new(Kind::Unauthorized, "this is not an API key of this server; copy the whole key, without quotes")
        })?;
        let row = self.0.store.snapshot()?.key(parts.id)?.filter(|row| self.is_valid(row)).ok_or_else(refused)?;
        if !self.matches(parts.secret.to_string(), row.secret_hash.clone()).await? {
            return Err(refused());
        }
        // The row may have been revoked while argon2 ran, or may be before it is remembered.
        let revocations = self.0.cache.lock().revocations;
        let row = self.0.store.snapshot()?.key(parts.id)?.filter(|row| self.is_valid(row)).ok_or_else(refused)?;
        self.remember(fingerprint, &row, revocations);
        Ok(principal(&row.owner, row.scopes))
    }

    fn cached(&self, fingerprint: &[u8; 32]) -> Option<Principal> {
        if let Some(verified) = self.0.session.lock().get(fingerprint) {
            return Some(verified.principal.clone());
        }
        let now = self.0.clock.unix_micros();
        let mut cache = self.0.cache.lock();
        let verified = cache.verified.get_mut(fingerprint)?;
        if verified.expires_at.is_some_and(|at| at <= now) {
            cache.verified.remove(fingerprint);
            return None;
        }
        let touch = now - verified.touched_at >= TOUCH_AFTER_MICROS;
        if touch {
            verified.touched_at = now;
        }
        let (principal, id) = (verified.principal.clone(), verified.id.clone());
        drop(cache);
        if touch {
            self.touch(id, now);
        }
        Some(principal)
    }

    fn is_valid(&self, row: &ApiKey) -> bool {
        row.revoked_at.is_none() && row.expires_at.is_none_or(|at| at > self.0.clock.unix_micros())
    }

    /// `revocations`: how many there had been before the row was read.
    fn remember(&self, fingerprint: [u8; 32], row: &ApiKey, revocations: u64) {
        let now = self.0.clock.unix_micros();
        let verified = Verified {
            id: row.id.clone(),
            principal: principal(&row.owner, row.scopes),
            expires_at: row.expires_at,
            touched_at: now,
        };
        let mut cache = self.0.cache.lock();
        if cache.revocations == revocations {
            if cache.verified.len() >= CACHE_MAX {
                cache.verified.clear();
            }
            cache.verified.insert(fingerprint, verified);
        }
        drop(cache);
        self.touch(row.id.clone(), now);
    }

    /// In the background: no request waits for a note about itself.
    fn touch(&self, id: String, now: i64) {
        let store = self.0.store.clone();
        tokio::spawn(async move { store.touch_keys(vec![(id, now)]).await });
    }

    async fn hash(&self, secret: String) -> Result<String> {
        let hashed =
            self.with_permit(move || Argon2::default().hash_password(secret.as_bytes()).map(|hash| hash.to_string()));
        hashed.await?.map_err(|e| Error::internal(format!("argon2: {e}")))
    }

    async fn matches(&self, secret: String, hash: String) -> Result<bool> {
        self.with_permit(move || {
            PasswordHash::new(&hash)
                .is_ok_and(|hash| Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok())
        })
        .await
    }

    /// Runs one piece of argon2 work at a time. The permit moves into the work: a client that hangs up frees nothing
    /// early.
    async fn with_permit<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let permit = Arc::clone(&self.0.hashing).acquire_owned().await;
        let permit = permit.map_err(|_| Error::internal("the hashing permits are closed"))?;
        let work = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        work.await.map_err(|e| Error::internal(format!("hashing: {e}")))
    }
}

fn generate() -> Result<String> {
    key_format::generate().map_err(|e| Error::internal(format!("no random numbers from the system: {e}")))
}

fn fingerprint(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn principal(owner: &str, scopes: Scopes) -> Principal {
    Principal { issuer: "local".into(), subject: owner.to_string(), scopes }
}

fn refused() -> Error {
    Error::new(
        Kind::Unauthorized,
        "this API key is unknown, expired or revoked; make a new one with `analytics key create`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scope;
    use crate::store::testing::settings;

    #[tokio::test]
    async fn a_key_revoked_while_it_is_verified_is_not_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual(0);
        let keys = Keys::new(Store::open(&settings(&directory), clock.clone()).unwrap(), clock);
        let made = keys.create("me", [Scope::Admin].into_iter().collect(), None).await.unwrap();
        // What a verification does, with the revocation between its last look at the row and its end.
        let revocations = keys.0.cache.lock().revocations;
        let row = keys.0.store.snapshot().unwrap().key(&made.id).unwrap().unwrap();
        assert!(keys.revoke(&made.id).await.unwrap());
        keys.remember(fingerprint(&made.key), &row, revocations);
        assert_eq!(keys.verify(&made.key).await.unwrap_err().kind, Kind::Unauthorized);
    }
}
