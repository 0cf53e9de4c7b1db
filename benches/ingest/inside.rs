//! The product's store without HTTP: what an event costs once it is decoded.

use std::time::Instant;

use analytics::model::{Id, Timestamp, UsageEvent};
use tokio::runtime::Builder;

use super::events::{Arrival, History, Usage};
use super::store::open;
use super::{Plan, cpu_of};

const EVENTS_A_COMMIT: usize = 2_000;

/// Takes the history in, then measures further events. Prints items, seconds and CPU seconds.
pub fn record(plan: &Plan, arrival: Arrival) {
    let directory = plan.directory();
    let store = open(&directory.path().join("analytics.db"));
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let mut history = History::new(1);
    let mut take = |events, arrival| {
        let events: Vec<UsageEvent> = (0..events).map(|_| event(history.next(arrival))).collect();
        let batches: Vec<Vec<UsageEvent>> = events.chunks(EVENTS_A_COMMIT).map(<[_]>::to_vec).collect();
        drop(events);
        let (cpu, begun) = (cpu_of(std::process::id()), Instant::now());
        for events in batches {
            let rejected = runtime.block_on(store.record(events)).expect("the store takes them");
            assert!(rejected.is_empty());
        }
        (begun.elapsed(), cpu_of(std::process::id()) - cpu)
    };
    let mut left = History::events_of_sessions(plan.history);
    while left > 0 {
        let events = left.min(100_000);
        take(events, Arrival::InOrder);
        left -= events;
    }
    let (took, cpu) = take(plan.events, arrival);
    println!("{} {} {}", plan.events, took.as_secs_f64(), cpu.as_secs_f64());
    store.close();
}

fn event(usage: Usage) -> UsageEvent {
    let id = |text: String| Id::new(text).expect("an id");
    UsageEvent {
        user_id: id(usage.user),
        at: Timestamp::from_unix_micros(usage.at * 1_000_000).expect("a time within the calendar"),
        team_id: Some(id(usage.team)),
        service: Some(id(usage.service)),
        session_id: usage.session.map(id),
    }
}
