//! The users whom jobs are about. A row is overwritten in place and never goes or moves (as src/store/usage/erase.rs does
//! it): SQLite leaves copies behind of what stands beside a row that goes.

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::error::Result;
use crate::model::{ID_BYTES_MAX, Id};

/// A row that nobody has: as long as every other, so that it can be written over.
pub const FREE: [u8; ID_BYTES_MAX] = [0; ID_BYTES_MAX];

/// Writes a user into a row of its own: a free one, or a new one behind all others. Gives its number.
pub fn take_slot(conn: &Connection, user_id: &Id) -> Result<i64> {
    const FIND_FREE: &str = "select slot from export_job_user where substr(user_id, 1, 1) = x'00' limit 1";
    const OVERWRITE: &str = "update export_job_user set user_id = :user_id where slot = :slot";
    const APPEND: &str = "insert into export_job_user (user_id) values (:user_id)";
    let user_id = padded(user_id);
    let free: Option<i64> = conn.prepare_cached(FIND_FREE)?.query_row([], |row| row.get("slot")).optional()?;
    match free {
        Some(slot) => {
            conn.prepare_cached(OVERWRITE)?.execute(named_params! { ":user_id": user_id, ":slot": slot })?;
            Ok(slot)
        }
        None => {
            conn.prepare_cached(APPEND)?.execute(named_params! { ":user_id": user_id })?;
            Ok(conn.last_insert_rowid())
        }
    }
}

/// A user as the row has it.
pub fn padded(user_id: &Id) -> [u8; ID_BYTES_MAX] {
    let mut padded = FREE;
    let bytes = user_id.as_str().as_bytes();
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

/// None for a free row.
pub fn unpadded(row: &[u8]) -> Option<Id> {
    let text = std::str::from_utf8(row).ok()?.trim_end_matches('\0');
    Id::new(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_every_length_come_back() {
        for text in ["u".to_string(), "ü/ 🦀".into(), "x".repeat(ID_BYTES_MAX)] {
            let id = Id::new(text).unwrap();
            assert_eq!(unpadded(&padded(&id)), Some(id));
        }
        assert_eq!(unpadded(&FREE), None);
    }
}
