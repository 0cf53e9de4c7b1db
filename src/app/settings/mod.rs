//! Settings: flag over environment over file over default.
//!
//! `table` describes every setting as data; the defaults are read from the compiled-in `analytics.toml` by the same
//! code as any other file. What is in effect is kept with where it came from.

mod file;
mod nearest;
mod table;
mod trusted_issuers;
mod value;
mod values;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use self::values::{InEffect, Values};
use crate::auth::{IssuerSettings, TrustedIssuer};
use crate::error::Result;
use crate::store::ExportDirectory;
use crate::{export, http, limits, maintenance, store};

const FILE_NAME: &str = "analytics.toml";
const CONFIG_VARIABLE: &str = "ANALYTICS_CONFIG";
const VARIABLE_PREFIX: &str = "ANALYTICS_";
/// No setting: what a command that is given the address of a server shows to it.
pub const TOKEN_VARIABLE: &str = "ANALYTICS_TOKEN";

/// Where settings may come from.
pub struct Sources<E> {
    /// `--config`. Without it `ANALYTICS_CONFIG` names the file; without that it is `./analytics.toml`, if there is one.
    pub config: Option<PathBuf>,
    /// The whole environment; what does not begin with `ANALYTICS_` is none of ours.
    pub environment: E,
    /// Settings by name (`server.listen`) and what the command line says of them.
    pub flags: Vec<(&'static str, String)>,
}

/// Every setting, checked, and in the types of those who use it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Port 0 stands for any free one.
    pub listen: SocketAddr,
    /// `public_url` is empty where the bound address is to stand for it.
    pub http: http::Settings,
    pub store: store::Settings,
    /// The embedded issuer; `url` and `audience` are empty where the public address is to stand for them.
    pub issuer: IssuerSettings,
    pub trusted_issuers: Vec<TrustedIssuer>,
    pub limits: limits::Settings,
    pub exports: export::Settings,
    pub retention: maintenance::Settings,
    /// `audit.events`
    pub audit_events: bool,
    in_effect: Vec<InEffect>,
    /// For each trusted issuer.
    trusted_in_effect: Vec<Vec<InEffect>>,
}

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    Default,
    File {
        path: PathBuf,
        line: usize,
    },
    /// By the variable's name.
    Environment(String),
    Flag,
}

impl Settings {
    /// Errors with `Invalid` for a setting that does not exist or a value that cannot stand there, naming the place
    /// (file and line, variable, or flag) and what may stand there; and if the file cannot be read.
    pub fn load<E: Iterator<Item = (String, String)>>(sources: Sources<E>) -> Result<Settings> {
        let mut values = Values::defaults();
        let is_ours = |(name, _): &(String, String)| name.starts_with(VARIABLE_PREFIX);
        let mut environment: BTreeMap<String, String> = sources.environment.filter(is_ours).collect();
        let named = sources.config.or_else(|| environment.remove(CONFIG_VARIABLE).map(PathBuf::from));
        environment.remove(CONFIG_VARIABLE);
        environment.remove(TOKEN_VARIABLE);
        let here = || Some(PathBuf::from(FILE_NAME)).filter(|path| path.exists());
        let path = named.filter(|path| !path.as_os_str().is_empty()).or_else(here);
        if let Some(path) = path {
            values.take_file(&path)?;
        }
        values.take_environment(environment)?;
        values.take_flags(sources.flags)?;
        let trusted = values.trusted_issuers()?;
        Ok(Settings {
            listen: values.listen(),
            http: values.http(),
            store: values.store(),
            issuer: values.issuer(),
            trusted_issuers: trusted.iter().map(|trusted| trusted.settings.clone()).collect(),
            limits: values.limits(),
            exports: values.exports(),
            retention: values.retention(),
            audit_events: values.flag("audit.events"),
            in_effect: values.into_in_effect(),
            trusted_in_effect: trusted.into_iter().map(|trusted| trusted.in_effect).collect(),
        })
    }

    /// Where the files of exports lie.
    pub fn export_directory(&self) -> ExportDirectory {
        match self.exports.directory.as_os_str().is_empty() {
            true => ExportDirectory::new(store::beside(&self.store.path, ".exports")),
            false => ExportDirectory::new(&self.exports.directory),
        }
    }

    /// For a database that is thrown away: its audit trail is off unless it was asked for.
    pub fn without_audit_unless_set(&mut self) {
        self.audit_events &= is_set(&self.in_effect, "audit.events");
    }

    /// For test suites: no limit on requests, tokens and failures but those that were set.
    pub fn without_limits_unless_set(&mut self) {
        let (limits, none) = (&mut self.limits, limits::Settings::none());
        for (name, limit, none) in [
            ("limits.requests_per_minute", &mut limits.requests_per_minute, none.requests_per_minute),
            (
                "limits.ingest_requests_per_minute",
                &mut limits.ingest_requests_per_minute,
                none.ingest_requests_per_minute,
            ),
            ("limits.tokens_per_minute", &mut limits.tokens_per_minute, none.tokens_per_minute),
            ("limits.tokens_per_hour", &mut limits.tokens_per_hour, none.tokens_per_hour),
            ("limits.failures_per_minute", &mut limits.failures_per_minute, none.failures_per_minute),
        ] {
            if !is_set(&self.in_effect, name) {
                *limit = none;
            }
        }
    }

    /// Every setting by name, its value as TOML text, and where it came from; in the order of the file. Those of trusted
    /// issuers are named as `trusted_issuers[0].issuer`; a secret is blotted out.
    pub fn effective(&self) -> Vec<(String, String, Origin)> {
        let shown = |name: String, entry: &InEffect| (name, entry.value.to_toml(), entry.origin.clone());
        let mut all: Vec<_> = self.in_effect.iter().map(|entry| shown(entry.setting.name(), entry)).collect();
        for (index, issuer) in self.trusted_in_effect.iter().enumerate() {
            let name = |entry: &InEffect| format!("{}[{index}].{}", trusted_issuers::SECTION, entry.setting.key);
            all.extend(issuer.iter().map(|entry| shown(name(entry), entry)));
        }
        all
    }

    /// What is in effect as a settings file; a comment behind each value tells where it came from.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        for entry in &self.in_effect {
            if entry.setting.section != section {
                section = entry.setting.section;
                let gap = if text.is_empty() { "" } else { "\n" };
                text += &format!("{gap}[{section}]\n");
            }
            text += &entry.to_line();
        }
        for issuer in &self.trusted_in_effect {
            text += &format!("\n[[{}]]\n", trusted_issuers::SECTION);
            text.extend(issuer.iter().map(InEffect::to_line));
        }
        text
    }
}

/// Whether anybody said so, be it what the default says too.
fn is_set(in_effect: &[InEffect], name: &str) -> bool {
    in_effect.iter().any(|entry| entry.setting.name() == name && entry.origin != Origin::Default)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => f.write_str(name),
            Origin::Flag => f.write_str("command line"),
        }
    }
}
