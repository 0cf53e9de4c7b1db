//! The threads that serve connections: one for each core, each with a runtime of its own, on which a connection stays.
//!
//! A runtime of several threads wakes a second one whenever a first finds work, so that it may take some over; for a
//! request of some 10 us that is system calls and a cold cache for nothing. What takes long is done elsewhere anyway (long
//! reads, large bodies), so a connection hardly ever waits for its neighbour on the thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::error::{Error, Result};

/// Ends its threads, and whatever still runs on them, when it is dropped.
pub struct Threads(Vec<Thread>);

struct Thread {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    /// The thread ends when this is gone.
    _stop: oneshot::Sender<()>,
}

/// A connection's place on a thread, until it is dropped.
pub struct Place {
    connections: Arc<AtomicUsize>,
}

impl Threads {
    /// Errors with `Internal` and a message for the operator if the system gives no thread.
    pub fn start() -> Result<Threads> {
        let cores = available_parallelism().map_or(1, usize::from);
        (0..cores).map(|_| Thread::start()).collect::<Result<_>>().map(Threads)
    }

    /// The thread with the fewest connections, and a place on it.
    pub fn take_place(&self) -> (&Handle, Place) {
        let quietest = self.0.iter().min_by_key(|thread| thread.connections.load(Relaxed));
        let thread = quietest.expect("a machine has a core");
        thread.connections.fetch_add(1, Relaxed);
        (&thread.runtime, Place { connections: Arc::clone(&thread.connections) })
    }
}

impl Thread {
    fn start() -> Result<Thread> {
        let cannot = |e| Error::internal(format!("cannot start threads: {e}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            // An error says the same: nobody holds the other end any more.
            let _ = runtime.block_on(stopped);
            // Work that nobody waits for any more must not hold the process back.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("serve".into()).spawn(serve).map_err(cannot)?;
        Ok(Thread { runtime: handle, connections: Arc::default(), _stop: stop })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_spread_evenly_and_a_place_that_is_free_again_is_taken_next() {
        let threads = Threads::start().unwrap();
        let count = threads.0.len();
        let mut places: Vec<Place> = (0..3 * count).map(|_| threads.take_place().1).collect();
        let loads = || threads.0.iter().map(|thread| thread.connections.load(Relaxed)).collect::<Vec<_>>();
        assert_eq!(loads(), vec![3; count]);
        drop(places.remove(0));
        assert_eq!(loads().iter().sum::<usize>(), 3 * count - 1);
        places.push(threads.take_place().1);
        assert_eq!(loads(), vec![3; count]);
    }
}
