use serde::Serialize;

use super::cells::{Cells, Decoded, Item, Rules, required};
use crate::model::{Id, UsageEvent};

impl Item for UsageEvent {
    const FIELDS: &'static [&'static str] = &["user_id", "timestamp", "team_id", "service", "session_id", "event_id"];
    const REQUIRED: &'static [&'static str] = &["user_id"];

    fn from_cells(cells: Cells<'_>, rules: &Rules) -> Decoded<UsageEvent> {
        let [user_id, timestamp, team_id, service, session_id, event_id] = cells;
        let event = UsageEvent {
            user_id: required("user_id", user_id.into_id("user_id")?)?,
            at: timestamp.into_timestamp("timestamp")?.unwrap_or(rules.now),
            team_id: team_id.into_id("team_id")?,
            service: service.into_id("service")?,
            session_id: session_id.into_id("session_id")?,
        };
        // What counts is an event's content, so its id needs no keeping; a bad one is still a mistake worth telling.
        event_id.into_id("event_id")?;
        Ok(event)
    }

    fn text_bytes(&self) -> usize {
        let optional = [&self.team_id, &self.service, &self.session_id];
        self.user_id.as_str().len() + optional.into_iter().flatten().map(|id| id.as_str().len()).sum::<usize>()
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        let object = Object {
            user_id: self.user_id.as_str(),
            timestamp: self.at.to_string(),
            team_id: self.team_id.as_ref().map(Id::as_str),
            service: self.service.as_ref().map(Id::as_str),
            session_id: self.session_id.as_ref().map(Id::as_str),
        };
        serde_json::to_writer(out, &object).expect("a vector takes any object");
    }
}

#[derive(Serialize)]
struct Object<'a> {
    user_id: &'a str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
}
