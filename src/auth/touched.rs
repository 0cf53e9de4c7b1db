//! When something in use was last noted in the database: days are told by it, not seconds.

use std::collections::HashMap;

use parking_lot::Mutex;

/// A note is due at most so often.
const TOUCH_AFTER_MICROS: i64 = 60_000_000;
/// Only what is valid is noted, so there are as many as the administrator made; yet nothing grows without a bound.
const TOUCHED_MAX: usize = 10_000;

#[derive(Default)]
pub struct Touched(Mutex<HashMap<String, i64>>);

impl Touched {
    /// Whether a note is due; it is then taken to be made.
    pub fn is_due(&self, id: &str, now_unix_micros: i64) -> bool {
        let mut touched = self.0.lock();
        // A clock that was set back makes no note wait for the time it came from.
        if touched.get(id).is_some_and(|at| (0..TOUCH_AFTER_MICROS).contains(&(now_unix_micros - at))) {
            return false;
        }
        if touched.len() >= TOUCHED_MAX {
            touched.clear();
        }
        touched.insert(id.to_string(), now_unix_micros);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_due_once_a_minute_for_each() {
        let touched = Touched::default();
        assert!(touched.is_due("a", 0) && touched.is_due("b", 1));
        assert!(!touched.is_due("a", 59_999_999) && touched.is_due("a", 60_000_000));
        assert!(touched.is_due("a", 10), "the clock was set back");
    }
}
