//! A clock that leaps ahead: with the wrong year set for an hour, everything that has an age would be too old. What went
//! would not come back, so that a leap is believed only after a while. Pure: it is told the time.

/// What the clock may have advanced beyond the time that has passed. A server that was off for longer waits, too.
const LEAP_MICROS: i64 = 2 * 86_400_000_000;
/// So long a server has to run before it believes a leap.
const PATIENCE_MICROS: u64 = 86_400_000_000;
/// What was seen is kept no more often than this.
const KEPT_EVERY_MICROS: i64 = 3_600_000_000;

/// What the clock says, and how much time has passed in this process by another clock that never leaps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Time {
    pub unix_micros: i64,
    pub monotonic_micros: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// Nothing speaks against it. `is_to_be_kept`: a later process should know of it.
    Believed { is_to_be_kept: bool },
    /// It leapt so far. `is_new`: it has just been seen.
    Doubted { leap_micros: i64, is_new: bool },
}

#[derive(Clone, Copy, Default, Debug)]
pub struct Leap {
    /// When it was believed last, in this process.
    believed: Option<Time>,
    doubted_since: Option<u64>,
}

impl Leap {
    /// `kept_unix_micros`: what the clock said when it was last believed and that was kept; None if it never was.
    pub fn judge(&mut self, now: Time, kept_unix_micros: Option<i64>) -> Judgement {
        let leap_micros = self.leap(now, kept_unix_micros);
        if leap_micros > LEAP_MICROS {
            let is_new = self.doubted_since.is_none();
            let since = *self.doubted_since.get_or_insert(now.monotonic_micros);
            if now.monotonic_micros.saturating_sub(since) < PATIENCE_MICROS {
                return Judgement::Doubted { leap_micros, is_new };
            }
        }
        *self = Leap { believed: Some(now), doubted_since: None };
        let is_to_be_kept = kept_unix_micros
            .is_none_or(|kept| now.unix_micros.saturating_sub(kept).saturating_abs() >= KEPT_EVERY_MICROS);
        Judgement::Believed { is_to_be_kept }
    }

    fn leap(&self, now: Time, kept_unix_micros: Option<i64>) -> i64 {
        let (last, passed) = match (self.believed, kept_unix_micros) {
            (Some(last), _) => (last.unix_micros, now.monotonic_micros.saturating_sub(last.monotonic_micros)),
            (None, Some(kept)) => (kept, 0),
            (None, None) => return 0,
        };
        now.unix_micros.saturating_sub(last).saturating_sub(i64::try_from(passed).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const DAY: i64 = 24 * HOUR;

    fn time(unix_micros: i64, monotonic_micros: i64) -> Time {
        Time { unix_micros, monotonic_micros: monotonic_micros as u64 }
    }

    fn believed(is_to_be_kept: bool) -> Judgement {
        Judgement::Believed { is_to_be_kept }
    }

    #[test]
    fn a_clock_that_goes_with_time_is_believed_and_kept_now_and_then() {
        let mut leap = Leap::default();
        assert_eq!(leap.judge(time(7, 0), None), believed(true), "of a new database nothing is known");
        assert_eq!(leap.judge(time(8, 1), Some(7)), believed(false));
        assert_eq!(leap.judge(time(40 * DAY, 40 * DAY), Some(7)), believed(true), "a process that slept long");
        assert_eq!(leap.judge(time(DAY, 41 * DAY), Some(40 * DAY)), believed(true), "back is no danger");
        assert_eq!(leap.judge(time(i64::MIN, 41 * DAY), Some(i64::MAX)), believed(true));
    }

    #[test]
    fn a_leap_is_believed_after_a_day_of_running_and_one_that_is_taken_back_is_forgotten() {
        for (mut leap, kept) in [(Leap::default(), 0), (Leap { believed: Some(time(0, 0)), doubted_since: None }, 0)] {
            let year = 365 * DAY;
            let doubted = |is_new| Judgement::Doubted { leap_micros: year, is_new };
            assert_eq!(leap.judge(time(year, 0), Some(kept)), doubted(true));
            assert_eq!(leap.judge(time(5, 0), Some(kept)), believed(false));
            assert_eq!(leap.judge(time(year + 5, 0), Some(kept)), doubted(true));
            let later = leap.judge(time(year + 5 + DAY, DAY), Some(kept));
            assert_eq!(later, believed(true));
            assert_eq!(leap.judge(time(year + 6 + DAY, DAY), Some(year + 5 + DAY)), believed(false));
        }
    }

    #[test]
    fn a_server_that_was_off_for_a_week_waits_a_day_and_one_that_was_off_for_a_day_does_not() {
        assert_eq!(Leap::default().judge(time(DAY, 5), Some(0)), believed(true));
        let mut leap = Leap::default();
        assert_eq!(leap.judge(time(7 * DAY, 5), Some(0)), Judgement::Doubted { leap_micros: 7 * DAY, is_new: true });
        let hour_by_hour = (1..25).map(|hour| leap.judge(time(7 * DAY + hour * HOUR, 5 + hour * HOUR), Some(0)));
        assert_eq!(hour_by_hour.last(), Some(believed(true)));
    }
}
