//! Memory that requests hold at once: bodies on their way in, answers on their way out. Each is bounded by itself; the
//! budget bounds all of them together, for as long as a slow client takes to send or to read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

use crate::error::{Error, Kind, Result};

/// A budget that is used up has room again as soon as some of what is under way has ended.
const RETRY_AFTER_S: u64 = 1;

/// Bytes that may be held at once.
pub struct Budget {
    held: AtomicUsize,
    bytes_max: usize,
    /// What a client is told for whom there is no room.
    refusal: &'static str,
}

/// A part of a budget, given back when dropped.
pub struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub fn new(bytes_max: usize, refusal: &'static str) -> Arc<Budget> {
        Arc::new(Budget { held: AtomicUsize::new(0), bytes_max, refusal })
    }

    /// A share of nothing yet.
    pub fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), bytes: 0 }
    }
}

impl Share {
    /// How much it is.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more. Errors with `Busy` if others hold too much; whoever is alone gets all that it asks for, since it would
    /// never get it otherwise.
    pub fn grow(&mut self, bytes: usize) -> Result<()> {
        let Budget { held, bytes_max, refusal } = &*self.budget;
        let taken = held.fetch_update(Relaxed, Relaxed, |held| {
            let wanted = held.saturating_add(bytes);
            (wanted <= *bytes_max || held == self.bytes).then_some(wanted)
        });
        taken.map_err(|_| Error::new(Kind::Busy { retry_after_s: RETRY_AFTER_S }, *refusal))?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives back what it holds beyond `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.bytes -= surplus;
        self.budget.held.fetch_sub(surplus, Relaxed);
    }

    /// The same bytes, which give the share back once nobody holds them any more: an answer's, when it is written.
    pub fn hold(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _share: self })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Relaxed);
    }
}

struct Held {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_busy(grown: Result<()>) -> bool {
        matches!(grown, Err(Error { kind: Kind::Busy { .. }, .. }))
    }

    #[test]
    fn shares_are_bounded_together_and_given_back() {
        let budget = Budget::new(10, "full");
        let (mut one, mut other) = (budget.share(), budget.share());
        assert!(one.grow(6).is_ok() && is_busy(other.grow(5)) && other.grow(4).is_ok());
        one.shrink_to(3);
        assert!(other.grow(3).is_ok() && is_busy(other.grow(1)));
        drop(one);
        assert!(other.grow(3).is_ok());
    }

    #[test]
    fn whoever_is_alone_gets_more_than_there_is() {
        let budget = Budget::new(10, "full");
        let mut alone = budget.share();
        assert!(alone.grow(8).is_ok() && alone.grow(8).is_ok());
        assert!(is_busy(budget.share().grow(1)));
    }

    #[test]
    fn a_share_lasts_as_long_as_the_bytes_it_is_for() {
        let budget = Budget::new(10, "full");
        let mut share = budget.share();
        share.grow(5).unwrap();
        let bytes = share.hold(Bytes::from_static(b"12345"));
        let part = bytes.slice(1..2);
        drop(bytes);
        assert!(is_busy(budget.share().grow(6)));
        drop(part);
        assert!(budget.share().grow(6).is_ok());
    }
}
