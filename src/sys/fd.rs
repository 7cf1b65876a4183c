//! Descriptors: flags, kinds, and the handful of socket questions that the runtime asks.

use std::mem::{size_of, MaybeUninit};

use crate::error::{Error, Result};
use crate::sys::clock::NEVER;

/// An integer socket option.
pub fn socket_option(fd: i32, level: i32, name: i32) -> Result<i32> {
    let mut value: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` and `len` are valid places of the size said.
    let r = unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &mut len) };
    super::check(r as isize).map(|_| value)
}

/// Sets an integer socket option.
pub fn set_socket_option(fd: i32, level: i32, name: i32, value: i32) -> Result<()> {
    // SAFETY: the value is read from a live integer of the size said.
    let r = unsafe {
        libc::setsockopt(fd, level, name, (&raw const value).cast(), size_of::<libc::c_int>() as libc::socklen_t)
    };
    super::check(r as isize).map(drop)
}

/// Whether the descriptor is a plain TCP stream whose short reads mean "drained": the rule of tcp(7) and epoll(7) Q9
/// holds for it alone, and only while SO_RCVLOWAT is 1.
pub fn is_plain_tcp(fd: i32) -> bool {
    socket_option(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL) == Ok(libc::IPPROTO_TCP)
        && socket_option(fd, libc::SOL_SOCKET, libc::SO_TYPE) == Ok(libc::SOCK_STREAM)
        && socket_option(fd, libc::SOL_SOCKET, libc::SO_RCVLOWAT) == Ok(1)
}

/// The pending error of a socket (SO_ERROR), as a result.
pub fn socket_error(fd: i32) -> Result<()> {
    match socket_option(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
        0 => Ok(()),
        e => Err(Error::new(e)),
    }
}

/// Sets or clears O_NONBLOCK; says whether it was set before.
pub fn set_nonblocking(fd: i32, on: bool) -> Result<bool> {
    // SAFETY: fcntl with these commands takes no pointers.
    let flags = super::check(unsafe { libc::fcntl(fd, libc::F_GETFL) } as isize)? as i32;
    let was = flags & libc::O_NONBLOCK != 0;
    if was != on {
        let new = if on { flags | libc::O_NONBLOCK } else { flags & !libc::O_NONBLOCK };
        // SAFETY: as above.
        super::check(unsafe { libc::fcntl(fd, libc::F_SETFL, new) } as isize)?;
    }
    Ok(was)
}

/// Waits until a descriptor is readable, at most `ns` nanoseconds (NEVER: for ever).
pub fn wait_readable(fd: i32, ns: i64) -> Result<()> {
    let mut one = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let ms = if ns == NEVER { -1 } else { (ns / 1_000_000).clamp(1, 1000) as i32 };
    // SAFETY: one pollfd of this frame.
    super::check(unsafe { libc::poll(&mut one, 1, ms) } as isize).map(drop)
}

/// Whether a descriptor is readable right now.
pub fn is_readable(fd: i32) -> bool {
    let mut one = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd of this frame.
    unsafe { libc::poll(&mut one, 1, 0) > 0 }
}

/// The open file's flags (O_NONBLOCK, O_ACCMODE, ...).
pub fn flags(fd: i32) -> Result<i32> {
    // SAFETY: fcntl with this command takes no pointers.
    super::check(unsafe { libc::fcntl(fd, libc::F_GETFL) } as isize).map(|flags| flags as i32)
}

/// The kind of file (S_IFREG, S_IFSOCK, ...).
pub fn kind(fd: i32) -> Result<libc::mode_t> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the place is valid; it is read only if the call has filled it.
    unsafe {
        super::check(libc::fstat(fd, stat.as_mut_ptr()) as isize)?;
        Ok(stat.assume_init().st_mode & libc::S_IFMT)
    }
}

/// -EBADF unless the descriptor is open.
pub fn check_open(fd: i32) -> Result<()> {
    // SAFETY: F_GETFD takes no pointers.
    super::check(unsafe { libc::fcntl(fd, libc::F_GETFD) } as isize).map(drop)
}

/// Closes a descriptor. On Linux it is gone even when close(2) reports EINTR.
pub fn close(fd: i32) -> Result<()> {
    // SAFETY: closing is what the caller asked for.
    match super::check(unsafe { libc::close(fd) } as isize) {
        Err(e) if e.errno() == libc::EINTR => Ok(()),
        other => other.map(drop),
    }
}

/// Makes a number stand for another open file; what it stood for is closed.
pub fn replace(fd: i32, by: i32) -> Result<()> {
    // SAFETY: dup3 takes no pointers; the caller owns the number.
    super::check(unsafe { libc::dup3(by, fd, libc::O_CLOEXEC) } as isize).map(drop)
}

/// What poll(2) says of one descriptor right now, without waiting. 0: nothing of what was asked.
pub fn poll_now(fd: i32, events: i16) -> Result<u32> {
    let mut p = libc::pollfd { fd, events, revents: 0 };
    loop {
        // SAFETY: one valid pollfd.
        match super::check(unsafe { libc::poll(&mut p, 1, 0) } as isize) {
            Ok(_) if p.revents & libc::POLLNVAL != 0 => return Err(Error::new(libc::EBADF)),
            Ok(_) => return Ok(p.revents as u16 as u32),
            Err(e) if e.errno() == libc::EINTR => continue,
            Err(e) => return Err(e),
        }
    }
}

/// A copy of a socket address that C handed over, -EINVAL when its length makes no sense.
pub fn zeroed_address() -> libc::sockaddr_storage {
    // SAFETY: a sockaddr_storage of all zeroes is a valid value.
    unsafe { MaybeUninit::zeroed().assume_init() }
}
