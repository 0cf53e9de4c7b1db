//! The users as the writer works with them: found, made, and those seen lately kept in memory.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::new_keys::KeyWriter;
use super::user::User;
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

    /// A user nobody has seen before gets the next ord, and a name; its own row is for the caller to store. None if
    /// there is no ord left.
    pub fn find_or_create(&mut self, conn: &Connection, key: &DigestKey, user_id: &str) -> Result<Option<&mut User>> {
        if !self.cache.holds(user_id) {
            let digest = key.digest(Kind::User, user_id);
            let user = match User::find_by_digest(conn, self.keys.keys(), &digest)? {
                Some(user) => user,
                None if self.next_ord == ORD_END => return Ok(None),
                None => self.create(conn, user_id, digest)?,
            };
            self.cache.insert(user_id, user);
        }
        Ok(self.cache.get_mut(user_id))
    }

    fn create(&mut self, conn: &Connection, user_id: &str, digest: [u8; 16]) -> Result<User> {
        const INSERT_NAME: &str = "insert into usage_user_name (ord, user_id) values (:ord, :user_id)";
        let ord = self.next_ord;
        conn.prepare_cached(INSERT_NAME)?.execute(params![ord, user_id])?;
        self.keys.create(digest, ord);
        self.next_ord += 1;
        Ok(User::new(ord))
    }

    /// Takes note that a user of the batch has changed: it may take more room now.
    pub fn weigh(&mut self, user_id: &str) {
        self.cache.weigh(user_id);
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

/// Two generations: a user that is asked for moves to the young one; when that is full, it becomes the old one, and
/// what nobody has asked for since the last time is dropped.
struct Cache {
    young: HashMap<Box<str>, Cached>,
    old: HashMap<Box<str>, Cached>,
    /// Of the young ones together.
    weight: usize,
    /// Of one generation.
    weight_max: usize,
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

impl Cache {
    fn new(weight_max: usize) -> Cache {
        Cache { young: HashMap::new(), old: HashMap::new(), weight: 0, weight_max }
    }

    /// Whether the user is there; it is a young one then.
    fn holds(&mut self, user_id: &str) -> bool {
        if self.young.contains_key(user_id) {
            return true;
        }
        let Some((user_id, cached)) = self.old.remove_entry(user_id) else { return false };
        self.weight += cached.weight;
        self.young.insert(user_id, cached);
        true
    }

    /// Of young ones.
    fn get_mut(&mut self, user_id: &str) -> Option<&mut User> {
        self.young.get_mut(user_id).map(|cached| &mut cached.user)
    }

    /// `user`: one that the cache does not hold.
    fn insert(&mut self, user_id: &str, user: User) {
        let weight = weight_of(&user);
        self.weight += weight;
        self.young.insert(user_id.into(), Cached { user, weight });
    }

    fn forget(&mut self, user_id: &str) {
        self.weight -= self.young.remove(user_id).map_or(0, |cached| cached.weight);
        self.old.remove(user_id);
    }

    /// Takes note that a young user has changed: it may weigh more now.
    fn weigh(&mut self, user_id: &str) {
        if let Some(cached) = self.young.get_mut(user_id) {
            let weight = weight_of(&cached.user);
            self.weight = self.weight - cached.weight + weight;
            cached.weight = weight;
        }
    }

    /// Drops what is too much. Only called between batches, so that what a batch has looked up stays.
    fn trim(&mut self) {
        if self.weight >= self.weight_max {
            self.old = std::mem::take(&mut self.young);
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
            assert!(cache.holds("asked"), "after {user_id}");
        }
        assert!(!cache.holds("left"));
        assert!(cache.young.len() + cache.old.len() <= 4);
    }

    #[test]
    fn a_user_with_many_pairs_takes_the_room_of_many_users() {
        let mut cache = Cache::new(100);
        let mut heavy = User::new(1);
        cache.insert("heavy", heavy.clone());
        cache.insert("light", User::new(2));
        cache.trim();
        assert_eq!((cache.young.len(), cache.old.len()), (2, 0));
        let pair = |team| Pair { team, service: NONE, first_day: Day::MIN };
        heavy.pairs = (NONE..2_000).map(pair).collect();
        assert!(cache.holds("heavy"));
        *cache.get_mut("heavy").unwrap() = heavy;
        cache.weigh("heavy");
        cache.trim();
        assert_eq!((cache.young.len(), cache.old.len()), (0, 2));
        assert!(cache.holds("light"));
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
        assert!(!cache.holds("a") && !cache.holds("b"));
    }
}
