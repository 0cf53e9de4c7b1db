//! What is written for a setting, and what it means.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::table::{Kind, parse_size, parse_span, size_text, span_text};

/// The longest of [`Kind::Texts`].
pub const TEXT_CHARS_MAX: u64 = 256;
/// The longest [`Kind::Secret`].
pub const SECRET_CHARS_MAX: u64 = 1024;

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
    /// Seconds, shown with a unit.
    Span,
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
            Kind::Origins | Kind::Networks | Kind::Words(_) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Some(Written::List(parts.map(|part| Written::Text(part.into())).collect()))
            }
            Kind::Address | Kind::Url | Kind::SafeUrl { .. } | Kind::Path => None,
            Kind::Span { .. } | Kind::Age { .. } => None,
            Kind::Text { .. } | Kind::Texts { .. } | Kind::Secret | Kind::Word(_) => None,
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
            (_, Written::Text(text)) if kind.takes(text) => Some(Value::Text(text.clone())),
            (Kind::Texts { min }, Written::List(items)) if items.len() >= min => {
                list(items, |text| kind.takes(text).then(|| text.to_string()))
            }
            (Kind::Words(known), Written::List(items)) => {
                list(items, |text| known.contains(&text).then(|| text.to_string()))
            }
            (Kind::Origins, Written::List(items)) => list(items, origin),
            (Kind::Networks, Written::List(items)) => list(items, |text| Some(network(text)?.to_string())),
            (Kind::Count { min, max } | Kind::Seconds { min, max }, Written::Number(number)) => {
                within(*number, min, max, Unit::Plain)
            }
            (Kind::Size { min, max }, Written::Number(bytes)) => within(*bytes, min, max, Unit::Bytes),
            (Kind::Size { min, max }, Written::Text(text)) => within(parse_size(text)?, min, max, Unit::Bytes),
            (Kind::Span { min, max }, Written::Text(text)) => within(parse_span(text)?, min, max, Unit::Span),
            (Kind::Age { .. }, Written::Number(0)) => Some(Value::Number(0, Unit::Span)),
            (Kind::Age { .. }, Written::Text(text)) if text.trim() == "0" => Some(Value::Number(0, Unit::Span)),
            (Kind::Age { min, max }, Written::Text(text)) => within(parse_span(text)?, min, max, Unit::Span),
            (Kind::Flag, Written::Flag(flag)) => Some(Value::Flag(*flag)),
            _ => None,
        }
    }

    /// Of a kind that is text.
    pub fn into_text(self) -> String {
        match self {
            Value::Text(text) => text,
            Value::List(_) | Value::Number(..) | Value::Flag(_) => unreachable!("its kind is no text"),
        }
    }

    /// Of a kind that is a list, or a text in place of a list of one.
    pub fn into_texts(self) -> Vec<String> {
        match self {
            Value::Text(text) => vec![text],
            Value::List(texts) => texts,
            Value::Number(..) | Value::Flag(_) => unreachable!("its kind is no list"),
        }
    }

    /// As it may stand in a settings file.
    pub fn to_toml(&self) -> String {
        match self {
            Value::Text(text) => toml::Value::from(text.as_str()).to_string(),
            Value::List(texts) => toml::Value::from(texts.clone()).to_string(),
            Value::Number(number, Unit::Plain) => number.to_string(),
            Value::Number(seconds, Unit::Span) => toml::Value::from(span_text(*seconds)).to_string(),
            Value::Number(bytes, Unit::Bytes) => toml::Value::from(size_text(*bytes)).to_string(),
            Value::Flag(flag) => flag.to_string(),
        }
    }
}

impl Kind {
    /// Whether a text may stand there as it is.
    fn takes(self, text: &str) -> bool {
        match self {
            Kind::Address => socket_address(text).is_some(),
            Kind::Url => is_url(text),
            Kind::SafeUrl { may_query } => is_safe_url(text, may_query),
            Kind::Text { min, max } => is_within(text, min, max),
            Kind::Texts { .. } => is_within(text, 1, TEXT_CHARS_MAX),
            Kind::Secret => is_within(text, 1, SECRET_CHARS_MAX),
            Kind::Word(known) => known.contains(&text),
            Kind::Path => is_path(text),
            Kind::Words(_) | Kind::Origins | Kind::Networks => false,
            Kind::Count { .. } | Kind::Seconds { .. } | Kind::Size { .. } | Kind::Flag => false,
            Kind::Span { .. } | Kind::Age { .. } => false,
        }
    }
}

fn list(items: &[Written], read: impl Fn(&str) -> Option<String>) -> Option<Value> {
    let read = |item: &Written| match item {
        Written::Text(text) => read(text),
        _ => None,
    };
    items.iter().map(read).collect::<Option<_>>().map(Value::List)
}

/// An address, or `localhost` for the loopback, and a port.
pub fn socket_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => port.parse().ok().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port))),
        None => text.parse().ok(),
    }
}

/// An address stands for the network of itself alone.
pub fn network(text: &str) -> Option<IpNet> {
    let alone = || text.parse().map(|address: IpAddr| IpNet::from(address));
    text.parse().or_else(|_| alone()).ok().map(|network: IpNet| network.trunc())
}

fn is_url(text: &str) -> bool {
    text.is_empty() || split_url(text).is_some() && !text.ends_with('/') && !text.contains('?') && is_of_urls(text)
}

fn is_safe_url(text: &str, may_query: bool) -> bool {
    let Some((host, _)) = split_url(text) else { return false };
    let is_safe = text.starts_with("https://") || is_loopback(host);
    is_safe && (may_query || !text.contains('?')) && is_of_urls(text)
}

fn is_of_urls(text: &str) -> bool {
    !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '#' | '"' | '<' | '>' | '\\'))
}

fn is_loopback(host_and_port: &str) -> bool {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let host = match host_and_port.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        _ => host_and_port,
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// In the lower case in which browsers send it.
fn origin(text: &str) -> Option<String> {
    split_url(text).filter(|(_, path)| path.is_empty()).map(|_| text.to_ascii_lowercase())
}

/// Host with port, and path, of an http or https address.
fn split_url(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    (!host.is_empty() && host.bytes().all(plain)).then_some((host, path))
}

fn is_within(text: &str, chars_min: u64, chars_max: u64) -> bool {
    (chars_min..=chars_max).contains(&(text.chars().count() as u64)) && !text.contains(char::is_control)
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}
