use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::model::{Day, History};
use crate::store::usage::delta::CountKind;
use crate::store::usage::lattice::{ANY, Cell, NONE};
use crate::store::varint::damaged;

const BOUNDS: Bounds = Bounds { teams_max: 100, services_max: 100 };
const NOON: i64 = 43_200_000_000;

/// A database with nothing but its schema, and the base facts over it.
struct Store {
    conn: Connection,
    facts: Facts,
}

impl Store {
    fn new() -> Store {
        Store::with_bounds(BOUNDS)
    }

    fn with_bounds(bounds: Bounds) -> Store {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(include_str!("../../../schema.sql")).unwrap();
        let facts = Facts::load(&conn, key(), bounds).unwrap();
        Store { conn, facts }
    }

    fn record(&mut self, events: &[UsageEvent]) -> Delta {
        let mut delta = Delta::default();
        assert_eq!(self.facts.record(&self.conn, events, &mut delta), Ok(vec![]));
        delta.net();
        delta
    }

    fn register(&mut self, registrations: &[Registration]) -> Delta {
        let mut delta = Delta::default();
        assert_eq!(self.facts.register(&self.conn, registrations, at(0), &mut delta), Ok(vec![]));
        delta.net();
        delta
    }

    fn erase(&mut self, user_id: &str, history: History) -> (bool, Delta) {
        let mut delta = Delta::default();
        let days = |ord: u32| active_days(&self.conn, ord);
        let found = self.facts.erase(&self.conn, &id(user_id), history, &days, &mut delta).unwrap();
        delta.net();
        (found, delta)
    }

    fn find(&self, user_id: &str) -> Option<User> {
        User::find(&self.conn, &key(), &id(user_id)).unwrap()
    }

    fn rows(&self, table: &str) -> i64 {
        self.conn.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap()
    }
}

/// The writer gets these from the rollups.
fn active_days(conn: &Connection, ord: u32) -> Result<Vec<Day>> {
    let mut days = vec![];
    for key in conn.prepare("select key from usage_user_day")?.query_map([], |row| row.get::<_, i64>(0))? {
        let key = key?;
        if key & 0xfff_ffff == i64::from(ord) {
            days.push(Day::from_index((key >> 28) as u32).ok_or_else(damaged)?);
        }
    }
    Ok(days)
}

fn key() -> DigestKey {
    DigestKey::new([7; 32])
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

/// So many minutes after noon of 1970-01-01.
fn at(minutes: i64) -> Timestamp {
    Timestamp::from_unix_micros(NOON + minutes * 60_000_000).unwrap()
}

fn event(user_id: &str, minutes: i64, team: &str, service: &str, session: &str) -> UsageEvent {
    let optional = |text: &str| (!text.is_empty()).then(|| id(text));
    UsageEvent {
        user_id: id(user_id),
        at: at(minutes),
        team_id: optional(team),
        service: optional(service),
        session_id: optional(session),
    }
}

fn registration(user_id: &str) -> Registration {
    Registration {
        user_id: id(user_id),
        team_id: Change::Keep,
        registered_at: Change::Keep,
        deactivated_at: Change::Keep,
    }
}

fn sum(delta: &Delta, kind: CountKind, cell: Cell) -> i32 {
    delta.counts.iter().filter(|count| (count.kind, count.cell) == (kind, cell)).map(|count| count.n).sum()
}

#[test]
fn a_redelivery_writes_nothing_and_reports_nothing() {
    let mut store = Store::new();
    let events = [
        event("u", 0, "red", "mail", ""),
        event("u", 720, "", "mail", ""),
        event("u", 740, "red", "", "s1"),
        event("u", -3_000, "blue", "chat", "s1"),
        event("v", 5, "red", "mail", "s1"),
    ];
    assert!(!store.record(&events).is_empty());
    let command = Registration { team_id: Change::Set(id("red")), ..registration("u") };
    store.register(std::slice::from_ref(&command));
    let written = store.conn.total_changes();
    let mut backwards = events.clone();
    backwards.reverse();
    for again in [&events, &backwards] {
        assert_eq!(store.record(again), Delta::default());
        assert_eq!(store.register(std::slice::from_ref(&command)), Delta::default());
        assert_eq!(store.conn.total_changes(), written);
        store.facts = Facts::load(&store.conn, key(), BOUNDS).unwrap();
    }
}

#[test]
fn an_event_of_a_known_session_in_order_writes_only_its_day() {
    let mut store = Store::new();
    store.record(&[event("u", 0, "red", "mail", "s")]);
    let written = store.conn.total_changes();
    store.record(&[event("u", 1, "red", "mail", "s")]);
    assert_eq!(store.conn.total_changes(), written, "the same quarter of an hour");
    store.record(&[event("u", 20, "red", "mail", "s")]);
    assert_eq!(store.conn.total_changes(), written + 1, "another quarter of an hour");
}

#[test]
fn events_with_a_session_id_neither_join_nor_bridge_gap_sessions() {
    let mut store = Store::new();
    let delta = store.record(&[
        event("u", 0, "red", "mail", ""),
        event("u", 25, "red", "mail", "s"),
        event("u", 50, "red", "mail", ""),
    ]);
    assert_eq!(sum(&delta, CountKind::Sessions, Cell::ALL), 3);
}

#[test]
fn a_session_with_an_id_moves_to_an_earlier_day_and_gains_cells_by_late_events() {
    let mut store = Store::new();
    store.record(&[event("u", 0, "red", "mail", "s")]);
    let earlier = store.record(&[event("u", -1_440, "blue", "mail", "s")]);
    let sessions = |cell: Cell| {
        let counts = earlier.counts.iter().filter(|count| (count.kind, count.cell) == (CountKind::Sessions, cell));
        counts.map(|count| (count.day, count.n)).collect::<Vec<_>>()
    };
    let (today, yesterday) = (at(0).day(), at(-1_440).day());
    let (red, blue, mail) = (2, 3, 2);
    assert_eq!(sessions(Cell::ALL), [(yesterday, 1), (today, -1)]);
    assert_eq!(sessions(Cell::new(red, mail)), [(yesterday, 1), (today, -1)]);
    assert_eq!(sessions(Cell::new(blue, ANY)), [(yesterday, 1)]);
    let ord = store.find("u").unwrap().ord;
    let days = |cell| explicit_session_days(&store.conn, ord, cell).unwrap();
    assert_eq!((days(Cell::new(red, ANY)), days(Cell::new(NONE, ANY))), (vec![yesterday], vec![]));
}

#[test]
fn names_past_their_bound_are_rejected_by_index_and_known_ones_still_taken() {
    let mut store = Store::with_bounds(Bounds { teams_max: 1, services_max: 2 });
    let events = [
        event("u", 0, "red", "a", ""),
        event("u", 1, "blue", "b", ""),
        event("u", 2, "", "c", ""),
        event("u", 3, "red", "d", ""),
        event("u", 4, "red", "c", ""),
    ];
    let rejected = store.facts.record(&store.conn, &events, &mut Delta::default()).unwrap();
    assert_eq!(rejected.iter().map(|rejected| rejected.index).collect::<Vec<_>>(), [1, 3]);
    assert!(rejected[0].message.contains("team_id \"blue\"") && rejected[0].message.contains("limits.teams_max"));
    assert!(rejected[1].message.contains("service \"d\"") && rejected[1].message.contains("2 already"));
    // The rejected event named a service that was still free: it must not have taken the place.
    assert_eq!((store.rows("usage_team"), store.rows("usage_service")), (1, 2));

    let moves = [
        Registration { team_id: Change::Set(id("green")), ..registration("w") },
        Registration { team_id: Change::Set(id("red")), ..registration("w") },
    ];
    let rejected = store.facts.register(&store.conn, &moves, at(0), &mut Delta::default()).unwrap();
    assert_eq!(rejected.len(), 1);
    assert!(rejected[0].index == 0 && rejected[0].message.contains("limits.teams_max"));
}

#[test]
fn a_command_about_an_unknown_user_registers_it_now() {
    let mut store = Store::new();
    let delta = store.register(&[Registration { team_id: Change::Set(id("red")), ..registration("u") }]);
    let user = store.find("u").unwrap();
    assert_eq!((user.registered_at, user.registration_day()), (Some(at(0)), at(0).day()));
    assert_eq!(sum(&delta, CountKind::Entered, Cell::ALL), 1);
    assert_eq!(sum(&delta, CountKind::Entered, Cell::new(user.home_team, ANY)), 1);
}

#[test]
fn irregular_users_are_found_by_the_day_of_their_deactivation() {
    let mut store = Store::new();
    store.record(&[event("back", 1_440, "", "", ""), event("gone", -1_440, "", "", "")]);
    let deactivate = |user_id| Registration {
        registered_at: Change::Set(at(-2_000)),
        deactivated_at: Change::Set(at(0)),
        ..registration(user_id)
    };
    store.register(&[deactivate("back"), deactivate("gone")]);
    let irregular = |day| User::irregular_before(&store.conn, day).unwrap();
    assert_eq!(irregular(at(0).day()), vec![]);
    assert_eq!(irregular(at(1_440).day()), vec![store.find("back").unwrap()]);
}

#[test]
fn an_anonymous_user_keeps_its_counts_and_loses_its_id_byte_for_byte() {
    let mut store = Store::new();
    let (user_id, session) = ("zoë/α", event("zoë/α", 0, "red", "mail", "s"));
    store.record(&[session.clone(), event("other", 0, "red", "mail", "")]);
    let ord = store.find(user_id).unwrap().ord;
    assert_eq!(User::name(&store.conn, ord).unwrap(), Some(id(user_id)));

    assert_eq!(store.erase(user_id, History::Anonymize), (true, Delta::default()));
    assert_eq!((store.find(user_id), User::name(&store.conn, ord).unwrap()), (None, None));
    let select = "select user_id from usage_user_name where ord = ?1";
    let blank: String = store.conn.query_row(select, [ord], |row| row.get(0)).unwrap();
    assert_eq!(blank, "\u{1}".repeat(user_id.len()));
    assert_eq!((store.rows("usage_user"), store.rows("usage_user_day"), store.rows("usage_session")), (2, 2, 1));
    assert_eq!(store.erase(user_id, History::Anonymize), (false, Delta::default()));

    // The same id is somebody new, whose session is a new one too.
    let again = store.record(&[session]);
    assert!(store.find(user_id).unwrap().ord > ord);
    assert_eq!(sum(&again, CountKind::Sessions, Cell::ALL), 1);
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

#[test]
fn a_user_past_the_last_ord_is_rejected() {
    let mut store = Store::new();
    store.conn.execute("insert into usage_user_name values (?1, 'last')", [ORD_END - 1]).unwrap();
    store.facts = Facts::load(&store.conn, key(), BOUNDS).unwrap();
    let events = [event("u", 0, "", "", ""), event("u", 1, "", "", "")];
    let rejected = store.facts.record(&store.conn, &events, &mut Delta::default()).unwrap();
    assert_eq!(rejected.len(), 2);
    assert_eq!(store.rows("usage_user_day"), 0);
}

fn events(users: &'static [&'static str]) -> impl Strategy<Value = Vec<UsageEvent>> {
    let user = prop::sample::select(users);
    let minutes = prop_oneof![-90..90i64, (-8..8i64).prop_map(|n| n * 720), (-100..100i64).prop_map(|n| n * 30)];
    let team = prop::sample::select(&["", "red", "blue"][..]);
    let service = prop::sample::select(&["", "mail", "chat"][..]);
    let session = prop::sample::select(&["", "", "", "s1", "s2"][..]);
    let parts = (user, minutes, team, service, session);
    prop::collection::vec(parts, 1..60).prop_map(|events| {
        let built = events.into_iter();
        built.map(|(user, minutes, team, service, session)| event(user, minutes, team, service, session)).collect()
    })
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

/// Every name that [`events`] uses, in one order: so that equal facts have equal ids whatever came first.
fn name_all(store: &mut Store) -> Delta {
    store.record(&[event("namer", 0, "red", "mail", ""), event("namer", 0, "blue", "chat", "")])
}

/// All base facts by the users' ids.
fn content(store: &Store) -> Vec<String> {
    let mut content = vec![];
    let mut select = store.conn.prepare("select ord, user_id from usage_user_name").unwrap();
    let names = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let names: BTreeMap<u32, String> = names.map(std::result::Result::unwrap).collect();
    for name in names.values() {
        content.push(format!("{name}: {:?}", User { ord: 0, ..store.find(name).unwrap() }));
    }
    let mut select = store.conn.prepare("select key, facts from usage_user_day").unwrap();
    let mut rows = select.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (key, facts): (i64, Vec<u8>) = (row.get(0).unwrap(), row.get(1).unwrap());
        content.push(format!("{} day {}: {facts:?}", names[&((key & 0xfff_ffff) as u32)], key >> 28));
    }
    let mut select = store.conn.prepare("select ord, digest, start_at, cells from usage_session").unwrap();
    let mut rows = select.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (digest, start_at, cells): (Vec<u8>, i64, Vec<u8>) =
            (row.get(1).unwrap(), row.get(2).unwrap(), row.get(3).unwrap());
        content.push(format!("{} session {digest:?}: {start_at} {cells:?}", names[&row.get(0).unwrap()]));
    }
    content.sort_unstable();
    content
}

/// What the rollups hold after these deltas: counts, and active (day, ord, cell).
#[derive(PartialEq, Eq, Debug, Default)]
struct Rolled {
    counts: BTreeMap<(CountKind, Cell, Day), i32>,
    active: BTreeSet<(Day, u32, Cell)>,
}

impl Rolled {
    fn apply(&mut self, delta: &Delta) {
        for count in &delta.counts {
            *self.counts.entry((count.kind, count.cell, count.day)).or_default() += count.n;
        }
        self.counts.retain(|_, n| *n != 0);
        for (facts, is_added) in [(&delta.added, true), (&delta.removed, false)] {
            for fact in facts {
                for (bit, cell) in Cell::touched(fact.team, fact.service).into_iter().enumerate() {
                    let key = (fact.day, fact.ord, cell);
                    let is_news = fact.cells >> bit & 1 == 0
                        || if is_added { self.active.insert(key) } else { self.active.remove(&key) };
                    assert!(is_news, "{key:?} twice");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn order_and_grouping_of_events_leave_no_trace(
        (events, shuffled) in events(&["u", "v", "w"])
            .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        batch in 1..30usize,
        cached in 1..3usize,
    ) {
        let (mut one, mut other) = (Store::new(), Store::new());
        other.facts.users.set_cached_max(cached);
        let (mut rolled, mut rolled_other) = (Rolled::default(), Rolled::default());
        rolled.apply(&name_all(&mut one));
        rolled_other.apply(&name_all(&mut other));
        rolled.apply(&one.record(&events));
        for batch in shuffled.chunks(batch) {
            rolled_other.apply(&other.record(batch));
        }
        prop_assert_eq!(content(&one), content(&other));
        prop_assert_eq!(rolled.counts, rolled_other.counts);
        prop_assert_eq!(rolled.active.len(), rolled_other.active.len());
    }

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
