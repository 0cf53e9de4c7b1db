//! argon2id, one piece of work at a time: it takes 19 MiB and a core, whatever comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::error::{Error, Kind, Result};

/// Who waits longer in line than so many others is told to come back: each takes some 20 ms.
const WAITING_MAX: usize = 100;
const RETRY_AFTER_S: u64 = 2;

/// A permit for argon2. Keys and passwords have one each, so that a flood of log-ins holds no key up.
#[derive(Clone)]
pub struct Hasher(Arc<Inner>);

struct Inner {
    permit: Arc<Semaphore>,
    waiting: AtomicUsize,
    runs: AtomicU64,
}

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher(Arc::new(Inner {
            permit: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
            runs: AtomicU64::new(0),
        }))
    }
}

impl Hasher {
    /// The secret's PHC string. Errors with `Busy` if too many wait.
    pub async fn hash(&self, secret: String) -> Result<String> {
        let hashed =
            self.run(move || Argon2::default().hash_password(secret.as_bytes()).map(|hash| hash.to_string())).await?;
        hashed.map_err(|e| Error::internal(format!("argon2: {e}")))
    }

    /// Whether the secret is the one that was hashed. Errors with `Busy` if too many wait.
    pub async fn matches(&self, secret: String, hash: String) -> Result<bool> {
        self.run(move || is_match(&secret, &hash)).await
    }

    /// As [`Hasher::matches`], once `may_try` allows it. That is asked at the head of the line: whoever failed too often by
    /// then has no further try, though they took their places before.
    pub async fn matches_if(&self, may_try: impl FnOnce() -> Result<()>, secret: String, hash: String) -> Result<bool> {
        self.run_if(may_try, move || is_match(&secret, &hash)).await
    }

    /// How often argon2 has been run.
    pub fn runs(&self) -> u64 {
        self.0.runs.load(Relaxed)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.run_if(|| Ok(()), work).await
    }

    /// The permit moves into the work: a client that hangs up frees nothing early.
    async fn run_if<T: Send + 'static>(
        &self,
        may_run: impl FnOnce() -> Result<()>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let _waiting = Waiting::enter(&self.0.waiting)?;
        let permit = Arc::clone(&self.0.permit).acquire_owned().await;
        let permit = permit.map_err(|_| Error::internal("the hashing permits are closed"))?;
        may_run()?;
        self.0.runs.fetch_add(1, Relaxed);
        let work = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        work.await.map_err(|e| Error::internal(format!("hashing: {e}")))
    }
}

fn is_match(secret: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok())
}

/// A place in line, given up when the work is done or the client has gone.
struct Waiting<'w>(&'w AtomicUsize);

impl Waiting<'_> {
    fn enter(waiting: &AtomicUsize) -> Result<Waiting<'_>> {
        let entered = Waiting(waiting);
        if waiting.fetch_add(1, Relaxed) >= WAITING_MAX {
            let message = "too many credentials wait to be verified; try again after Retry-After";
            return Err(Error::new(Kind::Busy { retry_after_s: RETRY_AFTER_S }, message));
        }
        Ok(entered)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
