//! A settings file, read with the place of everything in it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::table::{Setting, TABLE};
use super::trusted_issuers;
use super::value::{Value, Written};

/// What a file says, each part from its top to its bottom.
#[derive(Debug)]
pub struct Contents {
    pub entries: Vec<Entry>,
    pub trusted_issuers: Vec<IssuerTable>,
}

/// A setting that the file sets.
#[derive(Debug)]
pub struct Entry {
    /// Into [`TABLE`]; in a table of trusted issuers into [`trusted_issuers::FIELDS`].
    pub index: usize,
    pub value: Value,
    /// From 1.
    pub line: usize,
}

/// A table `[[trusted_issuers]]`.
#[derive(Debug)]
pub struct IssuerTable {
    pub entries: Vec<Entry>,
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
pub fn read(text: &str) -> Result<Contents, FileError> {
    let line = |offset: usize| 1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count();
    let root = DeTable::parse(text).map_err(|e| FileError {
        line: line(e.span().map_or(0, |span| span.start)),
        message: format!("this is not TOML: {}", e.message()),
    })?;
    let mut found = vec![];
    let mut trusted_issuers = vec![];
    for (name, section) in root.get_ref() {
        match name.get_ref().as_ref() {
            trusted_issuers::SECTION => {
                let tables = read_issuers(text, name, section, &mut found).into_iter();
                trusted_issuers = tables.map(|offset| IssuerTable { entries: vec![], line: line(offset) }).collect();
            }
            _ => read_section(text, name, section, &mut found),
        }
    }
    // The parser's tables are sorted by name; people read files from the top.
    found.sort_by_key(|found| found.offset);
    let mut entries = vec![];
    for Found { offset, issuer, read } in found {
        let (index, value) = read.map_err(|message| FileError { line: line(offset), message })?;
        let entry = Entry { index, value, line: line(offset) };
        match issuer {
            None => entries.push(entry),
            Some(table) => trusted_issuers[table].entries.push(entry),
        }
    }
    Ok(Contents { entries, trusted_issuers })
}

/// What stands at an offset in the text: a setting by its index, or what is wrong.
struct Found {
    offset: usize,
    /// Which of the tables `[[trusted_issuers]]` it stands in, from 0.
    issuer: Option<usize>,
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
                let read = read_key(text, TABLE, section_name, key.get_ref(), value);
                found.push(Found { offset: key.span().start, issuer: None, read });
            }
        }
        None if is_known => {
            let message = format!("{section_name} must be a section: write [{section_name}], its settings below it");
            found.push(Found { offset, issuer: None, read: Err(message) });
        }
        _ => found.push(Found { offset, issuer: None, read: Err(unknown_section(section_name)) }),
    }
}

/// Gives the offset of each table.
fn read_issuers(text: &str, name: &Name, section: &Spanned<DeValue>, found: &mut Vec<Found>) -> Vec<usize> {
    let tables = section.get_ref().as_array();
    let mut is_good = tables.is_some();
    let mut offsets = vec![];
    for (index, table) in tables.into_iter().flatten().enumerate() {
        offsets.push(table.span().start);
        let Some(keys) = table.get_ref().as_table() else {
            is_good = false;
            continue;
        };
        for (key, value) in keys {
            let read = read_key(text, trusted_issuers::FIELDS, trusted_issuers::SECTION, key.get_ref(), value);
            found.push(Found { offset: key.span().start, issuer: Some(index), read });
        }
    }
    if !is_good {
        let message = "each trusted issuer is a table of its own: write [[trusted_issuers]], its settings below it";
        found.push(Found { offset: name.span().start, issuer: None, read: Err(message.into()) });
    }
    offsets
}

fn unknown_section(name: &str) -> String {
    // A key that lost its section is the likelier mistake where a setting has that very name.
    match TABLE.iter().find(|setting| setting.key == name) {
        Some(setting) => format!("{name:?} stands outside its section; did you mean {}?", setting.name()),
        None => {
            let sections = TABLE.iter().map(|setting| setting.section).chain([trusted_issuers::SECTION]);
            let meant = match nearest(name, sections.map(String::from)) {
                meant if meant == trusted_issuers::SECTION => format!("[[{meant}]]"),
                meant => format!("[{meant}]"),
            };
            format!("there is no section {name:?}; did you mean {meant}?")
        }
    }
}

fn read_key(
    text: &str,
    settings: &[Setting],
    section: &str,
    key: &str,
    value: &Spanned<DeValue>,
) -> Result<(usize, Value), String> {
    let name = format!("{section}.{key}");
    let index = settings.iter().position(|setting| setting.section == section && setting.key == key);
    let index = index.ok_or_else(|| {
        format!("there is no setting {name}; did you mean {}?", nearest(&name, settings.iter().map(Setting::name)))
    })?;
    let value = settings[index].read(&written(text, value))?;
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
