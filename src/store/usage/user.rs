//! A tracked user as the base facts know it: registration, home team, scopes and when it entered each.

use rusqlite::{Connection, Row, Statement, named_params, params};

use super::lattice::{ANY, Cell, NONE, SERVICE_IDS_MAX, TEAM_IDS_MAX};
use super::new_keys::NewKeys;
use crate::error::Result;
use crate::model::{Day, Id, Timestamp};
use crate::store::digest::{DigestKey, Kind};
use crate::store::varint::{self, Cursor, damaged};

/// The first day with an event of this user in a (team, service) pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pair {
    pub team: u32,
    pub service: u32,
    pub first_day: Day,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub ord: u32,
    pub home_team: u32,
    pub registered_at: Option<Timestamp>,
    pub cleared_at: Option<Timestamp>,
    pub first_event_at: Option<Timestamp>,
    /// While the user is deactivated, the day of its latest event. Else the last day of that event's month: an exact day
    /// matters to nobody then, and would have to be written each day that the user is active.
    pub last_day: Option<Day>,
    pub deactivated_at: Option<Timestamp>,
    /// Sorted by (team, service).
    pub pairs: Vec<Pair>,
}

impl User {
    /// The day of the earlier of the value last registered and the first event.
    pub fn registration_day(&self) -> Day {
        self.known_since().expect("a user was seen or registered")
    }

    /// The day on which the user enters the cell's scope (PRODUCT: total_users); None if it never has.
    pub fn enters(&self, cell: Cell) -> Option<Day> {
        if cell == Cell::ALL {
            return self.known_since();
        }
        let covered = self.pairs_of(cell.team()).iter().filter(|pair| cell.covers(pair.team, pair.service));
        let at_home = self.home_cell() == Some(cell);
        covered.map(|pair| pair.first_day).chain(self.known_since().filter(|_| at_home)).min()
    }

    /// The pairs with the team, or all: of hundreds of thousands only few need to be looked at.
    fn pairs_of(&self, team: u32) -> &[Pair] {
        if team == ANY {
            return &self.pairs;
        }
        let start = self.pairs.partition_point(|pair| pair.team < team);
        &self.pairs[start..start + self.pairs[start..].partition_point(|pair| pair.team == team)]
    }

    /// Deactivated, yet active or registered on a later day: no count of leavers holds for such a user.
    pub fn is_irregular(&self) -> bool {
        self.deactivated_at.is_some_and(|at| self.last_day.max(self.known_since()) > Some(at.day()))
    }

    /// The day on which a regular user leaves every scope it has entered; None for active and irregular users.
    pub fn leaves(&self) -> Option<Day> {
        self.deactivated_at.filter(|_| !self.is_irregular()).map(Timestamp::day)
    }

    /// The day from which the user counts as registered. A cleared registration leaves the first event, and where there
    /// is none the moment of clearing. None only while a user is being made.
    pub fn known_since(&self) -> Option<Day> {
        let known_at = [self.registered_at, self.first_event_at].into_iter().flatten().min();
        known_at.or(self.cleared_at).map(Timestamp::day)
    }

    /// The scope that the home team opens without any event; "none" is no home.
    pub fn home_cell(&self) -> Option<Cell> {
        (self.home_team != NONE).then(|| Cell::new(self.home_team, ANY))
    }

    /// `new_keys`: of the state that the connection sees.
    pub fn find(conn: &Connection, new_keys: &NewKeys, key: &DigestKey, user_id: &Id) -> Result<Option<User>> {
        User::find_by_digest(conn, new_keys, &key.digest(Kind::User, user_id.as_str()))
    }

    pub fn find_by_digest(conn: &Connection, new_keys: &NewKeys, digest: &[u8; 16]) -> Result<Option<User>> {
        if let Some(ord) = new_keys.find(digest) {
            return User::load(conn, ord);
        }
        conn.prepare_cached(SELECT_USER)?.query_and_then(params![digest], from_row)?.next().transpose()
    }

    pub fn load(conn: &Connection, ord: u32) -> Result<Option<User>> {
        conn.prepare_cached(SELECT_USER_BY_ORD)?
            .query_and_then(named_params! {":ord": ord}, from_row)?
            .next()
            .transpose()
    }

    /// Calls with every user, in order of ord; anonymous ones too. Ends with the first error.
    pub fn for_each(conn: &Connection, mut visit: impl FnMut(User) -> Result<()>) -> Result<()> {
        let mut statement = conn.prepare_cached(SELECT_USERS)?;
        statement.query_and_then([], from_row)?.try_for_each(|user| visit(user?))
    }

    /// Irregular users deactivated before the day began.
    pub fn irregular_before(conn: &Connection, day: Day) -> Result<Vec<User>> {
        conn.prepare_cached(SELECT_IRREGULAR)?
            .query_and_then(named_params! {":start": day.start().unix_micros()}, from_row)?
            .collect()
    }

    /// The same, one by one, for as long as `visit` says so.
    pub fn for_each_irregular_before(
        conn: &Connection,
        day: Day,
        mut visit: impl FnMut(User) -> Result<bool>,
    ) -> Result<()> {
        let mut statement = conn.prepare_cached(SELECT_IRREGULAR)?;
        let users = statement.query_and_then(named_params! {":start": day.start().unix_micros()}, from_row)?;
        for user in users {
            if !visit(user?)? {
                break;
            }
        }
        Ok(())
    }
}

/// A user as usage_user holds it.
pub struct UserRow {
    pub ord: u32,
    home_team: u32,
    registered_at: Option<i64>,
    cleared_at: Option<i64>,
    first_event_at: Option<i64>,
    last_day: Option<u32>,
    deactivated_at: Option<i64>,
    irregular: bool,
    pairs: Vec<u8>,
}

impl UserRow {
    pub fn new(user: &User) -> UserRow {
        let mut pairs = Vec::with_capacity(user.pairs.len() * 6);
        for pair in &user.pairs {
            varint::put(&mut pairs, pair.team.into());
            varint::put(&mut pairs, pair.service.into());
            varint::put(&mut pairs, pair.first_day.index().into());
        }
        UserRow {
            ord: user.ord,
            home_team: user.home_team,
            registered_at: user.registered_at.map(Timestamp::unix_micros),
            cleared_at: user.cleared_at.map(Timestamp::unix_micros),
            first_event_at: user.first_event_at.map(Timestamp::unix_micros),
            last_day: user.last_day.map(Day::index),
            deactivated_at: user.deactivated_at.map(Timestamp::unix_micros),
            irregular: user.is_irregular(),
            pairs,
        }
    }

    /// Inserts the row, or overwrites it. `store`: [`STORE_USER`].
    pub fn store(&self, store: &mut Statement) -> Result<()> {
        // By place, in the order of the statement: looking nine names up for each row would show in the import rate.
        store.execute(params![
            self.ord,
            self.home_team,
            self.registered_at,
            self.cleared_at,
            self.first_event_at,
            self.last_day,
            self.deactivated_at,
            self.irregular,
            self.pairs,
        ])?;
        Ok(())
    }
}

pub const STORE_USER: &str = "
    insert into usage_user (ord, home_team, registered_at, cleared_at, first_event_at, last_day, deactivated_at,
        irregular, pairs)
    values (:ord, :home_team, :registered_at, :cleared_at, :first_event_at, :last_day, :deactivated_at,
        :irregular, :pairs)
    on conflict (ord) do update set home_team = excluded.home_team, registered_at = excluded.registered_at,
        cleared_at = excluded.cleared_at, first_event_at = excluded.first_event_at, last_day = excluded.last_day,
        deactivated_at = excluded.deactivated_at, irregular = excluded.irregular, pairs = excluded.pairs";

pub const SELECT_USER: &str = "
    select ord, home_team, registered_at, cleared_at, first_event_at, last_day, deactivated_at, pairs
    from usage_user where ord = (select ord from usage_user_key where digest = :digest)";

pub const SELECT_USER_BY_ORD: &str = "
    select ord, home_team, registered_at, cleared_at, first_event_at, last_day, deactivated_at, pairs
    from usage_user where ord = :ord";

const SELECT_USERS: &str = "
    select ord, home_team, registered_at, cleared_at, first_event_at, last_day, deactivated_at, pairs
    from usage_user order by ord";

const SELECT_IRREGULAR: &str = "
    select ord, home_team, registered_at, cleared_at, first_event_at, last_day, deactivated_at, pairs
    from usage_user where irregular = 1 and deactivated_at < :start";

/// From the columns in the order of the statements above.
pub fn from_row(row: &Row) -> Result<User> {
    let timestamp = |column: usize| -> Result<Option<Timestamp>> {
        let micros: Option<i64> = row.get(column)?;
        micros.map(|micros| Timestamp::from_unix_micros(micros).ok_or_else(damaged)).transpose()
    };
    let last_day: Option<u32> = row.get(5)?;
    let user = User {
        ord: row.get(0)?,
        home_team: row.get(1)?,
        registered_at: timestamp(2)?,
        cleared_at: timestamp(3)?,
        first_event_at: timestamp(4)?,
        last_day: last_day.map(|day| Day::from_index(day).ok_or_else(damaged)).transpose()?,
        deactivated_at: timestamp(6)?,
        pairs: pairs_from(row.get_ref(7)?.as_blob().map_err(rusqlite::Error::from)?)?,
    };
    let sound = user.known_since().is_some() && (NONE..TEAM_IDS_MAX).contains(&user.home_team);
    if sound { Ok(user) } else { Err(damaged()) }
}

fn pairs_from(bytes: &[u8]) -> Result<Vec<Pair>> {
    let mut cursor = Cursor::new(bytes);
    let mut pairs = Vec::with_capacity(bytes.len() / 5);
    while !cursor.is_empty() {
        let (team, service, day) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
        if !(NONE..TEAM_IDS_MAX).contains(&team) || !(NONE..SERVICE_IDS_MAX).contains(&service) {
            return Err(damaged());
        }
        pairs.push(Pair { team, service, first_day: Day::from_index(day).ok_or_else(damaged)? });
    }
    if pairs.is_sorted_by_key(|pair| (pair.team, pair.service)) { Ok(pairs) } else { Err(damaged()) }
}
