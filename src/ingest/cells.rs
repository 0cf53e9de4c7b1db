//! One item as cells, before they mean anything: what JSON and CSV have in common.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Bounds;
use super::message::quoted;
use crate::model::{Id, Timestamp};

/// No kind of item has more fields than this.
pub const FIELDS_MAX: usize = 6;

/// The field that is kept as the JSON text it came as.
pub const ATTRIBUTES: &str = "attributes";

/// A value, or what is wrong and what may stand there instead.
pub type Decoded<T> = Result<T, String>;

/// The cells of an item, in the order of its kind's [`Item::FIELDS`]; those behind its last field stay absent.
pub type Cells<'a> = [Cell<'a>; FIELDS_MAX];

/// What stands in one field.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Cell<'a> {
    #[default]
    Absent,
    Null,
    Text(Cow<'a, str>),
    /// JSON text, for the field `attributes` only.
    Json(&'a str),
    /// Something that no field can be, and what it is called in a message.
    Other(&'static str),
}

/// A kind of item: which fields it has, and what they mean.
pub trait Item: Sized {
    /// At most as many names as there are [`Cells`].
    const FIELDS: &'static [&'static str];
    /// Those of [`Item::FIELDS`] without which there is no item.
    const REQUIRED: &'static [&'static str];

    /// Makes the value that the cells mean.
    fn from_cells(cells: Cells<'_>, rules: &Rules) -> Decoded<Self>;

    /// How many bytes its texts take: what it needs beyond its own size.
    fn text_bytes(&self) -> usize;

    /// Appends the item as one JSON object from which [`Item::from_cells`] makes the same item again.
    fn write_json(&self, out: &mut Vec<u8>);
}

/// What decoding depends on besides the input.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Stands in for absent time stamps.
    pub now: Timestamp,
    pub bounds: Bounds,
}

/// Why there is no item.
#[derive(Debug)]
pub enum Unread {
    /// The text is not JSON.
    NotJson(serde_json::Error),
    /// It is JSON, but no item; with what is wrong.
    Rejected(String),
}

/// Reads one JSON text as an item. JSON of any depth is read without recursion.
pub fn read_item<T: Item>(text: &str, rules: &Rules) -> Result<T, Unread> {
    let cells = read_cells(text, T::FIELDS).map_err(Unread::NotJson)?;
    let item = cells.and_then(|cells| T::from_cells(cells, rules));
    item.map_err(|message| Unread::Rejected(too_deep(text, rules.bounds.nesting_max).unwrap_or(message)))
}

/// Reads one JSON text as cells by the names of `fields`; the inner error says why it is no such object.
pub fn read_cells<'a>(text: &'a str, fields: &'static [&'static str]) -> serde_json::Result<Decoded<Cells<'a>>> {
    if let Some(other) = not_an_object(text) {
        serde_json::from_str::<&RawValue>(text)?;
        return Ok(Err(format!("an item must be a JSON object, not {other}")));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let cells = json.deserialize_map(ObjectVisitor { fields })?;
    json.end()?;
    Ok(cells)
}

fn not_an_object(text: &str) -> Option<&'static str> {
    match text.trim_ascii_start().as_bytes().first() {
        Some(b'{') => None,
        Some(b'[') => Some("an array"),
        Some(b'"') => Some("a string"),
        Some(b't' | b'f') => Some("a boolean"),
        Some(b'n') => Some("null"),
        _ => Some("a number"),
    }
}

/// Items are flat, so whatever nests deep is rejected for some reason; this one is the most telling.
fn too_deep(json: &str, nesting_max: usize) -> Option<String> {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    (deepest > nesting_max)
        .then(|| format!("nests {deepest} deep; at most {nesting_max} are read (limits.nesting_max)"))
}

struct ObjectVisitor {
    fields: &'static [&'static str],
}

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Decoded<Cells<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    /// Goes on to the end after a bad field: whether the rest is JSON decides if there is an item at all.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut cells = Cells::default();
        let mut problem = None;
        while let Some(name) = map.next_key_seed(NameSeed { fields: self.fields })? {
            match name {
                Name::Known(i) if cells[i] != Cell::Absent => {
                    problem.get_or_insert_with(|| format!("{} is given twice", self.fields[i]));
                    map.next_value::<IgnoredAny>()?;
                }
                Name::Known(i) if self.fields[i] == ATTRIBUTES => {
                    cells[i] = match map.next_value::<&RawValue>()?.get() {
                        "null" => Cell::Null,
                        json => Cell::Json(json),
                    }
                }
                Name::Known(i) => cells[i] = map.next_value()?,
                Name::Unknown(message) => {
                    problem.get_or_insert(message);
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(problem.map_or(Ok(cells), Err))
    }
}

enum Name {
    /// An index into the fields.
    Known(usize),
    /// With the message about it.
    Unknown(String),
}

struct NameSeed {
    fields: &'static [&'static str],
}

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        match self.fields.iter().position(|field| *field == name) {
            Some(i) => Ok(Name::Known(i)),
            None => Ok(Name::Unknown(unknown("field", name, self.fields))),
        }
    }
}

/// `what`: "field" or "column".
pub fn unknown(what: &str, name: &str, fields: &[&str]) -> String {
    format!("unknown {what} {}; known: {}", quoted(name), fields.join(", "))
}

impl<'de> Deserialize<'de> for Cell<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cell<'de>, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(text)))
    }

    /// A string with escapes: it stands nowhere in the input as it is meant.
    fn visit_str<E>(self, text: &str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Cell<'de>, E> {
        Ok(Cell::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Cell<'de>, E> {
        Ok(Cell::Other("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Cell<'de>, E> {
        Ok(Cell::Other("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Cell<'de>, E> {
        Ok(Cell::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Cell<'de>, E> {
        Ok(Cell::Other("a number"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Cell<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cell::Other("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cell<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cell::Other("an object"))
    }
}

impl<'a> Cell<'a> {
    /// The id in field `name`; None where there is none.
    pub fn into_id(self, name: &str) -> Decoded<Option<Id>> {
        let text = self.into_text(name)?;
        text.map(|text| Id::new(text).map_err(|rule| format!("{name} {rule}"))).transpose()
    }

    /// The instant in field `name`; None where there is none.
    pub fn into_timestamp(self, name: &str) -> Decoded<Option<Timestamp>> {
        match self {
            Cell::Absent | Cell::Null => Ok(None),
            Cell::Text(text) => match Timestamp::parse(&text) {
                Ok(at) => Ok(Some(at)),
                Err(rule) => Err(format!("{name} {rule}, not {}", quoted(&text))),
            },
            Cell::Json(_) | Cell::Other(_) => Err(format!("{name} {}, not {}", Timestamp::RULE, self.is_called())),
        }
    }

    /// The text in field `name`; None where there is none.
    pub fn into_text(self, name: &str) -> Decoded<Option<Cow<'a, str>>> {
        match self {
            Cell::Absent | Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text)),
            Cell::Json(_) | Cell::Other(_) => Err(format!("{name} must be a string, not {}", self.is_called())),
        }
    }

    fn is_called(&self) -> &'static str {
        match self {
            Cell::Absent => "absent",
            Cell::Null => "null",
            Cell::Text(_) => "a string",
            Cell::Json(_) => "an object",
            Cell::Other(what) => what,
        }
    }
}

/// The value of a field without which there is no item.
pub fn required<T>(name: &str, value: Option<T>) -> Decoded<T> {
    value.ok_or_else(|| format!("{name} is missing"))
}
