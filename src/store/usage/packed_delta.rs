//! A delta as one row of usage_delta keeps it.
//!
//! Two lists of facts (added, removed), then the counts, then the extras; each list is its length, then its entries as
//! varints. Facts and extras come sorted by day and user, counts by kind and cell, so that most differences take a byte
//! or two.

use super::delta::{Count, CountKind, Delta, Extra, Fact};
use super::lattice::{ANY, Cell, SERVICE_IDS_MAX, TEAM_IDS_MAX};
use crate::error::Result;
use crate::model::Day;
use crate::store::varint::{self, Cursor, damaged};

/// `delta`: net, as [`Delta::net`] leaves it.
pub fn encode(delta: &Delta) -> Vec<u8> {
    let mut out = vec![];
    encode_facts(&delta.added, &mut out);
    encode_facts(&delta.removed, &mut out);
    varint::put(&mut out, delta.counts.len() as u64);
    let mut team = 0;
    for count in &delta.counts {
        out.push(count.kind as u8);
        varint::put_signed(&mut out, i64::from(count.cell.team()) - team);
        varint::put(&mut out, u64::from(count.cell.service()));
        varint::put(&mut out, u64::from(count.day.index()));
        varint::put_signed(&mut out, i64::from(count.n));
        team = i64::from(count.cell.team());
    }
    encode_extras(&delta.extras, &mut out);
    out
}

fn encode_facts(facts: &[Fact], out: &mut Vec<u8>) {
    varint::put(out, facts.len() as u64);
    let mut place = Place::default();
    for Fact { day, ord, team, service, cells } in facts.iter().copied() {
        place.encode(Place { day: day.index(), ord }, out);
        encode_pair(team, service, cells, out);
    }
}

fn encode_extras(extras: &[Extra], out: &mut Vec<u8>) {
    varint::put(out, extras.len() as u64);
    let mut place = Place::default();
    for Extra { day, ord, team, service, cells, n } in extras.iter().copied() {
        place.encode(Place { day: day.index(), ord }, out);
        encode_pair(team, service, cells, out);
        varint::put_signed(out, i64::from(n));
    }
}

fn encode_pair(team: u32, service: u32, cells: u8, out: &mut Vec<u8>) {
    varint::put(out, u64::from(team));
    varint::put(out, u64::from(service));
    out.push(cells);
}

/// A day and a user; each is kept as the difference from the one before.
#[derive(Clone, Copy, Default)]
struct Place {
    day: u32,
    ord: u32,
}

impl Place {
    fn encode(&mut self, next: Place, out: &mut Vec<u8>) {
        varint::put_signed(out, i64::from(next.day) - i64::from(self.day));
        varint::put_signed(out, i64::from(next.ord) - i64::from(self.ord));
        *self = next;
    }

    fn decode(&mut self, cursor: &mut Cursor) -> Result<(Day, u32)> {
        self.day = step(self.day, cursor.signed()?, Day::MAX.index())?;
        self.ord = step(self.ord, cursor.signed()?, u32::MAX)?;
        Ok((Day::from_index(self.day).ok_or_else(damaged)?, self.ord))
    }
}

/// Appends what the row holds to `delta`. Errors if it is damaged.
pub fn decode_into(packed: &[u8], delta: &mut Delta) -> Result<()> {
    let mut cursor = Cursor::new(packed);
    decode_facts(&mut cursor, &mut delta.added)?;
    decode_facts(&mut cursor, &mut delta.removed)?;
    let len = cursor.u64()?;
    let mut team = 0;
    for _ in 0..len {
        let kind = match cursor.byte()? {
            0 => CountKind::Entered,
            1 => CountKind::Left,
            _ => return Err(damaged()),
        };
        team = step(team, cursor.signed()?, TEAM_IDS_MAX - 1)?;
        let service = below(cursor.u32()?, SERVICE_IDS_MAX)?;
        let day = Day::from_index(cursor.u32()?).ok_or_else(damaged)?;
        let n = i32::try_from(cursor.signed()?).map_err(|_| damaged())?;
        delta.counts.push(Count { kind, cell: Cell::new(team, service), day, n });
    }
    decode_extras(&mut cursor, &mut delta.extras)?;
    if cursor.is_empty() { Ok(()) } else { Err(damaged()) }
}

fn decode_facts(cursor: &mut Cursor, facts: &mut Vec<Fact>) -> Result<()> {
    let mut place = Place::default();
    for _ in 0..cursor.u64()? {
        let (day, ord) = place.decode(cursor)?;
        let (team, service, cells) = decode_pair(cursor)?;
        facts.push(Fact { day, ord, team, service, cells });
    }
    Ok(())
}

fn decode_extras(cursor: &mut Cursor, extras: &mut Vec<Extra>) -> Result<()> {
    let mut place = Place::default();
    for _ in 0..cursor.u64()? {
        let (day, ord) = place.decode(cursor)?;
        let (team, service, cells) = decode_pair(cursor)?;
        let n = i32::try_from(cursor.signed()?).map_err(|_| damaged())?;
        extras.push(Extra { day, ord, team, service, cells, n });
    }
    Ok(())
}

fn decode_pair(cursor: &mut Cursor) -> Result<(u32, u32, u8)> {
    let team = named(below(cursor.u32()?, TEAM_IDS_MAX)?)?;
    let service = named(below(cursor.u32()?, SERVICE_IDS_MAX)?)?;
    Ok((team, service, cursor.byte()?))
}

/// At most `max`.
fn step(value: u32, by: i64, max: u32) -> Result<u32> {
    let sum = i64::from(value).checked_add(by).and_then(|sum| u32::try_from(sum).ok());
    sum.filter(|sum| *sum <= max).ok_or_else(damaged)
}

fn below(value: u32, end: u32) -> Result<u32> {
    if value < end { Ok(value) } else { Err(damaged()) }
}

fn named(id: u32) -> Result<u32> {
    if id == ANY { Err(damaged()) } else { Ok(id) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn fact()(day in 0..=Day::MAX.index(), ord: u32, team in 1..TEAM_IDS_MAX, service in 1..SERVICE_IDS_MAX, cells in 0..16u8) -> Fact {
            Fact { day: Day::from_index(day).unwrap(), ord, team, service, cells }
        }
    }

    prop_compose! {
        fn extra()(fact in fact(), n: i32) -> Extra {
            let Fact { day, ord, team, service, cells } = fact;
            Extra { day, ord, team, service, cells, n }
        }
    }

    prop_compose! {
        fn count()(kind in 0..2usize, team in 0..TEAM_IDS_MAX, service in 0..SERVICE_IDS_MAX, day in 0..=Day::MAX.index(), n: i32) -> Count {
            let kind = [CountKind::Entered, CountKind::Left][kind];
            Count { kind, cell: Cell::new(team, service), day: Day::from_index(day).unwrap(), n }
        }
    }

    prop_compose! {
        fn delta()(
            added in proptest::collection::vec(fact(), 0..20),
            removed in proptest::collection::vec(fact(), 0..20),
            counts in proptest::collection::vec(count(), 0..20),
            extras in proptest::collection::vec(extra(), 0..20),
        ) -> Delta {
            Delta { added, removed, counts, extras }
        }
    }

    proptest! {
        #[test]
        fn a_delta_is_unpacked_as_it_was_packed(delta in delta()) {
            let mut unpacked = Delta::default();
            decode_into(&encode(&delta), &mut unpacked)?;
            prop_assert_eq!(unpacked, delta);
        }

        #[test]
        fn a_cut_row_is_an_error_and_a_damaged_one_never_a_panic(delta in delta(), at: usize, with: u8) {
            let mut packed = encode(&delta);
            let at = at % packed.len();
            prop_assert!(decode_into(&packed[..at], &mut Delta::default()).is_err());
            packed[at] = with;
            let _ = decode_into(&packed, &mut Delta::default());
        }
    }
}
