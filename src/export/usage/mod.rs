//! Usage figures: rows from one short snapshot, and as CSV. What does not fit into memory waits in a file without a name,
//! so that the snapshot can be closed before the first row is written.

mod order;
mod row;
mod spool;
#[cfg(test)]
mod tests;

pub use self::order::Rows;
use self::order::Sorter;
pub use self::row::UsageRow;
use super::csv::{self, BYTE_ORDER_MARK, LINE_END};
use super::sink::Sink;
use super::{Assignment, Watch, Written};
use crate::clock::give_way;
use crate::error::Result;
use crate::model::{CsvOptions, DateRange, Figures, GroupBy, Interval, UsageExport, UsageRows};
use crate::store::{Revision, Snapshot, Store};

/// Series are computed for so many periods at a time.
const PERIODS_AT_ONCE: usize = 16_384;
/// Rows written at a stretch, before others may have the processor.
const ROWS_PER_STRETCH: u64 = 128;
/// Rows written in one turn.
const ROWS_PER_TURN: u64 = 5_000;

/// A usage report at one revision.
pub struct UsageReport {
    /// The figures of the whole range.
    pub totals: Figures,
    pub revision: Revision,
    /// As the endpoint orders them.
    pub rows: Rows,
}

/// Takes the report from one snapshot, and closes it. Errors with `StorageFull` if the disk has no room for rows that
/// memory has none for.
pub fn load(store: &Store, assignment: &Assignment, usage: &UsageExport, watch: &Watch) -> Result<UsageReport> {
    let _turn = watch.turn()?;
    let snapshot = store.bulk_snapshot()?;
    let mut sorter = Sorter::new(&assignment.scratch);
    match usage.rows {
        UsageRows::Periods(interval) => push_periods(&snapshot, usage, interval, &mut sorter, watch)?,
        UsageRows::Groups(by) => push_groups(&snapshot, usage, by, &mut sorter, watch)?,
    }
    let totals = snapshot.figures(usage.range, &usage.filter)?;
    let revision = snapshot.usage_revision();
    drop(snapshot);
    let rows = sorter.finish()?;
    watch.expect_rows(rows.len());
    Ok(UsageReport { totals, revision, rows })
}

fn push_periods(
    snapshot: &Snapshot,
    usage: &UsageExport,
    interval: Interval,
    sorter: &mut Sorter,
    watch: &Watch,
) -> Result<()> {
    let mut periods = usage.range.periods(interval);
    while let Some(first) = periods.next() {
        let last = periods.by_ref().take(PERIODS_AT_ONCE - 1).last().unwrap_or(first);
        let piece = DateRange::new(first.start(), last.end()).expect("periods follow each other");
        for period in snapshot.series(piece, &usage.filter, interval)? {
            sorter.push(UsageRow { range: period.range, id: None, figures: period.figures })?;
        }
        watch.check()?;
    }
    Ok(())
}

fn push_groups(
    snapshot: &Snapshot,
    usage: &UsageExport,
    by: GroupBy,
    sorter: &mut Sorter,
    watch: &Watch,
) -> Result<()> {
    snapshot.visit_groups(usage.range, &usage.filter, by, |group| {
        watch.check()?;
        sorter.push(UsageRow { range: usage.range, id: group.id, figures: group.figures })
    })
}

/// The names of the columns, in order.
pub fn columns(rows: UsageRows) -> Vec<&'static str> {
    let id = match rows {
        UsageRows::Periods(_) => None,
        UsageRows::Groups(GroupBy::Team) => Some("team_id"),
        UsageRows::Groups(GroupBy::Service) => Some("service"),
        UsageRows::Groups(GroupBy::User) => Some("user_id"),
    };
    let figures = ["total_users", "active_users", "total_sessions"];
    ["start_date", "end_date"].into_iter().chain(id).chain(figures).collect()
}

/// Visits all rows in order, so many in a turn.
pub fn for_each_row(rows: &mut Rows, watch: &Watch, mut visit: impl FnMut(&UsageRow) -> Result<()>) -> Result<()> {
    loop {
        let _turn = watch.turn()?;
        for done in 0..ROWS_PER_TURN {
            let Some(row) = rows.next()? else {
                watch.add_rows(done);
                return Ok(());
            };
            visit(&row)?;
            if done % ROWS_PER_STRETCH == 0 {
                give_way();
            }
        }
        watch.add_rows(ROWS_PER_TURN);
    }
}

pub fn write_csv(
    store: &Store,
    assignment: &Assignment,
    usage: &UsageExport,
    options: CsvOptions,
    watch: &Watch,
) -> Result<Written> {
    let mut report = load(store, assignment, usage, watch)?;
    let mut sink = Sink::open(&assignment.file, options.gzip, assignment.bytes_max)?;
    let mut line = if options.bom { BYTE_ORDER_MARK.to_vec() } else { vec![] };
    line.extend_from_slice(columns(usage.rows).join(",").as_bytes());
    line.extend_from_slice(LINE_END);
    sink.write(&line)?;
    let is_grouped = matches!(usage.rows, UsageRows::Groups(_));
    for_each_row(&mut report.rows, watch, |row| {
        line.clear();
        push_line(&mut line, row, is_grouped, options.raw);
        sink.write(&line)
    })?;
    sink.finish(report.rows.len())
}

fn push_line(line: &mut Vec<u8>, row: &UsageRow, is_grouped: bool, raw: bool) {
    let Figures { total_users, active_users, total_sessions } = row.figures;
    line.extend_from_slice(format!("{},{},", row.range.start(), row.range.end()).as_bytes());
    if is_grouped {
        csv::push_text(line, row.id.as_ref().map_or("", |id| id.as_str()), raw);
        line.push(b',');
    }
    line.extend_from_slice(format!("{total_users},{active_users},{total_sessions}").as_bytes());
    line.extend_from_slice(LINE_END);
}
