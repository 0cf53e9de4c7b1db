//! One try at the secret of a client or an account: held against the limits, and told to the audit trail if it fails.

use super::admit::Visit;
use super::service::Service;
use crate::audit::Entry;
use crate::error::{Error, Result};
use crate::model::Target;

pub struct Attempt<'s> {
    service: &'s Service,
    visit: &'s Visit,
    /// The client or account whose secret is tried; None if what was sent names none.
    holder: Option<Target>,
    /// What is tried, for the audit trail.
    way: &'static str,
}

impl<'s> Attempt<'s> {
    pub fn new(service: &'s Service, visit: &'s Visit, holder: Option<Target>, way: &'static str) -> Attempt<'s> {
        Attempt { service, visit, holder, way }
    }

    /// To be asked before a secret is looked at. Errors with `TooManyRequests` if the peer, or anybody against this
    /// holder, has failed too often of late.
    pub fn may_try(&self) -> Result<()> {
        // The administrator, behind the local socket, is not held up.
        self.visit.address.map_or(Ok(()), |address| self.service.limits.may_try(address, self.holder.as_ref()))
    }

    /// To be held while a secret is compared that takes time.
    pub fn undecided(&self) -> Undecided<'_> {
        Undecided(Some(self))
    }

    /// Counts one token for the holder. Errors with `TooManyRequests`.
    pub fn take_token(&self) -> Result<()> {
        let Some(holder) = &self.holder else { return Ok(()) };
        let (taken, standing) = self.service.limits.take_token(holder);
        self.visit.stands(standing);
        taken
    }

    /// Counts a failure and notes it. Errors with `TooManyRequests` if there have been too many: that is the answer then.
    pub fn failed(&self) -> Result<()> {
        self.service.metrics.auth_failed();
        let Some(address) = self.visit.address else { return Ok(()) };
        self.service.audit.note(Entry::LoginFailed { source: address, way: self.way });
        self.service.limits.failed(address, self.holder.as_ref()).map_or(Ok(()), Err::<(), Error>)
    }
}

/// A try of which nobody knows yet how it ends. Whoever hangs up before they are told has tried all the same, and has cost
/// as much: dropped undecided, it counts as failed.
pub struct Undecided<'a>(Option<&'a Attempt<'a>>);

impl Undecided<'_> {
    pub fn decided(mut self) {
        self.0 = None;
    }
}

impl Drop for Undecided<'_> {
    fn drop(&mut self) {
        if let Some(attempt) = self.0 {
            let _ = attempt.failed();
        }
    }
}
