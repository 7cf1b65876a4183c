//! Pipes.

use super::socket::own_new;
use crate::error::Result;
use crate::sched::Scheduler;
use crate::sys::{self, check};

/// pipe2(2), both ends owned: to be read, to be written.
pub fn pipe(s: &'static Scheduler) -> Result<[i32; 2]> {
    let fds = raw(libc::O_CLOEXEC | libc::O_NONBLOCK)?;
    let read = own_new(s, fds[0], false).inspect_err(|_| {
        let _ = sys::fd::close(fds[1]);
    })?;
    let write = own_new(s, fds[1], false).inspect_err(|_| {
        let _ = super::adopt::close(s, read);
    })?;
    Ok([read, write])
}

/// pipe2(2).
pub fn raw(flags: i32) -> Result<[i32; 2]> {
    let mut fds = [-1; 2];
    // SAFETY: a valid place for two numbers.
    check(unsafe { libc::pipe2(fds.as_mut_ptr(), flags) } as isize)?;
    Ok(fds)
}
