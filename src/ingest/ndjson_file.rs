use std::io::{BufRead, Read};

use super::body::{LineError, read_line};
use super::cells::{Decoded, Item, Rules};
use super::import::cannot_read;
use crate::error::Result;

/// Reads NDJSON line by line; a line that is too long costs no more memory than one that is not.
pub struct NdjsonFile {
    input: Box<dyn BufRead + Send>,
    line_bytes_max: usize,
    line: Vec<u8>,
    /// Of the line in `line`, from 1.
    number: usize,
}

impl NdjsonFile {
    pub fn new(input: Box<dyn BufRead + Send>, line_bytes_max: usize) -> NdjsonFile {
        NdjsonFile { input, line_bytes_max, line: Vec::new(), number: 0 }
    }

    /// The item of the next line that is not blank, with the line's number; None at the end.
    pub fn next_item<T: Item>(&mut self, rules: &Rules) -> Result<Option<(usize, Decoded<T>)>> {
        while self.read_line().map_err(|e| cannot_read(self.number, &e))? {
            if self.line.len() > self.line_bytes_max {
                let bytes_max = self.line_bytes_max;
                let message = format!("the line is longer than {bytes_max} bytes (limits.body_bytes_max)");
                return Ok(Some((self.number, Err(message))));
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some((self.number, read_line(&self.line, rules).map_err(LineError::into_message))));
            }
        }
        Ok(None)
    }

    /// Reads one line without its end, of one that is too long only its beginning. False at the end of the file.
    fn read_line(&mut self) -> std::io::Result<bool> {
        self.line.clear();
        self.number += 1;
        // Room for the line's end, and for one byte more to see that it is too long.
        let bytes_max = self.line_bytes_max as u64 + 2;
        if self.input.by_ref().take(bytes_max).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        if self.line.pop_if(|byte| *byte == b'\n').is_none() && self.line.len() > self.line_bytes_max {
            self.input.skip_until(b'\n')?;
        }
        Ok(true)
    }
}
