//! The epoll calls of the hot path, on the poller's own descriptor.
//!
//! `polling` makes the epoll instance and registers the rare wishes. What it cannot say (EPOLLRDHUP, both directions
//! edge-triggered in one registration, reading without EPOLLPRI) and what it does in five system calls (a timed wait)
//! is done here in one.

use std::os::fd::RawFd;

use crate::error::{Error, Result};
use crate::sys::clock::NEVER;

/// What an owned descriptor is registered for.
const OWNED: u32 = (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLET) as u32;

/// Adds an owned descriptor or renews its registration.
pub fn register_owned(epoll: RawFd, fd: i32, data: u64) -> Result<()> {
    match control(epoll, libc::EPOLL_CTL_ADD, fd, OWNED, data) {
        Err(e) if e.errno() == libc::EEXIST => control(epoll, libc::EPOLL_CTL_MOD, fd, OWNED, data),
        other => other,
    }
}

/// Renews the registration of an owned descriptor: epoll looks again and reports what is ready (epoll_ctl(2)).
pub fn renew_owned(epoll: RawFd, fd: i32, data: u64) -> Result<()> {
    match control(epoll, libc::EPOLL_CTL_MOD, fd, OWNED, data) {
        Err(e) if e.errno() == libc::ENOENT => control(epoll, libc::EPOLL_CTL_ADD, fd, OWNED, data),
        other => other,
    }
}

/// Registers the bell: rung by a write, edge-triggered, never read.
pub fn register_bell(epoll: RawFd, fd: i32, data: u64) -> Result<()> {
    control(epoll, libc::EPOLL_CTL_ADD, fd, (libc::EPOLLIN | libc::EPOLLET) as u32, data)
}

/// Arms a foreign descriptor for one event; `known` says whether epoll should know it already.
pub fn arm_once(epoll: RawFd, fd: i32, wants: u32, data: u64, known: bool) -> Result<()> {
    // RDHUP only for readers: to a writer a half-closed peer is no news, and level-triggered it would never end.
    let rdhup = if wants & libc::EPOLLIN as u32 != 0 { libc::EPOLLRDHUP } else { 0 };
    let asked = wants & (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP) as u32;
    let events = asked | (rdhup | libc::EPOLLONESHOT) as u32;
    let (first, second, but) = if known {
        (libc::EPOLL_CTL_MOD, libc::EPOLL_CTL_ADD, libc::ENOENT)
    } else {
        (libc::EPOLL_CTL_ADD, libc::EPOLL_CTL_MOD, libc::EEXIST)
    };
    match control(epoll, first, fd, events, data) {
        Err(e) if e.errno() == but => control(epoll, second, fd, events, data),
        other => other,
    }
}

/// Takes a descriptor out; it may be gone already.
pub fn remove(epoll: RawFd, fd: i32) {
    let _ = control(epoll, libc::EPOLL_CTL_DEL, fd, 0, 0);
}

fn control(epoll: RawFd, op: i32, fd: i32, events: u32, data: u64) -> Result<()> {
    let mut event = libc::epoll_event { events, u64: data };
    // SAFETY: `event` is a valid epoll_event for the duration of the call.
    match crate::sys::check(unsafe { libc::epoll_ctl(epoll, op, fd, &mut event) } as isize) {
        // The limit on watched descriptors (epoll(7), max_user_watches): kernel memory, in other words.
        Err(e) if e.errno() == libc::ENOSPC => Err(Error::new(libc::ENOMEM)),
        other => other.map(drop),
    }
}

/// How this kernel waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// epoll_pwait2 (Linux 5.11): nanoseconds.
    Nanoseconds,
    /// epoll_wait: milliseconds, rounded up so that no timer fires early.
    Milliseconds,
}

impl Waiting {
    /// What is tried first. Valgrind does not know the newer call, and says so each time.
    pub const FIRST: Waiting = if cfg!(feature = "valgrind") { Waiting::Milliseconds } else { Waiting::Nanoseconds };
}

/// One wait. `timeout` in ns: 0 does not wait, NEVER waits for ever.
pub fn wait(epoll: RawFd, events: &mut [libc::epoll_event], timeout: i64, how: &mut Waiting) -> Result<usize> {
    if *how == Waiting::Nanoseconds {
        let ts = libc::timespec { tv_sec: timeout / 1_000_000_000, tv_nsec: timeout % 1_000_000_000 };
        let ts = if timeout == NEVER { std::ptr::null() } else { &raw const ts };
        // SAFETY: the event buffer is writable for its length; `ts` is null or valid; no signal mask is given.
        let r = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                epoll,
                events.as_mut_ptr(),
                events.len() as libc::c_int,
                ts,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        match crate::sys::check(r as isize) {
            // An old kernel, or a sandbox that does not know the call.
            Err(e) if e == Error::new(libc::ENOSYS) || e == Error::new(libc::EPERM) => *how = Waiting::Milliseconds,
            other => return other,
        }
    }
    let ms = match timeout {
        NEVER => -1,
        ns => ns.div_euclid(1_000_000).saturating_add((ns % 1_000_000 != 0) as i64).min(i32::MAX as i64) as i32,
    };
    // SAFETY: the event buffer is writable for its length.
    let r = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), events.len() as libc::c_int, ms) };
    crate::sys::check(r as isize)
}
