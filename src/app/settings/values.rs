use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::file::FileError;
use super::nearest::nearest;
use super::table::{Setting, TABLE};
use super::trusted_issuers::{self, Trusted};
use super::value::{Value, Written, network, socket_address};
use super::{CONFIG_VARIABLE, Origin, file};
use crate::auth::{IssuerSettings, SigningAlgorithm};
use crate::error::{Error, Result};
use crate::ingest::Bounds;
use crate::store::Durability;
use crate::{export, http, limits, maintenance, store};

const DEFAULTS: &str = include_str!("../../../analytics.toml");
/// What a variable for a trusted issuer would be called.
const FILE_ONLY: &str = "ANALYTICS_TRUSTED_ISSUERS";

/// The values in effect so far.
pub struct Values {
    /// One for each row of [`TABLE`].
    of_table: Vec<InEffect>,
    trusted_issuers: Vec<Trusted>,
}

#[derive(Clone, Debug)]
pub struct InEffect {
    pub setting: &'static Setting,
    pub value: Value,
    pub origin: Origin,
}

impl InEffect {
    /// As a line of a settings file.
    pub fn to_line(&self) -> String {
        format!("{} = {} # {}\n", self.setting.key, self.value.to_toml(), self.origin)
    }
}

impl Values {
    pub fn defaults() -> Values {
        let read = file::read(DEFAULTS);
        let entries = read.unwrap_or_else(|e| panic!("line {} of the defaults: {}", e.line, e.message)).entries;
        let default_of = |(index, setting): (usize, &'static Setting)| {
            let entry = entries.iter().find(|entry| entry.index == index);
            let value = entry.expect("every setting has a default").value.clone();
            InEffect { setting, value, origin: Origin::Default }
        };
        Values { of_table: TABLE.iter().enumerate().map(default_of).collect(), trusted_issuers: vec![] }
    }

    pub fn take_file(&mut self, path: &Path) -> Result<()> {
        let shown = path.display();
        let bytes =
            std::fs::read(path).map_err(|e| Error::invalid(format!("cannot read the settings file {shown}: {e}")))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let line = 1 + e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
            Error::invalid(format!("{shown}:{line}: the settings file must be UTF-8"))
        })?;
        let at_its_line = |e: FileError| Error::invalid(format!("{shown}:{}: {}", e.line, e.message));
        let contents = file::read(&text).map_err(at_its_line)?;
        for entry in contents.entries {
            self.of_table[entry.index].value = entry.value;
            self.of_table[entry.index].origin = Origin::File { path: path.to_owned(), line: entry.line };
        }
        self.trusted_issuers = trusted_issuers::read(contents.trusted_issuers, path).map_err(at_its_line)?;
        Ok(())
    }

    /// `environment`: the variables that are meant for us.
    pub fn take_environment(&mut self, environment: BTreeMap<String, String>) -> Result<()> {
        for (name, text) in environment {
            if name.starts_with(FILE_ONLY) {
                let advice = "write [[trusted_issuers]] there, and name it by ANALYTICS_CONFIG";
                return Err(Error::invalid(format!("{name}: trusted issuers stand in a settings file only; {advice}")));
            }
            let entry = self.of_table.iter_mut().find(|entry| entry.setting.variable() == name).ok_or_else(|| {
                let known = TABLE.iter().map(Setting::variable).chain([CONFIG_VARIABLE.to_owned()]);
                Error::invalid(format!("{name}: there is no such setting; did you mean {}?", nearest(&name, known)))
            })?;
            let read = entry.setting.read(&Written::from_text(entry.setting.kind, &text));
            entry.value = read.map_err(|message| Error::invalid(format!("{name}: {message}")))?;
            entry.origin = Origin::Environment(name);
        }
        Ok(())
    }

    pub fn take_flags(&mut self, flags: Vec<(&'static str, String)>) -> Result<()> {
        for (name, text) in flags {
            let entry = self.of_table.iter_mut().find(|entry| entry.setting.name() == name);
            let entry = entry.expect("flags name settings that exist");
            let read = entry.setting.read(&Written::from_text(entry.setting.kind, &text));
            entry.value = read.map_err(|message| Error::invalid(format!("command line: {message}")))?;
            entry.origin = Origin::Flag;
        }
        Ok(())
    }

    pub fn listen(&self) -> SocketAddr {
        socket_address(&self.text("server.listen")).expect("the table checks addresses")
    }

    pub fn http(&self) -> http::Settings {
        http::Settings {
            public_url: self.text("server.public_url"),
            contact: self.text("server.contact"),
            cors_origins: self.strings("server.cors_origins"),
            trusted_proxies: self.networks("server.trusted_proxies"),
            connections_max: self.number("server.connections_max"),
            connections_per_peer_max: self.number("server.connections_per_peer_max"),
            header_timeout: self.duration("server.header_timeout_s"),
            body_timeout: self.duration("server.body_timeout_s"),
            handler_timeout: self.duration("server.handler_timeout_s"),
            write_timeout: self.duration("server.write_timeout_s"),
            connection_age_max: self.duration("server.connection_age_max_s"),
            drain_timeout: self.duration("server.drain_timeout_s"),
            metrics_public: self.flag("metrics.public"),
            bounds: Bounds {
                body_bytes_max: self.number("limits.body_bytes_max"),
                items_max: self.number("limits.items_max"),
                nesting_max: self.number("limits.nesting_max"),
                message_bytes_max: self.number("limits.message_bytes_max"),
                attributes_bytes_max: self.number("limits.attributes_bytes_max"),
            },
        }
    }

    pub fn store(&self) -> store::Settings {
        store::Settings {
            path: PathBuf::from(self.text("database.path")),
            durability: Durability::Full,
            bytes_max: self.number("database.bytes_max"),
            teams_max: self.number("limits.teams_max"),
            services_max: self.number("limits.services_max"),
            queue_items_max: self.number("limits.queue_items_max"),
            span_cache_bytes: self.number("database.span_cache_bytes"),
        }
    }

    pub fn issuer(&self) -> IssuerSettings {
        IssuerSettings {
            url: self.text("issuer.url"),
            audience: self.text("issuer.audience"),
            algorithm: match self.text("issuer.algorithm").as_str() {
                "ES256" => SigningAlgorithm::Es256,
                _ => SigningAlgorithm::EdDsa,
            },
            token_ttl_s: self.number("issuer.token_ttl_s"),
            login_ttl_s: self.number("issuer.login_ttl_s"),
        }
    }

    pub fn limits(&self) -> limits::Settings {
        limits::Settings {
            requests_per_minute: self.number("limits.requests_per_minute"),
            ingest_requests_per_minute: self.number("limits.ingest_requests_per_minute"),
            exports_per_day: self.number("limits.exports_per_day"),
            tokens_per_minute: self.number("limits.tokens_per_minute"),
            tokens_per_hour: self.number("limits.tokens_per_hour"),
            failures_per_minute: self.number("limits.failures_per_minute"),
        }
    }

    pub fn exports(&self) -> export::Settings {
        export::Settings {
            directory: PathBuf::from(self.text("exports.directory")),
            workers: self.number("exports.workers"),
            retention: self.duration("exports.retention"),
            bytes_max: self.number("exports.max_bytes"),
            time_limit: self.duration("exports.time_limit"),
        }
    }

    pub fn retention(&self) -> maintenance::Settings {
        maintenance::Settings {
            log_ages: ["info", "warning", "error"].map(|severity| self.age(&format!("retention.log_{severity}"))),
            log_bytes_max: Some(self.number("retention.log_bytes_max")).filter(|bytes| *bytes > 0),
            usage_facts_age: self.age("retention.usage_facts"),
            interval: self.duration("retention.interval"),
            exports_time_limit: self.duration("exports.time_limit"),
        }
    }

    fn text(&self, name: &str) -> String {
        self.value(name).clone().into_text()
    }

    fn strings(&self, name: &str) -> Vec<String> {
        self.value(name).clone().into_texts()
    }

    fn networks(&self, name: &str) -> Vec<IpNet> {
        let networks = self.strings(name);
        networks.iter().map(|text| network(text).expect("the table checks networks")).collect()
    }

    pub fn flag(&self, name: &str) -> bool {
        match self.value(name) {
            Value::Flag(flag) => *flag,
            other => unreachable!("{name} is no {other:?} by its kind"),
        }
    }

    fn duration(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    /// None for one that never ends.
    fn age(&self, name: &str) -> Option<Duration> {
        Some(self.duration(name)).filter(|age| !age.is_zero())
    }

    /// Of any integer type that holds the largest value of the setting's kind.
    fn number<T: TryFrom<u64>>(&self, name: &str) -> T {
        match self.value(name) {
            Value::Number(number, _) => T::try_from(*number).ok().expect("the table bounds numbers"),
            other => unreachable!("{name} is no {other:?} by its kind"),
        }
    }

    fn value(&self, name: &str) -> &Value {
        let entry = self.of_table.iter().find(|entry| entry.setting.name() == name);
        &entry.expect("the table describes every setting in use").value
    }

    /// Errors with `Invalid` if one of them is the embedded issuer: its tokens would be sent to the wrong door.
    pub fn trusted_issuers(&self) -> Result<Vec<Trusted>> {
        let listen = format!("http://{}", self.listen());
        let named = [self.text("issuer.url"), self.text("server.public_url"), listen];
        let ours = named.into_iter().find(|url| !url.is_empty()).unwrap_or_default();
        match self.trusted_issuers.iter().find(|trusted| trusted.settings.issuer == ours) {
            None => Ok(self.trusted_issuers.clone()),
            Some(trusted) => Err(Error::invalid(format!(
                "{}: {ours} is the issuer of this server itself (issuer.url, or server.public_url), which is trusted anyway",
                trusted.place
            ))),
        }
    }

    pub fn into_in_effect(self) -> Vec<InEffect> {
        self.of_table
    }
}
