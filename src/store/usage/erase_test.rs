use proptest::prelude::*;

use super::super::delta::CountKind;
use super::super::lattice::Cell;
use super::*;
use crate::model::{Change, Registration, UsageEvent};
use crate::store::usage::test_store::{BOUNDS, Rolled, Store, at, event, events, id, key, name_all, sessions, sum};

/// None for an erased user.
fn name(store: &Store, ord: u32) -> Option<Id> {
    const SELECT_NAME: &str = "select user_id from usage_user_name where ord = :ord";
    let text: String = store.conn.query_row(SELECT_NAME, [ord], |row| row.get(0)).unwrap();
    Id::new(text).ok()
}

#[test]
fn an_anonymous_user_keeps_its_counts_and_loses_its_id_byte_for_byte() {
    let mut store = Store::new();
    let (user_id, session) = ("zoë/α", event("zoë/α", 0, "red", "mail", "s"));
    store.record(&[session.clone(), event("other", 0, "red", "mail", "")]);
    let ord = store.find(user_id).unwrap().ord;
    assert_eq!(name(&store, ord), Some(id(user_id)));

    assert_eq!(store.erase(user_id, History::Anonymize), (true, Delta::default()));
    assert_eq!((store.find(user_id), name(&store, ord)), (None, None));
    let select = "select user_id from usage_user_name where ord = ?1";
    let blank: String = store.conn.query_row(select, [ord], |row| row.get(0)).unwrap();
    assert_eq!(blank, "\u{1}".repeat(user_id.len()));
    assert_eq!((store.rows("usage_user"), store.rows("usage_user_day"), store.rows("usage_session")), (2, 2, 1));
    assert_eq!(store.erase(user_id, History::Anonymize), (false, Delta::default()));

    // The same id is somebody new, whose session is a new one too.
    let again = store.record(&[session]);
    assert!(store.find(user_id).unwrap().ord > ord);
    assert_eq!(sessions(&again, Cell::ALL), 1);
    assert_eq!(sum(&again, CountKind::Entered, Cell::ALL), 1);
}

#[test]
fn an_erased_id_is_nowhere_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("facts.db");
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "journal_mode", "off").unwrap();
    conn.pragma_update(None, "synchronous", "off").unwrap();
    conn.execute_batch(include_str!("../../../schema.sql")).unwrap();
    let facts = Facts::load(&conn, key(), BOUNDS).unwrap();
    let mut store = Store { conn, facts };
    for batch in 0..20 {
        let events: Vec<UsageEvent> = (0..50).map(|n| event(&format!("person-{batch}-{n}"), n, "", "", "")).collect();
        store.record(&events);
    }
    store.erase("person-7-33", History::Anonymize);
    store.erase("person-8-44", History::Remove);
    drop(store);
    let file = std::fs::read(path).unwrap();
    let holds = |text: &str| file.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(holds("person-7-32") && !holds("person-7-33") && !holds("person-8-44"));
}

#[test]
fn an_ord_is_never_given_twice_even_if_its_user_and_all_history_went() {
    let mut store = Store::new();
    store.record(&[event("u", 0, "", "", "")]);
    let ord_end = store.facts.ord_end();
    store.erase("u", History::Remove);
    assert_eq!((store.rows("usage_user"), store.rows("usage_user_day"), store.rows("usage_user_key")), (0, 0, 0));
    store.facts = Facts::load(&store.conn, key(), BOUNDS).unwrap();
    assert_eq!(store.facts.ord_end(), ord_end);
    store.record(&[event("u", 0, "", "", "")]);
    assert_eq!(store.find("u").unwrap().ord, ord_end);
}

fn command() -> impl Strategy<Value = Registration> {
    let minutes = || prop::option::of(-5_000..5_000i64);
    let change = |minutes: Option<i64>| minutes.map_or(Change::Clear, |minutes| Change::Set(at(minutes)));
    (any::<bool>(), minutes(), minutes()).prop_map(move |(has_home, registered, deactivated)| Registration {
        user_id: id("u"),
        team_id: if has_home { Change::Set(id("red")) } else { Change::Clear },
        registered_at: change(registered),
        deactivated_at: change(deactivated),
    })
}

proptest! {
    #![proptest_config(crate::store::testing::cases(150))]

    #[test]
    fn a_removed_history_leaves_what_had_been_without_the_user(
        events in events(&["u", "v"]),
        commands in prop::collection::vec(command(), 0..4),
        batch in 1..30usize,
    ) {
        let (mut with, mut without) = (Store::new(), Store::new());
        let (mut rolled, mut rolled_without) = (Rolled::default(), Rolled::default());
        rolled.apply(&name_all(&mut with));
        rolled_without.apply(&name_all(&mut without));
        // One that stays comes first in both, so that it has the same ord.
        let stays = [event("v", 0, "", "", "")];
        rolled.apply(&with.record(&stays));
        rolled_without.apply(&without.record(&stays));
        let others: Vec<UsageEvent> = events.iter().filter(|event| event.user_id.as_str() == "v").cloned().collect();
        rolled_without.apply(&without.record(&others));

        for batch in events.chunks(batch) {
            rolled.apply(&with.record(batch));
        }
        rolled.apply(&with.register(&commands));
        let (found, delta) = with.erase("u", History::Remove);
        prop_assert_eq!(found, events.len() > others.len() || !commands.is_empty());
        rolled.apply(&delta);
        prop_assert_eq!(rolled, rolled_without);
        for table in ["usage_user", "usage_user_day", "usage_user_key", "usage_session"] {
            prop_assert_eq!(with.rows(table), without.rows(table), "{}", table);
        }
    }
}
