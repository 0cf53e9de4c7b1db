//! A database in memory, base facts over it, and short words for events: what the tests of base facts share.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rusqlite::Connection;

use super::delta::{CountKind, Delta};
use super::explicit::ExplicitSession;
use super::facts::{Bounds, Facts};
use super::history::UserHistory;
use super::lattice::Cell;
use super::run::Run;
use super::user::User;
use super::user_day::UserDay;
use crate::error::Result;
use crate::model::{Change, DateRange, Day, History, Id, Registration, Timestamp, UsageEvent};
use crate::store::digest::DigestKey;

pub const BOUNDS: Bounds = Bounds { teams_max: 100, services_max: 100 };
const NOON: i64 = 43_200_000_000;

/// A database with nothing but its schema, and the base facts over it.
pub struct Store {
    pub conn: Connection,
    pub facts: Facts,
}

impl Store {
    pub fn new() -> Store {
        Store::with_bounds(BOUNDS)
    }

    pub fn with_bounds(bounds: Bounds) -> Store {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(include_str!("../../../schema.sql")).unwrap();
        let facts = Facts::load(&conn, key(), bounds).unwrap();
        Store { conn, facts }
    }

    pub fn record(&mut self, events: &[UsageEvent]) -> Delta {
        let mut delta = Delta::default();
        assert_eq!(self.facts.record(&self.conn, events, &mut delta), Ok(vec![]));
        delta.net();
        delta
    }

    pub fn register(&mut self, registrations: &[Registration]) -> Delta {
        let mut delta = Delta::default();
        assert_eq!(self.facts.register(&self.conn, registrations, at(0), &mut delta), Ok(vec![]));
        delta.net();
        delta
    }

    pub fn erase(&mut self, user_id: &str, history: History) -> (bool, Delta) {
        let mut delta = Delta::default();
        let history_of = |ord: u32| history_of(&self.conn, ord);
        let found = self.facts.erase(&self.conn, &id(user_id), history, &history_of, &mut delta).unwrap();
        delta.net();
        (found, delta)
    }

    pub fn find(&self, user_id: &str) -> Option<User> {
        User::find(&self.conn, self.facts.users.keys.keys(), &key(), &id(user_id)).unwrap()
    }

    pub fn rows(&self, table: &str) -> i64 {
        self.conn.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap()
    }
}

/// The writer gets it from the rollups.
fn history_of(conn: &Connection, ord: u32) -> Result<UserHistory> {
    let mut delta = Delta::default();
    let all = DateRange::new(Day::MIN, Day::MAX).unwrap();
    UserDay::for_each(conn, all, |day, whose, user_day| {
        if whose == ord {
            user_day.facts(day, ord).for_each(|fact| delta.add(fact));
            user_day.count_sessions(day, ord, 1, &mut delta);
        }
        Ok(())
    })?;
    ExplicitSession::of_user(conn, ord)?.iter().for_each(|session| session.count(ord, 1, &mut delta));
    let (run, mut history) = (Run::new(&delta), UserHistory::default());
    let changes = run.by_user.of(ord);
    history.take_in(changes.pairs(), changes.extras())?;
    Ok(history)
}

pub fn key() -> DigestKey {
    DigestKey::new([7; 32])
}

pub fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

/// So many minutes after noon of 1970-01-01.
pub fn at(minutes: i64) -> Timestamp {
    Timestamp::from_unix_micros(NOON + minutes * 60_000_000).unwrap()
}

pub fn event(user_id: &str, minutes: i64, team: &str, service: &str, session: &str) -> UsageEvent {
    let optional = |text: &str| (!text.is_empty()).then(|| id(text));
    UsageEvent {
        user_id: id(user_id),
        at: at(minutes),
        team_id: optional(team),
        service: optional(service),
        session_id: optional(session),
    }
}

pub fn registration(user_id: &str) -> Registration {
    Registration {
        user_id: id(user_id),
        team_id: Change::Keep,
        registered_at: Change::Keep,
        deactivated_at: Change::Keep,
    }
}

pub fn sum(delta: &Delta, kind: CountKind, cell: Cell) -> i32 {
    delta.counts.iter().filter(|count| (count.kind, count.cell) == (kind, cell)).map(|count| count.n).sum()
}

/// By how much the sessions of a cell grow.
pub fn sessions(delta: &Delta, cell: Cell) -> i32 {
    sessions_by_user(delta).into_iter().filter(|((_, _, of), _)| *of == cell).map(|(_, n)| n).sum()
}

/// By how much the sessions of each user grow by day and cell, where they do.
pub fn sessions_by_user(delta: &Delta) -> BTreeMap<(Day, u32, Cell), i32> {
    let facts = [(&delta.added, 1), (&delta.removed, -1)];
    let facts = facts.into_iter().flat_map(|(facts, n)| facts.iter().map(move |fact| (fact, n)));
    let facts = facts.map(|(fact, n)| (fact.day, fact.ord, fact.team, fact.service, fact.cells, n));
    let extras = delta.extras.iter().map(|e| (e.day, e.ord, e.team, e.service, e.cells, e.n));
    let mut sums = BTreeMap::new();
    for (day, ord, team, service, cells, n) in facts.chain(extras) {
        for (bit, cell) in Cell::touched(team, service).into_iter().enumerate() {
            *sums.entry((day, ord, cell)).or_default() += i32::from(cells >> bit & 1) * n;
        }
    }
    sums.retain(|_, n| *n != 0);
    sums
}

pub fn events(users: &'static [&'static str]) -> impl Strategy<Value = Vec<UsageEvent>> {
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

/// Every name that [`events`] uses, in one order: so that equal facts have equal ids whatever came first.
pub fn name_all(store: &mut Store) -> Delta {
    store.record(&[event("namer", 0, "red", "mail", ""), event("namer", 0, "blue", "chat", "")])
}

/// What the rollups hold after these deltas: counts, active (day, ord, cell), and sessions by it.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct Rolled {
    pub counts: BTreeMap<(CountKind, Cell, Day), i32>,
    pub active: BTreeSet<(Day, u32, Cell)>,
    pub sessions: BTreeMap<(Day, u32, Cell), i32>,
}

impl Rolled {
    pub fn apply(&mut self, delta: &Delta) {
        for count in &delta.counts {
            *self.counts.entry((count.kind, count.cell, count.day)).or_default() += count.n;
        }
        self.counts.retain(|_, n| *n != 0);
        for (place, n) in sessions_by_user(delta) {
            *self.sessions.entry(place).or_default() += n;
        }
        self.sessions.retain(|_, n| *n != 0);
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
