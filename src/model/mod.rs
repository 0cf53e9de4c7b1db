//! The vocabulary: plain values that are valid once made. No I/O, no clock, no SQL, no HTTP.

mod access;
mod day;
mod export;
mod id;
mod log;
mod time;
mod usage;
mod user_record;

pub use access::{
    ADMINISTRATOR_ISSUER, ADMINISTRATOR_SUBJECT, Caller, Grants, LOCAL_ISSUER, Origin, Principal, Role, Roles, Scope,
    Scopes, Target, TargetKind,
};
pub use day::{DateRange, Day, Interval};
pub use export::{CsvOptions, ExportFormat, ExportReport, ExportRequest, JobState, UsageExport, UsageRows};
pub use id::{ID_BYTES_MAX, Id};
pub use log::{
    ArrivalPage, EventCutoffs, LogFilter, LogPage, OWN_SERVICE, Position, Retirable, Retired, Severity, SeveritySet,
    Start, StoredEvent, SystemEvent, TimeOrder,
};
pub use time::Timestamp;
pub use usage::{
    Change, Figures, Group, GroupBy, GroupPage, History, Period, Registration, Rejected, UsageEvent, UsageFilter,
};
pub use user_record::{
    FirstUse, GapSessionRecord, IdSession, PairActivity, QuarterRange, TeamService, UserDayRecord, UserRecord,
};
