//! The only file that reads the time. Everything else is given it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Wall-clock and monotonic time. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Set in tests only: time stands still until it is moved.
    manual: Option<Arc<Manual>>,
}

#[derive(Debug)]
struct Manual {
    unix_micros: AtomicI64,
    monotonic_micros: AtomicU64,
}

/// What [`Clock::monotonic_micros`] counts from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Lets whoever waits for a processor have it at once. A kernel lets a thread of low priority go on, too, until its slice is
/// over, which it may look at no more often than every 4 ms: whoever works at length calls this between stretches of
/// some 100 us. Costs a system call.
pub fn give_way() {
    std::thread::yield_now();
}

impl Clock {
    pub fn system() -> Clock {
        Clock::default()
    }

    /// A wall clock that stands at `unix_micros` until [`Clock::set`] moves it.
    pub fn manual(unix_micros: i64) -> Clock {
        let manual = Manual { unix_micros: AtomicI64::new(unix_micros), monotonic_micros: AtomicU64::new(0) };
        Clock { manual: Some(Arc::new(manual)) }
    }

    /// Moves a manual clock; a system clock does not listen. Monotonic time moves on with each step forward, and stands
    /// still where the wall clock steps back.
    pub fn set(&self, unix_micros: i64) {
        if let Some(manual) = &self.manual {
            let before = manual.unix_micros.swap(unix_micros, Ordering::SeqCst);
            let step = u64::try_from(unix_micros.saturating_sub(before)).unwrap_or(0);
            manual.monotonic_micros.fetch_add(step, Ordering::SeqCst);
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn unix_micros(&self) -> i64 {
        if let Some(manual) = &self.manual {
            return manual.unix_micros.load(Ordering::SeqCst);
        }
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_micros() as i64,
            Err(before) => -(before.duration().as_micros() as i64),
        }
    }

    /// For measuring durations; never goes back.
    pub fn monotonic(&self) -> Instant {
        Instant::now()
    }

    /// Microseconds since some moment at or before the first call; never goes back, whatever becomes of the wall clock.
    pub fn monotonic_micros(&self) -> u64 {
        if let Some(manual) = &self.manual {
            return manual.monotonic_micros.load(Ordering::SeqCst);
        }
        START.elapsed().as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_follows_a_manual_clock_forward_and_never_back() {
        let clock = Clock::manual(1_000);
        let begun = clock.monotonic_micros();
        clock.set(1_500);
        clock.set(200);
        assert_eq!(clock.monotonic_micros() - begun, 500);
        clock.set(300);
        assert_eq!((clock.unix_micros(), clock.monotonic_micros() - begun), (300, 600));
    }
}
