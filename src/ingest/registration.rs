use std::borrow::Cow;

use serde::Serialize;

use super::body::{utf8, without_bom};
use super::cells::{Cell, Cells, Decoded, Item, Rules, read_cells, required};
use super::message::{quoted, reason_and_place};
use crate::error::{Error, Result};
use crate::model::{Change, Id, Registration, Timestamp};

impl Item for Registration {
    const FIELDS: &'static [&'static str] = &["user_id", "team_id", "registered_at", "deactivated_at"];
    const REQUIRED: &'static [&'static str] = &["user_id"];

    fn from_cells(cells: Cells<'_>, _rules: &Rules) -> Decoded<Registration> {
        let [user_id, team_id, registered_at, deactivated_at, ..] = cells;
        Ok(Registration {
            user_id: required("user_id", user_id.into_id("user_id")?)?,
            team_id: change(team_id, |cell| cell.into_id("team_id"))?,
            registered_at: change(registered_at, |cell| cell.into_timestamp("registered_at"))?,
            deactivated_at: change(deactivated_at, |cell| cell.into_timestamp("deactivated_at"))?,
        })
    }

    fn text_bytes(&self) -> usize {
        let team_bytes = match &self.team_id {
            Change::Set(team) => team.as_str().len(),
            Change::Keep | Change::Clear => 0,
        };
        self.user_id.as_str().len() + team_bytes
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        let object = Object {
            user_id: self.user_id.as_str(),
            team_id: said(&self.team_id, Id::to_string),
            registered_at: said(&self.registered_at, Timestamp::to_string),
            deactivated_at: said(&self.deactivated_at, Timestamp::to_string),
        };
        serde_json::to_writer(out, &object).expect("a vector takes any object");
    }
}

/// The body of `PUT /users/{user_id}`; an empty one says nothing of the user, as `{}` does. Errors with `Invalid`.
pub fn of(user_id: Id, body: &[u8], rules: &Rules) -> Result<Registration> {
    let text = match utf8(without_bom(body))?.trim_ascii() {
        "" => "{}",
        text => text,
    };
    let cells = read_cells(text, Registration::FIELDS)
        .map_err(|e| Error::invalid(format!("the body is not one JSON object: {}", reason_and_place(&e))))?;
    let mut cells = cells.map_err(Error::invalid)?;
    match &cells[0] {
        Cell::Absent => cells[0] = Cell::Text(Cow::Owned(user_id.to_string())),
        Cell::Text(text) if text != user_id.as_str() => {
            let message = format!("user_id must be left out or be the path's {}", quoted(user_id.as_str()));
            return Err(Error::invalid(message));
        }
        _ => {}
    }
    Registration::from_cells(cells, rules).map_err(Error::invalid)
}

/// An absent field keeps what is there, null clears it.
fn change<'a, T>(cell: Cell<'a>, read: impl FnOnce(Cell<'a>) -> Decoded<Option<T>>) -> Decoded<Change<T>> {
    match cell {
        Cell::Absent => Ok(Change::Keep),
        cell => Ok(read(cell)?.map_or(Change::Clear, Change::Set)),
    }
}

/// The outer option is whether the field is there at all.
fn said<T>(change: &Change<T>, shown: impl FnOnce(&T) -> String) -> Option<Option<String>> {
    match change {
        Change::Keep => None,
        Change::Clear => Some(None),
        Change::Set(value) => Some(Some(shown(value))),
    }
}

#[derive(Serialize)]
struct Object<'a> {
    user_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_id: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered_at: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivated_at: Option<Option<String>>,
}
