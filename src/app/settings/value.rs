//! What is written for a setting, and what it means.

use std::net::SocketAddr;

use super::table::{Kind, parse_size, size_text};

/// A value that may stand for its setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    Text(String),
    List(Vec<String>),
    Number(u64, Unit),
    Flag(bool),
}

/// How a number is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    Plain,
    Bytes,
}

/// What was found for a setting, before it is known to fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Written {
    Text(String),
    List(Vec<Written>),
    Number(u64),
    Flag(bool),
    /// What no setting can be; as it was written.
    Other(String),
}

impl Written {
    /// A variable or a flag: text that may stand for other kinds of values.
    pub fn from_text(kind: Kind, text: &str) -> Written {
        let of_its_kind = match kind {
            Kind::Count { .. } | Kind::Seconds { .. } | Kind::Size { .. } => text.parse().ok().map(Written::Number),
            Kind::Flag => text.parse().ok().map(Written::Flag),
            Kind::Origins => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Some(Written::List(parts.map(|part| Written::Text(part.into())).collect()))
            }
            Kind::Address | Kind::Url | Kind::Text { .. } | Kind::Path => None,
        };
        of_its_kind.unwrap_or_else(|| Written::Text(text.into()))
    }

    /// For a message; cut where it is long.
    pub fn shown(&self) -> String {
        const SHOWN_CHARS_MAX: usize = 60;
        let text = self.as_written();
        match text.char_indices().nth(SHOWN_CHARS_MAX) {
            Some((end, _)) => format!("{}..", &text[..end]),
            None => text,
        }
    }

    fn as_written(&self) -> String {
        match self {
            Written::Text(text) => format!("{text:?}"),
            Written::List(items) => {
                let items: Vec<String> = items.iter().map(Written::as_written).collect();
                format!("[{}]", items.join(", "))
            }
            Written::Number(number) => number.to_string(),
            Written::Flag(flag) => flag.to_string(),
            Written::Other(text) => text.clone(),
        }
    }
}

impl Value {
    /// None for what may not stand there.
    pub fn read(kind: Kind, written: &Written) -> Option<Value> {
        let within = |number: u64, min, max, unit| (min..=max).contains(&number).then_some(Value::Number(number, unit));
        match (kind, written) {
            (Kind::Address, Written::Text(text)) => socket_address(text).map(|_| Value::Text(text.clone())),
            (Kind::Url, Written::Text(text)) => is_url(text).then(|| Value::Text(text.clone())),
            (Kind::Text { chars_max }, Written::Text(text)) => {
                is_short(text, chars_max).then(|| Value::Text(text.clone()))
            }
            (Kind::Path, Written::Text(text)) => is_path(text).then(|| Value::Text(text.clone())),
            (Kind::Origins, Written::List(items)) => items.iter().map(origin).collect::<Option<_>>().map(Value::List),
            (Kind::Count { min, max } | Kind::Seconds { min, max }, Written::Number(number)) => {
                within(*number, min, max, Unit::Plain)
            }
            (Kind::Size { min, max }, Written::Number(bytes)) => within(*bytes, min, max, Unit::Bytes),
            (Kind::Size { min, max }, Written::Text(text)) => within(parse_size(text)?, min, max, Unit::Bytes),
            (Kind::Flag, Written::Flag(flag)) => Some(Value::Flag(*flag)),
            _ => None,
        }
    }

    /// As it may stand in a settings file.
    pub fn to_toml(&self) -> String {
        match self {
            Value::Text(text) => toml::Value::from(text.as_str()).to_string(),
            Value::List(texts) => toml::Value::from(texts.clone()).to_string(),
            Value::Number(number, Unit::Plain) => number.to_string(),
            Value::Number(bytes, Unit::Bytes) => toml::Value::from(size_text(*bytes)).to_string(),
            Value::Flag(flag) => flag.to_string(),
        }
    }
}

/// An address, or `localhost` for the loopback, and a port.
pub fn socket_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => port.parse().ok().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port))),
        None => text.parse().ok(),
    }
}

fn is_url(text: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '"' | '<' | '>' | '\\');
    text.is_empty() || split_url(text).is_some() && !text.ends_with('/') && !text.contains(bad)
}

/// In the lower case in which browsers send it.
fn origin(written: &Written) -> Option<String> {
    let Written::Text(text) = written else { return None };
    split_url(text).filter(|(_, path)| path.is_empty()).map(|_| text.to_ascii_lowercase())
}

/// Host with port, and path, of an http or https address.
fn split_url(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    (!host.is_empty() && host.bytes().all(plain)).then_some((host, path))
}

fn is_short(text: &str, chars_max: u64) -> bool {
    text.chars().count() as u64 <= chars_max && !text.contains(char::is_control)
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}
