//! Compares what is kept of users with each other and with their activity.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::check::Report;
use super::check_histories::Activity;
use super::figures::UsageSnapshot;
use super::user::User;
use crate::error::Result;
use crate::model::{Day, Id};
use crate::store::digest::Kind;

/// Each id is found by its digest and leads to a user, whose first and last days are those of its activity.
pub(super) fn check_users(snapshot: &UsageSnapshot, activity: &Activity, report: &mut Report) -> Result<()> {
    const COUNT_KEYS: &str = "select count(*) from usage_user_key";
    let keyed = check_names(snapshot, report)?;
    let keys: i64 = snapshot.conn.query_row(COUNT_KEYS, [], |row| row.get(0))?;
    report.expect(|| "usage_user_key, rows".to_string(), keys, keyed);
    check_unnamed(snapshot.conn, report)?;
    User::for_each(snapshot.conn, |user| {
        check_days(&user, activity, report);
        Ok(())
    })
}

/// Returns how many users are found by usage_user_key.
fn check_names(snapshot: &UsageSnapshot, report: &mut Report) -> Result<i64> {
    const SELECT_NAMES: &str = "select ord, user_id from usage_user_name";
    const SELECT_KEY: &str = "select ord from usage_user_key where digest = :digest";
    let mut find = snapshot.conn.prepare_cached(SELECT_KEY)?;
    let mut statement = snapshot.conn.prepare_cached(SELECT_NAMES)?;
    let mut rows = statement.query([])?;
    let mut keyed = 0;
    while let Some(row) = rows.next()? {
        let (ord, text): (u32, String) = (row.get(0)?, row.get(1)?);
        let is_erased = !text.is_empty() && text.bytes().all(|byte| byte == 1);
        if is_erased {
            continue;
        }
        let digest = Id::new(text).map(|user_id| snapshot.key.digest(Kind::User, user_id.as_str())).ok();
        let found: Option<u32> = find.query_row(named_params! {":digest": digest}, |row| row.get(0)).optional()?;
        keyed += i64::from(found.is_some());
        let found = found.or_else(|| snapshot.overlay.new_keys.find(&digest?));
        if found != Some(ord) {
            report.add(format!("usage_user_name, user {ord}: is not found by its id"));
        } else if User::load(snapshot.conn, ord)?.is_none() {
            report.add(format!("usage_user_name, user {ord}: has no row in usage_user"));
        }
    }
    Ok(keyed)
}

fn check_unnamed(conn: &Connection, report: &mut Report) -> Result<()> {
    const COUNT_UNNAMED: &str = "select count(*) from usage_user where ord not in (select ord from usage_user_name)";
    let unnamed: i64 = conn.query_row(COUNT_UNNAMED, [], |row| row.get(0))?;
    report.expect(|| "usage_user, users without a row in usage_user_name".to_string(), unnamed, 0);
    Ok(())
}

fn check_days(user: &User, activity: &Activity, report: &mut Report) {
    let (first, last) = activity.span(user.ord);
    // Of a user who is not deactivated only the month is kept.
    let last = if user.deactivated_at.is_some() { last } else { last.map(Day::month_end) };
    if user.first_event_at.map(|at| at.day()) != first {
        report.add(format!("usage_user, user {}: another first day than the base facts say", user.ord));
    }
    if user.last_day != last {
        report.add(format!("usage_user, user {}: another last day than the base facts say", user.ord));
    }
}
