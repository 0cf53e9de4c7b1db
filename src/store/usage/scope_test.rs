use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::Id;
use crate::store::usage::lattice::ANY;

const NOW: i64 = 20;

/// Noon of the n-th day of 1970; tests below speak in such days.
fn noon(n: i64) -> Timestamp {
    Timestamp::from_unix_micros(n * Day::MICROS + Day::MICROS / 2).unwrap()
}

fn day(n: i64) -> Day {
    noon(n).day()
}

fn touch(n: i64, team: u32, service: u32) -> Touch {
    Touch { at: noon(n), team, service }
}

fn command(team: Change<u32>, registered: Change<i64>, deactivated: Change<i64>) -> (Registration, u32) {
    let home_team = if let Change::Set(team) = team { team } else { NONE };
    let at = |change| match change {
        Change::Keep => Change::Keep,
        Change::Clear => Change::Clear,
        Change::Set(n) => Change::Set(noon(n)),
    };
    let team_id = match team {
        Change::Keep => Change::Keep,
        Change::Clear => Change::Clear,
        Change::Set(team) => Change::Set(Id::new(format!("team {team}")).unwrap()),
    };
    let registration = Registration {
        user_id: Id::new("user").unwrap(),
        team_id,
        registered_at: at(registered),
        deactivated_at: at(deactivated),
    };
    (registration, home_team)
}

fn register(user: &mut User, team: Change<u32>, registered: Change<i64>, deactivated: Change<i64>) -> Delta {
    let mut delta = Delta::default();
    let (registration, home_team) = command(team, registered, deactivated);
    user.register(&registration, home_team, noon(NOW), &mut delta);
    delta.net();
    delta
}

/// What the base facts look up before they deactivate a user, whose latest event was on the n-th day.
fn make_exact(user: &mut User, n: i64) {
    assert_eq!(user.last_day, Some(day(n).month_end()));
    user.last_day = Some(day(n));
}

fn observe(user: &mut User, event: Touch) -> Delta {
    let mut delta = Delta::default();
    user.observe(event, &mut delta);
    delta.net();
    delta
}

#[test]
fn the_registration_day_is_the_earlier_of_the_value_last_registered_and_the_first_event() {
    use Change::{Clear, Keep, Set};
    /// A command about registered_at, or an event on a day.
    type Word = Result<Change<i64>, i64>;
    // What comes in, and the day that comes out.
    let cases: [(&[Word], i64); 11] = [
        (&[Err(5)], 5),
        (&[Err(5), Err(3)], 3),
        (&[Ok(Keep)], NOW),
        (&[Ok(Set(7))], 7),
        (&[Ok(Set(7)), Ok(Set(9))], 9),
        (&[Ok(Set(7)), Ok(Keep)], 7),
        (&[Ok(Set(7)), Err(9)], 7),
        (&[Ok(Set(9)), Err(7)], 7),
        (&[Err(25), Ok(Keep)], NOW),
        (&[Ok(Set(7)), Ok(Clear), Ok(Keep)], NOW),
        (&[Ok(Set(7)), Err(30), Ok(Clear), Ok(Keep)], 30),
    ];
    for (steps, expected) in cases {
        let mut user = User::new(1);
        for step in steps {
            match step {
                Ok(registered) => drop(register(&mut user, Keep, registered.clone(), Keep)),
                Err(n) => drop(observe(&mut user, touch(*n, 2, 2))),
            }
        }
        assert_eq!(user.registration_day(), day(expected), "{steps:?}");
    }
}

#[test]
fn a_home_team_opens_its_scope_on_the_registration_day_and_none_is_no_home() {
    let mut user = User::new(1);
    register(&mut user, Change::Set(2), Change::Set(7), Change::Keep);
    observe(&mut user, touch(9, 3, 4));
    observe(&mut user, touch(8, 3, NONE));
    let enters = |team, service| user.enters(Cell::new(team, service));
    assert_eq!(enters(ANY, ANY), Some(day(7)));
    assert_eq!(enters(2, ANY), Some(day(7)));
    assert_eq!(enters(3, ANY), Some(day(8)));
    assert_eq!(enters(ANY, 4), Some(day(9)));
    assert_eq!(enters(3, 4), Some(day(9)));
    assert_eq!((enters(2, 4), enters(NONE, ANY), enters(5, ANY)), (None, None, None));
    register(&mut user, Change::Clear, Change::Keep, Change::Keep);
    assert_eq!((user.enters(Cell::new(2, ANY)), user.enters(Cell::new(NONE, ANY))), (None, None));
}

#[test]
fn a_user_that_comes_back_after_its_deactivation_is_irregular_and_left_nothing() {
    let mut user = User::new(1);
    observe(&mut user, touch(5, 2, 3));
    make_exact(&mut user, 5);
    let left = register(&mut user, Change::Keep, Change::Set(4), Change::Set(5));
    assert!(!user.is_irregular());
    assert_eq!(left.counts.iter().filter(|c| c.kind == CountKind::Left).count(), 4);
    let back = observe(&mut user, touch(6, 2, 3));
    assert!(user.is_irregular() && user.leaves().is_none());
    assert_eq!(back.counts.iter().map(|c| (c.kind, c.n)).collect::<Vec<_>>(), [(CountKind::Left, -1); 4]);
    let mut late = User::new(2);
    register(&mut late, Change::Keep, Change::Set(9), Change::Set(5));
    assert!(late.is_irregular());
}

#[test]
fn what_tells_nothing_new_reports_nothing() {
    let mut user = User::new(1);
    register(&mut user, Change::Set(2), Change::Set(4), Change::Set(9));
    observe(&mut user, touch(5, 2, 3));
    let before = user.clone();
    assert!(!user.observe(touch(5, 2, 3), &mut Delta::default()));
    assert_eq!(observe(&mut user, touch(5, 2, 3)), Delta::default());
    assert_eq!(register(&mut user, Change::Set(2), Change::Keep, Change::Set(9)), Delta::default());
    assert_eq!(user, before);
}

#[test]
fn a_new_pair_of_a_user_with_hundreds_reports_three_cells_at_most() {
    let mut user = User::new(1);
    register(&mut user, Change::Keep, Change::Set(1), Change::Set(9));
    (2..500).for_each(|team| drop(observe(&mut user, touch(5, team, 2))));
    let mut delta = Delta::default();
    user.observe(touch(6, 1_000, 3), &mut delta);
    assert_eq!(delta.counts.len(), 2 * 3);
}

#[derive(Clone, Debug)]
enum Step {
    Event(i64, u32, u32),
    Command(Change<u32>, Change<i64>, Change<i64>),
}

fn step() -> impl Strategy<Value = Step> {
    fn change<T: Clone + std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Change<T>> {
        prop_oneof![2 => Just(Change::Keep), 1 => Just(Change::Clear), 3 => value.prop_map(Change::Set)]
    }
    prop_oneof![
        3 => (0..40i64, 1..4u32, 1..4u32).prop_map(|(n, team, service)| Step::Event(n, team, service)),
        1 => (change(2..4u32), change(0..40i64), change(0..40i64))
            .prop_map(|(team, registered, deactivated)| Step::Command(team, registered, deactivated)),
    ]
}

type Counts = BTreeMap<(CountKind, Cell, Day), i32>;

/// The counts by the definition, from nothing but the events and the last word of the commands.
fn counts_by_definition(user: &User, events: &[(i64, u32, u32)]) -> Counts {
    let mut counts = Counts::new();
    let registered = user.registered_at.map(Timestamp::day);
    let first_event = events.iter().map(|(n, ..)| day(*n)).min();
    let known = [registered, first_event].into_iter().flatten().min().or(user.cleared_at.map(Timestamp::day));
    let last_day = events.iter().map(|(n, ..)| day(*n)).max();
    let leaves = user.deactivated_at.map(Timestamp::day).filter(|day| last_day.max(known) <= Some(*day));
    for team in 0..4 {
        for service in 0..4 {
            let cell = Cell::new(team, service);
            let matching = events.iter().filter(|(_, t, s)| cell.covers(*t, *s)).map(|(n, ..)| day(*n));
            let by_home = cell == Cell::ALL || (service == ANY && team == user.home_team && team != NONE);
            let Some(entered) = matching.chain(known.filter(|_| by_home)).min() else { continue };
            assert_eq!(user.enters(cell), Some(entered));
            counts.insert((CountKind::Entered, cell, entered), 1);
            leaves.map(|left| counts.insert((CountKind::Left, cell, left), 1));
        }
    }
    counts
}

proptest! {
    #![proptest_config(crate::store::testing::cases(1_000))]

    #[test]
    fn the_sum_of_all_reports_is_what_the_user_counts_for(steps in prop::collection::vec(step(), 1..40)) {
        let (mut user, mut delta, mut events) = (User::new(1), Delta::default(), vec![]);
        for step in steps {
            match step {
                Step::Event(n, team, service) => {
                    events.push((n, team, service));
                    user.observe(touch(n, team, service), &mut delta);
                }
                Step::Command(team, registered, deactivated) => {
                    let (registration, home_team) = command(team, registered, deactivated);
                    if let (true, Some(n)) = (user.becomes_deactivated(&registration), events.iter().map(|e| e.0).max()) {
                        make_exact(&mut user, n);
                    }
                    user.register(&registration, home_team, noon(NOW), &mut delta);
                }
            }
            delta.net();
            let reported: Counts = delta.counts.iter().map(|c| ((c.kind, c.cell, c.day), c.n)).collect();
            prop_assert_eq!(reported, counts_by_definition(&user, &events));
        }
        user.count_all(-1, &mut delta);
        delta.net();
        prop_assert!(delta.counts.is_empty());
    }
}
