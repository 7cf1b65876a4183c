//! Section: sendfile, half close, accept loops.

use std::ffi::c_void;

use super::guard::{guard_errno, invalid, sized, text};
use crate::io::{serve, tcp, transfer};
use crate::sched::Scheduler;
use crate::sys::clock::NEVER;

/// Sends `count` bytes of the file `in` to a socket or pipe without a copy through the program (sendfile(2)), letting
/// other tasks run until there is room, and now and then when there always is. If `offset` is not NULL, it says where
/// to read and is moved on behind the last byte sent, and the file's own position stays; NULL: from the file's
/// own position, which moves. `sent` (may be NULL) is told how many bytes were sent; both also when an error ended it.
/// An `out` in blocking mode that is not owned gets the bytes through a buffer. Reading what is not in the page cache
/// blocks the OS thread. Never raises SIGPIPE on a socket.
///
/// Returns 0: all was sent, or all there was (sent < count at the end of the file). Or
///   -EINVAL  in is neither a regular file nor a block device; *offset is negative; out is opened for appending
///   -EPIPE   the other end is closed
///   -EBADF   not open, not open for reading or for writing, or closed by another task
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EIO, -ENOMEM, and what sendfile(2) says. May switch.
///
/// # Safety
/// `offset` and `sent` are NULL or valid.
#[no_mangle]
pub unsafe extern "C" fn gt_sendfile(
    out: libc::c_int,
    r#in: libc::c_int,
    offset: *mut i64,
    count: usize,
    sent: *mut usize,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_sendfile_until(out, r#in, offset, count, sent, NEVER) }
}

/// As gt_sendfile(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_sendfile().
#[no_mangle]
pub unsafe extern "C" fn gt_sendfile_until(
    out: libc::c_int,
    r#in: libc::c_int,
    offset: *mut i64,
    count: usize,
    sent: *mut usize,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        if !sent.is_null() {
            // SAFETY: not NULL, so writable by the caller.
            unsafe { *sent = 0 };
        }
        // SAFETY: NULL, or valid by the caller.
        let offset = unsafe { offset.as_mut() };
        if offset.as_ref().is_some_and(|o| **o < 0) {
            return Err(invalid());
        }
        let (moved, result) = transfer::sendfile(Scheduler::current()?, out, r#in, offset, count, deadline);
        if !sent.is_null() {
            // SAFETY: as above.
            unsafe { *sent = moved };
        }
        result.map(|()| 0)
    })
}

/// Closes half of a connection, or both halves, for everybody who has it open (shutdown(2)); `how` is SHUT_RD, SHUT_WR or
/// SHUT_RDWR. The other end reads the end of the stream after SHUT_WR. Tasks of this OS thread that wait on the
/// socket look again: readers then get 0, writers -EPIPE. The descriptor stays open.
///
/// Returns 0, or
///   -EINVAL    how is none of the three
///   -ENOTCONN  not connected
///   -ENOTSOCK, -EBADF
/// Does not switch.
#[no_mangle]
pub extern "C" fn gt_half_close(fd: libc::c_int, how: libc::c_int) -> libc::c_int {
    guard_errno(|| transfer::half_close(Scheduler::current()?, fd, how).map(|()| 0))
}

/// A flag of gt_listen_opts_t: SO_REUSEPORT. Several listeners on one port, made by the same user and all with this flag, share its
/// connections: one for each OS thread, say.
pub const GT_LISTEN_REUSEPORT: u32 = 1;
/// A flag of gt_listen_opts_t: IPV6_V6ONLY. No IPv4, not even with host NULL.
pub const GT_LISTEN_V6ONLY: u32 = 2;

/// Wishes for gt_listen_tcp_with(). Zero means the default in every member but `size`.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_listen_opts_t {
    /// sizeof(gt_listen_opts_t)
    pub size: usize,
    /// Connections that may wait to be accepted, at most (net.core.somaxconn limits it too); <= 0 means 1024.
    pub backlog: libc::c_int,
    /// GT_LISTEN_*
    pub flags: u32,
    /// TCP_DEFER_ACCEPT: a connection is accepted when its first bytes have come, or after about so many seconds, 0 to 3600.
    pub defer_accept: libc::c_int,
    /// Reserved: 0.
    pub reserved: u32,
}

/// As gt_listen_tcp(), with wishes; `opts` may be NULL.
///
/// Also returns
///   -EINVAL  opts is too small; an unknown flag; defer_accept is out of range; reserved is not 0
///   -E2BIG   the struct is larger than this library knows and its tail is not zero
///
/// # Safety
/// `host` is NULL or NUL-terminated; `opts` is NULL or readable for the bytes its first member says.
#[no_mangle]
pub unsafe extern "C" fn gt_listen_tcp_with(
    host: *const libc::c_char,
    port: u16,
    opts: *const gt_listen_opts_t,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_listen_tcp_with_until(host, port, opts, NEVER) }
}

/// As gt_listen_tcp_with(), resolving a name at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_listen_tcp_with().
#[no_mangle]
pub unsafe extern "C" fn gt_listen_tcp_with_until(
    host: *const libc::c_char,
    port: u16,
    opts: *const gt_listen_opts_t,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        let mut options = tcp::ListenOptions::default();
        if !opts.is_null() {
            // SAFETY: by the caller; gt_listen_opts_t is repr(C), starts with `size`, and zeroes are valid.
            let o = unsafe { sized(opts, std::mem::size_of::<usize>() + 8)? };
            let known = GT_LISTEN_REUSEPORT | GT_LISTEN_V6ONLY;
            if o.flags & !known != 0 || !(0..=3600).contains(&o.defer_accept) || o.reserved != 0 {
                return Err(invalid());
            }
            options = tcp::ListenOptions {
                backlog: o.backlog,
                reuse_port: o.flags & GT_LISTEN_REUSEPORT != 0,
                v6_only: o.flags & GT_LISTEN_V6ONLY != 0,
                defer_accept: o.defer_accept,
            };
        }
        let host = if host.is_null() {
            None
        } else {
            // SAFETY: not NULL, so NUL-terminated by the caller.
            Some(unsafe { text(host)? })
        };
        tcp::listen(Scheduler::current()?, host, port, options, deadline)
    })
}

/// What gt_serve() calls for each connection, on a task of its own; `arg` is gt_serve()'s.
#[allow(non_camel_case_types, reason = "the C name")]
pub type gt_handler_t = Option<unsafe extern "C" fn(fd: libc::c_int, arg: *mut c_void)>;

/// A flag of gt_serve_opts_t: gt_serve() returns when the connections have ended, too.
pub const GT_SERVE_DRAIN: u32 = 1;

/// Wishes for gt_serve(). Zero means the default in every member but `size`.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_serve_opts_t {
    /// sizeof(gt_serve_opts_t)
    pub size: usize,
    /// Connections at a time, at most; the next ones wait in the listener's queue. 0: no limit but that of descriptors.
    pub max_connections: usize,
    /// Stack bytes of the connections' tasks, 16 KiB to 1 GiB.
    pub stack_size: usize,
    /// The name of the connections' tasks, cut at 31 bytes; or NULL. It has to last until gt_serve() returns.
    pub name: *const libc::c_char,
    /// GT_SERVE_*
    pub flags: u32,
    /// Reserved: 0.
    pub reserved: u32,
}

/// Accepts connections and calls `handler(fd, arg)` for each of them, on a detached task of its own. The descriptor is
/// owned, and closed when the handler returns or its task ends otherwise, unless the handler has closed it (gt_close) or
/// given it back (gt_fd_release), which is how it hands a connection on. `opts` may be NULL. A listener that is not owned is
/// adopted; it stays open and owned at the end.
///
/// Out of descriptors, buffers or memory it pauses for 10 ms, or until one of its connections ends; connections wait
/// in the listener's queue meanwhile. It goes on after network errors that belong to one connection.
///
/// It ends when it is stopped, cancelled, interrupted, when a deadline scope expires, or when the listener is closed.
/// Connections go on then. With GT_SERVE_DRAIN it waits for their end: after gt_serve_stop() and gt_close() they get their
/// time; otherwise, and if the wait itself is ended, they are cancelled first.
///
/// Returns 0 when stopped, or
///   -EBADF   the listener is not open, or was closed by another task
///   -EINVAL  handler is NULL; the socket does not listen; opts is too small, stack_size is out of range, an unknown
///            flag, reserved is not 0
///   -E2BIG   the struct is larger than this library knows and its tail is not zero
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOTSOCK, -ENOMEM (before it began). May switch.
///
/// # Safety
/// `handler` must be callable with `arg` until the last connection has ended; `opts` is NULL or readable for the bytes
/// its first member says.
#[no_mangle]
pub unsafe extern "C" fn gt_serve(
    listener: libc::c_int,
    handler: gt_handler_t,
    arg: *mut c_void,
    opts: *const gt_serve_opts_t,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_serve_until(listener, handler, arg, opts, NEVER) }
}

/// As gt_serve(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_serve().
#[no_mangle]
pub unsafe extern "C" fn gt_serve_until(
    listener: libc::c_int,
    handler: gt_handler_t,
    arg: *mut c_void,
    opts: *const gt_serve_opts_t,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        let handler = handler.ok_or(invalid())?;
        let mut options = serve::Options::default();
        if !opts.is_null() {
            // SAFETY: by the caller; gt_serve_opts_t is repr(C), starts with `size`, and zeroes are valid.
            let o = unsafe { sized(opts, std::mem::size_of::<usize>() * 2)? };
            let fits = o.stack_size == 0 || (SMALLEST_STACK..=LARGEST_STACK).contains(&o.stack_size);
            if o.flags & !GT_SERVE_DRAIN != 0 || o.reserved != 0 || !fits {
                return Err(invalid());
            }
            options.most = o.max_connections;
            options.stack_size = o.stack_size;
            options.drain = o.flags & GT_SERVE_DRAIN != 0;
            if !o.name.is_null() {
                // SAFETY: not NULL, so NUL-terminated by the caller.
                options.name = Some(unsafe { text(o.name)? }.to_bytes());
            }
        }
        serve::serve(Scheduler::current()?, listener, handler, arg, &options, deadline).map(|()| 0)
    })
}

/// Stops the calls of gt_serve() that accept from this listener on the calling OS thread: they return 0 once it is
/// their turn. From another OS thread, cancel the task that serves.
///
/// Returns 0, or -ESRCH: there are none. Does not switch.
#[no_mangle]
pub extern "C" fn gt_serve_stop(listener: libc::c_int) -> libc::c_int {
    guard_errno(|| serve::stop(Scheduler::current()?, listener).map(|()| 0))
}

/// gt_spawn_opts_t's limits.
const SMALLEST_STACK: usize = 16 << 10;
const LARGEST_STACK: usize = 1 << 30;
