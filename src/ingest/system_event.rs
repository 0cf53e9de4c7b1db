use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::attributes;
use super::cells::{Cell, Cells, Decoded, Item, Rules, required};
use super::message::quoted;
use crate::model::{Id, OWN_SERVICE, Severity, SystemEvent};

impl Item for SystemEvent {
    const FIELDS: &'static [&'static str] = &["timestamp", "severity", "message", "service", "event_id", "attributes"];
    const REQUIRED: &'static [&'static str] = &["severity", "message"];

    fn from_cells(cells: Cells<'_>, rules: &Rules) -> Decoded<SystemEvent> {
        let [timestamp, severity, message, service, event_id, attributes] = cells;
        let at = timestamp.into_timestamp("timestamp")?;
        let event_id = event_id.into_id("event_id")?;
        if event_id.is_some() && at.is_none() {
            return Err("event_id needs a timestamp: a re-delivery is known by both".into());
        }
        Ok(SystemEvent {
            at: at.unwrap_or(rules.now),
            severity: severity_of(severity)?,
            service: service_of(service)?,
            message: message_of(message, rules.bounds.message_bytes_max)?,
            event_id,
            attributes: attributes::read(attributes, rules.bounds.attributes_bytes_max)?,
        })
    }

    fn text_bytes(&self) -> usize {
        let ids = [&self.service, &self.event_id].into_iter().flatten();
        let attributes = self.attributes.as_ref().map_or(0, String::len);
        self.message.len() + attributes + ids.map(|id| id.as_str().len()).sum::<usize>()
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        let raw = |json: &'_ String| RawValue::from_string(json.clone()).expect("attributes are JSON text");
        let object = Object {
            timestamp: self.at.to_string(),
            severity: self.severity.as_str(),
            message: &self.message,
            service: self.service.as_ref().map(Id::as_str),
            event_id: self.event_id.as_ref().map(Id::as_str),
            attributes: self.attributes.as_ref().map(raw),
        };
        serde_json::to_writer(out, &object).expect("a vector takes any object");
    }
}

fn severity_of(cell: Cell<'_>) -> Decoded<Severity> {
    let text = required("severity", cell.into_text("severity")?)?;
    Severity::parse(&text).ok_or_else(|| format!("severity must be info, warning or error, not {}", quoted(&text)))
}

fn service_of(cell: Cell<'_>) -> Decoded<Option<Id>> {
    match cell.into_id("service")? {
        Some(service) if service.as_str() == OWN_SERVICE => {
            Err(format!("service {OWN_SERVICE:?} is the server's own; name another"))
        }
        service => Ok(service),
    }
}

/// Any characters may stand in a message; they are kept as they are.
fn message_of(cell: Cell<'_>, bytes_max: usize) -> Decoded<String> {
    let text = required("message", cell.into_text("message")?)?;
    match text.len() {
        0 => Err("message must not be empty".into()),
        bytes if bytes > bytes_max => {
            Err(format!("message must be at most {bytes_max} bytes long (limits.message_bytes_max), not {bytes}"))
        }
        _ => Ok(Cow::into_owned(text)),
    }
}

#[derive(Serialize)]
struct Object<'a> {
    timestamp: String,
    severity: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Box<RawValue>>,
}
