use std::fmt;

/// What a credential may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    ReadAnalytics,
    ReadMetrics,
    WriteEvents,
    Admin,
}

impl Scope {
    pub const ALL: [Scope; 4] = [Scope::ReadAnalytics, Scope::ReadMetrics, Scope::WriteEvents, Scope::Admin];

    pub fn parse(text: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Scope::ReadAnalytics => "read:analytics",
            Scope::ReadMetrics => "read:metrics",
            Scope::WriteEvents => "write:events",
            Scope::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes. No scope implies another: least privilege is what was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Scopes(u8);

impl Scopes {
    pub const ALL: Scopes = Scopes(0b1111);

    pub fn contains(self, scope: Scope) -> bool {
        self.0 >> scope as u8 & 1 == 1
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Reads words with blanks between, as OAuth 2.0 writes scopes. Errors with the first word that is none.
    pub fn parse(text: &str) -> Result<Scopes, String> {
        text.split_ascii_whitespace().map(|word| Scope::parse(word).ok_or_else(|| word.to_string())).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Scopes {
        Scopes(scopes.into_iter().fold(0, |set, scope| set | 1 << scope as u8))
    }
}

/// Words with blanks between, as OAuth 2.0 writes scopes (RFC 6749, 3.3).
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Scope::as_str).collect();
        f.write_str(&words.join(" "))
    }
}

/// Who asks: an issuer and a subject. API keys belong to the issuer `local`; their subject is the key's owner.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Principal {
    pub issuer: String,
    pub subject: String,
    pub scopes: Scopes,
}
