use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::store::usage::lattice::Cell;
use crate::store::usage::test_store::sessions_by_user;
use crate::store::usage::user_day::{Activity, UserDay, quarter};

const SECOND: i64 = 1_000_000;

/// A user's days as the database would keep them, and all that was reported on the way.
#[derive(Default)]
struct Kept {
    rows: BTreeMap<Day, Vec<u8>>,
    reported: Delta,
}

impl Kept {
    fn take(&mut self, batch: &[Touch]) {
        let rows = &self.rows;
        let mut load = |day: Day| rows.get(&day).map(|bytes| UserDay::decode(bytes, day)).transpose();
        let mut days = Days::new(1, &mut load);
        for event in batch {
            days.note_activity(*event, &mut self.reported).unwrap();
            join(&mut days, *event, &mut self.reported).unwrap();
        }
        let changed: Vec<(Day, UserDay)> = days.into_changed().collect();
        for (day, mut record) in changed {
            let mut bytes = vec![];
            record.encode(day, &mut bytes);
            self.rows.insert(day, bytes);
        }
    }

    fn counts(&self) -> BTreeMap<(Day, Cell), i32> {
        sessions_by_user(&self.reported).into_iter().map(|((day, _, cell), n)| ((day, cell), n)).collect()
    }

    /// The (day, cell) pairs of the reported facts, each as often as it was reported.
    fn active_cells(&self) -> Vec<(Day, Cell)> {
        let mut active = vec![];
        for fact in &self.reported.added {
            let cells = Cell::touched(fact.team, fact.service).into_iter().enumerate();
            active.extend(cells.filter(|(bit, _)| fact.cells >> bit & 1 == 1).map(|(_, cell)| (fact.day, cell)));
        }
        active.sort_unstable();
        active
    }
}

/// The same by the definition, from the whole set of events at once.
#[derive(Default)]
struct Model {
    days: BTreeMap<Day, UserDay>,
    counts: BTreeMap<(Day, Cell), i32>,
    active_cells: BTreeSet<(Day, Cell)>,
}

impl Model {
    fn of(events: &[Touch]) -> Model {
        let mut events = events.to_vec();
        events.sort_unstable();
        let mut model = Model::default();
        for event in &events {
            model.see(event.at.day(), (event.team, event.service), quarter(event.at));
            model.active_cells.extend(Cell::touched(event.team, event.service).map(|cell| (event.at.day(), cell)));
        }
        let near = |one: &Touch, next: &Touch| next.at.unix_micros() - one.at.unix_micros() <= 1_800 * SECOND;
        events.chunk_by(near).for_each(|session| model.session(session));
        model
    }

    fn see(&mut self, day: Day, (team, service): (u32, u32), quarter: u128) {
        let activities = &mut self.days.entry(day).or_default().activities;
        match activities.iter_mut().find(|activity| (activity.team, activity.service) == (team, service)) {
            Some(activity) => activity.quarters |= quarter,
            None => activities.push(Activity { team, service, quarters: quarter }),
        }
    }

    fn session(&mut self, events: &[Touch]) {
        let (start, end) = (events[0].at, events[events.len() - 1].at);
        let pairs: BTreeSet<(u32, u32)> = events.iter().map(|event| (event.team, event.service)).collect();
        pairs.iter().for_each(|pair| self.see(start.day(), *pair, 0));
        let record = self.days.get_mut(&start.day()).unwrap();
        let index_of = |(team, service): &(u32, u32)| record.position(*team, *service).unwrap() as u32;
        let touched = pairs.iter().map(index_of).collect();
        record.sessions.push(GapSession { start: start.unix_micros(), end: end.unix_micros(), touched });
        let cells: BTreeSet<Cell> = pairs.iter().flat_map(|(team, service)| Cell::touched(*team, *service)).collect();
        for cell in cells {
            *self.counts.entry((start.day(), cell)).or_default() += 1;
        }
        for later in start.day().index() + 1..=end.day().index() {
            let record = self.days.entry(Day::from_index(later).unwrap()).or_default();
            record.reaches_back = later - start.day().index();
        }
    }

    fn rows(mut self) -> BTreeMap<Day, Vec<u8>> {
        let encode = |(day, record): (&Day, &mut UserDay)| {
            let mut bytes = vec![];
            record.encode(*day, &mut bytes);
            (*day, bytes)
        };
        self.days.iter_mut().map(encode).collect()
    }
}

fn touch_at(micros: i64, team: u32, service: u32) -> Touch {
    let micros = micros.clamp(Timestamp::MIN.unix_micros(), Timestamp::MAX.unix_micros());
    Touch { at: Timestamp::from_unix_micros(micros).unwrap(), team, service }
}

/// Events around one midnight: dense, with ties, exact gaps and gaps a microsecond off; or over some days.
fn events() -> impl Strategy<Value = Vec<Touch>> {
    let midnight = prop_oneof![
        4 => Just(Day::UNIX_EPOCH.start().unix_micros()),
        1 => Just(Timestamp::MIN.unix_micros()),
        1 => Just(Timestamp::MAX.unix_micros() + 1),
    ];
    let step = prop_oneof![
        3 => (-6i64..6).prop_map(|n| n * 1_800 * SECOND),
        3 => (-16i64..16).prop_map(|n| n * 600 * SECOND),
        2 => (-160i64..160).prop_map(|n| n * 1_500 * SECOND),
    ];
    let off = prop_oneof![6 => Just(0i64), 1 => Just(1), 1 => Just(-1)];
    let event = (step, off, 1..4u32, 1..4u32);
    (midnight, prop::collection::vec(event, 1..120)).prop_map(|(midnight, events)| {
        let touch = |(step, off, team, service)| touch_at(midnight + step + off, team, service);
        events.into_iter().map(touch).collect()
    })
}

/// Events, the same events in another order with some of them twice, and how many make a batch.
fn deliveries() -> impl Strategy<Value = (Vec<Touch>, Vec<Touch>, usize)> {
    (events(), any::<prop::sample::Index>(), 1..40usize).prop_flat_map(|(events, twice, batch)| {
        let mut again = events.clone();
        again.extend_from_slice(&events[..twice.index(events.len())]);
        (Just(events), Just(again).prop_shuffle(), Just(batch))
    })
}

proptest! {
    #![proptest_config(crate::store::testing::cases(1_000))]

    #[test]
    fn any_order_and_repetition_gives_what_the_definition_says((events, delivered, batch) in deliveries()) {
        let mut kept = Kept::default();
        delivered.chunks(batch).for_each(|batch| kept.take(batch));
        let model = Model::of(&events);
        prop_assert_eq!(kept.counts(), model.counts.clone());
        prop_assert_eq!(kept.active_cells(), model.active_cells.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(kept.rows, model.rows());
    }
}

fn kept_after(events: &[Touch]) -> Kept {
    let mut kept = Kept::default();
    events.iter().for_each(|event| kept.take(&[*event]));
    kept
}

fn sessions_of(kept: &Kept) -> Vec<(i64, i64)> {
    let decoded = kept.rows.iter().flat_map(|(day, bytes)| UserDay::decode(bytes, *day).unwrap().sessions);
    decoded.map(|session| (session.start, session.end)).collect()
}

#[test]
fn exactly_1800_seconds_joins_and_a_microsecond_more_does_not() {
    let gap = 1_800 * SECOND;
    assert_eq!(sessions_of(&kept_after(&[touch_at(0, 1, 1), touch_at(gap, 1, 1)])), [(0, gap)]);
    // From the last microsecond of a day, the gap ends a microsecond before the half hour.
    assert_eq!(sessions_of(&kept_after(&[touch_at(-1, 1, 1), touch_at(gap - 1, 1, 1)])), [(-1, gap - 1)]);
    assert_eq!(sessions_of(&kept_after(&[touch_at(0, 1, 1), touch_at(gap + 1, 1, 1)])).len(), 2);
    assert_eq!(sessions_of(&kept_after(&[touch_at(0, 1, 1), touch_at(-gap - 1, 1, 1)])).len(), 2);
}

#[test]
fn a_late_event_joins_two_sessions_over_midnight() {
    let (before, between, after) = (touch_at(-1_200 * SECOND, 2, 3), touch_at(0, 4, 5), touch_at(1_200 * SECOND, 6, 7));
    let mut kept = kept_after(&[before, after]);
    assert_eq!(sessions_of(&kept).len(), 2);
    kept.take(&[between]);
    assert_eq!(sessions_of(&kept), [(-1_200 * SECOND, 1_200 * SECOND)]);
    let yesterday = Day::UNIX_EPOCH.previous().unwrap();
    assert_eq!(kept.counts().get(&(yesterday, Cell::new(6, 7))), Some(&1));
    assert!(kept.counts().keys().all(|(day, _)| *day == yesterday));
}

#[test]
fn a_session_may_last_for_weeks_from_whichever_end_it_grows() {
    let forth: Vec<Touch> = (0..48 * 21).map(|n| touch_at(n * 1_800 * SECOND, 1, 1 + (n % 3) as u32)).collect();
    let back: Vec<Touch> = forth.iter().rev().copied().collect();
    let inwards: Vec<Touch> = forth.iter().step_by(2).chain(forth.iter().skip(1).step_by(2)).copied().collect();
    let expected = Model::of(&forth).rows();
    assert_eq!(expected.len(), 21);
    for order in [forth, back, inwards] {
        let kept = kept_after(&order);
        assert_eq!(sessions_of(&kept).len(), 1);
        assert_eq!(kept.rows, expected);
    }
}

#[test]
fn a_known_event_changes_no_day() {
    let events = [touch_at(0, 1, 1), touch_at(600 * SECOND, 1, 2), touch_at(86_000 * SECOND, 1, 1)];
    let mut load = |_| Ok(None);
    let mut days = Days::new(1, &mut load);
    events.iter().for_each(|event| join(&mut days, *event, &mut Delta::default()).unwrap());
    let records: BTreeMap<Day, UserDay> = days.into_changed().collect();

    let mut load = |day: Day| Ok(records.get(&day).cloned());
    let mut days = Days::new(1, &mut load);
    let mut delta = Delta::default();
    events.iter().for_each(|event| join(&mut days, *event, &mut delta).unwrap());
    assert_eq!((days.into_changed().count(), delta), (0, Delta::default()));
}

#[test]
fn a_day_that_points_back_at_no_session_is_an_error() {
    for reaches_back in [1, u32::MAX] {
        let mut load = |day: Day| Ok((day == Day::UNIX_EPOCH).then(|| UserDay { reaches_back, ..UserDay::default() }));
        assert!(join(&mut Days::new(1, &mut load), touch_at(0, 1, 1), &mut Delta::default()).is_err());
    }
}
