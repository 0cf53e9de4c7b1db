//! Rollups over their whole life: snapshots of readers, folding by idle commits, and what the check finds.

use std::sync::Arc;

use rusqlite::Connection;

use super::figures::{UsageSnapshot, check, figures, series};
use super::fold::NodeForms;
use super::model_test::{Step, World, id, now};
use super::rollup::{Overlay, Tuning};
use crate::model::{Change, DateRange, Day, Id, Interval, Registration, Timestamp, UsageEvent, UsageFilter};

fn event_of(user: &str, day: Day, team: &str) -> UsageEvent {
    UsageEvent { user_id: id(user), at: day.start(), team_id: Id::new(team).ok(), service: None, session_id: None }
}

#[test]
fn idle_commits_fold_a_sealed_run_slice_by_slice_and_no_answer_changes() {
    let forms = NodeForms { month_bytes_max: 50, year_user_days_min: 10 };
    let tuning = Tuning {
        seal_at_entries: 100_000,
        seal_at_deltas: 1_000,
        slice_entries_min: 20,
        forms,
        span_cache_bytes: 4_000,
    };
    let mut world = World::new(Connection::open_in_memory().unwrap(), tuning);
    let start = Day::parse("2023-11-01").unwrap().index();
    let days = (0..30).map(|n| Day::from_index(start + 5 * n).unwrap());
    let events: Vec<UsageEvent> = days.map(|day| event_of(&format!("u{}", day.index() % 9), day, "a")).collect();
    world.take(&Step::Record(events));
    world.tuning.seal_at_entries = 100;
    world.take(&Step::Reload);
    let range = DateRange::new(Day::from_index(start).unwrap(), Day::from_index(start + 149).unwrap()).unwrap();
    let mut commits = 0;
    while world.rollups.is_folding() {
        world.take(&Step::Idle(1));
        world.compare(&[range]).unwrap();
        commits += 1;
    }
    // Four cells of 150 entries and more, in units of a year, then the users.
    assert!((5..30).contains(&commits), "{commits}");
    let deltas: i64 = world.conn.query_row("select count(*) from usage_delta", [], |row| row.get(0)).unwrap();
    assert_eq!(deltas, 0);
}

/// A reader that began before some commits answers from its own state, whatever is folded meanwhile.
#[test]
fn a_reader_keeps_its_snapshot_while_the_writer_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("usage.db");
    let writer = Connection::open(&path).unwrap();
    writer.pragma_update(None, "journal_mode", "wal").unwrap();
    let forms = NodeForms { month_bytes_max: 50, year_user_days_min: 10 };
    let tuning =
        Tuning { seal_at_entries: 40, seal_at_deltas: 1_000, slice_entries_min: 9, forms, span_cache_bytes: 4_000 };
    let mut world = World::new(writer, tuning);
    let range = DateRange::new(Day::parse("2024-01-01").unwrap(), Day::parse("2025-06-30").unwrap()).unwrap();
    let all = UsageFilter::default();

    let mut readers: Vec<(Connection, Arc<Overlay>, u64)> = vec![];
    for n in 0..40u64 {
        let day = Day::from_index(range.start().index() + n as u32 * 13).unwrap();
        let events = ["a", "b"].map(|team| event_of(&format!("user {n} of {team}"), day, team));
        world.take(&Step::Record(events.to_vec()));
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("begin; select count(*) from usage_fold").unwrap();
        readers.push((reader, world.rollups.overlay(), 2 * (n + 1)));
        for (conn, overlay, users) in &readers {
            let snapshot = UsageSnapshot { conn, overlay, key: &world.key };
            // Another range each time, which holds the same: so no answer that is kept stands in for the spans.
            let start = Day::from_index(range.start().index() - n as u32).unwrap();
            let range = DateRange::new(start, range.end()).unwrap();
            assert_eq!(figures(&snapshot, range, &all).unwrap().active_users, *users);
        }
    }
    for (conn, overlay, users) in &readers {
        let snapshot = UsageSnapshot { conn, overlay, key: &world.key };
        assert_eq!(check(&snapshot).unwrap(), Vec::<String>::new());
        let days = series(&snapshot, range, &all, Interval::Day).unwrap();
        assert_eq!(days.iter().map(|day| day.figures.total_sessions).sum::<u64>(), *users);
    }
}

/// Every kind of row is looked at: a change of one value in any rollup is told.
#[test]
fn the_check_finds_each_damage() {
    let forms = NodeForms { month_bytes_max: 60, year_user_days_min: 8 };
    let tuning = Tuning {
        seal_at_entries: 100_000,
        seal_at_deltas: 1_000,
        slice_entries_min: 1_000,
        forms,
        span_cache_bytes: 4_000,
    };
    let mut world = World::new(Connection::open_in_memory().unwrap(), tuning);
    let start = Day::parse("2024-02-28").unwrap().index();
    let events = (0..40u32).flat_map(|n| {
        let day = Day::from_index(start + n).unwrap();
        let one = event_of(&format!("u{}", n % 7), day, ["a", "b", ""][n as usize % 3]);
        // And one of another user, and a second session of the first.
        let other = event_of(&format!("u{}", (n + 1) % 7), day, "a");
        let noon = Timestamp::from_unix_micros(day.start().unix_micros() + Day::MICROS / 2).unwrap();
        [UsageEvent { at: noon, ..one.clone() }, one, other]
    });
    world.take(&Step::Record(events.collect()));
    let left = Registration {
        user_id: id("u0"),
        team_id: Change::Keep,
        registered_at: Change::Keep,
        deactivated_at: Change::Set(now()),
    };
    world.take(&Step::Register(vec![left]));
    world.take(&Step::FoldAll);

    let damages = [
        "update usage_node set users = users + 1 where key = (select key from usage_node order by random() limit 1)",
        "update usage_node set sessions = sessions + 1 where key = (select key from usage_node order by random() limit 1)",
        "delete from usage_node where key = (select key from usage_node order by random() limit 1)",
        "update usage_node set body = x'0003' where key = (select max(key) from usage_node where kind = 1)",
        "update usage_node set body = x'ff' where key = (select min(key) from usage_node where kind = 0)",
        "update usage_node set kind = 9 where key = (select key from usage_node order by random() limit 1)",
        "insert into usage_node values ((77 << 42) | (1 << 22) | 5, 0, 1, 0, x'', x'')",
        // The session more is another user's; there is none; there is one that nobody can have.
        "update usage_node set extras = case extras when x'00' then x'04' else x'00' end
         where key = (select min(key) from usage_node where extras <> x'')",
        "update usage_node set extras = x'' where key = (select min(key) from usage_node where extras <> x'')",
        "update usage_node set extras = x'1000' where key = (select max(key) from usage_node where extras <> x'')",
        // One user more; nobody leaves any more; a row at no year's key, and one of a cell that nobody entered.
        "update usage_count set entered = cast(entered || x'0102' as blob) where key = (select min(key) from usage_count)",
        "update usage_count set departed = x'' where key = (select max(key) from usage_count where departed <> x'')",
        "delete from usage_count where key = (select max(key) from usage_count)",
        "insert into usage_count values (4194303, x'0002', x'')",
        "insert into usage_count values ((77 << 42) | (2 << 22), x'0002', x'')",
        "update usage_count set entered = x'80' where key = (select max(key) from usage_count)",
        "update usage_user_history set days = x'01' where ord = (select min(ord) from usage_user_history)",
        "update usage_user_history set days = x'80' where ord = (select min(ord) from usage_user_history)",
        "delete from usage_user_history where ord = (select max(ord) from usage_user_history)",
        // Another team on the last day; one session more on it, a week after the day before.
        "update usage_user_history set days = cast(substr(days, 1, length(days) - 1) || x'09' as blob) where ord = 2",
        "update usage_user_history
            set days = cast(substr(days, 1, length(days) - 3) || x'1f' || substr(days, -2) || x'02' as blob) where ord = 2",
        "update usage_user set irregular = 1 where deactivated_at is not null",
    ];
    let overlay = world.rollups.overlay();
    let snapshot = UsageSnapshot { conn: &world.conn, overlay: &overlay, key: &world.key };
    assert_eq!(check(&snapshot).unwrap(), Vec::<String>::new());
    for damage in damages {
        world.conn.execute_batch(&format!("savepoint one; {damage}")).unwrap();
        assert_ne!(check(&snapshot).unwrap(), Vec::<String>::new(), "{damage}");
        world.conn.execute_batch("rollback to one").unwrap();
    }
    assert_eq!(check(&snapshot).unwrap(), Vec::<String>::new());
}
