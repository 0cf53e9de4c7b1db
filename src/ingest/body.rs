//! A request's body, split into items: one object, an array, or NDJSON.

use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::batch::Batch;
use super::cells::{Item, Rules, Unread, read_item};
use super::message::{quoted, reason, reason_and_place};
use crate::error::{Error, Kind, Result};

const SHAPES: &str = "a JSON object, an array of objects, or NDJSON (one object a line)";

/// Errors with `Invalid` if nothing can be read, `TooLarge` past `limits.items_max`.
pub fn read<T: Item>(body: &[u8], rules: &Rules) -> Result<Batch<T>> {
    let body = without_bom(body);
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Err(Error::invalid(format!("the body is empty; send {SHAPES}"))),
        Some(b'[') => read_array(utf8(body)?, rules),
        Some(b'{') => read_objects(body, rules),
        Some(_) => Err(Error::invalid(format!("the body must be {SHAPES}; it starts with {}", start(body)))),
    }
}

/// Some tools on Windows put a byte order mark in front of UTF-8.
pub fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Errors with `Invalid`, naming the first byte that is no UTF-8.
pub fn utf8(body: &[u8]) -> Result<&str> {
    std::str::from_utf8(body)
        .map_err(|e| Error::invalid(format!("the body is not UTF-8: byte {} is wrong", e.valid_up_to())))
}

fn start(body: &[u8]) -> String {
    let start = &body[..body.len().min(16)];
    quoted(String::from_utf8_lossy(start).trim_start())
}

/// An array is read to its end or not at all: behind a syntax error nobody knows where the next item begins.
fn read_array<T: Item>(text: &str, rules: &Rules) -> Result<Batch<T>> {
    let mut batch = Batch::new();
    let mut json = serde_json::Deserializer::from_str(text);
    let items = json.deserialize_seq(ArrayVisitor { batch: &mut batch, rules });
    let items = items.and_then(|items| json.end().map(|()| items));
    let items = items.map_err(|e| Error::invalid(format!("the array cannot be read: {}", reason_and_place(&e))))?;
    check_items(items, rules)?;
    Ok(batch)
}

fn check_items(items: usize, rules: &Rules) -> Result<()> {
    let items_max = rules.bounds.items_max;
    if items <= items_max {
        return Ok(());
    }
    let message = format!("more than {items_max} items in one request (limits.items_max); send them in several");
    Err(Error::new(Kind::TooLarge, message))
}

struct ArrayVisitor<'a, T> {
    batch: &'a mut Batch<T>,
    rules: &'a Rules,
}

impl<'de, T: Item> Visitor<'de> for ArrayVisitor<'_, T> {
    /// How many items there are; those past the bound are counted, not read.
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<usize, A::Error> {
        let mut items = 0;
        while let Some(item) = seq.next_element::<&RawValue>()? {
            if items < self.rules.bounds.items_max {
                let read = read_item(item.get(), self.rules).map_err(|unread| not_taken(unread, "in the item"));
                self.batch.add(items, read);
            }
            items += 1;
        }
        Ok(items)
    }
}

fn not_taken(unread: Unread, within: &str) -> String {
    match unread {
        Unread::NotJson(e) => format!("not JSON: {} {within}", reason_and_place(&e)),
        Unread::Rejected(message) => message,
    }
}

/// One object, on however many lines, or an object a line.
fn read_objects<T: Item>(body: &[u8], rules: &Rules) -> Result<Batch<T>> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>();
    let first = values.next();
    let behind = &body[values.byte_offset()..];
    match first {
        Some(Ok(object)) if behind.trim_ascii().is_empty() => {
            let mut batch = Batch::new();
            let read = read_item(object.get(), rules).map_err(|unread| not_taken(unread, "of the object"));
            batch.add(0, read);
            Ok(batch)
        }
        Some(Ok(object)) if object.get().contains('\n') => {
            let line = 1 + body[..body.len() - behind.trim_ascii_start().len()].iter().filter(|b| **b == b'\n').count();
            Err(Error::invalid(format!(
                "an object that spans several lines is followed by more on line {line}; send {SHAPES}"
            )))
        }
        Some(Err(e)) => read_lines(body, rules, Some(&e)),
        _ => read_lines(body, rules, None),
    }
}

/// `broken`: what is wrong with the body read as one object.
fn read_lines<T: Item>(body: &[u8], rules: &Rules, broken: Option<&serde_json::Error>) -> Result<Batch<T>> {
    let mut batch = Batch::new();
    let mut any_object = false;
    let mut first_error = None;
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    for (number, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let index = batch.len();
        check_items(index + 1, rules)?;
        let read = read_line(line, rules);
        // A line that is a mere value tells nothing: it may as well be a part of one broken object.
        any_object |= line.trim_ascii_start().starts_with(b"{") && !matches!(read, Err(LineError::NotJson(_)));
        let read = read.map_err(LineError::into_message);
        if let (Err(message), None) = (&read, &first_error) {
            first_error = Some(format!("line {}: {message}", number + 1));
        }
        batch.add(index, read);
    }
    match (any_object, broken, first_error) {
        (false, Some(e), _) => {
            utf8(body)?;
            Err(Error::invalid(format!("the body is not JSON: {}", reason_and_place(e))))
        }
        (false, None, Some(message)) => Err(Error::invalid(message)),
        _ => Ok(batch),
    }
}

/// Why a line holds no item.
pub enum LineError {
    NotJson(String),
    Rejected(String),
}

impl LineError {
    pub fn into_message(self) -> String {
        match self {
            LineError::NotJson(message) | LineError::Rejected(message) => message,
        }
    }
}

/// Reads a line of NDJSON.
pub fn read_line<T: Item>(line: &[u8], rules: &Rules) -> std::result::Result<T, LineError> {
    let text = std::str::from_utf8(line)
        .map_err(|e| LineError::NotJson(format!("not UTF-8: byte {} of the line is wrong", e.valid_up_to())))?;
    read_item(text, rules).map_err(|unread| match unread {
        Unread::NotJson(e) => LineError::NotJson(format!("not JSON: {} at column {}", reason(&e), e.column())),
        Unread::Rejected(message) => LineError::Rejected(message),
    })
}
