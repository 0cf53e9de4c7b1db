use serde_json::{Value, json};

use super::arguments::{Config, Global};
use super::output::{Outcome, print, print_json};
use crate::app::settings::Settings;
use crate::error::{Error, Result};

pub fn run(global: Global, arguments: &Config) -> Outcome {
    let settings = super::settings(global, vec![])?;
    match arguments.json {
        true => print_json(&list(&settings)?),
        false => print(&settings.to_toml()),
    }
}

/// `[{"name": "server.listen", "value": .., "origin": "default"}, ..]`
fn list(settings: &Settings) -> Result<Vec<Value>> {
    let settings = settings.effective().into_iter();
    let entry = |(name, value, origin): (String, String, crate::app::settings::Origin)| {
        Ok(json!({"name": name, "value": json_of(&value)?, "origin": origin.to_string()}))
    };
    settings.map(entry).collect()
}

fn json_of(toml_value: &str) -> Result<Value> {
    let unreadable = |e: &dyn std::error::Error| Error::internal(format!("{toml_value} is not TOML: {e}"));
    let table: toml::Table = toml::from_str(&format!("value = {toml_value}")).map_err(|e| unreadable(&e))?;
    serde_json::to_value(&table["value"]).map_err(|e| unreadable(&e))
}
