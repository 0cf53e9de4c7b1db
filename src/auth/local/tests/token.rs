use serde_json::json;

use super::super::Denied;
use super::super::token::{Mint, Purpose, mint, narrow};
use super::*;
use crate::model::{Principal, Target, TargetKind};

#[tokio::test]
async fn a_token_is_what_rfc_9068_says() {
    let fixture = fixture();
    let (id, token) = client_token(&fixture.issuer, report_admin()).await;
    assert_eq!(part(&token, 0), json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": kid(&token) }));
    let claims = part(&token, 1);
    let expected = json!({
        "iss": "https://analytics.example.com", "sub": id, "aud": "analytics", "exp": 1_750_000_600,
        "iat": 1_750_000_000, "jti": claims["jti"], "client_id": id, "scope": "read:analytics",
        "roles": ["report_admin"], "use": "client",
    });
    assert_eq!(claims, expected);
    assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
}

#[tokio::test]
async fn a_verified_token_gives_its_caller() {
    let fixture = fixture();
    let (id, token) = client_token(&fixture.issuer, report_admin()).await;
    let caller = fixture.issuer.verify(&token).unwrap();
    let jti = part(&token, 1)["jti"].as_str().unwrap().to_string();
    assert_eq!(caller.principal, Principal::local(&id, report_admin()));
    assert_eq!(caller.expires_at, Some(NOW + 600 * SECOND));
    assert_eq!(caller.targets, [Target::new(TargetKind::Token, jti), Target::new(TargetKind::Client, id)]);
    let issued = fixture.issuer.issue_token("etl", reader(), 60).await.unwrap();
    let caller = fixture.issuer.verify(&issued.token).unwrap();
    assert_eq!(caller.principal, Principal::local("etl", reader()));
    assert_eq!(caller.targets, [Target::new(TargetKind::Token, issued.id), Target::new(TargetKind::Account, "etl")]);
}

#[tokio::test]
async fn a_token_ends_to_the_second_whether_it_is_cached_or_not() {
    let fixture = fixture();
    let (_, token) = client_token(&fixture.issuer, reader()).await;
    assert!(is_good(&fixture.issuer, &token));
    fixture.clock.set(NOW + 600 * SECOND - 1);
    assert!(is_good(&fixture.issuer, &token));
    fixture.clock.set(NOW + 600 * SECOND);
    assert!(!is_good(&fixture.issuer, &token) && !is_good(&fixture.with(settings()), &token));
}

#[tokio::test]
async fn whatever_is_altered_in_a_token_it_holds_no_more() {
    let fixture = fixture();
    let made = fixture.issuer.issue_token("etl", reader(), 600).await.unwrap();
    let parts: Vec<&str> = made.token.split('.').collect();
    let altered = |at: usize, name: &str, value: Value| {
        let mut object = part(&made.token, at);
        object[name] = value;
        let mut parts: Vec<String> = parts.iter().map(|part| part.to_string()).collect();
        parts[at] = URL_SAFE_NO_PAD.encode(object.to_string());
        parts.join(".")
    };
    for (at, name, value) in [
        (1, "scope", json!("read:analytics admin")),
        (1, "roles", json!(["report_admin"])),
        (1, "use", json!("client")),
        (1, "sub", json!("root")),
        (1, "exp", json!(1_850_000_000)),
        (1, "jti", json!("another")),
        (0, "alg", json!("none")),
        (0, "alg", json!("HS256")),
        (0, "kid", json!("another")),
        (0, "typ", json!("JWT")),
    ] {
        let token = altered(at, name, value.clone());
        assert!(!is_good(&fixture.issuer, &token), "{name}: {value}");
    }
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    assert!(!is_good(&fixture.issuer, &unsigned) && is_good(&fixture.issuer, &made.token));
}

#[tokio::test]
async fn tokens_of_another_issuer_audience_or_database_are_none_of_ours() {
    let (here, elsewhere) = (fixture(), fixture());
    let token = here.issuer.issue_token("etl", reader(), 600).await.unwrap().token;
    for settings in [
        IssuerSettings { url: "https://other.example.com".into(), ..settings() },
        IssuerSettings { audience: "another".into(), ..settings() },
    ] {
        assert!(!is_good(&here.with(settings), &token));
    }
    assert!(!is_good(&elsewhere.issuer, &token), "it has made no key");
    elsewhere.issuer.rotate().await.unwrap();
    assert!(!is_good(&elsewhere.issuer, &token), "its keys are others");
}

#[tokio::test]
async fn a_token_signed_here_that_no_row_stands_behind_is_refused() {
    let fixture = fixture();
    for purpose in [Purpose::Issued, Purpose::Client] {
        let asked = Mint { purpose, subject: "ghost", client_id: "ghost", grants: Grants::ALL, ttl_s: 600 };
        let minted = mint(&fixture.issuer.0, asked).await.unwrap();
        assert!(!is_good(&fixture.issuer, &minted.token));
    }
}

/// ECDSA has two signatures of everything: (r, s) and (r, n - s).
#[tokio::test]
async fn the_other_signature_of_a_token_is_not_another_token() {
    let fixture = fixture();
    let issuer = fixture.with(IssuerSettings { algorithm: SigningAlgorithm::Es256, ..settings() });
    let token = issuer.issue_token("etl", reader(), 600).await.unwrap().token;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    negate(&mut signature[32..]);
    let other = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_ne!(token, other);
    let (one, two) = (issuer.verify(&token).unwrap(), issuer.verify(&other).unwrap());
    assert_eq!(one.partition, two.partition, "its requests would count twice over");
}

/// The number modulo the order of P-256, big-endian, with its sign turned.
fn negate(s: &mut [u8]) {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
        0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i16::from(ORDER[at]) - i16::from(s[at]) - borrow;
        borrow = i16::from(difference < 0);
        s[at] = difference.rem_euclid(256) as u8;
    }
}

#[test]
fn a_scope_narrows_and_never_widens() {
    let given = |scope| narrow(report_admin(), scope);
    assert_eq!(given(None).unwrap(), report_admin());
    assert_eq!(given(Some(" ")).unwrap(), report_admin(), "RFC 6749, 3.1: an empty parameter is none");
    assert_eq!(given(Some("read:analytics")).unwrap(), reader());
    assert_eq!(given(Some("report_admin read:analytics read:analytics")).unwrap(), report_admin());
    for (scope, named) in [
        ("read:analytics admin", "scope admin"),
        ("read", "scope read "),
        ("READ:ANALYTICS", "scope READ:ANALYTICS"),
        ("\"quoted\"", "scope asked for"),
        ("caf\u{e9}", "scope asked for"),
        (&"x".repeat(65), "scope asked for"),
    ] {
        let Err(Denied::Scope(message)) = given(Some(scope)) else { panic!("{scope} was given") };
        assert!(message.contains(named), "{message}");
        assert!(message.ends_with("read:analytics report_admin"), "{message}");
    }
}
