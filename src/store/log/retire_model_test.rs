//! Retirement against the plain list of events: floors that rise in any order, with anything in between.

use std::ops::ControlFlow;

use proptest::prelude::*;
use proptest::sample::select;

use super::directory::{END, START};
use super::model_test::{
    Model, ORDERS, assert_page_after, assert_pages_by_offset, assert_totals, commit, commit_to_both, filter, instant,
};
use super::testing::{TINY, TestLog, at};
use super::{EventRow, arrivals, count_arrived, count_events, retirable, visit_events, visit_long_events};
use crate::model::{EventCutoffs, LogFilter, Position, Retirable, Severity, StoredEvent, TimeOrder, Timestamp};

proptest! {
    #![proptest_config(crate::store::testing::cases(200))]

    #[test]
    fn what_was_retired_is_gone_for_every_reader_at_once_and_nothing_else_is(
        rounds in proptest::collection::vec((commit(), retirement(), filter()), 1..6),
        limit in 1usize..30,
        after_seq in 0i64..60,
    ) {
        let (mut log, mut model) = (TestLog::new(TINY), Model::default());
        for (requests, retirement, filter) in rounds {
            commit_to_both(&mut log, &mut model, &requests);
            retire_from_both(&mut log, &mut model, &retirement);
            prop_assert_eq!(log.check(), Vec::<String>::new());
            assert_totals(&log, &model);
            for order in ORDERS {
                let expected = model.in_time_order(&filter, order);
                assert_pages_by_offset(&log, &expected, &filter, order, limit);
                let after = Position { at: at(3), seq: after_seq };
                assert_page_after(&log, &expected, &filter, order, after, limit);
            }
            assert_arrivals_and_counts(&log, &model, &filter, after_seq);
        }
        // In the end nothing but what is kept is in the file.
        while !log.retire(&EventCutoffs::default(), 5) {}
        prop_assert_eq!(log.check(), Vec::<String>::new());
        for table in ["log_event", "log_order"] {
            let rows: i64 = log.conn.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap();
            prop_assert_eq!(rows, model.events.len() as i64);
        }
        log.restart();
        assert_totals(&log, &model);
        prop_assert_eq!(log.snapshot().directory.last_seq(), model.last_seq);
    }
}
/// Some steps of a retirement, and what may come between them.
#[derive(Clone, Debug)]
struct Retirement {
    cutoffs: EventCutoffs,
    steps: Vec<(usize, Between)>,
}

#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Restart,
    Failure,
    Rebuild,
}

prop_compose! {
    fn retirement()(
        cutoffs in proptest::array::uniform3(proptest::option::of(instant())),
        steps in proptest::collection::vec(
            (1usize..9, select(vec![Between::Nothing, Between::Nothing, Between::Restart, Between::Failure, Between::Rebuild])),
            0..4,
        ),
    ) -> Retirement {
        Retirement { cutoffs: EventCutoffs(cutoffs), steps }
    }
}

fn retire_from_both(log: &mut TestLog, model: &mut Model, retirement: &Retirement) {
    for (rows_max, between) in &retirement.steps {
        match between {
            Between::Nothing => {}
            Between::Restart => log.restart(),
            Between::Failure => log.fail_to_retire(&retirement.cutoffs, *rows_max),
            Between::Rebuild => log.rebuild(),
        }
        let expected = model.in_time_order(&LogFilter::default(), TimeOrder::OldestFirst);
        assert_eq!(
            retirable(&log.snapshot(), retirement.cutoffs).unwrap(),
            expected_to_go(&expected, &retirement.cutoffs)
        );
        model.retire(&retirement.cutoffs);
        log.retire(&retirement.cutoffs, *rows_max);
        assert_totals(log, model);
    }
}

fn expected_to_go(events: &[StoredEvent], cutoffs: &EventCutoffs) -> [Retirable; 3] {
    Severity::ALL.map(|severity| {
        let goes = |event: &&StoredEvent| {
            event.severity == severity && cutoffs.of(severity).is_some_and(|cutoff| event.position.at < cutoff)
        };
        let instants: Vec<Timestamp> = events.iter().filter(goes).map(|event| event.position.at).collect();
        let span = instants.first().map(|first| (*first, instants[instants.len() - 1]));
        Retirable { severity, count: instants.len() as u64, span }
    })
}

/// In order of arrival, and what exports ask.
fn assert_arrivals_and_counts(log: &TestLog, model: &Model, filter: &LogFilter, after_seq: i64) {
    let snapshot = log.snapshot();
    let expected = model.arrived(filter);
    let behind: Vec<StoredEvent> = expected.iter().filter(|event| event.position.seq > after_seq).cloned().collect();
    let found = arrivals(&snapshot, filter, after_seq, 1_000).unwrap();
    assert_eq!((&found.events, found.total), (&behind, expected.len() as u64));
    assert_eq!(count_events(&snapshot, filter).unwrap(), expected.len() as u64);
    let (matching, _) = count_arrived(&snapshot, filter, (after_seq, i64::MAX), 1_000).unwrap();
    assert_eq!(matching, behind.len() as u64);
    let mut visited = vec![];
    let visit = |event: &EventRow| {
        visited.push(event.position);
        Ok(ControlFlow::Continue(()))
    };
    visit_events(&snapshot, filter, i64::MAX, START..END, visit).unwrap();
    let in_order = model.in_time_order(filter, TimeOrder::OldestFirst);
    assert_eq!(visited, in_order.iter().map(|event| event.position).collect::<Vec<_>>());
    let mut long = vec![];
    let visit = |event: &EventRow| {
        long.push(event.position);
        Ok(())
    };
    visit_long_events(&snapshot, filter, i64::MAX, START..END, 2, visit).unwrap();
    assert_eq!(long, visited);
}
