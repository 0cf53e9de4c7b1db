//! The users as the writer works with them: found, made, and those seen lately kept in memory.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, params};

use super::new_keys::{KeyWriter, NewKeys};
use super::user::{SELECT_USER, SELECT_USER_BY_ORD, User, from_row};
use super::user_day::ORD_BITS;
use crate::error::Result;
use crate::store::digest::{DigestKey, Kind};

/// The first ord; 0 stays free.
pub const FIRST_ORD: u32 = 1;
/// Ords end here: they share their rows' keys with days.
pub const ORD_END: u32 = 1 << ORD_BITS;
/// Users of one generation of the cache, some 250 bytes each; one with many pairs counts as many.
const CACHED_USERS_MAX: usize = 100_000;

pub struct Users {
    cache: Cache,
    next_ord: u32,
    pub keys: KeyWriter,
}

impl Users {
    pub fn load(conn: &Connection, key: &DigestKey) -> Result<Users> {
        // Names outlive their users, blanked: so no ord is ever given twice.
        const SELECT_NEXT_ORD: &str = "select max(ord) + 1 from usage_user_name";
        let next_ord: Option<u32> = conn.query_row(SELECT_NEXT_ORD, [], |row| row.get(0))?;
        let next_ord = next_ord.unwrap_or(FIRST_ORD);
        Ok(Users { cache: Cache::new(CACHED_USERS_MAX), next_ord, keys: KeyWriter::load(conn, key, next_ord)? })
    }

    /// One more than the highest ord given.
    pub fn ord_end(&self) -> u32 {
        self.next_ord
    }

    /// Where the user is in memory, until the batch ends. One whom nobody has seen before gets the next ord, and a name; its own
    /// row is for the caller to store. None if there is no ord left.
    pub fn find_or_create(
        &mut self,
        statements: &mut UserStatements,
        key: &DigestKey,
        user_id: &str,
    ) -> Result<Option<usize>> {
        let slot = match self.cache.find(user_id) {
            Some(slot) => slot,
            None => {
                let digest = key.digest(Kind::User, user_id);
                let user = match statements.find(self.keys.keys(), &digest)? {
                    Some(user) => user,
                    None if self.next_ord == ORD_END => return Ok(None),
                    None => self.create(statements, user_id, digest)?,
                };
                self.cache.insert(user_id, user)
            }
        };
        Ok(Some(slot))
    }

    /// `slot`: as found in the batch under way.
    pub fn get_mut(&mut self, slot: usize) -> &mut User {
        self.cache.get_mut(slot)
    }

    fn create(&mut self, statements: &mut UserStatements, user_id: &str, digest: [u8; 16]) -> Result<User> {
        let ord = self.next_ord;
        statements.insert_name.execute(params![ord, user_id])?;
        self.keys.create(digest, ord);
        self.next_ord += 1;
        Ok(User::new(ord))
    }

    /// Takes note that a user of the batch has changed: it may take more room now.
    pub fn weigh(&mut self, slot: usize) {
        self.cache.weigh(slot);
    }

    /// What the batch has looked up or created is in the cache until here.
    pub fn end_batch(&mut self) {
        self.keys.end_batch();
        self.cache.trim();
    }

    #[cfg(test)]
    pub fn set_cached_max(&mut self, users_max: usize) {
        self.cache.weight_max = users_max;
    }

    /// A user that is erased, and the digest of its id.
    pub fn forget(&mut self, user_id: &str, digest: &[u8; 16]) {
        self.cache.forget(user_id);
        self.keys.forget(digest);
    }
}

/// The statements of a batch over users, prepared once.
pub struct UserStatements<'a> {
    select: CachedStatement<'a>,
    select_by_ord: CachedStatement<'a>,
    insert_name: CachedStatement<'a>,
}

impl<'a> UserStatements<'a> {
    pub fn prepare(conn: &'a Connection) -> Result<UserStatements<'a>> {
        const INSERT_NAME: &str = "insert into usage_user_name (ord, user_id) values (:ord, :user_id)";
        Ok(UserStatements {
            select: conn.prepare_cached(SELECT_USER)?,
            select_by_ord: conn.prepare_cached(SELECT_USER_BY_ORD)?,
            insert_name: conn.prepare_cached(INSERT_NAME)?,
        })
    }

    fn find(&mut self, new_keys: &NewKeys, digest: &[u8; 16]) -> Result<Option<User>> {
        match new_keys.find(digest) {
            Some(ord) => self.select_by_ord.query_and_then([ord], from_row)?.next().transpose(),
            None => self.select.query_and_then([digest], from_row)?.next().transpose(),
        }
    }
}

/// Two generations: a user that is asked for moves to the young one; when that is full, it becomes the old one, and
/// what nobody has asked for since the last time is dropped.
struct Cache {
    young: Generation,
    old: Generation,
    /// Of the young ones together.
    weight: usize,
    /// Of one generation.
    weight_max: usize,
}

#[derive(Default)]
struct Generation {
    /// Where in `users`.
    slots: HashMap<Box<str>, usize>,
    /// None where one has moved on.
    users: Vec<Option<Cached>>,
}

struct Cached {
    user: User,
    weight: usize,
}

/// A user with hundreds of thousands of pairs takes the room of thousands with a few.
fn weight_of(user: &User) -> usize {
    const PAIRS_OF_A_USER: usize = 16;
    1 + user.pairs.len() / PAIRS_OF_A_USER
}

impl Generation {
    fn insert(&mut self, user_id: Box<str>, cached: Cached) -> usize {
        let slot = self.users.len();
        self.users.push(Some(cached));
        self.slots.insert(user_id, slot);
        slot
    }

    fn remove(&mut self, user_id: &str) -> Option<(Box<str>, Cached)> {
        let (user_id, slot) = self.slots.remove_entry(user_id)?;
        Some((user_id, self.users[slot].take()?))
    }

    /// The room stays: it will be needed again.
    fn clear(&mut self) {
        self.slots.clear();
        self.users.clear();
    }
}

impl Cache {
    fn new(weight_max: usize) -> Cache {
        Cache { young: Generation::default(), old: Generation::default(), weight: 0, weight_max }
    }

    /// Where the user is; it is a young one then, and stays there until the cache is trimmed.
    fn find(&mut self, user_id: &str) -> Option<usize> {
        if let Some(slot) = self.young.slots.get(user_id) {
            return Some(*slot);
        }
        let (user_id, cached) = self.old.remove(user_id)?;
        self.weight += cached.weight;
        Some(self.young.insert(user_id, cached))
    }

    /// `slot`: of a young user.
    fn get_mut(&mut self, slot: usize) -> &mut User {
        &mut self.young.users[slot].as_mut().expect("a slot that was found is filled").user
    }

    /// `user`: one that the cache does not hold. Returns its slot.
    fn insert(&mut self, user_id: &str, user: User) -> usize {
        let weight = weight_of(&user);
        self.weight += weight;
        self.young.insert(user_id.into(), Cached { user, weight })
    }

    fn forget(&mut self, user_id: &str) {
        self.weight -= self.young.remove(user_id).map_or(0, |(_, cached)| cached.weight);
        self.old.remove(user_id);
    }

    /// Takes note that a young user has changed: it may weigh more now.
    fn weigh(&mut self, slot: usize) {
        if let Some(cached) = &mut self.young.users[slot] {
            let weight = weight_of(&cached.user);
            self.weight = self.weight - cached.weight + weight;
            cached.weight = weight;
        }
    }

    /// Drops what is too much. Only called between batches, so that what a batch has looked up stays.
    fn trim(&mut self) {
        // Slots of forgotten users take room, too.
        if self.weight.max(self.young.users.len()) >= self.weight_max {
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
            self.weight = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lattice::NONE;
    use super::super::user::Pair;
    use super::*;
    use crate::model::Day;

    #[test]
    fn a_user_that_is_asked_for_outlives_those_that_are_not() {
        let mut cache = Cache::new(2);
        for (ord, user_id) in ["asked", "left", "a", "b", "c", "d"].into_iter().enumerate() {
            cache.insert(user_id, User::new(ord as u32));
            cache.trim();
            assert!(cache.find("asked").is_some(), "after {user_id}");
        }
        assert!(cache.find("left").is_none());
        assert!(cache.young.slots.len() + cache.old.slots.len() <= 4);
    }

    #[test]
    fn a_user_with_many_pairs_takes_the_room_of_many_users() {
        let mut cache = Cache::new(100);
        let mut heavy = User::new(1);
        cache.insert("heavy", heavy.clone());
        cache.insert("light", User::new(2));
        cache.trim();
        assert_eq!((cache.young.slots.len(), cache.old.slots.len()), (2, 0));
        let pair = |team| Pair { team, service: NONE, first_day: Day::MIN };
        heavy.pairs = (NONE..2_000).map(pair).collect();
        let slot = cache.find("heavy").unwrap();
        *cache.get_mut(slot) = heavy;
        cache.weigh(slot);
        cache.trim();
        assert_eq!((cache.young.slots.len(), cache.old.slots.len()), (0, 2));
        assert!(cache.find("light").is_some());
        cache.forget("light");
        assert_eq!(cache.weight, 0);
    }

    #[test]
    fn a_forgotten_user_is_in_neither_generation() {
        let mut cache = Cache::new(1);
        cache.insert("a", User::new(1));
        cache.trim();
        cache.insert("b", User::new(2));
        cache.forget("a");
        cache.forget("b");
        assert!(cache.find("a").is_none() && cache.find("b").is_none());
    }
}
