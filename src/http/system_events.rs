//! `GET /logs/system-events`: the log by page or by cursor, newest first, oldest first or in order of arrival.

use std::io::Write;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::LINK;
use hyper::http::request::Parts;

use super::cursor::{self, Order};
use super::etag::{self, IfNoneMatch};
use super::link;
use super::query::{Query, invalid};
use super::respond::Reply;
use super::service::Service;
use crate::error::{Error, Result};
use crate::model::{LogFilter, Position, Severity, SeveritySet, Start, StoredEvent, TimeOrder, Timestamp};
use crate::store::{Snapshot, Store};

const PATH: &str = "/logs/system-events";
const LIMIT_DEFAULT: u64 = 100;
const LIMIT_MAX: u64 = 1_000;
/// Pages up to this length are made on the async worker. What the messages of a page come to is known only once they are
/// read, and a thousand of the longest take a good part of a second.
const SHORT_PAGE: usize = LIMIT_DEFAULT as usize;
/// What a page's JSON takes beside the messages, roughly, per event.
const EVENT_BYTES: usize = 96;

/// A question that is valid once read.
struct Question {
    filter: LogFilter,
    limit: usize,
    from: From,
}

/// Where the answer begins.
enum From {
    /// From 1, in time order.
    Page(TimeOrder, u64),
    Cursor(TimeOrder, Position),
    /// Behind this sequence number, in order of arrival.
    Arrival(i64),
}

/// Parameters: `limit`, `page` or `cursor`, `severity` (a list), `service`, `from` (inclusive), `to` (exclusive),
/// `order=desc|asc|arrival`.
pub async fn get(service: &Arc<Service>, head: &Parts, query: Query) -> Result<Reply> {
    let question = Question::read(&query)?;
    let if_none_match = IfNoneMatch::of(&head.headers);
    let is_long = question.limit > SHORT_PAGE;
    service.read(is_long, move |store| answer(store, &question, &query, &if_none_match)).await
}

fn answer(store: &Store, question: &Question, query: &Query, if_none_match: &IfNoneMatch) -> Result<Reply> {
    let snapshot = store.snapshot()?;
    etag::answer(if_none_match, &snapshot.log_revision(), || question.compute(&snapshot, query))
}

impl Question {
    fn read(query: &Query) -> Result<Question> {
        const ORDERS: [(&str, Order); 3] =
            [("desc", Order::NewestFirst), ("asc", Order::OldestFirst), ("arrival", Order::Arrival)];
        let filter = read_filter(query)?;
        let limit = query.number("limit", LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT) as usize;
        let page = query.number("page", u64::MAX)?;
        let order = query.choice("order", &ORDERS)?.unwrap_or(Order::NewestFirst);
        let cursor = query.get("cursor").map(|text| cursor::decode(text, order, &filter)).transpose()?;
        if page.is_some() && cursor.is_some() {
            return Err(invalid("page", "and \"cursor\" exclude each other; send one"));
        }
        let from = match (order, cursor) {
            (Order::Arrival, _) if page.is_some() => {
                return Err(invalid("page", "does not go with order=arrival; follow next_cursor instead"));
            }
            (Order::Arrival, cursor) => From::Arrival(cursor.map_or(0, |position| position.seq)),
            (Order::NewestFirst, Some(position)) => From::Cursor(TimeOrder::NewestFirst, position),
            (Order::OldestFirst, Some(position)) => From::Cursor(TimeOrder::OldestFirst, position),
            (Order::NewestFirst, None) => From::Page(TimeOrder::NewestFirst, page.unwrap_or(1)),
            (Order::OldestFirst, None) => From::Page(TimeOrder::OldestFirst, page.unwrap_or(1)),
        };
        Ok(Question { filter, limit, from })
    }

    fn compute(&self, snapshot: &Snapshot, query: &Query) -> Result<Reply> {
        let (order, start) = match self.from {
            From::Arrival(after_seq) => return self.arrivals(snapshot, query, after_seq),
            From::Cursor(order, position) => (order, Start::After(position)),
            // Behind any end there is: no log holds u64::MAX events.
            From::Page(order, page) => (order, Start::Offset((page - 1).saturating_mul(self.limit as u64))),
        };
        let found = snapshot.page(&self.filter, order, start, self.limit)?;
        let total_pages = found.total.div_ceil(self.limit as u64);
        let next = found.events.last().filter(|_| found.more).map(|last| {
            let order = match order {
                TimeOrder::NewestFirst => Order::NewestFirst,
                TimeOrder::OldestFirst => Order::OldestFirst,
            };
            cursor::encode(order, &self.filter, last.position)
        });
        let (page, links) = match self.from {
            From::Page(_, page) => (Some(page), link::pages(PATH, query, page, total_pages)),
            From::Cursor(..) | From::Arrival(_) => {
                (None, next.as_deref().map(|next| link::next_cursor(PATH, query, next)))
            }
        };
        reply(&found.events, page, total_pages, next.as_deref(), links)
    }

    fn arrivals(&self, snapshot: &Snapshot, query: &Query, after_seq: i64) -> Result<Reply> {
        let found = snapshot.scan(&self.filter, after_seq, self.limit)?;
        let total_pages = found.total.div_ceil(self.limit as u64);
        // By arrival the time stamp of a position is not looked at.
        let position = Position { at: Timestamp::MIN, seq: found.next_seq };
        let next = cursor::encode(Order::Arrival, &self.filter, position);
        let links = link::next_cursor(PATH, query, &next);
        reply(&found.events, None, total_pages, Some(&next), Some(links))
    }
}

fn read_filter(query: &Query) -> Result<LogFilter> {
    const SEVERITIES: &str = "must be info, warning or error, or several of them with commas between";
    let severities = query.list("severity", SEVERITIES, Severity::parse)?;
    let (from, to) = (query.instant("from")?, query.instant("to")?);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(invalid("from", "must not lie after \"to\"; from is inclusive, to is exclusive"));
    }
    let severities = severities.map_or(SeveritySet::ALL, |list| list.into_iter().collect());
    Ok(LogFilter { severities, service: query.id("service")?, from, to })
}

fn reply(
    events: &[StoredEvent],
    page: Option<u64>,
    total_pages: u64,
    next_cursor: Option<&str>,
    links: Option<String>,
) -> Result<Reply> {
    let json = body(events, page, total_pages, next_cursor).map_err(|e| Error::internal(format!("JSON: {e}")))?;
    let reply = Reply::json(StatusCode::OK, json);
    Ok(links.into_iter().fold(reply, |reply, links| reply.with(LINK, &links)))
}

fn body(
    events: &[StoredEvent],
    page: Option<u64>,
    total_pages: u64,
    next_cursor: Option<&str>,
) -> serde_json::Result<Vec<u8>> {
    let messages: usize = events.iter().map(|event| event.message.len()).sum();
    let mut json = Vec::with_capacity(messages + events.len() * EVENT_BYTES + EVENT_BYTES);
    json.extend_from_slice(b"{\"events\":[");
    for (index, stored) in events.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        event(&mut json, stored)?;
    }
    json.push(b']');
    if let Some(page) = page {
        write!(json, ",\"page\":{page}").map_err(serde_json::Error::io)?;
    }
    write!(json, ",\"total_pages\":{total_pages}").map_err(serde_json::Error::io)?;
    if let Some(next_cursor) = next_cursor {
        write!(json, ",\"next_cursor\":\"{next_cursor}\"").map_err(serde_json::Error::io)?;
    }
    json.push(b'}');
    Ok(json)
}

fn event(json: &mut Vec<u8>, event: &StoredEvent) -> serde_json::Result<()> {
    let StoredEvent { position, severity, service, message, attributes } = event;
    write!(json, "{{\"timestamp\":\"{}\",\"severity\":\"{severity}\",\"message\":", position.at)
        .map_err(serde_json::Error::io)?;
    serde_json::to_writer(&mut *json, message)?;
    if let Some(service) = service {
        json.extend_from_slice(b",\"service\":");
        serde_json::to_writer(&mut *json, service.as_str())?;
    }
    if let Some(attributes) = attributes {
        // JSON text already, checked when it came in.
        json.extend_from_slice(b",\"attributes\":");
        json.extend_from_slice(attributes.as_bytes());
    }
    json.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::path::Route;
    use super::super::query::known;
    use super::*;
    use crate::model::Id;

    fn read(text: &str) -> Result<Question> {
        Question::read(&Query::parse(text, known(&Route::ReadSystemEvents))?)
    }

    fn stored(message: &str) -> StoredEvent {
        StoredEvent {
            position: Position { at: Timestamp::parse("2025-05-21T10:15:30Z").unwrap(), seq: 7 },
            severity: Severity::Warning,
            service: None,
            message: message.into(),
            attributes: None,
        }
    }

    #[test]
    fn what_cannot_be_answered_is_refused_by_name() {
        let cursor = cursor::encode(Order::NewestFirst, &LogFilter::default(), stored("").position);
        let table = [
            ("limit=0", "\"limit\" must be a whole number from 1 to 1000"),
            ("page=18446744073709551616", "\"page\" must be a whole number"),
            ("severity=warn", "\"severity\" must be info, warning or error"),
            ("severity=info,", "\"severity\" must be info, warning or error"),
            ("severity=info,error,info", "\"severity\" names \"info\" more than once"),
            ("order=up", "must be desc or asc or arrival"),
            ("from=2025-05-22&to=2025-05-21", "\"from\" must not lie after"),
            ("from=x", "\"from\" must be an RFC 3339 time"),
            ("order=arrival&page=1", "\"page\" does not go with order=arrival"),
            ("cursor=x", "\"cursor\" is none of this server's"),
            (&format!("cursor={cursor}&page=1"), "\"page\" and \"cursor\" exclude each other"),
            (&format!("cursor={cursor}&order=asc"), "another order or other filters"),
            (&format!("cursor={cursor}&severity=info"), "another order or other filters"),
        ];
        for (text, expected) in table {
            let message = read(text).err().unwrap().message;
            assert!(message.contains(expected), "{text}: {message}");
        }
        assert!(read(&format!("cursor={cursor}&limit=3&severity=error,warning,info")).is_ok());
    }

    #[test]
    fn the_page_two_to_the_63_is_a_page() {
        let question = read("page=9223372036854775808&limit=1000").unwrap();
        assert!(matches!(question.from, From::Page(TimeOrder::NewestFirst, page) if page == 1 << 63));
    }

    #[test]
    fn an_event_shows_its_fields_in_the_order_of_the_reference() {
        let json = body(&[stored("a \"b\"\n")], Some(1), 12, None).unwrap();
        let expected = r#"{"events":[{"timestamp":"2025-05-21T10:15:30Z","severity":"warning","message":"a \"b\"\n"}],"page":1,"total_pages":12}"#;
        assert_eq!(String::from_utf8(json).unwrap(), expected);
        let full = StoredEvent {
            service: Some(Arc::new(Id::new("web").unwrap())),
            attributes: Some(r#"{"a":1}"#.into()),
            ..stored("m")
        };
        let json = body(&[full.clone(), full], None, 1, Some("xyz")).unwrap();
        let event = r#"{"timestamp":"2025-05-21T10:15:30Z","severity":"warning","message":"m","service":"web","attributes":{"a":1}}"#;
        let expected = format!(r#"{{"events":[{event},{event}],"total_pages":1,"next_cursor":"xyz"}}"#);
        assert_eq!(String::from_utf8(json).unwrap(), expected);
    }
}
