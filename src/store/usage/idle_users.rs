//! Who counts in a cell's total without having done anything in the range.

use rusqlite::{Connection, named_params};

use super::figures::{UsageSnapshot, collect};
use super::lattice::{ANY, Cell, NONE};
use super::sets::UserBits;
use super::totals::counts_in_total;
use super::user::User;
use crate::error::Result;
use crate::model::{DateRange, Day};

/// The users that count in the total though they were not active in the range, ascending; of those with sessions there,
/// too, which the caller may know. Where the cell is of a team or a service, sets answer for who has used it, and only
/// those at home in the team are looked at one by one.
pub fn idle_users(snapshot: &UsageSnapshot, range: DateRange, cell: Cell, active: &UserBits) -> Result<Vec<u32>> {
    if cell == Cell::ALL {
        return passive_users(snapshot.conn, range, cell, active);
    }
    let until = DateRange::new(Day::MIN, range.end()).expect("no day lies before the first");
    let mut idle = UserBits::new(snapshot.overlay.ord_end);
    collect(snapshot, cell, until, &mut idle)?;
    active.iter().for_each(|ord| idle.remove(ord));
    for_each_left(snapshot.conn, range.start(), |ord| idle.remove(ord))?;
    if cell.service() == ANY && cell.team() != NONE {
        for ord in at_home(snapshot.conn, cell.team())? {
            if !active.contains(ord) && !idle.contains(ord) {
                let user = User::load(snapshot.conn, ord)?;
                if user.is_some_and(|user| counts_in_total(&user, cell, range, false)) {
                    idle.insert(ord)?;
                }
            }
        }
    }
    Ok(idle.iter().collect())
}

fn passive_users(conn: &Connection, range: DateRange, cell: Cell, active: &UserBits) -> Result<Vec<u32>> {
    let mut idle = vec![];
    User::for_each(conn, |user| {
        if !active.contains(user.ord) && counts_in_total(&user, cell, range, false) {
            idle.push(user.ord);
        }
        Ok(())
    })?;
    Ok(idle)
}

/// Users deactivated before the day began.
fn for_each_left(conn: &Connection, day: Day, mut visit: impl FnMut(u32)) -> Result<()> {
    // Every value of `irregular`, so that the index finds them.
    const SELECT_LEFT: &str = "select ord from usage_user where irregular in (0, 1) and deactivated_at < :start";
    let mut statement = conn.prepare_cached(SELECT_LEFT)?;
    let mut rows = statement.query(named_params! {":start": day.start().unix_micros()})?;
    while let Some(row) = rows.next()? {
        visit(row.get(0)?);
    }
    Ok(())
}

/// An index would take ten bytes a user, for a question that is asked of few and answered in .1 us a user.
fn at_home(conn: &Connection, team: u32) -> Result<Vec<u32>> {
    const SELECT_AT_HOME: &str = "select ord from usage_user where home_team = :team order by ord";
    conn.prepare_cached(SELECT_AT_HOME)?.query_and_then(named_params! {":team": team}, |row| Ok(row.get(0)?))?.collect()
}
