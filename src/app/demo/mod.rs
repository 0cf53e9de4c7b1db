//! Sample data for `--demo`: half a year of a made-up company, the same on every machine and at every start.
//!
//! The figures are exact by design: [`usage`] makes so many sessions by so many users in each month, [`log`] so many
//! events. They reproduce the examples of the API's reference: January 2025 has 148 users, 97 of them active, in 642
//! sessions, and the log has twelve pages with the reference's event on top.

mod log;
mod random;
mod usage;

use crate::error::{Error, Result};
use crate::model::Rejected;
use crate::store::Store;

const SEED: u64 = 20_250_521;

/// Takes the sample data in, the way every event comes in. Errors as [`Store::record`].
pub async fn load(store: &Store) -> Result<()> {
    let members = usage::members();
    none_rejected(store.register(members.iter().map(usage::Member::registration).collect()).await?)?;
    none_rejected(store.record(usage::events(&members, SEED)).await?)?;
    none_rejected(store.append(log::events(SEED)).await?)
}

fn none_rejected(rejected: Vec<Rejected>) -> Result<()> {
    match rejected.into_iter().next() {
        None => Ok(()),
        Some(first) => Err(Error::invalid(format!("the sample data do not fit these settings: {}", first.message))),
    }
}
