//! `POST /usage/events`, `POST /logs/system-events`, `POST /users`: a batch comes in, a receipt goes out. A receipt means
//! that what it counts as accepted is on disk.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Body;
use hyper::http::request::Parts;
use serde::Serialize;

use super::body::Received;
use super::budget::Share;
use super::metrics::Intake;
use super::respond::Reply;
use super::service::Service;
use crate::error::{Error, Result};
use crate::ingest::{self, Batch, Receipt};
use crate::model::{Registration, SystemEvent, UsageEvent};

/// A body from so many bytes on is decoded off the async workers.
const DECODE_ELSEWHERE_FROM_BYTES: usize = 256 * 1024;
/// What a rejected item takes beside its message, as a value and in the receipt.
const REJECTED_BYTES: usize = 64;

#[derive(Serialize)]
struct ReceiptBody<'a> {
    accepted: usize,
    rejected: Vec<RejectedBody<'a>>,
}

#[derive(Serialize)]
struct RejectedBody<'a> {
    index: usize,
    message: &'a str,
}

/// Usage events: one object, an array or NDJSON.
pub async fn record<B: Body<Data = Bytes>>(service: &Service, head: &Parts, body: B) -> Result<Reply> {
    let (now, bounds) = (service.now()?, service.settings.bounds);
    let decoded = decode(service, head, body, move |bytes| ingest::usage_events(bytes, now, &bounds)).await?;
    let (Batch { items, origins, rejected }, share) = decoded;
    let rejected_by_store = if items.is_empty() { vec![] } else { service.store.record(items).await? };
    let receipt = Batch::<UsageEvent>::receipt(origins, rejected, rejected_by_store);
    respond(service, Intake::Usage, &receipt, share)
}

/// System events: one object, an array or NDJSON.
pub async fn append<B: Body<Data = Bytes>>(service: &Service, head: &Parts, body: B) -> Result<Reply> {
    let (now, bounds) = (service.now()?, service.settings.bounds);
    let decoded = decode(service, head, body, move |bytes| ingest::system_events(bytes, now, &bounds)).await?;
    let (Batch { items, origins, rejected }, share) = decoded;
    let rejected_by_store = if items.is_empty() { vec![] } else { service.store.append(items).await? };
    let receipt = Batch::<SystemEvent>::receipt(origins, rejected, rejected_by_store);
    respond(service, Intake::Log, &receipt, share)
}

/// Registrations of users: one object, an array or NDJSON.
pub async fn register<B: Body<Data = Bytes>>(service: &Service, head: &Parts, body: B) -> Result<Reply> {
    let bounds = service.settings.bounds;
    let decoded = decode(service, head, body, move |bytes| ingest::registrations(bytes, &bounds)).await?;
    let (Batch { items, origins, rejected }, share) = decoded;
    let rejected_by_store = if items.is_empty() { vec![] } else { service.store.register(items).await? };
    let receipt = Batch::<Registration>::receipt(origins, rejected, rejected_by_store);
    respond(service, Intake::Users, &receipt, share)
}

/// The share is of what the bodies of all requests hold: the batch holds about as much, until it is on disk.
async fn decode<B, T>(
    service: &Service,
    head: &Parts,
    body: B,
    read: impl FnOnce(&[u8]) -> Result<Batch<T>> + Send + 'static,
) -> Result<(Batch<T>, Share)>
where
    B: Body<Data = Bytes>,
    T: Send + 'static,
{
    let Received { bytes, mut share } = service.receive(head, body).await?;
    let batch = match bytes.len() < DECODE_ELSEWHERE_FROM_BYTES {
        true => read(&bytes)?,
        false => service.bodies.work(move || read(&bytes)).await?,
    };
    // Before anything is stored: a receipt that there is no room for must not be refused afterwards.
    share.grow(batch.rejected.iter().map(|rejected| REJECTED_BYTES + 2 * rejected.message.len()).sum())?;
    Ok((batch, share))
}

fn respond(service: &Service, intake: Intake, receipt: &Receipt, share: Share) -> Result<Reply> {
    service.metrics.took_in(intake, receipt.accepted, receipt.rejected.len());
    let rejected = receipt.rejected.iter();
    let rejected = rejected.map(|item| RejectedBody { index: item.index, message: &item.message }).collect();
    let body = ReceiptBody { accepted: receipt.accepted, rejected };
    let json = serde_json::to_vec(&body).map_err(|e| Error::internal(format!("JSON: {e}")))?;
    Ok(Reply { share: Some(share), ..Reply::json(StatusCode::OK, json) })
}
