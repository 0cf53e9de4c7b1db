use super::server::{Answer, Server};
use super::*;

struct Fixture {
    server: Server,
    issuers: Issuers,
    clock: Clock,
}

impl Fixture {
    async fn start() -> Fixture {
        let (server, clock) = (Server::start().await, clock());
        server.answer_json("/ask", &active(&json!({})));
        let issuers = Issuers::new(vec![introspecting(ISSUER, Some(server.url("/ask")))], clock.clone()).unwrap();
        Fixture { server, issuers, clock }
    }

    async fn ask(&self, token: &str) -> Result<Arc<Caller>> {
        self.issuers.introspect(token, false).await
    }

    fn asked(&self) -> u64 {
        self.issuers.fetches().introspections
    }
}

const ISSUER: &str = "https://id.example.com";

/// A good answer with some members changed; null takes one away.
fn active(changes: &Value) -> Value {
    let mut answer = claims(ISSUER);
    answer["active"] = json!(true);
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(answer.as_object_mut().unwrap().remove(name)),
            value => answer[name] = value.clone(),
        }
    }
    answer
}

#[tokio::test]
async fn an_issuer_is_asked_as_the_standard_says_and_no_sooner_than_needed_again() {
    let fixture = Fixture::start().await;
    let caller = fixture.ask("opaque+1/=~").await.unwrap();
    assert_eq!((caller.principal.issuer.as_str(), caller.principal.subject.as_str()), (ISSUER, "alice"));
    assert_eq!(caller.partition, partition(&fingerprint("opaque+1/=~")));
    assert_eq!(caller.targets, [Target::new(TargetKind::Subject, format!("{ISSUER} alice"))]);
    let request = fixture.server.requests().remove(0);
    assert!(request.starts_with("POST /ask HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\ntoken=opaque%2B1%2F%3D%7E&token_type_hint=access_token"), "{request}");
    // analytics%3Aserver:s+e%3Acret%26%C3%BC
    let basic = "authorization: Basic YW5hbHl0aWNzJTNBc2VydmVyOnMrZSUzQWNyZXQlMjYlQzMlQkM=\r\n";
    assert!(request.contains(basic), "{request}");
    assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
    pass(&fixture.clock, 59);
    assert!(Arc::ptr_eq(&fixture.ask("opaque+1/=~").await.unwrap(), &caller));
    assert_eq!(fixture.asked(), 1);
    pass(&fixture.clock, 1);
    fixture.ask("opaque+1/=~").await.unwrap();
    assert_eq!(fixture.asked(), 2);
}

#[tokio::test]
async fn an_answer_lasts_no_longer_than_the_token() {
    let fixture = Fixture::start().await;
    fixture.server.answer_json("/ask", &active(&json!({"exp": NOW_S + 20})));
    fixture.ask("short").await.unwrap();
    pass(&fixture.clock, 20);
    fixture.ask("short").await.unwrap();
    assert_eq!(fixture.asked(), 2);
}

#[tokio::test]
async fn answers_are_checked_one_by_one() {
    let good = [
        json!({}),
        json!({"iss": null}),
        json!({"exp": null}),
        json!({"token_type": "Bearer"}),
        json!({"aud": ["other", "analytics"]}),
        json!({"sub": null, "client_id": "alice"}),
    ];
    let bad = [
        json!({"active": false}),
        json!({"active": null}),
        json!({"active": "true"}),
        json!({"active": 1}),
        json!({"iss": "https://id.example.com/"}),
        json!({"aud": null}),
        json!({"aud": "other"}),
        json!({"sub": null}),
        json!({"sub": null, "username": "alice"}),
        json!({"sub": ""}),
        json!({"exp": NOW_S - 30}),
        json!({"exp": "never"}),
        json!({"nbf": NOW_S + 31}),
        json!({"token_type": "DPoP"}),
        json!({"token_type": "refresh_token"}),
    ];
    let fixture = Fixture::start().await;
    let cases = good.iter().map(|changes| (changes, true)).chain(bad.iter().map(|changes| (changes, false)));
    for (number, (changes, is_good)) in cases.enumerate() {
        fixture.server.answer_json("/ask", &active(changes));
        let expected = if is_good { None } else { Some(Kind::Unauthorized) };
        assert_eq!(kind(fixture.ask(&format!("token{number}")).await), expected, "{changes}");
    }
}

#[tokio::test]
async fn answers_without_an_audience_are_taken_only_where_that_is_configured() {
    let server = Server::start().await;
    let mut settings = introspecting(ISSUER, Some(server.url("/ask")));
    settings.introspection.as_mut().unwrap().without_audience = true;
    let issuers = Issuers::new(vec![settings], clock()).unwrap();
    server.answer_json("/ask", &active(&json!({"aud": null})));
    assert_eq!(kind(issuers.introspect("one", false).await), None);
    server.answer_json("/ask", &active(&json!({"aud": "other"})));
    assert_eq!(kind(issuers.introspect("two", false).await), Some(Kind::Unauthorized));
}

#[tokio::test]
async fn a_refusal_is_remembered_for_ten_seconds() {
    let fixture = Fixture::start().await;
    fixture.server.answer_json("/ask", &json!({"active": false}));
    for _ in 0..1000 {
        assert_eq!(kind(fixture.ask("gone").await), Some(Kind::Unauthorized));
    }
    assert_eq!(fixture.asked(), 1);
    pass(&fixture.clock, 10);
    assert_eq!(kind(fixture.ask("gone").await), Some(Kind::Unauthorized));
    assert_eq!(fixture.asked(), 2);
}

#[tokio::test]
async fn refusals_are_remembered_within_bounds() {
    let desk = Desk::new(clock());
    for number in 0..50_000 {
        desk.refuse(fingerprint(&number.to_string()));
    }
    assert!(desk.is_refused(&fingerprint("49999")));
    assert!((0..50_000).filter(|number| desk.is_refused(&fingerprint(&number.to_string()))).count() <= 10_000);
}

#[tokio::test]
async fn statuses_tell_whose_fault_it_is() {
    let fixture = Fixture::start().await;
    let busy = Some(Kind::Busy { retry_after_s: 5 });
    let large = vec![b' '; 256 * 1024 + 1];
    for (number, (answer, expected)) in [
        (Answer::Body(400, b"{\"error\":\"invalid_request\"}".to_vec()), Some(Kind::Unauthorized)),
        (Answer::Body(401, vec![]), busy),
        (Answer::Body(403, vec![]), busy),
        (Answer::Body(500, vec![]), busy),
        (Answer::Body(200, b"eyJhbGciOi".to_vec()), busy),
        (Answer::Body(200, b"[]".to_vec()), busy),
        (Answer::Body(200, large), busy),
        (Answer::Redirect(fixture.server.url("/elsewhere")), busy),
        (Answer::Close, busy),
    ]
    .into_iter()
    .enumerate()
    {
        fixture.server.answer("/ask", answer);
        assert_eq!(kind(fixture.ask(&format!("token{number}")).await), expected, "{number}");
    }
    // None of that is remembered as a refusal of the token, but for the first.
    fixture.server.answer_json("/ask", &active(&json!({})));
    assert_eq!(kind(fixture.ask("token8").await), None);
}

#[tokio::test]
async fn issuers_are_asked_in_order_until_one_knows_the_token() {
    let (server, clock) = (Server::start().await, clock());
    let all = [("https://a.example", "/a"), ("https://b.example", "/b")];
    let all = all.map(|(issuer, path)| introspecting(issuer, Some(server.url(path))));
    let issuers = Issuers::new(all.to_vec(), clock).unwrap();
    server.answer_json("/a", &json!({"active": false}));
    server.answer_json("/b", &active(&json!({"iss": "https://b.example"})));
    assert_eq!(issuers.introspect("one", false).await.unwrap().principal.issuer, "https://b.example");
    server.answer_json("/b", &json!({"active": false}));
    assert_eq!(kind(issuers.introspect("two", false).await), Some(Kind::Unauthorized));
    // The one that does not answer may be the one that knows it.
    server.answer("/a", Answer::Close);
    assert!(matches!(kind(issuers.introspect("three", false).await), Some(Kind::Busy { .. })));
    server.answer_json("/b", &active(&json!({"iss": "https://b.example"})));
    assert!(issuers.introspect("three", false).await.is_ok());
}

#[tokio::test]
async fn the_endpoint_may_be_discovered_and_signed_tokens_be_asked_about() {
    let server = Server::start().await;
    let metadata = json!({"issuer": server.url, "introspection_endpoint": server.url("/ask")});
    server.answer_json("/.well-known/openid-configuration", &metadata);
    server.answer_json("/ask", &active(&json!({"iss": server.url})));
    let issuers = Issuers::new(vec![introspecting(&server.url, None)], clock()).unwrap();
    assert!(issuers.introspects());
    assert!(issuers.introspect("opaque", false).await.is_ok());
    // The issuer has no keys here: what looks like a JWT is opaque to us.
    let token = fresh_token(&TestKey::ed25519("k"), &server.url);
    assert!(issuers.verify(&server.url, &token, false).await.is_ok());
    assert_eq!(issuers.fetches(), Fetches { keys: 1, introspections: 2 });
}

#[tokio::test]
async fn texts_that_cannot_be_tokens_are_not_asked_about() {
    let fixture = Fixture::start().await;
    for text in ["a b", "a\nb", "tökèn", &"x".repeat(16 * 1024 + 1)] {
        assert_eq!(kind(fixture.ask(text).await), Some(Kind::Unauthorized));
    }
    assert_eq!(fixture.asked(), 0);
}

#[tokio::test]
async fn suspects_wait_in_a_line_of_their_own() {
    let fixture = Arc::new(Fixture::start().await);
    fixture.server.answer("/ask", Answer::Silence);
    let suspects: Vec<_> = (0..30)
        .map(|number| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move { fixture.issuers.introspect(&format!("bad{number}"), true).await.map(|_| ()) })
        })
        .collect();
    // Both places of the suspects are taken once two of them have asked.
    while fixture.server.requests().len() < 2 {
        tokio::task::yield_now().await;
    }
    fixture.server.answer_json("/ask", &active(&json!({})));
    assert!(fixture.ask("good").await.is_ok());
    assert_eq!(fixture.asked(), 3);
    // Nobody waits for ever: neither those who asked nor those who could not.
    for suspect in suspects {
        suspect.await.unwrap().ok();
    }
}

#[tokio::test]
async fn a_signed_token_that_is_asked_about_counts_by_what_was_signed() {
    let fixture = Fixture::start().await;
    let token = fresh_token(&TestKey::ed25519("k"), ISSUER);
    // As ECDSA lets anybody make one: the same token with another good signature.
    let twin = format!("{}.c2lnbmF0dXJl", jwt::signed_part(&token));
    let (first, second) = (fixture.issuers.verify(ISSUER, &token, false), fixture.issuers.verify(ISSUER, &twin, false));
    assert_eq!(first.await.unwrap().partition, second.await.unwrap().partition);
    // Blind to its form where it has none that we know.
    assert_ne!(fixture.ask("a.b.c").await.unwrap().partition, fixture.ask("a.b.d").await.unwrap().partition);
}
