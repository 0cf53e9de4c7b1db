use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::{Algorithm, AlgorithmFamily};

use crate::auth::jwt::Expected;
use crate::model::Grants;

/// An issuer that is trusted: a table `[[trusted_issuers]]` of the settings.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// `issuer`: as its tokens say it in `iss`.
    pub issuer: String,
    /// `audience`: tokens must be meant for one of these.
    pub audiences: Vec<String>,
    /// `algorithms`; default: every asymmetric one that we know.
    pub algorithms: Vec<Algorithm>,
    /// `token_types`: `typ` of its access tokens; default "at+jwt".
    pub types: Vec<String>,
    /// None if all its tokens are opaque.
    pub keys: Option<KeySource>,
    pub introspection: Option<Introspection>,
    pub role: RoleRule,
    /// `grants`: the most that its tokens may do.
    pub grants: Grants,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeySource {
    /// `.well-known/openid-configuration` or `.well-known/oauth-authorization-server` of the issuer.
    Discovery,
    /// `jwks_url`: https; http for loopback only.
    JwksUrl(String),
    JwksFile(PathBuf),
    PemFile(PathBuf),
}

/// RFC 7662.
#[derive(Clone)]
pub struct Introspection {
    /// None: as discovery says.
    pub url: Option<String>,
    pub client_id: String,
    pub client_secret: String,
    /// `introspection_cache_s`: an answer is asked for again after this at the latest.
    pub cache: Duration,
    /// `introspection_without_audience`: take answers that name no audience.
    pub without_audience: bool,
}

/// What makes a token's bearer a `report_admin`, beside the scope of that name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoleRule {
    /// `roles_claim`: names from the outside in, such as `["realm_access", "roles"]`.
    pub claim: Vec<String>,
    /// `report_admin`: the exact words in that claim which stand for it.
    pub words: Vec<String>,
}

impl IssuerSettings {
    /// What its signed tokens must be. Errors with what makes no sense, for the operator.
    pub fn expected(&self) -> Result<Expected, String> {
        if self.issuer.is_empty() {
            return Err("it has no name".into());
        }
        if self.keys.is_none() && self.introspection.is_none() {
            return Err("it has neither keys nor introspection".into());
        }
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            return Err("it needs an audience, or any token of it would do, whomever it is meant for".into());
        }
        if self.algorithms.is_empty() {
            return Err("it needs an algorithm, or no signed token of it would do".into());
        }
        if self.algorithms.iter().any(|algorithm| algorithm.family() == AlgorithmFamily::Hmac) {
            return Err("HS256, HS384 and HS512 are not taken: whoever can verify them can forge them".into());
        }
        Ok(Expected {
            issuer: self.issuer.clone(),
            audiences: self.audiences.clone(),
            algorithms: self.algorithms.clone(),
            types: self.types.iter().map(|name| plain_type(name)).collect(),
        })
    }
}

/// As `typ` is compared: "application/" may be left out, case does not count (RFC 7515, 4.1.9).
fn plain_type(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_prefix("application/").unwrap_or(&name).to_string()
}

/// Without the secret.
impl std::fmt::Debug for Introspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Introspection")
            .field("url", &self.url)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
