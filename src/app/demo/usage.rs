//! Users and what they did, month by month: [`MONTHS`] says how many users are active in how many sessions.
//!
//! Why the figures are exact: each session fills a slot (user, day, quarter of the working day) of its own. A session
//! ends at least 30 minutes and a bit before the next slot begins, and holds no gap that long, so that two slots are
//! never one session and one slot never two.

use std::collections::HashSet;

use super::random::Random;
use crate::model::{Change, Day, Id, Registration, Timestamp, UsageEvent};

struct Month {
    start: (i32, u32, u32),
    end: (i32, u32, u32),
    active_users: usize,
    sessions: usize,
}

/// Whole months but the last, which ends with the reference's day.
const MONTHS: [Month; 7] = [
    Month { start: (2024, 11, 1), end: (2024, 11, 30), active_users: 62, sessions: 371 },
    Month { start: (2024, 12, 1), end: (2024, 12, 31), active_users: 71, sessions: 398 },
    Month { start: (2025, 1, 1), end: (2025, 1, 31), active_users: 97, sessions: 642 },
    Month { start: (2025, 2, 1), end: (2025, 2, 28), active_users: 104, sessions: 688 },
    Month { start: (2025, 3, 1), end: (2025, 3, 31), active_users: 119, sessions: 803 },
    Month { start: (2025, 4, 1), end: (2025, 4, 30), active_users: 116, sessions: 747 },
    Month { start: (2025, 5, 1), end: (2025, 5, 20), active_users: 123, sessions: 562 },
];

/// How many users have registered by the end of each span, evenly within it. The third is January's.
const REGISTERED_BY: [((i32, u32, u32), u32); 5] =
    [((2024, 10, 31), 84), ((2024, 12, 31), 121), ((2025, 1, 31), 148), ((2025, 3, 31), 176), ((2025, 5, 20), 193)];
const FIRST_REGISTRATION: (i32, u32, u32) = (2024, 9, 2);
/// Every so many-th user of those before leaves again, long after January.
const LEAVES_EVERY: u32 = 24;
const LEAVING_DAY: (i32, u32, u32) = (2025, 4, 14);

const TEAMS: [&str; 6] = ["design", "engineering", "finance", "marketing", "sales", "support"];
/// Teams differ in size: whose home is which, over and over.
const HOME_TEAMS: [usize; 13] = [1, 4, 5, 1, 0, 3, 1, 4, 2, 1, 5, 0, 4];
const SERVICES: [&str; 4] = ["web", "mobile", "api", "reports"];

const MINUTE_MICROS: i64 = 60_000_000;
/// The first slot begins at 06:00 and the last session ends before 22:00: none crosses midnight.
const SLOTS: usize = 4;
const FIRST_SLOT_MINUTE: i64 = 6 * 60;
const SLOT_MINUTES: i64 = 4 * 60;
/// A session begins at most so late in its slot, has at most so many events, at most so far apart. 90 + 6 * 18 leaves
/// 42 minutes to the next slot, and a session bridges 30.
const DELAY_MINUTES_MAX: i64 = 90;
const EVENTS_MAX: i64 = 7;
const GAP_MINUTES_MAX: i64 = 18;

/// A registered user of the sample.
pub struct Member {
    user_id: Id,
    team: &'static str,
    registered: Day,
    left: Option<Day>,
}

impl Member {
    pub fn registration(&self) -> Registration {
        Registration {
            user_id: self.user_id.clone(),
            team_id: Change::Set(id(self.team)),
            registered_at: Change::Set(self.registered.start()),
            deactivated_at: self.left.map_or(Change::Keep, |day| Change::Set(day.start())),
        }
    }

    fn is_member_on(&self, day: Day) -> bool {
        self.registered <= day && self.left.is_none_or(|left| day < left)
    }
}

/// Everybody, in order of registration.
pub fn members() -> Vec<Member> {
    let mut members = vec![];
    let mut span_start = day(FIRST_REGISTRATION);
    for (end, count) in REGISTERED_BY {
        let end = day(end);
        let (before, days) = (members.len() as u32, end.index() - span_start.index() + 1);
        for n in before..count {
            let registered = later(span_start, (n - before) * days / (count - before));
            members.push(member(n + 1, registered));
        }
        span_start = later(end, 1);
    }
    members
}

fn member(number: u32, registered: Day) -> Member {
    let leaves = number.is_multiple_of(LEAVES_EVERY) && registered < day(LEAVING_DAY);
    Member {
        user_id: id(&format!("u-{number:03}")),
        team: TEAMS[HOME_TEAMS[number as usize % HOME_TEAMS.len()]],
        registered,
        left: leaves.then(|| day(LEAVING_DAY)),
    }
}

/// Everything that members did, in order of time within each session only: the engine takes any order.
pub fn events(members: &[Member], seed: u64) -> Vec<UsageEvent> {
    let mut random = Random::new(seed);
    let mut events = vec![];
    for month in &MONTHS {
        for slot in sessions(month, members, &mut random) {
            events.extend(session(&members[slot.member], slot, &mut random));
        }
    }
    events
}

/// Where a session lies. Each comes up once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Slot {
    member: usize,
    day: Day,
    of_day: usize,
}

/// Exactly the month's number of sessions, by exactly its number of users.
fn sessions(month: &Month, members: &[Member], random: &mut Random) -> Vec<Slot> {
    let (start, end) = (day(month.start), day(month.end));
    // Whoever registers during the month is left out until the next: everybody chosen has all its days.
    let present = |member: &Member| member.is_member_on(start) && member.is_member_on(end);
    let mut active: Vec<usize> = (0..members.len()).filter(|n| present(&members[*n])).collect();
    assert!(active.len() >= month.active_users, "the plan fits the registrations");
    random.shuffle(&mut active);
    active.truncate(month.active_users);
    let mut taken = HashSet::new();
    let mut sessions = Vec::with_capacity(month.sessions);
    while sessions.len() < month.sessions {
        // Everybody once, then whoever uses it a lot.
        let nth = sessions.len();
        let member = active.get(nth).copied().unwrap_or_else(|| active[random.favouring_first(active.len())]);
        let day = later(start, random.below((end.index() - start.index() + 1) as usize) as u32);
        let slot = Slot { member, day, of_day: random.below(SLOTS) };
        let works = !is_weekend(day) || random.one_in(6);
        if works && taken.insert(slot) {
            sessions.push(slot);
        }
    }
    sessions
}

fn session(member: &Member, slot: Slot, random: &mut Random) -> Vec<UsageEvent> {
    let delay = random.between(0, DELAY_MINUTES_MAX - 1);
    let first_minute = FIRST_SLOT_MINUTE + slot.of_day as i64 * SLOT_MINUTES + delay;
    let mut at = slot.day.start().unix_micros() + first_minute * MINUTE_MICROS + random.between(0, 59) * 1_000_000;
    // Now and then somebody helps another team out, or the client sends a session of its own.
    let team = if random.one_in(9) { random.pick(&TEAMS) } else { member.team };
    let session_id = random.one_in(3).then(|| id(&format!("s-{}-{}-{}", slot.day, slot.of_day, member.user_id)));
    let mut service = SERVICES[random.favouring_first(SERVICES.len())];
    let count = random.between(1, EVENTS_MAX);
    let mut events = vec![];
    for _ in 0..count {
        events.push(UsageEvent {
            user_id: member.user_id.clone(),
            at: Timestamp::from_unix_micros(at).expect("the sample lies within the calendar"),
            team_id: Some(id(team)),
            service: Some(id(service)),
            session_id: session_id.clone(),
        });
        at += random.between(1, GAP_MINUTES_MAX) * MINUTE_MICROS;
        if random.one_in(5) {
            service = random.pick(&SERVICES);
        }
    }
    events
}

fn is_weekend(day: Day) -> bool {
    // A week ends on Sunday.
    day.week_end().index() - day.index() < 2
}

fn day((year, month, day): (i32, u32, u32)) -> Day {
    Day::from_ymd(year, month, day).expect("the sample's dates exist")
}

fn later(from: Day, days: u32) -> Day {
    Day::from_index(from.index() + days).expect("the sample lies within the calendar")
}

fn id(text: &str) -> Id {
    Id::new(text).expect("the sample's ids are ids")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// (active users, sessions) of a month, counted from the events alone by the definition of a session.
    fn count(events: &[UsageEvent], month: &Month) -> (usize, usize) {
        let (start, end) = (day(month.start).start(), later(day(month.end), 1).start());
        let mut times: BTreeMap<(&Id, Option<&Id>), BTreeSet<i64>> = BTreeMap::new();
        for event in events.iter().filter(|event| start <= event.at && event.at < end) {
            let session = (&event.user_id, event.session_id.as_ref());
            times.entry(session).or_default().insert(event.at.unix_micros());
        }
        let users: BTreeSet<&Id> = times.keys().map(|(user, _)| *user).collect();
        let sessions = times.iter().map(|((_, session_id), times)| match session_id {
            Some(_) => 1,
            None => 1 + times.iter().zip(times.iter().skip(1)).filter(|(a, b)| *b - *a > 1_800_000_000).count(),
        });
        (users.len(), sessions.sum())
    }

    #[test]
    fn each_month_has_exactly_the_users_and_sessions_of_its_plan() {
        let events = events(&members(), 1);
        for month in &MONTHS {
            assert_eq!(count(&events, month), (month.active_users, month.sessions), "{:?}", month.start);
        }
    }

    #[test]
    fn by_the_end_of_january_148_users_have_registered_and_nobody_has_left() {
        let january = day((2025, 1, 31));
        assert_eq!(members().iter().filter(|member| member.is_member_on(january)).count(), 148);
        assert!(members().iter().any(|member| member.left.is_some()));
    }

    #[test]
    fn the_same_seed_makes_the_same_events() {
        assert_eq!(events(&members(), 7), events(&members(), 7));
        assert_ne!(events(&members(), 7), events(&members(), 8));
    }

    #[test]
    fn nobody_acts_before_registering_or_after_leaving() {
        let members = members();
        for event in events(&members, 3) {
            let member = members.iter().find(|member| member.user_id == event.user_id).unwrap();
            assert!(member.is_member_on(event.at.day()), "{event:?}");
        }
    }
}
