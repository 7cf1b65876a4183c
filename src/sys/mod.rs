//! The room that calls libc for everybody: the clock, descriptors, memory, sockets.
//!
//! One call per function; a failure becomes an [`crate::error::Error`] at once.

pub mod atomic;
pub mod bell;
pub mod clock;
pub mod current;
pub mod faults;
pub mod fd;
pub mod futex;
pub mod mem;
pub mod random;
pub mod sync;
pub mod thread;
pub mod vigil;

use crate::error::{Error, Result};

/// Turns the `-1` convention of a system call into a result.
#[inline]
pub fn check(result: isize) -> Result<usize> {
    if result < 0 {
        Err(Error::last())
    } else {
        Ok(result as usize)
    }
}

/// Writes text to standard error without allocating or locking; safe in a signal handler.
pub fn complain(text: &[u8]) {
    // SAFETY: the pointer and length are those of a live slice; a failed write is of no consequence.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}
