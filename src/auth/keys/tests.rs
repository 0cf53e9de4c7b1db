use tempfile::TempDir;

use super::*;
use crate::model::{Scope, Scopes};
use crate::store::testing;

const NOW: i64 = 1_750_000_000_000_000;
const HOUR: i64 = 3_600_000_000;

struct Fixture {
    keys: Keys,
    store: Store,
    clock: Clock,
    hasher: Hasher,
    _directory: TempDir,
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let (clock, hasher) = (Clock::manual(NOW), Hasher::default());
    let store = Store::open(&testing::settings(&directory), clock.clone()).unwrap();
    let keys = Keys::new(store.clone(), clock.clone(), hasher.clone());
    Fixture { keys, store, clock, hasher, _directory: directory }
}

async fn is_good(keys: &Keys, key: &str) -> bool {
    match keys.verify(key).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind, Kind::Unauthorized, "{error}");
            assert!(!error.message.contains(key), "the message gives the key away");
            false
        }
    }
}

#[tokio::test]
async fn a_key_is_hashed_once_and_a_wrong_secret_of_its_id_never() {
    let fixture = fixture();
    let made = fixture.keys.create("me", Grants::ALL, None).await.unwrap();
    let runs = fixture.hasher.runs();
    for _ in 0..10 {
        let forged = API_KEY.generate_for(&made.id).unwrap();
        assert!(!is_good(&fixture.keys, &forged).await);
    }
    assert_eq!(fixture.hasher.runs() - runs, 0);
    for _ in 0..3 {
        assert!(is_good(&fixture.keys, &made.key).await);
    }
    assert_eq!(fixture.hasher.runs() - runs, 1);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_though_it_was_cached() {
    let fixture = fixture();
    let made = fixture.keys.create("me", Grants::ALL, None).await.unwrap();
    let other = fixture.keys.create("me", Grants::ALL, None).await.unwrap();
    assert!(is_good(&fixture.keys, &made.key).await && is_good(&fixture.keys, &other.key).await);
    assert!(fixture.keys.revoke(&made.id).await.unwrap());
    assert!(!is_good(&fixture.keys, &made.key).await && is_good(&fixture.keys, &other.key).await);
    assert!(!fixture.keys.revoke(&made.id).await.unwrap(), "it is revoked already");
    assert!(!fixture.keys.revoke("unknown").await.unwrap());
}

#[tokio::test]
async fn a_key_is_revoked_and_forgotten_though_nobody_waits_for_it() {
    let fixture = fixture();
    let made = fixture.keys.create("me", Grants::ALL, None).await.unwrap();
    assert!(is_good(&fixture.keys, &made.key).await);
    // The client hangs up as soon as the request has been begun.
    let revocation = fixture.keys.revoke(&made.id);
    assert!(poll_once(revocation).await.is_none(), "the commit takes longer than one poll");
    // The writer answers in order, so the revocation is committed by then; its task follows.
    fixture.keys.create("me", Grants::ALL, None).await.unwrap();
    while is_good(&fixture.keys, &made.key).await {
        tokio::task::yield_now().await;
    }
}

/// Polls once, then drops the future.
async fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn a_rotated_key_works_until_the_overlap_ends_and_its_heir_goes_on() {
    let fixture = fixture();
    let grants = Grants { scopes: Scopes::from_iter([Scope::ReadAnalytics]), ..Grants::default() };
    let old = fixture.keys.create("me", grants, Some(NOW + 10 * HOUR)).await.unwrap();
    assert!(is_good(&fixture.keys, &old.key).await);
    let new = fixture.keys.rotate(&old.id, NOW + HOUR).await.unwrap().unwrap();
    let caller = fixture.keys.verify(&new.key).await.unwrap();
    assert_eq!((caller.principal.clone(), caller.expires_at), (Principal::local("me", grants), Some(NOW + 10 * HOUR)));
    assert_ne!(old.id, new.id);
    fixture.clock.set(NOW + HOUR - 1);
    assert!(is_good(&fixture.keys, &old.key).await);
    fixture.clock.set(NOW + HOUR);
    assert!(!is_good(&fixture.keys, &old.key).await && is_good(&fixture.keys, &new.key).await);
    assert!(fixture.keys.rotate(&old.id, NOW + 2 * HOUR).await.unwrap().is_none(), "it has ended");
    assert!(fixture.keys.rotate("unknown", NOW + 2 * HOUR).await.unwrap().is_none());
}

#[tokio::test]
async fn an_overlap_never_lengthens_a_keys_life() {
    let fixture = fixture();
    let old = fixture.keys.create("me", Grants::ALL, Some(NOW + HOUR)).await.unwrap();
    fixture.keys.rotate(&old.id, NOW + 2 * HOUR).await.unwrap().unwrap();
    fixture.clock.set(NOW + HOUR);
    assert!(!is_good(&fixture.keys, &old.key).await);
}

#[tokio::test]
async fn use_is_noted_in_the_background() {
    let fixture = fixture();
    let made = fixture.keys.create("me", Grants::ALL, None).await.unwrap();
    assert!(is_good(&fixture.keys, &made.key).await);
    while fixture.store.snapshot().unwrap().key(&made.id).unwrap().unwrap().last_used_at != Some(NOW) {
        tokio::task::yield_now().await;
    }
}

/// Each is of the right form with the right checksum, and every second one has the id of a good key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_forged_keys_reach_argon2_zero_times() {
    const FORGED: usize = 1_000_000;
    const FORGERS: usize = 2;
    let fixture = fixture();
    let made = fixture.keys.create("me", Grants::ALL, None).await.unwrap();
    let runs = fixture.hasher.runs();
    let forgers: Vec<_> = (0..FORGERS)
        .map(|_| tokio::spawn(try_forged_keys(fixture.keys.clone(), made.id.clone(), FORGED / FORGERS)))
        .collect();
    for forger in forgers {
        forger.await.unwrap();
    }
    assert_eq!(fixture.hasher.runs() - runs, 0);
    assert!(is_good(&fixture.keys, &made.key).await, "and the good one has not been locked out");
}

async fn try_forged_keys(keys: Keys, good_id: String, count: usize) {
    for n in 0..count {
        let forged = if n % 2 == 0 { API_KEY.generate() } else { API_KEY.generate_for(&good_id) };
        let refusal = keys.verify(&forged.unwrap()).await.unwrap_err();
        assert_eq!(refusal.kind, Kind::Unauthorized);
    }
}
