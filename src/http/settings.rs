use std::time::Duration;

use ipnet::IpNet;

use crate::ingest::Bounds;

/// How the server meets its peers; each is a setting under `[server]` of the same name (durations in seconds, `_s`), or
/// where it says so elsewhere.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Absolute address under which clients reach the server, without a slash at the end. The `Host` header is never
    /// used for it.
    pub public_url: String,
    /// Whom to ask for more, named in 429 answers; may be empty.
    pub contact: String,
    /// Origins of web pages that may read; none by default.
    pub cors_origins: Vec<String>,
    /// Peers whose word about a client's address (`X-Forwarded-For`) is believed; none by default.
    pub trusted_proxies: Vec<IpNet>,
    pub connections_max: usize,
    pub connections_per_peer_max: usize,
    /// A request's head must have arrived by then; an idle connection is closed after it, too.
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    pub handler_timeout: Duration,
    /// How long sent bytes may stay unacknowledged.
    pub write_timeout: Duration,
    pub connection_age_max: Duration,
    /// How long requests under way may take to end when the server stops.
    pub drain_timeout: Duration,
    /// `metrics.public`: /metrics needs no credential.
    pub metrics_public: bool,
    /// `[limits]`.
    pub bounds: Bounds,
}
