//! How far an export is, where there is a terminal to show it; nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::report::grouped;

pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub fn start() -> Progress {
        // Draws on standard error, and only if that is a terminal.
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar }
    }

    /// There is nothing to count yet.
    pub fn wait(&self, message: &'static str) {
        self.bar.set_style(style("{spinner} {msg}"));
        self.bar.set_message(message);
    }

    pub fn rows(&self, done: u64, expected: Option<u64>) {
        let message = match expected {
            Some(expected) => {
                self.bar.set_length(expected);
                self.bar.set_style(style("{wide_bar} {percent:>3} %  {msg}"));
                format!("{} of {} rows", grouped(done), grouped(expected))
            }
            None => {
                self.bar.set_style(style("{spinner} {msg}"));
                format!("{} rows", grouped(done))
            }
        };
        self.bar.set_position(done);
        self.bar.set_message(message);
    }

    pub fn bytes(&self, arrived: u64, of: u64) {
        self.bar.set_length(of);
        self.bar.set_style(style("{wide_bar} {percent:>3} %  {bytes} of {total_bytes} downloaded"));
        self.bar.set_position(arrived);
    }
}

impl Drop for Progress {
    /// Takes the bar away: the outcome follows.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is valid")
}
