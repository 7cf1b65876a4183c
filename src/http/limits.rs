//! What a connection may cost: bytes and time.

use crate::sys::clock::{coarse, later, NEVER};

/// The limits of a connection. Times are ns.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Bytes of a request line, and of each header line.
    pub line: usize,
    /// Header lines of a request, and trailer lines.
    pub headers: usize,
    /// Bytes of a whole head, and of all trailers.
    pub head: usize,
    /// Bytes of a body.
    pub body: u64,
    /// How long the first byte of the first request may take.
    pub first_byte: i64,
    /// How long the first byte of a later request may take.
    pub idle: i64,
    /// How long a head may take from its first byte to its last.
    pub head_time: i64,
    /// How long a body may send nothing.
    pub body_time: i64,
    /// How long a whole body may take, from when it is first waited for.
    pub body_total: i64,
    /// How long the other end may take nothing.
    pub write: i64,
    /// HTTP/1.1 may come without Host, as HTTP/1.0 does.
    pub hostless: bool,
}

const SECOND: i64 = 1_000_000_000;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            line: 8 << 10,
            headers: 100,
            head: 64 << 10,
            body: 1 << 30,
            first_byte: 30 * SECOND,
            idle: 75 * SECOND,
            head_time: 30 * SECOND,
            body_time: 60 * SECOND,
            body_total: NEVER,
            write: 60 * SECOND,
            hostless: false,
        }
    }
}

/// The deadline of a limit that begins now, by the clock that is cheap to read: some milliseconds early.
pub fn from_now(limit: i64) -> i64 {
    if limit == NEVER {
        return NEVER;
    }
    later(coarse(), limit).unwrap_or(NEVER)
}
