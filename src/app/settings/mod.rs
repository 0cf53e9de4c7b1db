//! Settings: flag over environment over file over default.
//!
//! `table` describes every setting as data; the defaults are read from the compiled-in `analytics.toml` by the same
//! code as any other file. What is in effect is kept with where it came from.

mod file;
mod nearest;
mod table;
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
use crate::{http, limits, store};

const FILE_NAME: &str = "analytics.toml";
const CONFIG_VARIABLE: &str = "ANALYTICS_CONFIG";
const VARIABLE_PREFIX: &str = "ANALYTICS_";

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
    /// `audit.events`
    pub audit_events: bool,
    in_effect: Vec<InEffect>,
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
        let here = || Some(PathBuf::from(FILE_NAME)).filter(|path| path.exists());
        let path = named.filter(|path| !path.as_os_str().is_empty()).or_else(here);
        if let Some(path) = path {
            values.take_file(&path)?;
        }
        values.take_environment(environment)?;
        values.take_flags(sources.flags)?;
        Ok(Settings {
            listen: values.listen(),
            http: values.http(),
            store: values.store(),
            issuer: values.issuer(),
            trusted_issuers: vec![],
            limits: values.limits(),
            audit_events: values.flag("audit.events"),
            in_effect: values.into_in_effect(),
        })
    }

    /// Every setting by name, its value as TOML text, and where it came from; in the order of the file.
    pub fn effective(&self) -> Vec<(String, String, Origin)> {
        let shown = |entry: &InEffect| (entry.setting.name(), entry.value.to_toml(), entry.origin.clone());
        self.in_effect.iter().map(shown).collect()
    }

    /// What is in effect as a settings file; a comment behind each value tells where it came from.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        for InEffect { setting, value, origin } in &self.in_effect {
            if setting.section != section {
                section = setting.section;
                let gap = if text.is_empty() { "" } else { "\n" };
                text += &format!("{gap}[{section}]\n");
            }
            text += &format!("{} = {} # {origin}\n", setting.key, value.to_toml());
        }
        text
    }
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
