//! Section: datagrams.

use super::guard::{buffer, guard_errno, text};
use crate::io::datagram;
use crate::sched::Scheduler;
use crate::sys::clock::NEVER;

/// A UDP socket bound to an address, owned. `host` is a name or an address of this machine, or NULL: every address of
/// both families. Port 0 lets the system choose (getsockname(2) tells).
///
/// Returns the descriptor, or
///   -EADDRINUSE     the port is taken
///   -EADDRNOTAVAIL  the host is no address of this machine, or does not resolve
///   -EAGAIN         the name server does not answer now, or too many names are being resolved
///   -EACCES         a port below 1024
/// Also -EMFILE, -ENOMEM, -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired). May switch (to resolve a name).
///
/// # Safety
/// `host` is NULL or NUL-terminated.
#[no_mangle]
pub unsafe extern "C" fn gt_bind_udp(host: *const libc::c_char, port: u16) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_bind_udp_until(host, port, NEVER) }
}

/// As gt_bind_udp(), resolving a name at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_bind_udp().
#[no_mangle]
pub unsafe extern "C" fn gt_bind_udp_until(host: *const libc::c_char, port: u16, deadline: i64) -> libc::c_int {
    guard_errno(|| {
        let host = if host.is_null() {
            None
        } else {
            // SAFETY: not NULL, so NUL-terminated by the caller.
            Some(unsafe { text(host)? })
        };
        datagram::bind_udp(Scheduler::current()?, host, port, deadline)
    })
}

/// Receives `count` messages by as few system calls as can be (recvmmsg(2)), letting other tasks run until they are
/// there. Each entry of `messages` is prepared as for gt_recvmsg(), and told its length in msg_len. With MSG_WAITFORONE it waits for
/// the first message only, and takes what else is there. MSG_DONTWAIT does not wait: -EAGAIN. `count` is not limited:
/// the kernel takes 1,024 messages at once and forgets the rest, so this calls it again.
///
/// Returns the number of messages. It is less than count with MSG_WAITFORONE or MSG_DONTWAIT, and when the wait was
/// ended after some had come (an interrupt is then still to come). 0: count is 0. Or, with none received,
///   -EINVAL     messages is NULL and count is not 0
///   -EOVERFLOW  count is above 2,147,483,647
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOTSOCK, -ENOMEM, and what recvmmsg(2) says. May switch.
///
/// # Safety
/// `messages` holds `count` valid headers, and all they point to is valid.
#[no_mangle]
pub unsafe extern "C" fn gt_recvmmsg(
    fd: libc::c_int,
    messages: *mut libc::mmsghdr,
    count: usize,
    flags: libc::c_int,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_recvmmsg_until(fd, messages, count, flags, NEVER) }
}

/// As gt_recvmmsg(), at most until `deadline` (absolute ns): then the number of messages that came, or, with none,
/// -ETIMEDOUT. A deadline in the past takes what is there.
///
/// # Safety
/// As for gt_recvmmsg().
#[no_mangle]
pub unsafe extern "C" fn gt_recvmmsg_until(
    fd: libc::c_int,
    messages: *mut libc::mmsghdr,
    count: usize,
    flags: libc::c_int,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        batch(messages, count)?;
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { datagram::recvmmsg(s, fd, messages, count, flags, deadline) }.map(|n| n as i32)
    })
}

/// Sends `count` messages by as few system calls as can be (sendmmsg(2)), letting other tasks run until there is room for
/// them. Each entry of `messages` is prepared as for gt_sendmsg(), and told the bytes sent in msg_len. Never raises
/// SIGPIPE. MSG_DONTWAIT does not wait: -EAGAIN. `count` is not limited: the kernel takes 1,024 messages at once and forgets the rest, so
/// this calls it again.
///
/// Returns the number of messages sent. It is less than count when an error came after some: sending the rest meets it
/// again. 0: count is 0. Or, with none sent,
///   -EINVAL        messages is NULL and count is not 0
///   -EOVERFLOW     count is above 2,147,483,647
///   -EMSGSIZE      the first message is too long
///   -EDESTADDRREQ  it has no address, and the socket is not connected
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOTSOCK, -ENOMEM, and what sendmmsg(2) says. May switch.
///
/// # Safety
/// `messages` holds `count` valid headers, and all they point to is valid.
#[no_mangle]
pub unsafe extern "C" fn gt_sendmmsg(
    fd: libc::c_int,
    messages: *mut libc::mmsghdr,
    count: usize,
    flags: libc::c_int,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_sendmmsg_until(fd, messages, count, flags, NEVER) }
}

/// As gt_sendmmsg(), at most until `deadline` (absolute ns): then the number of messages sent, or, with none,
/// -ETIMEDOUT. A deadline in the past sends what there is room for.
///
/// # Safety
/// As for gt_sendmmsg().
#[no_mangle]
pub unsafe extern "C" fn gt_sendmmsg_until(
    fd: libc::c_int,
    messages: *mut libc::mmsghdr,
    count: usize,
    flags: libc::c_int,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        batch(messages, count)?;
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { datagram::sendmmsg(s, fd, messages, count, flags, deadline) }.map(|n| n as i32)
    })
}

fn batch(messages: *const libc::mmsghdr, count: usize) -> crate::error::Result<()> {
    if count > i32::MAX as usize {
        return Err(crate::error::Error::new(libc::EOVERFLOW));
    }
    buffer(messages, count)
}
