//! Turns: threads of all exports work in short pieces, so many at one time, in the order in which they ask. However large
//! the others are, a small export gets on.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

pub struct Turns {
    at_once: usize,
    line: Mutex<Line>,
    moved: Condvar,
}

#[derive(Default)]
struct Line {
    working: usize,
    waiting: VecDeque<u64>,
    next_ticket: u64,
}

/// The right to work; given back when dropped.
pub struct Turn<'t>(&'t Turns);

impl Turns {
    pub fn new(at_once: usize) -> Turns {
        Turns { at_once: at_once.max(1), line: Mutex::default(), moved: Condvar::new() }
    }

    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// Blocks until those who asked before have had theirs.
    pub fn take(&self) -> Turn<'_> {
        let mut line = self.line.lock();
        let ticket = line.next_ticket;
        line.next_ticket += 1;
        line.waiting.push_back(ticket);
        self.moved.wait_while(&mut line, |line| line.working >= self.at_once || line.waiting.front() != Some(&ticket));
        line.waiting.pop_front();
        line.working += 1;
        drop(line);
        // There may be room for the next one, too.
        self.moved.notify_all();
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.line.lock().working -= 1;
        self.0.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc;
    use std::time::Duration;

    /// A bound on waiting for what takes milliseconds.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn waiting(turns: &Turns) -> usize {
        turns.line.lock().waiting.len()
    }

    fn until_waiting(turns: &Turns, number: usize) {
        while waiting(turns) < number {
            std::thread::yield_now();
        }
    }

    #[test]
    fn turns_are_given_in_the_order_in_which_they_are_asked_for() {
        let turns = Turns::new(1);
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            let held = turns.take();
            for number in 0..8 {
                let (turns, tell) = (&turns, tell.clone());
                scope.spawn(move || {
                    let _turn = turns.take();
                    tell.send(number).unwrap();
                });
                until_waiting(turns, number + 1);
            }
            assert!(told.try_recv().is_err());
            drop(held);
        });
        assert_eq!(told.try_iter().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn whoever_comes_back_stands_behind_those_who_wait() {
        let turns = Turns::new(1);
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            let first = turns.take();
            let (turns, other) = (&turns, tell.clone());
            scope.spawn(move || {
                let _turn = turns.take();
                other.send("the one who waited").unwrap();
            });
            until_waiting(turns, 1);
            drop(first);
            let _again = turns.take();
            tell.send("the one who came back").unwrap();
        });
        let order: Vec<_> = [told.recv_timeout(PATIENCE), told.recv_timeout(PATIENCE)].into_iter().flatten().collect();
        assert_eq!(order, ["the one who waited", "the one who came back"]);
    }

    #[test]
    fn as_many_work_at_once_as_may_and_never_more() {
        for at_once in [1, 2, 5] {
            let turns = Turns::new(at_once);
            let (working, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for _ in 0..12 {
                    scope.spawn(|| {
                        for _ in 0..200 {
                            let _turn = turns.take();
                            most.fetch_max(working.fetch_add(1, SeqCst) + 1, SeqCst);
                            std::thread::yield_now();
                            working.fetch_sub(1, SeqCst);
                        }
                    });
                }
            });
            assert!((1..=at_once).contains(&most.load(SeqCst)));
            assert_eq!(turns.line.lock().working, 0);
            assert_eq!(waiting(&turns), 0);
        }
        // All places can be held at one time.
        let turns = Turns::new(3);
        let held = [turns.take(), turns.take(), turns.take()];
        assert_eq!(turns.line.lock().working, held.len());
    }

    #[test]
    fn a_turn_is_given_back_by_whoever_panics() {
        let turns = Turns::new(1);
        std::thread::scope(|scope| {
            let unlucky = scope.spawn(|| {
                let _turn = turns.take();
                panic!("a fault of ours");
            });
            assert!(unlucky.join().is_err());
        });
        drop(turns.take());
    }
}
