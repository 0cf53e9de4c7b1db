//! Erasing a person: the id goes at once, the history on request.

use rusqlite::{Connection, named_params};

use super::delta::Delta;
use super::explicit::ExplicitSession;
use super::facts::Facts;
use super::history::UserHistory;
use super::user::User;
use super::user_day::row_key;
use crate::error::Result;
use crate::model::{History, Id};
use crate::store::digest::Kind;

impl Facts {
    /// False if there is no such user. `history_of`: what a user (by ord) ever did.
    pub fn erase(
        &mut self,
        conn: &Connection,
        user_id: &Id,
        history: History,
        history_of: &dyn Fn(u32) -> Result<UserHistory>,
        delta: &mut Delta,
    ) -> Result<bool> {
        let digest = self.key.digest(Kind::User, user_id.as_str());
        let Some(user) = User::find_by_digest(conn, self.users.keys.keys(), &digest)? else {
            return Ok(false);
        };
        match history {
            History::Anonymize => ExplicitSession::anonymize_all(conn, user.ord)?,
            History::Remove => remove_history(conn, &user, &history_of(user.ord)?, delta)?,
        }
        forget_id(conn, user.ord, user_id, &digest)?;
        self.users.forget(user_id.as_str(), &digest);
        Ok(true)
    }
}

/// Overwrites the id with as many bytes, U+0001, which no id can hold: SQLite then writes over the very cell that held
/// it and moves nothing, so no copy is left behind on another page. The row stays, and with it the ord is taken.
fn forget_id(conn: &Connection, ord: u32, user_id: &Id, digest: &[u8; 16]) -> Result<()> {
    const BLANK_NAME: &str = "update usage_user_name set user_id = :blank where ord = :ord";
    const DELETE_KEY: &str = "delete from usage_user_key where digest = :digest";
    let blank = "\u{1}".repeat(user_id.as_str().len());
    conn.prepare_cached(BLANK_NAME)?.execute(named_params! {":blank": blank, ":ord": ord})?;
    conn.prepare_cached(DELETE_KEY)?.execute(named_params! {":digest": digest})?;
    Ok(())
}

/// Deletes all rows of the user but its name, and reports the inverse of all it ever added.
fn remove_history(conn: &Connection, user: &User, history: &UserHistory, delta: &mut Delta) -> Result<()> {
    const DELETE_DAY: &str = "delete from usage_user_day where key = :key";
    const DELETE_HISTORY: &str = "delete from usage_user_history where ord = :ord";
    const DELETE_USER: &str = "delete from usage_user where ord = :ord";
    history.count_all(user.ord, -1, delta)?;
    user.count_all(-1, delta);
    for day in history.active_days() {
        conn.prepare_cached(DELETE_DAY)?.execute(named_params! {":key": row_key(day, user.ord)})?;
    }
    ExplicitSession::delete_all(conn, user.ord)?;
    conn.prepare_cached(DELETE_HISTORY)?.execute(named_params! {":ord": user.ord})?;
    conn.prepare_cached(DELETE_USER)?.execute(named_params! {":ord": user.ord})?;
    Ok(())
}

#[cfg(test)]
#[path = "erase_test.rs"]
mod tests;
