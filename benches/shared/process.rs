//! What this process has taken so far.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU: of all threads, ended ones included, or of the one that asks.
pub fn time_of(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

pub fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("our own process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure of memory");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}
