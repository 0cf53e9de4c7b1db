use super::super::delta::{Count, CountKind, Delta, Extra, Fact};
use super::super::lattice::{Level, NONE};
use super::super::span::{Active, SpanKind};
use super::super::user_set::UserSet;
use super::*;
use crate::model::Day;

const PLENTY: usize = 1 << 20;

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn span(users: u32) -> Arc<Span> {
    let users: Vec<u32> = (0..users).map(|n| n * 1_000).collect();
    Arc::new(Span::Users(Active { users: UserSet::new(&users), sessions: 0 }))
}

fn key(kind: SpanKind, start: &str) -> SpanKey {
    SpanKey { kind, start: day(start) }
}

fn team(id: u32) -> Cell {
    Cell::new(id, 0)
}

/// Somebody of the team was active on the day.
fn run(team: u32, text: &str) -> Run {
    let fact = Fact { day: day(text), ord: 1, team, service: NONE, cells: 0b0010 };
    Run::new(&Delta { added: vec![fact], ..Delta::default() })
}

/// Folds the whole run.
fn fold(cache: &SpanCache, run: &Run) -> u64 {
    let end = *run.added.keys.last().unwrap();
    cache.folded(run, CellKey::from_sql(0), CellKey::from_sql(end.to_sql() + 1))
}

#[test]
fn a_fold_takes_out_the_spans_it_changes_and_no_other() {
    let cache = SpanCache::new(PLENTY);
    let changed = [
        SpanKey::over_all(SpanKind::Years),
        SpanKey::over_all(SpanKind::Whole),
        key(SpanKind::Year, "2024-01-01"),
        key(SpanKind::Quarter, "2024-04-01"),
        key(SpanKind::YearSessions, "2024-01-01"),
        key(SpanKind::QuarterSessions, "2024-04-01"),
        key(SpanKind::Month, "2024-05-01"),
        key(SpanKind::Third, "2024-05-21"),
        key(SpanKind::Days, "2024-05-01"),
    ];
    let kept = [
        SpanKey::over_all(SpanKind::Count(CountKind::Entered)),
        key(SpanKind::Year, "2023-01-01"),
        key(SpanKind::Quarter, "2024-01-01"),
        key(SpanKind::YearSessions, "2023-01-01"),
        key(SpanKind::QuarterSessions, "2024-07-01"),
        key(SpanKind::Month, "2024-06-01"),
        key(SpanKind::Third, "2024-05-11"),
        key(SpanKind::Days, "2024-06-01"),
    ];
    for key in changed.into_iter().chain(kept) {
        [2, 3].into_iter().for_each(|id| cache.put(0, team(id), key, span(3)));
    }
    let folds = fold(&cache, &run(2, "2024-05-31"));
    changed.into_iter().for_each(|key| assert!(cache.get(folds, team(2), key).is_none(), "{key:?}"));
    kept.into_iter().for_each(|key| assert!(cache.get(folds, team(2), key).is_some(), "{key:?}"));
    changed.into_iter().for_each(|key| assert!(cache.get(folds, team(3), key).is_some(), "{key:?}"));
}

#[test]
fn a_fold_of_counts_takes_out_their_sums() {
    let cache = SpanCache::new(PLENTY);
    let keys = [CountKind::Entered, CountKind::Left].map(|kind| (kind, Cell::ALL));
    for (kind, cell) in keys {
        let sums = SpanKey::over_all(SpanKind::Count(kind));
        cache.put(0, cell, sums, span(1));
        cache.put(0, cell, key(SpanKind::Month, "2024-05-01"), span(1));
        let count = Count { kind, cell, day: day("2024-05-05"), n: -1 };
        let run = Run::new(&Delta { counts: vec![count], ..Delta::default() });
        let folds = cache.folded(&run, CellKey::from_sql(0), cell.key(Level::Day, day("2025-01-01")));
        assert!(cache.get(folds, cell, sums).is_none());
        assert!(cache.get(folds, cell, key(SpanKind::Month, "2024-05-01")).is_some());
        cache.state.lock().recent.clear();
        cache.state.lock().folds = 0;
    }
}

#[test]
fn a_fold_of_sessions_takes_out_what_counts_them() {
    let cache = SpanCache::new(PLENTY);
    let [month, other] = ["2024-05-01", "2024-06-01"].map(|start| key(SpanKind::Month, start));
    [month, other].into_iter().for_each(|key| cache.put(0, team(2), key, span(1)));
    let extra = Extra { day: day("2024-05-05"), ord: 1, team: 2, service: NONE, cells: 0b0010, n: 1 };
    let run = Run::new(&Delta { extras: vec![extra], ..Delta::default() });
    let folds = cache.folded(&run, CellKey::from_sql(0), team(3).key(Level::Day, Day::MIN));
    assert!(cache.get(folds, team(2), month).is_none() && cache.get(folds, team(2), other).is_some());
}

#[test]
fn what_an_older_view_has_made_is_kept_only_if_nothing_has_changed_its_cell() {
    let cache = SpanCache::new(PLENTY);
    let month = key(SpanKind::Month, "2023-01-01");
    let folds = fold(&cache, &run(5, "2024-05-31"));
    // The slice went from the first cell to that of team 5.
    cache.put(0, team(5), month, span(3));
    cache.put(0, team(6), month, span(3));
    assert!(cache.get(folds, team(5), month).is_none());
    assert!(cache.get(folds, team(6), month).is_some() && cache.get(0, team(6), month).is_some());
    // More folds than are remembered.
    let folds = (0..RECENT_MAX).map(|_| fold(&cache, &run(5, "2024-05-31"))).last().unwrap();
    cache.put(0, team(7), month, span(3));
    assert!(cache.get(folds, team(7), month).is_none());
}

#[test]
fn an_older_view_finds_nothing_that_was_made_for_a_newer_one() {
    let cache = SpanCache::new(PLENTY);
    let month = key(SpanKind::Month, "2024-05-01");
    let folds = fold(&cache, &run(5, "2024-05-31"));
    cache.put(folds, team(5), month, span(3));
    assert!(cache.get(folds, team(5), month).is_some() && cache.get(folds - 1, team(5), month).is_none());
}

#[test]
fn room_is_bounded_and_what_is_in_use_stays() {
    const ROOM: usize = 20_000;
    let cache = SpanCache::new(ROOM);
    let used = key(SpanKind::Month, "2024-05-01");
    cache.put(0, team(1), used, span(100));
    for n in 2..2_000u32 {
        cache.put(0, team(n), used, span(n % 50));
        assert!(cache.get(0, team(1), used).is_some(), "after {n}");
        let state = cache.state.lock();
        assert!(state.bytes <= ROOM && state.line.len() <= 2 * state.entries + SPARED_MAX);
        assert_eq!(state.entries, state.cells.values().map(HashMap::len).sum::<usize>());
    }
    // One that would take all the room is not kept.
    cache.put(0, team(3_000), used, span(ROOM as u32));
    assert!(cache.get(0, team(3_000), used).is_none() && cache.get(0, team(1), used).is_some());
}

#[test]
fn spans_that_folds_take_out_and_readers_bring_back_take_no_more_room() {
    let cache = SpanCache::new(PLENTY);
    let year = key(SpanKind::Year, "2024-01-01");
    for _ in 0..1_000 {
        let folds = fold(&cache, &run(5, "2024-05-31"));
        cache.put(folds, team(5), year, span(10));
    }
    let state = cache.state.lock();
    assert_eq!((state.entries, state.cells.len()), (1, 1));
    assert!(state.line.len() <= 2 + SPARED_MAX);
}
