mod clients;
mod issued;
mod signing;
mod token;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tempfile::TempDir;

use super::{Issuer, IssuerSettings, SigningAlgorithm};
use crate::auth::Hasher;
use crate::clock::Clock;
use crate::error::{Kind, Result};
use crate::model::{Caller, Grants, Role, Roles, Scope, Scopes};
use crate::store::{Store, testing};

const NOW: i64 = 1_750_000_000_000_000;
const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// An issuer with a database of its own, at a time that stands still.
struct Fixture {
    issuer: Issuer,
    store: Store,
    clock: Clock,
    secrets: Hasher,
    directory: TempDir,
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let (clock, secrets) = (Clock::manual(NOW), Hasher::default());
    let store = Store::open(&testing::settings(&directory), clock.clone()).unwrap();
    let issuer = issuer(&store, &clock, &secrets, settings());
    Fixture { issuer, store, clock, secrets, directory }
}

fn issuer(store: &Store, clock: &Clock, secrets: &Hasher, settings: IssuerSettings) -> Issuer {
    Issuer::new(store.clone(), clock.clone(), settings, secrets.clone(), Hasher::default())
}

fn settings() -> IssuerSettings {
    IssuerSettings {
        url: "https://analytics.example.com".into(),
        audience: "analytics".into(),
        algorithm: SigningAlgorithm::EdDsa,
        token_ttl_s: 600,
        login_ttl_s: 3_600,
    }
}

impl Fixture {
    /// The same database, open still, in a new process as it were.
    fn with(&self, settings: IssuerSettings) -> Issuer {
        issuer(&self.store, &self.clock, &self.secrets, settings)
    }

    /// Closes the database and opens it again.
    fn restart(self) -> Fixture {
        self.store.close();
        drop((self.issuer, self.store));
        let store = Store::open(&testing::settings(&self.directory), self.clock.clone()).unwrap();
        let issuer = issuer(&store, &self.clock, &self.secrets, settings());
        Fixture { issuer, store, clock: self.clock, secrets: self.secrets, directory: self.directory }
    }
}

fn reader() -> Grants {
    Grants { scopes: Scopes::from_iter([Scope::ReadAnalytics]), roles: Roles::default() }
}

fn report_admin() -> Grants {
    Grants { roles: Roles::from_iter([Role::ReportAdmin]), ..reader() }
}

/// A token of a new client that may do this.
async fn client_token(issuer: &Issuer, grants: Grants) -> (String, String) {
    let made = issuer.create_client("nightly", grants).await.unwrap();
    let client = issuer.verify_client(&made.id, &made.secret).await.unwrap();
    (made.id, issuer.client_token(&client, None).await.unwrap().access_token)
}

fn is_good(issuer: &Issuer, token: &str) -> bool {
    refusal(issuer.verify(token).map(|caller| Caller::clone(&caller)), token).is_none()
}

/// Why a token is refused.
fn refusal<T>(verified: Result<T>, token: &str) -> Option<String> {
    let error = verified.err()?;
    assert_eq!(error.kind, Kind::Unauthorized, "{error}");
    assert!(!error.message.contains(token), "the message gives the token away");
    Some(error.message)
}

/// The header (0) or the claims (1).
fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn kid(token: &str) -> String {
    part(token, 0)["kid"].as_str().unwrap().to_string()
}

fn kids(issuer: &Issuer) -> Vec<String> {
    let jwks = issuer.jwks().unwrap();
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_string()).collect()
}
