//! Tokens of issuers that the settings name: an identity provider, any OAuth 2.0 authorization server.

mod documents;
mod fetch;
mod grants;
mod introspection;
mod published;
mod settings;
#[cfg(test)]
mod tests;

pub use fetch::{Address, HttpClient, http_client, with_causes};
pub use settings::{Introspection, IssuerSettings, KeySource, RoleRule};

use std::sync::Arc;

use serde_json::Value;

use self::documents::{Documents, Sources};
use self::fetch::Fetcher;
use self::introspection::{Answer, Desk};
use self::published::Published;
use super::cache::{Cache, Fingerprint, fingerprint, partition};
use super::jwt::{self, Claims, Expected, Refusal};
use super::refused;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::{Caller, Origin, Principal, Target, TargetKind};

/// Tokens remembered at once, in each of two generations.
const CACHE_MAX: usize = 20_000;
/// A token is verified again after this at the latest.
const CACHE_FOR_MICROS: i64 = 24 * 3600 * 1_000_000;
/// Longer tokens are not asked about.
const OPAQUE_BYTES_MAX: usize = 16 * 1024;

/// The issuers that are trusted. Cheap to clone.
#[derive(Clone)]
pub struct Issuers(Arc<Inner>);

struct Inner {
    issuers: Vec<Issuer>,
    /// By the issuer's place in `issuers`.
    cache: Arc<Cache<usize>>,
    desk: Desk,
    fetcher: Arc<Fetcher>,
    clock: Clock,
}

struct Issuer {
    settings: IssuerSettings,
    expected: Expected,
    published: Arc<Published>,
}

/// What has been asked of issuers, over all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fetches {
    /// Documents of metadata or keys asked for.
    pub keys: u64,
    /// Tokens introspected.
    pub introspections: u64,
}

impl Issuers {
    /// Reads key files; errors with `Invalid` and a message for the operator if one cannot be read, or the settings make
    /// no sense. Nothing is fetched yet.
    pub fn new(settings: Vec<IssuerSettings>, clock: Clock) -> Result<Issuers> {
        let (cache, fetcher) = (Arc::new(Cache::new(CACHE_MAX)), Arc::new(Fetcher::default()));
        let mut issuers: Vec<Issuer> = vec![];
        for settings in settings {
            let explain = |reason: String| Error::invalid(format!("trusted issuer {}: {reason}", settings.issuer));
            if issuers.iter().any(|other| other.settings.issuer == settings.issuer) {
                return Err(explain("it is there twice".into()));
            }
            let (index, cache) = (issuers.len(), Arc::clone(&cache));
            let forget = move || cache.forget(|origin| *origin == index);
            let sources = Sources::new(&settings).map_err(explain)?;
            let published = Published::new(&settings.issuer, sources, Arc::clone(&fetcher), clock.clone(), forget);
            let published = Arc::new(published.map_err(explain)?);
            issuers.push(Issuer { expected: settings.expected().map_err(explain)?, settings, published });
        }
        let desk = Desk::new(clock.clone());
        Ok(Issuers(Arc::new(Inner { issuers, cache, desk, fetcher, clock })))
    }

    pub fn knows(&self, issuer: &str) -> bool {
        self.find(issuer).is_some()
    }

    /// Whether opaque tokens can be asked about.
    pub fn introspects(&self) -> bool {
        self.0.issuers.iter().any(|issuer| issuer.settings.introspection.is_some())
    }

    /// The caller of a token that was verified before, of whatever issuer: for the cost of a hash and a look-up.
    pub fn known(&self, sent: &Fingerprint) -> Option<Arc<Caller>> {
        // Those whose tokens are all remembered, too: a key that is gone has to be noticed.
        self.0.issuers.iter().for_each(|issuer| issuer.published.keep_fresh());
        self.0.cache.get(sent, self.0.clock.unix_micros())
    }

    /// Verifies a JWT that claims to be of `issuer`. `is_suspect`: as [`Issuers::introspect`], which is where it goes if
    /// the issuer has no keys. Errors with `Unauthorized` if it does not hold, `Busy` if the issuer's keys are not known
    /// and cannot be fetched.
    pub async fn verify(&self, issuer: &str, token: &str, is_suspect: bool) -> Result<Arc<Caller>> {
        let fingerprint = fingerprint(token);
        if let Some(caller) = self.known(&fingerprint) {
            return Ok(caller);
        }
        let index = self.find(issuer).ok_or_else(|| refused("its issuer is not trusted here"))?;
        let issuer = &self.0.issuers[index];
        if issuer.settings.keys.is_none() {
            return self.ask_about(token, fingerprint, &[index], is_suspect).await;
        }
        let seen = self.0.cache.look();
        let claims = issuer.verified(token, self.0.clock.unix_micros().div_euclid(1_000_000)).await?;
        let caller = Arc::new(issuer.caller(&claims, claims.get("sub"), jwt::signed_part(token)));
        let good_until = self.0.clock.unix_micros().saturating_add(CACHE_FOR_MICROS);
        self.0.cache.remember_until(fingerprint, Arc::clone(&caller), index, seen, good_until);
        Ok(caller)
    }

    /// Asks about an opaque token. `is_suspect`: the peer has failed often, and waits in a line of its own. Errors as
    /// [`Issuers::verify`].
    pub async fn introspect(&self, token: &str, is_suspect: bool) -> Result<Arc<Caller>> {
        let fingerprint = fingerprint(token);
        if let Some(caller) = self.known(&fingerprint) {
            return Ok(caller);
        }
        let asked = (0..self.0.issuers.len()).filter(|index| self.0.issuers[*index].settings.introspection.is_some());
        self.ask_about(token, fingerprint, &asked.collect::<Vec<_>>(), is_suspect).await
    }

    pub fn fetches(&self) -> Fetches {
        self.0.fetcher.counts()
    }

    fn find(&self, issuer: &str) -> Option<usize> {
        self.0.issuers.iter().position(|known| known.settings.issuer == issuer)
    }

    /// Asks these issuers, in order.
    async fn ask_about(
        &self,
        token: &str,
        fingerprint: Fingerprint,
        asked: &[usize],
        is_suspect: bool,
    ) -> Result<Arc<Caller>> {
        const NOT_ACTIVE: &str = "its issuer does not know it, or it has ended";
        let is_sendable = token.len() <= OPAQUE_BYTES_MAX && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_sendable || self.0.desk.is_refused(&fingerprint) {
            return Err(refused(NOT_ACTIVE));
        }
        let _place = self.0.desk.enter(is_suspect).await?;
        // Another request may have asked about the same token meanwhile.
        if let Some(caller) = self.known(&fingerprint) {
            return Ok(caller);
        }
        if self.0.desk.is_refused(&fingerprint) {
            return Err(refused(NOT_ACTIVE));
        }
        let mut silent = None;
        for index in asked {
            match self.ask(token, fingerprint, *index).await {
                Ok(Some(caller)) => return Ok(caller),
                Ok(None) => {}
                Err(error) => silent = Some(error),
            }
        }
        // Whoever did not answer may be the one that knows it.
        if let Some(error) = silent {
            return Err(error);
        }
        self.0.desk.refuse(fingerprint);
        Err(refused(NOT_ACTIVE))
    }

    /// Asks one issuer; None if the token is not good there.
    async fn ask(&self, token: &str, fingerprint: Fingerprint, index: usize) -> Result<Option<Arc<Caller>>> {
        let issuer = &self.0.issuers[index];
        let documents = issuer.published.documents().await?;
        let (Some(own), Some(address)) = (&issuer.settings.introspection, &documents.introspection) else {
            return Ok(None);
        };
        let seen = self.0.cache.look();
        match self.0.desk.ask(token, &issuer.settings, own, address, &self.0.fetcher).await? {
            Answer::Inactive => Ok(None),
            Answer::Active(claims) => {
                let caller =
                    Arc::new(issuer.caller(&claims, introspection::subject(&claims), jwt::counted_part(token)));
                let bound = i64::try_from(own.cache.as_micros()).unwrap_or(i64::MAX).min(CACHE_FOR_MICROS);
                let good_until = self.0.clock.unix_micros().saturating_add(bound);
                self.0.cache.remember_until(fingerprint, Arc::clone(&caller), index, seen, good_until);
                Ok(Some(caller))
            }
        }
    }
}

impl Issuer {
    /// The claims of a token that one of its keys signed. A key that is not known may be a new one: the issuer is asked
    /// once more then, as far as it may be.
    async fn verified(&self, token: &str, now_s: i64) -> Result<Claims> {
        let explain = |refusal: Refusal| refused(refusal.reason());
        let verify = |documents: &Documents| jwt::verify(token, &documents.keys, &self.expected, now_s);
        let first = self.published.documents().await?;
        match verify(&first) {
            Err(Refusal::UnknownKey) => {}
            decided => return decided.map_err(explain),
        }
        self.published.refresh().await;
        let second = self.published.documents().await?;
        if Arc::ptr_eq(&first, &second) {
            return Err(explain(Refusal::UnknownKey));
        }
        verify(&second).map_err(explain)
    }

    /// Who stands behind claims that were checked. `counted`: what tells this token from others.
    fn caller(&self, claims: &Claims, subject: Option<&Value>, counted: &str) -> Caller {
        let issuer = &self.settings.issuer;
        let subject = subject.and_then(Value::as_str).unwrap_or_default();
        let grants = grants::grants(claims, &self.settings.role, self.settings.grants);
        Caller {
            principal: Principal { issuer: issuer.clone(), subject: subject.to_string(), grants },
            origin: Origin::Trusted(issuer.clone()),
            partition: partition(&fingerprint(counted)),
            // Not by its `jti`: another issuer could write the same, and take what was meant for this one.
            targets: vec![Target::new(TargetKind::Subject, format!("{issuer} {subject}"))],
            expires_at: jwt::claims::time(claims, "exp").ok().flatten().map(|exp| exp.saturating_mul(1_000_000)),
        }
    }
}
