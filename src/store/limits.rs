//! Overrides of limits, and the count of exports, at rest.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::{Snapshot, Store};
use crate::error::{Error, Result};
use crate::model::{Day, Target, TargetKind};

/// Counts of days longer past are of no use to anybody.
const KEPT_DAYS: u32 = 40;

/// The administrator's exceptions for one target: None leaves the setting in place, 0 lifts the limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    pub requests_per_minute: Option<u32>,
    pub ingest_requests_per_minute: Option<u32>,
    pub exports_per_day: Option<u32>,
    pub tokens_per_minute: Option<u32>,
    pub tokens_per_hour: Option<u32>,
}

impl Store {
    /// Durable when it returns. Replaces what was set for the target before.
    pub async fn set_override(&self, target: Target, overrides: Overrides, now_unix_micros: i64) -> Result<()> {
        self.control(move |conn| set(conn, &target, &overrides, now_unix_micros)).await
    }

    /// False if there was none.
    pub async fn clear_override(&self, target: Target) -> Result<bool> {
        self.control(move |conn| clear(conn, &target)).await
    }
}

impl Snapshot<'_> {
    /// By kind and name.
    pub fn overrides(&self) -> Result<Vec<(Target, Overrides)>> {
        const OVERRIDES: &str = "select kind, name, requests_per_minute, ingest_requests_per_minute, exports_per_day,
                tokens_per_minute, tokens_per_hour
            from limit_override order by kind, name";
        let mut statement = self.conn().prepare_cached(OVERRIDES)?;
        let overrides = statement.query_map([], from_row)?.collect::<rusqlite::Result<_>>()?;
        Ok(overrides)
    }

    /// How many exports a principal was charged for on a UTC day.
    pub fn export_count(&self, issuer: &str, subject: &str, day: Day) -> Result<u32> {
        const COUNT: &str = "select n from export_count where issuer = :issuer and subject = :subject and day = :day";
        let key = named_params! { ":issuer": issuer, ":subject": subject, ":day": day.index() };
        let count = self.conn().prepare_cached(COUNT)?.query_row(key, |row| row.get("n")).optional()?;
        Ok(count.unwrap_or(0))
    }
}

/// Charges one export within a transaction of the writer: the one that makes the job. False, and nothing is charged, if
/// the principal has had `max` (0: no limit) on that day. Each day keeps its count: a clock that steps back over midnight
/// and forward again gives no second quota.
pub fn charge_export(conn: &Connection, issuer: &str, subject: &str, day: Day, max: u32) -> Result<bool> {
    const CHARGE: &str = "insert into export_count (issuer, subject, day, n) values (:issuer, :subject, :day, 1)
        on conflict (issuer, subject, day) do update set n = n + 1 where n < :max or :max = 0
        returning n";
    let row = named_params! { ":issuer": issuer, ":subject": subject, ":day": day.index(), ":max": max };
    let count: Option<u32> = conn.prepare_cached(CHARGE)?.query_row(row, |row| row.get("n")).optional()?;
    if count == Some(1) {
        forget_exports(conn, day)?;
    }
    Ok(count.is_some())
}

fn forget_exports(conn: &Connection, today: Day) -> Result<()> {
    const FORGET: &str = "delete from export_count where day < :first_kept";
    let first_kept = today.index().saturating_sub(KEPT_DAYS);
    conn.prepare_cached(FORGET)?.execute(named_params! { ":first_kept": first_kept })?;
    Ok(())
}

fn set(conn: &Connection, target: &Target, overrides: &Overrides, now: i64) -> Result<()> {
    const SET: &str =
        "insert or replace into limit_override (kind, name, requests_per_minute, ingest_requests_per_minute,
            exports_per_day, tokens_per_minute, tokens_per_hour, created_at)
        values (:kind, :name, :requests_per_minute, :ingest_requests_per_minute, :exports_per_day, :tokens_per_minute,
            :tokens_per_hour, :created_at)";
    conn.prepare_cached(SET)?.execute(named_params! {
        ":kind": target.kind.as_str(),
        ":name": target.name,
        ":requests_per_minute": overrides.requests_per_minute,
        ":ingest_requests_per_minute": overrides.ingest_requests_per_minute,
        ":exports_per_day": overrides.exports_per_day,
        ":tokens_per_minute": overrides.tokens_per_minute,
        ":tokens_per_hour": overrides.tokens_per_hour,
        ":created_at": now,
    })?;
    Ok(())
}

fn clear(conn: &Connection, target: &Target) -> Result<bool> {
    const CLEAR: &str = "delete from limit_override where kind = :kind and name = :name";
    let key = named_params! { ":kind": target.kind.as_str(), ":name": target.name };
    Ok(conn.prepare_cached(CLEAR)?.execute(key)? > 0)
}

fn from_row(row: &Row) -> rusqlite::Result<(Target, Overrides)> {
    let kind: String = row.get("kind")?;
    let kind = TargetKind::parse(&kind).ok_or_else(|| {
        let error = Error::internal(format!("the database holds an override of limits for the unknown kind {kind:?}"));
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
    })?;
    let overrides = Overrides {
        requests_per_minute: row.get("requests_per_minute")?,
        ingest_requests_per_minute: row.get("ingest_requests_per_minute")?,
        exports_per_day: row.get("exports_per_day")?,
        tokens_per_minute: row.get("tokens_per_minute")?,
        tokens_per_hour: row.get("tokens_per_hour")?,
    };
    Ok((Target::new(kind, row.get::<_, String>("name")?), overrides))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::testing;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    async fn charge(store: &Store, subject: &'static str, day: Day, max: u32) -> bool {
        store.control(move |conn| charge_export(conn, "local", subject, day, max)).await.unwrap()
    }

    fn count(store: &Store, subject: &str, day: Day) -> u32 {
        store.snapshot().unwrap().export_count("local", subject, day).unwrap()
    }

    #[tokio::test]
    async fn exports_are_charged_per_principal_and_day_over_restarts_and_steps_of_the_clock() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Store::open(&testing::settings(&directory), Clock::manual(0)).unwrap();
        let (first, second) = (day("2025-05-31"), day("2025-06-01"));
        let store = open();
        for _ in 0..3 {
            assert!(charge(&store, "me", first, 3).await);
        }
        assert!(!charge(&store, "me", first, 3).await);
        assert!(charge(&store, "you", first, 3).await && charge(&store, "me", second, 3).await);
        drop(store);
        let store = open();
        // The clock has stepped back over midnight.
        assert!(!charge(&store, "me", first, 3).await);
        assert!(charge(&store, "me", second, 3).await);
        assert_eq!((count(&store, "me", first), count(&store, "me", second), count(&store, "you", second)), (3, 2, 0));
        // A raised limit, and none.
        assert!(charge(&store, "me", first, 4).await && !charge(&store, "me", first, 4).await);
        assert!(charge(&store, "me", first, 0).await);
    }

    #[tokio::test]
    async fn counts_of_long_ago_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&testing::settings(&directory), Clock::manual(0)).unwrap();
        for date in ["2025-01-01", "2025-01-02", "2025-02-11"] {
            assert!(charge(&store, "me", day(date), 1).await);
        }
        let left = ["2025-01-01", "2025-01-02", "2025-02-11"].map(|date| count(&store, "me", day(date)));
        assert_eq!(left, [0, 1, 1]);
        assert!(charge(&store, "me", Day::MIN, 1).await);
    }

    #[tokio::test]
    async fn an_override_replaces_the_one_before_and_can_be_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&testing::settings(&directory), Clock::manual(0)).unwrap();
        let target = |name: &str| Target::new(TargetKind::Subject, name);
        let one = Overrides { requests_per_minute: Some(5), ..Overrides::default() };
        let all = Overrides {
            requests_per_minute: Some(0),
            ingest_requests_per_minute: Some(1),
            exports_per_day: Some(2),
            tokens_per_minute: Some(3),
            tokens_per_hour: Some(u32::MAX),
        };
        store.set_override(target("b"), one, 1).await.unwrap();
        store.set_override(target("b"), all, 2).await.unwrap();
        store.set_override(target("a"), one, 3).await.unwrap();
        let overrides = || store.snapshot().unwrap().overrides().unwrap();
        assert_eq!(overrides(), [(target("a"), one), (target("b"), all)]);
        assert!(store.clear_override(target("a")).await.unwrap());
        assert!(!store.clear_override(target("a")).await.unwrap());
        assert_eq!(overrides(), [(target("b"), all)]);
    }
}
