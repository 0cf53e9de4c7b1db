mod introspection;
mod keys;
mod server;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::auth::jwt::testing::TestKey;
use crate::error::Kind;
use crate::model::Grants;

const NOW_S: i64 = 1_750_000_000;
const SECOND: i64 = 1_000_000;

fn clock() -> Clock {
    Clock::manual(NOW_S * SECOND)
}

fn pass(clock: &Clock, seconds: i64) {
    clock.set(clock.unix_micros() + seconds * SECOND);
}

fn settings(issuer: &str, keys: Option<KeySource>) -> IssuerSettings {
    use jsonwebtoken::Algorithm::{ES256, ES384, EdDSA, RS256};
    IssuerSettings {
        issuer: issuer.into(),
        audiences: vec!["analytics".into()],
        algorithms: vec![RS256, ES256, ES384, EdDSA],
        types: vec!["at+jwt".into()],
        keys,
        introspection: None,
        role: RoleRule { claim: vec!["roles".into()], words: vec!["report_admin".into()] },
        grants: Grants::ALL,
    }
}

fn introspecting(issuer: &str, url: Option<String>) -> IssuerSettings {
    let introspection = Introspection {
        url,
        client_id: "analytics:server".into(),
        client_secret: "s e:cret&ü".into(),
        cache: Duration::from_secs(60),
        without_audience: false,
    };
    IssuerSettings { introspection: Some(introspection), ..settings(issuer, None) }
}

/// Good for a day, so that hours can pass.
fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": "analytics", "sub": "alice", "exp": NOW_S + 86_400, "scope": "read:analytics"})
}

/// A token like no other: never one from the cache.
fn fresh_token(key: &TestKey, issuer: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut claims = claims(issuer);
    claims["jti"] = json!(format!("t{}", COUNT.fetch_add(1, Relaxed)));
    key.token("EdDSA", &claims)
}

fn kind<T>(result: Result<T>) -> Option<Kind> {
    result.err().map(|error| error.kind)
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let good = || settings("https://id.example.com", Some(KeySource::Discovery));
    assert!(Issuers::new(vec![good()], clock()).is_ok());
    let bad = [
        ("twice", vec![good(), good()]),
        ("audience", vec![IssuerSettings { audiences: vec![], ..good() }]),
        ("algorithm", vec![IssuerSettings { algorithms: vec![], ..good() }]),
        ("HS256", vec![IssuerSettings { algorithms: vec![jsonwebtoken::Algorithm::HS256], ..good() }]),
        ("neither keys nor introspection", vec![IssuerSettings { keys: None, ..good() }]),
        ("https", vec![IssuerSettings { issuer: "http://id.example.com".into(), ..good() }]),
        ("https", vec![settings("https://a", Some(KeySource::JwksUrl("http://id.example.com/keys".into())))]),
        ("https", vec![introspecting("https://a", Some("http://id.example.com/ask".into()))]),
        ("/no/such/file", vec![settings("a", Some(KeySource::JwksFile("/no/such/file".into())))]),
    ];
    for (reason, settings) in bad {
        let Err(error) = Issuers::new(settings, clock()) else { panic!("taken: {reason}") };
        assert!(error.kind == Kind::Invalid && error.message.contains(reason), "{}", error.message);
    }
}

#[test]
fn types_are_compared_without_prefix_and_case() {
    let types = vec!["Application/AT+JWT".into(), "JWT".into()];
    let settings = IssuerSettings { types, ..settings("https://a", Some(KeySource::Discovery)) };
    assert_eq!(settings.expected().unwrap().types, ["at+jwt", "jwt"]);
}
