use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::*;
use crate::store::SigningKey;

fn es256() -> IssuerSettings {
    IssuerSettings { algorithm: SigningAlgorithm::Es256, ..settings() }
}

#[tokio::test]
async fn an_empty_database_publishes_no_key_and_the_first_token_makes_one() {
    let fixture = fixture();
    assert_eq!(fixture.issuer.jwks().unwrap(), json!({ "keys": [] }));
    let (_, token) = client_token(&fixture.issuer, reader()).await;
    assert_eq!(kids(&fixture.issuer), [kid(&token)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn first_tokens_in_a_race_make_one_key() {
    let fixture = fixture();
    let made = fixture.issuer.create_client("nightly", reader()).await.unwrap();
    // Two issuers know nothing of each other's memory: the database decides.
    let issuers = [fixture.issuer.clone(), fixture.with(settings())];
    let client = fixture.issuer.verify_client(&made.id, &made.secret).await.unwrap();
    let asked: Vec<_> = (0..32)
        .map(|n| {
            let (issuer, client) = (issuers[n % 2].clone(), client.clone());
            tokio::spawn(async move { issuer.client_token(&client, None).await.unwrap().access_token })
        })
        .collect();
    for token in asked {
        let token = token.await.unwrap();
        assert_eq!(kids(&fixture.issuer), [kid(&token)]);
        assert!(issuers.iter().all(|issuer| is_good(issuer, &token)));
    }
}

#[tokio::test]
async fn a_key_is_published_as_rfc_7517_writes_it() {
    for (settings, members) in [
        (settings(), vec!["alg", "crv", "kid", "kty", "use", "x"]),
        (es256(), vec!["alg", "crv", "kid", "kty", "use", "x", "y"]),
    ] {
        let fixture = fixture();
        let issuer = fixture.with(settings);
        issuer.rotate().await.unwrap();
        let jwks = issuer.jwks().unwrap();
        let mut shown: Vec<&str> = jwks["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
        shown.sort_unstable();
        assert_eq!(shown, members, "and nothing of the private half");
    }
}

#[tokio::test]
async fn a_foreign_verifier_takes_tokens_by_the_published_keys() {
    for (settings, algorithm) in [(settings(), Algorithm::EdDSA), (es256(), Algorithm::ES256)] {
        let fixture = fixture();
        fixture.clock.set(Clock::system().unix_micros());
        let issuer = fixture.with(settings);
        issuer.rotate().await.unwrap();
        let (id, token) = client_token(&issuer, reader()).await;
        issuer.rotate().await.unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!((header.alg, header.typ.as_deref()), (algorithm, Some("at+jwt")));
        let keys: JwkSet = serde_json::from_value(issuer.jwks().unwrap()).unwrap();
        let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["analytics"]);
        validation.set_issuer(&["https://analytics.example.com"]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!((&claims["sub"], &claims["scope"]), (&json!(id), &json!("read:analytics")));
    }
}

#[tokio::test]
async fn a_new_key_signs_at_once_and_tokens_of_the_old_one_hold_until_they_expire() {
    let fixture = fixture();
    let issuer = &fixture.issuer;
    let (_, old) = client_token(issuer, reader()).await;
    let new_kid = issuer.rotate().await.unwrap();
    let (_, new) = client_token(issuer, reader()).await;
    assert_eq!(kid(&new), new_kid);
    assert_eq!(kids(issuer), [new_kid, kid(&old)]);
    fixture.clock.set(NOW + 599 * SECOND);
    // Neither issuer has seen the old token before.
    assert!(is_good(issuer, &old) && is_good(&fixture.with(settings()), &old));
    fixture.clock.set(NOW + 600 * SECOND);
    assert!(!is_good(issuer, &old));
}

#[tokio::test]
async fn a_retired_key_is_deleted_once_no_token_of_it_can_be_good() {
    let fixture = fixture();
    let first = fixture.issuer.rotate().await.unwrap();
    let second = fixture.issuer.rotate().await.unwrap();
    fixture.clock.set(NOW + 25 * HOUR);
    let third = fixture.issuer.rotate().await.unwrap();
    assert_eq!(kids(&fixture.issuer), [third.clone(), second.clone(), first]);
    fixture.clock.set(NOW + 25 * HOUR + 1);
    let fourth = fixture.issuer.rotate().await.unwrap();
    assert_eq!(kids(&fixture.issuer), [fourth.clone(), third, second]);
    // A start does it, too, with its first token.
    fixture.clock.set(NOW + 51 * HOUR);
    let fixture = fixture.restart();
    client_token(&fixture.issuer, reader()).await;
    assert_eq!(kids(&fixture.issuer), [fourth]);
}

#[tokio::test]
async fn a_retired_key_stays_while_a_token_that_the_administrator_issued_needs_it() {
    let fixture = fixture();
    let issuer = &fixture.issuer;
    let long = issuer.issue_token("etl", reader(), 90 * 86_400).await.unwrap();
    let old = kid(&long.token);
    issuer.rotate().await.unwrap();
    for days in [2, 30, 89] {
        fixture.clock.set(NOW + days * DAY);
        issuer.rotate().await.unwrap();
        assert!(kids(issuer).contains(&old) && is_good(&fixture.with(settings()), &long.token), "after {days} days");
    }
    fixture.clock.set(NOW + 90 * DAY);
    issuer.rotate().await.unwrap();
    assert!(!kids(issuer).contains(&old), "it has expired");
}

#[tokio::test]
async fn a_retired_key_goes_with_the_last_token_that_needs_it() {
    let fixture = fixture();
    let issuer = &fixture.issuer;
    let long = issuer.issue_token("etl", reader(), 90 * 86_400).await.unwrap();
    issuer.rotate().await.unwrap();
    issuer.revoke_token(&long.id).await.unwrap();
    fixture.clock.set(NOW + 2 * DAY);
    issuer.rotate().await.unwrap();
    assert!(!kids(issuer).contains(&kid(&long.token)));
}

#[tokio::test]
async fn a_restart_keeps_the_keys() {
    let fixture = fixture();
    let (_, token) = client_token(&fixture.issuer, reader()).await;
    let fixture = fixture.restart();
    assert!(is_good(&fixture.issuer, &token));
    let (_, next) = client_token(&fixture.issuer, reader()).await;
    assert_eq!(kid(&next), kid(&token));
}

#[tokio::test]
async fn another_algorithm_in_the_settings_gets_a_key_of_its_own() {
    let fixture = fixture();
    let (_, old) = client_token(&fixture.issuer, reader()).await;
    let issuer = fixture.with(es256());
    assert!(is_good(&issuer, &old));
    let (_, new) = client_token(&issuer, reader()).await;
    assert_eq!((part(&new, 0)["alg"].clone(), part(&old, 0)["alg"].clone()), (json!("ES256"), json!("EdDSA")));
    assert_eq!(kids(&issuer), [kid(&new), kid(&old)]);
    assert!(is_good(&issuer, &old) && is_good(&issuer, &new));
}

#[tokio::test]
async fn a_damaged_key_is_named_and_nothing_of_it_shown() {
    let fixture = fixture();
    let damaged = SigningKey {
        kid: "bent".into(),
        algorithm: "EdDSA".into(),
        private_key: b"a secret".into(),
        created_at: NOW,
        retired_at: None,
    };
    assert!(!format!("{damaged:?}").contains(&format!("{:?}", damaged.private_key)));
    fixture.store.rotate_signing_key(damaged).await.unwrap();
    let error = fixture.issuer.jwks().unwrap_err();
    assert_eq!(error.kind, Kind::Internal);
    assert!(error.message.contains("\"bent\"") && !error.message.contains("a secret"), "{error}");
}

#[tokio::test]
async fn more_rotations_within_a_day_than_a_foreign_set_may_hold_keys_leave_every_token_good() {
    let fixture = fixture();
    let (_, first) = client_token(&fixture.issuer, reader()).await;
    for _ in 0..110 {
        fixture.issuer.rotate().await.unwrap();
    }
    let (_, last) = client_token(&fixture.issuer, reader()).await;
    // One that reads them all from the database.
    let issuer = fixture.with(settings());
    assert!(is_good(&issuer, &first) && is_good(&issuer, &last));
    assert_eq!(kids(&issuer).len(), 111);
}
