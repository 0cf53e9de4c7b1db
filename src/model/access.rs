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

/// A privilege beyond scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// May make and manage exports.
    ReportAdmin,
}

impl Role {
    pub const ALL: [Role; 1] = [Role::ReportAdmin];

    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Role::ReportAdmin => "report_admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of roles.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Roles(u8);

impl Roles {
    pub const ALL: Roles = Roles(0b1);

    pub fn contains(self, role: Role) -> bool {
        self.0 >> role as u8 & 1 == 1
    }

    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.contains(*role))
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Reads words with blanks between. Errors with the first word that is none.
    pub fn parse(text: &str) -> Result<Roles, String> {
        text.split_ascii_whitespace().map(|word| Role::parse(word).ok_or_else(|| word.to_string())).collect()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Roles {
        Roles(roles.into_iter().fold(0, |set, role| set | 1 << role as u8))
    }
}

/// Words with blanks between.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Role::as_str).collect();
        f.write_str(&words.join(" "))
    }
}

/// All that a credential may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Grants {
    pub scopes: Scopes,
    pub roles: Roles,
}

impl Grants {
    pub const ALL: Grants = Grants { scopes: Scopes::ALL, roles: Roles::ALL };
}

/// The issuer of everything that is made here: API keys, clients, accounts, tokens of the embedded issuer.
pub const LOCAL_ISSUER: &str = "local";

/// Issuer and subject of whoever comes through the local socket. No token can name them: trusted issuers are URLs.
pub const ADMINISTRATOR_ISSUER: &str = "administrator";
pub const ADMINISTRATOR_SUBJECT: &str = "administrator";

/// Who asks: an issuer and a subject, and what they may do. The subject of an API key is its owner.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Principal {
    /// [`LOCAL_ISSUER`], or a trusted issuer by its URL.
    pub issuer: String,
    pub subject: String,
    pub grants: Grants,
}

impl Principal {
    pub fn local(subject: impl Into<String>, grants: Grants) -> Principal {
        Principal { issuer: LOCAL_ISSUER.into(), subject: subject.into(), grants }
    }
}

/// What an override of the limits may name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum TargetKind {
    /// A token of the embedded issuer by its `jti`.
    Token,
    /// An API key by its id.
    Key,
    /// A client of the embedded issuer by its id.
    Client,
    /// A user of our own by name: an account, the owner of keys, the subject of issued tokens.
    Account,
    /// A principal of a trusted issuer: issuer and subject with a blank between.
    Subject,
}

impl TargetKind {
    pub const ALL: [TargetKind; 5] =
        [TargetKind::Token, TargetKind::Key, TargetKind::Client, TargetKind::Account, TargetKind::Subject];

    pub fn parse(text: &str) -> Option<TargetKind> {
        TargetKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            TargetKind::Token => "token",
            TargetKind::Key => "key",
            TargetKind::Client => "client",
            TargetKind::Account => "account",
            TargetKind::Subject => "subject",
        }
    }
}

/// Whom an override of the limits is for.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Target {
    pub kind: TargetKind,
    pub name: String,
}

impl Target {
    pub fn new(kind: TargetKind, name: impl Into<String>) -> Target {
        Target { kind, name: name.into() }
    }
}

/// What a credential rests on: when that ends, so does the credential, and whatever was made by its right.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// An API key by its id.
    Key(String),
    /// A client of the embedded issuer by its id.
    Client(String),
    /// A log-in of an account.
    Login { sid: String, account: String },
    /// A token issued by the administrator, by its `jti`.
    Issued(String),
    /// A trusted issuer by its URL.
    Trusted(String),
}

/// A credential that holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    pub principal: Principal,
    pub origin: Origin,
    /// Whose requests count together: one for each token or key. The first half of a SHA-256.
    pub partition: u128,
    /// Whose overrides of the limits it is under, the most specific first.
    pub targets: Vec<Target>,
    /// Unix microseconds; None: until it is revoked.
    pub expires_at: Option<i64>,
}
