//! How often: requests per minute of each token or key, tokens per client and account, failures per peer address. All
//! windows are exact and in memory: they run on monotonic time, so a wall clock that steps changes nothing, and begin
//! anew with the process. Exports per day are counted in the database, with the job that they pay for.

mod failures;
mod overrides;
mod partitions;
mod tokens;
mod window;

pub use failures::peer_prefix;

use std::net::IpAddr;
use std::sync::Arc;

use self::failures::Failures;
use self::overrides::Exceptions;
use self::partitions::Partitions;
use self::tokens::{TokenQuotas, TokenWindows};
use self::window::Window;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{Caller, Target};
use crate::store::{Overrides, Store};

/// Tokens and keys in use within a minute, and clients and accounts that fetched tokens within an hour, at most.
const LIVE_MAX: usize = 100_000;
const MINUTE_S: u32 = 60;

/// `[limits]` of the settings; 0 is no limit.
#[derive(Clone, Debug)]
pub struct Settings {
    pub requests_per_minute: u32,
    pub ingest_requests_per_minute: u32,
    pub exports_per_day: u32,
    /// Tokens given to one client or account.
    pub tokens_per_minute: u32,
    pub tokens_per_hour: u32,
    /// Failed credentials of one peer address.
    pub failures_per_minute: u32,
}

impl Settings {
    /// Everything without a limit.
    pub fn none() -> Settings {
        Settings {
            requests_per_minute: 0,
            ingest_requests_per_minute: 0,
            exports_per_day: 0,
            tokens_per_minute: 0,
            tokens_per_hour: 0,
            failures_per_minute: u32::MAX,
        }
    }
}

/// What a request counts against.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Policy {
    Requests,
    Ingest,
}

/// How a caller stands after a request, for the rate-limit headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The policy's name in the headers: "minute", "ingest", "tokens".
    pub policy: &'static str,
    pub quota: u32,
    pub window_s: u32,
    pub remaining: u32,
    /// Seconds until something that was counted leaves the window, rounded up; 0 if nothing is counted.
    pub reset_s: u64,
    /// When the request was looked at; monotonic microseconds.
    pub at_micros: u64,
}

impl Standing {
    /// `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers): the quota and its window.
    pub fn policy_header(&self) -> String {
        header(self.policy, &[(";q=", self.quota.into()), (";w=", self.window_s.into())])
    }

    /// `RateLimit`: what is left of the quota, and the seconds until there is more.
    pub fn limit_header(&self) -> String {
        header(self.policy, &[(";r=", self.remaining.into()), (";t=", self.reset_s)])
    }
}

/// Written by hand: every answer has two of these, and the formatter would cost more than counting does.
fn header(policy: &str, parameters: &[(&str, u64)]) -> String {
    let mut text = String::with_capacity(64);
    text.push('"');
    text.push_str(policy);
    text.push('"');
    for (name, value) in parameters {
        text.push_str(name);
        push_number(&mut text, *value);
    }
    text
}

fn push_number(text: &mut String, number: u64) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Limits(Arc<Inner>);

struct Inner {
    clock: Clock,
    settings: Settings,
    exceptions: Exceptions,
    store: Store,
    callers: Partitions<(u128, Policy), Window<60>>,
    tokens: Partitions<Target, TokenWindows>,
    failures: Failures,
}

impl Limits {
    /// Reads the overrides from the database.
    pub fn new(store: Store, clock: Clock, settings: Settings) -> Result<Limits> {
        Ok(Limits(Arc::new(Inner {
            exceptions: Exceptions::load(store.clone())?,
            callers: Partitions::new(LIVE_MAX),
            tokens: Partitions::new(LIVE_MAX),
            failures: Failures::new(clock.clone(), settings.failures_per_minute),
            clock,
            settings,
            store,
        })))
    }

    /// Counts one request; None if the caller is under no such limit. The error is the refusal (`TooManyRequests`, or
    /// `Busy` if too many callers are counted already) with how the caller stands; nothing was counted then.
    #[allow(clippy::result_large_err)]
    pub fn take(&self, caller: &Caller, policy: Policy) -> std::result::Result<Option<Standing>, (Error, Standing)> {
        let quota = self.requests_per_minute(caller, policy);
        if quota == 0 {
            return Ok(None);
        }
        let work = |window: &mut Window<60>, now| (window.take(quota, now), policy.standing(window, quota, now));
        match self.0.callers.with((caller.partition, policy), &self.0.clock, work) {
            Some((Ok(()), standing)) => Ok(Some(standing)),
            Some((Err(wait_s), standing)) => Err((policy.refusal(quota, wait_s), standing)),
            None => Err((no_room(), policy.without_room(quota))),
        }
    }

    /// Takes back what a caller was counted for: the request was refused in a way that costs nothing. Gives how the caller
    /// stands then.
    pub fn take_back(&self, caller: &Caller, policy: Policy, counted: Standing) -> Standing {
        let work = |window: &mut Window<60>, now| {
            window.take_back(counted.quota, counted.at_micros);
            policy.standing(window, counted.quota, now)
        };
        self.0.callers.look(&(caller.partition, policy), &self.0.clock, work).unwrap_or(counted)
    }

    /// The exports that the caller may have a day; 0 is no limit.
    pub fn exports_per_day(&self, caller: &Caller) -> u32 {
        let set = self.0.exceptions.find(&caller.targets, |set| set.exports_per_day);
        set.unwrap_or(self.0.settings.exports_per_day)
    }

    /// Counts one token for a client or an account, unless one of its two windows is full. Errors with `TooManyRequests`;
    /// `Busy` if too many of them are counted already. Either way with how the holder stands, if it is under a limit.
    pub fn take_token(&self, holder: &Target) -> (Result<()>, Option<Standing>) {
        let quotas = self.token_quotas(holder);
        if quotas.is_unlimited() {
            return (Ok(()), None);
        }
        let work = |windows: &mut TokenWindows, now| {
            let taken = windows.take(&quotas, now).map_err(|wait_s| quotas.refusal(wait_s));
            (taken, windows.standing(&quotas, now))
        };
        self.0.tokens.with(holder.clone(), &self.0.clock, work).unwrap_or_else(|| (Err(no_room()), None))
    }

    /// Errors with `TooManyRequests` if the peer, or anybody against this client or account, has failed too often of
    /// late. Asked before a password or a client's secret is looked at. A client is not held up by what others at its
    /// address do, nor by what is tried against it elsewhere.
    pub fn may_try(&self, peer: IpAddr, holder: Option<&Target>) -> Result<()> {
        self.0.failures.refuses(peer, holder).map_or(Ok(()), Err)
    }

    /// Counts a failed credential. `holder`: the client or account that it was tried against. Gives the refusal
    /// (`TooManyRequests`) if there have been too many: the answer then instead of 401.
    pub fn failed(&self, peer: IpAddr, holder: Option<&Target>) -> Option<Error> {
        self.0.failures.count(peer, holder)
    }

    /// Whether the peer has failed so often that it waits in a line of its own.
    pub fn is_suspect(&self, peer: IpAddr) -> bool {
        self.0.failures.is_suspect(peer)
    }

    /// Durable, and obeyed, when it returns.
    pub async fn set_override(&self, target: Target, overrides: Overrides) -> Result<()> {
        self.0.exceptions.set(target, overrides, self.0.clock.unix_micros()).await
    }

    /// By kind and name.
    pub fn overrides(&self) -> Result<Vec<(Target, Overrides)>> {
        self.0.store.snapshot()?.overrides()
    }

    /// False if there was none.
    pub async fn clear_override(&self, target: Target) -> Result<bool> {
        self.0.exceptions.clear(target).await
    }

    fn token_quotas(&self, holder: &Target) -> TokenQuotas {
        let Inner { exceptions, settings, .. } = &*self.0;
        let targets = std::slice::from_ref(holder);
        let per_minute = exceptions.find(targets, |set| set.tokens_per_minute);
        let per_hour = exceptions.find(targets, |set| set.tokens_per_hour);
        TokenQuotas {
            per_minute: per_minute.unwrap_or(settings.tokens_per_minute),
            per_hour: per_hour.unwrap_or(settings.tokens_per_hour),
        }
    }

    fn requests_per_minute(&self, caller: &Caller, policy: Policy) -> u32 {
        let Inner { exceptions, settings, .. } = &*self.0;
        let (set, default) = match policy {
            Policy::Requests => {
                (exceptions.find(&caller.targets, |set| set.requests_per_minute), settings.requests_per_minute)
            }
            Policy::Ingest => (
                exceptions.find(&caller.targets, |set| set.ingest_requests_per_minute),
                settings.ingest_requests_per_minute,
            ),
        };
        set.unwrap_or(default)
    }
}

impl Policy {
    /// As the rate-limit headers name it.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Requests => "minute",
            Policy::Ingest => "ingest",
        }
    }

    /// How a caller stands for whom there was no window.
    fn without_room(self, quota: u32) -> Standing {
        let reset_s = MINUTE_S.into();
        Standing { policy: self.name(), quota, window_s: MINUTE_S, remaining: 0, reset_s, at_micros: 0 }
    }

    fn standing(self, window: &mut Window<60>, quota: u32, now_micros: u64) -> Standing {
        Standing {
            policy: self.name(),
            quota,
            window_s: MINUTE_S,
            remaining: window.remaining(quota, now_micros),
            reset_s: window.reset_s(now_micros),
            at_micros: now_micros,
        }
    }

    fn refusal(self, quota: u32, wait_s: u64) -> Error {
        let what = match self {
            Policy::Requests => "requests",
            Policy::Ingest => "requests that send something in",
        };
        let message = format!(
            "this token or key may make {quota} {what} a minute; try again in {wait_s} s; the administrator can raise the \
             limit with `analytics limit set`"
        );
        refusal(wait_s, &message)
    }
}

fn refusal(retry_after_s: u64, message: &str) -> Error {
    Error::new(Kind::TooManyRequests { retry_after_s }, message)
}

fn no_room() -> Error {
    let message = "the server counts the requests of as many tokens and keys as it can; try again after Retry-After";
    Error::new(Kind::Busy { retry_after_s: MINUTE_S.into() }, message)
}

#[cfg(test)]
mod tests;
