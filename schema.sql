-- The current schema. A fresh database is made from this file; an older one is brought here by src/store/upgrade.rs,
-- and a test holds the two equal. `user_version` is the schema's version, `application_id` marks the file as ours.
--
-- Units: *_at and `at` are microseconds since 1970-01-01T00:00:00Z (UTC). `day` is days since 0001-01-01, 22 bits.
-- Three layers: base facts (all that was acknowledged, order-independent), rollups (derived from them; `analytics
-- check` recomputes every one), control tables (never joined with facts).

-- ---------------------------------------------------------------------------------------------------------------------
-- The database itself: one row.
create table database (
  one integer primary key check (one = 1),
  -- Part of every ETag; a restore renews it.
  database_id text not null,
  -- 32 random bytes: keys the digests by which ids are looked up, so that nobody outside can aim collisions.
  digest_key blob not null,
  created_at integer not null,
  -- Grows with every commit; ties the in-memory part of a snapshot to the committed one (src/store/view.rs).
  commit_seq integer not null,
  -- Grow with every commit that can change an answer of their side.
  usage_revision integer not null,
  log_revision integer not null
) strict;

-- ---------------------------------------------------------------------------------------------------------------------
-- Usage: base facts.

-- Small integers for names; 0 is "any", 1 is "none", names begin at 2. At most 2^20 teams and 2^18 services.
create table usage_team (id integer primary key, team_id text not null unique) strict;
create table usage_service (id integer primary key, service text not null unique) strict;

-- A tracked user. `ord` is given in order of first sight and keeps bitmaps small; never given twice.
create table usage_user (
  ord integer primary key,
  home_team integer not null,            -- usage_team.id, or 1 for none
  registered_at integer,                 -- the value last registered; null if never registered or cleared
  cleared_at integer,                    -- when a command cleared registered_at
  first_event_at integer,                -- earliest event
  last_day integer,                      -- day of the latest event; if not deactivated, the end of that day's month
  deactivated_at integer,
  -- 1 if the user was active or registered on a day after being deactivated: such users are looked at one by one,
  -- all others are in usage_count as having left.
  irregular integer not null,
  -- (team, service, first day) of every pair with an event: varints.
  pairs blob not null
) strict;
create index usage_user_deactivated on usage_user (irregular, deactivated_at) where deactivated_at is not null;

-- The only place that holds a user's id. Rows are appended and never move, so erasing one overwrites it in place.
create table usage_user_name (ord integer primary key, user_id text not null) strict;
-- Erased users: what overwrites an id sorts before every id.
create index usage_user_name_erased on usage_user_name (ord) where user_id < ' ';

-- Finds a user by the keyed digest of its id; erasing removes the row. Those of new users may wait (usage_fold.keyed_ord).
create table usage_user_key (digest blob primary key, ord integer not null) strict, without rowid;

-- One row for each user and day with activity, or with a session that starts or reaches into the day.
-- Key: day << 28 | ord: events of today go to the end of the tree. `facts`: src/store/usage/user_day.rs.
create table usage_user_day (key integer primary key, facts blob not null) strict;

-- Sessions that came with a session_id, found by its keyed digest; (team, service) pairs they touched.
create table usage_session (
  ord integer not null,
  digest blob not null,
  start_at integer not null,
  cells blob not null,
  primary key (ord, digest)
) strict, without rowid;

-- One row: from when on base facts are kept (src/store/usage/horizon.rs).
create table usage_horizon (
  one integer primary key check (one = 1),
  day integer not null,                  -- events before it are rejected; 0: none are. Only advances, by whole months
  whole_from integer not null,           -- from this day on no row of usage_user_day is missing
  seq integer not null,                  -- usage_fold.seq when it was raised: no row goes until that is folded
  key_cursor integer not null            -- of usage_user_day: rows below have gone, or are needed by a session
) strict;
insert into usage_horizon values (1, 0, 0, 0, 0);

-- Usage: rollups.

-- What each commit changed in the rollups, until it is folded into the nodes.
create table usage_delta (seq integer primary key, delta blob not null) strict;

-- One row: how far folding has come (src/store/usage/fold.rs), and the storing of keys.
create table usage_fold (
  one integer primary key check (one = 1),
  seq integer not null,                  -- last delta written
  folded_seq integer not null,           -- deltas up to here are in the nodes
  sealed_seq integer not null,           -- deltas up to here are being folded; equal to folded_seq when none are
  cell_cursor integer not null,          -- of those, cell-days below this key are in the nodes
  user_cursor integer not null,          -- of those, users below this ord are in usage_user_history
  keyed_ord integer not null             -- users below this ord are in usage_user_key (src/store/usage/new_keys.rs)
) strict;
insert into usage_fold values (1, 0, 0, 0, 0, 0, 1);

-- Distinct users and sessions of a cell (team, service; each possibly "any") over a day, a month or a year.
-- Key: cell << 24 | level << 22 | day. Levels: src/store/usage/node.rs.
create table usage_node (
  key integer primary key,
  kind integer not null,
  users integer not null,
  sessions integer not null,
  body blob not null,
  extras blob not null                   -- of a day: which users started more or fewer sessions than one
) strict;

-- Users that enter a cell's scope, and that leave it by deactivation, by day of a year: src/store/usage/counts.rs.
create table usage_count (
  key integer primary key,               -- as in usage_node; level year
  entered blob not null,
  departed blob not null
) strict;

-- A user's history: by day, the (team, service) pairs in which it was active, and its extras (sessions that start on the
-- day and touch a cell, less one where the user was active). Answers all about one user: src/store/usage/history.rs.
create table usage_user_history (ord integer primary key, days blob not null) strict;

-- ---------------------------------------------------------------------------------------------------------------------
-- Event log.

-- Names of services; 1 is "none", names begin at 2.
create table log_service (id integer primary key, service text not null unique) strict;

-- The events, in order of acknowledgement. What most lack comes last: it takes no room there (SQLITE_ENABLE_NULL_TRIM),
-- unless the table is strict, for SQLite forgets to leave it out then.
create table log_event (
  seq integer primary key,
  at integer not null,
  cell integer not null,                 -- log_service.id << 2 | severity (0 info, 1 warning, 2 error)
  message text not null,
  attributes text,                       -- compact JSON of a flat object
  event_id text
);
-- The same in words, for people.
create view log as
  select seq, strftime('%Y-%m-%dT%H:%M:%SZ', at / 1000000, 'unixepoch') as time, service,
    case cell & 3 when 0 then 'info' when 1 then 'warning' else 'error' end as severity, message, attributes, event_id
  from log_event left join log_service on log_service.id = cell >> 2;

-- The events in order of time, ties by seq: pages under a filter read this alone.
create table log_order (
  at integer not null,
  seq integer not null,
  cell integer not null,
  primary key (at, seq)
) strict, without rowid;
-- The same of severities that are rare as a rule: a page of errors need not look at all that lies between them.
create index log_order_warning on log_order (at, seq, cell) where cell & 3 = 1;
create index log_order_error on log_order (at, seq, cell) where cell & 3 = 2;

-- Events that came with an event_id, by instant and keyed digest (8 bytes; log_event.event_id decides).
create table log_event_id (
  at integer not null,
  digest integer not null,
  seq integer not null,
  primary key (at, digest, seq)
) strict, without rowid;

-- Counts per cell of each run of about 1,024 neighbours in log_order, as of log_counted.seq; the rest is counted at start.
create table log_leaf (
  at integer not null,
  seq integer not null,                  -- the run begins at this position
  counts blob not null,
  primary key (at, seq)
) strict, without rowid;
-- One row: `bytes` is what the events up to `seq` take in the file (src/store/log/size.rs). `seq` never falls.
create table log_counted (one integer primary key check (one = 1), seq integer not null, bytes integer not null) strict;
insert into log_counted values (1, 0, 0);

-- What was retired, by severity; no row where nothing was. No reader is shown an event before `floor_at`, none is taken
-- in, and up to the position (swept_at, swept_seq) their rows are gone.
create table log_floor (
  severity integer primary key,
  floor_at integer not null,
  swept_at integer not null,
  swept_seq integer not null
) strict;

-- One row, in Unix microseconds: what the clock said when retention last believed it (src/maintenance/leap.rs), null if it
-- never looked; and while the log's retirement waits for exports, since when and when it asked last (src/store/exports/hold.rs).
create table retention (
  one integer primary key check (one = 1),
  believed_at integer,
  waits_since integer,
  asked_at integer
) strict;
insert into retention values (1, null, null, null);

-- ---------------------------------------------------------------------------------------------------------------------
-- Control tables: never joined with facts.

-- Everything in words (scopes, roles) has blanks between. Secrets are shown once and never stored: `secret_hash` is
-- argon2id as a PHC string, `secret_tag` a keyed digest that tells a wrong secret without argon2.

-- API keys.
create table api_key (
  id text primary key,                   -- public part of the key
  owner text not null,
  scopes text not null,
  roles text not null,
  secret_tag integer not null,
  secret_hash text not null,
  created_at integer not null,
  expires_at integer,
  revoked_at integer,
  last_used_at integer
) strict, without rowid;

-- Clients of the embedded issuer: programs that fetch tokens with an id and a secret.
create table client (
  id text primary key,
  name text not null,
  scopes text not null,                  -- the most that a token of theirs may hold
  roles text not null,
  secret_tag integer not null,
  secret_hash text not null,
  created_at integer not null,
  revoked_at integer,
  last_used_at integer
) strict, without rowid;

-- Accounts: people who log in here with a password.
create table account (
  name text primary key,
  scopes text not null,
  roles text not null,
  password_hash text not null,
  created_at integer not null,
  disabled_at integer,
  last_login_at integer
) strict, without rowid;

-- Log-ins: each is a family of refresh tokens of which only the newest is good.
create table login (
  id text primary key,                   -- stands in its access tokens as `sid`
  account text not null references account (name),
  family_digest blob not null unique,    -- SHA-256 of the part that all refresh tokens of the family share
  secret_digest blob not null,           -- SHA-256 of the newest refresh token
  created_at integer not null,
  refreshed_at integer not null,
  expires_at integer not null,           -- moves on with each refresh
  revoked_at integer
) strict, without rowid;
create index login_account on login (account);

-- Tokens of `analytics token issue`, so that they can be revoked.
create table issued_token (
  id text primary key,                   -- the token's `jti`
  subject text not null,
  scopes text not null,
  roles text not null,
  kid text not null,                     -- the signing_key that it needs
  created_at integer not null,
  expires_at integer not null,
  revoked_at integer
) strict, without rowid;

-- Keys that sign tokens of the embedded issuer. `backup` leaves them out unless asked; `restore` makes new ones.
create table signing_key (
  kid text primary key,
  algorithm text not null,               -- EdDSA or ES256
  private_key blob not null,             -- PKCS #8
  created_at integer not null,
  -- Signs no more from then on, and is published as long as a token that it signed may be good: for a day and an hour,
  -- and until every issued_token that names it has expired or is revoked.
  retired_at integer
) strict, without rowid;

-- The administrator's exceptions from the settings under [limits].
create table limit_override (
  kind text not null,                    -- token, key, client, account, subject
  name text not null,
  requests_per_minute integer,           -- null: as the settings say; 0: no limit
  ingest_requests_per_minute integer,
  exports_per_day integer,
  tokens_per_minute integer,
  tokens_per_hour integer,
  created_at integer not null,
  primary key (kind, name)
) strict, without rowid;

-- Export jobs accepted per principal and UTC day; never given back.
create table export_count (
  issuer text not null,
  subject text not null,
  day integer not null,
  n integer not null,
  primary key (issuer, subject, day)
) strict, without rowid;

-- Export jobs. Where a file is, and what may be done with it, is said here alone.
create table export_job (
  seq integer primary key,               -- order of acceptance
  id text not null unique,               -- 131 random bits; its file is export-<id>.<extension>
  issuer text not null,
  subject text not null,
  request text not null,                 -- as the API takes it, in one form, without user_id (see export_job_user)
  extension text not null,               -- csv, csv.gz, xlsx
  user_slot integer,                     -- the one user whom it is about: export_job_user; null: none, or erased
  names_users integer not null,          -- 1 if the file holds ids of users
  log_seq integer not null,              -- what was acknowledged when the job was accepted: log_event.seq up to here
  state text not null,                   -- queued, processing, completed, failed
  attempt integer not null,              -- how many times it was begun; one that was put back in good order is not counted
  generation integer not null,           -- grows whenever it is begun or taken away: of two that write, one is out of date
  begun_seq integer,                     -- database.commit_seq when it was last begun: an order that no clock turns round
  rows_done integer not null,
  rows_expected integer,
  created_at integer not null,
  started_at integer,                    -- begun for the last time
  finished_at integer,
  expires_at integer,                    -- no download from then on
  row_count integer,
  bytes integer,
  sha256 text,
  error_code text,
  error_message text,
  file_state integer not null,           -- 0: there is none; 1: to be downloaded; 2: given up for good, still to be removed
  link_key blob                          -- 32 random bytes that sign its links; null: none was made, or all were ended
) strict;
create index export_job_owner on export_job (issuer, subject, seq);
create index export_job_turn on export_job (issuer, subject, begun_seq);
create index export_job_state on export_job (state, seq);
create index export_job_file on export_job (file_state, finished_at);

-- The users whom jobs are about. Rows never go or move, so that no page keeps a copy of an id: they are overwritten in
-- place when a person is erased or a job is gone, and taken by a later job.
create table export_job_user (
  slot integer primary key,
  user_id blob not null                  -- 256 bytes: the id, and zeros behind; all zeros: free
) strict;
create index export_job_user_free on export_job_user (slot) where substr(user_id, 1, 1) = x'00';

-- What was asked for under an Idempotency-Key of late.
create table export_idempotency (
  issuer text not null,
  subject text not null,
  key text not null,
  request_digest blob not null,          -- SHA-256
  job_id text not null,                  -- the job may have been removed since
  created_at integer not null,
  primary key (issuer, subject, key)
) strict, without rowid;
create index export_idempotency_age on export_idempotency (created_at);
