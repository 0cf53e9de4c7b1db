use proptest::prelude::*;

use super::*;
use crate::model::{Severity, SeveritySet};

const TINY: Shape = Shape { leaf_keys: 3, group_leaves: 2 };

/// Instants of which many are equal, the calendar's ends among them.
fn instant() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => (-20i64..20).prop_map(|micros| Timestamp::from_unix_micros(micros).unwrap()),
        1 => Just(Timestamp::MIN),
        1 => Just(Timestamp::MAX),
    ]
}

fn cell() -> impl Strategy<Value = Cell> {
    (1u32..4, 0..3usize).prop_map(|(service, i)| Cell::new(service, Severity::ALL[i]))
}

/// What each commit adds; sequence numbers follow the order.
fn commits() -> impl Strategy<Value = Vec<Vec<(Timestamp, Cell)>>> {
    proptest::collection::vec(proptest::collection::vec((instant(), cell()), 0..40), 0..8)
}

fn filters() -> impl Iterator<Item = CellFilter> {
    let sets = (0..8usize).map(|bits| Severity::ALL.into_iter().filter(|s| bits >> s.index() & 1 == 1).collect());
    sets.flat_map(|severities: SeveritySet| {
        [None, Some(1), Some(3), Some(9)].map(|service| CellFilter { severities, service })
    })
}

fn empty() -> Directory {
    let leaf = Leaf { first: START, counts: Counts::default() };
    Directory::new(TINY, vec![leaf], Arc::default(), START, 0)
}

fn keys_in(all: &[Key], run: &Range<Position>) -> Vec<Key> {
    all.iter().filter(|key| run.contains(&key.position)).copied().collect()
}

/// Adds as the log's writer does: sorted keys, then splits.
fn commit(directory: &mut Directory, all: &mut Vec<Key>, events: &[(Timestamp, Cell)]) {
    let seq = all.len() as i64;
    let numbered = events.iter().zip(seq + 1..);
    let mut keys: Vec<Key> =
        numbered.map(|((at, cell), seq)| Key { position: Position { at: *at, seq }, cell: *cell }).collect();
    keys.sort_unstable();
    all.extend(&keys);
    all.sort_unstable();
    for first in directory.add(&keys) {
        if let Some(run) = directory.overgrown(first) {
            directory.split(first, &keys_in(all, &run));
        }
    }
}

fn assert_true_to(directory: &Directory, all: &[Key]) {
    let leaves: Vec<&Leaf> = directory.groups().flat_map(|group| &group.leaves).collect();
    assert_eq!(leaves[0].first, START);
    assert!(leaves.is_sorted_by(|a, b| a.first < b.first));
    for leaf in &leaves {
        let (counts, run) = directory.leaf(leaf.first);
        assert_eq!(counts, &count(&keys_in(all, &run)));
        assert!(counts.total() <= 2 * TINY.leaf_keys as u64);
    }
    for group in directory.groups() {
        assert!((1..=2 * TINY.group_leaves).contains(&group.leaves.len()));
        assert_eq!(group.counts, Group::new(group.leaves.clone()).counts);
    }
}

proptest! {
    #[test]
    fn leaves_and_groups_stay_true_to_the_keys_and_an_older_directory_stays_as_it_was(commits in commits()) {
        let (mut directory, mut all) = (empty(), vec![]);
        for events in commits {
            let (older, older_keys) = (directory.clone(), all.clone());
            commit(&mut directory, &mut all, &events);
            assert_true_to(&directory, &all);
            assert_true_to(&older, &older_keys);
        }
        prop_assert_eq!(directory.last_seq(), all.len() as i64);
    }

    #[test]
    fn ranks_and_slices_lead_to_the_same_keys_as_counting_one_by_one(
        commits in commits(), at in instant(), seq in 0i64..100, from in 0u64..100, len in 0u64..100,
    ) {
        let (mut directory, mut all) = (empty(), vec![]);
        for events in commits {
            commit(&mut directory, &mut all, &events);
        }
        let position = Position { at, seq };
        for filter in filters() {
            let matching: Vec<Key> = all.iter().filter(|key| filter.matches(key.cell)).copied().collect();
            prop_assert_eq!(directory.total(&filter), matching.len() as u64);

            let (before, run) = directory.rank(position, &filter);
            let in_run = matching.iter().filter(|key| run.contains(&key.position)).count() as u64;
            let expected = matching.iter().filter(|key| key.position < position).count() as u64;
            prop_assert_eq!(before + in_run, expected);

            let mut found = vec![];
            for slice in directory.slices(from..from + len, &filter) {
                prop_assert!(slice.take > 0);
                let keys = keys_in(&matching, &slice.run);
                prop_assert_eq!(slice.skip + slice.take + slice.left, keys.len() as u64);
                found.extend_from_slice(&keys[slice.skip as usize..][..slice.take as usize]);
            }
            let expected: Vec<Key> = matching.into_iter().skip(from as usize).take(len as usize).collect();
            prop_assert_eq!(found, expected);
        }
    }
}

#[test]
fn in_order_leaves_are_filled_to_the_brim() {
    let (mut directory, mut all) = (empty(), vec![]);
    for second in 0..100 {
        let at = Timestamp::from_unix_micros(second).unwrap();
        commit(&mut directory, &mut all, &[(at, Cell::new(1, Severity::Info))]);
    }
    let leaves: Vec<u64> = directory.groups().flat_map(|g| &g.leaves).map(|leaf| leaf.counts.total()).collect();
    assert_eq!(leaves.len(), 34);
    assert!(leaves[..33].iter().all(|total| *total == 3));
}
