//! What the tests share: servers, a client, a seeded generator, and answers by definition to compare with.

pub mod client;
pub mod exports;
pub mod local;
pub mod log_model;
pub mod model;
pub mod process;
pub mod random;
pub mod server;
pub mod usage;
