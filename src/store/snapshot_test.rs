use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::super::testing::settings;
use super::super::{Snapshot, Store};
use super::*;
use crate::clock::Clock;
use crate::model::{Change, Day, History, Registration, Timestamp, UsageEvent};

fn open() -> (TempDir, Store, Runtime) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&settings(&directory), Clock::system()).unwrap();
    (directory, store, Builder::new_current_thread().build().unwrap())
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn event(user_id: &str, at: &str, team_id: Option<&str>) -> UsageEvent {
    let (user_id, at) = (id(user_id), Timestamp::parse(at).unwrap());
    UsageEvent { user_id, at, team_id: team_id.map(id), service: None, session_id: None }
}

fn range(start: &str, end: &str) -> DateRange {
    DateRange::new(Day::parse(start).unwrap(), Day::parse(end).unwrap()).unwrap()
}

/// As requests are answered: from memory if that is enough.
fn figures(store: &Store, range: DateRange, filter: &UsageFilter) -> Figures {
    let at_user = || store.glance_at_user(filter.user_id.as_ref()?).unwrap().figures(range, filter).unwrap();
    let at_a_glance = store.glance().figures(range, filter).unwrap().or_else(at_user);
    at_a_glance.unwrap_or_else(|| store.snapshot().unwrap().figures(range, filter).unwrap())
}

/// Ends the readers of a test, however it ends itself.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn no_answer_is_older_than_what_was_acknowledged_or_answered_before() {
    const USERS: u64 = 400;
    let (_directory, store, runtime) = open();
    let (acknowledged, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let all = UsageFilter::default();
    let busy = UsageFilter { user_id: Some(id("busy")), ..UsageFilter::default() };
    let read = || {
        let (mut seen, mut revision) = (0, 0);
        while !done.load(SeqCst) {
            let least = acknowledged.load(SeqCst).max(seen);
            seen = figures(&store, range("2024-01-01", "2024-12-31"), &all).active_users;
            assert!(seen >= least, "{seen} {least}");
            let sessions = figures(&store, range("2024-01-01", "2024-12-31"), &busy).total_sessions;
            assert!(sessions + 1 >= seen, "{sessions} {seen}");
            let now = store.glance().usage_revision().number;
            assert!(now >= revision, "{now} {revision}");
            revision = now;
        }
    };
    std::thread::scope(|scope| {
        let done = Done(&done);
        (0..3).for_each(|_| _ = scope.spawn(read));
        for n in 0..USERS {
            let events = vec![
                event(&format!("u{n}"), "2024-05-05T12:00:00Z", None),
                event("busy", &format!("2024-05-{:02}T{:02}:{:02}:00Z", 1 + n / 24 % 28, n % 24, n / 672 * 31), None),
            ];
            assert_eq!(runtime.block_on(store.record(events)), Ok(vec![]));
            acknowledged.store(n + 1, SeqCst);
        }
        drop(done);
    });
    assert_eq!(figures(&store, range("2024-01-01", "2024-12-31"), &all).active_users, USERS + 1);
}

#[test]
fn a_glance_at_a_user_tells_what_a_snapshot_tells_and_of_nobody_else() {
    let (_directory, store, runtime) = open();
    let may = range("2024-05-01", "2024-05-31");
    let of = |user: &str, team: Option<&str>| UsageFilter {
        user_id: Some(id(user)),
        team_id: team.map(id),
        ..UsageFilter::default()
    };
    let glance = |user: &str| store.glance_at_user(&id(user)).unwrap();
    assert_eq!(glance("u").figures(may, &of("u", None)), Ok(Some(Figures::default())));
    runtime.block_on(store.record(vec![event("u", "2024-05-05T12:00:00Z", Some("a"))])).unwrap();
    let one = Figures { total_users: 1, active_users: 1, total_sessions: 1 };
    assert_eq!(glance("u").figures(may, &of("u", None)), Ok(Some(one)));
    assert_eq!(glance("u").figures(may, &of("v", None)), Ok(None));
    // A team's name is not in memory until somebody has asked for it.
    assert_eq!(glance("u").figures(may, &of("u", Some("a"))), Ok(None));
    assert_eq!(store.snapshot().unwrap().figures(may, &of("u", Some("a"))), Ok(one));
    assert_eq!(glance("u").figures(range("2024-05-05", "2024-05-05"), &of("u", Some("a"))), Ok(Some(one)));

    let before = glance("u");
    runtime.block_on(store.erase(id("u"), History::Remove)).unwrap();
    assert_eq!(glance("u").figures(may, &of("u", None)), Ok(Some(Figures::default())));
    assert_ne!(glance("u").usage_revision(), before.usage_revision());
}

#[test]
fn what_was_answered_once_is_answered_from_memory_until_something_changes() {
    let (_directory, store, runtime) = open();
    let (month, team) =
        (range("2024-05-01", "2024-05-31"), UsageFilter { team_id: Some(id("a")), ..Default::default() });
    let ask = |snapshot: Snapshot| snapshot.figures(month, &team).unwrap().active_users;
    assert_eq!((ask(store.snapshot().unwrap()), figures(&store, month, &team)), (0, Figures::default()));
    assert_eq!(store.glance().figures(month, &team), Ok(Some(Figures::default())));

    // A team that nobody knew has come.
    runtime.block_on(store.record(vec![event("u", "2024-05-05T12:00:00Z", Some("a"))])).unwrap();
    assert_eq!(store.glance().figures(month, &team), Ok(None));
    assert_eq!(ask(store.snapshot().unwrap()), 1);
    let one = Figures { total_users: 1, active_users: 1, total_sessions: 1 };
    assert_eq!(store.glance().figures(month, &team), Ok(Some(one)));
    // Another range of what is in memory by now.
    assert_eq!(store.glance().figures(range("2024-05-05", "2024-05-31"), &team).unwrap().unwrap_or(one), one);

    // The same event again changes nothing.
    let revision = store.glance().usage_revision();
    runtime.block_on(store.record(vec![event("u", "2024-05-05T12:00:00Z", Some("a"))])).unwrap();
    assert_eq!((store.glance().usage_revision(), store.glance().figures(month, &team)), (revision, Ok(Some(one))));
}

/// Such a user is in no count of leavers, so that no count changes.
#[test]
fn who_is_deactivated_before_being_active_last_makes_a_new_revision() {
    let (_directory, store, runtime) = open();
    runtime.block_on(store.record(vec![event("u", "2024-05-05T12:00:00Z", None)])).unwrap();
    let (later, all) = (range("2024-08-01", "2024-08-31"), UsageFilter::default());
    assert_eq!(figures(&store, later, &all).total_users, 1);
    let revision = store.glance().usage_revision();
    let deactivated_at = Change::Set(Timestamp::parse("2024-05-01T00:00:00Z").unwrap());
    let command = Registration { user_id: id("u"), team_id: Change::Keep, registered_at: Change::Keep, deactivated_at };
    runtime.block_on(store.register(vec![command])).unwrap();
    assert_ne!(store.glance().usage_revision(), revision);
    assert_eq!(figures(&store, later, &all).total_users, 0);
}
