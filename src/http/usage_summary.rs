//! `GET /reports/usage-summary`: the three figures of a range, and on request a series, groups and the period before.

use std::io::Write;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::LINK;
use hyper::http::request::Parts;

use super::etag::{self, IfNoneMatch};
use super::link;
use super::query::{Query, invalid};
use super::respond::Reply;
use super::service::Service;
use crate::error::{Error, Result};
use crate::model::{DateRange, Figures, Group, GroupBy, GroupPage, Interval, Period, UsageFilter};
use crate::store::{Glance, Snapshot, Store};

const PATH: &str = "/reports/usage-summary";
/// Entries of a series.
const SERIES_MAX: usize = 5_000;
const GROUPS_DEFAULT: u64 = 100;
const GROUPS_MAX: u64 = 1_000;
/// Series up to this length are computed on the async worker: handing them over would take longer.
const SHORT_SERIES: usize = 100;

/// A question that is valid once read.
struct Question {
    range: DateRange,
    filter: UsageFilter,
    interval: Option<Interval>,
    groups: Option<Groups>,
    previous: Option<DateRange>,
}

struct Groups {
    by: GroupBy,
    limit: u64,
    /// From 1.
    page: u64,
}

/// Parameters: `start_date`, `end_date` (both inclusive, required), `user_id`, `team_id`, `service`,
/// `interval=day|week|month`, `group_by=team|service|user` with `limit` and `page`, `compare=previous`.
pub async fn get(service: &Arc<Service>, head: &Parts, query: Query) -> Result<Reply> {
    let question = Question::read(&query)?;
    let if_none_match = IfNoneMatch::of(&head.headers);
    service.read(question.is_long(), move |store| answer(store, &question, &query, &if_none_match)).await
}

fn answer(store: &Store, question: &Question, query: &Query, if_none_match: &IfNoneMatch) -> Result<Reply> {
    if let Some(reply) = question.at_a_glance(&store.glance(), if_none_match)? {
        return Ok(reply);
    }
    if let Some(user_id) = question.filter.user_id.as_ref().filter(|_| question.is_plain())
        && let Some(reply) = question.at_a_glance(&store.glance_at_user(user_id)?, if_none_match)?
    {
        return Ok(reply);
    }
    let snapshot = store.snapshot()?;
    etag::answer(if_none_match, &snapshot.usage_revision(), || question.compute(&snapshot, query))
}

impl Question {
    fn read(query: &Query) -> Result<Question> {
        let (start, end) = (query.required_date("start_date")?, query.required_date("end_date")?);
        let range = DateRange::new(start, end)
            .ok_or_else(|| invalid("start_date", "must not lie after \"end_date\"; both days are inclusive"))?;
        let filter =
            UsageFilter { user_id: query.id("user_id")?, team_id: query.id("team_id")?, service: query.id("service")? };
        let interval = query.choice("interval", &Interval::WORDS)?;
        if interval.is_some_and(|interval| range.periods(interval).nth(SERIES_MAX).is_some()) {
            let rule = format!("would give more than {SERIES_MAX} entries; take a longer interval or a shorter range");
            return Err(invalid("interval", &rule));
        }
        let previous = match query.choice("compare", &[("previous", ())])? {
            Some(()) => Some(range.previous().ok_or_else(|| {
                invalid("compare", "needs a period of equal length before the range; it would begin before 0001-01-01")
            })?),
            None => None,
        };
        Ok(Question { range, filter, interval, groups: Groups::read(query)?, previous })
    }

    fn is_long(&self) -> bool {
        let long_series = self.interval.is_some_and(|i| self.range.periods(i).nth(SHORT_SERIES).is_some());
        self.groups.is_some() || long_series
    }

    /// Whether only figures are asked for.
    fn is_plain(&self) -> bool {
        self.interval.is_none() && self.groups.is_none()
    }

    /// The answer, where a glance can tell it.
    fn at_a_glance(&self, glance: &Glance, if_none_match: &IfNoneMatch) -> Result<Option<Reply>> {
        let revision = glance.usage_revision();
        if etag::is_had(if_none_match, &revision) {
            return Ok(Some(etag::not_modified(&revision)));
        }
        if !self.is_plain() {
            return Ok(None);
        }
        let Some(of_range) = glance.figures(self.range, &self.filter)? else { return Ok(None) };
        let mut json = Vec::with_capacity(256);
        json.push(b'{');
        figures(&mut json, &of_range);
        if let Some(range) = self.previous {
            let Some(of_previous) = glance.figures(range, &self.filter)? else { return Ok(None) };
            previous(&mut json, &of_previous);
        }
        json.push(b'}');
        etag::answer(if_none_match, &revision, || Ok(Reply::json(StatusCode::OK, json))).map(Some)
    }

    fn compute(&self, snapshot: &Snapshot, query: &Query) -> Result<Reply> {
        let mut json = Vec::with_capacity(256);
        json.push(b'{');
        figures(&mut json, &snapshot.figures(self.range, &self.filter)?);
        if let Some(interval) = self.interval {
            series(&mut json, &snapshot.series(self.range, &self.filter, interval)?);
        }
        let mut links = None;
        if let Some(asked) = &self.groups {
            let page = snapshot.groups(self.range, &self.filter, asked.by, asked.offset(), asked.limit as usize)?;
            let total_pages = page.total.div_ceil(asked.limit);
            groups(&mut json, asked, &page, total_pages)?;
            links = link::pages(PATH, query, asked.page, total_pages);
        }
        if let Some(range) = self.previous {
            previous(&mut json, &snapshot.figures(range, &self.filter)?);
        }
        json.push(b'}');
        let reply = Reply::json(StatusCode::OK, json);
        Ok(links.into_iter().fold(reply, |reply, links| reply.with(LINK, &links)))
    }
}

impl Groups {
    fn read(query: &Query) -> Result<Option<Groups>> {
        let by = query.choice("group_by", &GroupBy::WORDS)?;
        let (limit, page) = (query.number("limit", GROUPS_MAX)?, query.number("page", u64::MAX)?);
        match by {
            Some(by) => Ok(Some(Groups { by, limit: limit.unwrap_or(GROUPS_DEFAULT), page: page.unwrap_or(1) })),
            None if limit.is_some() => Err(invalid("limit", "needs \"group_by\": without it there are no pages")),
            None if page.is_some() => Err(invalid("page", "needs \"group_by\": without it there are no pages")),
            None => Ok(None),
        }
    }

    /// A page so far behind that no number tells how far is behind the end all the same.
    fn offset(&self) -> u64 {
        (self.page - 1).saturating_mul(self.limit)
    }
}

fn figures(json: &mut Vec<u8>, figures: &Figures) {
    let Figures { total_users, active_users, total_sessions } = figures;
    push(
        json,
        format_args!(
            "\"total_users\":{total_users},\"active_users\":{active_users},\"total_sessions\":{total_sessions}"
        ),
    );
}

fn previous(json: &mut Vec<u8>, of_previous: &Figures) {
    json.extend_from_slice(b",\"previous\":{");
    figures(json, of_previous);
    json.push(b'}');
}

fn series(json: &mut Vec<u8>, periods: &[Period]) {
    json.extend_from_slice(b",\"series\":[");
    for (index, period) in periods.iter().enumerate() {
        let (comma, range) = (if index > 0 { "," } else { "" }, period.range);
        push(json, format_args!("{comma}{{\"start_date\":\"{}\",\"end_date\":\"{}\",", range.start(), range.end()));
        figures(json, &period.figures);
        json.push(b'}');
    }
    json.push(b']');
}

fn groups(json: &mut Vec<u8>, asked: &Groups, page: &GroupPage, total_pages: u64) -> Result<()> {
    let name = match asked.by {
        GroupBy::Team => "team_id",
        GroupBy::Service => "service",
        GroupBy::User => "user_id",
    };
    json.extend_from_slice(b",\"groups\":[");
    for (index, Group { id, figures: of_group }) in page.groups.iter().enumerate() {
        push(json, format_args!("{}{{\"{name}\":", if index > 0 { "," } else { "" }));
        let id = id.as_ref().map(|id| id.as_str());
        serde_json::to_writer(&mut *json, &id).map_err(|e| Error::internal(format!("JSON: {e}")))?;
        json.push(b',');
        figures(json, of_group);
        json.push(b'}');
    }
    push(json, format_args!("],\"page\":{},\"total_pages\":{total_pages}", asked.page));
    Ok(())
}

fn push(json: &mut Vec<u8>, text: std::fmt::Arguments) {
    json.write_fmt(text).expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::super::path::Route;
    use super::super::query::known;
    use super::*;

    fn read(text: &str) -> Result<Question> {
        Question::read(&Query::parse(text, known(&Route::UsageSummary))?)
    }

    #[test]
    fn what_cannot_be_answered_is_refused_by_name() {
        let table = [
            ("start_date=2025-01-01", "\"end_date\" is required"),
            ("start_date=2025-01-02&end_date=2025-01-01", "\"start_date\" must not lie after"),
            ("start_date=2025-02-30&end_date=2025-03-01", "\"start_date\" must be a calendar date"),
            ("start_date=2025-01-01&end_date=2025-01-31&interval=hour", "must be day or week or month"),
            ("start_date=2000-01-01&end_date=2025-01-31&interval=day", "more than 5000 entries"),
            ("start_date=2025-01-01&end_date=2025-01-31&limit=5", "\"limit\" needs \"group_by\""),
            ("start_date=2025-01-01&end_date=2025-01-31&page=5", "\"page\" needs \"group_by\""),
            ("start_date=2025-01-01&end_date=2025-01-31&group_by=team&limit=1001", "from 1 to 1000"),
            ("start_date=0001-01-01&end_date=0001-01-31&compare=previous", "\"compare\" needs a period"),
            ("start_date=2025-01-01&end_date=2025-01-31&compare=x", "\"compare\" must be previous"),
        ];
        for (text, expected) in table {
            let message = read(text).err().unwrap().message;
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn five_thousand_entries_are_the_most() {
        assert!(read("start_date=2000-01-01&end_date=2013-09-08&interval=day").is_ok());
        assert!(read("start_date=2000-01-01&end_date=2013-09-09&interval=day").is_err());
        assert!(read("start_date=1700-01-01&end_date=2025-01-31&interval=month").is_ok());
    }

    #[test]
    fn a_page_beyond_all_numbers_lies_behind_the_end() {
        let question = read("start_date=2025-01-01&end_date=2025-01-31&group_by=user&page=18446744073709551615");
        assert_eq!(question.unwrap().groups.unwrap().offset(), u64::MAX);
    }

    #[test]
    fn the_fields_stand_in_the_order_of_the_reference() {
        let mut json = vec![];
        figures(&mut json, &Figures { total_users: 148, active_users: 97, total_sessions: 642 });
        assert_eq!(json, br#""total_users":148,"active_users":97,"total_sessions":642"#);
    }
}
