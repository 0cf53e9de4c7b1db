//! The log by definition: a list in order of acknowledgement, sorted anew for every question.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct LogEvent {
    pub at: DateTime<Utc>,
    pub severity: &'static str,
    pub service: Option<String>,
    pub message: String,
    pub event_id: Option<String>,
    pub attributes: Option<Value>,
}

#[derive(Clone, Default, Debug)]
pub struct LogFilter {
    /// Any of these; empty: all.
    pub severities: Vec<&'static str>,
    pub service: Option<String>,
    /// Inclusive.
    pub from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub to: Option<DateTime<Utc>>,
}

#[derive(Default)]
pub struct LogModel {
    events: Vec<LogEvent>,
}

impl LogModel {
    /// Events that carry the same id and time stamp are one; the first stays.
    pub fn append(&mut self, event: &LogEvent) {
        let same = |kept: &LogEvent| kept.event_id == event.event_id && kept.at == event.at;
        if event.event_id.is_none() || !self.events.iter().any(same) {
            self.events.push(event.clone());
        }
    }

    /// What matches, as the endpoint shows it, in order of `desc`, `asc` or `arrival`.
    pub fn matching(&self, filter: &LogFilter, order: &str) -> Vec<Value> {
        let mut found: Vec<(usize, &LogEvent)> =
            self.events.iter().enumerate().filter(|(_, event)| filter.matches(event)).collect();
        if order != "arrival" {
            found.sort_by_key(|(seq, event)| (event.at, *seq));
        }
        if order == "desc" {
            found.reverse();
        }
        found.into_iter().map(|(_, event)| event.shown()).collect()
    }
}

impl LogEvent {
    pub fn shown(&self) -> Value {
        let mut json = json!({"timestamp": shown(self.at), "severity": self.severity, "message": self.message});
        if let Some(service) = &self.service {
            json["service"] = json!(service);
        }
        if let Some(attributes) = &self.attributes {
            json["attributes"] = attributes.clone();
        }
        json
    }

    /// As a client would send it.
    pub fn wire(&self) -> Value {
        let mut json = self.shown();
        if let Some(id) = &self.event_id {
            json["event_id"] = json!(id);
        }
        json
    }
}

impl LogFilter {
    fn matches(&self, event: &LogEvent) -> bool {
        (self.severities.is_empty() || self.severities.contains(&event.severity))
            && self.service.as_ref().is_none_or(|service| event.service.as_ref() == Some(service))
            && self.from.is_none_or(|from| from <= event.at)
            && self.to.is_none_or(|to| event.at < to)
    }

    /// As query parameters.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let severities = (!self.severities.is_empty()).then(|| self.severities.join(","));
        let named = [
            ("severity", severities),
            ("service", self.service.clone()),
            ("from", self.from.map(shown)),
            ("to", self.to.map(shown)),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// RFC 3339 in UTC with as many digits of a second as it takes.
fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
