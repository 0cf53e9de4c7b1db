//! Opaque tokens: their issuer is asked about them (RFC 7662).

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use hyper::StatusCode;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::fetch::{Address, Fetcher};
use super::settings::{Introspection, IssuerSettings};
use crate::auth::cache::Fingerprint;
use crate::auth::jwt::{Claims, Refusal, claims};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};

/// Questions under way at once. Peers that failed often share a few, so that they hold up nobody else.
const LINE_MAX: usize = 14;
const SUSPECTS_MAX: usize = 2;
const WAIT_MAX: Duration = Duration::from_secs(5);
/// A token that was refused is not asked about again for so long.
const REFUSED_FOR_MICROS: u64 = 10_000_000;
const REFUSED_MAX: usize = 10_000;
/// That our own credentials are refused is said at most so often.
const NOTE_AFTER_MICROS: u64 = 60_000_000;

/// Who may ask, and what need not be asked again.
pub struct Desk {
    clock: Clock,
    line: Semaphore,
    suspects: Semaphore,
    /// Until when (monotonic microseconds) each token is known to be refused.
    refused: Mutex<HashMap<Fingerprint, u64>>,
    noted_at: Mutex<Option<u64>>,
}

/// What an issuer says of a token.
pub enum Answer {
    Active(Claims),
    Inactive,
}

impl Desk {
    pub fn new(clock: Clock) -> Desk {
        Desk {
            clock,
            line: Semaphore::new(LINE_MAX),
            suspects: Semaphore::new(SUSPECTS_MAX),
            refused: Mutex::default(),
            noted_at: Mutex::default(),
        }
    }

    /// A place to ask from. Errors with `Busy` if there is none within 5 s.
    pub async fn enter(&self, is_suspect: bool) -> Result<SemaphorePermit<'_>> {
        let line = if is_suspect { &self.suspects } else { &self.line };
        match tokio::time::timeout(WAIT_MAX, line.acquire()).await {
            Ok(permit) => permit.map_err(|_| Error::internal("the line for introspection is closed")),
            Err(_) => Err(busy("too many tokens wait to be verified")),
        }
    }

    pub fn is_refused(&self, fingerprint: &Fingerprint) -> bool {
        self.refused.lock().get(fingerprint).is_some_and(|until| self.clock.monotonic_micros() < *until)
    }

    pub fn refuse(&self, fingerprint: Fingerprint) {
        let mut refused = self.refused.lock();
        // Whatever comes: it costs a few questions asked again, no more.
        if refused.len() >= REFUSED_MAX {
            refused.clear();
        }
        refused.insert(fingerprint, self.clock.monotonic_micros() + REFUSED_FOR_MICROS);
    }

    /// Asks one issuer. Errors with `Busy` if it gives no answer.
    pub async fn ask(
        &self,
        token: &str,
        settings: &IssuerSettings,
        own: &Introspection,
        address: &Address,
        fetcher: &Fetcher,
    ) -> Result<Answer> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let credential = (own.client_id.as_str(), own.client_secret.as_str());
        let reason = match fetcher.introspection(address, credential, form).await {
            // Some issuers do not answer "inactive" to what they did not make.
            Ok((StatusCode::BAD_REQUEST, _)) => return Ok(Answer::Inactive),
            Ok((StatusCode::OK, body)) => match serde_json::from_slice(&body) {
                Ok(claims) => return Ok(self.judge(claims, settings, own)),
                Err(_) => "it answered with something else than a JSON object".to_string(),
            },
            Ok((StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _)) => {
                "it refuses our own introspection_client_id or secret".to_string()
            }
            Ok((status, _)) => format!("it answered {status}"),
            Err(reason) => reason,
        };
        self.note(&settings.issuer, &reason);
        Err(busy("this token cannot be verified just now: its issuer does not answer as it should"))
    }

    fn judge(&self, claims: Claims, settings: &IssuerSettings, own: &Introspection) -> Answer {
        match check(&claims, settings, own, self.clock.unix_micros().div_euclid(1_000_000)) {
            Ok(()) => Answer::Active(claims),
            Err(_) => Answer::Inactive,
        }
    }

    /// For the operator: nobody else can mend it.
    fn note(&self, issuer: &str, reason: &str) {
        let now = self.clock.monotonic_micros();
        let mut noted_at = self.noted_at.lock();
        if noted_at.is_none_or(|at| now.saturating_sub(at) >= NOTE_AFTER_MICROS) {
            *noted_at = Some(now);
            let _ = writeln!(std::io::stderr(), "warning: trusted issuer {issuer}: introspection: {reason}");
        }
    }
}

/// The subject that an answer names; a client that acts for itself may have no other name than its id.
pub fn subject(claims: &Claims) -> Option<&Value> {
    claims.get("sub").or_else(|| claims.get("client_id"))
}

/// Like a signed token's claims, though an answer need not have them all (RFC 7662, 2.2).
fn check(
    claims: &Claims,
    settings: &IssuerSettings,
    own: &Introspection,
    now_s: i64,
) -> std::result::Result<(), Refusal> {
    if claims.get("active") != Some(&Value::Bool(true)) {
        return Err(Refusal::Bad("it is not active"));
    }
    if claims.get("iss").is_some_and(|iss| *iss != *settings.issuer) {
        return Err(Refusal::Bad("it is of another issuer (\"iss\")"));
    }
    // A refresh token is no access token, and one bound to a key (RFC 9449) is good only with its proof.
    let is_bearer = |kind: &Value| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    if !claims.get("token_type").is_none_or(is_bearer) {
        return Err(Refusal::Bad("it is no bearer token"));
    }
    if claims.contains_key("aud") || !own.without_audience {
        claims::check_audience(claims.get("aud"), &settings.audiences)?;
    }
    claims::check_subject(subject(claims))?;
    if claims.contains_key("exp") {
        claims::check_end(claims, now_s)?;
    }
    claims::check_begin(claims, now_s)
}

fn busy(why: &str) -> Error {
    Error::new(Kind::Busy { retry_after_s: 5 }, format!("{why}; try again after Retry-After"))
}
