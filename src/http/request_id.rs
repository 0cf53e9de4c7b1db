//! The id that every answer carries, and that the server's own log names it by.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Ids that nobody can tell from one another's: a hash of a counter under a key drawn when the process starts.
#[derive(Default)]
pub struct RequestIds {
    key: RandomState,
    count: AtomicU64,
}

impl RequestIds {
    /// 16 hexadecimal digits.
    pub fn next(&self) -> String {
        let count = self.count.fetch_add(1, Relaxed);
        format!("{:016x}", self.key.hash_one(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_between_requests_and_between_processes() {
        let (one, other) = (RequestIds::default(), RequestIds::default());
        let ids: std::collections::HashSet<String> = (0..1000).flat_map(|_| [one.next(), other.next()]).collect();
        assert_eq!(ids.len(), 2000);
        assert!(ids.iter().all(|id| id.len() == 16));
    }
}
