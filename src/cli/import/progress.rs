//! A progress bar where there is a terminal to show it; nothing elsewhere.

use std::cell::Cell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::app::say;
use crate::cli::report::grouped;
use crate::clock::Clock;

pub struct Progress {
    bar: ProgressBar,
    clock: Clock,
    started: Instant,
    /// Bytes of the files done.
    bytes_done: Cell<u64>,
}

impl Progress {
    /// `bytes`: of all files together, if that can be known; then the time left is shown, too.
    pub fn start(bytes: Option<u64>, clock: Clock) -> Progress {
        const WITH_END: &str = "{wide_bar} {percent:>3} %  {msg}, {eta} left";
        const WITHOUT_END: &str = "{spinner} {bytes} read, {msg}";
        let style = |template| ProgressStyle::with_template(template).expect("the template is valid");
        // Draws on standard error, and only if that is a terminal.
        let bar = match bytes {
            Some(bytes) => ProgressBar::new(bytes).with_style(style(WITH_END)),
            None => ProgressBar::new_spinner().with_style(style(WITHOUT_END)),
        };
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar, started: clock.monotonic(), clock, bytes_done: Cell::new(0) }
    }

    /// `bytes`: read of the file under way; `items`: taken in so far, of all files.
    pub fn set(&self, bytes: u64, items: u64) {
        let seconds = (self.clock.monotonic() - self.started).as_secs_f64().max(0.001);
        let rate = (items as f64 / seconds) as u64;
        self.bar.set_message(format!("{} items, {} a second", grouped(items), grouped(rate)));
        self.bar.set_position(self.bytes_done.get() + bytes);
    }

    pub fn end_file(&self, bytes: u64) {
        self.bytes_done.set(self.bytes_done.get() + bytes);
    }

    /// Says something without tearing the bar.
    pub fn say(&self, text: &str) {
        self.bar.suspend(|| say(text));
    }

    /// Takes the bar away: the summary follows.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
