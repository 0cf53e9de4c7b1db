//! Every kind of credential, and what it is worth.

use analytics::model::{Grants, Role, Roles, Scope, Scopes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::server::{AUDIENCE, GENEROUS, ISSUER, Server};
use crate::signer::{base64url, hs256, unsigned};

/// What a credential is worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Worth {
    /// 401, and the challenge names no error: nothing was sent.
    Missing,
    /// 401 `invalid_token`.
    Nothing,
    /// 400: it is not clear who asks.
    Unclear,
    Holds(Box<Held>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    pub issuer: String,
    pub subject: String,
    pub grants: Grants,
}

pub struct Credential {
    pub name: String,
    pub headers: Vec<(&'static str, String)>,
    pub worth: Worth,
}

pub const PASSWORD: &str = "correct horse battery";

/// All of them; each that is to fail differs from a good one in just the one thing that its name says.
pub fn all(server: &Server) -> Vec<Credential> {
    let mut all = vec![Credential { name: "none".into(), headers: vec![], worth: Worth::Missing }];
    all.extend(garbage());
    all.extend(keys(server));
    all.extend(own_tokens(server));
    all.extend(good_tokens(server));
    all.extend(bad_claims(server));
    all.extend(bad_headers(server));
    all.extend(narrow_tokens(server));
    all
}

fn bearer(name: impl Into<String>, token: &str, worth: Worth) -> Credential {
    Credential { name: name.into(), headers: vec![("authorization", format!("Bearer {token}"))], worth }
}

fn basic(user: &str, password: &str) -> (&'static str, String) {
    ("authorization", format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

fn held(issuer: &str, subject: &str, grants: Grants) -> Worth {
    Worth::Holds(Box::new(Held { issuer: issuer.into(), subject: subject.into(), grants }))
}

fn scopes(scopes: impl IntoIterator<Item = Scope>) -> Grants {
    Grants { scopes: scopes.into_iter().collect(), roles: Roles::default() }
}

/// Each scope alone, each role alone, nothing left out.
fn single_grants() -> Vec<(String, Grants)> {
    let mut single: Vec<(String, Grants)> =
        Scope::ALL.iter().map(|scope| (scope.to_string(), scopes([*scope]))).collect();
    single.extend(
        Role::ALL
            .iter()
            .map(|role| (role.to_string(), Grants { scopes: Scopes::default(), roles: [*role].into_iter().collect() })),
    );
    single
}

fn garbage() -> Vec<Credential> {
    let header = |name: &str, value: &str| Credential {
        name: name.into(),
        headers: vec![("authorization", value.into())],
        worth: Worth::Nothing,
    };
    vec![
        header("garbage", "Bearer x"),
        header("empty bearer", "Bearer"),
        header("unknown scheme", "Digest username=x"),
        header("basic that is no base64", "Basic %%%"),
        header("basic without a key", "Basic dXNlcjpwYXNz"),
        header("three dots", "Bearer a.b.c"),
        header("a JWT of nothing", "Bearer e30.e30.e30"),
        header("a long word", &format!("Bearer {}", "x".repeat(12_000))),
        Credential {
            name: "garbage in X-API-Key".into(),
            headers: vec![("x-api-key", "x".into())],
            worth: Worth::Nothing,
        },
    ]
}

fn keys(server: &Server) -> Vec<Credential> {
    let (runtime, keys) = (&server.runtime, &server.running().auth.keys);
    let make =
        |owner: &str, grants, expires_at| runtime.block_on(keys.create(owner, grants, expires_at)).expect("a key");
    let good = make("key-owner", Grants::ALL, None);
    let revoked = make("key-owner", Grants::ALL, None);
    assert!(runtime.block_on(keys.revoke(&revoked.id)).expect("a revocation"));
    let expired = make("key-owner", Grants::ALL, Some(1));
    let holds = || held("local", "key-owner", Grants::ALL);
    let at = |name: &str, header, worth| Credential { name: name.into(), headers: vec![header], worth };
    let key = good.key.as_str();
    let mut all = vec![
        bearer("key as bearer", key, holds()),
        at("key in X-API-Key", ("x-api-key", key.into()), holds()),
        at("key as Basic user", basic(key, ""), holds()),
        at("key as Basic password", basic("x", key), holds()),
        bearer("key, revoked", &revoked.key, Worth::Nothing),
        bearer("key, expired", &expired.key, Worth::Nothing),
        bearer(
            "key, mistyped",
            &format!("{}{}", &key[..key.len() - 1], other(key.as_bytes()[key.len() - 1])),
            Worth::Nothing,
        ),
        bearer("key, truncated", &key[..key.len() - 1], Worth::Nothing),
        bearer("key, wrong secret for its id", &forged(&good.id), Worth::Nothing),
        bearer("key, unknown id", &forged("000000000000"), Worth::Nothing),
        Credential {
            name: "two different credentials".into(),
            headers: vec![("authorization", format!("Bearer {key}")), ("x-api-key", revoked.key.clone())],
            worth: Worth::Unclear,
        },
        Credential {
            name: "the same key twice".into(),
            headers: vec![("authorization", format!("Bearer {key}")), ("x-api-key", key.into())],
            worth: holds(),
        },
    ];
    for (name, grants) in single_grants() {
        all.push(bearer(format!("key: {name}"), &make("narrow", grants, None).key, held("local", "narrow", grants)));
    }
    all
}

/// A well-formed key of this id that nobody made, its checksum right: the form is no secret.
pub fn forged(id: &str) -> String {
    use sha2::{Digest, Sha256};
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let head = format!("ak_{id}_{}", "7".repeat(43));
    let hash = Sha256::digest(head.as_bytes());
    let sum: String = hash[..6].iter().map(|byte| char::from(ALPHABET[usize::from(byte % 62)])).collect();
    head + &sum
}

fn other(character: u8) -> char {
    if character == b'0' { '1' } else { '0' }
}

/// Tokens of the embedded issuer, alive and dead.
fn own_tokens(server: &Server) -> Vec<Credential> {
    let (runtime, issuer) = (&server.runtime, &server.running().auth.issuer);
    let client_token = |revoke: bool| {
        let client = runtime.block_on(issuer.create_client("robot", Grants::ALL)).expect("a client");
        let row = runtime.block_on(issuer.verify_client(&client.id, &client.secret)).expect("a client");
        let token = runtime.block_on(issuer.client_token(&row, None)).expect("a token").access_token;
        assert!(!revoke || runtime.block_on(issuer.revoke_client(&client.id)).expect("a revocation"));
        (client, token)
    };
    let account_token = |name: &str| {
        runtime.block_on(issuer.create_account(name, PASSWORD.into(), Grants::ALL)).expect("an account");
        runtime.block_on(issuer.log_in(name, PASSWORD.into(), || Ok(()), || Ok(()))).unwrap_or_else(|e| panic!("{e:?}"))
    };
    let issue = |grants| runtime.block_on(issuer.issue_token("script", grants, 3600)).expect("a token");
    let (client, of_client) = client_token(false);
    let (_, of_revoked_client) = client_token(true);
    let alice = account_token("alice");
    let (disabled, changed, demoted) = (account_token("disabled"), account_token("changed"), account_token("demoted"));
    assert!(runtime.block_on(issuer.set_account_disabled("disabled", true)).expect("a change"));
    assert!(
        runtime.block_on(issuer.set_account_password("changed", "another long password".into())).expect("a change")
    );
    assert!(runtime.block_on(issuer.set_account_grants("demoted", scopes([Scope::ReadMetrics]))).expect("a change"));
    let (issued, revoked) = (issue(Grants::ALL), issue(Grants::ALL));
    assert!(runtime.block_on(issuer.revoke_token(&revoked.id)).expect("a revocation"));
    let mut all = vec![
        bearer("own: of a client", &of_client, held("local", &client.id, Grants::ALL)),
        bearer("own: of a revoked client", &of_revoked_client, Worth::Nothing),
        bearer("own: of an account", &alice.access_token, held("local", "alice", Grants::ALL)),
        bearer("own: of a disabled account", &disabled.access_token, Worth::Nothing),
        bearer("own: of before a new password", &changed.access_token, Worth::Nothing),
        bearer("own: of before a new role", &demoted.access_token, Worth::Nothing),
        bearer("own: issued", &issued.token, held("local", "script", Grants::ALL)),
        bearer("own: issued, revoked", &revoked.token, Worth::Nothing),
        bearer("own: issued, claims altered", &altered(&issued.token), Worth::Nothing),
        bearer(
            "own: issued, not signed",
            &format!("{}.", issued.token.rsplit_once('.').expect("a JWT").0),
            Worth::Nothing,
        ),
        bearer("a refresh token", alice.refresh_token.as_deref().expect("a refresh token"), Worth::Nothing),
        bearer("a client's secret", &client.secret, Worth::Nothing),
        // Right in everything, but another's keys: whoever has `iss` right still needs ours.
        bearer(
            "own: signed by a stranger",
            &server.signer.eddsa(&header("EdDSA", "ed"), &with(claims(), "iss", json!(issuer.url()))),
            Worth::Nothing,
        ),
    ];
    for (name, grants) in single_grants() {
        all.push(bearer(format!("own: {name}"), &issue(grants).token, held("local", "script", grants)));
    }
    all
}

fn header(algorithm: &str, kid: &str) -> Value {
    json!({"alg": algorithm, "kid": kid, "typ": "at+jwt"})
}

/// Good in everything, of the issuer that grants reading and `report_admin`.
fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "bob", "exp": now() + 600, "iat": now(), "nbf": now(),
        "jti": "j-1", "client_id": "dashboard", "scope": "read:analytics report_admin"})
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

fn now() -> i64 {
    analytics::clock::Clock::system().unix_micros() / 1_000_000
}

fn usual() -> Grants {
    Grants { scopes: [Scope::ReadAnalytics].into_iter().collect(), roles: [Role::ReportAdmin].into_iter().collect() }
}

fn good_tokens(server: &Server) -> Vec<Credential> {
    let signer = &server.signer;
    let bob = || held(ISSUER, "bob", usual());
    let everything: Vec<&str> =
        Scope::ALL.iter().map(|scope| scope.as_str()).chain(Role::ALL.iter().map(|role| role.as_str())).collect();
    let everything = json!(everything.join(" "));
    let rs256 = |claims: Value| signer.rs256(&header("RS256", "rsa"), &claims);
    let type_written_out = json!({"alg": "RS256", "kid": "rsa", "typ": "application/at+jwt"});
    vec![
        bearer("RS256", &rs256(claims()), bob()),
        bearer("ES256", &signer.es256(&header("ES256", "ec"), &claims()), bob()),
        bearer("EdDSA", &signer.eddsa(&header("EdDSA", "ed"), &claims()), bob()),
        bearer("another user", &rs256(with(claims(), "sub", json!("carol"))), held(ISSUER, "carol", usual())),
        bearer("several audiences", &rs256(with(claims(), "aud", json!(["https://x.example", AUDIENCE]))), bob()),
        bearer("typ application/at+jwt", &signer.rs256(&type_written_out, &claims()), bob()),
        bearer("no kid", &signer.rs256(&json!({"alg": "RS256", "typ": "at+jwt"}), &claims()), bob()),
        bearer(
            "scp as a list",
            &rs256(with(without(claims(), "scope"), "scp", json!(["read:analytics", "report_admin"]))),
            bob(),
        ),
        bearer(
            "role by a claim",
            &rs256(with(with(claims(), "scope", json!("read:analytics")), "roles", json!(["x", "report_admin"]))),
            bob(),
        ),
        bearer("asks for more than is granted", &rs256(with(claims(), "scope", everything.clone())), bob()),
        bearer(
            "of an issuer that grants all",
            &rs256(with(with(claims(), "scope", everything), "iss", json!(GENEROUS))),
            held(GENEROUS, "bob", Grants::ALL),
        ),
        bearer("expired, within the leeway", &rs256(with(claims(), "exp", json!(now() - 5))), bob()),
    ]
}

/// Signed for real; something in the claims is wrong.
fn bad_claims(server: &Server) -> Vec<Credential> {
    let late = now() + 600;
    let wrong = [
        ("expired", with(claims(), "exp", json!(now() - 600))),
        ("exp is text", with(claims(), "exp", json!("9999999999"))),
        ("exp beyond all numbers", with(claims(), "exp", json!(-1e300))),
        ("not yet valid", with(claims(), "nbf", json!(late))),
        ("issued in the future", with(claims(), "iat", json!(late))),
        ("wrong audience", with(claims(), "aud", json!("https://other.example"))),
        ("audience with a slash more", with(claims(), "aud", json!(format!("{AUDIENCE}/")))),
        ("audience of nobody", with(claims(), "aud", json!([]))),
        ("unknown issuer", with(claims(), "iss", json!("https://evil.example"))),
        ("issuer with a slash more", with(claims(), "iss", json!(format!("{ISSUER}/")))),
        ("issuer is local", with(claims(), "iss", json!("local"))),
        ("empty sub", with(claims(), "sub", json!(""))),
        ("sub is a number", with(claims(), "sub", json!(7))),
        ("no exp", without(claims(), "exp")),
        ("no iss", without(claims(), "iss")),
        ("no aud", without(claims(), "aud")),
        ("no sub", without(claims(), "sub")),
    ];
    let token = |claims: &Value| server.signer.rs256(&header("RS256", "rsa"), claims);
    wrong.iter().map(|(name, claims)| bearer(*name, &token(claims), Worth::Nothing)).collect()
}

/// The claims are good; something in the header or the signature is wrong.
fn bad_headers(server: &Server) -> Vec<Credential> {
    let signer = &server.signer;
    let rs256 = |header: Value| signer.rs256(&header, &claims());
    let plus = |name: &str, value: Value| with(header("RS256", "rsa"), name, value);
    let good = rs256(header("RS256", "rsa"));
    let jwk = signer.rsa_jwk();
    let stranger = crate::signer::Signer::new();
    let hmac = |secret: &[u8]| hs256(&header("HS256", "rsa"), &claims(), secret);
    let bad = [
        ("alg none", unsigned(&header("none", "rsa"), &claims())),
        ("alg None", unsigned(&header("None", "rsa"), &claims())),
        ("HS256 with the public key, PEM", hmac(signer.rsa_pem().as_bytes())),
        ("HS256 with the public key, JWK", hmac(jwk.to_string().as_bytes())),
        ("HS256 with the public key, modulus", hmac(jwk["n"].as_str().expect("text").as_bytes())),
        ("unknown algorithm", rs256(header("RS1", "rsa"))),
        ("algorithm of another key", rs256(header("RS256", "ec"))),
        ("ES256 said of an RSA key", rs256(header("ES256", "rsa"))),
        ("unknown kid", rs256(header("RS256", "nobody"))),
        ("kid is a number", rs256(plus("kid", json!(7)))),
        ("kid is a path", rs256(header("RS256", "../../../../dev/null"))),
        ("kid is SQL", rs256(header("RS256", "x' union select 'rsa"))),
        ("kid too long", rs256(header("RS256", &"k".repeat(129)))),
        ("crit", rs256(plus("crit", json!(["exp"])))),
        ("crit, with b64", rs256(with(plus("crit", json!(["b64"])), "b64", json!(false)))),
        ("jku of a stranger", stranger.rs256(&plus("jku", json!("http://127.0.0.1:1/jwks.json")), &claims())),
        ("x5u of a stranger", stranger.rs256(&plus("x5u", json!("http://127.0.0.1:1/x.pem")), &claims())),
        ("jwk of a stranger", stranger.rs256(&plus("jwk", stranger.rsa_jwk()), &claims())),
        ("typ JWT, as an id token has", rs256(plus("typ", json!("JWT")))),
        ("no typ", rs256(without(header("RS256", "rsa"), "typ"))),
        ("claims altered", altered(&good)),
        ("signature altered", altered_signature(&good)),
        ("truncated", good[..good.len() - 10].to_string()),
        ("five parts", format!("{good}.a.b")),
    ];
    bad.iter().map(|(name, token)| bearer(*name, token, Worth::Nothing)).collect()
}

/// Good tokens that may do little: a word must be there to the letter.
fn narrow_tokens(server: &Server) -> Vec<Credential> {
    let token = |claims: Value| server.signer.rs256(&header("RS256", "rsa"), &with(claims, "iss", json!(GENEROUS)));
    let mut all = vec![];
    for (name, grants) in single_grants() {
        let worth = held(GENEROUS, "bob", grants);
        all.push(bearer(format!("trusted: {name}"), &token(with(claims(), "scope", json!(name))), worth));
    }
    let nothing = ["read:analyticsx", "xread:analytics", "read", "READ:ANALYTICS", "read:analytics,report_admin", ""];
    for words in nothing {
        let worth = held(GENEROUS, "bob", Grants::default());
        all.push(bearer(format!("scope {words:?}"), &token(with(claims(), "scope", json!(words))), worth));
    }
    let no_scope = without(claims(), "scope");
    all.push(bearer("no scope", &token(no_scope.clone()), held(GENEROUS, "bob", Grants::default())));
    for roles in
        [json!("report_admins"), json!(["report", "admin"]), json!("x report_admin"), json!({"report_admin": true})]
    {
        let worth = held(GENEROUS, "bob", Grants::default());
        all.push(bearer(format!("roles {roles}"), &token(with(no_scope.clone(), "roles", roles)), worth));
    }
    all
}

/// The same token with one claim changed and the old signature.
fn altered(token: &str) -> String {
    let mut parts = token.split('.');
    let (head, payload, signature) = (parts.next(), parts.next(), parts.next());
    let payload =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload.expect("a payload")).expect("base64url");
    let claims: Value = serde_json::from_slice(&payload).expect("claims");
    let claims = with(claims, "sub", json!("root")).to_string();
    format!("{}.{}.{}", head.expect("a header"), base64url(claims.as_bytes()), signature.expect("a signature"))
}

fn altered_signature(token: &str) -> String {
    let at = token.len() - 20;
    format!("{}{}{}", &token[..at], other(token.as_bytes()[at]), &token[at + 1..])
}
