//! How often: requests per minute of each token or key, tokens per client and account, failures per peer address. All
//! windows are exact and in memory; exports per day are counted in the database, with the job that they pay for.

mod failures;
mod window;

pub use failures::peer_prefix;

use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::{Caller, Target};
use crate::store::{Overrides, Store};

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
    /// The policy's name in the headers: "minute", "ingest".
    pub policy: &'static str,
    pub quota: u32,
    pub window_s: u32,
    pub remaining: u32,
    /// Seconds until something that was counted leaves the window, rounded up; 0 if nothing is counted.
    pub reset_s: u64,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Limits(Arc<Inner>);

struct Inner {
    _store: Store,
    _clock: Clock,
    _settings: Settings,
}

impl Limits {
    /// Reads the overrides from the database.
    pub fn new(store: Store, clock: Clock, settings: Settings) -> Result<Limits> {
        Ok(Limits(Arc::new(Inner { _store: store, _clock: clock, _settings: settings })))
    }

    /// Counts one request; None if the caller is under no such limit. The error is the refusal (`TooManyRequests`) with
    /// how the caller stands; nothing was counted then.
    #[allow(clippy::result_large_err)]
    pub fn take(&self, _caller: &Caller, _policy: Policy) -> std::result::Result<Option<Standing>, (Error, Standing)> {
        todo!()
    }

    /// The exports that the caller may have a day; 0 is no limit.
    pub fn exports_per_day(&self, _caller: &Caller) -> u32 {
        todo!()
    }

    /// Counts one token for a client or an account. Errors with `TooManyRequests`.
    pub fn take_token(&self, _holder: &Target) -> Result<()> {
        todo!()
    }

    /// Errors with `TooManyRequests` if the peer, or anybody against this client or account, has failed too often of
    /// late. Asked before a password or a client's secret is looked at.
    pub fn may_try(&self, _peer: IpAddr, _holder: Option<&Target>) -> Result<()> {
        todo!()
    }

    /// Counts a failed credential. `holder`: the client or account that it was tried against. Gives the refusal
    /// (`TooManyRequests`) if there have been too many: the answer then instead of 401.
    pub fn failed(&self, _peer: IpAddr, _holder: Option<&Target>) -> Option<Error> {
        todo!()
    }

    /// Whether the peer has failed so often that it waits in a line of its own.
    pub fn is_suspect(&self, _peer: IpAddr) -> bool {
        todo!()
    }

    /// Durable, and obeyed, when it returns.
    pub async fn set_override(&self, _target: Target, _overrides: Overrides) -> Result<()> {
        todo!()
    }

    pub fn overrides(&self) -> Result<Vec<(Target, Overrides)>> {
        todo!()
    }

    /// False if there was none.
    pub async fn clear_override(&self, _target: Target) -> Result<bool> {
        todo!()
    }
}
