//! API keys: made, verified, revoked.
//!
//! Order of verification: cache, form and checksum, row, keyed digest of the secret, then argon2id. So only the right secret
//! of a valid key ever reaches argon2, and that once: a success is cached until the key expires or is revoked.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::cache::{Cache, Fingerprint, fingerprint, partition};
use super::hashing::Hasher;
use super::secret::API_KEY;
use super::touched::Touched;
use super::unbroken::unbroken;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{Caller, Grants, Origin, Principal, Target, TargetKind};
use crate::store::{ApiKey, Store};

/// Successes remembered at once, in each of two generations.
const CACHE_MAX: usize = 10_000;

#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    /// By the key's id.
    cache: Cache<String>,
    touched: Touched,
    /// Keys of this process alone (`--ephemeral`, `--demo`): never stored, never revoked.
    session: Mutex<HashMap<Fingerprint, Arc<Caller>>>,
    hasher: Hasher,
}

/// A key just made. `key` is shown once and kept nowhere.
pub struct NewKey {
    pub id: String,
    pub key: String,
    /// Unix microseconds.
    pub expires_at: Option<i64>,
}

impl Keys {
    /// `hasher`: a permit that passwords do not share.
    pub fn new(store: Store, clock: Clock, hasher: Hasher) -> Keys {
        Keys(Arc::new(Inner {
            store,
            clock,
            cache: Cache::new(CACHE_MAX),
            touched: Touched::default(),
            session: Mutex::default(),
            hasher,
        }))
    }

    /// Makes a key; it works as soon as this returns. `expires_at`: Unix microseconds.
    pub async fn create(&self, owner: &str, grants: Grants, expires_at: Option<i64>) -> Result<NewKey> {
        let key = API_KEY.generate()?;
        let parts = API_KEY.parse(&key).expect("a fresh key is well-formed");
        let (id, secret) = (parts.id.to_string(), parts.secret.to_string());
        let row = ApiKey {
            id: id.clone(),
            owner: owner.to_string(),
            grants,
            secret_tag: self.0.store.secret_tag(&secret),
            secret_hash: self.0.hasher.hash(secret).await?,
            created_at: self.0.clock.unix_micros(),
            expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        self.0.store.create_key(row).await?;
        Ok(NewKey { id, key, expires_at })
    }

    /// Makes a key that lives only as long as this process.
    pub fn create_for_session(&self, owner: &str, grants: Grants) -> Result<String> {
        let key = API_KEY.generate()?;
        let id = API_KEY.parse(&key).expect("a fresh key is well-formed").id;
        let fingerprint = fingerprint(&key);
        self.0.session.lock().insert(fingerprint, Arc::new(caller(id, owner, grants, None, &fingerprint)));
        Ok(key)
    }

    /// Makes a key in the place of another: same owner, scopes, roles and end. The old one works until `overlap_until`
    /// (Unix microseconds), so that whoever uses it has time to change. None if there is no valid key of that id.
    pub async fn rotate(&self, id: &str, overlap_until: i64) -> Result<Option<NewKey>> {
        let old = self.0.store.snapshot()?.key(id)?.filter(|row| self.is_valid(row));
        let Some(old) = old else { return Ok(None) };
        let new = self.create(&old.owner, old.grants, old.expires_at).await?;
        let (keys, id) = (self.clone(), id.to_string());
        unbroken(async move {
            keys.0.store.expire_key(id.clone(), overlap_until).await?;
            keys.0.cache.forget(|origin| *origin == id);
            Ok(Some(new))
        })
        .await
    }

    /// Every stored key, revoked ones too.
    pub fn list(&self) -> Result<Vec<ApiKey>> {
        self.0.store.snapshot()?.keys()
    }

    /// Revokes a key at once, caches included. False if there is no such key, or it is revoked already.
    pub async fn revoke(&self, id: &str) -> Result<bool> {
        let (keys, id) = (self.clone(), id.to_string());
        unbroken(async move {
            let revoked = keys.0.store.revoke_key(id.clone(), keys.0.clock.unix_micros()).await?;
            // After the commit: whoever verifies from now on reads the revoked row.
            keys.0.cache.forget(|origin| *origin == id);
            Ok(revoked)
        })
        .await
    }

    /// Who stands behind a key of this id, and what they may do; None if there is no such key, or it has expired or was
    /// revoked.
    pub fn principal_of(&self, id: &str) -> Result<Option<Principal>> {
        let row = self.0.store.snapshot()?.key(id)?.filter(|row| self.is_valid(row));
        if let Some(row) = row {
            return Ok(Some(Principal::local(row.owner, row.grants)));
        }
        let session = self.0.session.lock();
        let of_session = session.values().find(|caller| caller.origin == Origin::Key(id.to_string()));
        Ok(of_session.map(|caller| caller.principal.clone()))
    }

    /// Errors with `Unauthorized` if the key is malformed, unknown, wrong, expired or revoked; it does not say which of
    /// the last four. `Busy` if too many keys wait to be verified.
    pub async fn verify(&self, key: &str) -> Result<Arc<Caller>> {
        let fingerprint = fingerprint(key);
        if let Some(caller) = self.known(&fingerprint) {
            return Ok(caller);
        }
        let parts = API_KEY.parse(key).ok_or_else(|| {
            Error::new(Kind::Unauthorized, "this is not an API key of this server; copy the whole key, without quotes")
        })?;
        let tag = self.0.store.secret_tag(parts.secret);
        let is_right = |row: &ApiKey| self.is_valid(row) && row.secret_tag == tag;
        let row = self.0.store.snapshot()?.key(parts.id)?.filter(is_right).ok_or_else(refused)?;
        if !self.0.hasher.matches(parts.secret.to_string(), row.secret_hash).await? {
            return Err(refused());
        }
        // The row may have been revoked while argon2 ran, or may be before it is remembered.
        let seen = self.0.cache.look();
        let row = self.0.store.snapshot()?.key(parts.id)?.filter(is_right).ok_or_else(refused)?;
        let caller = Arc::new(caller(&row.id, &row.owner, row.grants, row.expires_at, &fingerprint));
        self.0.cache.remember(fingerprint, Arc::clone(&caller), row.id.clone(), seen);
        self.touch(&row.id, self.0.clock.unix_micros());
        Ok(caller)
    }

    /// The caller of a key that has proven itself: for the cost of a hash and a look-up.
    fn known(&self, fingerprint: &Fingerprint) -> Option<Arc<Caller>> {
        let now = self.0.clock.unix_micros();
        if let Some(caller) = self.0.cache.get(fingerprint, now) {
            if let Some(Target { name: id, .. }) = caller.targets.first() {
                self.touch(id, now);
            }
            return Some(caller);
        }
        self.0.session.lock().get(fingerprint).cloned()
    }

    fn is_valid(&self, row: &ApiKey) -> bool {
        row.revoked_at.is_none() && row.expires_at.is_none_or(|at| at > self.0.clock.unix_micros())
    }

    /// Notes that a key is used, in the background: no request waits for a note about itself.
    fn touch(&self, id: &str, now: i64) {
        if !self.0.touched.is_due(id, now) {
            return;
        }
        let (store, id) = (self.0.store.clone(), id.to_string());
        tokio::spawn(async move { store.touch_keys(vec![(id, now)]).await });
    }
}

fn caller(id: &str, owner: &str, grants: Grants, expires_at: Option<i64>, fingerprint: &Fingerprint) -> Caller {
    Caller {
        principal: Principal::local(owner, grants),
        origin: Origin::Key(id.to_string()),
        partition: partition(fingerprint),
        targets: vec![Target::new(TargetKind::Key, id), Target::new(TargetKind::Account, owner)],
        expires_at,
    }
}

fn refused() -> Error {
    Error::new(
        Kind::Unauthorized,
        "this API key is unknown, expired or revoked; make a new one with `analytics key create`",
    )
}

#[cfg(test)]
mod tests;
