//! Asking again: a server that restarts, a connection that breaks, a limit on requests.

use std::time::Duration;

use crate::error::{Error, Kind, Result};

/// So often in a row nothing may come of it.
const TRIES_MAX: u32 = 8;
/// The pause between two tries doubles up to here.
const PAUSE_S_MAX: u64 = 10;
/// Who is told to come back later than this (tomorrow, say) is told so, and does not wait.
const WAIT_S_MAX: u64 = 120;

/// Tries in a row that came to nothing.
#[derive(Default)]
pub struct Patience {
    tries: u32,
    furthest: u64,
}

impl Patience {
    /// Waits for as long as the error asks for; gives it back if waiting is of no use, or has been often enough.
    pub async fn wait(&mut self, error: Error) -> Result<()> {
        let Some(pause) = self.pause(error.kind) else { return Err(error) };
        self.tries += 1;
        tokio::time::sleep(Duration::from_secs(pause)).await;
        Ok(())
    }

    /// Something has come of it if it is further than it ever was: what begins anew each time, and breaks off sooner or
    /// later, does not come on.
    pub fn reached(&mut self, bytes: u64) {
        if bytes > self.furthest {
            (self.tries, self.furthest) = (0, bytes);
        }
    }

    /// In seconds.
    fn pause(&self, kind: Kind) -> Option<u64> {
        let asked = match kind {
            Kind::Busy { retry_after_s } | Kind::TooManyRequests { retry_after_s } => retry_after_s,
            _ => return None,
        };
        let own = (1 << self.tries.min(32)).min(PAUSE_S_MAX);
        (self.tries + 1 < TRIES_MAX && asked <= WAIT_S_MAX).then_some(asked.max(own))
    }
}

/// What `ask` comes to, asked as often as that makes sense.
pub async fn patiently<T>(ask: impl AsyncFn() -> Result<T>) -> Result<T> {
    let mut patience = Patience::default();
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => patience.wait(error).await?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_and_are_never_shorter_than_asked_for() {
        let pauses =
            |kind| (0..TRIES_MAX).map(move |tries| Patience { tries, furthest: 0 }.pause(kind)).collect::<Vec<_>>();
        let grown = [1, 2, 4, 8, 10, 10, 10].map(Some);
        assert_eq!(pauses(Kind::Busy { retry_after_s: 1 }), [&grown[..], &[None]].concat());
        assert_eq!(pauses(Kind::TooManyRequests { retry_after_s: 60 })[..2], [Some(60); 2]);
        assert_eq!(pauses(Kind::TooManyRequests { retry_after_s: 3_600 })[0], None, "the day's exports are used up");
        assert_eq!(pauses(Kind::Forbidden)[0], None);
    }

    #[test]
    fn only_what_comes_on_is_patiently_taken_up_again() {
        let tries_after = |reached: &[u64]| {
            let mut patience = Patience::default();
            for bytes in reached {
                patience.reached(*bytes);
                patience.tries += 1;
            }
            patience.tries
        };
        assert_eq!(tries_after(&[10, 20, 30]), 1);
        assert_eq!(tries_after(&[0, 0, 0]), 3);
        assert_eq!(tries_after(&[10, 5, 10, 5, 10]), 5);
    }
}
