//! The server's own audit trail: system events of the reserved service `analytics`, written into its own log.

use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Clock;
use crate::store::Store;

/// Something that happened to the server itself. No variant can hold a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    Started {
        version: &'static str,
    },
    Stopped,
    /// A credential did not hold. Grouped per source and minute.
    LoginFailed {
        source: IpAddr,
        way: &'static str,
    },
    /// A good credential did not reach far enough. Grouped per principal and minute.
    Refused {
        issuer: String,
        subject: String,
        what: &'static str,
        source: Option<IpAddr>,
    },
    /// An administrator made, changed or revoked something: ("key", "created", id, owner).
    Changed {
        what: &'static str,
        how: &'static str,
        name: String,
        detail: String,
    },
    /// A refresh token was used twice.
    RefreshTokenReused {
        account: String,
        source: Option<IpAddr>,
    },
    LimitExceeded {
        name: String,
        policy: &'static str,
    },
}

/// Cheap to clone. Off, it takes entries and forgets them.
#[derive(Clone)]
pub struct Audit(Option<Arc<Inner>>);

struct Inner {
    _store: Store,
    _clock: Clock,
}

impl Audit {
    pub fn off() -> Audit {
        Audit(None)
    }

    pub fn new(store: Store, clock: Clock) -> Audit {
        Audit(Some(Arc::new(Inner { _store: store, _clock: clock })))
    }

    /// Takes an entry and returns at once; bounded whatever comes.
    pub fn note(&self, _entry: Entry) {
        todo!()
    }

    /// Writes what has been noted, until dropped. To be spawned once.
    pub async fn run(self) {
        todo!()
    }

    /// Writes everything noted so far, open groups too; durable when it returns.
    pub async fn flush(&self) {
        todo!()
    }
}
