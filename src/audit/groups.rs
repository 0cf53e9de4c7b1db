//! Entries of one kind from one source within one minute.

use std::collections::HashMap;
use std::net::IpAddr;

use super::Entry;
use crate::limits::peer_prefix;
use crate::model::Timestamp;

/// Groups of one kind in one minute; whoever comes on top is counted with the others of the kind. A flood of one kind takes
/// no room from another.
const GROUPS_MAX: usize = 1000;
/// What an entry keeps of a name. Names of ours are shorter; those of trusted issuers may be anything.
const NAME_CHARS_MAX: usize = 256;
const MINUTE_MICROS: i64 = 60_000_000;

/// What is to be written as one event.
#[derive(Clone, Debug)]
pub struct Line {
    /// When it happened, for the last time.
    pub at: Timestamp,
    pub entry: Entry,
    pub times: Times,
    /// One of the many for which there was no group of their own: whose it is must not be said.
    pub is_of_others: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Times {
    /// Of a kind that is not grouped.
    Once,
    /// The first of its group.
    First,
    /// So many more within the minute.
    More(u64),
}

impl Times {
    pub fn number(self) -> u64 {
        match self {
            Times::Once | Times::First => 1,
            Times::More(n) => n,
        }
    }
}

/// The groups of the minute under way.
#[derive(Default)]
pub struct Groups {
    minute: i64,
    by_kind: HashMap<&'static str, HashMap<Key, Group>>,
}

/// Whose it is; None: the others'.
type Key = Option<Holder>;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Holder {
    Source(IpAddr),
    Principal { issuer: String, subject: String },
    Name(String),
}

struct Group {
    /// The first, or what the others have in common.
    entry: Entry,
    last_at: Timestamp,
    more: u64,
}

impl Groups {
    /// Whether the minute of the groups is another than that of `now`; a clock that is set back ends it, too.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.minute != minute(now)
    }

    /// Takes an entry in, and gives the line to be written at once, if there is one. Ended groups must have been taken out.
    pub fn take(&mut self, mut entry: Entry, now: Timestamp) -> Option<Line> {
        entry.bound();
        self.minute = minute(now);
        let Some(holder) = entry.holder() else {
            return Some(Line { at: now, entry, times: Times::Once, is_of_others: false });
        };
        let groups = self.by_kind.entry(entry.kind()).or_default();
        let mut key = Some(holder);
        if groups.len() >= GROUPS_MAX && !groups.contains_key(&key) {
            key = None;
        }
        let is_of_others = key.is_none();
        if let Some(group) = groups.get_mut(&key) {
            // The first has a line of its own: what it was says nothing of those that came after it.
            match group.more {
                0 => group.entry = entry,
                _ => group.entry.forget_differences(&entry),
            }
            group.more += 1;
            group.last_at = now;
            return None;
        }
        groups.insert(key, Group { entry: entry.clone(), last_at: now, more: 0 });
        Some(Line { at: now, entry, times: Times::First, is_of_others })
    }

    /// Ends every group: what of it has not been written yet, oldest first.
    pub fn end(&mut self) -> Vec<Line> {
        let line = |(holder, group): (Key, Group)| {
            let Group { entry, last_at, more } = group;
            (more > 0).then_some(Line { at: last_at, entry, times: Times::More(more), is_of_others: holder.is_none() })
        };
        let mut lines: Vec<Line> = std::mem::take(&mut self.by_kind).into_values().flatten().filter_map(line).collect();
        lines.sort_by_key(|line| line.at);
        lines
    }
}

fn minute(at: Timestamp) -> i64 {
    at.unix_micros().div_euclid(MINUTE_MICROS)
}

impl Entry {
    /// The word for it in attributes.
    pub fn kind(&self) -> &'static str {
        match self {
            Entry::Started { .. } => "started",
            Entry::Stopped => "stopped",
            Entry::LoginFailed { .. } => "login_failed",
            Entry::Refused { .. } => "refused",
            Entry::Changed { .. } => "changed",
            Entry::RefreshTokenReused { .. } => "refresh_token_reused",
            Entry::LimitExceeded { .. } => "limit_exceeded",
            Entry::ExportFailed { .. } => "export_failed",
            Entry::Pruned { .. } => "pruned",
        }
    }

    /// Whose group it belongs to; None for what is written one by one.
    fn holder(&self) -> Option<Holder> {
        match self {
            Entry::Started { .. } | Entry::Stopped | Entry::Changed { .. } => None,
            Entry::ExportFailed { .. } | Entry::Pruned { .. } => None,
            Entry::LoginFailed { source, .. } => Some(Holder::Source(peer_prefix(*source))),
            Entry::Refused { issuer, subject, .. } => {
                Some(Holder::Principal { issuer: issuer.clone(), subject: subject.clone() })
            }
            Entry::RefreshTokenReused { account: name, .. } | Entry::LimitExceeded { name, .. } => {
                Some(Holder::Name(name.clone()))
            }
        }
    }

    /// What does not hold for every entry of a group is not said of it.
    fn forget_differences(&mut self, other: &Entry) {
        const SEVERAL: &str = "several";
        match (self, other) {
            (Entry::LoginFailed { way: ours, .. }, Entry::LoginFailed { way: theirs, .. })
            | (Entry::LimitExceeded { policy: ours, .. }, Entry::LimitExceeded { policy: theirs, .. })
                if *ours != *theirs =>
            {
                *ours = SEVERAL;
            }
            (Entry::Refused { what, source, .. }, Entry::Refused { what: other_what, source: other_source, .. }) => {
                if *what != *other_what {
                    *what = SEVERAL;
                }
                *source = source.filter(|source| Some(*source) == *other_source);
            }
            (Entry::RefreshTokenReused { source, .. }, Entry::RefreshTokenReused { source: other_source, .. }) => {
                *source = source.filter(|source| Some(*source) == *other_source)
            }
            _ => {}
        }
    }

    fn bound(&mut self) {
        match self {
            Entry::Started { .. } | Entry::Stopped | Entry::LoginFailed { .. } | Entry::Pruned { .. } => {}
            Entry::Refused { issuer, subject, .. } => {
                cut(issuer);
                cut(subject);
            }
            Entry::Changed { name, detail, .. } => {
                cut(name);
                cut(detail);
            }
            Entry::RefreshTokenReused { account: name, .. }
            | Entry::LimitExceeded { name, .. }
            | Entry::ExportFailed { owner: name, .. } => cut(name),
        }
    }
}

fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(NAME_CHARS_MAX) {
        text.truncate(end);
        text.shrink_to_fit();
    }
}
