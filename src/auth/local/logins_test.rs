use tempfile::TempDir;

use super::*;
use crate::auth::hashing::Hasher;
use crate::auth::local::{IssuerSettings, SigningAlgorithm};
use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::model::{Role, Roles, Scope, Scopes};
use crate::store::Store;
use crate::store::testing::settings;

const PASSWORD: &str = "correct horse battery";
const MICROS: i64 = 1_000_000;
const NOW: i64 = 1_750_000_000 * MICROS;

struct Place {
    issuer: Issuer,
    clock: Clock,
    passwords: Hasher,
    dir: TempDir,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW);
    let store = Store::open(&settings(&dir), clock.clone()).unwrap();
    let settings = IssuerSettings {
        url: "http://localhost".into(),
        audience: "http://localhost".into(),
        algorithm: SigningAlgorithm::EdDsa,
        token_ttl_s: 600,
        login_ttl_s: 3_600,
    };
    let passwords = Hasher::default();
    let issuer = Issuer::new(store, clock.clone(), settings, Hasher::default(), passwords.clone());
    Place { issuer, clock, passwords, dir }
}

async fn place_of_ann() -> Place {
    let place = place();
    place.issuer.create_account("ann", PASSWORD.into(), Grants::ALL).await.unwrap();
    place
}

impl Place {
    /// A log-in of ann whose access token is known by heart.
    async fn log_in(&self) -> TokenAnswer {
        let answer = self.issuer.log_in("ann", PASSWORD.into(), || Ok(()), || Ok(())).await.unwrap();
        assert!(self.knows(&answer) && self.knows(&answer));
        answer
    }

    fn knows(&self, answer: &TokenAnswer) -> bool {
        match self.issuer.verify(&answer.access_token) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind, Kind::Unauthorized);
                false
            }
        }
    }

    async fn refresh(&self, answer: &TokenAnswer) -> std::result::Result<TokenAnswer, Denied> {
        self.issuer.refresh(refresh_token(answer), None, || Ok(())).await
    }
}

fn refresh_token(answer: &TokenAnswer) -> &str {
    answer.refresh_token.as_deref().expect("a log-in has a refresh token")
}

fn denied<T>(outcome: std::result::Result<T, Denied>) -> String {
    format!("{:?}", outcome.err().expect("it is denied"))
}

const REUSED: &str = "Reused { account: \"ann\" }";

#[tokio::test]
async fn a_log_in_gives_what_the_account_has() {
    let place = place_of_ann().await;
    let answer = place.log_in().await;
    let caller = place.issuer.verify(&answer.access_token).unwrap();
    assert_eq!((caller.principal.subject.as_str(), caller.principal.grants), ("ann", Grants::ALL));
    assert_eq!((answer.expires_in, caller.expires_at), (600, Some(NOW + 600 * MICROS)));
    assert_eq!(place.issuer.account_of(refresh_token(&answer)).unwrap().as_deref(), Some("ann"));
    assert_eq!(place.issuer.accounts().unwrap()[0].last_login_at, Some(NOW));
}

#[tokio::test]
async fn a_name_without_an_account_costs_as_much_as_a_wrong_password() {
    let place = place_of_ann().await;
    place.issuer.create_account("bob", PASSWORD.into(), Grants::ALL).await.unwrap();
    place.issuer.set_account_disabled("bob", true).await.unwrap();
    let tries = [("ann", "some other password"), ("nobody", PASSWORD), ("bob", PASSWORD), ("", PASSWORD), ("ann", "x")];
    for (name, password) in tries {
        let before = place.passwords.runs();
        assert_eq!(
            denied(place.issuer.log_in(name, password.into(), || Ok(()), || Ok(())).await),
            "Client",
            "{name:?}"
        );
        assert_eq!(place.passwords.runs(), before + 1, "{name:?}");
    }
    let before = place.passwords.runs();
    for name in ["ann", "nobody"] {
        assert_eq!(denied(place.issuer.log_in(name, "x".repeat(1_025), || Ok(()), || Ok(())).await), "Client");
    }
    assert_eq!(place.passwords.runs(), before);
}

#[tokio::test]
async fn a_refresh_gives_a_new_pair_without_argon2_and_keeps_the_access_token_before() {
    let place = place_of_ann().await;
    let first = place.log_in().await;
    let runs = place.passwords.runs();
    let second = place.refresh(&first).await.unwrap();
    let third = place.refresh(&second).await.unwrap();
    assert_eq!(place.passwords.runs(), runs);
    assert!(place.knows(&first) && place.knows(&second) && place.knows(&third));
    assert_eq!(place.issuer.account_of(refresh_token(&first)).unwrap().as_deref(), Some("ann"));
}

#[tokio::test]
async fn reuse_of_a_refresh_token_ends_its_log_in_at_once_and_no_other() {
    let place = place_of_ann().await;
    let (first, other) = (place.log_in().await, place.log_in().await);
    let second = place.refresh(&first).await.unwrap();
    assert!(place.knows(&second));
    assert_eq!(denied(place.refresh(&first).await), REUSED);
    assert!(!place.knows(&first) && !place.knows(&second));
    assert_eq!(denied(place.refresh(&second).await), "Grant");
    assert_eq!(denied(place.refresh(&first).await), "Grant");
    assert!(place.knows(&other));
    place.refresh(&other).await.unwrap();
}

#[tokio::test]
async fn of_two_refreshes_with_one_token_one_wins_and_the_log_in_ends() {
    let place = place_of_ann().await;
    let first = place.log_in().await;
    let (one, two) = tokio::join!(place.refresh(&first), place.refresh(&first));
    let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
    assert_eq!(denied(lost), REUSED);
    assert!(!place.knows(&won.unwrap()) && !place.knows(&first));
}

#[tokio::test]
async fn every_change_of_an_account_takes_effect_at_once() {
    for change in ["disabled", "password", "grants"] {
        let place = place_of_ann().await;
        place.issuer.create_account("bob", PASSWORD.into(), Grants::ALL).await.unwrap();
        let (first, other) = (place.log_in().await, place.log_in().await);
        let bobs = place.issuer.log_in("bob", PASSWORD.into(), || Ok(()), || Ok(())).await.unwrap();
        let changed = match change {
            "disabled" => place.issuer.set_account_disabled("ann", true).await,
            "password" => place.issuer.set_account_password("ann", "another good one".into()).await,
            _ => place.issuer.set_account_grants("ann", Grants::default()).await,
        };
        assert!(changed.unwrap());
        assert!(!place.knows(&first) && !place.knows(&other), "{change}");
        assert_eq!(denied(place.refresh(&first).await), "Grant", "{change}");
        assert!(place.knows(&bobs), "{change}");
    }
}

#[tokio::test]
async fn an_enabled_account_logs_in_anew_and_its_old_log_ins_stay_ended() {
    let place = place_of_ann().await;
    let first = place.log_in().await;
    place.issuer.set_account_disabled("ann", true).await.unwrap();
    assert_eq!(denied(place.issuer.log_in("ann", PASSWORD.into(), || Ok(()), || Ok(())).await), "Client");
    place.issuer.set_account_disabled("ann", false).await.unwrap();
    assert!(!place.knows(&first));
    assert_eq!(denied(place.refresh(&first).await), "Grant");
    place.log_in().await;
}

#[tokio::test]
async fn only_the_new_password_opens() {
    let place = place_of_ann().await;
    place.issuer.set_account_password("ann", "another good one".into()).await.unwrap();
    assert_eq!(denied(place.issuer.log_in("ann", PASSWORD.into(), || Ok(()), || Ok(())).await), "Client");
    place.issuer.log_in("ann", "another good one".into(), || Ok(()), || Ok(())).await.unwrap();
}

#[tokio::test]
async fn a_log_in_lasts_as_long_as_it_is_used() {
    let place = place_of_ann().await;
    let mut answer = place.log_in().await;
    for step in 1..=3 {
        place.clock.set(NOW + step * 3_599 * MICROS);
        answer = place.refresh(&answer).await.unwrap();
    }
    place.clock.set(NOW + (3 * 3_599 + 3_600) * MICROS);
    assert_eq!(denied(place.refresh(&answer).await), "Grant");
}

#[tokio::test]
async fn a_refresh_may_narrow_and_the_next_one_have_all_again() {
    let place = place();
    let grants = Grants { scopes: Scopes::from_iter([Scope::ReadAnalytics, Scope::ReadMetrics]), roles: Roles::ALL };
    place.issuer.create_account("ann", PASSWORD.into(), grants).await.unwrap();
    let first = place.log_in().await;
    let narrowed = place.issuer.refresh(refresh_token(&first), Some("read:metrics"), || Ok(())).await.unwrap();
    let caller = place.issuer.verify(&narrowed.access_token).unwrap();
    assert!(caller.principal.require(Scope::ReadMetrics).is_ok());
    assert!(caller.principal.require(Scope::ReadAnalytics).is_err());
    assert!(caller.principal.require_role(Role::ReportAdmin).is_err());

    // Asking for more is refused, and the refresh token is good still.
    let beyond = place.issuer.refresh(refresh_token(&narrowed), Some("read:metrics admin"), || Ok(())).await;
    assert!(matches!(beyond, Err(Denied::Scope(_))));
    let again = place.refresh(&narrowed).await.unwrap();
    assert_eq!(place.issuer.verify(&again.access_token).unwrap().principal.grants, grants);
}

#[tokio::test]
async fn what_is_no_refresh_token_is_no_grant_and_ends_nothing() {
    let place = place_of_ann().await;
    let answer = place.log_in().await;
    let token = refresh_token(&answer);
    let unknown = REFRESH_TOKEN.generate().unwrap();
    for text in ["", "rt_", &token[1..], &token.to_uppercase(), &answer.access_token, &unknown] {
        assert_eq!(denied(place.issuer.refresh(text, None, || Ok(())).await), "Grant", "{text:?}");
        assert_eq!(place.issuer.account_of(text).unwrap(), None, "{text:?}");
    }
    place.refresh(&answer).await.unwrap();
}

#[tokio::test]
async fn a_fifty_first_log_in_ends_the_tokens_of_the_one_longest_unused() {
    let place = place_of_ann().await;
    let first = place.log_in().await;
    // One password verified stands for all: what follows from it is what is looked at.
    let ann = place.issuer.accounts().unwrap().remove(0);
    let mut others = vec![];
    for n in 1..50 {
        place.clock.set(NOW + n);
        others.push(place.issuer.begin(ann.clone()).await.unwrap());
    }
    assert!(place.knows(&first) && others.iter().all(|other| place.knows(other)));
    place.issuer.begin(ann).await.unwrap();
    assert!(!place.knows(&first) && others.iter().all(|other| place.knows(other)));
}

#[tokio::test]
async fn a_name_is_an_id_and_is_taken_once() {
    let place = place_of_ann().await;
    let create = |name: &str| {
        let name = name.to_string();
        let issuer = place.issuer.clone();
        async move { issuer.create_account(&name, PASSWORD.into(), Grants::ALL).await.map_err(|error| error.kind) }
    };
    assert_eq!(create("ann").await, Err(Kind::Conflict));
    assert_eq!(create("").await, Err(Kind::Invalid));
    assert_eq!(create("a\nb").await, Err(Kind::Invalid));
    assert_eq!(create(&"x".repeat(257)).await, Err(Kind::Invalid));
    assert_eq!(create("Ann Müller 🙂").await, Ok(()));
    for name in ["eve", ""] {
        assert!(!place.issuer.set_account_disabled(name, true).await.unwrap());
        assert!(!place.issuer.set_account_grants(name, Grants::ALL).await.unwrap());
        assert!(!place.issuer.set_account_password(name, PASSWORD.into()).await.unwrap());
    }
}

#[tokio::test]
async fn no_password_or_refresh_token_shows_in_the_file_or_an_error() {
    let place = place_of_ann().await;
    let answer = place.log_in().await;
    let short = "p4ss-w0rd";
    let weak = place.issuer.set_account_password("ann", short.into()).await.unwrap_err();
    assert!(!weak.message.contains(short));
    let taken = place.issuer.create_account("ann", "secret-of-the-second".into(), Grants::ALL).await.unwrap_err();
    assert!(!taken.message.contains("secret-of"), "{taken}");
    let rows = format!("{:?}", place.issuer.accounts().unwrap());
    assert!(!rows.contains(PASSWORD));

    let parts = REFRESH_TOKEN.parse(refresh_token(&answer)).unwrap();
    // Its files are nobody else's to open before.
    place.issuer.0.store.close();
    let written: Vec<u8> = std::fs::read_dir(place.dir.path())
        .unwrap()
        .flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let holds = |text: &str| written.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("$argon2id$"), "what is searched is where it would be");
    for secret in [PASSWORD, "secret-of-the-second", parts.secret, parts.id] {
        assert!(!holds(secret), "{secret}");
    }
}

#[tokio::test]
async fn what_may_not_go_on_uses_nothing_up_and_a_wrong_secret_is_not_even_asked() {
    let place = place_of_ann().await;
    let too_many = || Err(Error::new(Kind::TooManyRequests { retry_after_s: 9 }, ""));
    fn never() -> Result<()> {
        unreachable!("the secret is wrong")
    }
    assert_eq!(denied(place.issuer.log_in("ann", "wrong horse battery".into(), || Ok(()), never).await), "Client");
    assert_eq!(denied(place.issuer.refresh("rt_none", None, never).await), "Grant");
    let first = place.log_in().await;
    assert!(matches!(place.issuer.log_in("ann", PASSWORD.into(), || Ok(()), too_many).await, Err(Denied::Failed(_))));
    assert!(matches!(place.issuer.refresh(refresh_token(&first), None, too_many).await, Err(Denied::Failed(_))));
    place.refresh(&first).await.unwrap();
}
