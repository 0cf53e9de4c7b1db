use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::model::{Change, History, Registration, UsageEvent};
use crate::store::usage::rollup::Rollups;
use crate::store::usage::sessions::GAP_MICROS;
use crate::store::usage::test_store::{Store, at, event, events, id, key, registration};

/// What is held of "u" after these events, and whatever `change` does then.
fn record_after(
    events: &[UsageEvent],
    change: impl FnOnce(&mut Store),
    range: Option<DateRange>,
) -> Option<UserRecord> {
    let mut store = Store::new();
    let mut rollups = Rollups::load(&store.conn, 0).unwrap();
    let delta = store.record(events);
    rollups.apply(&store.conn, delta, store.facts.ord_end()).unwrap();
    change(&mut store);
    rollups.take_keys(store.facts.users.keys.keys());
    let overlay = rollups.overlay();
    let snapshot = UsageSnapshot { conn: &store.conn, overlay: &overlay, key: &key() };
    user_record(&snapshot, &id("u"), range).unwrap()
}

fn pair(team: &str, service: &str) -> TeamService {
    let optional = |text: &str| (!text.is_empty()).then(|| id(text));
    TeamService { team_id: optional(team), service: optional(service) }
}

/// Days after 1970-01-01.
fn day(days: i64) -> Day {
    Day::from_unix_days(days).unwrap()
}

fn over_midnight() -> [UsageEvent; 5] {
    [
        event("u", 700, "red", "mail", ""),
        event("u", 725, "", "chat", ""),
        event("u", 0, "red", "mail", ""),
        event("u", 5, "red", "", "s1"),
        event("other", 0, "blue", "mail", ""),
    ]
}

#[test]
fn a_record_tells_all_that_is_held() {
    let at_home = Registration {
        team_id: Change::Set(id("blue")),
        registered_at: Change::Set(at(-2000)),
        deactivated_at: Change::Set(at(9000)),
        ..registration("u")
    };
    let seen =
        |team, service, start, end| PairActivity { pair: pair(team, service), seen: vec![QuarterRange { start, end }] };
    let session = |start, end, pairs| GapSessionRecord { start: at(start), end: at(end), pairs };
    let noon_and_evening = PairActivity {
        pair: pair("red", "mail"),
        seen: vec![QuarterRange { start: 48, end: 49 }, QuarterRange { start: 94, end: 95 }],
    };
    let first_day = UserDayRecord {
        day: day(0),
        activity: vec![seen("red", "", 48, 49), noon_and_evening],
        // The second one goes on after midnight, in another pair.
        sessions: vec![
            session(0, 0, vec![pair("red", "mail")]),
            session(700, 725, vec![pair("", "chat"), pair("red", "mail")]),
        ],
    };
    let second_day = UserDayRecord { day: day(1), activity: vec![seen("", "chat", 0, 1)], sessions: vec![] };
    let expected = UserRecord {
        user_id: id("u"),
        team_id: Some(id("blue")),
        registered_at: Some(at(-2000)),
        cleared_at: None,
        first_event_at: Some(at(0)),
        deactivated_at: Some(at(9000)),
        registration_day: day(-1),
        first_uses: vec![
            FirstUse { pair: pair("red", ""), day: day(0) },
            FirstUse { pair: pair("red", "mail"), day: day(0) },
            FirstUse { pair: pair("", "chat"), day: day(1) },
        ],
        facts_from: None,
        days: vec![first_day, second_day],
        id_sessions: vec![IdSession { start: at(5), pairs: vec![pair("red", "")] }],
    };
    let register = |store: &mut Store| drop(store.register(&[at_home]));
    assert_eq!(record_after(&over_midnight(), register, None), Some(expected));
}

#[test]
fn the_order_in_which_events_came_in_does_not_show() {
    let mut events = over_midnight();
    let record = record_after(&events, |_| (), None);
    events.reverse();
    assert_eq!(record_after(&events, |_| (), None), record);
    // One by one: names are given their ids in another order.
    let one_by_one = |store: &mut Store| drop(store.record(&events));
    assert_eq!(
        record_after(&events[2..], one_by_one, DateRange::new(day(9), day(9))).map(|record| record.first_uses),
        record.map(|record| record.first_uses)
    );
}

#[test]
fn a_range_bounds_the_days_and_the_sessions_and_nothing_else() {
    let second = DateRange::new(day(1), day(1));
    let record = record_after(&over_midnight(), |_| (), second).unwrap();
    assert_eq!(record.days.iter().map(|day| day.day).collect::<Vec<_>>(), [day(1)]);
    assert_eq!((record.id_sessions.len(), record.first_uses.len()), (0, 3));
}

#[test]
fn who_is_unknown_or_erased_has_no_record() {
    assert_eq!(record_after(&[event("other", 0, "", "", "")], |_| (), None), None);
    let erase = |store: &mut Store| drop(store.erase("u", History::Anonymize));
    assert_eq!(record_after(&over_midnight(), erase, None), None);
}

#[test]
fn who_was_only_registered_has_a_record_without_days() {
    let record = record_after(&[], |store| drop(store.register(&[registration("u")])), None).unwrap();
    assert_eq!((record.registered_at, record.registration_day), (Some(at(0)), day(0)));
    assert!(record.days.is_empty() && record.first_uses.is_empty() && record.id_sessions.is_empty());
}

proptest! {
    #[test]
    fn what_is_unpacked_is_what_came_in(events in events(&["u", "other"])) {
        let own: Vec<&UsageEvent> = events.iter().filter(|event| event.user_id == id("u")).collect();
        let Some(record) = record_after(&events, |_| (), None) else {
            prop_assert!(own.is_empty());
            return Ok(());
        };
        let seen: BTreeSet<_> = own.iter().map(|event| {
            let quarter = (event.at.micros_of_day() / 900_000_000) as u8;
            (event.at.day(), event.team_id.clone(), event.service.clone(), quarter)
        }).collect();
        let told: Vec<_> = record.days.iter().flat_map(|day| day.activity.iter().flat_map(move |activity| {
            let TeamService { team_id, service } = &activity.pair;
            let quarters = activity.seen.iter().flat_map(|range| range.start..range.end);
            quarters.map(move |quarter| (day.day, team_id.clone(), service.clone(), quarter))
        })).collect();
        prop_assert_eq!(told.len(), seen.len());
        prop_assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), seen);

        let mut instants: Vec<i64> =
            own.iter().filter(|event| event.session_id.is_none()).map(|event| event.at.unix_micros()).collect();
        instants.sort_unstable();
        let sessions: Vec<_> = instants
            .chunk_by(|one, next| next - one <= GAP_MICROS)
            .map(|chunk| (chunk[0], chunk[chunk.len() - 1]))
            .collect();
        let told: Vec<_> = record.days.iter().flat_map(|day| &day.sessions)
            .map(|session| (session.start.unix_micros(), session.end.unix_micros())).collect();
        prop_assert_eq!(told, sessions);
        let ids: BTreeSet<_> = own.iter().filter_map(|event| event.session_id.as_ref()).collect();
        prop_assert_eq!(record.id_sessions.len(), ids.len());
    }
}
