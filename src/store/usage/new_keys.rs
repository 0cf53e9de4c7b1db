//! Users that are found by their ids, but not by usage_user_key yet.
//!
//! Keys lie in order of digest, all over their table: stored one by one, each new user would write a page of its own, and
//! write it back. So they wait in memory until there are many, and are then stored in order of digest, a slice per
//! transaction: neighbours share their pages. Nothing is lost meanwhile, as a key follows from the user's name:
//! usage_fold.keyed_ord says from which ord on keys may be missing, and a start makes those anew.

use std::sync::Arc;

use rusqlite::{Connection, named_params, params};

use super::users::FIRST_ORD;
use crate::error::Result;
use crate::store::digest::{DigestKey, Kind};
use crate::store::varint::damaged;

/// So many wait before they are stored: a page's worth of neighbours among a million keys. A start digests as many names.
const WAITING_MAX: usize = 50_000;
/// A transaction stores so many, or twice those it brings, so that storing ends before the next are due.
const SLICE_MIN: usize = 500;
/// The same while nobody waits.
const SLICE_QUIET: usize = 5_000;

/// The digest of an id, and whose it is.
pub type UserKey = ([u8; 16], u32);

/// Immutable in the view of a commit; a copy is cheap.
#[derive(Clone, Default)]
pub struct NewKeys {
    /// On their way into the table; some are there already.
    sealed: Option<Arc<Vec<UserKey>>>,
    /// Sorted runs, each at most half as long as the one before.
    waiting: Vec<Arc<Vec<UserKey>>>,
}

impl NewKeys {
    /// The ord of the user with this digest; None if it is unknown, or only the table knows it.
    pub fn find(&self, digest: &[u8; 16]) -> Option<u32> {
        self.sealed.iter().chain(&self.waiting).find_map(|run| position(run, digest).map(|at| run[at].1))
    }

    fn waiting_len(&self) -> usize {
        self.waiting.iter().map(|run| run.len()).sum()
    }

    /// `run`: sorted.
    fn push(&mut self, run: Vec<UserKey>) {
        self.waiting.push(Arc::new(run));
        while let [.., a, b] = self.waiting.as_slice()
            && a.len() <= 2 * b.len()
        {
            let mut merged = [&a[..], &b[..]].concat();
            merged.sort();
            self.waiting.truncate(self.waiting.len() - 2);
            self.waiting.push(Arc::new(merged));
        }
    }

    fn forget(&mut self, digest: &[u8; 16]) {
        for run in self.sealed.iter_mut().chain(&mut self.waiting) {
            if let Some(at) = position(run, digest) {
                Arc::make_mut(run).remove(at);
            }
        }
    }
}

/// Where in a sorted run the digest stands.
fn position(run: &[UserKey], digest: &[u8; 16]) -> Option<usize> {
    // As numbers, sixteen bytes are compared at once.
    let wanted = u128::from_be_bytes(*digest);
    run.binary_search_by_key(&wanted, |(digest, _)| u128::from_be_bytes(*digest)).ok()
}

/// Makes the table anew from the names, with as much memory as a million of them take.
pub fn rebuild(conn: &Connection, key: &DigestKey, ord_end: u32) -> Result<()> {
    const FORGET: &str = "delete from usage_user_key; update usage_fold set keyed_ord = 1";
    const PIECE: u32 = 1_000_000;
    conn.execute_batch(FORGET)?;
    let mut from = FIRST_ORD;
    while from < ord_end {
        let until = ord_end.min(from.saturating_add(PIECE));
        let mut keys = digested(conn, key, from, until)?;
        keys.sort_unstable();
        store(conn, &keys)?;
        from = until;
    }
    store_keyed_ord(conn, ord_end.max(FIRST_ORD))
}

/// The keys of the users from `from` up to but not including `until`.
fn digested(conn: &Connection, key: &DigestKey, from: u32, until: u32) -> Result<Vec<UserKey>> {
    // What overwrites an erased id sorts before every id.
    const SELECT_NAMES: &str =
        "select ord, user_id from usage_user_name where ord >= :from and ord < :until and user_id >= ' '";
    let mut statement = conn.prepare_cached(SELECT_NAMES)?;
    let mut rows = statement.query(named_params! {":from": from, ":until": until})?;
    let mut keys = vec![];
    while let Some(row) = rows.next()? {
        let user_id = row.get_ref(1)?.as_str().map_err(|_| damaged())?;
        keys.push((key.digest(Kind::User, user_id), row.get(0)?));
    }
    Ok(keys)
}

fn store(conn: &Connection, keys: &[UserKey]) -> Result<()> {
    // After a crash in between, some are stored once more.
    const STORE_KEY: &str = "insert or replace into usage_user_key (digest, ord) values (?1, ?2)";
    let mut store = conn.prepare_cached(STORE_KEY)?;
    for (digest, ord) in keys {
        store.execute(params![digest, ord])?;
    }
    Ok(())
}

fn store_keyed_ord(conn: &Connection, keyed_ord: u32) -> Result<()> {
    const STORE_KEYED: &str = "update usage_fold set keyed_ord = :keyed_ord";
    conn.prepare_cached(STORE_KEYED)?.execute(named_params! {":keyed_ord": keyed_ord})?;
    Ok(())
}

/// The writer's side. Everything it does belongs to the transaction of the connection it is given.
pub struct KeyWriter {
    keys: NewKeys,
    /// Created in the batch under way, in no order.
    created: Vec<UserKey>,
    /// How many the transaction under way has brought.
    brought: usize,
    /// Of the sealed ones, those up to this digest are stored.
    stored: Option<[u8; 16]>,
    /// Once the sealed ones are stored, all users below this ord have their keys.
    sealed_until: u32,
    waiting_max: usize,
    /// Nothing has come in for a while: all that waits is stored.
    is_quiet: bool,
}

impl KeyWriter {
    /// Makes the keys that may be missing. `ord_end`: one more than the highest ord given. Errors if the file is damaged.
    pub fn load(conn: &Connection, key: &DigestKey, ord_end: u32) -> Result<KeyWriter> {
        const SELECT_KEYED: &str = "select keyed_ord from usage_fold";
        let keyed_ord: u32 = conn.query_row(SELECT_KEYED, [], |row| row.get(0))?;
        if !(FIRST_ORD..=ord_end).contains(&keyed_ord) {
            return Err(damaged());
        }
        let mut writer = KeyWriter {
            keys: NewKeys::default(),
            created: digested(conn, key, keyed_ord, ord_end)?,
            brought: 0,
            stored: None,
            sealed_until: keyed_ord,
            waiting_max: WAITING_MAX,
            is_quiet: false,
        };
        writer.end_batch();
        Ok(writer)
    }

    /// As of the last [`KeyWriter::end_batch`]; those created since are unknown to it.
    pub fn keys(&self) -> &NewKeys {
        &self.keys
    }

    pub fn create(&mut self, digest: [u8; 16], ord: u32) {
        self.created.push((digest, ord));
        self.is_quiet = false;
    }

    /// Makes those known that were created.
    pub fn end_batch(&mut self) {
        if !self.created.is_empty() {
            let mut created = std::mem::take(&mut self.created);
            self.brought += created.len();
            created.sort_unstable();
            self.keys.push(created);
        }
    }

    /// Ends the transaction's work: stores a slice if it is time. `ord_end`: as above.
    pub fn store_some(&mut self, conn: &Connection, ord_end: u32) -> Result<()> {
        let least = if self.is_quiet { SLICE_QUIET } else { SLICE_MIN };
        let slice = least.max(2 * std::mem::take(&mut self.brought));
        if self.is_due() {
            self.seal(ord_end);
        }
        match self.keys.sealed.clone() {
            Some(sealed) => self.store_slice(conn, &sealed, slice),
            None => Ok(()),
        }
    }

    /// Whether an empty transaction would store something.
    pub fn is_storing(&self) -> bool {
        self.keys.sealed.is_some() || self.is_due()
    }

    /// Nothing has come in for a while.
    pub fn settle_down(&mut self) {
        self.is_quiet = true;
    }

    /// A user that is erased, between batches. A row of it that is stored already is for the caller to delete.
    pub fn forget(&mut self, digest: &[u8; 16]) {
        self.keys.forget(digest);
    }

    #[cfg(test)]
    pub fn set_waiting_max(&mut self, waiting_max: usize) {
        self.waiting_max = waiting_max;
    }

    fn is_due(&self) -> bool {
        let waiting = self.keys.waiting_len();
        self.keys.sealed.is_none() && (waiting > self.waiting_max || self.is_quiet && waiting > 0)
    }

    fn seal(&mut self, ord_end: u32) {
        let mut sealed = self.keys.waiting.drain(..).map(Arc::unwrap_or_clone).reduce(|mut a, b| {
            a.extend(b);
            a
        });
        sealed.iter_mut().for_each(|keys| keys.sort());
        (self.keys.sealed, self.stored, self.sealed_until) = (sealed.map(Arc::new), None, ord_end);
    }

    fn store_slice(&mut self, conn: &Connection, sealed: &[UserKey], slice: usize) -> Result<()> {
        let start = self.stored.map_or(0, |stored| sealed.partition_point(|(digest, _)| *digest <= stored));
        let end = (start + slice).min(sealed.len());
        store(conn, &sealed[start..end])?;
        self.stored = sealed[..end].last().map(|(digest, _)| *digest);
        if end == sealed.len() {
            self.keys.sealed = None;
            store_keyed_ord(conn, self.sealed_until)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "new_keys_test.rs"]
mod tests;
