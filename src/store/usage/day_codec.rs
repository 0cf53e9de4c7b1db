//! The packed form of a [`UserDay`]: most rows are a dozen bytes, and there is one for each user and day.
//!
//! In varints: the number of activities, each with team, service, and its quarters of an hour as runs; twice the number
//! of sessions, plus 1 if `reaches_back` follows; each session with its start after midnight, its duration, and the
//! indices of the activities it touched. Times are counted in the largest unit that holds them (s, ms, us).

use super::lattice::{NONE, SERVICE_IDS_MAX, TEAM_IDS_MAX};
use super::user_day::{Activity, GapSession, UserDay};
use crate::error::Result;
use crate::model::{Day, Timestamp};
use crate::store::varint::{self, Cursor, damaged};

impl UserDay {
    /// Appends the packed form to `out`. Equal sets of events give equal bytes: it is normalised first.
    pub fn encode(&mut self, day: Day, out: &mut Vec<u8>) {
        self.normalise();
        varint::put(out, self.activities.len() as u64);
        for activity in &self.activities {
            varint::put(out, activity.team.into());
            varint::put(out, activity.service.into());
            put_quarters(out, activity.quarters);
        }
        varint::put(out, (self.sessions.len() as u64) << 1 | u64::from(self.reaches_back > 0));
        if self.reaches_back > 0 {
            varint::put(out, self.reaches_back.into());
        }
        let midnight = day.start().unix_micros();
        for session in &self.sessions {
            put_time(out, (session.start - midnight) as u64);
            put_time(out, (session.end - session.start) as u64);
            put_touched(out, &session.touched, self.activities.len());
        }
    }

    /// Errors on bytes that [`UserDay::encode`] cannot have written for that day.
    pub fn decode(bytes: &[u8], day: Day) -> Result<UserDay> {
        let mut cursor = Cursor::new(bytes);
        let activities = get_activities(&mut cursor)?;
        let flags = cursor.u64()?;
        let reaches_back = if flags & 1 == 1 { cursor.u32()? } else { 0 };
        if reaches_back > day.index() {
            return Err(damaged());
        }
        let mut sessions: Vec<GapSession> = Vec::with_capacity(capacity(flags >> 1, &cursor));
        for _ in 0..flags >> 1 {
            let session = get_session(&mut cursor, day, activities.len())?;
            if sessions.last().is_some_and(|before| before.end >= session.start) {
                return Err(damaged());
            }
            sessions.push(session);
        }
        if cursor.is_empty() { Ok(UserDay { activities, reaches_back, sessions }) } else { Err(damaged()) }
    }
}

fn get_activities(cursor: &mut Cursor) -> Result<Vec<Activity>> {
    let len = cursor.u64()?;
    let mut activities = Vec::with_capacity(capacity(len, cursor));
    for _ in 0..len {
        let (team, service) = (cursor.u32()?, cursor.u32()?);
        if !(NONE..TEAM_IDS_MAX).contains(&team) || !(NONE..SERVICE_IDS_MAX).contains(&service) {
            return Err(damaged());
        }
        activities.push(Activity { team, service, quarters: get_quarters(cursor)? });
    }
    if !activities.is_sorted_by(|one, next| (one.team, one.service) < (next.team, next.service)) {
        return Err(damaged());
    }
    Ok(activities)
}

fn get_session(cursor: &mut Cursor, day: Day, activities: usize) -> Result<GapSession> {
    let (since_midnight, duration) = (get_time(cursor)?, get_time(cursor)?);
    if since_midnight >= Day::MICROS {
        return Err(damaged());
    }
    let start = day.start().unix_micros() + since_midnight;
    let end = start.checked_add(duration).filter(|end| *end <= Timestamp::MAX.unix_micros()).ok_or_else(damaged)?;
    Ok(GapSession { start, end, touched: get_touched(cursor, activities)? })
}

/// No item takes less than a byte, so a damaged length cannot ask for more memory than the record itself.
fn capacity(len: u64, cursor: &Cursor) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX).min(cursor.rest().len())
}

const QUARTERS: u8 = 96;
// The first byte of a mask. Below QUARTERS: the only quarter seen; RUNS + n: n runs follow, each a first quarter and a
// length; then twelve raw bytes, and no quarter at all.
const RUNS: u8 = 99;
const RUNS_MAX: usize = 5;
const RAW: u8 = 254;
const NO_QUARTER: u8 = 255;

fn put_quarters(out: &mut Vec<u8>, mask: u128) {
    match runs(mask).count() {
        0 => out.push(NO_QUARTER),
        1 if mask.is_power_of_two() => out.push(mask.trailing_zeros() as u8),
        count @ 1..=RUNS_MAX => {
            out.push(RUNS + count as u8);
            out.extend(runs(mask).flat_map(|(first, len)| [first, len]));
        }
        _ => {
            out.push(RAW);
            out.extend_from_slice(&mask.to_le_bytes()[..usize::from(QUARTERS) / 8]);
        }
    }
}

/// (first, length) of each run of ones.
pub fn runs(mut mask: u128) -> impl Iterator<Item = (u8, u8)> {
    let mut taken = 0;
    std::iter::from_fn(move || {
        if mask == 0 {
            return None;
        }
        let zeros = mask.trailing_zeros();
        let ones = (mask >> zeros).trailing_ones();
        mask = mask >> zeros >> ones;
        let first = taken + zeros;
        taken = first + ones;
        Some((first as u8, ones as u8))
    })
}

fn get_quarters(cursor: &mut Cursor) -> Result<u128> {
    match cursor.byte()? {
        quarter @ 0..QUARTERS => Ok(1 << quarter),
        NO_QUARTER => Ok(0),
        RAW => {
            let mut bytes = [0; 16];
            bytes[..usize::from(QUARTERS) / 8].copy_from_slice(cursor.bytes(usize::from(QUARTERS) / 8)?);
            Ok(u128::from_le_bytes(bytes))
        }
        mark => {
            let count = mark.checked_sub(RUNS).filter(|count| (1..=RUNS_MAX as u8).contains(count));
            let mut mask = 0;
            for _ in 0..count.ok_or_else(damaged)? {
                let (first, len) = (cursor.byte()?, cursor.byte()?);
                if u32::from(first) + u32::from(len) > QUARTERS.into() {
                    return Err(damaged());
                }
                mask |= ((1u128 << len) - 1) << first;
            }
            Ok(mask)
        }
    }
}

// The low two bits of a time say its unit.
const UNIT_MICROS: [u64; 3] = [1_000_000, 1_000, 1];

fn put_time(out: &mut Vec<u8>, micros: u64) {
    let unit = UNIT_MICROS.iter().position(|unit| micros.is_multiple_of(*unit)).expect("1 divides all");
    varint::put(out, (micros / UNIT_MICROS[unit]) << 2 | unit as u64);
}

fn get_time(cursor: &mut Cursor) -> Result<i64> {
    let packed = cursor.u64()?;
    let unit = UNIT_MICROS.get((packed & 3) as usize);
    let micros = unit.and_then(|unit| (packed >> 2).checked_mul(*unit));
    micros.and_then(|micros| i64::try_from(micros).ok()).ok_or_else(damaged)
}

/// With more activities than this, the few that a session touched are listed; as a mask they take at most four bytes.
const MASK_BITS_MAX: usize = 28;

fn put_touched(out: &mut Vec<u8>, touched: &[u32], activities: usize) {
    match activities {
        0 | 1 => {}
        2..=MASK_BITS_MAX => varint::put(out, touched.iter().fold(0, |mask, index| mask | 1 << index)),
        _ => {
            varint::put(out, touched.len() as u64);
            let mut before = 0;
            for index in touched {
                varint::put(out, (index - before).into());
                before = *index;
            }
        }
    }
}

fn get_touched(cursor: &mut Cursor, activities: usize) -> Result<Vec<u32>> {
    match activities {
        0 => Err(damaged()),
        1 => Ok(vec![0]),
        2..=MASK_BITS_MAX => {
            let mask = cursor.u64()?;
            let fits = mask != 0 && mask >> activities == 0;
            fits.then(|| (0..activities as u32).filter(|index| mask >> index & 1 == 1).collect()).ok_or_else(damaged)
        }
        _ => get_touched_list(cursor, activities),
    }
}

fn get_touched_list(cursor: &mut Cursor, activities: usize) -> Result<Vec<u32>> {
    let len = cursor.u64()?;
    let mut touched: Vec<u32> = Vec::with_capacity(capacity(len, cursor));
    for _ in 0..len {
        let gap = cursor.u32()?;
        let index = match touched.last() {
            None => Some(gap),
            Some(_) if gap == 0 => None,
            Some(before) => before.checked_add(gap),
        };
        touched.push(index.filter(|index| (*index as usize) < activities).ok_or_else(damaged)?);
    }
    if touched.is_empty() { Err(damaged()) } else { Ok(touched) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any day in normal form: sorted pairs, each held by an event or a session.
    fn user_day() -> impl Strategy<Value = (Day, UserDay)> {
        let quarters = prop_oneof![
            (0..96u32).prop_map(|i| 1u128 << i),
            any::<u128>().prop_map(|mask| mask >> 32),
            (0..90u32, 1..7u32).prop_map(|(first, len)| ((1 << len) - 1) << first),
            Just((1u128 << 96) - 1),
        ];
        let pair = (NONE..TEAM_IDS_MAX, NONE..SERVICE_IDS_MAX);
        let unit = prop_oneof![Just(1), Just(1_000), Just(1_000_000)];
        let session = (
            0..1_000_000_000i64,
            0..100_000_000_000i64,
            unit,
            prop::collection::vec(any::<prop::sample::Index>(), 1..5),
        );
        let days = prop_oneof![
            Just(Day::MIN),
            Just(Day::UNIX_EPOCH),
            (0..3_000_000u32).prop_map(|i| Day::from_index(i).unwrap())
        ];
        let parts = (
            days,
            prop::collection::btree_map(pair, quarters, 1..40),
            prop::collection::vec(session, 0..4),
            any::<u32>(),
        );
        parts.prop_map(|(day, pairs, sessions, reach)| {
            let activities: Vec<Activity> =
                pairs.into_iter().map(|((team, service), quarters)| Activity { team, service, quarters }).collect();
            let mut built = UserDay { activities, reaches_back: reach % (day.index() + 1), sessions: vec![] };
            let mut from = 0;
            for (gap, duration, unit, touched) in sessions {
                let start = (from + gap + unit) / unit * unit;
                if start >= Day::MICROS {
                    break;
                }
                let end = start + duration / unit * unit;
                let mut touched: Vec<u32> = touched.iter().map(|i| i.index(built.activities.len()) as u32).collect();
                touched.sort_unstable();
                touched.dedup();
                let midnight = day.start().unix_micros();
                built.sessions.push(GapSession { start: midnight + start, end: midnight + end, touched });
                from = end + 1;
            }
            (day, built)
        })
    }

    proptest! {
        #[test]
        fn a_day_is_read_back_as_it_was_written((day, built) in user_day()) {
            let mut bytes = vec![];
            built.clone().encode(day, &mut bytes);
            prop_assert_eq!(UserDay::decode(&bytes, day)?, built);
        }

        #[test]
        fn a_cut_or_longer_record_is_an_error((day, mut built) in user_day(), cut in any::<prop::sample::Index>()) {
            let mut bytes = vec![];
            built.encode(day, &mut bytes);
            prop_assert!(UserDay::decode(&bytes[..cut.index(bytes.len())], day).is_err());
            bytes.push(0);
            prop_assert!(UserDay::decode(&bytes, day).is_err());
        }

        #[test]
        fn damaged_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), day in 0..=Day::MAX.index()) {
            let _ = UserDay::decode(&bytes, Day::from_index(day).unwrap());
        }

        #[test]
        fn a_flipped_bit_never_panics((day, mut built) in user_day(), at in any::<prop::sample::Index>(), bit in 0..8u32) {
            let mut bytes = vec![];
            built.encode(day, &mut bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            if let Ok(mut read) = UserDay::decode(&bytes, day) {
                read.encode(day, &mut vec![]);
            }
        }

        #[test]
        fn the_order_of_the_pairs_leaves_no_trace((day, built) in user_day(), seed in any::<u32>()) {
            // Turns the pairs round, adds one that nothing holds, and moves the indices along.
            let len = built.activities.len() as u32;
            let turn = seed % len;
            let mut turned = built.clone();
            turned.activities.rotate_right(turn as usize);
            turned.activities.push(Activity { team: NONE, service: NONE, quarters: 0 });
            for index in turned.sessions.iter_mut().flat_map(|session| &mut session.touched) {
                *index = (*index + turn) % len;
            }
            let (mut one, mut other) = (vec![], vec![]);
            built.clone().encode(day, &mut one);
            turned.encode(day, &mut other);
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn an_ordinary_day_takes_ten_bytes() {
        let day = Day::parse("2025-01-15").unwrap();
        let start = day.start().unix_micros() + 36_000_000_000;
        let activities = vec![Activity { team: 40, service: 5, quarters: 1 << 40 }];
        let session = GapSession { start, end: start + 600_000_000, touched: vec![0] };
        let mut bytes = vec![];
        UserDay { activities, reaches_back: 0, sessions: vec![session] }.encode(day, &mut bytes);
        assert_eq!(bytes.len(), 10);
    }
}
