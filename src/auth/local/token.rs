//! Access tokens of the embedded issuer (RFC 9068): signed, and verified against the rows that they rest on.

use std::sync::Arc;

use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::cache::{Fingerprint, fingerprint, partition};
use super::super::secret::random_text;
use super::super::{jwt, refused};
use super::{Denied, Inner, Issuer, TokenAnswer, logins};
use crate::error::{Error, Result};
use crate::model::{Caller, Grants, Origin, Principal, Role, Roles, Scope, Scopes, Target, TargetKind};
use crate::store::Snapshot;

/// `client_id` of tokens that no client has asked for.
pub(super) const OWN_CLIENT_ID: &str = "analytics";

/// 131 bits, so that no two tokens share one.
const JTI_LEN: usize = 22;
/// Longer words are no scopes that anybody means; what a client sent is not given back without a bound.
const NAMED_BYTES_MAX: usize = 64;
const MICROS: i64 = 1_000_000;

/// What a token is for; the claim `use`.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'m> {
    Client,
    Login { sid: &'m str },
    Issued,
}

/// A token to be made.
pub(super) struct Mint<'m> {
    pub purpose: Purpose<'m>,
    pub subject: &'m str,
    pub client_id: &'m str,
    pub grants: Grants,
    pub ttl_s: u32,
}

/// A token just made.
pub(super) struct Minted {
    pub token: String,
    pub jti: String,
    /// The key that signed it.
    pub kid: String,
    /// Unix microseconds, of a whole second.
    pub expires_at: i64,
}

/// RFC 9068, 2.2, with our own `roles`, `use` and `sid`. Times are Unix seconds.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    iat: i64,
    jti: String,
    client_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    scope: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(rename = "use")]
    purpose: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
}

impl Issuer {
    /// The caller of a token that has proven itself, and on which nothing was revoked since.
    pub fn known(&self, sent: &Fingerprint) -> Option<Arc<Caller>> {
        self.0.cache.get(sent, self.0.clock.unix_micros())
    }

    /// Verifies one of its own tokens: signature, time, and that nothing it rests on was revoked. Errors with
    /// `Unauthorized`.
    pub fn verify(&self, token: &str) -> Result<Arc<Caller>> {
        let (issuer, now) = (&self.0, self.0.clock.unix_micros());
        let sent = fingerprint(token);
        if let Some(caller) = self.known(&sent) {
            return Ok(caller);
        }
        let claims = issuer.claims(token, now)?;
        let origin = claims.origin()?;
        // The row may be revoked after it was read, before the token is remembered.
        let seen = issuer.cache.look();
        if !holds(&issuer.store.snapshot()?, &origin, now)? {
            return Err(refused("it was revoked; ask for a new one"));
        }
        // Its requests are counted by what was signed: the other signature that ES256 has for it makes no second token.
        let partition = partition(&fingerprint(jwt::signed_part(token)));
        let caller = Arc::new(claims.caller(&origin, partition)?);
        issuer.cache.remember(sent, Arc::clone(&caller), origin, seen);
        Ok(caller)
    }
}

impl Inner {
    /// The claims of a token that we signed and that has not expired.
    fn claims(&self, token: &str, now_unix_micros: i64) -> Result<Claims> {
        let expected = jwt::Expected {
            issuer: self.settings.url.clone(),
            audiences: vec![self.settings.audience.clone()],
            algorithms: vec![Algorithm::EdDSA, Algorithm::ES256],
            types: vec!["at+jwt".into()],
        };
        let claims = jwt::verify(token, &self.ring()?.verifying, &expected, now_unix_micros.div_euclid(MICROS));
        let claims = claims.map_err(|refusal| refused(refusal.reason()))?;
        let claims: Claims = serde_json::from_value(Value::Object(claims)).map_err(|_| unlike_ours())?;
        // The clock that signed it is the one that reads it: there is nothing to be lenient about.
        if claims.expires_at() <= now_unix_micros {
            return Err(refused("it has expired; ask for a new one"));
        }
        Ok(claims)
    }
}

/// Whether what a token rests on is there still.
fn holds(snapshot: &Snapshot, origin: &Origin, now_unix_micros: i64) -> Result<bool> {
    match origin {
        Origin::Client(id) => Ok(snapshot.client(id)?.is_some_and(|client| client.revoked_at.is_none())),
        Origin::Login { sid, account } => logins::is_good(snapshot, sid, account, now_unix_micros),
        Origin::Issued(jti) => Ok(snapshot.issued_token(jti)?.is_some_and(|token| token.revoked_at.is_none())),
        Origin::Key(_) | Origin::Trusted(_) => Ok(false),
    }
}

impl Claims {
    fn new(issuer: &Inner, mint: &Mint) -> Result<Claims> {
        let iat = issuer.clock.unix_micros().div_euclid(MICROS);
        let (purpose, sid) = match mint.purpose {
            Purpose::Client => ("client", None),
            Purpose::Login { sid } => ("login", Some(sid.to_string())),
            Purpose::Issued => ("issued", None),
        };
        Ok(Claims {
            iss: issuer.settings.url.clone(),
            sub: mint.subject.to_string(),
            aud: issuer.settings.audience.clone(),
            exp: iat + i64::from(mint.ttl_s),
            iat,
            jti: random_text(JTI_LEN)?,
            client_id: mint.client_id.to_string(),
            scope: mint.grants.scopes.to_string(),
            roles: mint.grants.roles.iter().map(|role| role.to_string()).collect(),
            purpose: purpose.to_string(),
            sid,
        })
    }

    fn expires_at(&self) -> i64 {
        self.exp.saturating_mul(MICROS)
    }

    fn origin(&self) -> Result<Origin> {
        match (self.purpose.as_str(), &self.sid) {
            ("client", None) => Ok(Origin::Client(self.client_id.clone())),
            ("login", Some(sid)) => Ok(Origin::Login { sid: sid.clone(), account: self.sub.clone() }),
            ("issued", None) => Ok(Origin::Issued(self.jti.clone())),
            _ => Err(unlike_ours()),
        }
    }

    fn caller(&self, origin: &Origin, partition: u128) -> Result<Caller> {
        let scopes = Scopes::parse(&self.scope).map_err(|_| unlike_ours())?;
        let roles =
            self.roles.iter().map(|role| Role::parse(role)).collect::<Option<Roles>>().ok_or_else(unlike_ours)?;
        let holder = match origin {
            Origin::Client(id) => Target::new(TargetKind::Client, id),
            Origin::Login { account, .. } => Target::new(TargetKind::Account, account),
            Origin::Issued(_) | Origin::Key(_) | Origin::Trusted(_) => Target::new(TargetKind::Account, &self.sub),
        };
        Ok(Caller {
            principal: Principal::local(&self.sub, Grants { scopes, roles }),
            origin: origin.clone(),
            partition,
            targets: vec![Target::new(TargetKind::Token, &self.jti), holder],
            expires_at: Some(self.expires_at()),
        })
    }
}

/// Signed by us, yet not what this version signs.
fn unlike_ours() -> Error {
    refused("its claims are not those of this version; ask for a new one")
}

/// Signs a token, with a key that is made if there is none. Whatever it rests on is the caller's to write.
pub(super) async fn mint(issuer: &Arc<Inner>, mint: Mint<'_>) -> Result<Minted> {
    let ring = issuer.signing_ring().await?;
    let signer = ring.signer()?;
    let claims = Claims::new(issuer, &mint)?;
    Ok(Minted {
        token: signer.sign(&claims)?,
        kid: signer.kid.clone(),
        expires_at: claims.expires_at(),
        jti: claims.jti,
    })
}

/// What is given of `most` when `scope` is asked for: words, roles among them; none, or no words, ask for all of it.
/// Errors with [`Denied::Scope`], which names the first word that goes beyond.
pub(super) fn narrow(most: Grants, scope: Option<&str>) -> std::result::Result<Grants, Denied> {
    let mut words = scope.unwrap_or_default().split_ascii_whitespace().peekable();
    if words.peek().is_none() {
        return Ok(most);
    }
    let (mut scopes, mut roles) = (vec![], vec![]);
    for word in words {
        match (Scope::parse(word), Role::parse(word)) {
            (Some(scope), _) if most.scopes.contains(scope) => scopes.push(scope),
            (_, Some(role)) if most.roles.contains(role) => roles.push(role),
            _ => return Err(Denied::Scope(beyond(word, most))),
        }
    }
    Ok(Grants { scopes: scopes.into_iter().collect(), roles: roles.into_iter().collect() })
}

fn beyond(word: &str, most: Grants) -> String {
    // RFC 6749 (3.3, 5.2) says what a scope may be made of, and an error's description.
    let is_scope = word.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    let named = if is_scope && word.len() <= NAMED_BYTES_MAX { word } else { "asked for" };
    format!("the scope {named} goes beyond what may be given here: {}", words(most))
}

impl TokenAnswer {
    pub(super) fn new(minted: Minted, grants: Grants, ttl_s: u32, refresh_token: Option<String>) -> TokenAnswer {
        TokenAnswer {
            access_token: minted.token,
            token_type: "Bearer",
            expires_in: ttl_s,
            scope: words(grants),
            refresh_token,
        }
    }
}

/// Scopes, then roles, with blanks between.
fn words(grants: Grants) -> String {
    let scopes = grants.scopes.iter().map(Scope::as_str);
    scopes.chain(grants.roles.iter().map(Role::as_str)).collect::<Vec<_>>().join(" ")
}
