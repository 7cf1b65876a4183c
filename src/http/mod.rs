//! HTTP/1.0 and 1.1 for servers: bytes of a connection become requests, answers become bytes.
//!
//! `parse` (heads), `body` (how long a body is, in its three forms), `message` (heads of answers) and `date` know bytes only: they
//! make no system call, and every way of cutting the bytes gives the same requests. `transport` moves bytes by what `io/` offers
//! under a public name (gt_recv_until, gt_send_until, gt_sendmsg_until, gt_sendfile_until), or by functions of the program's. `conn`
//! (requests) and `answer` join the two.
//!
//! Whoever disagrees with the server in front of it about where a request ends lets strangers' bytes through as requests
//! (RFC 9112, 11.2). So what is unclear is refused, and the connection ends: docs/decisions/0100-strict-http.md.
//!
//! Invariants:
//! P1  `base..end` of a connection's buffer has been received; `base..pos` of it has been used. The head of the present request
//!     lies before `base` and does not move until the next one is asked for.
//! P2  Once bytes of an answer may have gone out, an error ends the connection: nothing more is sent on it.

pub mod answer;
pub mod body;
pub mod conn;
mod date;
pub mod limits;
pub mod message;
pub mod parse;
pub mod transport;

use crate::error::Error;

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The answer's status.
    pub status: u16,
    /// What to tell the other end.
    pub why: &'static str,
}

impl Refusal {
    /// What the program is told.
    pub fn error(self) -> Error {
        Error::new(match self.status {
            408 => libc::ETIMEDOUT,
            413 | 414 | 431 => libc::EMSGSIZE,
            _ => libc::EBADMSG,
        })
    }
}

/// 400, and why.
pub const fn bad(why: &'static str) -> Refusal {
    Refusal { status: 400, why }
}

/// Why a request does not come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The other end did something wrong.
    Refused(Refusal),
    /// Something else went wrong.
    Failed(Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error)
    }
}
