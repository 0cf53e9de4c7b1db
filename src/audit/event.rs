//! Lines of the trail as system events: a message for people, flat attributes for machines.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::Entry;
use super::groups::{Line, Times};
use crate::limits::peer_prefix;
use crate::model::{Id, OWN_SERVICE, Severity, SystemEvent, Timestamp};

pub fn of(line: &Line) -> SystemEvent {
    let mut attributes = json!({"event": line.entry.kind()});
    let attributes = attributes.as_object_mut().expect("it was made as an object");
    if !line.is_of_others {
        attributes.extend(own_attributes(&line.entry));
    }
    match line.times {
        Times::Once => {}
        Times::First | Times::More(_) => drop(attributes.insert("attempts".into(), line.times.number().into())),
    }
    event(line.at, severity(&line.entry), message(line), attributes)
}

/// There was no room to keep more of them.
pub fn of_lost(n: u64, at: Timestamp) -> SystemEvent {
    let message = format!("{n} entries of the audit trail were lost: they came faster than they could be written");
    let mut attributes = json!({"event": "entries_lost", "entries": n});
    event(at, Severity::Warning, message, attributes.as_object_mut().expect("it was made as an object"))
}

fn event(at: Timestamp, severity: Severity, message: String, attributes: &Map<String, Value>) -> SystemEvent {
    SystemEvent {
        at,
        severity,
        service: Some(Id::new(OWN_SERVICE).expect("our own service has a name")),
        message,
        event_id: None,
        attributes: Some(serde_json::to_string(attributes).expect("a map of texts and numbers is JSON")),
    }
}

fn severity(entry: &Entry) -> Severity {
    match entry {
        Entry::Started { .. } | Entry::Stopped | Entry::Changed { .. } | Entry::Pruned { .. } => Severity::Info,
        Entry::LoginFailed { .. }
        | Entry::Refused { .. }
        | Entry::LimitExceeded { .. }
        | Entry::ExportFailed { .. } => Severity::Warning,
        Entry::RefreshTokenReused { .. } => Severity::Error,
    }
}

fn message(line: &Line) -> String {
    let more = match line.times {
        Times::Once | Times::First => String::new(),
        Times::More(1) => " once more".into(),
        Times::More(n) => format!(" {n} more times"),
    };
    let others = line.is_of_others;
    match &line.entry {
        Entry::Started { version } => format!("analytics {version} started"),
        Entry::Stopped => "analytics stopped".into(),
        Entry::LoginFailed { .. } if others => format!("log-in failed{more} from other sources"),
        Entry::LoginFailed { source, way } => format!("log-in failed{more} from {} ({way})", shown(*source)),
        Entry::Refused { .. } if others => format!("other principals were refused{more}"),
        Entry::Refused { issuer, subject, what, .. } => {
            format!("{} of {} was refused{more} for want of {what}", quoted(subject), quoted(issuer))
        }
        Entry::Changed { what, how, name, detail } if detail.is_empty() => format!("{what} {} {how}", quoted(name)),
        Entry::Changed { what, how, name, detail } => format!("{what} {} {how}: {}", quoted(name), quoted(detail)),
        Entry::RefreshTokenReused { .. } if others => {
            format!("used refresh tokens were used again{more} for other accounts")
        }
        Entry::RefreshTokenReused { account, .. } => {
            format!("a used refresh token of account {} was used again{more}; its log-in has ended", quoted(account))
        }
        Entry::LimitExceeded { .. } if others => format!("others exceeded a limit{more}"),
        Entry::LimitExceeded { name, policy } => format!("{} exceeded the limit {policy:?}{more}", quoted(name)),
        Entry::ExportFailed { id, owner, code } => format!("export {id} of {} failed: {code}", quoted(owner)),
        Entry::Pruned { what, removed, before } => format!("retention removed {removed} {what} before {before}"),
    }
}

fn own_attributes(entry: &Entry) -> Map<String, Value> {
    let attributes = match entry {
        Entry::Started { version } => json!({"version": version}),
        Entry::Stopped => json!({}),
        Entry::LoginFailed { source, way } => json!({"source": shown(*source), "way": way}),
        Entry::Refused { issuer, subject, what, source } => {
            json!({"issuer": issuer, "subject": subject, "what": what, "source": source.map(shown)})
        }
        Entry::Changed { what, how, name, detail } => {
            json!({"what": what, "how": how, "name": name, "detail": Some(detail).filter(|detail| !detail.is_empty())})
        }
        Entry::RefreshTokenReused { account, source } => json!({"account": account, "source": source.map(shown)}),
        Entry::LimitExceeded { name, policy } => json!({"name": name, "policy": policy}),
        Entry::ExportFailed { id, owner, code } => json!({"job": id, "owner": owner, "code": code}),
        Entry::Pruned { what, removed, before } => json!({"what": what, "removed": removed, "before": before}),
    };
    let Value::Object(attributes) = attributes else { unreachable!("each was made as an object") };
    attributes.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// An IPv4 address, or the /64 of an IPv6 one: what counts as one source.
fn shown(source: IpAddr) -> String {
    match peer_prefix(source) {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(network) => format!("{network}/64"),
    }
}

/// In quotation marks, with what could break or turn a line escaped, cut where it is long.
fn quoted(name: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 100;
    match name.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{:?}..", &name[..end]),
        None => format!("{name:?}"),
    }
}
