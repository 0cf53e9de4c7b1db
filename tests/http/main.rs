//! The HTTP layer over real sockets: a service on a fresh database, and a client that sends exactly the bytes it is told.

mod admin;
mod answers;
mod downloads;
mod exports;
mod jobs;
mod limits;
mod links;
mod local;
mod login;
mod oauth;
mod protocol;
mod rate_limits;
mod server;
