//! The socket verbs: recv and send in all their forms, accept, connect.

use super::{until_ready, Dir, Manner, Moved};
use crate::error::{Error, Result};
use crate::reactor::Begin;
use crate::sched::waits::Kind;
use crate::sched::{Scheduler, Woken};
use crate::sys::{self, check};
use crate::wait::{Note, WaitNode};

/// How long to let a full listen queue drain before asking again.
const QUEUE_FULL_PAUSE: i64 = 2_000_000;

/// MSG_DONTWAIT from the caller: once, and -EAGAIN instead of a wait.
#[inline(always)]
pub(super) fn patient<T>(flags: i32, deadline: i64, verb: impl FnOnce(i64) -> Result<T>) -> Result<T> {
    told(flags, verb(limit(flags, deadline)))
}

/// The first half of [`patient`]: until when to wait.
#[inline(always)]
fn limit(flags: i32, deadline: i64) -> i64 {
    match flags & libc::MSG_DONTWAIT {
        0 => deadline,
        _ => 0,
    }
}

/// The second half of [`patient`].
#[inline(always)]
fn told<T>(flags: i32, result: Result<T>) -> Result<T> {
    match result {
        Err(e) if flags & libc::MSG_DONTWAIT != 0 && e == Error::new(libc::ETIMEDOUT) => Err(Error::new(libc::EAGAIN)),
        other => other,
    }
}

/// recv(2). gt_recv 3.
///
/// # Safety
/// `buf` is writable for `len` bytes.
#[inline(always)]
pub unsafe fn recv(
    s: &'static Scheduler,
    fd: i32,
    buf: *mut u8,
    len: usize,
    flags: i32,
    deadline: i64,
) -> Result<usize> {
    if flags & libc::MSG_WAITALL != 0 {
        // SAFETY: by the caller.
        return unsafe { recv_all(s, fd, (buf, len), flags, deadline) };
    }
    // Without a closure around it: see `until_ready`.
    let received = until_ready(s, fd, Dir::Read, limit(flags, deadline), Manner::Try, |_| {
        // SAFETY: by the caller.
        let n = check(unsafe { libc::recv(fd, buf.cast(), len, flags | libc::MSG_DONTWAIT) })?;
        Ok((n, Moved::of(n, len, flags == 0)))
    });
    told(flags, received)
}

/// recv(2) with MSG_WAITALL, on a stream: the whole buffer, or less at the end of the stream, at an error, and when the
/// wait is ended. With MSG_PEEK or on datagrams it is one transfer.
#[cold]
#[inline(never)]
unsafe fn recv_all(
    s: &'static Scheduler,
    fd: i32,
    (buf, len): (*mut u8, usize),
    flags: i32,
    deadline: i64,
) -> Result<usize> {
    let each = flags & !libc::MSG_WAITALL;
    let whole = each & (libc::MSG_PEEK | libc::MSG_DONTWAIT | libc::MSG_OOB | libc::MSG_ERRQUEUE | libc::MSG_TRUNC)
        == 0
        && sys::fd::socket_option(fd, libc::SOL_SOCKET, libc::SO_TYPE)? == libc::SOCK_STREAM;
    let mut got = 0;
    loop {
        let delivered = s.delivered_interrupts();
        // SAFETY: the rest of the caller's buffer.
        match unsafe { recv(s, fd, buf.wrapping_add(got), len - got, each, deadline) } {
            Ok(0) => return Ok(got),
            Ok(n) => got += n,
            Err(e) if got == 0 => return Err(e),
            Err(_) => {
                // The bytes win; an interrupt ends the next call.
                s.keep_interrupts(delivered);
                return Ok(got);
            }
        }
        if !whole || got >= len {
            return Ok(got);
        }
    }
}

/// send(2), never SIGPIPE.
///
/// # Safety
/// `buf` is readable for `len` bytes.
#[inline(always)]
pub unsafe fn send(
    s: &'static Scheduler,
    fd: i32,
    buf: *const u8,
    len: usize,
    flags: i32,
    deadline: i64,
) -> Result<usize> {
    let quiet = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    let sent = until_ready(s, fd, Dir::Write, limit(flags, deadline), Manner::Try, |_| {
        // SAFETY: by the caller.
        let n = check(unsafe { libc::send(fd, buf.cast(), len, quiet) })?;
        Ok((n, Moved::of(n, len, true)))
    });
    told(flags, sent)
}

/// Sends everything, or says how much was sent before the error.
///
/// # Safety
/// `buf` is readable for `len` bytes.
#[inline(always)]
pub unsafe fn send_all(
    s: &'static Scheduler,
    fd: i32,
    buf: *const u8,
    len: usize,
    flags: i32,
    deadline: i64,
) -> (usize, Result<()>) {
    let mut sent = 0;
    if len == 0 {
        return (0, s.check());
    }
    loop {
        // SAFETY: the rest of the caller's buffer.
        match unsafe { send(s, fd, buf.wrapping_add(sent), len - sent, flags, deadline) } {
            Ok(n) => sent += n,
            Err(e) => return (sent, Err(e)),
        }
        if sent >= len {
            return (sent, Ok(()));
        }
    }
}

/// recvfrom(2).
///
/// # Safety
/// `buf` is writable for `len` bytes; `from` and `from_len` are both null or a valid pair.
pub unsafe fn recvfrom(
    s: &'static Scheduler,
    fd: i32,
    (buf, len): (*mut u8, usize),
    flags: i32,
    (from, from_len): (*mut libc::sockaddr, *mut libc::socklen_t),
    deadline: i64,
) -> Result<usize> {
    patient(flags, deadline, |deadline| {
        until_ready(s, fd, Dir::Read, deadline, Manner::Try, |_| {
            // SAFETY: by the caller.
            let n = check(unsafe { libc::recvfrom(fd, buf.cast(), len, flags | libc::MSG_DONTWAIT, from, from_len) })?;
            Ok((n, Moved::All))
        })
    })
}

/// sendto(2), never SIGPIPE.
///
/// # Safety
/// `buf` is readable for `len` bytes; `to` is null or valid for `to_len` bytes.
pub unsafe fn sendto(
    s: &'static Scheduler,
    fd: i32,
    (buf, len): (*const u8, usize),
    flags: i32,
    (to, to_len): (*const libc::sockaddr, libc::socklen_t),
    deadline: i64,
) -> Result<usize> {
    let quiet = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    patient(flags, deadline, |deadline| {
        until_ready(s, fd, Dir::Write, deadline, Manner::Try, |_| {
            // SAFETY: by the caller.
            let n = check(unsafe { libc::sendto(fd, buf.cast(), len, quiet, to, to_len) })?;
            Ok((n, Moved::All))
        })
    })
}

/// recvmsg(2).
///
/// # Safety
/// `msg` is a valid msghdr.
pub unsafe fn recvmsg(
    s: &'static Scheduler,
    fd: i32,
    msg: *mut libc::msghdr,
    flags: i32,
    deadline: i64,
) -> Result<usize> {
    // recvmsg(2) writes lengths back; a second try must see what the caller asked for.
    // SAFETY: by the caller.
    let (name_len, control_len) = unsafe { ((*msg).msg_namelen, (*msg).msg_controllen) };
    patient(flags, deadline, |deadline| {
        until_ready(s, fd, Dir::Read, deadline, Manner::Try, |_| {
            // SAFETY: by the caller.
            let n = unsafe {
                (*msg).msg_namelen = name_len;
                (*msg).msg_controllen = control_len;
                check(libc::recvmsg(fd, msg, flags | libc::MSG_DONTWAIT))?
            };
            Ok((n, Moved::All))
        })
    })
}

/// sendmsg(2), never SIGPIPE.
///
/// # Safety
/// `msg` is a valid msghdr.
pub unsafe fn sendmsg(
    s: &'static Scheduler,
    fd: i32,
    msg: *const libc::msghdr,
    flags: i32,
    deadline: i64,
) -> Result<usize> {
    let quiet = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    patient(flags, deadline, |deadline| {
        until_ready(s, fd, Dir::Write, deadline, Manner::Try, |_| {
            // SAFETY: by the caller.
            let n = check(unsafe { libc::sendmsg(fd, msg, quiet) })?;
            Ok((n, Moved::All))
        })
    })
}

/// accept4(2). The new descriptor is owned.
///
/// # Safety
/// `addr` and `addr_len` are both null or a valid pair.
pub unsafe fn accept(
    s: &'static Scheduler,
    fd: i32,
    addr: *mut libc::sockaddr,
    addr_len: *mut libc::socklen_t,
    deadline: i64,
) -> Result<i32> {
    if !s.reactor().is_owned(fd) && sys::fd::socket_option(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)? == 0 {
        // Without this, poll(2) would have us wait for what never comes.
        return Err(Error::new(libc::EINVAL));
    }
    // SAFETY: null, or valid by the caller.
    let room = unsafe { addr_len.as_ref() }.copied();
    let new = until_ready(s, fd, Dir::Read, deadline, Manner::Ask, |_| {
        if let Some(room) = room {
            // SAFETY: not null, so valid by the caller.
            unsafe { *addr_len = room };
        }
        // SAFETY: by the caller.
        unsafe { accept_once(fd, addr, addr_len) }.map(|new| (new, Moved::All))
    })?;
    own_new(s, new, true)
}

/// accept4(2), once.
///
/// # Safety
/// `addr` and `addr_len` are both null or a valid pair.
pub(super) unsafe fn accept_once(fd: i32, addr: *mut libc::sockaddr, addr_len: *mut libc::socklen_t) -> Result<i32> {
    // SAFETY: by the caller.
    let r = unsafe { libc::accept4(fd, addr, addr_len, libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) };
    match check(r as isize) {
        Ok(new) => Ok(new as i32),
        // The peer gave up between arrival and accept (accept(2), "Error handling"): the next one is meant.
        Err(e) if e.errno() == libc::ECONNABORTED => Err(Error::new(libc::EINTR)),
        Err(e) => Err(e),
    }
}

/// socket(2), owned.
pub fn socket(s: &'static Scheduler, domain: i32, kind: i32, protocol: i32) -> Result<i32> {
    // SAFETY: socket takes no pointers.
    let r = unsafe { libc::socket(domain, kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, protocol) };
    let fd = check(r as isize)? as i32;
    own_new(s, fd, matches!(domain, libc::AF_INET | libc::AF_INET6))
}

/// Takes a new descriptor into ownership, or closes it.
pub(super) fn own_new(s: &'static Scheduler, fd: i32, stream: bool) -> Result<i32> {
    match s.reactor().own(fd, stream, &mut s.waker()) {
        Ok(()) => Ok(fd),
        Err(e) => {
            let _ = sys::fd::close(fd);
            Err(e)
        }
    }
}

/// Lets a full listen queue drain.
fn pause(s: &'static Scheduler, deadline: i64) -> Result<()> {
    if sys::clock::passed(deadline) {
        return Err(Error::new(libc::ETIMEDOUT));
    }
    s.sleep_until(sys::clock::after(QUEUE_FULL_PAUSE)?.min(deadline))
}

/// connect(2): starts, waits until the socket is writable, reads the outcome (connect(2), EINPROGRESS).
///
/// # Safety
/// `addr` is valid for `len` bytes.
pub unsafe fn connect(
    s: &'static Scheduler,
    fd: i32,
    addr: *const libc::sockaddr,
    len: libc::socklen_t,
    deadline: i64,
) -> Result<()> {
    s.check()?;
    let owned = s.reactor().is_owned(fd);
    // A foreign socket may be in blocking mode; connect(2) has no flag against that, so the mode is changed for the
    // length of the call. (Flags belong to the open file; a socket that is not connected yet is rarely shared.)
    let was = if owned { true } else { sys::fd::set_nonblocking(fd, true)? };
    let started = loop {
        // SAFETY: by the caller.
        match check(unsafe { libc::connect(fd, addr, len) } as isize) {
            // A unix socket whose listener's queue is full says EAGAIN and has not begun (connect(2)): ask again soon,
            // there is nothing to wait on.
            Err(e) if e.would_block() => match pause(s, deadline) {
                Ok(()) => {}
                Err(e) => break Err(e),
            },
            other => break other,
        }
    };
    if !was {
        sys::fd::set_nonblocking(fd, false)?;
    }
    match started {
        Ok(_) => return Ok(()),
        Err(e) if e.errno() == libc::EINPROGRESS || e.errno() == libc::EINTR => {}
        Err(e) => return Err(e),
    }
    let node = WaitNode::new(s.me().opaque(), Dir::Write.event());
    loop {
        s.reactor().drained(fd, Dir::Write);
        // SAFETY: the node lives on this frame and leaves below.
        if unsafe { s.reactor().begin(fd, Dir::Write, &node, false)? } == Begin::Always {
            return sys::fd::socket_error(fd);
        }
        s.waits_on(Kind::Write, fd as usize);
        let woken = s.park(deadline);
        s.reactor().leave(fd, Dir::Write, &node, &mut s.waker());
        if node.note.get() == Note::Closed {
            return Err(Error::new(libc::EBADF));
        }
        if sys::fd::poll_now(fd, libc::POLLOUT)? != 0 {
            return sys::fd::socket_error(fd);
        }
        if node.note.get() == Note::None {
            if let Woken::Deadline = s.settle(woken)? {
                return Err(Error::new(libc::ETIMEDOUT));
            }
        }
    }
}
