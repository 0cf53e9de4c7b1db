//! The whole of the usage side against the brute-force model: random facts in random commits, with folding, reloading
//! and erasing in between; every filter, range, series and grouping.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rusqlite::Connection;

use super::brute_force::Model;
use super::delta::Delta;
use super::facts::{Bounds, Facts};
use super::figures::{UsageSnapshot, check, figures, groups, series, visit_groups};
use super::fold::NodeForms;
use super::horizon::prune;
use super::new_keys;
use super::rebuild::rebuild_in_pieces;
use super::rollup::{Rollups, Tuning};
use crate::model::{
    Change, DateRange, Day, Group, GroupBy, History, Id, Interval, Registration, Timestamp, UsageEvent, UsageFilter,
};
use crate::store::digest::DigestKey;

const SCHEMA: &str = include_str!("../../../schema.sql");
/// Few enough that some are stored and some are not.
const KEYS_WAITING_MAX: usize = 3;
const BOUNDS: Bounds = Bounds { teams_max: 100, services_max: 100 };

#[derive(Clone, Debug)]
pub enum Step {
    Record(Vec<UsageEvent>),
    Register(Vec<Registration>),
    Erase(Id, History),
    /// Commits without a change: only folding goes on.
    Idle(usize),
    FoldAll,
    /// Commits without a change, after nothing has come in for a while.
    Quiet(usize),
    /// As after a restart.
    Reload,
    /// As after a repair.
    Rebuild,
    /// Raises the horizon, and takes so many slices of so many rows.
    Prune(Day, usize, usize),
}

/// The real thing and the model side by side.
pub struct World {
    pub conn: Connection,
    pub key: DigestKey,
    facts: Facts,
    pub rollups: Rollups,
    pub tuning: Tuning,
    model: Model,
}

impl World {
    pub fn new(conn: Connection, tuning: Tuning) -> World {
        conn.execute_batch(SCHEMA).unwrap();
        conn.execute_batch("insert into database values (1, '', x'', 0, 0, 0, 0)").unwrap();
        let key = DigestKey::new([7; 32]);
        let mut facts = Facts::load(&conn, key.clone(), BOUNDS).unwrap();
        let rollups = Rollups::load_tuned(&conn, tuning).unwrap();
        facts.users.keys.set_waiting_max(KEYS_WAITING_MAX);
        World { conn, key, facts, rollups, tuning, model: Model::default() }
    }

    pub fn take(&mut self, step: &Step) {
        self.conn.execute_batch("begin immediate").unwrap();
        match step {
            Step::Record(events) => {
                let mut delta = Delta::default();
                let rejected = self.facts.record(&self.conn, events, &mut delta).unwrap();
                self.apply(delta);
                let (taken, old): (Vec<_>, Vec<_>) =
                    events.iter().cloned().partition(|event| event.at.day() >= self.facts.horizon.day);
                assert_eq!(rejected.len(), old.len());
                self.model.record(&taken);
            }
            Step::Register(commands) => {
                let mut delta = Delta::default();
                assert_eq!(self.facts.register(&self.conn, commands, now(), &mut delta).unwrap(), []);
                self.apply(delta);
                commands.iter().for_each(|command| self.model.register(command, now()));
            }
            Step::Erase(id, history) => {
                let mut delta = Delta::default();
                let overlay = self.rollups.overlay();
                let history_of = |ord| overlay.history(&self.conn, ord);
                let erased = self.facts.erase(&self.conn, id, *history, &history_of, &mut delta).unwrap();
                self.apply(delta);
                assert_eq!(erased, self.model.erase(id, *history));
            }
            Step::Idle(commits) => (0..*commits).for_each(|_| self.apply(Delta::default())),
            Step::Quiet(commits) => {
                self.rollups.settle_down();
                self.facts.users.keys.settle_down();
                (0..*commits).for_each(|_| self.apply(Delta::default()));
            }
            Step::FoldAll => self.rollups.fold_all(&self.conn).unwrap(),
            Step::Rebuild => {
                rebuild_in_pieces(&self.conn, self.tuning, 7).unwrap();
                new_keys::rebuild(&self.conn, &self.key, self.facts.ord_end()).unwrap();
                self.reload();
            }
            Step::Prune(before, slices, rows_max) => {
                for _ in 0..*slices {
                    prune(&self.conn, &mut self.facts.horizon, &mut self.rollups, *before, *rows_max).unwrap();
                    self.apply(Delta::default());
                }
            }
            Step::Reload => self.reload(),
        }
        if !matches!(step, Step::Idle(_) | Step::Quiet(_) | Step::FoldAll) {
            self.rollups.forget_answers();
        }
        self.conn.execute_batch("commit").unwrap();
    }

    fn reload(&mut self) {
        self.facts = Facts::load(&self.conn, self.key.clone(), BOUNDS).unwrap();
        self.facts.users.keys.set_waiting_max(KEYS_WAITING_MAX);
        self.rollups = Rollups::load_tuned(&self.conn, self.tuning).unwrap();
        self.rollups.take_keys(self.facts.users.keys.keys());
    }

    fn apply(&mut self, mut delta: Delta) {
        delta.net();
        self.facts.store_keys(&self.conn).unwrap();
        self.rollups.take_keys(self.facts.users.keys.keys());
        self.rollups.apply(&self.conn, delta, self.facts.ord_end()).unwrap();
    }

    pub fn compare(&self, ranges: &[DateRange]) -> Result<(), TestCaseError> {
        let overlay = self.rollups.overlay();
        let snapshot = UsageSnapshot { conn: &self.conn, overlay: &overlay, key: &self.key };
        prop_assert_eq!(check(&snapshot).unwrap(), Vec::<String>::new());
        for range in ranges {
            for filter in filters() {
                let found = figures(&snapshot, *range, &filter).unwrap();
                prop_assert_eq!(found, self.model.figures(*range, &filter), "{:?} {:?}", range, &filter);
                self.compare_visits(&snapshot, *range, &filter)?;
            }
        }
        let filters = filters();
        for (range, filter) in ranges.iter().zip(filters.iter().cycle().skip(ranges[0].days() as usize % filters.len()))
        {
            self.compare_series(&snapshot, *range, filter)?;
            self.compare_groups(&snapshot, *range, filter)?;
        }
        Ok(())
    }

    /// Figures and series, whatever is left of the base facts.
    fn compare_from_rollups(&self, ranges: &[DateRange]) -> Result<(), TestCaseError> {
        let overlay = self.rollups.overlay();
        let snapshot = UsageSnapshot { conn: &self.conn, overlay: &overlay, key: &self.key };
        for range in ranges {
            for filter in filters() {
                let found = figures(&snapshot, *range, &filter).unwrap();
                prop_assert_eq!(found, self.model.figures(*range, &filter), "{:?} {:?}", range, &filter);
                self.compare_series(&snapshot, *range, &filter)?;
            }
        }
        Ok(())
    }

    fn compare_series(
        &self,
        snapshot: &UsageSnapshot,
        range: DateRange,
        filter: &UsageFilter,
    ) -> Result<(), TestCaseError> {
        for interval in [Interval::Day, Interval::Week, Interval::Month] {
            let start = Day::from_index(range.end().index().saturating_sub(40)).unwrap();
            let range = DateRange::new(start.max(range.start()), range.end()).unwrap();
            for (period, wanted) in
                series(snapshot, range, filter, interval).unwrap().iter().zip(range.periods(interval))
            {
                prop_assert_eq!(period.range, wanted);
                let wanted = self.model.figures(period.range, filter);
                prop_assert_eq!(period.figures, wanted, "{:?} of {:?} {:?}", interval, period.range, filter);
            }
        }
        Ok(())
    }

    fn compare_groups(
        &self,
        snapshot: &UsageSnapshot,
        range: DateRange,
        filter: &UsageFilter,
    ) -> Result<(), TestCaseError> {
        for by in [GroupBy::Team, GroupBy::Service, GroupBy::User] {
            let wanted = self.model.groups(range, filter, by);
            for limit in [1, 2, 100] {
                for offset in (0..=wanted.len()).step_by(limit) {
                    let page = groups(snapshot, range, filter, by, offset as u64, limit).unwrap();
                    prop_assert_eq!(page.total, wanted.len() as u64, "{:?} {:?} {:?}", by, range, filter);
                    let end = wanted.len().min(offset + limit);
                    prop_assert_eq!(&page.groups, &wanted[offset..end], "{:?} {:?} {:?}", by, range, filter);
                }
            }
        }
        Ok(())
    }

    /// Every user at once gives what page after page gives.
    fn compare_visits(
        &self,
        snapshot: &UsageSnapshot,
        range: DateRange,
        filter: &UsageFilter,
    ) -> Result<(), TestCaseError> {
        for by in [GroupBy::Team, GroupBy::Service, GroupBy::User] {
            let mut visited = vec![];
            let visit = |group: Group| {
                visited.push(group);
                Ok(())
            };
            visit_groups(snapshot, range, filter, by, visit).unwrap();
            let mut wanted = groups(snapshot, range, filter, by, 0, usize::MAX).unwrap().groups;
            visited.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            wanted.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            prop_assert_eq!(visited, wanted, "{:?} {:?} {:?}", by, range, filter);
        }
        Ok(())
    }
}

pub fn now() -> Timestamp {
    Timestamp::parse("2024-06-01T12:00:00Z").unwrap()
}

pub fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

/// Every combination of a known, another or an unknown name, or none.
fn filters() -> Vec<UsageFilter> {
    let some = |texts: &[&str]| -> Vec<Option<Id>> {
        [None].into_iter().chain(texts.iter().map(|text| Some(id(text)))).collect()
    };
    let mut filters = vec![];
    for user_id in some(&["u0", "u1", "nobody"]) {
        for team_id in some(&["a", "b", "no team"]) {
            for service in some(&["x", "no service"]) {
                filters.push(UsageFilter { user_id: user_id.clone(), team_id: team_id.clone(), service });
            }
        }
    }
    filters
}

/// Close together, at exact gaps, around midnight, in other months and years, and at both ends of the calendar.
fn instant() -> impl Strategy<Value = Timestamp> {
    let start = Timestamp::parse("2024-02-28T22:00:00Z").unwrap().unix_micros();
    let seconds = 1_000_000i64;
    prop_oneof![
        6 => (0..20i64).prop_map(move |n| start + n * 1_800 * seconds),
        2 => (-6..6i64).prop_map(move |n| start + 26 * 3_600 * seconds + n * 1_800 * seconds),
        3 => (0..4 * 86_400i64).prop_map(move |n| start + n * seconds),
        3 => (0..20i64).prop_map(move |n| start + n * (1_800 * seconds + 1)),
        4 => (-500..500i64).prop_map(move |n| start + n * 86_400 * seconds),
        1 => select(vec![Timestamp::MIN.unix_micros(), Timestamp::MAX.unix_micros()]),
    ]
    .prop_map(|micros| Timestamp::from_unix_micros(micros).unwrap())
}

fn user_id() -> impl Strategy<Value = Id> {
    (0..5u32).prop_map(|n| id(&format!("u{n}")))
}

fn name(names: &'static [&'static str]) -> impl Strategy<Value = Option<Id>> {
    select(names).prop_map(|name| Id::new(name).ok())
}

prop_compose! {
    fn event()(
        user_id in user_id(), at in instant(), team_id in name(&["", "a", "b", "c"]), service in name(&["", "x", "y"]),
        session_id in name(&["", "", "", "s1", "s2"]),
    ) -> UsageEvent {
        UsageEvent { user_id, at, team_id, service, session_id }
    }
}

fn change<T: Clone + std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Change<T>> {
    (0..3u8, value).prop_map(|(kind, value)| match kind {
        0 => Change::Keep,
        1 => Change::Clear,
        _ => Change::Set(value),
    })
}

prop_compose! {
    fn registration()(
        user_id in user_id(), team_id in change(select(vec![id("a"), id("b")])), registered_at in change(instant()),
        deactivated_at in change(instant()),
    ) -> Registration {
        Registration { user_id, team_id, registered_at, deactivated_at }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => vec(event(), 1..25).prop_map(Step::Record),
        3 => vec(registration(), 1..4).prop_map(Step::Register),
        2 => (user_id(), select(vec![History::Anonymize, History::Remove])).prop_map(|(id, history)| Step::Erase(id, history)),
        2 => (1..20usize).prop_map(Step::Idle),
        1 => (1..20usize).prop_map(Step::Quiet),
        1 => Just(Step::FoldAll),
        1 => Just(Step::Reload),
        1 => Just(Step::Rebuild),
        2 => (horizon(), 1..5usize, select(vec![1, 3, 100])).prop_map(|(day, slices, rows)| Step::Prune(day, slices, rows)),
    ]
}

/// In the midst of what [`instant`] gives, and around it; not always the first of a month.
fn horizon() -> impl Strategy<Value = Day> {
    select(vec!["2022-12-31", "2024-02-01", "2024-03-01", "2024-03-02", "2024-05-17"])
        .prop_map(|day| Day::parse(day).unwrap())
}

prop_compose! {
    fn tuning()(
        seal_at_entries in select(vec![0, 30, 200, 100_000]), seal_at_deltas in select(vec![3, 1_000]),
        slice_entries_min in select(vec![1, 10, 1_000]), month_bytes_max in select(vec![0, 20, 16_384]),
        year_user_days_min in select(vec![1, 6, 8_192]), span_cache_bytes in select(vec![0, 2_000, 10_000, 1 << 20]),
    ) -> Tuning {
        let forms = NodeForms { month_bytes_max, year_user_days_min };
        Tuning { seal_at_entries, seal_at_deltas, slice_entries_min, forms, span_cache_bytes }
    }
}

fn range() -> impl Strategy<Value = DateRange> {
    let all = DateRange::new(Day::MIN, Day::MAX).unwrap();
    let near = Day::parse("2024-02-28").unwrap().index();
    let between = |(a, b): (u32, u32)| {
        let day = |index| Day::from_index(index).unwrap();
        DateRange::new(day(a.min(b)), day(a.max(b))).unwrap()
    };
    prop_oneof![
        4 => (near - 2..near + 5, near - 2..near + 5).prop_map(between),
        3 => (near - 450..near + 450, near - 450..near + 450).prop_map(between),
        1 => Just(all),
        1 => Just(DateRange::new(Day::parse("2024-01-01").unwrap(), Day::parse("2024-12-31").unwrap()).unwrap()),
        1 => (near - 1..near + 3).prop_map(move |day| between((day, day))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2_000, ..crate::store::testing::cases(96) })]

    #[test]
    fn every_answer_is_what_the_definitions_say(
        steps in vec(step(), 1..14), tuning in tuning(), ranges in vec(range(), 4),
    ) {
        let mut world = World::new(Connection::open_in_memory().unwrap(), tuning);
        for step in &steps {
            world.take(step);
            world.compare(&ranges[..2])?;
        }
        world.take(&Step::FoldAll);
        world.compare(&ranges)?;
    }

    #[test]
    fn figures_and_removals_need_no_base_facts_of_days(
        steps in vec(step(), 1..14), tuning in tuning(), ranges in vec(range(), 1), fold in any::<bool>(),
        erased in vec(user_id(), 1..3),
    ) {
        let mut world = World::new(Connection::open_in_memory().unwrap(), tuning);
        steps.iter().for_each(|step| world.take(step));
        if fold {
            world.take(&Step::FoldAll);
        }
        world.conn.execute_batch("delete from usage_user_day; delete from usage_session").unwrap();
        world.compare_from_rollups(&ranges)?;
        for id in erased {
            world.take(&Step::Erase(id, History::Remove));
        }
        world.compare_from_rollups(&ranges)?;
        world.take(&Step::FoldAll);
        world.compare_from_rollups(&ranges)?;
    }
}
