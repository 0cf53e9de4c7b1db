//! Settings, wiring, start and stop.

mod admin;
mod console;
mod demo;
mod open_files;
mod private_dir;
mod server;
pub mod settings;
mod signals;
mod socket;
mod wiring;

pub use admin::{Access, Admin, AdminResponse};
pub use console::say;
pub use demo::load as load_sample;
pub use open_files::room_for_connections;
pub use private_dir::PrivateDir;
pub use server::{Running, start};
pub use signals::Signals;
