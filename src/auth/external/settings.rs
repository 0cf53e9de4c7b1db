use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::Algorithm;

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

/// Without the secret.
impl std::fmt::Debug for Introspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Introspection")
            .field("url", &self.url)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
