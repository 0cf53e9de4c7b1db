//! The fields of one flat JSON object: each stands once, and null is as good as absent.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::invalid;
use crate::error::{Error, Result};
use crate::ingest::body::without_bom;
use crate::ingest::message::{quoted, reason_and_place};
use crate::model::{Day, Id, Severity, SeveritySet, Timestamp};

/// No name stands twice.
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Errors with `Invalid` if the text is no JSON object, or gives a field twice.
    pub fn read(json: &[u8]) -> Result<Fields> {
        let json = without_bom(json);
        if json.trim_ascii().is_empty() {
            let message = "the body is empty; send a JSON object with at least \"report_type\" and \"format\"";
            return Err(Error::invalid(message));
        }
        let fields: Fields = serde_json::from_slice(json)
            .map_err(|e| Error::invalid(format!("the body must be one JSON object: {}", reason_and_place(&e))))?;
        let names = || fields.0.iter().map(|(name, _)| name);
        match names().enumerate().find(|(at, name)| names().take(*at).any(|before| before == *name)) {
            Some((_, twice)) => Err(Error::invalid(format!("{} is given twice; give it once", quoted(twice)))),
            None => Ok(fields),
        }
    }

    /// Errors with `Invalid` for the first field that is none of those `known` to `what`.
    pub fn must_be_known(&self, what: &str, known: &[&str]) -> Result<()> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                Err(Error::invalid(format!("{what} has no field {}; known: {}", quoted(name), known.join(", "))))
            }
            None => Ok(()),
        }
    }

    pub fn required_choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T> {
        self.choice(name, choices)?.ok_or_else(|| invalid(name, &format!("is required: {}", words(choices))))
    }

    /// One of several words.
    pub fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match choices.iter().find(|(word, _)| *word == text) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => Err(invalid(name, &format!("must be {}, not {}", words(choices), quoted(text)))),
        }
    }

    pub fn required_date(&self, name: &str) -> Result<Day> {
        self.date(name)?.ok_or_else(|| invalid(name, "is required: a calendar date as YYYY-MM-DD"))
    }

    pub fn date(&self, name: &str) -> Result<Option<Day>> {
        let read = |text| Day::parse(text).map_err(|rule| invalid(name, &format!("{rule}, not {}", quoted(text))));
        self.text(name)?.map(read).transpose()
    }

    /// A date (its midnight, UTC) or an RFC 3339 time.
    pub fn instant(&self, name: &str) -> Result<Option<Timestamp>> {
        let read = |text| match (Day::parse(text), Timestamp::parse(text)) {
            (Ok(day), _) => Ok(day.start()),
            (_, Ok(at)) => Ok(at),
            (_, Err(rule)) => {
                Err(invalid(name, &format!("{rule}, or a calendar date as YYYY-MM-DD, not {}", quoted(text))))
            }
        };
        self.text(name)?.map(read).transpose()
    }

    pub fn id(&self, name: &str) -> Result<Option<Id>> {
        let read = |text: &str| Id::new(text).map_err(|rule| invalid(name, rule));
        self.text(name)?.map(read).transpose()
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(invalid(name, &format!("must be true or false, not {}", called(other)))),
        }
    }

    /// Words with commas between, or a list of words; each once, and at least one.
    pub fn severities(&self, name: &str) -> Result<Option<SeveritySet>> {
        let words: Vec<&str> = match self.value(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text.split(',').collect(),
            Some(Value::Array(items)) => items.iter().map(|item| item.as_str().unwrap_or_default()).collect(),
            Some(_) => vec![],
        };
        let read: Option<Vec<Severity>> = words.iter().map(|word| Severity::parse(word)).collect();
        let Some(severities) = read.filter(|severities| !severities.is_empty()) else {
            return Err(invalid(
                name,
                "must be info, warning or error, several of them with commas between, or a list of them",
            ));
        };
        match words.iter().enumerate().find(|(at, word)| words[..*at].contains(word)) {
            Some((_, twice)) => Err(invalid(name, &format!("names {twice:?} more than once; name it once"))),
            None => Ok(Some(severities.into_iter().collect())),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(invalid(name, &format!("must be a string, not {}", called(other)))),
        }
    }

    fn value(&self, name: &str) -> Option<&Value> {
        let value = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        value.filter(|value| !value.is_null())
    }
}

fn words<T>(choices: &[(&str, T)]) -> String {
    let quoted: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    quoted.join(" or ")
}

fn called(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A map of serde_json's would keep the last of two fields of one name, and say nothing.
impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Fields, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Fields, A::Error> {
                let mut fields = vec![];
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}
