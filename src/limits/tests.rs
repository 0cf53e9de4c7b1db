//! What callers of `Limits` may rely on, over a real database and under a clock of ours.

use proptest::prelude::*;

use super::*;
use crate::model::{Grants, Origin, Principal, TargetKind};
use crate::store::testing;

const NOON: i64 = 1_750_000_000_000_000;
const SECOND: i64 = 1_000_000;

struct World {
    clock: Clock,
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        World { clock: Clock::manual(NOON), directory: tempfile::tempdir().unwrap() }
    }

    fn limits(&self, settings: Settings) -> Limits {
        let store = Store::open(&testing::settings(&self.directory), self.clock.clone()).unwrap();
        Limits::new(store, self.clock.clone(), settings).unwrap()
    }

    fn pass(&self, seconds: i64) {
        self.clock.set(self.clock.unix_micros() + seconds * SECOND);
    }
}

fn settings() -> Settings {
    Settings {
        requests_per_minute: 3,
        tokens_per_minute: 2,
        tokens_per_hour: 3,
        exports_per_day: 10,
        ..Settings::none()
    }
}

fn caller(partition: u128, targets: &[(TargetKind, &str)]) -> Caller {
    let targets = targets.iter().map(|(kind, name)| Target::new(*kind, *name)).collect();
    let origin = Origin::Key("k".into());
    Caller { principal: Principal::local("me", Grants::ALL), origin, partition, targets, expires_at: None }
}

fn overrides(requests_per_minute: u32) -> Overrides {
    Overrides { requests_per_minute: Some(requests_per_minute), ..Overrides::default() }
}

fn takes(limits: &Limits, caller: &Caller, n: usize) -> bool {
    (0..n).all(|_| limits.take(caller, Policy::Requests).is_ok())
}

fn retry_after_s(error: &Error) -> u64 {
    match error.kind {
        Kind::TooManyRequests { retry_after_s } => retry_after_s,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_key_and_each_policy_counts_by_itself_and_says_how_it_stands() {
    let world = World::new();
    let limits = world.limits(settings());
    let (one, other) = (caller(1, &[]), caller(2, &[]));
    assert!(takes(&limits, &one, 2));
    world.pass(43);
    let standing = limits.take(&one, Policy::Requests).unwrap().unwrap();
    assert_eq!((standing.policy, standing.quota, standing.window_s), ("minute", 3, 60));
    assert_eq!((standing.remaining, standing.reset_s), (0, 17));
    let (error, standing) = limits.take(&one, Policy::Requests).unwrap_err();
    assert_eq!((retry_after_s(&error), standing.remaining, standing.reset_s), (17, 0, 17));
    assert!(error.message.contains("3 requests a minute") && error.message.contains("in 17 s"), "{error}");
    assert!(error.message.contains("`analytics limit set`"), "{error}");
    assert!(takes(&limits, &other, 3));
    assert_eq!(limits.take(&one, Policy::Ingest).unwrap(), None);
}

#[tokio::test]
async fn the_most_specific_override_wins_takes_effect_at_once_and_survives_a_restart() {
    let world = World::new();
    let limits = world.limits(settings());
    let (token, client) = ((TargetKind::Token, "t"), (TargetKind::Client, "c"));
    let of_both = caller(1, &[token, client]);
    assert!(takes(&limits, &of_both, 3) && !takes(&limits, &of_both, 1));
    let target = |(kind, name): (TargetKind, &str)| Target::new(kind, name);
    limits.set_override(target(client), overrides(5)).await.unwrap();
    assert!(takes(&limits, &of_both, 2) && !takes(&limits, &of_both, 1));
    limits.set_override(target(token), Overrides { exports_per_day: Some(0), ..overrides(6) }).await.unwrap();
    assert!(takes(&limits, &of_both, 1) && !takes(&limits, &of_both, 1));
    assert_eq!((limits.exports_per_day(&of_both), limits.exports_per_day(&caller(1, &[client]))), (0, 10));
    drop(limits);
    let limits = world.limits(settings());
    // The window begins anew with the process, the exceptions do not.
    assert!(takes(&limits, &of_both, 6) && !takes(&limits, &of_both, 1));
    assert_eq!(limits.overrides().unwrap().len(), 2);
    limits.set_override(target(token), overrides(0)).await.unwrap();
    assert_eq!(limits.take(&of_both, Policy::Requests).unwrap(), None);
    assert!(limits.clear_override(target(token)).await.unwrap());
    assert!(!limits.clear_override(target(token)).await.unwrap());
    assert!(!takes(&limits, &of_both, 1));
}

#[tokio::test]
async fn tokens_of_a_client_are_limited_by_the_minute_and_the_hour() {
    let world = World::new();
    let limits = world.limits(settings());
    let client = Target::new(TargetKind::Client, "c");
    let take = || limits.take_token(&client).0;
    assert!(take().is_ok() && take().is_ok());
    assert_eq!(retry_after_s(&take().unwrap_err()), 60);
    world.pass(60);
    assert!(take().is_ok());
    assert_eq!(retry_after_s(&take().unwrap_err()), 3_540);
    assert!(limits.take_token(&Target::new(TargetKind::Account, "c")).0.is_ok());
    let lifted = Overrides { tokens_per_hour: Some(0), ..Overrides::default() };
    limits.set_override(client.clone(), lifted).await.unwrap();
    assert!(take().is_ok());
    assert_eq!(retry_after_s(&take().unwrap_err()), 60);
}

#[test]
fn a_wall_clock_that_steps_back_gives_and_takes_nothing() {
    let world = World::new();
    let limits = world.limits(settings());
    let caller = caller(1, &[]);
    assert!(takes(&limits, &caller, 3));
    world.pass(-86_400);
    assert_eq!(retry_after_s(&limits.take(&caller, Policy::Requests).unwrap_err().0), 60);
    world.pass(59);
    assert!(!takes(&limits, &caller, 1));
    world.pass(1);
    assert!(takes(&limits, &caller, 3));
}

#[test]
fn more_callers_than_there_is_room_for_are_told_to_come_back() {
    let world = World::new();
    let limits = world.limits(settings());
    for partition in 0..LIVE_MAX {
        assert!(limits.take(&caller(partition as u128, &[]), Policy::Requests).is_ok());
    }
    let (error, _) = limits.take(&caller(u128::MAX, &[]), Policy::Requests).unwrap_err();
    assert!(matches!(error.kind, Kind::Busy { .. }));
    assert!(takes(&limits, &caller(7, &[]), 2));
}

#[test]
fn threads_that_ask_at_once_get_no_more_than_the_quota() {
    let world = World::new();
    let limits = world.limits(Settings { requests_per_minute: 1_000, ..Settings::none() });
    let taken: usize = std::thread::scope(|scope| {
        let ask = || (0..1_000).filter(|_| limits.take(&caller(1, &[]), Policy::Requests).is_ok()).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken, 1_000);
}

#[derive(Clone, Debug)]
enum Step {
    Pass(i64),
    Take(u8),
    /// Changes the limit of the one caller that has an override; 0 lifts it.
    Override(u32),
    Clear,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..30_000_000i64).prop_map(Step::Pass),
        1 => (-200_000_000..0i64).prop_map(Step::Pass),
        12 => (0..3u8).prop_map(Step::Take),
        1 => (0..6u32).prop_map(Step::Override),
        1 => Just(Step::Clear),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..120)
}

/// The limiter by its definition: every request that was taken, in true time.
#[derive(Default)]
struct Model {
    now: i64,
    taken: [Vec<i64>; 3],
    /// Of caller 0.
    override_of_first: Option<u32>,
}

impl Model {
    fn quota(&self, caller: u8, default: u32) -> u32 {
        self.override_of_first.filter(|_| caller == 0).unwrap_or(default)
    }

    fn counted_at(&self, caller: u8, at: i64) -> usize {
        self.taken[usize::from(caller)].iter().filter(|taken| **taken + 60 * SECOND > at).count()
    }
}

proptest! {
    #![proptest_config(testing::cases(40))]

    #[test]
    fn any_history_goes_as_the_definition_says(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow(steps))?;
    }
}

async fn follow(steps: Vec<Step>) -> std::result::Result<(), TestCaseError> {
    let world = World::new();
    let first = Target::new(TargetKind::Key, "0");
    let (mut limits, mut model) = (world.limits(settings()), Model::default());
    for step in steps {
        match step {
            Step::Pass(micros) => {
                world.clock.set(world.clock.unix_micros() + micros);
                model.now += micros.max(0);
            }
            Step::Take(who) => take(&limits, &mut model, who)?,
            Step::Override(quota) => {
                limits.set_override(first.clone(), overrides(quota)).await.unwrap();
                model.override_of_first = Some(quota);
            }
            Step::Clear => {
                let cleared = limits.clear_override(first.clone()).await.unwrap();
                prop_assert_eq!(cleared, model.override_of_first.take().is_some());
            }
            Step::Restart => {
                drop(limits);
                limits = world.limits(settings());
                model.taken = Default::default();
            }
        }
    }
    Ok(())
}

fn take(limits: &Limits, model: &mut Model, who: u8) -> std::result::Result<(), TestCaseError> {
    let caller = caller(u128::from(who), &[(TargetKind::Key, &who.to_string())]);
    let quota = model.quota(who, settings().requests_per_minute) as usize;
    let counted = model.counted_at(who, model.now);
    match limits.take(&caller, Policy::Requests) {
        Ok(None) => prop_assert_eq!(quota, 0),
        Ok(Some(standing)) => {
            prop_assert!(counted < quota);
            prop_assert_eq!(standing.remaining as usize, quota - counted - 1);
            model.taken[usize::from(who)].push(model.now);
        }
        Err((error, _)) => {
            prop_assert!(quota > 0 && counted >= quota);
            let wait_s = retry_after_s(&error) as i64;
            prop_assert!(model.counted_at(who, model.now + wait_s * SECOND) < quota);
            prop_assert!(model.counted_at(who, model.now + (wait_s - 1) * SECOND) >= quota);
        }
    }
    Ok(())
}
