//! A system event's attributes: a flat JSON object, kept as compact JSON text in the order and with the digits it came.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::cells::{Cell, Decoded};
use super::message::{quoted, reason};
use crate::model::ID_BYTES_MAX;

/// As compact JSON text; None where there are none, or an empty object. Errors with what is wrong.
pub fn read(cell: Cell<'_>, bytes_max: usize) -> Decoded<Option<String>> {
    let json = match cell {
        Cell::Absent | Cell::Null => return Ok(None),
        Cell::Json(json) => json,
        Cell::Text(_) | Cell::Other(_) => return Err(RULE.into()),
    };
    if !json.trim_ascii_start().starts_with('{') {
        return Err(RULE.into());
    }
    let mut object = serde_json::Deserializer::from_str(json);
    let compact = object.deserialize_map(CompactVisitor { bytes_max });
    let compact = compact.and_then(|compact| object.end().map(|()| compact));
    let compact = compact.map_err(|e| format!("attributes cannot be read: {}", reason(&e)))??;
    Ok((compact != "{}").then_some(compact))
}

const RULE: &str = "attributes must be a flat JSON object";

struct CompactVisitor {
    bytes_max: usize,
}

impl<'de> Visitor<'de> for CompactVisitor {
    /// The inner error is about the meaning, not the syntax.
    type Value = Decoded<String>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut compact = String::from("{");
        let mut keys = HashSet::new();
        let mut problem = None;
        while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
            // Behind a problem only the syntax is of interest, whatever the size.
            if problem.is_none() {
                problem = check(&key, value.get(), &keys).err();
                append(&mut compact, &key, value.get()).map_err(A::Error::custom)?;
                keys.insert(key);
            }
            // One more byte is for the brace that ends it.
            if compact.len() + 1 > self.bytes_max {
                problem.get_or_insert_with(|| self.too_long());
            }
        }
        compact.push('}');
        Ok(problem.map_or(Ok(compact), Err))
    }
}

impl CompactVisitor {
    fn too_long(&self) -> String {
        format!("attributes must be at most {} bytes of compact JSON (limits.attributes_bytes_max)", self.bytes_max)
    }
}

fn check(key: &str, value: &str, keys: &HashSet<String>) -> Decoded<()> {
    if !(1..=ID_BYTES_MAX).contains(&key.len()) {
        return Err(format!("keys of attributes must be 1 to {ID_BYTES_MAX} bytes long, not {}", quoted(key)));
    }
    if keys.contains(key) {
        return Err(format!("attributes give {} twice", quoted(key)));
    }
    match value.as_bytes().first() {
        Some(b'{') => Err(format!("{RULE}; {} holds an object", quoted(key))),
        Some(b'[') => Err(format!("{RULE}; {} holds an array", quoted(key))),
        Some(b'-' | b'0'..=b'9') if !value.parse::<f64>().is_ok_and(f64::is_finite) => {
            Err(format!("attributes must hold numbers of at most 64-bit floating point size; {} does not", quoted(key)))
        }
        _ => Ok(()),
    }
}

/// Numbers keep their digits; strings are written anew, so that the same text always takes the same bytes.
fn append(compact: &mut String, key: &str, value: &str) -> serde_json::Result<()> {
    if compact.len() > 1 {
        compact.push(',');
    }
    compact.push_str(&serde_json::to_string(key)?);
    compact.push(':');
    if value.starts_with('"') {
        let text: Cow<'_, str> = serde_json::from_str(value)?;
        compact.push_str(&serde_json::to_string(&text)?);
    } else {
        compact.push_str(value);
    }
    Ok(())
}
