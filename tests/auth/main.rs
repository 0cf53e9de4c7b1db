//! Who may do what, through real HTTP on a real file: every endpoint with every kind of credential, and floods.

mod credentials;
mod endpoints;
mod floods;
mod links;
mod matrix;
mod server;
mod signer;
