//! What an issuer publishes, and where: OpenID Connect Discovery 1.0, RFC 8414, RFC 7517, or a file.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::fetch::{Address, Fetcher};
use super::settings::{IssuerSettings, KeySource};
use crate::auth::jwt::{KEY_SET_BYTES_MAX, KeySet};

/// What an issuer published when it was last asked.
pub struct Documents {
    /// Empty if all its tokens are opaque.
    pub keys: KeySet,
    /// Where its tokens can be asked about, if they can.
    pub introspection: Option<Address>,
}

/// Where the documents of an issuer are, checked.
pub struct Sources {
    issuer: String,
    keys: Option<KeySource>,
    introspection: Introspected,
}

enum Introspected {
    Not,
    At(Address),
    AsDiscovered,
}

impl Sources {
    /// Errors with what is wrong with the settings, for the operator.
    pub fn new(settings: &IssuerSettings) -> Result<Sources, String> {
        let introspection = match settings.introspection.as_ref().map(|introspection| &introspection.url) {
            None => Introspected::Not,
            Some(Some(url)) => Introspected::At(Address::parse(url)?),
            Some(None) => Introspected::AsDiscovered,
        };
        let sources = Sources { issuer: settings.issuer.clone(), keys: settings.keys.clone(), introspection };
        if sources.need_discovery() {
            Address::parse(&settings.issuer)?;
        }
        if let Some(KeySource::JwksUrl(url)) = &settings.keys {
            Address::parse(url)?;
        }
        Ok(sources)
    }

    /// Whether the network is not needed.
    pub fn are_local(&self) -> bool {
        !self.need_discovery() && !matches!(self.keys, Some(KeySource::JwksUrl(_)))
    }

    /// What can be had without asking anybody; to be called only where that is all.
    pub fn read(&self) -> Result<Documents, String> {
        let keys = match &self.keys {
            Some(KeySource::JwksFile(path)) => read_keys(path, KeySet::from_jwks)?,
            Some(KeySource::PemFile(path)) => read_keys(path, KeySet::from_pem)?,
            Some(KeySource::Discovery | KeySource::JwksUrl(_)) | None => KeySet::default(),
        };
        let introspection = match &self.introspection {
            Introspected::At(address) => Some(address.clone()),
            Introspected::Not | Introspected::AsDiscovered => None,
        };
        Ok(Documents { keys, introspection })
    }

    /// Asks for everything anew: an issuer may move its keys.
    pub async fn fetch(&self, fetcher: &Fetcher) -> Result<Documents, String> {
        let metadata = if self.need_discovery() { Some(discover(&self.issuer, fetcher).await?) } else { None };
        let mut documents = self.read()?;
        if let Some(address) = self.keys_address(metadata.as_ref())? {
            let json = fetcher.document(&address).await?;
            documents.keys = KeySet::from_jwks(&json).map_err(|e| format!("the keys at {address}: {e}"))?;
        }
        if let (Introspected::AsDiscovered, Some(metadata)) = (&self.introspection, &metadata) {
            documents.introspection = Some(named(metadata, "introspection_endpoint")?);
        }
        Ok(documents)
    }

    fn need_discovery(&self) -> bool {
        matches!(self.keys, Some(KeySource::Discovery)) || matches!(self.introspection, Introspected::AsDiscovered)
    }

    fn keys_address(&self, metadata: Option<&Map<String, Value>>) -> Result<Option<Address>, String> {
        match (&self.keys, metadata) {
            (Some(KeySource::Discovery), Some(metadata)) => Ok(Some(named(metadata, "jwks_uri")?)),
            (Some(KeySource::JwksUrl(url)), _) => Ok(Some(Address::parse(url)?)),
            _ => Ok(None),
        }
    }
}

/// The issuer's metadata: by OpenID Connect's path, or else by RFC 8414's.
async fn discover(issuer: &str, fetcher: &Fetcher) -> Result<Map<String, Value>, String> {
    let [first, second] = discovery_addresses(issuer);
    match metadata(issuer, &first, fetcher).await {
        Ok(found) => Ok(found),
        Err(reason) => metadata(issuer, &second, fetcher).await.map_err(|other| format!("{reason}; {other}")),
    }
}

/// One puts its path behind the issuer's, the other before it.
fn discovery_addresses(issuer: &str) -> [String; 2] {
    let issuer = issuer.trim_end_matches('/');
    let authority_at = issuer.find("://").map_or(0, |at| at + 3);
    let path_at = issuer[authority_at..].find('/').map_or(issuer.len(), |at| authority_at + at);
    let (origin, path) = issuer.split_at(path_at);
    [
        format!("{issuer}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ]
}

async fn metadata(issuer: &str, address: &str, fetcher: &Fetcher) -> Result<Map<String, Value>, String> {
    let json = fetcher.document(&Address::parse(address)?).await?;
    let metadata: Map<String, Value> =
        serde_json::from_slice(&json).map_err(|_| format!("{address} is not a JSON object"))?;
    // Else one issuer could pass for another (RFC 8414, 3.3).
    match metadata.get("issuer").and_then(Value::as_str) == Some(issuer) {
        true => Ok(metadata),
        false => Err(format!("{address} is of another issuer than \"{issuer}\", to the letter")),
    }
}

fn named(metadata: &Map<String, Value>, name: &str) -> Result<Address, String> {
    let text = metadata.get(name).and_then(Value::as_str);
    Address::parse(text.ok_or_else(|| format!("the issuer's metadata has no {name}"))?)
        .map_err(|e| format!("{name} in the issuer's metadata: {e}"))
}

fn read_keys(path: &Path, parse: impl Fn(&[u8]) -> Result<KeySet, String>) -> Result<KeySet, String> {
    let explain = |e: &dyn std::fmt::Display| format!("the key file {}: {e}", path.display());
    let mut bytes = vec![];
    let file = std::fs::File::open(path).map_err(|e| explain(&e))?;
    file.take(KEY_SET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|e| explain(&e))?;
    parse(&bytes).map_err(|e| explain(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_standards_put_their_paths_at_different_places() {
        for (issuer, expected) in [
            (
                "https://a.example",
                [
                    "https://a.example/.well-known/openid-configuration",
                    "https://a.example/.well-known/oauth-authorization-server",
                ],
            ),
            (
                "https://a.example:8443/realms/x/",
                [
                    "https://a.example:8443/realms/x/.well-known/openid-configuration",
                    "https://a.example:8443/.well-known/oauth-authorization-server/realms/x",
                ],
            ),
        ] {
            assert_eq!(discovery_addresses(issuer), expected);
        }
    }

    #[test]
    fn only_https_and_this_machine_may_be_asked() {
        for good in ["https://id.example.com/keys", "http://127.0.0.1:4/x", "http://[::1]/x", "http://localhost:9/"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        let bad = [
            "http://id.example.com",
            "http://10.0.0.1/",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@example.com/",
            "https://name:password@example.com/",
            "ftp://127.0.0.1",
            "file:///etc/passwd",
            "/keys",
            "",
        ];
        for bad in bad {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
