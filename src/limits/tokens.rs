//! Tokens given to one client or account: a window of a minute and one of an hour, counted together or not at all.

use super::partitions::Counter;
use super::window::Window;
use super::{Standing, refusal};
use crate::error::Error;

/// 0 is no limit.
pub struct TokenQuotas {
    pub per_minute: u32,
    pub per_hour: u32,
}

#[derive(Default)]
pub struct TokenWindows {
    minute: Window<60>,
    hour: Window<3600>,
}

impl TokenQuotas {
    pub fn is_unlimited(&self) -> bool {
        self.per_minute == 0 && self.per_hour == 0
    }

    pub fn refusal(&self, wait_s: u64) -> Error {
        let limits = [(self.per_minute, "a minute"), (self.per_hour, "an hour")];
        let limits =
            limits.iter().filter(|(quota, _)| *quota > 0).map(|(quota, span)| format!("{quota} tokens {span}"));
        let message = format!(
            "a client or account may fetch {}; use the one you have until it expires, or try again in {wait_s} s; \
             the administrator can raise the limit with `analytics limit set`",
            limits.collect::<Vec<_>>().join(" and ")
        );
        refusal(wait_s, &message)
    }
}

impl TokenWindows {
    /// Counts one if both windows have room. Errors with the seconds, rounded up, after which both have.
    pub fn take(&mut self, quotas: &TokenQuotas, now_micros: u64) -> Result<(), u64> {
        let TokenQuotas { per_minute, per_hour } = *quotas;
        let minute_s = if per_minute > 0 { self.minute.wait_s(per_minute, now_micros) } else { 0 };
        let hour_s = if per_hour > 0 { self.hour.wait_s(per_hour, now_micros) } else { 0 };
        let wait_s = minute_s.max(hour_s);
        if wait_s > 0 {
            return Err(wait_s);
        }
        if per_minute > 0 {
            self.minute.count(per_minute, now_micros);
        }
        if per_hour > 0 {
            self.hour.count(per_hour, now_micros);
        }
        Ok(())
    }

    /// How a holder stands in the window that has the least left or, if neither has anything, that is the last to have.
    pub fn standing(&mut self, quotas: &TokenQuotas, now_micros: u64) -> Option<Standing> {
        let TokenQuotas { per_minute, per_hour } = *quotas;
        let minute = (per_minute > 0).then(|| standing(&mut self.minute, per_minute, now_micros));
        let hour = (per_hour > 0).then(|| standing(&mut self.hour, per_hour, now_micros));
        let tightness = |standing: &Standing| (std::cmp::Reverse(standing.remaining), standing.reset_s);
        [minute, hour].into_iter().flatten().max_by_key(tightness)
    }
}

fn standing<const SECONDS: u64>(window: &mut Window<SECONDS>, quota: u32, now_micros: u64) -> Standing {
    let remaining = window.remaining(quota, now_micros);
    let reset_s = window.reset_s(now_micros);
    Standing { policy: "tokens", quota, window_s: SECONDS as u32, remaining, reset_s, at_micros: now_micros }
}

impl Counter for TokenWindows {
    fn is_idle(&self, now_micros: u64) -> bool {
        self.minute.is_idle(now_micros) && self.hour.is_idle(now_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_refusal_by_one_window_costs_nothing_in_the_other() {
        let quotas = TokenQuotas { per_minute: 1, per_hour: 2 };
        let mut windows = TokenWindows::default();
        assert_eq!(windows.take(&quotas, 0), Ok(()));
        assert_eq!(windows.take(&quotas, SECOND), Err(59));
        assert_eq!(windows.take(&quotas, 60 * SECOND), Ok(()));
        for second in (130..3_600).step_by(10) {
            assert_eq!(windows.take(&quotas, second * SECOND), Err(3_600 - second));
        }
        assert_eq!(windows.take(&quotas, 3_600 * SECOND), Ok(()));
        assert!(!windows.is_idle(7_199 * SECOND) && windows.is_idle(7_200 * SECOND));
    }

    #[test]
    fn a_limit_of_zero_is_none() {
        let mut windows = TokenWindows::default();
        let by_hour = TokenQuotas { per_minute: 0, per_hour: 100 };
        assert!((0..100).all(|_| windows.take(&by_hour, 0).is_ok()));
        assert_eq!(windows.take(&by_hour, 0), Err(3_600));
        assert!(TokenQuotas { per_minute: 0, per_hour: 0 }.is_unlimited());
        let message = by_hour.refusal(5).message;
        assert!(message.contains("fetch 100 tokens an hour;") && !message.contains("minute"), "{message}");
    }
}
