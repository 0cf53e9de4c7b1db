//! The users of a cell over a range, as spans: from memory where they are there, from the nodes where not.

use std::ops::Range;
use std::sync::Arc;

use rusqlite::Connection;

use super::kept::Irregular;
use super::lattice::Cell;
use super::month_days::{DayList, Days};
use super::node;
use super::node_reads::clip;
use super::overlay::Overlay;
use super::sets::{self, UserBits};
use super::span::{Active, Span, SpanKey, SpanKind};
use super::totals::load_sums;
use super::user_sessions;
use super::user_set::{UserSet, count_united, take_out, unite};
use crate::error::Result;
use crate::model::{DateRange, Day};

/// Where spans come from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// None for a reader without a transaction: it finds only what is in memory.
    pub conn: Option<&'a Connection>,
    pub overlay: &'a Overlay,
}

/// Where there are fewer users than this, their days serve as well as any union of them.
const FEW_USERS: u64 = 2_048;

/// From a day to the first, or the last, of its period.
type Border = fn(Day) -> Day;

/// The spans that a range comes down to.
#[derive(Default)]
pub struct Gathered {
    pub sessions: i64,
    /// Each with the days that count, where it is one of single days.
    spans: Vec<(Arc<Span>, Range<usize>)>,
}

impl Gathered {
    /// Adds the users of all spans to the bitset.
    pub fn unite(&self, bits: &mut UserBits) -> Result<()> {
        unite(self.sets(), bits)?;
        self.lists().try_for_each(|list| list.insert_into(bits))
    }

    /// Takes them out again, as [`take_out`]; only where they are so few that this is quicker than to count all bits.
    pub fn take_out(&self, bits: &mut UserBits) -> Option<u64> {
        let users = self.sets().map(UserSet::len).sum::<u64>() + self.lists().map(|list| list.len()).sum::<u64>();
        if users > bits.words().len() as u64 {
            return None;
        }
        let taken = take_out(self.sets(), bits)?;
        Some(taken + self.lists().map(|list| list.take_out_of(bits)).sum::<u64>())
    }

    /// How many users the spans have together, of all below `ord_end`. None where they must be united to know.
    pub fn count(&self, ord_end: u32) -> Result<Option<u64>> {
        if self.lists().next().is_some() {
            return Ok(None);
        }
        let mut sets = self.sets().filter(|set| set.len() > 0);
        match (sets.next(), sets.next()) {
            (None, _) => Ok(Some(0)),
            // Whom one set holds need not be counted again.
            (Some(only), None) => Ok(Some(only.len())),
            _ => count_united(self.sets(), ord_end).map(Some),
        }
    }

    fn sets(&self) -> impl Iterator<Item = &UserSet> {
        self.spans.iter().flat_map(|(span, days)| {
            let (one, several) = match &**span {
                Span::Users(active) => (Some(&active.users), None),
                Span::Days(all) => (None, Some(all.sets(days.clone()))),
                Span::Years(_) | Span::Split | Span::Sums(_) | Span::Sessions(_) => (None, None),
            };
            one.into_iter().chain(several.into_iter().flatten())
        })
    }

    fn lists(&self) -> impl Iterator<Item = DayList<'_>> {
        self.spans.iter().flat_map(|(span, days)| {
            let lists = if let Span::Days(all) = &**span { Some(all.lists(days.clone())) } else { None };
            lists.into_iter().flatten()
        })
    }

    fn add(&mut self, span: Arc<Span>) {
        if let Span::Users(active) = &*span {
            self.sessions += active.sessions;
            self.spans.push((span, 0..0));
        }
    }

    fn add_days(&mut self, span: Arc<Span>, range: DateRange) {
        if let Span::Days(days) = &*span {
            let places = days.within(range);
            self.sessions += days.sessions(places.clone());
            self.spans.push((span, places));
        }
    }
}

impl Source<'_> {
    /// What the nodes hold of the cell over the range. None if something of it is not in memory and there is no
    /// transaction to read it in.
    pub fn gather(&self, cell: Cell, range: DateRange) -> Result<Option<Gathered>> {
        let mut gathered = Gathered::default();
        Ok(self.add_years(cell, range, &mut gathered)?.then_some(gathered))
    }

    /// The span of the key; None as [`Source::gather`].
    pub fn span(&self, cell: Cell, key: SpanKey) -> Result<Option<Arc<Span>>> {
        let Overlay { spans, folds, .. } = self.overlay;
        if let Some(span) = spans.get(*folds, cell, key) {
            return Ok(Some(span));
        }
        let Some(conn) = self.conn else { return Ok(None) };
        let span = Arc::new(self.load(conn, cell, key)?);
        spans.put(*folds, cell, key, Arc::clone(&span));
        Ok(Some(span))
    }

    /// As [`super::kept::Kept::irregular_before`].
    pub fn irregular_before(&self, day: Day) -> Result<Option<Irregular>> {
        self.overlay.kept.irregular_before(self.conn, day)
    }

    /// Each of these gives false where something is missing.
    fn add_years(&self, cell: Cell, range: DateRange, to: &mut Gathered) -> Result<bool> {
        let Some(span) = self.span(cell, SpanKey::over_all(SpanKind::Years))? else { return Ok(false) };
        let Span::Years(years) = &*span else { return Ok(true) };
        let is_whole = |(year, _): &(DateRange, bool)| range.contains(year.start()) && range.contains(year.end());
        if years.len() > 1 && years.iter().all(is_whole) {
            let whole = self.span(cell, SpanKey::over_all(SpanKind::Whole))?;
            return Ok(whole.map(|whole| to.add(whole)).is_some());
        }
        self.add_each_year(cell, years, range, to)
    }

    fn add_each_year(
        &self,
        cell: Cell,
        years: &[(DateRange, bool)],
        range: DateRange,
        to: &mut Gathered,
    ) -> Result<bool> {
        let touching = years.iter().filter(|(year, _)| year.start() <= range.end() && range.start() <= year.end());
        for (year, has_union) in touching {
            let within = clip(*year, range);
            let is_there = match *has_union && within == *year {
                true => self.add_whole(cell, SpanKind::Year, year.start(), to)?.is_some(),
                false => self.add_quarters(cell, within, to)?,
            };
            if !is_there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn add_quarters(&self, cell: Cell, range: DateRange, to: &mut Gathered) -> Result<bool> {
        let part = |within: DateRange, to: &mut Gathered| self.add_months(cell, within, to);
        self.add_parts(cell, SpanKind::Quarter, (Day::quarter_start, Day::quarter_end), range, to, part)
    }

    fn add_months(&self, cell: Cell, range: DateRange, to: &mut Gathered) -> Result<bool> {
        let part = |within: DateRange, to: &mut Gathered| self.add_thirds(cell, within, to);
        self.add_parts(cell, SpanKind::Month, (Day::month_start, Day::month_end), range, to, part)
    }

    /// `range`: within a month.
    fn add_thirds(&self, cell: Cell, range: DateRange, to: &mut Gathered) -> Result<bool> {
        let key = SpanKey { kind: SpanKind::Days, start: range.start().month_start() };
        let Some(span) = self.span(cell, key)? else { return Ok(false) };
        let Span::Days(days) = &*span else { return Ok(true) };
        if days.users(days.within(range)) < FEW_USERS {
            to.add_days(span, range);
            return Ok(true);
        }
        let part = |within: DateRange, to: &mut Gathered| {
            to.add_days(Arc::clone(&span), within);
            Ok(true)
        };
        self.add_parts(cell, SpanKind::Third, (Day::third_start, Day::third_end), range, to, part)
    }

    /// Cuts the range at the borders of a kind of span. What covers one is taken whole, unless it is split; what does not
    /// is for `part`.
    fn add_parts(
        &self,
        cell: Cell,
        kind: SpanKind,
        borders: (Border, Border),
        range: DateRange,
        to: &mut Gathered,
        part: impl Fn(DateRange, &mut Gathered) -> Result<bool>,
    ) -> Result<bool> {
        let mut next = Some(range.start());
        while let Some(day) = next.filter(|day| *day <= range.end()) {
            let (start, end) = (borders.0(day), borders.1(day));
            let within = DateRange::new(day, end.min(range.end())).expect("a period ends behind its days");
            let whole = match within.start() == start && within.end() == end {
                true => self.add_whole(cell, kind, start, to)?,
                false => Some(false),
            };
            let Some(is_added) = whole else { return Ok(false) };
            if !is_added && !part(within, to)? {
                return Ok(false);
            }
            next = end.next();
        }
        Ok(true)
    }

    /// Whether the span has been added, or is split; None if it is missing.
    fn add_whole(&self, cell: Cell, kind: SpanKind, start: Day, to: &mut Gathered) -> Result<Option<bool>> {
        let Some(span) = self.span(cell, SpanKey { kind, start })? else { return Ok(None) };
        let is_whole = !matches!(*span, Span::Split);
        to.add(span);
        Ok(Some(is_whole))
    }

    fn load(&self, conn: &Connection, cell: Cell, key: SpanKey) -> Result<Span> {
        let period = key.days();
        match key.kind {
            SpanKind::Years => Ok(Span::Years(node::years(conn, cell)?.into_boxed_slice())),
            SpanKind::Days => load_days(conn, cell, period, self.overlay.ord_end),
            SpanKind::YearSessions | SpanKind::QuarterSessions => user_sessions::load(self, cell, period),
            SpanKind::Count(kind) => Ok(Span::Sums(load_sums(conn, kind, cell)?)),
            SpanKind::Quarter | SpanKind::Month if node::users_of_months(conn, cell, period)? < FEW_USERS => {
                Ok(Span::Split)
            }
            _ => self.load_users(conn, cell, key),
        }
    }

    fn load_users(&self, conn: &Connection, cell: Cell, key: SpanKey) -> Result<Span> {
        let period = key.days();
        let mut bits = UserBits::new(self.overlay.ord_end);
        let sessions = match key.kind {
            SpanKind::Whole => {
                let years = node::years(conn, cell)?;
                self.unite_parts(&mut bits, |to| self.add_each_year(cell, &years, period, to))?
            }
            SpanKind::Year => node::collect(conn, cell, period, &mut bits)?,
            SpanKind::Quarter => self.unite_parts(&mut bits, |to| self.add_months(cell, period, to))?,
            _ => node::collect_months(conn, cell, period, &mut bits)?,
        };
        let users = UserSet::of_bits(&bits);
        let is_split = matches!(key.kind, SpanKind::Quarter | SpanKind::Third) && !users.is_dense();
        Ok(if is_split { Span::Split } else { Span::Users(Active { users, sessions }) })
    }

    fn unite_parts(&self, bits: &mut UserBits, gather: impl FnOnce(&mut Gathered) -> Result<bool>) -> Result<i64> {
        let mut parts = Gathered::default();
        let is_there = gather(&mut parts)?;
        debug_assert!(is_there, "a transaction finds everything");
        parts.unite(bits)?;
        Ok(parts.sessions)
    }
}

fn load_days(conn: &Connection, cell: Cell, month: DateRange, ord_end: u32) -> Result<Span> {
    let mut days = Days::new(month.start(), ord_end);
    let mut users = vec![];
    node::for_each_dated_set(conn, cell, month, |day, packed, sessions| {
        sets::decode_into(packed, &mut users)?;
        days.push(day, &users, sessions)
    })?;
    Ok(Span::Days(days.finish()))
}
