//! Where imported items go.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use crate::app::Admin;
use crate::error::{Error, Kind, Result};
use crate::ingest::{self, Item};
use crate::model::{Registration, Rejected, SystemEvent, UsageEvent};
use crate::store::Store;

/// A batch whose texts take so many bytes is full, however few its items.
pub const BATCH_BYTES: usize = 16 << 20;

/// An item that can be imported.
pub trait Importable: Item + Send + Sync + 'static {
    /// Items decoded, and taken into the store, at once: the more, the less often is a page of the file written anew, and
    /// the disk waited for. What four batches hold that are under way is a tenth of a gigabyte.
    const BATCH_ITEMS: usize;
    /// Where the API takes such items.
    const PATH: &'static str;

    /// Takes items into a store that this process holds. Gives back, by index, those that would pass a bound.
    fn record(store: &Store, items: Vec<Self>) -> impl Future<Output = Result<Vec<Rejected>>> + Send;
}

impl Importable for UsageEvent {
    const BATCH_ITEMS: usize = 32_000;
    const PATH: &'static str = "/usage/events";

    async fn record(store: &Store, items: Vec<UsageEvent>) -> Result<Vec<Rejected>> {
        store.record(items).await
    }
}

impl Importable for SystemEvent {
    const BATCH_ITEMS: usize = 32_000;
    const PATH: &'static str = "/logs/system-events";

    async fn record(store: &Store, items: Vec<SystemEvent>) -> Result<Vec<Rejected>> {
        store.append(items).await
    }
}

impl Importable for Registration {
    const BATCH_ITEMS: usize = 16_000;
    const PATH: &'static str = "/users";

    async fn record(store: &Store, items: Vec<Registration>) -> Result<Vec<Rejected>> {
        store.register(items).await
    }
}

/// A request to a running server holds at most so many items and about so many bytes: well below the default limits, so
/// that other clients' requests find their turn between them.
const REQUEST_ITEMS_MAX: usize = 4_000;
const REQUEST_BYTES: usize = 4 << 20;
/// A busy server is asked again after a second, so many times in a row.
const BUSY_TRIES: u32 = 120;

pub enum Target<'a> {
    /// The database is ours: straight into it.
    Store(&'a Store),
    /// A running server holds it.
    Server(&'a Admin),
}

impl Target<'_> {
    pub fn of(admin: &Admin) -> Target<'_> {
        admin.store().map_or(Target::Server(admin), Target::Store)
    }

    /// Takes items in, in order; durable when it returns. Gives back, by index, those that were rejected.
    pub async fn take<T: Importable>(&self, items: Vec<T>) -> Result<Vec<Rejected>> {
        match self {
            Target::Store(_) if items.is_empty() => Ok(vec![]),
            Target::Store(store) => T::record(store, items).await,
            Target::Server(admin) => send(admin, &items).await,
        }
    }
}

async fn send<T: Importable>(admin: &Admin, items: &[T]) -> Result<Vec<Rejected>> {
    let mut rejected = vec![];
    let mut start = 0;
    while start < items.len() {
        let (body, mut count) = encode(&items[start..]);
        let mut answer = post(admin, T::PATH, body).await;
        // The server may have limits below the defaults: halve until it fits.
        while count > 1 && matches!(&answer, Err(e) if e.kind == Kind::TooLarge) {
            count /= 2;
            let (body, _) = encode(&items[start..start + count]);
            answer = post(admin, T::PATH, body).await;
        }
        rejected.extend(answer?.into_iter().map(|item| Rejected { index: start + item.index, ..item }));
        start += count;
    }
    Ok(rejected)
}

/// As many of the items as make a request, at least one, and how many they are.
fn encode<T: Importable>(items: &[T]) -> (Bytes, usize) {
    let mut body = vec![];
    let mut count = 0;
    for item in items.iter().take(REQUEST_ITEMS_MAX) {
        ingest::write_ndjson(item, &mut body);
        count += 1;
        if body.len() >= REQUEST_BYTES {
            break;
        }
    }
    (body.into(), count)
}

async fn post(admin: &Admin, path: &str, body: Bytes) -> Result<Vec<Rejected>> {
    for _ in 1..BUSY_TRIES {
        match admin.send("POST", path, body.clone()).await {
            Err(Error { kind: Kind::Busy { retry_after_s }, .. }) => {
                tokio::time::sleep(Duration::from_secs(retry_after_s)).await;
            }
            answer => return receipt(&answer?.body),
        }
    }
    receipt(&admin.send("POST", path, body).await?.body)
}

fn receipt(body: &[u8]) -> Result<Vec<Rejected>> {
    #[derive(Deserialize)]
    struct Receipt {
        rejected: Vec<Refused>,
    }
    #[derive(Deserialize)]
    struct Refused {
        index: usize,
        message: String,
    }
    let receipt: Receipt =
        serde_json::from_slice(body).map_err(|e| Error::internal(format!("an unexpected answer: {e}")))?;
    Ok(receipt.rejected.into_iter().map(|Refused { index, message }| Rejected { index, message }).collect())
}
