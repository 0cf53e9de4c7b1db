//! What is kept of one usage revision, for as long as it is the newest: answers, and what answering looks up each time.
//!
//! A commit that can change an answer begins with nothing kept; one that only folds takes it over. So nothing here is
//! ever out of date, and a name that is unknown may be kept as well.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::user::User;
use crate::error::Result;
use crate::model::{DateRange, Day, Figures, GroupBy, Id, UsageFilter};

/// Answers kept, of a few hundred bytes each at most but for long ids.
const ANSWERS_MAX: usize = 8_192;
const NAMES_MAX: usize = 4_096;
/// Irregular users kept, by what they take: one, and one more for each pair. Above it they are read for each answer.
const IRREGULAR_MAX: usize = 50_000;

#[derive(Default)]
pub struct Kept {
    answers: Bounded<(DateRange, UsageFilter), Figures, ANSWERS_MAX>,
    teams: Bounded<Id, Option<u32>, NAMES_MAX>,
    services: Bounded<Id, Option<u32>, NAMES_MAX>,
    /// All irregular users by their deactivation; None if they are too many.
    irregular: OnceLock<Option<Arc<[User]>>>,
}

impl Kept {
    pub fn answer(&self, range: DateRange, filter: &UsageFilter) -> Option<Figures> {
        self.answers.get(&(range, filter.clone()))
    }

    pub fn keep_answer(&self, range: DateRange, filter: &UsageFilter, figures: Figures) {
        self.answers.put((range, filter.clone()), figures);
    }

    /// The id of a team's or a service's name; None within if there is no such name.
    pub fn name_id(&self, kind: GroupBy, name: &Id) -> Option<Option<u32>> {
        self.names(kind).get(name)
    }

    pub fn keep_name_id(&self, kind: GroupBy, name: &Id, id: Option<u32>) {
        self.names(kind).put(name.clone(), id);
    }

    fn names(&self, kind: GroupBy) -> &Bounded<Id, Option<u32>, NAMES_MAX> {
        if kind == GroupBy::Team { &self.teams } else { &self.services }
    }

    /// The users that [`User::irregular_before`] the day gives. None if they are not kept and there is no transaction to
    /// read them in.
    pub fn irregular_before(&self, conn: Option<&Connection>, day: Day) -> Result<Option<Irregular>> {
        if let (None, Some(conn)) = (self.irregular.get(), conn) {
            let all = load_irregular(conn)?;
            // Whoever comes second has read the same.
            let _ = self.irregular.set(all);
        }
        let before = |user: &User| user.deactivated_at.is_some_and(|at| at < day.start());
        match (self.irregular.get(), conn) {
            (Some(Some(all)), _) => {
                let end = all.partition_point(before);
                Ok(Some(Irregular { users: Arc::clone(all), end }))
            }
            (_, Some(conn)) => {
                let users: Arc<[User]> = User::irregular_before(conn, day)?.into();
                let end = users.len();
                Ok(Some(Irregular { users, end }))
            }
            (_, None) => Ok(None),
        }
    }
}

/// Users that are looked at one by one.
pub struct Irregular {
    users: Arc<[User]>,
    end: usize,
}

impl std::ops::Deref for Irregular {
    type Target = [User];

    fn deref(&self) -> &[User] {
        &self.users[..self.end]
    }
}

fn load_irregular(conn: &Connection) -> Result<Option<Arc<[User]>>> {
    let mut weight = 0;
    let mut users = vec![];
    // Nobody was deactivated before a range that begins later than the last day.
    User::for_each_irregular_before(conn, Day::MAX, |user| {
        weight += 1 + user.pairs.len();
        if weight <= IRREGULAR_MAX {
            users.push(user);
        }
        Ok(weight <= IRREGULAR_MAX)
    })?;
    users.sort_unstable_by_key(|user| user.deactivated_at);
    Ok((weight <= IRREGULAR_MAX).then(|| users.into()))
}

/// At most `MAX` entries; where there is no room, all go, and those in use are soon back.
struct Bounded<K, V, const MAX: usize>(Mutex<HashMap<K, V>>);

impl<K, V, const MAX: usize> Default for Bounded<K, V, MAX> {
    fn default() -> Self {
        Bounded(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Copy, const MAX: usize> Bounded<K, V, MAX> {
    fn get(&self, key: &K) -> Option<V> {
        self.0.lock().get(key).copied()
    }

    fn put(&self, key: K, value: V) {
        let mut map = self.0.lock();
        if map.len() >= MAX {
            map.clear();
        }
        map.insert(key, value);
    }
}
