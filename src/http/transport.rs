//! What lies below HTTP: a socket, or functions of the program's (TLS, say).

use std::ffi::c_void;

use super::limits::from_now;
use crate::error::{Error, Result};
use crate::io::{socket, transfer};
use crate::sched::Scheduler;
use crate::sys;
use crate::sys::clock::NEVER;

/// Reads up to `len` bytes: how many, 0 at the end, or -errno.
pub type ReadFn = unsafe extern "C" fn(ctx: *mut c_void, buf: *mut c_void, len: usize) -> libc::ssize_t;
/// Writes up to `len` bytes: how many, or -errno.
pub type WriteFn = unsafe extern "C" fn(ctx: *mut c_void, buf: *const c_void, len: usize) -> libc::ssize_t;

/// The two directions of a connection.
pub enum Transport {
    /// A stream socket.
    Socket(i32),
    /// Functions. Whoever makes this answers for it that they can be called with `ctx`.
    Functions {
        /// Of a stream.
        read: ReadFn,
        /// Of a stream.
        write: WriteFn,
        /// Their first argument.
        ctx: *mut c_void,
    },
}

/// Whether more bytes follow at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// No: they go out now.
    Done,
    /// Yes: they may go out together.
    More,
}

impl Transport {
    /// A socket whose small writes go out at once.
    pub fn socket(fd: i32) -> Result<Transport> {
        match sys::fd::set_socket_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1) {
            // A socket of another kind.
            Err(e) if !matches!(e.errno(), libc::EOPNOTSUPP | libc::ENOPROTOOPT | libc::EINVAL) => Err(e),
            _ => Ok(Transport::Socket(fd)),
        }
    }

    /// Whether pieces are better put together than written one after the other.
    pub fn is_socket(&self) -> bool {
        matches!(self, Transport::Socket(_))
    }

    /// Reads some bytes; 0 at the end.
    #[inline(always)]
    pub fn read(&self, s: &'static Scheduler, into: &mut [u8], deadline: i64) -> Result<usize> {
        match *self {
            // SAFETY: the slice is writable.
            Transport::Socket(fd) => unsafe { socket::recv(s, fd, into.as_mut_ptr(), into.len(), 0, deadline) },
            Transport::Functions { read, ctx, .. } => {
                // SAFETY: by the maker of `self`; the slice is writable.
                let n = limited(s, deadline, || unsafe { read(ctx, into.as_mut_ptr().cast(), into.len()) })?;
                // More than there was room for is no answer.
                (n <= into.len()).then_some(n).ok_or(Error::new(libc::EIO))
            }
        }
    }

    /// Writes all parts, one after the other; `sent` counts their bytes, also when an error ends it. Each time that some go out the
    /// limit begins anew.
    pub fn write(
        &self,
        s: &'static Scheduler,
        parts: &[&[u8]],
        then: Then,
        limit: i64,
        sent: &mut usize,
    ) -> Result<()> {
        let all: usize = parts.iter().map(|p| p.len()).sum();
        *sent = 0;
        while *sent < all {
            *sent += match *self {
                Transport::Socket(fd) => send(s, fd, parts, *sent, then, limit)?,
                Transport::Functions { write, ctx, .. } => {
                    let (first, _) = rest(parts, *sent);
                    // SAFETY: by the maker of `self`; the slice is readable.
                    let n = limited(s, from_now(limit), || unsafe { write(ctx, first.as_ptr().cast(), first.len()) })?;
                    if n == 0 || n > first.len() {
                        return Err(Error::new(libc::EIO));
                    }
                    n
                }
            };
        }
        Ok(())
    }

    /// Tells the other end that nothing more comes.
    pub fn half_close(&self, s: &'static Scheduler) {
        if let Transport::Socket(fd) = *self {
            // It may be gone already.
            let _ = transfer::half_close(s, fd, libc::SHUT_WR);
        }
    }

    /// When the descriptor is closed, the other end is told that something was missing.
    pub fn reset(&self) {
        if let Transport::Socket(fd) = *self {
            let linger = libc::linger { l_onoff: 1, l_linger: 0 };
            let size = std::mem::size_of::<libc::linger>() as libc::socklen_t;
            // SAFETY: the option is read from a live value of the size said.
            unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), size) };
        }
    }
}

/// The first part with bytes after the first `sent`, from there on, and its number.
fn rest<'a>(parts: &[&'a [u8]], mut sent: usize) -> (&'a [u8], usize) {
    for (i, part) in parts.iter().enumerate() {
        if sent < part.len() {
            return (&part[sent..], i);
        }
        sent -= part.len();
    }
    (&[], parts.len())
}

/// One transfer. First without a wait, which needs no deadline, so that nobody asks the clock.
#[inline(always)]
fn send(s: &'static Scheduler, fd: i32, parts: &[&[u8]], sent: usize, then: Then, limit: i64) -> Result<usize> {
    let (first, i) = rest(parts, sent);
    let flags = if then == Then::More { libc::MSG_MORE } else { 0 };
    if i + 1 < parts.len() {
        return send_parts(s, fd, first, &parts[i + 1..], flags, limit);
    }
    // SAFETY: the slice is readable.
    match unsafe { socket::send(s, fd, first.as_ptr(), first.len(), flags | libc::MSG_DONTWAIT, NEVER) } {
        Err(e) if e.would_block() => wait_and_send(s, fd, first, flags, limit),
        other => other,
    }
}

#[cold]
#[inline(never)]
fn wait_and_send(s: &'static Scheduler, fd: i32, bytes: &[u8], flags: i32, limit: i64) -> Result<usize> {
    // SAFETY: the slice is readable.
    unsafe { socket::send(s, fd, bytes.as_ptr(), bytes.len(), flags, from_now(limit)) }
}

#[inline(never)]
fn send_parts(s: &'static Scheduler, fd: i32, first: &[u8], others: &[&[u8]], flags: i32, limit: i64) -> Result<usize> {
    let vector = |part: &[u8]| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() };
    let mut vectors = [vector(&[]); 4];
    let mut count = 0;
    for part in std::iter::once(&first).chain(others).take(vectors.len()) {
        vectors[count] = vector(part);
        count += 1;
    }
    // SAFETY: all zeroes is a message without anything.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vectors.as_mut_ptr();
    message.msg_iovlen = count as _;
    // SAFETY: the message and its vectors, of readable slices, live until the call returns.
    match unsafe { socket::sendmsg(s, fd, &message, flags | libc::MSG_DONTWAIT, NEVER) } {
        // SAFETY: as above.
        Err(e) if e.would_block() => unsafe { socket::sendmsg(s, fd, &message, flags, from_now(limit)) },
        other => other,
    }
}

/// Runs a function of the program's in a deadline scope.
fn limited(s: &'static Scheduler, deadline: i64, call: impl FnOnce() -> libc::ssize_t) -> Result<usize> {
    s.check()?;
    let token = if deadline == NEVER { None } else { Some(s.scope_push(deadline)?) };
    let n = call();
    if let Some(token) = token {
        // A scope that the function has left open is the program's affair.
        let _ = s.scope_pop(token);
    }
    usize::try_from(n).map_err(|_| Error::new(i32::try_from(n.saturating_neg()).unwrap_or(libc::EIO)))
}
