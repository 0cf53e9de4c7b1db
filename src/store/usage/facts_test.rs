use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::usage::delta::CountKind;
use crate::store::usage::lattice::{ANY, Cell};
use crate::store::usage::test_store::{
    BOUNDS, Rolled, Store, at, event, events, id, key, name_all, registration, sessions, sessions_by_user, sum,
};

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
    assert_eq!(sessions(&delta, Cell::ALL), 3);
}

#[test]
fn a_session_with_an_id_moves_to_an_earlier_day_and_gains_cells_by_late_events() {
    let mut store = Store::new();
    store.record(&[event("u", 0, "red", "mail", "s")]);
    let earlier = store.record(&[event("u", -1_440, "blue", "mail", "s")]);
    let moved = sessions_by_user(&earlier);
    let sessions = |cell: Cell| {
        let of_cell = moved.iter().filter(|((_, _, of), _)| *of == cell);
        of_cell.map(|((day, _, _), n)| (*day, *n)).collect::<Vec<_>>()
    };
    let (today, yesterday) = (at(0).day(), at(-1_440).day());
    let (red, blue, mail) = (2, 3, 2);
    assert_eq!(sessions(Cell::ALL), [(yesterday, 1), (today, -1)]);
    assert_eq!(sessions(Cell::new(red, mail)), [(yesterday, 1), (today, -1)]);
    assert_eq!(sessions(Cell::new(blue, ANY)), [(yesterday, 1)]);
    let ord = store.find("u").unwrap().ord;
    let [session] = &ExplicitSession::of_user(&store.conn, ord).unwrap()[..] else { panic!("one session") };
    assert_eq!((session.start_at.day(), &session.pairs[..]), (yesterday, &[(red, mail), (blue, mail)][..]));
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
fn the_day_of_the_latest_event_is_known_exactly_while_a_user_is_deactivated() {
    let mut store = Store::new();
    let last_day = |store: &Store| store.find("u").unwrap().last_day.unwrap();
    let deactivated = |change| Registration { deactivated_at: change, ..registration("u") };
    store.record(&[event("u", 0, "", "", ""), event("u", 4 * 1_440, "", "", "")]);
    assert_eq!(last_day(&store), at(0).day().month_end());
    store.register(&[deactivated(Change::Set(at(9 * 1_440)))]);
    assert_eq!(last_day(&store), at(4 * 1_440).day());
    store.record(&[event("u", 5 * 1_440, "", "", ""), event("u", 1_440, "", "", "")]);
    assert_eq!(last_day(&store), at(5 * 1_440).day());
    store.register(&[deactivated(Change::Clear)]);
    assert_eq!(last_day(&store), at(0).day().month_end());
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

proptest! {
    #![proptest_config(crate::store::testing::cases(150))]

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
}

/// So many that they are looked up in other ways than a few.
#[test]
fn hundreds_of_pairs_of_one_user_in_one_batch_are_what_they_are_one_by_one() {
    let pairs: Vec<(u32, u32)> = (0..15).flat_map(|team| (0..12).map(move |service| (team, service))).collect();
    let naming: Vec<UsageEvent> =
        pairs.iter().map(|(team, service)| event("v", 0, &format!("t{team}"), &format!("s{service}"), "")).collect();
    let (mut one, mut other) = (Store::new(), Store::new());
    let (mut rolled, mut rolled_other) = (Rolled::default(), Rolled::default());
    for (store, rolled) in [(&mut one, &mut rolled), (&mut other, &mut rolled_other)] {
        naming.iter().for_each(|event| rolled.apply(&store.record(std::slice::from_ref(event))));
    }
    // Twice all pairs within three days around midnight, all over the place; gap sessions of very many pairs, and one with an id.
    let events: Vec<UsageEvent> = (0..2 * pairs.len())
        .map(|n| {
            let (team, service) = pairs[n * 77 % pairs.len()];
            let session = if n % 3 == 0 { "s" } else { "" };
            let minute = (n * 131 % 4_000) as i64 - 2_000;
            let minute = if n % 2 == 0 { minute } else { 600 + minute / 10 };
            event("u", minute, &format!("t{team}"), &format!("s{service}"), session)
        })
        .collect();
    for batch in events.chunks(300) {
        rolled.apply(&one.record(batch));
    }
    let left = Registration { deactivated_at: Change::Set(at(-1_000)), ..registration("u") };
    rolled.apply(&one.register(std::slice::from_ref(&left)));
    for event in events.iter().rev() {
        rolled_other.apply(&other.record(std::slice::from_ref(event)));
    }
    rolled_other.apply(&other.register(std::slice::from_ref(&left)));
    assert_eq!(content(&one), content(&other));
    assert_eq!(rolled.counts, rolled_other.counts);
    assert_eq!(rolled.active.len(), rolled_other.active.len());
}
