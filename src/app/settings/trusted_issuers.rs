//! `[[trusted_issuers]]`: whose tokens are taken besides our own. Only a file can hold such tables: a variable or a flag has
//! no room for a list of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Origin;
use super::file::{self, FileError, IssuerTable};
use super::table::{Kind, Setting, setting};
use super::value::{SECRET_CHARS_MAX, Value};
use super::values::InEffect;
use crate::auth::{Introspection, KeySource, RoleRule, TrustedIssuer};
use crate::model::{Grants, Role, Scope};

pub const SECTION: &str = "trusted_issuers";

/// Symmetric ones are not among them: whoever verifies with such a key could sign with it.
const ALGORITHMS: &[&str] = &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
const GRANTS: &[&str] = &["read:analytics", "read:metrics", "write:events", "admin", "report_admin"];

/// Every key of a table, in the order in which they are shown.
pub const FIELDS: &[Setting] = &[
    field("issuer", Kind::SafeUrl { may_query: false }),
    field("audience", Kind::Texts { min: 1 }),
    field("jwks_url", Kind::SafeUrl { may_query: true }),
    field("jwks_file", Kind::Path),
    field("pem_file", Kind::Path),
    field("opaque", Kind::Flag),
    field("algorithms", Kind::Words(ALGORITHMS)),
    field("token_types", Kind::Texts { min: 1 }),
    field("introspection_client_id", Kind::Text { min: 1, max: 256 }),
    field("introspection_client_secret", Kind::Secret),
    field("introspection_client_secret_file", Kind::Path),
    field("introspection_url", Kind::SafeUrl { may_query: true }),
    field("introspection_cache_s", Kind::Seconds { min: 1, max: 3600 }),
    field("introspection_without_audience", Kind::Flag),
    field("roles_claim", Kind::Texts { min: 1 }),
    field("report_admin", Kind::Texts { min: 0 }),
    field("grants", Kind::Words(GRANTS)),
];

/// What holds where a table leaves it out.
const DEFAULTS: &str = r#"
[[trusted_issuers]]
opaque = false
algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
token_types = ["at+jwt"]
introspection_cache_s = 60
introspection_without_audience = false
roles_claim = "roles"
report_admin = ["report_admin"]
grants = ["read:analytics", "report_admin"]
"#;

const fn field(key: &'static str, kind: Kind) -> Setting {
    setting(SECTION, key, kind)
}

/// A trusted issuer: as those who use it take it, and as it is shown.
#[derive(Clone, Debug)]
pub struct Trusted {
    pub settings: TrustedIssuer,
    /// Its values in the order of [`FIELDS`]; a secret is blotted out.
    pub in_effect: Vec<InEffect>,
    /// Of its table.
    pub place: Origin,
}

/// Reads the tables of the file at `path`. Errors with what is missing, or does not go together; and if the file with
/// a client's secret cannot be read.
pub fn read(tables: Vec<IssuerTable>, path: &Path) -> Result<Vec<Trusted>, FileError> {
    let mut issuers: Vec<Trusted> = vec![];
    for table in tables {
        let line = table.line;
        let issuer = read_one(table, path)?;
        if let Some(twin) = issuers.iter().find(|other| other.settings.issuer == issuer.settings.issuer) {
            let message = format!("the issuer {} stands at {} already", twin.settings.issuer, twin.place);
            return Err(FileError { line, message });
        }
        issuers.push(issuer);
    }
    Ok(issuers)
}

fn read_one(table: IssuerTable, path: &Path) -> Result<Trusted, FileError> {
    let place = Origin::File { path: path.to_owned(), line: table.line };
    let fields = Fields::of(table);
    let settings = TrustedIssuer {
        issuer: fields.required("issuer")?.into_text(),
        audiences: fields.required("audience")?.into_texts(),
        algorithms: algorithms(fields.texts("algorithms")),
        types: fields.texts("token_types").iter().map(|word| type_word(word)).collect(),
        keys: key_source(&fields)?,
        introspection: introspection(&fields)?,
        role: RoleRule { claim: fields.texts("roles_claim"), words: fields.texts("report_admin") },
        grants: grants(&fields.texts("grants")),
    };
    Ok(Trusted { settings, in_effect: fields.into_in_effect(path), place })
}

fn algorithms(names: Vec<String>) -> Vec<jsonwebtoken::Algorithm> {
    names.iter().map(|name| name.parse().expect("the table knows algorithms that the library knows")).collect()
}

/// As a header's `typ` is compared: a media type may stand without "application/" (RFC 7515, 4.1.9), in any case.
fn type_word(word: &str) -> String {
    let word = word.to_ascii_lowercase();
    word.strip_prefix("application/").map(String::from).unwrap_or(word)
}

fn grants(words: &[String]) -> Grants {
    Grants {
        scopes: words.iter().filter_map(|word| Scope::parse(word)).collect(),
        roles: words.iter().filter_map(|word| Role::parse(word)).collect(),
    }
}

fn key_source(fields: &Fields) -> Result<Option<KeySource>, FileError> {
    let sources = ["jwks_url", "jwks_file", "pem_file"];
    let mut given = sources.into_iter().filter(|name| fields.has(name)).collect::<Vec<_>>();
    given.extend(fields.flag("opaque").then_some("opaque"));
    if let [one, other, ..] = given[..] {
        return Err(
            fields.error(other, format!("{one} and {other} exclude each other: its keys have one source, or none"))
        );
    }
    Ok(match given.first() {
        None => Some(KeySource::Discovery),
        Some(&"opaque") if !fields.has("introspection_client_id") => {
            let message = "opaque tokens can only be asked about: introspection_client_id and a secret are missing";
            return Err(fields.error("opaque", message.into()));
        }
        Some(&"opaque") => None,
        Some(&"jwks_url") => fields.text("jwks_url").map(KeySource::JwksUrl),
        Some(&"jwks_file") => fields.path("jwks_file").map(KeySource::JwksFile),
        Some(_) => fields.path("pem_file").map(KeySource::PemFile),
    })
}

fn introspection(fields: &Fields) -> Result<Option<Introspection>, FileError> {
    let Some(client_id) = fields.text("introspection_client_id") else {
        let lonely = fields.said().find(|name| name.starts_with("introspection_"));
        let error = |name| fields.error(name, format!("{name} needs introspection_client_id beside it"));
        return lonely.map_or(Ok(None), |name| Err(error(name)));
    };
    Ok(Some(Introspection {
        url: fields.text("introspection_url"),
        client_id,
        client_secret: client_secret(fields)?,
        cache: Duration::from_secs(fields.number("introspection_cache_s")),
        without_audience: fields.flag("introspection_without_audience"),
    }))
}

fn client_secret(fields: &Fields) -> Result<String, FileError> {
    const SECRET_FILE: &str = "introspection_client_secret_file";
    match (fields.text("introspection_client_secret"), fields.path(SECRET_FILE)) {
        (Some(secret), None) => Ok(secret),
        (None, Some(path)) => read_secret(&path).map_err(|message| fields.error(SECRET_FILE, message)),
        (Some(_), Some(_)) => {
            let message = "introspection_client_secret and introspection_client_secret_file exclude each other";
            Err(fields.error(SECRET_FILE, message.into()))
        }
        (None, None) => {
            let message =
                "introspection_client_id needs introspection_client_secret_file, or introspection_client_secret";
            Err(fields.error("introspection_client_id", message.into()))
        }
    }
}

/// A line break at its end is an editor's, not the secret's.
fn read_secret(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|e| format!("cannot read the client's secret in {shown}: {e}"))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    let is_good = !secret.is_empty() && secret.len() as u64 <= SECRET_CHARS_MAX && !secret.contains(char::is_control);
    match is_good {
        true => Ok(secret.to_string()),
        false => Err(format!("{shown} must hold one line of 1 to {SECRET_CHARS_MAX} characters: the client's secret")),
    }
}

/// The values of one table, each key's at its place in [`FIELDS`]. No line: a default.
struct Fields {
    values: Vec<Option<(Value, Option<usize>)>>,
    line: usize,
}

impl Fields {
    fn of(table: IssuerTable) -> Fields {
        let defaults = file::read(DEFAULTS).expect("the defaults of a trusted issuer are good settings");
        let mut values: Vec<_> = FIELDS.iter().map(|_| None).collect();
        for entry in defaults.trusted_issuers.into_iter().flat_map(|table| table.entries) {
            values[entry.index] = Some((entry.value, None));
        }
        for entry in table.entries {
            values[entry.index] = Some((entry.value, Some(entry.line)));
        }
        Fields { values, line: table.line }
    }

    fn find(&self, name: &str) -> Option<&(Value, Option<usize>)> {
        let index = FIELDS.iter().position(|field| field.key == name);
        self.values[index.expect("the table describes every key in use")].as_ref()
    }

    /// The keys that the file itself sets.
    fn said(&self) -> impl Iterator<Item = &'static str> {
        let said = FIELDS.iter().zip(&self.values);
        said.filter(|(_, value)| matches!(value, Some((_, Some(_))))).map(|(field, _)| field.key)
    }

    fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn required(&self, name: &str) -> Result<Value, FileError> {
        let missing = || FileError { line: self.line, message: format!("a trusted issuer needs {SECTION}.{name}") };
        self.find(name).map(|(value, _)| value.clone()).ok_or_else(missing)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.find(name).map(|(value, _)| value.clone().into_text())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    fn texts(&self, name: &str) -> Vec<String> {
        self.find(name).map(|(value, _)| value.clone().into_texts()).unwrap_or_default()
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.find(name), Some((Value::Flag(true), _)))
    }

    fn number(&self, name: &str) -> u64 {
        match self.find(name) {
            Some((Value::Number(number, _), _)) => *number,
            other => unreachable!("{name} is no {other:?} by its kind"),
        }
    }

    fn error(&self, name: &str, message: String) -> FileError {
        let line = self.find(name).and_then(|(_, line)| *line).unwrap_or(self.line);
        FileError { line, message: format!("{SECTION}: {message}") }
    }

    fn into_in_effect(self, path: &Path) -> Vec<InEffect> {
        let introspects = self.has("introspection_client_id");
        let shown = |(setting, value): (&'static Setting, Option<(Value, Option<usize>)>)| {
            let (value, line) = value?;
            // Defaults of what is not in use would only puzzle.
            let is_idle = line.is_none() && !introspects && setting.key.starts_with("introspection_");
            let value = match setting.kind {
                Kind::Secret => Value::Text("...".into()),
                _ => value,
            };
            let origin = line.map_or(Origin::Default, |line| Origin::File { path: path.to_owned(), line });
            (!is_idle).then_some(InEffect { setting, value, origin })
        };
        FIELDS.iter().zip(self.values).filter_map(shown).collect()
    }
}
