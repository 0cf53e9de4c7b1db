//! A settings file, read with the place of everything in it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::table::{Setting, TABLE};
use super::value::{Value, Written};

/// A setting that the file sets.
#[derive(Debug)]
pub struct Entry {
    /// Into [`TABLE`].
    pub index: usize,
    pub value: Value,
    /// From 1.
    pub line: usize,
}

/// What is wrong with the file, and on which line, from 1.
#[derive(PartialEq, Eq, Debug)]
pub struct FileError {
    pub line: usize,
    pub message: String,
}

/// Errors with the first thing that is wrong: syntax, a setting that does not exist, a value that cannot stand there.
pub fn read(text: &str) -> Result<Vec<Entry>, FileError> {
    let line = |offset: usize| 1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count();
    let root = DeTable::parse(text).map_err(|e| FileError {
        line: line(e.span().map_or(0, |span| span.start)),
        message: format!("this is not TOML: {}", e.message()),
    })?;
    let mut found = vec![];
    for (name, section) in root.get_ref() {
        read_section(text, name, section, &mut found);
    }
    // The parser's tables are sorted by name; people read files from the top.
    found.sort_by_key(|found| found.offset);
    let entry = |found: Found| match found.read {
        Ok((index, value)) => Ok(Entry { index, value, line: line(found.offset) }),
        Err(message) => Err(FileError { line: line(found.offset), message }),
    };
    found.into_iter().map(entry).collect()
}

/// What stands at an offset in the text: a setting by its index, or what is wrong.
struct Found {
    offset: usize,
    read: Result<(usize, Value), String>,
}

type Name<'a> = Spanned<toml::de::DeString<'a>>;

fn read_section(text: &str, name: &Name, section: &Spanned<DeValue>, found: &mut Vec<Found>) {
    let section_name = name.get_ref().as_ref();
    let offset = name.span().start;
    let is_known = TABLE.iter().any(|setting| setting.section == section_name);
    match section.get_ref().as_table() {
        Some(keys) if is_known => {
            for (key, value) in keys {
                let read = read_key(text, section_name, key.get_ref(), value);
                found.push(Found { offset: key.span().start, read });
            }
        }
        None if is_known => {
            let message = format!("{section_name} must be a section: write [{section_name}], its settings below it");
            found.push(Found { offset, read: Err(message) });
        }
        _ => found.push(Found { offset, read: Err(unknown_section(section_name)) }),
    }
}

fn unknown_section(name: &str) -> String {
    // A key that lost its section is the likelier mistake where a setting has that very name.
    match TABLE.iter().find(|setting| setting.key == name) {
        Some(setting) => format!("{name:?} stands outside its section; did you mean {}?", setting.name()),
        None => {
            let sections = TABLE.iter().map(|setting| setting.section.to_owned());
            format!("there is no section {name:?}; did you mean [{}]?", nearest(name, sections))
        }
    }
}

fn read_key(text: &str, section: &str, key: &str, value: &Spanned<DeValue>) -> Result<(usize, Value), String> {
    let name = format!("{section}.{key}");
    let index = TABLE.iter().position(|setting| setting.section == section && setting.key == key);
    let index = index.ok_or_else(|| {
        format!("there is no setting {name}; did you mean {}?", nearest(&name, TABLE.iter().map(Setting::name)))
    })?;
    let value = TABLE[index].read(&written(text, value))?;
    Ok((index, value))
}

fn written(text: &str, value: &Spanned<DeValue>) -> Written {
    let as_written = || {
        let span = value.span();
        let first_line = text.get(span).and_then(|text| text.lines().next());
        Written::Other(first_line.unwrap_or_else(|| value.get_ref().type_str()).to_owned())
    };
    match value.get_ref() {
        DeValue::String(text) => Written::Text(text.to_string()),
        DeValue::Boolean(flag) => Written::Flag(*flag),
        DeValue::Array(items) => Written::List(items.iter().map(|item| written(text, item)).collect()),
        DeValue::Integer(number) => {
            u64::from_str_radix(number.as_str(), number.radix()).map_or_else(|_| as_written(), Written::Number)
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => as_written(),
    }
}
