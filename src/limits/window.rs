//! A sliding window: exact, given the time.
