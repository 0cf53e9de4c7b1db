use super::*;

#[tokio::test]
async fn a_revoked_token_is_refused_at_once_though_it_was_cached() {
    let fixture = fixture();
    let issuer = &fixture.issuer;
    let made = issuer.issue_token("etl", reader(), 3_600).await.unwrap();
    let other = issuer.issue_token("etl", reader(), 3_600).await.unwrap();
    assert!(is_good(issuer, &made.token) && is_good(issuer, &other.token));
    assert!(issuer.revoke_token(&made.id).await.unwrap());
    assert!(!is_good(issuer, &made.token) && is_good(issuer, &other.token));
    assert!(!issuer.revoke_token(&made.id).await.unwrap(), "it is revoked already");
    assert!(!issuer.revoke_token("unknown").await.unwrap());
    assert!(!is_good(&fixture.restart().issuer, &made.token));
}

#[tokio::test]
async fn a_token_lasts_from_a_minute_to_ten_years() {
    let fixture = fixture();
    for ttl_s in [0, 59, 10 * 366 * 86_400 + 1, u32::MAX] {
        let Err(error) = fixture.issuer.issue_token("etl", reader(), ttl_s).await else { panic!("{ttl_s} s") };
        assert_eq!(error.kind, Kind::Invalid);
    }
    for ttl_s in [60, 10 * 366 * 86_400] {
        let made = fixture.issuer.issue_token("etl", reader(), ttl_s).await.unwrap();
        assert_eq!(made.expires_at, NOW + i64::from(ttl_s) * SECOND);
        assert!(is_good(&fixture.issuer, &made.token));
    }
}

#[tokio::test]
async fn a_subject_is_an_id() {
    let fixture = fixture();
    for subject in ["", "a\0b", &"x".repeat(257)] {
        let Err(error) = fixture.issuer.issue_token(subject, reader(), 60).await else { panic!("{subject:?}") };
        assert_eq!(error.kind, Kind::Invalid);
    }
    let made = fixture.issuer.issue_token(&"\u{e9}".repeat(128), reader(), 60).await.unwrap();
    assert!(is_good(&fixture.issuer, &made.token));
}

#[tokio::test]
async fn tokens_are_listed_until_they_expire_and_their_rows_kept_a_day_longer() {
    let fixture = fixture();
    let issuer = &fixture.issuer;
    let row = |id: &str| fixture.store.snapshot().unwrap().issued_token(id).unwrap();
    let short = issuer.issue_token("short", reader(), 60).await.unwrap();
    fixture.clock.set(NOW + SECOND);
    let long = issuer.issue_token("long", reader(), 30 * 86_400).await.unwrap();
    let listed = || issuer.issued_tokens().unwrap().into_iter().map(|token| token.id).collect::<Vec<_>>();
    issuer.revoke_token(&short.id).await.unwrap();
    assert_eq!(listed(), [short.id.clone(), long.id.clone()], "revoked ones, too");
    fixture.clock.set(NOW + 60 * SECOND);
    assert_eq!(listed(), [long.id.as_str()]);
    issuer.issue_token("next", reader(), 60).await.unwrap();
    assert!(row(&short.id).is_some());
    fixture.clock.set(NOW + 2 * DAY);
    issuer.issue_token("next", reader(), 60).await.unwrap();
    assert!(row(&short.id).is_none() && row(&long.id).is_some());
}
