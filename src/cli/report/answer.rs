//! The API's answer to a usage summary, as `--json` gives it on.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

#[derive(Clone, Deserialize, Serialize)]
pub struct Answer {
    #[serde(flatten)]
    pub figures: Figures,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Vec<Period>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<GroupEntry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_pages: Option<u64>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
pub struct Figures {
    pub total_users: u64,
    pub active_users: u64,
    pub total_sessions: u64,
}

#[derive(Clone, Deserialize, Serialize)]
pub struct Period {
    pub start_date: String,
    pub end_date: String,
    #[serde(flatten)]
    pub figures: Figures,
}

/// Holds one of the three ids; null where events had none.
#[derive(Clone, Deserialize, Serialize)]
pub struct GroupEntry {
    #[serde(flatten)]
    pub key: GroupKey,
    #[serde(flatten)]
    pub figures: Figures,
}

#[derive(Clone, Deserialize, Serialize)]
pub enum GroupKey {
    #[serde(rename = "team_id")]
    Team(Option<String>),
    #[serde(rename = "service")]
    Service(Option<String>),
    #[serde(rename = "user_id")]
    User(Option<String>),
}

impl GroupKey {
    pub fn id(&self) -> Option<&str> {
        match self {
            GroupKey::Team(id) | GroupKey::Service(id) | GroupKey::User(id) => id.as_deref(),
        }
    }
}

pub fn decode(body: &[u8]) -> Result<Answer> {
    serde_json::from_slice(body).map_err(|e| Error::internal(format!("an unexpected answer: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_on_as_it_came() {
        let body = r#"{"total_users":3,"active_users":2,"total_sessions":5,"previous":{"total_users":1,"active_users":1,"total_sessions":1},"series":[{"start_date":"2025-01-01","end_date":"2025-01-05","total_users":3,"active_users":2,"total_sessions":5}],"groups":[{"team_id":"design","total_users":3,"active_users":2,"total_sessions":5},{"team_id":null,"total_users":0,"active_users":0,"total_sessions":1}],"page":1,"total_pages":1}"#;
        let answer = decode(body.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&answer).unwrap(), body);
        let ids: Vec<_> = answer.groups.unwrap().iter().map(|group| group.key.id().map(str::to_string)).collect();
        assert_eq!(ids, [Some("design".to_string()), None]);
    }
}
