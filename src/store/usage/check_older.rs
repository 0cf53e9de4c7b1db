//! Compares nodes of days whose base facts have gone: with each other, and with the histories of users.

use std::collections::BTreeSet;

use rusqlite::{Connection, named_params};

use super::check::{Report, shown};
use super::check_histories::Activity;
use super::check_nodes::folded_days;
use super::figures::UsageSnapshot;
use super::lattice::{Cell, CellKey, Level};
use crate::error::Result;
use crate::model::{DateRange, Day};

/// The months (by their first day) before the day of which there are nodes, and whose.
pub(super) fn older_months(conn: &Connection, before: Day) -> Result<BTreeSet<(Day, Cell)>> {
    const SELECT_MONTHS: &str = "select key from usage_node where key >> 22 & 3 = :month and key & 0x3fffff < :before";
    let mut months = BTreeSet::new();
    if before == Day::MIN {
        return Ok(months);
    }
    let mut statement = conn.prepare_cached(SELECT_MONTHS)?;
    let mut rows = statement.query(named_params! {":month": Level::Month as i64, ":before": before.index()})?;
    while let Some(row) = rows.next()? {
        let key = CellKey::from_sql(row.get(0)?);
        months.insert((key.day().month_start(), key.cell()));
    }
    Ok(months)
}

/// Compares the nodes of each cell over a month with those of its days, and adds what they say of users to `activity`.
/// Returns how many there are.
pub(super) fn check_older_month(
    snapshot: &UsageSnapshot,
    month: DateRange,
    cells: &BTreeSet<Cell>,
    activity: &mut Activity,
    report: &mut Report,
) -> Result<u64> {
    let mut nodes = 0;
    let removed = snapshot.overlay.removed_users();
    for cell in cells.iter().copied() {
        let mut add = |day, ord, active, extra| match removed.contains(&ord) {
            true => Ok(()),
            false => activity.add_of_node(ord, day, cell, active, extra),
        };
        let folded = folded_days(snapshot.conn, cell, month, report, |day, users| {
            users.users.iter().try_for_each(|ord| add(day, *ord, 1, 0))?;
            users.extras.iter().try_for_each(|(ord, n)| add(day, *ord, 0, i64::from(*n)))
        });
        match folded {
            Ok((_, found)) => nodes += found,
            Err(error) => report.add(format!("usage_node, {}, {} (month): {error}", shown(cell), month.start())),
        }
        let mut pending = Ok(());
        let mut note = |added: Result<()>| {
            if pending.is_ok() {
                pending = added;
            }
        };
        snapshot.overlay.for_each_user(cell, month, |day, ord, active| note(add(day, ord, active, 0)));
        snapshot.overlay.for_each_extra(cell, month, |day, ord, n| note(add(day, ord, 0, n)));
        pending?;
    }
    Ok(nodes)
}
