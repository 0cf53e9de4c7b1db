//! Credentials that have proven themselves, by fingerprint: the next request with one costs a hash and a look-up.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::model::Caller;

/// SHA-256 of a credential as it was sent.
pub type Fingerprint = [u8; 32];

pub fn fingerprint(credential: &str) -> Fingerprint {
    Sha256::digest(credential.as_bytes()).into()
}

/// Whose requests count together when a credential counts by itself.
pub fn partition(fingerprint: &Fingerprint) -> u128 {
    let (half, _) = fingerprint.split_at(16);
    u128::from_be_bytes(half.try_into().expect("16 of 32 bytes"))
}

/// A bounded cache in two generations: when the young one is full it becomes the old one, and what the old one still held
/// is forgotten. Whatever is in use moves back into the young one, so a flood of new credentials cannot push it out
/// without having been verified twice over.
pub struct Cache<O> {
    inner: Mutex<Inner<O>>,
    generation_max: usize,
}

struct Inner<O> {
    young: HashMap<Fingerprint, Entry<O>>,
    old: HashMap<Fingerprint, Entry<O>>,
    /// How many times something was forgotten: what was read before the last one may not be remembered after it.
    revocations: u64,
}

struct Entry<O> {
    caller: Arc<Caller>,
    /// What it rests on, such as a key's id: by it the entry is forgotten.
    origin: O,
    /// Unix microseconds: it has to be verified again from then on. Not after the credential's own end.
    good_until: i64,
}

/// What has to be seen before a credential is looked at, so that one revoked meanwhile is not remembered.
#[derive(Clone, Copy)]
pub struct Seen(u64);

impl<O> Cache<O> {
    /// Holds at most twice so many.
    pub fn new(generation_max: usize) -> Cache<O> {
        let inner = Inner { young: HashMap::new(), old: HashMap::new(), revocations: 0 };
        Cache { inner: Mutex::new(inner), generation_max }
    }

    /// None if it is not known, or has expired.
    pub fn get(&self, fingerprint: &Fingerprint, now_unix_micros: i64) -> Option<Arc<Caller>> {
        let mut inner = self.inner.lock();
        if let Some(entry) = inner.young.get(fingerprint) {
            return (entry.good_until > now_unix_micros).then(|| Arc::clone(&entry.caller));
        }
        let entry = inner.old.remove(fingerprint)?;
        if entry.good_until <= now_unix_micros {
            return None;
        }
        let caller = Arc::clone(&entry.caller);
        inner.insert(*fingerprint, entry, self.generation_max);
        Some(caller)
    }

    /// To be called before the rows that a verification rests on are read.
    pub fn look(&self) -> Seen {
        Seen(self.inner.lock().revocations)
    }

    /// Remembers what was verified, unless something was forgotten since `seen`: it may have been this.
    pub fn remember(&self, fingerprint: Fingerprint, caller: Arc<Caller>, origin: O, seen: Seen) {
        self.remember_until(fingerprint, caller, origin, seen, i64::MAX);
    }

    /// The same, but to be verified again from `good_until` (Unix microseconds) on.
    pub fn remember_until(
        &self,
        fingerprint: Fingerprint,
        caller: Arc<Caller>,
        origin: O,
        seen: Seen,
        good_until: i64,
    ) {
        let good_until = caller.expires_at.map_or(good_until, |at| at.min(good_until));
        let mut inner = self.inner.lock();
        if inner.revocations == seen.0 {
            inner.insert(fingerprint, Entry { caller, origin, good_until }, self.generation_max);
        }
    }

    /// Forgets everything whose origin is meant. To be called after the commit that revokes it.
    pub fn forget(&self, is_meant: impl Fn(&O) -> bool) {
        let mut inner = self.inner.lock();
        inner.revocations += 1;
        inner.young.retain(|_, entry| !is_meant(&entry.origin));
        inner.old.retain(|_, entry| !is_meant(&entry.origin));
    }
}

impl<O> Inner<O> {
    fn insert(&mut self, fingerprint: Fingerprint, entry: Entry<O>, generation_max: usize) {
        if self.young.len() >= generation_max && !self.young.contains_key(&fingerprint) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(fingerprint, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Grants, Origin, Principal};

    fn caller(expires_at: Option<i64>) -> Arc<Caller> {
        let principal = Principal::local("me", Grants::ALL);
        Arc::new(Caller { principal, origin: Origin::Issued("me".into()), partition: 1, targets: vec![], expires_at })
    }

    fn remember(cache: &Cache<u32>, name: u32, expires_at: Option<i64>) {
        cache.remember(fingerprint(&name.to_string()), caller(expires_at), name, cache.look());
    }

    fn knows(cache: &Cache<u32>, name: u32) -> bool {
        cache.get(&fingerprint(&name.to_string()), 100).is_some()
    }

    #[test]
    fn an_entry_lasts_until_it_expires_or_is_forgotten() {
        let cache = Cache::new(10);
        remember(&cache, 1, None);
        remember(&cache, 2, Some(101));
        remember(&cache, 3, Some(100));
        assert!(knows(&cache, 1) && knows(&cache, 2) && !knows(&cache, 3) && !knows(&cache, 4));
        cache.forget(|name| *name == 1);
        assert!(!knows(&cache, 1) && knows(&cache, 2));
    }

    #[test]
    fn an_entry_may_have_to_be_verified_again_before_the_credential_ends() {
        let cache = Cache::new(10);
        for (name, good_until) in [(1, 101), (2, 100), (3, 500)] {
            let expires_at = if name == 3 { Some(100) } else { None };
            let fingerprint = fingerprint(&name.to_string());
            cache.remember_until(fingerprint, caller(expires_at), name, cache.look(), good_until);
        }
        assert!(knows(&cache, 1) && !knows(&cache, 2) && !knows(&cache, 3));
    }

    #[test]
    fn what_was_revoked_while_it_was_verified_is_not_remembered() {
        let cache = Cache::new(10);
        let seen = cache.look();
        cache.forget(|name| *name == 1);
        cache.remember(fingerprint("1"), caller(None), 1, seen);
        assert!(!knows(&cache, 1));
    }

    #[test]
    fn it_is_bounded_and_what_is_in_use_stays() {
        let cache = Cache::new(100);
        remember(&cache, 0, None);
        for name in 1..10_000 {
            remember(&cache, name, None);
            assert!(knows(&cache, 0), "after {name}");
        }
        let inner = cache.inner.lock();
        assert!(inner.young.len() + inner.old.len() <= 200);
    }
}
