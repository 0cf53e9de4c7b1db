//! The figures of one user: from its own rows and the overlay alone.

use rusqlite::{Connection, Row, named_params};

use super::history::{DayUse, UserHistory};
use super::history_walk::for_each_use;
use super::lattice::Cell;
use super::overlay::Overlay;
use super::totals::counts_in_total;
use super::user::{User, from_row};
use crate::error::Result;
use crate::model::{DateRange, Figures, Id};
use crate::store::digest::{DigestKey, Kind};

/// What one statement finds of a user: as it is a transaction by itself, it says of which commit.
pub struct UserRows {
    /// None if there is no such user.
    user: Option<User>,
    /// As usage_user_history holds it; empty if it does not.
    packed: Vec<u8>,
}

impl UserRows {
    /// Also gives database.commit_seq. `overlay`: of that commit, too, as the caller has to compare.
    pub fn find(conn: &Connection, overlay: &Overlay, key: &DigestKey, user_id: &Id) -> Result<(i64, UserRows)> {
        const SELECT_USER_ROWS: &str = "
            select ord, home_team, registered_at, cleared_at, first_event_at, last_day, deactivated_at, pairs,
                days, commit_seq
            from database
            left join usage_user on ord = coalesce(:new_ord, (select ord from usage_user_key where digest = :digest))
            left join usage_user_history using (ord)";
        let digest = key.digest(Kind::User, user_id.as_str());
        let mut statement = conn.prepare_cached(SELECT_USER_ROWS)?;
        let mut rows =
            statement.query(named_params! {":new_ord": overlay.new_keys.find(&digest), ":digest": digest})?;
        let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let user = row.get::<_, Option<u32>>(0)?.map(|_| from_row(row)).transpose()?;
        Ok((row.get(9)?, UserRows { user, packed: packed(row)? }))
    }
}

fn packed(row: &Row) -> Result<Vec<u8>> {
    let days = row.get_ref(8)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
    Ok(days.unwrap_or_default().to_vec())
}

/// All that there is of whoever has this id, in memory.
pub struct KnownUser {
    pub user_id: Id,
    /// None if there is no such user.
    pub user: Option<OneUser>,
}

impl KnownUser {
    pub fn figures(&self, cell: Cell, range: DateRange) -> Result<Figures> {
        self.user.as_ref().map_or(Ok(Figures::default()), |user| user.figures(cell, range))
    }
}

pub struct OneUser {
    user: User,
    history: History,
}

enum History {
    /// All of it is folded.
    Packed(Vec<u8>),
    Unpacked(UserHistory),
}

impl OneUser {
    /// `overlay`: of the commit that the rows are of.
    pub fn new(rows: UserRows, overlay: &Overlay) -> Result<Option<OneUser>> {
        let UserRows { user: Some(user), packed } = rows else { return Ok(None) };
        let history = match overlay.is_folded(user.ord) {
            true => History::Packed(packed),
            false => History::Unpacked(overlay.unfolded(user.ord, UserHistory::decode(&packed)?)?),
        };
        Ok(Some(OneUser { user, history }))
    }

    pub fn figures(&self, cell: Cell, range: DateRange) -> Result<Figures> {
        let (mut is_active, mut total_sessions) = (false, 0);
        self.for_each_use(cell, range, |one| {
            is_active |= one.is_active;
            total_sessions += one.sessions;
        })?;
        Ok(figures(&self.user, cell, range, is_active, total_sessions))
    }

    /// Of each of some periods that follow each other.
    pub fn series(&self, cell: Cell, periods: &[DateRange]) -> Result<Vec<Figures>> {
        let (Some(first), Some(last)) = (periods.first(), periods.last()) else { return Ok(vec![]) };
        let whole = DateRange::new(first.start(), last.end()).expect("periods follow each other");
        let mut sums = vec![(false, 0); periods.len()];
        let mut at = 0;
        self.for_each_use(cell, whole, |one| {
            while periods[at].end() < one.day {
                at += 1;
            }
            sums[at].0 |= one.is_active;
            sums[at].1 += one.sessions;
        })?;
        let of_period =
            |(period, (is_active, sessions)): (&DateRange, _)| figures(&self.user, cell, *period, is_active, sessions);
        Ok(periods.iter().zip(sums).map(of_period).collect())
    }

    /// Days ascend.
    fn for_each_use(&self, cell: Cell, range: DateRange, visit: impl FnMut(DayUse)) -> Result<()> {
        match &self.history {
            History::Packed(packed) => for_each_use(packed, cell, range, visit),
            History::Unpacked(history) => {
                history.uses(cell, range)?.into_iter().for_each(visit);
                Ok(())
            }
        }
    }
}

fn figures(user: &User, cell: Cell, range: DateRange, is_active: bool, total_sessions: u64) -> Figures {
    Figures {
        total_users: u64::from(counts_in_total(user, cell, range, is_active)),
        active_users: u64::from(is_active),
        total_sessions,
    }
}
