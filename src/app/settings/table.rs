//! Every setting as data.

use super::value::{SECRET_CHARS_MAX, TEXT_CHARS_MAX, Value, Written};

/// One setting: where it stands in the file, and what may stand there.
#[derive(Debug)]
pub struct Setting {
    pub section: &'static str,
    pub key: &'static str,
    pub kind: Kind,
}

/// What may stand for a setting; bounds are inclusive.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// To listen on.
    Address,
    /// Absolute, without a slash at its end; may be empty.
    Url,
    /// Absolute; https, or http to this very machine: what comes from there is believed.
    SafeUrl {
        may_query: bool,
    },
    /// In characters; without control characters.
    Text {
        min: u64,
        max: u64,
    },
    /// A text, or a list of so many at least.
    Texts {
        min: usize,
    },
    /// Text that no message and no listing shows.
    Secret,
    Word(&'static [&'static str]),
    /// A list of such words.
    Words(&'static [&'static str]),
    /// A list of origins (RFC 6454: scheme, host, port).
    Origins,
    /// A list of IP addresses and networks (RFC 4632: address, slash, bits).
    Networks,
    Path,
    Count {
        min: u64,
        max: u64,
    },
    Seconds {
        min: u64,
        max: u64,
    },
    /// In seconds; written with a unit.
    Span {
        min: u64,
        max: u64,
    },
    /// The same; 0, written "0", stands for ever.
    Age {
        min: u64,
        max: u64,
    },
    /// In bytes.
    Size {
        min: u64,
        max: u64,
    },
    Flag,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 86_400;

/// A hundred years.
const AGE_MAX_S: u64 = 36_500 * DAY_S;
const LOG_AGE: Kind = Kind::Age { min: MINUTE_S, max: AGE_MAX_S };

/// In the order of `analytics.toml`. The greatest numbers of teams and services are what the rollups can tell apart.
pub const TABLE: &[Setting] = &[
    setting("server", "listen", Kind::Address),
    setting("server", "public_url", Kind::Url),
    setting("server", "contact", Kind::Text { min: 0, max: 200 }),
    setting("server", "cors_origins", Kind::Origins),
    setting("server", "trusted_proxies", Kind::Networks),
    setting("server", "connections_max", Kind::Count { min: 1, max: 1_000_000 }),
    setting("server", "connections_per_peer_max", Kind::Count { min: 1, max: 1_000_000 }),
    setting("server", "header_timeout_s", Kind::Seconds { min: 1, max: 3600 }),
    setting("server", "body_timeout_s", Kind::Seconds { min: 1, max: 3600 }),
    setting("server", "handler_timeout_s", Kind::Seconds { min: 1, max: 3600 }),
    setting("server", "write_timeout_s", Kind::Seconds { min: 1, max: 3600 }),
    setting("server", "connection_age_max_s", Kind::Seconds { min: 1, max: 604_800 }),
    setting("server", "drain_timeout_s", Kind::Seconds { min: 0, max: 3600 }),
    setting("database", "path", Kind::Path),
    setting("database", "bytes_max", Kind::Size { min: 0, max: 16_384 * GIB }),
    setting("database", "span_cache_bytes", Kind::Size { min: 0, max: 64 * GIB }),
    setting("limits", "body_bytes_max", Kind::Size { min: KIB, max: GIB }),
    setting("limits", "items_max", Kind::Count { min: 1, max: 10_000_000 }),
    setting("limits", "nesting_max", Kind::Count { min: 2, max: 128 }),
    setting("limits", "message_bytes_max", Kind::Size { min: 1, max: MIB }),
    setting("limits", "attributes_bytes_max", Kind::Size { min: 1, max: MIB }),
    setting("limits", "teams_max", Kind::Count { min: 1, max: 1_048_574 }),
    setting("limits", "services_max", Kind::Count { min: 1, max: 262_142 }),
    setting("limits", "queue_items_max", Kind::Count { min: 1, max: 10_000_000 }),
    setting("limits", "requests_per_minute", Kind::Count { min: 0, max: 1_000_000 }),
    setting("limits", "ingest_requests_per_minute", Kind::Count { min: 0, max: 100_000_000 }),
    setting("limits", "exports_per_day", Kind::Count { min: 0, max: 1_000_000 }),
    setting("limits", "tokens_per_minute", Kind::Count { min: 0, max: 1_000_000 }),
    setting("limits", "tokens_per_hour", Kind::Count { min: 0, max: 1_000_000 }),
    setting("limits", "failures_per_minute", Kind::Count { min: 1, max: 1_000_000 }),
    setting("issuer", "url", Kind::Url),
    setting("issuer", "audience", Kind::Text { min: 0, max: 256 }),
    setting("issuer", "algorithm", Kind::Word(&["EdDSA", "ES256"])),
    setting("issuer", "token_ttl_s", Kind::Seconds { min: 10, max: 86_400 }),
    setting("issuer", "login_ttl_s", Kind::Seconds { min: 60, max: 31_536_000 }),
    setting("exports", "directory", Kind::Text { min: 0, max: 4096 }),
    setting("exports", "workers", Kind::Count { min: 1, max: 64 }),
    setting("exports", "retention", Kind::Span { min: 60, max: 3650 * DAY_S }),
    setting("exports", "max_bytes", Kind::Size { min: MIB, max: 16_384 * GIB }),
    setting("exports", "time_limit", Kind::Span { min: 1, max: 7 * DAY_S }),
    setting("retention", "log_info", LOG_AGE),
    setting("retention", "log_warning", LOG_AGE),
    setting("retention", "log_error", LOG_AGE),
    setting("retention", "log_bytes_max", Kind::Size { min: 0, max: 16_384 * GIB }),
    setting("retention", "usage_facts", Kind::Age { min: DAY_S, max: AGE_MAX_S }),
    setting("retention", "interval", Kind::Span { min: 1, max: 7 * DAY_S }),
    setting("audit", "events", Kind::Flag),
    setting("metrics", "public", Kind::Flag),
];

pub const fn setting(section: &'static str, key: &'static str, kind: Kind) -> Setting {
    Setting { section, key, kind }
}

impl Setting {
    /// `server.listen`
    pub fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// `ANALYTICS_SERVER_LISTEN`
    pub fn variable(&self) -> String {
        format!("{}{}_{}", super::VARIABLE_PREFIX, self.section, self.key).to_ascii_uppercase()
    }

    /// Errors with what may stand there.
    pub fn read(&self, written: &Written) -> Result<Value, String> {
        Value::read(self.kind, written).ok_or_else(|| match self.kind {
            Kind::Secret => format!("{} must be {}", self.name(), self.kind.rule()),
            _ => format!("{} must be {}, not {}", self.name(), self.kind.rule(), written.shown()),
        })
    }
}

impl Kind {
    fn rule(self) -> String {
        match self {
            Kind::Address => r#"an address and port such as "127.0.0.1:8080""#.into(),
            Kind::Url => {
                r#"an address such as "https://analytics.example.com", without a slash at its end, or """#.into()
            }
            Kind::SafeUrl { .. } => {
                r#"an address such as "https://id.example.com" (http for a loopback address only)"#.into()
            }
            Kind::Text { min: 0, max } => format!("text of at most {max} characters, without control characters"),
            Kind::Text { min, max } => format!("text of {min} to {max} characters, without control characters"),
            Kind::Texts { .. } => format!("text of 1 to {TEXT_CHARS_MAX} characters, or a list of such texts"),
            Kind::Secret => format!("text of 1 to {SECRET_CHARS_MAX} characters, without control characters"),
            Kind::Word(known) => listed(known, " or "),
            Kind::Words(known) => format!("a list of {}", listed(known, ", ")),
            Kind::Origins => r#"a list of origins such as ["https://dashboard.example.com"]"#.into(),
            Kind::Networks => r#"a list of addresses and networks such as ["127.0.0.1", "10.0.0.0/8"]"#.into(),
            Kind::Path => r#"the path of a file such as "analytics.db""#.into(),
            Kind::Count { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Seconds { min, max } => format!("a whole number of seconds from {min} to {max}"),
            Kind::Span { min, max } => {
                format!(
                    r#"a span of time from "{}" to "{}", such as "90 s", "30 min", "12 h" or "7 d""#,
                    span_text(min),
                    span_text(max)
                )
            }
            Kind::Age { min, max } => {
                format!(
                    r#""0" (for ever) or a span of time from "{}" to "{}", such as "90 d" or "365 d""#,
                    span_text(min),
                    span_text(max)
                )
            }
            Kind::Size { min, max } => {
                format!(r#"a size from {} to {}, in bytes or such as "2 MiB""#, size_text(min), size_text(max))
            }
            Kind::Flag => "true or false".into(),
        }
    }
}

fn listed(words: &[&str], between: &str) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    words.join(between)
}

/// In the largest unit that takes no fraction.
pub fn size_text(bytes: u64) -> String {
    let units = [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} B"),
    }
}

/// Reads what [`size_text`] writes, blanks as one likes.
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "" | "B" => 1,
        "KiB" => KIB,
        "MiB" => MIB,
        "GiB" => GIB,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

const SPANS: [(u64, &str); 4] = [(DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min"), (1, "s")];

/// In the largest unit that takes no fraction; "0" for none.
pub fn span_text(seconds: u64) -> String {
    if seconds == 0 {
        return "0".into();
    }
    let unit = SPANS.iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (unit, name) = unit.unwrap_or(&(1, "s"));
    format!("{} {name}", seconds / unit)
}

/// Reads what [`span_text`] writes, blanks as one likes.
pub fn parse_span(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (unit, _) = SPANS.iter().find(|(_, name)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*unit)
}
