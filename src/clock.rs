//! The only file that reads the time. Everything else is given it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Wall-clock and monotonic time. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Set in tests only: the wall clock stands still until it is moved.
    manual: Option<Arc<AtomicI64>>,
}

impl Clock {
    pub fn system() -> Clock {
        Clock::default()
    }

    /// A wall clock that stands at `unix_micros` until [`Clock::set`] moves it.
    pub fn manual(unix_micros: i64) -> Clock {
        Clock { manual: Some(Arc::new(AtomicI64::new(unix_micros))) }
    }

    /// Moves a manual clock; a system clock does not listen.
    pub fn set(&self, unix_micros: i64) {
        if let Some(manual) = &self.manual {
            manual.store(unix_micros, Ordering::SeqCst);
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn unix_micros(&self) -> i64 {
        if let Some(manual) = &self.manual {
            return manual.load(Ordering::SeqCst);
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
}
