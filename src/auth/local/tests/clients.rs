use super::super::Denied;
use super::*;
use crate::auth::secret::{API_KEY, CLIENT_SECRET};

async fn is_denied(issuer: &Issuer, id: &str, secret: &str) -> bool {
    match issuer.verify_client(id, secret).await {
        Ok(_) => false,
        Err(Denied::Client) => true,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_secret_is_hashed_once_and_a_wrong_one_never() {
    let fixture = fixture();
    let made = fixture.issuer.create_client("nightly", reader()).await.unwrap();
    let other = fixture.issuer.create_client("hourly", reader()).await.unwrap();
    let runs = fixture.secrets.runs();
    for wrong in [
        CLIENT_SECRET.generate_for(&made.id).unwrap(),
        CLIENT_SECRET.generate().unwrap(),
        API_KEY.generate().unwrap(),
        other.secret.clone(),
        made.secret[..made.secret.len() - 1].to_string(),
        String::new(),
    ] {
        assert!(is_denied(&fixture.issuer, &made.id, &wrong).await);
    }
    assert!(is_denied(&fixture.issuer, &other.id, &made.secret).await, "the id is another's");
    assert!(is_denied(&fixture.issuer, "", &made.secret).await);
    assert_eq!(fixture.secrets.runs() - runs, 0);
    for _ in 0..3 {
        assert!(!is_denied(&fixture.issuer, &made.id, &made.secret).await);
    }
    assert_eq!(fixture.secrets.runs() - runs, 1);
}

#[tokio::test]
async fn a_revoked_client_and_its_tokens_end_at_once_and_nobody_elses() {
    let fixture = fixture();
    let issuer = &fixture.issuer;
    let made = issuer.create_client("nightly", reader()).await.unwrap();
    let client = issuer.verify_client(&made.id, &made.secret).await.unwrap();
    let token = issuer.client_token(&client, None).await.unwrap().access_token;
    let (_, others) = client_token(issuer, reader()).await;
    assert!(is_good(issuer, &token) && is_good(issuer, &others), "both are cached now");
    assert!(issuer.revoke_client(&made.id).await.unwrap());
    assert!(!is_good(issuer, &token) && is_good(issuer, &others));
    assert!(is_denied(issuer, &made.id, &made.secret).await);
    assert!(!issuer.revoke_client(&made.id).await.unwrap(), "it is revoked already");
    // A request under way may have found the client good just before: its token is none.
    let late = issuer.client_token(&client, None).await.unwrap().access_token;
    assert!(!is_good(issuer, &late));
}

#[tokio::test]
async fn a_client_gets_what_it_asks_for_of_what_it_may_have() {
    let fixture = fixture();
    let made = fixture.issuer.create_client("nightly", report_admin()).await.unwrap();
    let client = fixture.issuer.verify_client(&made.id, &made.secret).await.unwrap();
    let all = fixture.issuer.client_token(&client, None).await.unwrap();
    assert_eq!(
        serde_json::to_value(&all).unwrap(),
        serde_json::json!({
            "access_token": all.access_token, "token_type": "Bearer", "expires_in": 600,
            "scope": "read:analytics report_admin",
        })
    );
    let narrowed = fixture.issuer.client_token(&client, Some("read:analytics")).await.unwrap();
    assert_eq!(narrowed.scope, "read:analytics");
    assert_eq!(fixture.issuer.verify(&narrowed.access_token).unwrap().principal.grants, reader());
    let denied = fixture.issuer.client_token(&client, Some("read:analytics admin")).await;
    assert!(matches!(denied, Err(Denied::Scope(message)) if message.contains("admin")));
}

#[tokio::test]
async fn clients_are_listed_oldest_first_with_when_they_were_used() {
    let fixture = fixture();
    let first = fixture.issuer.create_client("nightly", reader()).await.unwrap();
    fixture.clock.set(NOW + SECOND);
    let second = fixture.issuer.create_client("nightly", report_admin()).await.unwrap();
    fixture.issuer.verify_client(&second.id, &second.secret).await.unwrap();
    while fixture.issuer.clients().unwrap()[1].last_used_at.is_none() {
        tokio::task::yield_now().await;
    }
    let listed = fixture.issuer.clients().unwrap();
    let shown: Vec<_> = listed.iter().map(|row| (&row.id, row.grants, row.created_at, row.last_used_at)).collect();
    let expected = [(&first.id, reader(), NOW, None), (&second.id, report_admin(), NOW + SECOND, Some(NOW + SECOND))];
    assert_eq!(shown, expected);
    assert!(!format!("{listed:?}").contains("argon2"), "a hash would reach a log");
}

#[tokio::test]
async fn a_client_has_a_name() {
    let fixture = fixture();
    for name in ["", "a\nb", &"x".repeat(257)] {
        let Err(error) = fixture.issuer.create_client(name, reader()).await else { panic!("{name:?} was taken") };
        assert_eq!(error.kind, Kind::Invalid);
    }
}
