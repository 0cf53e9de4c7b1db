//! Strict query parameters: each is known, stands once, and holds something. Every refusal names the parameter and
//! what it may be.

use super::path::Route;
use crate::error::{Error, Result};
use crate::model::{Day, Id, Timestamp};

/// The parameters that a route knows, in the order in which they are listed to a person.
pub fn known(route: &Route) -> &'static [&'static str] {
    match route {
        Route::UsageSummary => &[
            "start_date",
            "end_date",
            "user_id",
            "team_id",
            "service",
            "interval",
            "group_by",
            "limit",
            "page",
            "compare",
        ],
        Route::ReadSystemEvents => &["limit", "page", "severity", "service", "from", "to", "order", "cursor"],
        Route::EraseUser(_) => &["history"],
        Route::ListExports => &["limit", "page", "status"],
        Route::ShowExport(_) => &["link", "link_ttl_s"],
        Route::Download(_) => &["expires", "by", "signature"],
        Route::Admin(route) => route.parameters(),
        Route::AppendSystemEvents
        | Route::RecordUsage
        | Route::RegisterUsers
        | Route::RegisterUser(_)
        | Route::Health
        | Route::Ready
        | Route::OpenApi
        | Route::Metrics
        | Route::FetchToken
        | Route::LogIn
        | Route::WhoAmI
        | Route::IssuerMetadata
        | Route::IssuerKeys
        | Route::RequestExport
        | Route::RemoveExport(_) => &[],
    }
}

/// Names under which people try to send a credential. URLs end up in logs and histories, so none is ever read.
const CREDENTIALS: [&str; 6] = ["api_key", "apikey", "api-key", "key", "access_token", "token"];

/// The parameters of a request; each stands once and is not empty.
#[derive(Debug, Default)]
pub struct Query {
    pairs: Vec<(&'static str, String)>,
}

impl Query {
    /// Reads `name=value` pairs joined by `&`. Errors with `Invalid` for a name that is not `known`, one that stands
    /// twice, an empty value, and what is no percent-encoded UTF-8.
    pub fn parse(text: &str, known: &'static [&'static str]) -> Result<Query> {
        let mut query = Query::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = form_decode(name).map_err(|rule| Error::invalid(format!("a parameter's name {rule}")))?;
            let Some(name) = known.iter().copied().find(|known| *known == name) else {
                return Err(unknown(&name, known));
            };
            if query.get(name).is_some() {
                return Err(Error::invalid(format!("parameter \"{name}\" stands more than once; give it once")));
            }
            let value = form_decode(value).map_err(|rule| invalid(name, rule))?;
            if value.is_empty() {
                return Err(invalid(name, "must not be empty; leave it out or give it a value"));
            }
            query.pairs.push((name, value));
        }
        Ok(query)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Every parameter as it was given, in order, decoded.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.pairs.iter().map(|(name, value)| (*name, value.as_str()))
    }

    pub fn id(&self, name: &str) -> Result<Option<Id>> {
        self.read(name, |text| Id::new(text).map_err(str::to_string))
    }

    pub fn date(&self, name: &str) -> Result<Option<Day>> {
        self.read(name, |text| Day::parse(text).map_err(str::to_string))
    }

    /// Errors with `Invalid` also if the date is missing.
    pub fn required_date(&self, name: &str) -> Result<Day> {
        self.date(name)?
            .ok_or_else(|| Error::invalid(format!("parameter \"{name}\" is required: a calendar date as YYYY-MM-DD")))
    }

    /// A date (its midnight, UTC) or an RFC 3339 time.
    pub fn instant(&self, name: &str) -> Result<Option<Timestamp>> {
        self.read(name, |text| match Day::parse(text) {
            Ok(day) => Ok(day.start()),
            // A plus sign in a query reads as a blank; no time stamp holds a blank, so it can only be the offset's sign.
            Err(_) => Timestamp::parse(&text.replace(' ', "+"))
                .map_err(|rule| format!("{rule}, or a calendar date as YYYY-MM-DD")),
        })
    }

    /// A whole number from 1 to `max`.
    pub fn number(&self, name: &str, max: u64) -> Result<Option<u64>> {
        self.read(name, |text| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<u64>().ok().filter(|number| digits && (1..=max).contains(number));
            number.ok_or_else(|| format!("must be a whole number from 1 to {max}"))
        })
    }

    /// One of several words.
    pub fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        self.read(name, |text| {
            let choice = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
            choice.ok_or_else(|| {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                format!("must be {}", words.join(" or "))
            })
        })
    }

    /// Several words with commas between, each once. `rule` says which words there are.
    pub fn list<T: PartialEq>(
        &self,
        name: &str,
        rule: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<Vec<T>>> {
        self.read(name, |text| {
            let mut items = vec![];
            for word in text.split(',') {
                let item = parse(word).ok_or_else(|| rule.to_string())?;
                if items.contains(&item) {
                    return Err(format!("names {word:?} more than once; name it once"));
                }
                items.push(item);
            }
            Ok(items)
        })
    }

    fn read<T>(&self, name: &str, parse: impl FnOnce(&str) -> std::result::Result<T, String>) -> Result<Option<T>> {
        self.get(name).map(|text| parse(text).map_err(|rule| invalid(name, &rule))).transpose()
    }
}

/// `parameter "<name>" <rule>`
pub fn invalid(name: &str, rule: &str) -> Error {
    Error::invalid(format!("parameter \"{name}\" {rule}"))
}

/// Errors with `Invalid` if a query carries what looks like a credential: whoever sends one there must hear where it
/// goes, not that it is missing.
pub fn refuse_credentials(text: &str) -> Result<()> {
    let names = text.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    match names.into_iter().find(|name| is_credential(name)) {
        Some(name) => Err(unknown(name, &[])),
        None => Ok(()),
    }
}

fn is_credential(name: &str) -> bool {
    CREDENTIALS.iter().any(|credential| credential.eq_ignore_ascii_case(name))
}

fn unknown(name: &str, known: &[&str]) -> Error {
    // What a client sent comes back at a length that a person can read.
    let shown: String = name.chars().take(64).collect();
    if is_credential(name) {
        return Error::invalid(format!(
            "unknown parameter {shown:?}: a credential is never read from the URL; send an access token or an API key as \
             \"Authorization: Bearer <token or key>\", or a key as \"X-API-Key: <key>\""
        ));
    }
    match known {
        [] => Error::invalid(format!("unknown parameter {shown:?}; this endpoint takes none")),
        _ => Error::invalid(format!("unknown parameter {shown:?}; known: {}", known.join(", "))),
    }
}

/// As HTML forms encode: percent-encoding, and a plus sign for a blank. Errors as [`percent_decode`].
pub fn form_decode(text: &str) -> std::result::Result<String, &'static str> {
    if text.contains('+') { percent_decode(&text.replace('+', " ")) } else { percent_decode(text) }
}

/// Errors with what is wrong, to be set behind a name.
pub fn percent_decode(text: &str) -> std::result::Result<String, &'static str> {
    if !text.contains('%') {
        return Ok(text.to_string());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err("holds a percent sign without two hexadecimal digits behind it (a percent sign itself is %25)");
        };
        decoded.push((high * 16 + low) as u8);
    }
    String::from_utf8(decoded).map_err(|_| "is not UTF-8 once percent-decoded")
}

/// Escapes everything but what RFC 3986 calls unreserved.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["limit", "page", "name"];

    fn refusal(text: &str) -> String {
        Query::parse(text, KNOWN).unwrap_err().message
    }

    #[test]
    fn a_parameter_is_known_stands_once_and_holds_something() {
        let query = Query::parse("limit=5&name=a%2Fb+c%F0%9F%A6%80", KNOWN).unwrap();
        assert_eq!((query.get("limit"), query.get("name"), query.get("page")), (Some("5"), Some("a/b c🦀"), None));
        assert_eq!(refusal("limti=5"), "unknown parameter \"limti\"; known: limit, page, name");
        assert_eq!(refusal("limit=5&%6cimit=5"), "parameter \"limit\" stands more than once; give it once");
        for empty in ["limit=", "limit"] {
            assert_eq!(refusal(empty), "parameter \"limit\" must not be empty; leave it out or give it a value");
        }
        for broken in ["name=%", "name=%f", "name=%gg", "name=%ff", "na%ffme=1"] {
            assert!(Query::parse(broken, KNOWN).is_err(), "{broken}");
        }
        assert_eq!(Query::parse("x=1", &[]).unwrap_err().message, "unknown parameter \"x\"; this endpoint takes none");
    }

    #[test]
    fn a_key_in_the_url_is_refused_with_where_it_goes() {
        for text in ["api_key=ak_1", "limit=1&access_token=x", "token=x", "API_KEY=x"] {
            let message = refuse_credentials(text).unwrap_err().message;
            assert!(message.contains("X-API-Key") && !message.contains("ak_1"), "{message}");
        }
        assert_eq!(refuse_credentials("limit=5&name=token"), Ok(()));
    }

    #[test]
    fn numbers_are_never_clamped() {
        let number = |text: &str| Query::parse(text, KNOWN).unwrap().number("limit", 1000);
        assert_eq!(number("limit=1000"), Ok(Some(1000)));
        assert_eq!(number("page=1"), Ok(None));
        for bad in ["0", "1001", "-1", "%2B1", "1.0", "1e2", "x", "18446744073709551616", " 1"] {
            let message = number(&format!("limit={bad}")).unwrap_err().message;
            assert_eq!(message, "parameter \"limit\" must be a whole number from 1 to 1000", "{bad}");
        }
        let page = Query::parse("page=9223372036854775808", KNOWN).unwrap().number("page", u64::MAX);
        assert_eq!(page, Ok(Some(1 << 63)));
    }

    #[test]
    fn an_instant_is_a_date_or_a_time_with_any_offset() {
        let instant = |text: &str| Query::parse(text, KNOWN).unwrap().instant("name").map(|at| at.unwrap().to_string());
        assert_eq!(instant("name=2025-05-21").unwrap(), "2025-05-21T00:00:00Z");
        for same in ["2025-05-21T12:15:30%2B02:00", "2025-05-21T12:15:30+02:00", "2025-05-21T10:15:30Z"] {
            assert_eq!(instant(&format!("name={same}")).unwrap(), "2025-05-21T10:15:30Z");
        }
        assert!(instant("name=yesterday").unwrap_err().message.contains("YYYY-MM-DD"));
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        for text in ["a/b c+d%", "🦀=&?", "plain-._~"] {
            assert_eq!(percent_decode(&percent_encode(text)).unwrap(), text);
        }
        assert_eq!(percent_encode("a-Z_0.9~/?&=+ %é"), "a-Z_0.9~%2F%3F%26%3D%2B%20%25%C3%A9");
    }
}
