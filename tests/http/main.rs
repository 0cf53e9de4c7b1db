//! The HTTP layer over real sockets: a service on a fresh database, and a client that sends exactly the bytes it is told.

mod answers;
mod limits;
mod local;
mod protocol;
mod server;
