//! The services that the log has seen: small integers for names.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::error::Result;
use crate::model::Id;
use crate::store::varint::damaged;

/// The service of an event that came without.
pub const NONE: u32 = 1;
const FIRST_NAME: u32 = 2;

/// Ids count up without a gap, so a vector finds the name and a map the id. Cheap to clone: the names are shared.
#[derive(Clone, Default, Debug)]
pub struct Names {
    by_id: Vec<Arc<Id>>,
    ids: HashMap<Arc<Id>, u32>,
}

impl Names {
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The highest id that stands for a name, or for none.
    pub fn last(&self) -> u32 {
        NONE + self.by_id.len() as u32
    }

    pub fn id(&self, service: &Id) -> Option<u32> {
        self.ids.get(service).copied()
    }

    /// None for events without a service. Errors on an id that was never given: a fault of the database file.
    pub fn name(&self, id: u32) -> Result<Option<&Arc<Id>>> {
        match id.checked_sub(FIRST_NAME) {
            Some(index) => self.by_id.get(index as usize).map(Some).ok_or_else(damaged),
            None if id == NONE => Ok(None),
            None => Err(damaged()),
        }
    }

    fn push(&mut self, service: Id) -> u32 {
        let id = FIRST_NAME + self.by_id.len() as u32;
        let service = Arc::new(service);
        self.by_id.push(service.clone());
        self.ids.insert(service, id);
        id
    }
}

const NAMES: &str = "select id, service from log_service order by id";

/// Every name, as the database keeps it.
pub fn load(conn: &Connection) -> Result<Names> {
    let mut names = Names::default();
    let mut statement = conn.prepare_cached(NAMES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let service = Id::new(row.get::<_, String>(1)?).map_err(|_| damaged())?;
        if names.push(service) != row.get::<_, u32>(0)? {
            return Err(damaged());
        }
    }
    Ok(names)
}

const ADD_NAME: &str = "insert into log_service (id, service) values (:id, :service)";

/// Gives the next id to a name that has none yet.
pub fn add(conn: &Connection, names: &mut Names, service: &Id) -> Result<u32> {
    let id = names.push(service.clone());
    conn.prepare_cached(ADD_NAME)?.execute(params![id, service.as_str()])?;
    Ok(id)
}
