use proptest::prelude::*;

use super::*;

fn month() -> Day {
    Day::parse("2024-02-01").unwrap()
}

fn section() -> impl Strategy<Value = (u32, i32, Vec<u8>, Vec<u8>)> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..9);
    (any::<u32>(), any::<i32>(), bytes(), bytes())
}

proptest! {
    #[test]
    fn a_months_sections_are_read_as_they_were_written(sections in proptest::collection::btree_map(0..29u32, section(), 0..29)) {
        let sections: Vec<Section> = sections
            .into_iter()
            .map(|(offset, (users, extra, set, extras))| Section {
                day: Day::from_index(month().index() + offset).unwrap(),
                users: users.into(),
                sessions: i64::from(users) + if extras.is_empty() { 0 } else { extra.into() },
                set: Cow::Owned(set),
                extras: Cow::Owned(extras),
            })
            .collect();
        let body = encode_sections(month(), &sections);
        prop_assert_eq!(super::sections(month(), &body)?, sections);
    }

    #[test]
    fn damaged_sections_never_panic(body in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(sections) = sections(month(), &body) {
            prop_assert!(sections.is_sorted_by(|a, b| a.day < b.day));
            prop_assert!(sections.iter().all(|section| section.day.month_start() == month()));
        }
    }
}

#[test]
fn a_section_past_the_end_of_its_month_or_out_of_order_is_damage() {
    for damaged in [&[29 << 1, 0, 0][..], &[2, 0, 0, 2, 0, 0], &[2, 0, 5, 0], &[3, 0, 0], &[3, 0, 0, 2, 5]] {
        assert!(sections(month(), damaged).is_err(), "{damaged:?}");
    }
    assert_eq!(sections(month(), &[28 << 1, 0, 0]).map(|sections| sections.len()), Ok(1));
}
