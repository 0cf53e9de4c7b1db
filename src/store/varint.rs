//! Little-endian base-128 integers, as rollups and base facts pack them. A damaged blob is an error, never a panic.

use crate::error::{Error, Result};

pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small magnitudes of either sign become small varints.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Reads a blob from front to back.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub fn u64(&mut self) -> Result<u64> {
        // One byte is by far the most frequent.
        if let [first @ ..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*first));
        }
        self.long()
    }

    fn long(&mut self) -> Result<u64> {
        let mut value = 0;
        for (i, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if *byte < 0x80 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(damaged())
    }

    #[inline]
    pub fn u32(&mut self) -> Result<u32> {
        u32::try_from(self.u64()?).map_err(|_| damaged())
    }

    #[inline]
    pub fn signed(&mut self) -> Result<i64> {
        let value = self.u64()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    /// Passes over so many integers.
    #[inline]
    pub fn skip(&mut self, integers: usize) -> Result<()> {
        let mut left = integers;
        for (i, byte) in self.rest.iter().enumerate() {
            if left == 0 {
                self.rest = &self.rest[i..];
                return Ok(());
            }
            // The last byte of an integer.
            left -= usize::from(*byte < 0x80);
        }
        self.rest = &[];
        if left == 0 { Ok(()) } else { Err(damaged()) }
    }

    #[inline]
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(damaged)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// A blob that we did not write so.
pub fn damaged() -> Error {
    Error::internal("the database holds a damaged record; `analytics check` says which")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read_back_and_a_cut_blob_is_an_error() {
        let values = [0, 1, 127, 128, 300, 1 << 35, u64::MAX];
        let mut out = vec![];
        for value in values {
            put(&mut out, value);
            put_signed(&mut out, value as i64);
        }
        let mut cursor = Cursor::new(&out);
        for value in values {
            assert_eq!((cursor.u64(), cursor.signed()), (Ok(value), Ok(value as i64)));
        }
        assert!(cursor.is_empty() && cursor.u64().is_err());
        let mut cursor = Cursor::new(&out);
        assert_eq!((cursor.skip(4), cursor.u64()), (Ok(()), Ok(127)));
        assert_eq!((cursor.skip(0), cursor.u64(), cursor.skip(8)), (Ok(()), Ok(127 << 1), Ok(())));
        assert!(cursor.is_empty() && cursor.skip(0).is_ok() && cursor.skip(1).is_err());
        assert!(Cursor::new(&[0x80]).u64().is_err() && Cursor::new(&[0xff; 11]).u64().is_err());
    }
}
