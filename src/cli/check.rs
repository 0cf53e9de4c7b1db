use serde::Deserialize;

use super::arguments::{Check, Global};
use super::output::{Failure, Outcome, print, print_json};
use crate::app::{Access, Admin};
use crate::clock::Clock;
use crate::error::Error;

#[derive(Deserialize, serde::Serialize)]
struct Findings {
    /// One line for each thing that differs from what the base facts say.
    differs: Vec<String>,
    /// The day from which on usage was recomputed from base facts, where those from before have gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_facts_from: Option<String>,
}

pub fn run(global: Global, arguments: &Check) -> Outcome {
    let settings = super::settings(global, vec![])?;
    if arguments.repair {
        Admin::repair(&settings, &Clock::system())?;
    }
    super::block_on(async {
        let admin = Admin::open(&settings, Access::Existing, Clock::system()).await?;
        let answer = admin.send("POST", "/admin/check", "").await;
        admin.close().await;
        let findings: Findings =
            serde_json::from_slice(&answer?.body).map_err(|e| Error::internal(format!("an unexpected answer: {e}")))?;
        show(&findings, arguments.json)
    })
}

/// What cannot be recomputed is said.
fn since(findings: &Findings) -> String {
    let told = |day: &String| {
        format!("; those of usage are kept from {day} on (retention.usage_facts), and what is older agrees with itself")
    };
    findings.usage_facts_from.as_ref().map(told).unwrap_or_default()
}

fn show(findings: &Findings, json: bool) -> Outcome {
    if json {
        print_json(findings)?;
    } else if findings.differs.is_empty() {
        print(&format!("everything agrees with the base facts{}\n", since(findings)))?;
    } else {
        print(&(findings.differs.join("\n") + "\n"))?;
    }
    match findings.differs.len() {
        0 => Ok(()),
        _ if json => Err(Failure::Told),
        n => Err(Failure::Failed(Error::internal(format!(
            "{n} {} from what the base facts say",
            if n == 1 { "thing differs" } else { "things differ" }
        )))),
    }
}
