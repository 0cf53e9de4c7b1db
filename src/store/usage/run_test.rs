use proptest::prelude::*;

use super::*;
use crate::model::Day;

fn fact() -> impl Strategy<Value = Fact> {
    (0..40u32, 1..20u32, 1..4u32, 1..4u32, 1..16u8).prop_map(|(day, ord, team, service, cells)| Fact {
        day: Day::from_index(day).unwrap(),
        ord,
        team,
        service,
        cells,
    })
}

fn count() -> impl Strategy<Value = Count> {
    (0..2usize, 0..3u32, 0..3u32, 0..5u32, -2..3i32).prop_map(|(kind, team, service, day, n)| Count {
        kind: [CountKind::Entered, CountKind::Left][kind],
        cell: Cell::new(team, service),
        day: Day::from_index(day).unwrap(),
        n,
    })
}

/// Deltas in which each (day, ord, cell) is new once, as the base facts promise, and users 1 to 4 are removed last.
fn deltas() -> impl Strategy<Value = Vec<Delta>> {
    let part = (proptest::collection::vec(fact(), 0..30), proptest::collection::vec(count(), 0..10));
    proptest::collection::vec(part, 1..8).prop_map(|parts| {
        let mut seen = std::collections::BTreeSet::new();
        let mut deltas: Vec<Delta> = vec![];
        for (facts, counts) in parts {
            let mut delta = Delta { counts, ..Delta::default() };
            for mut fact in facts {
                for (i, cell) in Cell::touched(fact.team, fact.service).into_iter().enumerate() {
                    if !seen.insert((fact.day, fact.ord, cell)) {
                        fact.cells &= !(1 << i);
                    }
                }
                delta.add(fact);
                // Up to two sessions, some of them by users who were not active.
                let seen = fact.ord % 3;
                delta.count_pair(fact.day, fact.ord, (fact.team, fact.service), fact.cells | seen as u8, seen as i32);
            }
            delta.net();
            deltas.push(delta);
        }
        let mut last = Delta::default();
        let gone = |fact: &&Fact| fact.ord < 5;
        last.removed = deltas.iter().flat_map(|delta| &delta.added).filter(gone).copied().collect();
        let extras = deltas.iter().flat_map(|delta| &delta.extras).filter(|extra| extra.ord < 5);
        last.extras = extras.map(|extra| Extra { n: -extra.n, ..*extra }).collect();
        deltas.push(last);
        deltas
    })
}

fn all(deltas: &[Delta]) -> Delta {
    Delta {
        added: deltas.iter().flat_map(|delta| delta.added.clone()).collect(),
        removed: deltas.iter().flat_map(|delta| delta.removed.clone()).collect(),
        counts: deltas.iter().flat_map(|delta| delta.counts.clone()).collect(),
        extras: deltas.iter().flat_map(|delta| delta.extras.clone()).collect(),
    }
}

proptest! {
    #[test]
    fn merged_runs_equal_the_run_of_all_their_deltas(deltas in deltas(), order in any::<u64>()) {
        let mut runs: Vec<Run> = deltas.iter().map(Run::new).collect();
        let mut order = order;
        while runs.len() > 1 {
            let at = (order % (runs.len() as u64 - 1)) as usize;
            order = order.rotate_right(7);
            let next = runs.remove(at + 1);
            runs[at] = Run::merge(&runs[at], &next);
        }
        prop_assert_eq!(&runs[0], &Run::new(&all(&deltas)));
    }

    #[test]
    fn what_is_added_and_removed_in_one_run_leaves_no_trace(deltas in deltas()) {
        let run = Run::new(&all(&deltas));
        prop_assert!(run.removed.keys.is_empty());
        prop_assert!(run.added.ords.iter().chain(&run.extras.at.ords).all(|ord| *ord >= 5));
        prop_assert!(run.extras.iter().is_sorted() && run.extras.n.iter().all(|n| *n != 0));
        prop_assert!(run.by_user.next_user(0).is_none_or(|ord| ord >= 5));
        prop_assert!(run.added.iter().is_sorted());
    }
}
