//! Small integers for the names of teams and services, given in order of first sight and never taken back.

use std::collections::HashMap;

use rusqlite::{Connection, named_params};

use super::facts::Bounds;
use super::lattice::{FIRST_NAME, NONE, SERVICE_IDS_MAX, TEAM_IDS_MAX};
use crate::error::Result;
use crate::model::Id;
use crate::store::varint::damaged;

/// All names in memory; there are few of them, and each event asks for two.
pub struct Names {
    teams: Dictionary,
    services: Dictionary,
}

impl Names {
    pub fn load(conn: &Connection, bounds: Bounds) -> Result<Names> {
        Ok(Names {
            teams: Dictionary::load(conn, &TEAMS, bounds.teams_max)?,
            services: Dictionary::load(conn, &SERVICES, bounds.services_max)?,
        })
    }

    /// The ids of a team and a service; unknown ones are given ids. If either may not be, neither is, and the inner
    /// error says so to the sender.
    pub fn take(
        &mut self,
        conn: &Connection,
        team: Option<&Id>,
        service: Option<&Id>,
    ) -> Result<std::result::Result<(u32, u32), String>> {
        if let Some(message) = self.teams.refusal(team).or_else(|| self.services.refusal(service)) {
            return Ok(Err(message));
        }
        Ok(Ok((self.teams.take(conn, team)?, self.services.take(conn, service)?)))
    }
}

/// What differs between teams and services.
struct Table {
    select: &'static str,
    insert: &'static str,
    /// As the sender calls the field.
    field: &'static str,
    setting: &'static str,
    /// Ids end here.
    ids_max: u32,
}

const TEAMS: Table = Table {
    select: "select id, team_id as name from usage_team",
    insert: "insert into usage_team (id, team_id) values (:id, :name)",
    field: "team_id",
    setting: "limits.teams_max",
    ids_max: TEAM_IDS_MAX,
};

const SERVICES: Table = Table {
    select: "select id, service as name from usage_service",
    insert: "insert into usage_service (id, service) values (:id, :name)",
    field: "service",
    setting: "limits.services_max",
    ids_max: SERVICE_IDS_MAX,
};

struct Dictionary {
    table: &'static Table,
    ids: HashMap<Box<str>, u32>,
    next_id: u32,
    names_max: u32,
}

impl Dictionary {
    fn load(conn: &Connection, table: &'static Table, names_max: u32) -> Result<Dictionary> {
        let names_max = names_max.min(table.ids_max - FIRST_NAME);
        let ids: HashMap<Box<str>, u32> = conn
            .prepare(table.select)?
            .query_map([], |row| Ok((row.get("name")?, row.get("id")?)))?
            .collect::<rusqlite::Result<_>>()?;
        let next_id = FIRST_NAME + ids.len() as u32;
        // Ids count up without a gap: any other has a part of a cell's key that is not its own.
        if !ids.values().all(|id| (FIRST_NAME..next_id).contains(id)) || next_id > table.ids_max {
            return Err(damaged());
        }
        Ok(Dictionary { table, ids, next_id, names_max })
    }

    /// Why the name cannot be taken; None if it can.
    fn refusal(&self, name: Option<&Id>) -> Option<String> {
        let name =
            name.filter(|name| self.ids.len() >= self.names_max as usize && !self.ids.contains_key(name.as_str()))?;
        let Table { field, setting, .. } = self.table;
        let names_max = self.names_max;
        Some(format!(
            "{field} \"{name}\" is new, and there are {names_max} already, which is all that {setting} allows"
        ))
    }

    fn take(&mut self, conn: &Connection, name: Option<&Id>) -> Result<u32> {
        let Some(name) = name else { return Ok(NONE) };
        if let Some(id) = self.ids.get(name.as_str()) {
            return Ok(*id);
        }
        let id = self.next_id;
        conn.prepare_cached(self.table.insert)?.execute(named_params! {":id": id, ":name": name.as_str()})?;
        self.ids.insert(name.as_str().into(), id);
        self.next_id += 1;
        Ok(id)
    }
}
