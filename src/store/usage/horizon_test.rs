use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::delta::Delta;
use super::super::history::{DayPair, UserHistory};
use super::super::lattice::NONE;
use super::super::test_store::{Rolled, Store, at, event, events, name_all, registration};
use super::*;
use crate::model::{Change, UsageEvent};

const EVE: i64 = -720;

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

/// Records what is taken, and gives back which events those were.
fn record(store: &mut Store, events: &[UsageEvent], rolled: &mut Rolled) -> Vec<UsageEvent> {
    let mut delta = Delta::default();
    let rejected = store.facts.record(&store.conn, events, &mut delta).unwrap();
    delta.net();
    rolled.apply(&delta);
    let is_taken = |index: &usize| rejected.iter().all(|rejected| rejected.index != *index);
    (0..events.len()).filter(is_taken).map(|index| events[index].clone()).collect()
}

fn raise(store: &mut Store, before: &str) -> bool {
    store.facts.horizon.raise(&store.conn, day(before), 0).unwrap()
}

fn remove_all(store: &mut Store, rows_max: usize) -> u64 {
    let mut removed = 0;
    while store.facts.horizon.is_pruning() {
        removed += store.facts.horizon.remove_slice(&store.conn, rows_max).unwrap();
    }
    removed
}

fn row_days(store: &Store) -> Vec<String> {
    let mut days = vec![];
    for_each_behind(&store.conn, Day::MAX, 0, usize::MAX, |row| days.push(row.day.to_string())).unwrap();
    days
}

#[test]
fn events_before_the_horizon_are_rejected_one_by_one() {
    let mut store = Store::new();
    assert!(raise(&mut store, "1970-01-31"));
    let events = [event("u", -721, "", "", ""), event("u", EVE, "", "", ""), event("u", -9_999, "new", "", "s")];
    let rejected = store.facts.record(&store.conn, &events, &mut Delta::default()).unwrap();
    let message = "timestamp is before 1970-01-01, from which on usage facts are kept (retention.usage_facts)";
    assert_eq!(rejected.iter().map(|one| one.index).collect::<Vec<_>>(), [0, 2]);
    assert!(rejected.iter().all(|one| one.message == message), "{rejected:?}");
    assert_eq!((store.rows("usage_user_day"), store.rows("usage_team"), store.rows("usage_session")), (1, 0, 0));
}

#[test]
fn the_horizon_only_ever_advances_and_survives_a_restart() {
    let mut store = Store::new();
    assert!(raise(&mut store, "2024-03-05"));
    for behind in ["2024-03-31", "2024-02-29", "0001-01-01"] {
        assert!(!raise(&mut store, behind), "{behind}");
    }
    assert!(raise(&mut store, "2024-04-01"));
    let loaded = Horizon::load(&store.conn).unwrap();
    assert_eq!((loaded, loaded.told()), (store.facts.horizon, Some(day("2024-04-01"))));
    assert_eq!(Horizon::load(&Store::new().conn).unwrap().told(), None);
}

#[test]
fn rows_stay_where_an_event_after_the_horizon_may_join_their_session() {
    // Minutes relative to midnight of the horizon, and the days whose rows are left.
    let cases: [(&[i64], &[&str]); 6] = [
        (&[-31], &[]),
        (&[-30], &["1969-12-31"]),
        (&[-1500, -60], &[]),
        // Across the eve: its row leads to the one of the start.
        (&[-1470, -1441, -1412], &[]),
        (&[-10, 10], &["1969-12-31", "1970-01-01"]),
        (&[10], &["1970-01-01"]),
    ];
    for (minutes, left) in cases {
        let mut store = Store::new();
        let events: Vec<_> = minutes.iter().map(|minute| event("u", EVE + minute, "", "", "")).collect();
        store.record(&events);
        let before = row_days(&store);
        raise(&mut store, "1970-01-01");
        let prunable = prunable(&store.conn, Day::MIN).unwrap();
        let removed = remove_all(&mut store, 1);
        assert_eq!((prunable.user_days, row_days(&store)), (removed, left.iter().map(|day| day.to_string()).collect()));
        assert_eq!(before.len() as u64 - removed, left.len() as u64, "{minutes:?}");
    }
}

#[test]
fn a_session_over_days_that_ends_at_the_horizon_is_still_joined() {
    let mut store = Store::new();
    let session: Vec<_> = (-3 * 48..=-1).map(|n| event("u", EVE + n * 30, "", "", "")).collect();
    let mut rolled = Rolled::default();
    record(&mut store, &session, &mut rolled);
    assert_eq!(row_days(&store), ["1969-12-29", "1969-12-30", "1969-12-31"]);
    raise(&mut store, "1970-01-01");
    assert_eq!(remove_all(&mut store, 2), 1);
    assert_eq!(row_days(&store), ["1969-12-29", "1969-12-31"]);
    let sessions = rolled.counts.clone();
    record(&mut store, &[event("u", EVE, "", "", "")], &mut rolled);
    let start = UserDay::load(&store.conn, day("1969-12-29"), 1).unwrap().unwrap();
    assert_eq!((start.sessions.len(), start.sessions[0].end), (1, at(EVE).unix_micros()));
    assert_eq!(rolled.counts, sessions);
    // The next horizon lets go what the last one had to keep.
    raise(&mut store, "1970-02-01");
    assert_eq!((remove_all(&mut store, 1), row_days(&store).len()), (3, 0));
}

#[test]
fn a_user_deactivated_after_its_days_are_gone_leaves_on_the_day_of_its_last_event() {
    let mut store = Store::new();
    store.record(&[event("u", EVE - 5_000, "", "", ""), event("u", EVE - 9_000, "", "", "")]);
    let pair = |text| DayPair { day: day(text), team: NONE, service: NONE };
    let history = UserHistory { pairs: vec![pair("1969-12-25"), pair("1969-12-28")], extras: vec![] };
    history.save(&store.conn, 1).unwrap();
    raise(&mut store, "1970-01-01");
    assert_eq!(remove_all(&mut store, 10), 2);
    let mut command = registration("u");
    command.deactivated_at = Change::Set(at(0));
    store.register(&[command]);
    assert_eq!(store.find("u").unwrap().last_day, Some(day("1969-12-28")));
}

#[derive(Clone, Debug)]
enum Step {
    Record(Vec<UsageEvent>),
    Raise(&'static str),
    Remove(usize),
    /// As after a restart.
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    let to_the_eve = |mut event: UsageEvent| {
        event.at = crate::model::Timestamp::from_unix_micros(event.at.unix_micros() + EVE * 60_000_000).unwrap();
        event
    };
    prop_oneof![
        6 => events(&["ann", "bob"]).prop_map(move |events| Step::Record(events.into_iter().map(to_the_eve).collect())),
        1 => select(vec!["1969-12-01", "1970-01-01", "1970-01-01", "1970-02-01"]).prop_map(Step::Raise),
        3 => (1..4usize).prop_map(Step::Remove),
        1 => Just(Step::Reload),
    ]
}

proptest! {
    #![proptest_config(crate::store::testing::cases(256))]

    /// What the rollups are told is the same as if nothing had ever gone, and so is every row from the horizon on.
    #[test]
    fn what_is_taken_counts_as_if_nothing_had_gone(steps in vec(step(), 1..12)) {
        let (mut pruned, mut whole) = (Store::new(), Store::new());
        let (mut rolled, mut wanted) = (Rolled::default(), Rolled::default());
        rolled.apply(&name_all(&mut pruned));
        wanted.apply(&name_all(&mut whole));
        for step in steps {
            match step {
                Step::Record(events) => {
                    let taken = record(&mut pruned, &events, &mut rolled);
                    prop_assert_eq!(record(&mut whole, &taken, &mut wanted).len(), taken.len());
                }
                Step::Raise(before) => _ = raise(&mut pruned, before),
                Step::Remove(rows_max) if pruned.facts.horizon.is_pruning() => {
                    pruned.facts.horizon.remove_slice(&pruned.conn, rows_max).unwrap();
                }
                Step::Remove(_) => {}
                Step::Reload => pruned.facts.horizon = Horizon::load(&pruned.conn).unwrap(),
            }
            prop_assert_eq!(&rolled, &wanted);
        }
        let from = pruned.facts.horizon.day;
        let rows = |store: &Store| {
            let mut rows = vec![];
            let range = crate::model::DateRange::new(from, Day::MAX).unwrap();
            let visit = |day, ord, row| {
                rows.push((day, ord, row));
                Ok(())
            };
            UserDay::for_each(&store.conn, range, visit).unwrap();
            rows
        };
        prop_assert_eq!(rows(&pruned), rows(&whole));
        for user_id in ["ann", "bob", "namer"] {
            prop_assert_eq!(pruned.find(user_id), whole.find(user_id));
        }
        prop_assert_eq!(pruned.rows("usage_session"), whole.rows("usage_session"));
        let prunable = prunable(&pruned.conn, Day::MIN).unwrap();
        prop_assert_eq!(remove_all(&mut pruned, 3), prunable.user_days);
    }
}
