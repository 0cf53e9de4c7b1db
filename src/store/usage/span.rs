//! Spans: stretches of the calendar of which a cell's users are kept in memory as one set, so that any range is made of a
//! few of them.
//!
//! A range is whole years, then whole quarters, months and thirds of months, and at either end single days. A span is
//! kept where its set is dense: there it takes less room than its parts and unites in a fraction of their time. A list
//! of users is no shorter for being one, so a sparse span is [`Span::Split`] into its parts. Of a cell with few users
//! these are the days of its months, one span for each month.

use super::delta::CountKind;
use super::lattice::{Cell, CellKey, Level};
use super::month_days::MonthDays;
use super::overlay::key_after;
use super::run::{Run, counts_between};
use super::user_sessions::SessionCounts;
use super::user_set::UserSet;
use crate::model::{DateRange, Day};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SpanKind {
    /// The years in which the cell has anything.
    Years,
    /// The users of them all.
    Whole,
    Year,
    Quarter,
    Month,
    /// A third of a month.
    Third,
    /// The single days of a month.
    Days,
    /// A count over all days.
    Count(CountKind),
    /// The sessions of each user.
    YearSessions,
    QuarterSessions,
}

/// Names a span of a cell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SpanKey {
    pub kind: SpanKind,
    /// [`Day::MIN`] for what goes over all days.
    pub start: Day,
}

/// What the nodes and counts hold of a cell over a span.
#[derive(Debug)]
pub enum Span {
    Years(Box<[(DateRange, bool)]>),
    Users(Active),
    /// Its parts serve better.
    Split,
    Days(MonthDays),
    /// Sums up to and including each day on which the count changes.
    Sums(Box<[(Day, i64)]>),
    Sessions(SessionCounts),
}

/// Distinct users, and the sessions that started.
#[derive(Debug)]
pub struct Active {
    pub users: UserSet,
    pub sessions: i64,
}

impl SpanKey {
    pub fn over_all(kind: SpanKind) -> SpanKey {
        SpanKey { kind, start: Day::MIN }
    }

    /// Whether folding the run's entries from `from` up to but not including `to` changes what is kept of the cell.
    pub fn is_changed(self, cell: Cell, run: &Run, from: CellKey, to: CellKey) -> bool {
        let days = self.days();
        let from = from.max(cell.key(Level::Day, days.start()));
        let to = to.min(key_after(cell.key(Level::Day, days.end())));
        match self.kind {
            SpanKind::Count(kind) => from < to && !counts_between(run.counts(kind), from, to).is_empty(),
            _ => {
                let mut columns = [&run.added, &run.removed, &run.extras.at].into_iter();
                from < to && columns.any(|column| !column.between(from, to).is_empty())
            }
        }
    }

    /// The days that it goes over.
    pub fn days(self) -> DateRange {
        let end = match self.kind {
            SpanKind::Years | SpanKind::Whole | SpanKind::Count(_) => Day::MAX,
            SpanKind::Year | SpanKind::YearSessions => self.start.year_end(),
            SpanKind::Quarter | SpanKind::QuarterSessions => self.start.quarter_end(),
            SpanKind::Month | SpanKind::Days => self.start.month_end(),
            SpanKind::Third => self.start.third_end(),
        };
        DateRange::new(self.start, end).expect("a span ends behind its start")
    }
}

impl Span {
    /// In memory, about.
    pub fn bytes(&self) -> usize {
        size_of::<Span>()
            + match self {
                Span::Years(years) => size_of_val(&**years),
                Span::Users(active) => active.users.bytes(),
                Span::Split => 0,
                Span::Days(days) => days.bytes(),
                Span::Sums(sums) => size_of_val(&**sums),
                Span::Sessions(counts) => counts.size(),
            }
    }
}
