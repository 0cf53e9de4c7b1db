use tempfile::TempDir;

use super::super::testing::settings;
use super::*;
use crate::clock::Clock;
use crate::model::{Grants, Scopes};

const TTL: i64 = 1_000_000;

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&settings(&dir), Clock::manual(0)).unwrap();
    (dir, store)
}

async fn make(store: &Store, name: &str) -> Account {
    let account = Account {
        name: name.into(),
        grants: Grants::ALL,
        password_hash: "hash".into(),
        created_at: 0,
        disabled_at: None,
        last_login_at: None,
    };
    assert!(store.create_account(account.clone()).await.unwrap());
    account
}

fn digest(n: i64) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&n.to_be_bytes());
    digest
}

/// A log-in whose numbers are all told by `n`.
fn login(account: &Account, n: i64, now: i64) -> Login {
    Login {
        id: format!("login-{n}"),
        account: account.name.clone(),
        family_digest: digest(n),
        secret_digest: digest(n + 1),
        created_at: now,
        refreshed_at: now,
        expires_at: now + TTL,
        revoked_at: None,
    }
}

fn refresh(n: i64, secret: i64, now: i64) -> Refresh {
    Refresh {
        family_digest: digest(n),
        secret_digest: digest(secret),
        next_secret_digest: digest(secret + 1),
        now,
        expires_at: now + TTL,
    }
}

fn found(store: &Store, n: i64) -> Option<Login> {
    store.snapshot().unwrap().login(&format!("login-{n}")).unwrap()
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let (_dir, store) = store();
    let account = make(&store, "ann").await;
    let other = Account { password_hash: "other".into(), ..account.clone() };
    assert!(!store.create_account(other).await.unwrap());
    make(&store, "Ann").await;
    let names: Vec<_> = store.snapshot().unwrap().accounts().unwrap().into_iter().map(|account| account.name).collect();
    assert_eq!(names, ["Ann", "ann"]);
    assert_eq!(store.snapshot().unwrap().account("ann").unwrap(), Some(account));
}

#[tokio::test]
async fn a_refresh_swaps_the_token_and_moves_the_end_on() {
    let (_dir, store) = store();
    let ann = make(&store, "ann").await;
    assert_eq!(store.begin_login(login(&ann, 10, 5), ann).await.unwrap(), Some(vec![]));
    assert_eq!(store.snapshot().unwrap().account("ann").unwrap().unwrap().last_login_at, Some(5));
    assert_eq!(store.refresh_login(refresh(10, 11, 7)).await.unwrap(), Refreshed::Swapped);
    let login = found(&store, 10).unwrap();
    assert_eq!((login.secret_digest, login.refreshed_at, login.expires_at), (digest(12), 7, 7 + TTL));
    assert_eq!(store.snapshot().unwrap().login_of_family(&digest(10)).unwrap(), Some(login));
}

#[tokio::test]
async fn an_older_token_ends_its_own_log_in_and_no_other() {
    let (_dir, store) = store();
    let ann = make(&store, "ann").await;
    for n in [10, 20] {
        store.begin_login(login(&ann, n, 0), ann.clone()).await.unwrap();
    }
    assert_eq!(store.refresh_login(refresh(10, 11, 1)).await.unwrap(), Refreshed::Swapped);
    let reused = Refreshed::Reused { id: "login-10".into(), account: "ann".into() };
    assert_eq!(store.refresh_login(refresh(10, 11, 2)).await.unwrap(), reused);
    assert_eq!(found(&store, 10).unwrap().revoked_at, Some(2));
    // Neither the newest nor the old one is worth a second word.
    assert_eq!(store.refresh_login(refresh(10, 12, 3)).await.unwrap(), Refreshed::Refused);
    assert_eq!(store.refresh_login(refresh(10, 11, 3)).await.unwrap(), Refreshed::Refused);
    assert_eq!(store.refresh_login(refresh(20, 21, 3)).await.unwrap(), Refreshed::Swapped);
}

#[tokio::test]
async fn a_log_in_that_was_not_refreshed_in_time_has_ended() {
    let (_dir, store) = store();
    let ann = make(&store, "ann").await;
    store.begin_login(login(&ann, 10, 0), ann).await.unwrap();
    assert_eq!(store.refresh_login(refresh(10, 11, TTL)).await.unwrap(), Refreshed::Refused);
    assert_eq!(store.refresh_login(refresh(99, 11, 0)).await.unwrap(), Refreshed::Refused);
}

#[tokio::test]
async fn every_change_of_an_account_ends_its_log_ins_and_no_others() {
    let (_dir, store) = store();
    let (ann, bob) = (make(&store, "ann").await, make(&store, "bob").await);
    store.begin_login(login(&bob, 100, 0), bob).await.unwrap();
    for (n, change) in [(10, "disable"), (20, "password"), (30, "grants")] {
        store.set_account_disabled("ann".into(), false, 1).await.unwrap();
        let ann = store.snapshot().unwrap().account("ann").unwrap().unwrap();
        assert!(store.begin_login(login(&ann, n, 0), ann.clone()).await.unwrap().is_some(), "{change}");
        let known = match change {
            "disable" => store.set_account_disabled(ann.name, true, 2).await,
            "password" => store.set_account_password(ann.name, "new".into(), 2).await,
            _ => store.set_account_grants(ann.name, Grants::default(), 2).await,
        };
        assert!(known.unwrap(), "{change}");
        assert_eq!(found(&store, n).unwrap().revoked_at, Some(2), "{change}");
        assert_eq!(store.refresh_login(refresh(n, n + 1, 3)).await.unwrap(), Refreshed::Refused, "{change}");
    }
    assert_eq!(found(&store, 100).unwrap().revoked_at, None);
    let changed = store.snapshot().unwrap().account("ann").unwrap().unwrap();
    assert_eq!((changed.password_hash.as_str(), changed.grants), ("new", Grants::default()));
    assert!(!store.set_account_disabled("eve".into(), true, 0).await.unwrap());
    assert!(!store.set_account_password("eve".into(), "new".into(), 0).await.unwrap());
    assert!(!store.set_account_grants("eve".into(), Grants::ALL, 0).await.unwrap());
    assert!(ann.disabled_at.is_none());
}

#[tokio::test]
async fn an_account_that_changed_while_its_password_was_verified_begins_no_log_in() {
    let (_dir, store) = store();
    let ann = make(&store, "ann").await;
    let fewer = Grants { scopes: Scopes::default(), ..ann.grants };
    let seen = [
        Account { password_hash: "old".into(), ..ann.clone() },
        Account { grants: fewer, ..ann.clone() },
        Account { name: "eve".into(), ..ann.clone() },
    ];
    for seen in seen {
        assert_eq!(store.begin_login(login(&seen, 10, 0), seen).await.unwrap(), None);
    }
    store.set_account_disabled("ann".into(), true, 1).await.unwrap();
    assert_eq!(store.begin_login(login(&ann, 10, 2), ann).await.unwrap(), None);
    assert_eq!(found(&store, 10), None);
}

#[tokio::test]
async fn of_too_many_log_ins_the_one_longest_unused_ends() {
    let (_dir, store) = store();
    let ann = make(&store, "ann").await;
    for n in 0..LIVE_MAX {
        assert_eq!(store.begin_login(login(&ann, 10 * n, n), ann.clone()).await.unwrap(), Some(vec![]));
    }
    // The oldest was used a moment ago.
    assert_eq!(store.refresh_login(refresh(0, 1, LIVE_MAX)).await.unwrap(), Refreshed::Swapped);
    let ended = store.begin_login(login(&ann, 10 * LIVE_MAX, LIVE_MAX), ann).await.unwrap();
    assert_eq!(ended, Some(vec!["login-10".to_string()]));
    assert!(found(&store, 0).unwrap().is_live(LIVE_MAX) && !found(&store, 10).unwrap().is_live(LIVE_MAX));
}

#[tokio::test]
async fn log_ins_that_ended_a_day_ago_are_gone_with_the_next_one() {
    let (_dir, store) = store();
    let (ann, bob) = (make(&store, "ann").await, make(&store, "bob").await);
    store.begin_login(login(&ann, 10, 0), ann.clone()).await.unwrap();
    store.begin_login(login(&ann, 20, 0), ann.clone()).await.unwrap();
    store.begin_login(login(&bob, 30, 0), bob).await.unwrap();
    store.refresh_login(refresh(20, 99, 1)).await.unwrap();
    let ends =
        [(40, KEPT_MICROS, [true, true]), (50, KEPT_MICROS + 1, [true, false]), (60, KEPT_MICROS + TTL, [false; 2])];
    for (n, now, kept) in ends {
        store.begin_login(login(&ann, n, now), ann.clone()).await.unwrap();
        assert_eq!([10, 20].map(|n| found(&store, n).is_some()), kept, "at {now}");
    }
    assert!(found(&store, 30).is_some(), "another account's is left for its own next log-in");
}
