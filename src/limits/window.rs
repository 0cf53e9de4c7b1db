//! A sliding window: exact, given the time. Time is in microseconds that never go back.

use std::collections::VecDeque;

/// Up to this quota each request is remembered to the microsecond, and the window is exact both ways.
pub const EXACT_QUOTA_MAX: u32 = 10_000;
/// Above it a window remembers so many ticks at most, so that its memory does not grow with its quota.
const TICKS: u64 = 6_000;
/// Smaller windows are not worth giving memory back for.
const KEPT_ENTRIES: usize = 64;

/// What was counted in the last so many seconds. What was counted at t leaves at t + `SECONDS`: so no `SECONDS` hold more
/// than the quota, the moment at which they begin apart.
#[derive(Default)]
pub struct Window<const SECONDS: u64> {
    /// By time, oldest first.
    entries: VecDeque<Entry>,
    total: u32,
}

struct Entry {
    at_micros: u64,
    n: u32,
}

impl<const SECONDS: u64> Window<SECONDS> {
    const MICROS: u64 = SECONDS * 1_000_000;
    const TICK_MICROS: u64 = Self::MICROS / TICKS;

    /// Counts one if there is room. Errors with the seconds, rounded up, after which there is if nothing else is counted.
    pub fn take(&mut self, quota: u32, now_micros: u64) -> Result<(), u64> {
        match self.wait_s(quota, now_micros) {
            0 => {
                self.count(quota, now_micros);
                Ok(())
            }
            wait_s => Err(wait_s),
        }
    }

    /// Seconds, rounded up, until there is room for one more; 0 if there is. `quota`: at least 1; it may change from call
    /// to call.
    pub fn wait_s(&mut self, quota: u32, now_micros: u64) -> u64 {
        self.expire(now_micros);
        let Some(too_many) = self.total.checked_sub(quota) else { return 0 };
        let mut leaving = 0;
        let makes_room = self.entries.iter().find(|entry| {
            leaving += entry.n;
            leaving > too_many
        });
        makes_room.map_or(0, |entry| Self::leaves_in_s(entry, now_micros))
    }

    /// Counts one, whether there is room or not.
    pub fn count(&mut self, quota: u32, now_micros: u64) {
        let at_micros = Self::counts_at(quota, now_micros);
        self.total += 1;
        match self.entries.back_mut() {
            Some(last) if last.at_micros >= at_micros => last.n += 1,
            _ => self.entries.push_back(Entry { at_micros, n: 1 }),
        }
    }

    /// Takes back what was counted at `counted_micros` under the same quota, unless it has left already.
    pub fn take_back(&mut self, quota: u32, counted_micros: u64) {
        let at_micros = Self::counts_at(quota, counted_micros);
        let place = self.entries.partition_point(|entry| entry.at_micros < at_micros);
        let Some(entry) = self.entries.get_mut(place).filter(|entry| entry.at_micros == at_micros) else { return };
        entry.n -= 1;
        self.total -= 1;
        if entry.n == 0 {
            self.entries.remove(place);
        }
    }

    /// How many more would be taken now.
    pub fn remaining(&mut self, quota: u32, now_micros: u64) -> u32 {
        self.expire(now_micros);
        quota.saturating_sub(self.total)
    }

    /// Seconds, rounded up, until something leaves; 0 if nothing is counted.
    pub fn reset_s(&mut self, now_micros: u64) -> u64 {
        self.expire(now_micros);
        // The end of a tick may lie a little ahead; nobody should read of more than the window.
        self.entries.front().map_or(0, |oldest| Self::leaves_in_s(oldest, now_micros).min(SECONDS))
    }

    pub fn is_empty_at(&self, now_micros: u64) -> bool {
        self.entries.back().is_none_or(|newest| newest.at_micros + Self::MICROS <= now_micros)
    }

    fn counts_at(quota: u32, now_micros: u64) -> u64 {
        match quota <= EXACT_QUOTA_MAX {
            true => now_micros,
            // What happens within a tick counts as if it happened at its end: never too many, at most a tick too few.
            false => (now_micros / Self::TICK_MICROS + 1) * Self::TICK_MICROS,
        }
    }

    fn expire(&mut self, now_micros: u64) {
        while let Some(oldest) = self.entries.front().filter(|entry| entry.at_micros + Self::MICROS <= now_micros) {
            self.total -= oldest.n;
            self.entries.pop_front();
        }
        // What a burst took is given back in halves, so that a steady client does not pay for it at every request.
        if self.entries.capacity() > KEPT_ENTRIES && self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.capacity() / 2);
        }
    }

    fn leaves_in_s(entry: &Entry, now_micros: u64) -> u64 {
        (entry.at_micros + Self::MICROS).saturating_sub(now_micros).div_ceil(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;
    const MINUTE: u64 = 60 * SECOND;

    #[test]
    fn what_is_taken_back_was_never_counted() {
        for quota in [3, EXACT_QUOTA_MAX + 1] {
            let mut window = Window::<60>::default();
            for at in [0, 10 * SECOND, 10 * SECOND, 20 * SECOND] {
                window.count(quota, at);
            }
            window.take_back(quota, 10 * SECOND);
            assert_eq!(window.remaining(quota, 20 * SECOND), quota - 3);
            window.take_back(quota, 0);
            window.take_back(quota, 15 * SECOND);
            assert_eq!(window.remaining(quota, 20 * SECOND), quota - 2);
            assert!((49..=50).contains(&window.reset_s(20 * SECOND)));
            // What has left cannot be taken back.
            assert_eq!(window.remaining(quota, 75 * SECOND), quota - 1);
            window.take_back(quota, 10 * SECOND);
            assert_eq!(window.remaining(quota, 75 * SECOND), quota - 1);
        }
    }

    #[test]
    fn what_was_counted_leaves_after_the_window_to_the_microsecond() {
        let mut window = Window::<60>::default();
        assert_eq!(window.take(2, 0), Ok(()));
        assert_eq!(window.take(2, 10 * SECOND), Ok(()));
        assert_eq!((window.remaining(2, 10 * SECOND), window.reset_s(10 * SECOND)), (0, 50));
        assert_eq!(window.take(2, 10 * SECOND + 1), Err(50));
        assert_eq!(window.take(2, MINUTE - 1), Err(1));
        assert_eq!(window.take(2, MINUTE), Ok(()));
        assert_eq!(window.take(2, MINUTE), Err(10));
        assert_eq!((window.remaining(2, 3 * MINUTE), window.reset_s(3 * MINUTE)), (2, 0));
    }

    #[test]
    fn a_lower_quota_holds_at_once_and_a_higher_one_too() {
        let mut window = Window::<60>::default();
        for second in 0..5 {
            assert_eq!(window.take(5, second * SECOND), Ok(()));
        }
        // Four must leave before the two that are left over make room for one.
        assert_eq!(window.take(2, 5 * SECOND), Err(58));
        assert_eq!(window.take(2, 63 * SECOND - 1), Err(1));
        assert_eq!(window.take(2, 63 * SECOND), Ok(()));
        assert_eq!(window.take(3, 63 * SECOND), Ok(()));
    }

    #[test]
    fn memory_is_bounded_whatever_the_quota_and_given_back() {
        let mut window = Window::<60>::default();
        for now in (0..2 * MINUTE).step_by(100) {
            window.take(100_000_000, now).unwrap();
        }
        assert!(window.entries.len() <= TICKS as usize + 1, "{}", window.entries.len());
        for minute in 4..20 {
            window.take(100_000_000, minute * MINUTE).unwrap();
        }
        assert!(window.entries.capacity() <= KEPT_ENTRIES, "{}", window.entries.capacity());
        assert!(!window.is_empty_at(19 * MINUTE) && window.is_empty_at(21 * MINUTE));
    }

    /// Every request that was taken, by the definition of the limit.
    #[derive(Default)]
    struct Model(Vec<u64>);

    impl Model {
        fn counted(&self, now: u64, window: u64) -> usize {
            self.0.iter().filter(|at| **at + window > now).count()
        }
    }

    /// A few dense ones, so that limits are met, and now and then a long pause.
    fn steps() -> impl Strategy<Value = Vec<u64>> {
        let step = prop_oneof![6 => 0..200_000u64, 3 => 0..3 * SECOND, 1 => 0..2 * MINUTE];
        prop::collection::vec(step, 1..300)
    }

    proptest! {
        #![proptest_config(crate::store::testing::cases(200))]

        #[test]
        fn it_is_never_over_and_never_refuses_below(steps in steps(), quota in 1..40u32) {
            let (mut window, mut model, mut now) = (Window::<60>::default(), Model::default(), 0);
            for step in steps {
                now += step;
                let counted = model.counted(now, MINUTE);
                let taken = window.take(quota, now);
                prop_assert_eq!(taken.is_ok(), counted < quota as usize, "{} of {} at {}", counted, quota, now);
                match taken {
                    Ok(()) => model.0.push(now),
                    Err(wait_s) => {
                        prop_assert!(model.counted(now + wait_s * SECOND, MINUTE) < quota as usize);
                        prop_assert!(model.counted(now + (wait_s - 1) * SECOND, MINUTE) >= quota as usize);
                    }
                }
                prop_assert_eq!(window.remaining(quota, now) as usize, quota as usize - model.counted(now, MINUTE));
            }
            for at in &model.0 {
                let within = model.0.iter().filter(|other| **other > at.saturating_sub(MINUTE) && *other <= at).count();
                prop_assert!(within <= quota as usize);
            }
        }

        #[test]
        fn whoever_obeys_the_wait_succeeds(steps in steps(), quotas in prop::collection::vec(1..40u32, 1..20)) {
            let (mut window, mut now) = (Window::<60>::default(), 0);
            for (step, quota) in steps.into_iter().zip(quotas.iter().cycle()) {
                now += step;
                if let Err(wait_s) = window.take(*quota, now) {
                    now += wait_s * SECOND;
                    prop_assert_eq!(window.take(*quota, now), Ok(()));
                }
            }
        }

        #[test]
        fn a_large_quota_is_never_passed_and_missed_by_a_tick_at_most(
            bursts in prop::collection::vec((0..20 * SECOND, 1..9_000u32), 1..40),
            quota in EXACT_QUOTA_MAX + 1..15_000u32,
        ) {
            const TICK: u64 = 10_000;
            let (mut window, mut taken, mut now) = (Window::<60>::default(), Vec::<(u64, u32)>::new(), 0);
            for (step, burst) in bursts {
                now += step;
                let counted = |window: u64| taken.iter().filter(|(at, _)| at + window > now).map(|(_, n)| n).sum::<u32>();
                let (least, most) = (quota.saturating_sub(counted(MINUTE + TICK)), quota - counted(MINUTE));
                let mut got = 0;
                while got < burst && window.take(quota, now).is_ok() {
                    got += 1;
                }
                prop_assert!(got <= most && got >= least.min(burst), "{least} <= {got} <= {most}");
                if got < burst {
                    let wait_s = window.take(quota, now).unwrap_err();
                    now += wait_s * SECOND;
                    prop_assert_eq!(window.take(quota, now), Ok(()));
                    taken.push((now - wait_s * SECOND, got));
                    taken.push((now, 1));
                } else {
                    taken.push((now, got));
                }
            }
        }
    }
}
