use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::server::{Answer, Server};
use super::*;
use crate::auth::jwt::testing::jwks;

/// An issuer with a JWKS of one key at /keys, and the time.
struct Fixture {
    server: Server,
    key: TestKey,
    issuers: Issuers,
    clock: Clock,
}

impl Fixture {
    async fn start() -> Fixture {
        let (server, key, clock) = (Server::start().await, TestKey::ed25519("first"), clock());
        server.answer("/keys", Answer::Body(200, jwks(&[&key])));
        let source = KeySource::JwksUrl(server.url("/keys"));
        let issuers = Issuers::new(vec![settings(ISSUER, Some(source))], clock.clone()).unwrap();
        Fixture { server, key, issuers, clock }
    }

    async fn verify(&self, token: &str) -> Result<Arc<Caller>> {
        self.issuers.verify(ISSUER, token, false).await
    }

    /// Waits for a fetch that is under way.
    async fn settle(&self) {
        self.issuers.0.issuers[0].published.refresh().await;
    }

    fn fetches(&self) -> u64 {
        self.issuers.fetches().keys
    }
}

const ISSUER: &str = "https://id.example.com";

#[tokio::test]
async fn a_token_names_its_caller_and_is_verified_once() {
    let fixture = Fixture::start().await;
    let mut claims = claims(ISSUER);
    claims["jti"] = json!("t1");
    claims["roles"] = json!(["report_admin"]);
    let token = fixture.key.token("EdDSA", &claims);
    assert_eq!(fixture.issuers.known(&fingerprint(&token)), None);
    let caller = fixture.verify(&token).await.unwrap();
    assert_eq!((caller.principal.issuer.as_str(), caller.principal.subject.as_str()), (ISSUER, "alice"));
    assert_eq!(caller.principal.grants.scopes.to_string(), "read:analytics");
    assert_eq!(caller.principal.grants.roles.to_string(), "report_admin");
    assert_eq!(caller.expires_at, Some((NOW_S + 86_400) * SECOND));
    let subject = Target::new(TargetKind::Subject, format!("{ISSUER} alice"));
    assert_eq!(caller.targets, [subject]);
    // A signature that differs, as ECDSA lets anybody make one, gives no second quota.
    assert_eq!(caller.partition, partition(&fingerprint(jwt::signed_part(&token))));
    // The very same caller: not verified again.
    assert!(Arc::ptr_eq(&fixture.issuers.known(&fingerprint(&token)).unwrap(), &caller));
    assert!(Arc::ptr_eq(&fixture.verify(&token).await.unwrap(), &caller));
    pass(&fixture.clock, 86_400);
    assert_eq!(fixture.issuers.known(&fingerprint(&token)), None);
    assert_eq!(fixture.fetches(), 1);
}

#[tokio::test]
async fn tokens_of_others_are_refused() {
    let fixture = Fixture::start().await;
    let stranger = TestKey::ed25519("first");
    assert_eq!(kind(fixture.verify(&fresh_token(&stranger, ISSUER)).await), Some(Kind::Unauthorized));
    let other = fresh_token(&fixture.key, "https://other.example.com");
    assert_eq!(kind(fixture.verify(&other).await), Some(Kind::Unauthorized));
    assert!(fixture.issuers.knows(ISSUER) && !fixture.issuers.knows("https://id.example.com/"));
    assert!(!fixture.issuers.introspects());
}

#[tokio::test]
async fn keys_are_discovered_by_either_standard() {
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let (server, key) = (Server::start().await, TestKey::ed25519("k"));
        server.answer("/keys", Answer::Body(200, jwks(&[&key])));
        server.answer_json(path, &json!({"issuer": server.url, "jwks_uri": server.url("/keys")}));
        let issuers = Issuers::new(vec![settings(&server.url, Some(KeySource::Discovery))], clock()).unwrap();
        let verified = issuers.verify(&server.url, &fresh_token(&key, &server.url), false).await;
        assert!(verified.is_ok(), "{path}: {verified:?}");
    }
}

#[tokio::test]
async fn metadata_that_must_not_be_believed_is_not() {
    let (server, key) = (Server::start().await, TestKey::ed25519("k"));
    server.answer("/keys", Answer::Body(200, jwks(&[&key])));
    for metadata in [
        json!({"issuer": format!("{}/", server.url), "jwks_uri": server.url("/keys")}),
        json!({"issuer": "https://other.example.com", "jwks_uri": server.url("/keys")}),
        json!({"jwks_uri": server.url("/keys")}),
        json!({"issuer": server.url, "jwks_uri": "http://id.example.com/keys"}),
        json!({"issuer": server.url, "jwks_uri": "file:///etc/passwd"}),
        json!({"issuer": server.url}),
        json!([]),
    ] {
        server.answer_json("/.well-known/openid-configuration", &metadata);
        let issuers = Issuers::new(vec![settings(&server.url, Some(KeySource::Discovery))], clock()).unwrap();
        let verified = issuers.verify(&server.url, &fresh_token(&key, &server.url), false).await;
        assert_eq!(kind(verified), Some(Kind::Busy { retry_after_s: 30 }), "{metadata}");
    }
    assert!(!server.requests().iter().any(|request| request.contains("/keys")), "keys were asked for");
}

#[tokio::test]
async fn a_new_key_is_picked_up_without_a_restart() {
    let fixture = Fixture::start().await;
    fixture.verify(&fresh_token(&fixture.key, ISSUER)).await.unwrap();
    let second = TestKey::ed25519("second");
    fixture.server.answer("/keys", Answer::Body(200, jwks(&[&fixture.key, &second])));
    // Less than 30 s after the last fetch nothing is asked.
    pass(&fixture.clock, 29);
    assert_eq!(kind(fixture.verify(&fresh_token(&second, ISSUER)).await), Some(Kind::Unauthorized));
    assert_eq!(fixture.fetches(), 1);
    pass(&fixture.clock, 1);
    fixture.verify(&fresh_token(&second, ISSUER)).await.unwrap();
    fixture.verify(&fresh_token(&fixture.key, ISSUER)).await.unwrap();
    assert_eq!(fixture.fetches(), 2);
}

#[tokio::test]
async fn a_step_of_the_wall_clock_does_not_open_the_slot() {
    let fixture = Fixture::start().await;
    fixture.verify(&fresh_token(&fixture.key, ISSUER)).await.unwrap();
    pass(&fixture.clock, -7200);
    let stranger = TestKey::ed25519("stranger");
    for _ in 0..3 {
        pass(&fixture.clock, 9);
        assert_eq!(kind(fixture.verify(&fresh_token(&stranger, ISSUER)).await), Some(Kind::Unauthorized));
    }
    assert_eq!(fixture.fetches(), 1);
}

#[tokio::test]
async fn a_million_random_kids_cause_one_fetch_in_30_seconds() {
    let fixture = Fixture::start().await;
    let body = URL_SAFE_NO_PAD.encode(claims(ISSUER).to_string());
    let begun = std::sync::atomic::AtomicU64::new(0);
    for round in 0..4 {
        for _ in 0..250_000 {
            let kid = begun.fetch_add(1, std::sync::atomic::Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let header = format!("{{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"{kid:x}\"}}");
            let token = format!("{}.{body}.{}", URL_SAFE_NO_PAD.encode(header), "A".repeat(86));
            assert_eq!(kind(fixture.verify(&token).await), Some(Kind::Unauthorized));
        }
        assert_eq!(fixture.fetches(), round + 1);
        pass(&fixture.clock, 30);
    }
    assert_eq!(fixture.server.requests().len(), 4);
}

#[tokio::test]
async fn many_requests_at_once_fetch_once() {
    let fixture = Arc::new(Fixture::start().await);
    let mut waiting = vec![];
    for _ in 0..300 {
        let (fixture, token) = (Arc::clone(&fixture), fresh_token(&fixture.key, ISSUER));
        waiting.push(tokio::spawn(async move { fixture.verify(&token).await.map(|_| ()) }));
    }
    for verified in waiting {
        assert_eq!(verified.await.unwrap(), Ok(()));
    }
    assert_eq!(fixture.fetches(), 1);
}

#[tokio::test]
async fn known_keys_serve_while_the_issuer_is_down_and_bad_answers_change_nothing() {
    let fixture = Fixture::start().await;
    fixture.verify(&fresh_token(&fixture.key, ISSUER)).await.unwrap();
    let stranger = TestKey::ed25519("first");
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(256 * 1024));
    fixture.server.answer("/elsewhere", Answer::Body(200, jwks(&[&stranger])));
    for (round, answer) in [
        Answer::Close,
        Answer::Body(500, jwks(&[&stranger])),
        Answer::Body(200, b"{\"keys\":[]}".to_vec()),
        Answer::Body(200, b"{}".to_vec()),
        Answer::Body(200, b"<html>down for maintenance</html>".to_vec()),
        Answer::Body(200, large.into_bytes()),
        Answer::Redirect(fixture.server.url("/elsewhere")),
    ]
    .into_iter()
    .enumerate()
    {
        fixture.server.answer("/keys", answer);
        pass(&fixture.clock, 15 * 60);
        // Starts a fetch in the background, and does not wait for it.
        fixture.verify(&fresh_token(&fixture.key, ISSUER)).await.unwrap();
        fixture.settle().await;
        assert_eq!(fixture.fetches(), round as u64 + 2);
        fixture.verify(&fresh_token(&fixture.key, ISSUER)).await.unwrap();
        assert_eq!(kind(fixture.verify(&fresh_token(&stranger, ISSUER)).await), Some(Kind::Unauthorized));
    }
    assert!(!fixture.server.requests().iter().any(|request| request.contains("/elsewhere")), "it followed");
}

#[tokio::test]
async fn keys_that_were_never_known_are_no_fault_of_the_token() {
    let fixture = Fixture::start().await;
    fixture.server.answer("/keys", Answer::Close);
    let token = fresh_token(&fixture.key, ISSUER);
    assert_eq!(kind(fixture.verify(&token).await), Some(Kind::Busy { retry_after_s: 30 }));
    pass(&fixture.clock, 12);
    assert_eq!(kind(fixture.verify(&token).await), Some(Kind::Busy { retry_after_s: 18 }));
    assert_eq!(fixture.fetches(), 1);
    fixture.server.answer("/keys", Answer::Body(200, jwks(&[&fixture.key])));
    // Who obeys Retry-After succeeds.
    pass(&fixture.clock, 18);
    assert!(fixture.verify(&token).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_keeps_silent_is_waited_for_only_so_long() {
    let fixture = Fixture::start().await;
    fixture.server.answer("/keys", Answer::Silence);
    let begun = fixture.clock_of_the_wall();
    let refused = fixture.verify(&fresh_token(&fixture.key, ISSUER)).await;
    assert!(matches!(kind(refused), Some(Kind::Busy { .. })));
    let waited = fixture.clock_of_the_wall() - begun;
    assert!(waited >= Duration::from_millis(4500), "{waited:?}");
}

impl Fixture {
    fn clock_of_the_wall(&self) -> Duration {
        Duration::from_micros(Clock::system().monotonic_micros())
    }
}

#[tokio::test]
async fn tokens_of_a_key_that_has_left_the_set_are_forgotten() {
    let fixture = Fixture::start().await;
    let second = TestKey::ed25519("second");
    fixture.server.answer("/keys", Answer::Body(200, jwks(&[&fixture.key, &second])));
    let (old, new) = (fresh_token(&fixture.key, ISSUER), fresh_token(&second, ISSUER));
    fixture.verify(&old).await.unwrap();
    fixture.verify(&new).await.unwrap();
    fixture.server.answer("/keys", Answer::Body(200, jwks(&[&second])));
    pass(&fixture.clock, 15 * 60);
    // Nothing but remembered tokens is used: that is enough for the keys to be asked for anew.
    assert!(fixture.issuers.known(&fingerprint(&old)).is_some());
    fixture.settle().await;
    assert_eq!(fixture.issuers.known(&fingerprint(&old)), None);
    assert_eq!(kind(fixture.verify(&old).await), Some(Kind::Unauthorized));
    fixture.verify(&new).await.unwrap();
    assert_eq!(fixture.fetches(), 2);
}

#[tokio::test]
async fn key_files_are_read_and_read_again() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let (first, second) = (TestKey::ed25519("first"), TestKey::ed25519("second"));
    let (set, pem) = (dir.path().join("keys.json"), dir.path().join("key.pem"));
    std::fs::write(&set, jwks(&[&first])).unwrap();
    std::fs::write(&pem, first.pem()).unwrap();
    let sources =
        [(ISSUER, KeySource::JwksFile(set.clone())), ("https://pem.example.com", KeySource::PemFile(pem.clone()))];
    let all = sources.map(|(issuer, source)| settings(issuer, Some(source)));
    let issuers = Issuers::new(all.to_vec(), clock.clone()).unwrap();
    let all = [ISSUER, "https://pem.example.com"];
    for issuer in all {
        issuers.verify(issuer, &fresh_token(&first, issuer), false).await.unwrap();
    }
    std::fs::write(&set, jwks(&[&second])).unwrap();
    std::fs::write(&pem, second.pem()).unwrap();
    for issuer in all {
        issuers.verify(issuer, &fresh_token(&second, issuer), false).await.unwrap();
        assert_eq!(kind(issuers.verify(issuer, &fresh_token(&first, issuer), false).await), Some(Kind::Unauthorized));
    }
    // A file that was spoilt changes nothing.
    std::fs::write(&set, "{").unwrap();
    std::fs::remove_file(&pem).unwrap();
    pass(&clock, 60);
    for (index, issuer) in all.into_iter().enumerate() {
        issuers.0.issuers[index].published.refresh().await;
        issuers.verify(issuer, &fresh_token(&second, issuer), false).await.unwrap();
    }
    assert_eq!(issuers.fetches(), Fetches::default());
}
