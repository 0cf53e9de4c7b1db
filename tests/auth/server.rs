//! A server with the product's own wiring, two trusted issuers whose keys the tests hold, and a client.

use std::time::Duration;

use analytics::app::settings::{Settings, Sources};
use analytics::app::{self, Running};
use analytics::auth::{KeySource, RoleRule, TrustedIssuer};
use analytics::clock::Clock;
use analytics::limits;
use analytics::model::{Grants, Role, Scope};
use analytics::store::Durability;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use ureq::http::{HeaderMap, Request};

use crate::signer::Signer;

pub const AUDIENCE: &str = "https://analytics.example.com";
/// Grants what an issuer does by default: `read:analytics` and `report_admin`.
pub const ISSUER: &str = "https://login.example.com";
/// Grants everything, and may sign tokens of type JWT.
pub const GENEROUS: &str = "https://generous.example.com";

/// Limits that nothing here reaches, so that every answer shows its headers.
pub const QUOTA: u32 = 1_000_000;

const TIMEOUT: Duration = Duration::from_secs(120);

pub struct Server {
    pub running: Option<Running>,
    pub runtime: Runtime,
    pub signer: Signer,
    agent: ureq::Agent,
    _directory: TempDir,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Server {
    pub fn start() -> Server {
        Server::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> Server {
        let directory = tempfile::tempdir().expect("a directory");
        let signer = Signer::new();
        let keys = directory.path().join("jwks.json");
        std::fs::write(&keys, signer.jwks().to_string()).expect("a file");
        let database = directory.path().join("analytics.db").to_string_lossy().into_owned();
        let flags = vec![("database.path", database), ("server.listen", "127.0.0.1:0".to_string())];
        let sources = Sources { config: None, environment: std::iter::empty(), flags };
        let mut settings = Settings::load(sources).expect("the defaults are valid");
        settings.store.durability = Durability::None;
        settings.limits = limits::Settings {
            requests_per_minute: QUOTA,
            ingest_requests_per_minute: QUOTA,
            ..limits::Settings::none()
        };
        let usual = Grants {
            scopes: [Scope::ReadAnalytics].into_iter().collect(),
            roles: [Role::ReportAdmin].into_iter().collect(),
        };
        settings.trusted_issuers = vec![
            issuer(ISSUER, &["at+jwt"], KeySource::JwksFile(keys.clone()), usual),
            issuer(GENEROUS, &["at+jwt", "jwt"], KeySource::JwksFile(keys), Grants::ALL),
        ];
        change(&mut settings);
        let runtime = Runtime::new().expect("a runtime");
        let running = runtime.block_on(app::start(settings, Clock::system())).expect("the server starts");
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT)).build();
        Server { running: Some(running), runtime, signer, agent: config.into(), _directory: directory }
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs until it is dropped")
    }

    pub fn send(&self, method: &str, path_and_query: &str, headers: &[(&str, String)], body: &str) -> Answer {
        let base = format!("http://{}", self.running().address);
        let mut request = Request::builder().method(method).uri(format!("{base}{path_and_query}"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = match body {
            "" if method != "POST" && method != "PUT" => self.agent.run(request.body(()).expect("a request")),
            _ => self.agent.run(request.body(body.as_bytes()).expect("a request")),
        };
        let (head, mut body) = response.unwrap_or_else(|e| panic!("{method} {path_and_query}: {e}")).into_parts();
        let text = body.read_to_string().expect("text");
        Answer { status: head.status.as_u16(), headers: head.headers, text }
    }

    pub fn get_as(&self, path_and_query: &str, bearer: &str) -> Answer {
        self.send("GET", path_and_query, &[("authorization", format!("Bearer {bearer}"))], "")
    }

    /// One figure of /metrics; 0 if it is not there yet.
    pub fn metric(&self, name: &str) -> u64 {
        let key = self.running().auth.keys.create_for_session("metrics", Grants::ALL).expect("a key");
        let text = self.get_as("/metrics", &key).text;
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.map_or(0, |line| line.rsplit(' ').next().expect("a value").parse().expect("a number"))
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("header values are ASCII"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}

fn issuer(url: &str, types: &[&str], keys: KeySource, grants: Grants) -> TrustedIssuer {
    TrustedIssuer {
        issuer: url.into(),
        audiences: vec![AUDIENCE.into()],
        algorithms: TrustedIssuer::every_algorithm(),
        types: types.iter().map(|word| word.to_string()).collect(),
        keys: Some(keys),
        introspection: None,
        role: RoleRule { claim: vec!["roles".into()], words: vec!["report_admin".into()] },
        grants,
    }
}
