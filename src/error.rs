//! The one error type of the house: a kind, and a message for a person that says what to do.
//!
//! The kind decides the status at the edge (`http::respond` holds the only map); the layers below never speak of
//! statuses. An [`Kind::Internal`] message is for the server's own log and never leaves the process.

use std::fmt;

pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, in terms that every layer shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The input breaks a rule of the contract.
    Invalid,
    /// No credential, or one that does not hold.
    Unauthorized,
    /// A good credential that does not reach this far.
    Forbidden,
    NotFound,
    /// The resource is there, the method is not; carries the methods that are.
    MethodNotAllowed(&'static str),
    /// The client did not send its request in time.
    Timeout,
    Conflict,
    Gone,
    TooLarge,
    UnsupportedMedia,
    Unprocessable,
    /// No part of the range that was asked for exists; carries how many bytes there are.
    RangeNotSatisfiable {
        bytes: u64,
    },
    TooManyRequests {
        retry_after_s: u64,
    },
    HeadersTooLarge,
    /// A fault of ours. The message is logged, never sent.
    Internal,
    /// No room just now; the same request may succeed soon.
    Busy {
        retry_after_s: u64,
    },
    /// The disk is full, or the database has reached its bound: nothing was stored, nothing stored before is lost.
    StorageFull,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Error {
        Error::new(Kind::Invalid, message)
    }

    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(Kind::Internal, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
