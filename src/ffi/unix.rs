//! Section: unix sockets.

use std::ffi::c_void;

use super::guard::{buffer, guard_errno, invalid, text};
use crate::io::unix;
use crate::sched::Scheduler;
use crate::sys::clock::NEVER;

/// The most descriptors that gt_send_fds() takes, and that come with one message.
pub const GT_FDS_MAX: usize = 253;

/// A listening unix stream socket, owned. `path` is a file to be made, or, beginning with '@', an abstract name, which has no
/// file ("./@x" is a file). `backlog` <= 0 means 1024. gt_close() leaves the file: unlink(2) it.
///
/// Returns the descriptor, or
///   -EADDRINUSE    the name is taken. If it is a file that a server left behind, gt_dial_unix() says -ECONNREFUSED:
///                  unlink(2) it then, and listen again
///   -EINVAL        path is NULL or empty
///   -ENAMETOOLONG  a path above 107 bytes, or an abstract name above 107 bytes behind its '@'
///   -ENOENT, -ENOTDIR, -EACCES, -EROFS, ...  the file cannot be made
/// Also -EMFILE, -ENOMEM. Does not switch.
///
/// # Safety
/// `path` is NULL or NUL-terminated.
#[no_mangle]
pub unsafe extern "C" fn gt_listen_unix(path: *const libc::c_char, backlog: libc::c_int) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let path = unsafe { text(path)? };
        unix::listen(Scheduler::current()?, path, backlog)
    })
}

/// Connects to a unix stream socket by path or, beginning with '@', by abstract name. The descriptor is owned. A full
/// queue of the listener is waited for.
///
/// Returns the descriptor, or
///   -ECONNREFUSED  nobody listens: no such abstract name, or a file that a server left behind
///   -ENOENT        no such file
///   -EACCES        no permission to write to it
///   -EPROTOTYPE    it is not a stream socket
///   -EINVAL        path is NULL or empty
///   -ENAMETOOLONG  as for gt_listen_unix()
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EMFILE, -ENOMEM. May switch.
///
/// # Safety
/// `path` is NULL or NUL-terminated.
#[no_mangle]
pub unsafe extern "C" fn gt_dial_unix(path: *const libc::c_char) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_dial_unix_until(path, NEVER) }
}

/// As gt_dial_unix(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_dial_unix().
#[no_mangle]
pub unsafe extern "C" fn gt_dial_unix_until(path: *const libc::c_char, deadline: i64) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let path = unsafe { text(path)? };
        unix::dial(Scheduler::current()?, path, deadline)
    })
}

/// Sends bytes on a unix socket, and `count` descriptors with the first of them: the receiver gets descriptors of its
/// own for the same open files. These stay the caller's, and can be closed at once. At least one byte has to go
/// along. Never raises SIGPIPE.
///
/// Returns the number of bytes, which on a stream may be less than len: the descriptors are sent then, the rest of the
/// bytes is gt_send_all()'s. Or
///   -EINVAL        fds or data is NULL; count is 0 or above GT_FDS_MAX; len is 0
///   -EBADF         the socket, or one of fds, is not open; or the socket was closed by another task
///   -EOPNOTSUPP    not a unix socket
///   -ETOOMANYREFS  too many descriptors of this user are on their way already (RLIMIT_NOFILE)
///   -EPIPE         the other end is closed
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOTSOCK, -ENOMEM, and what sendmsg(2) says. May switch.
///
/// # Safety
/// `data` is readable for `len` bytes, `fds` for `count` entries.
#[no_mangle]
pub unsafe extern "C" fn gt_send_fds(
    socket: libc::c_int,
    data: *const c_void,
    len: usize,
    fds: *const libc::c_int,
    count: usize,
) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_send_fds_until(socket, data, len, fds, count, NEVER) }
}

/// As gt_send_fds(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_send_fds().
#[no_mangle]
pub unsafe extern "C" fn gt_send_fds_until(
    socket: libc::c_int,
    data: *const c_void,
    len: usize,
    fds: *const libc::c_int,
    count: usize,
    deadline: i64,
) -> libc::ssize_t {
    guard_errno(|| {
        buffer(data, len)?;
        if fds.is_null() || count > GT_FDS_MAX {
            return Err(invalid());
        }
        // SAFETY: not NULL, so readable for `count` entries by the caller.
        let fds = unsafe { std::slice::from_raw_parts(fds, count) };
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { unix::send_fds(s, socket, (data.cast(), len), fds, deadline) }.map(|n| n as libc::ssize_t)
    })
}

/// Receives up to `len` bytes from a unix socket, and up to `max` descriptors that were sent with them. Each is owned and
/// close-on-exec; being owned, it is non-blocking, and with it the open file, which the sender may still use. `received`
/// is told how many came. `truncated` (may be NULL) is told 1 if more came than max, or than this process has numbers
/// for (ulimit -n), and 0 otherwise; those are closed.
///
/// Returns the number of bytes, 0 at the end of the stream, or
///   -EINVAL  data, received, or fds while max is not 0, is NULL; len is 0
///   -ENOMEM  out of memory; bytes and descriptors are lost, the latter closed
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOTSOCK, and what recvmsg(2) says. May switch.
///
/// # Safety
/// `data` is writable for `len` bytes, `fds` for `max` entries; `received` and `truncated` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_recv_fds(
    socket: libc::c_int,
    data: *mut c_void,
    len: usize,
    fds: *mut libc::c_int,
    max: usize,
    received: *mut usize,
    truncated: *mut libc::c_int,
) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_recv_fds_until(socket, data, len, fds, max, received, truncated, NEVER) }
}

/// As gt_recv_fds(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_recv_fds().
#[no_mangle]
#[allow(clippy::too_many_arguments, reason = "gt_recv_fds() and a deadline")]
pub unsafe extern "C" fn gt_recv_fds_until(
    socket: libc::c_int,
    data: *mut c_void,
    len: usize,
    fds: *mut libc::c_int,
    max: usize,
    received: *mut usize,
    truncated: *mut libc::c_int,
    deadline: i64,
) -> libc::ssize_t {
    guard_errno(|| {
        buffer(data, len)?;
        buffer(fds, max)?;
        if received.is_null() {
            return Err(invalid());
        }
        let fds = if max == 0 {
            &mut []
        } else {
            // SAFETY: not NULL, so writable for `max` entries by the caller; more never come.
            unsafe { std::slice::from_raw_parts_mut(fds, max.min(GT_FDS_MAX)) }
        };
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        let got = unsafe { unix::recv_fds(s, socket, (data.cast(), len), fds, deadline)? };
        // SAFETY: checked above, or NULL; writable by the caller.
        unsafe {
            *received = got.descriptors;
            if let Some(truncated) = truncated.as_mut() {
                *truncated = got.truncated as libc::c_int;
            }
        }
        Ok(got.bytes as libc::ssize_t)
    })
}

const _: () = assert!(GT_FDS_MAX == unix::MOST_DESCRIPTORS);
