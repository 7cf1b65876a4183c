//! Section: sockets.

use std::ffi::c_void;

use super::guard::{buffer, guard_errno, invalid, text};
use crate::io::{socket, tcp};
use crate::sched::Scheduler;
use crate::sys::clock::NEVER;

/// Receives up to `len` bytes from a socket, letting other tasks run until there are some. Several tasks may wait on
/// one socket: first come, first served.
///
/// MSG_DONTWAIT does not wait: -EAGAIN. MSG_WAITALL on a stream waits for the whole buffer; fewer bytes are returned at
/// the end of the stream, at an error, and when the wait was ended (an interrupt is then still to come). Other flags are
/// recv(2)'s.
///
/// Returns the number of bytes, 0 at the end of the stream, or
///   -EINVAL     buf is NULL and len is not 0
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOMEM, and what recv(2) says. May switch.
///
/// # Safety
/// `buf` is writable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_recv(fd: libc::c_int, buf: *mut c_void, len: usize, flags: libc::c_int) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_recv_until(fd, buf, len, flags, NEVER) }
}

/// As gt_recv(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_recv().
#[no_mangle]
pub unsafe extern "C" fn gt_recv_until(
    fd: libc::c_int,
    buf: *mut c_void,
    len: usize,
    flags: libc::c_int,
    deadline: i64,
) -> libc::ssize_t {
    guard_errno(|| {
        buffer(buf, len)?;
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { socket::recv(s, fd, buf.cast(), len, flags, deadline) }.map(|n| n as libc::ssize_t)
    })
}

/// Sends up to `len` bytes on a socket, letting other tasks run until there is room for some. Never raises SIGPIPE.
///
/// Returns the number of bytes, which may be less than len, or
///   -EPIPE      the other end is closed
///   -EINVAL     buf is NULL and len is not 0
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOMEM, and what send(2) says. May switch.
///
/// # Safety
/// `buf` is readable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_send(fd: libc::c_int, buf: *const c_void, len: usize, flags: libc::c_int) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_send_until(fd, buf, len, flags, NEVER) }
}

/// As gt_send(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_send().
#[no_mangle]
pub unsafe extern "C" fn gt_send_until(
    fd: libc::c_int,
    buf: *const c_void,
    len: usize,
    flags: libc::c_int,
    deadline: i64,
) -> libc::ssize_t {
    guard_errno(|| {
        buffer(buf, len)?;
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { socket::send(s, fd, buf.cast(), len, flags, deadline) }.map(|n| n as libc::ssize_t)
    })
}

/// Sends all `len` bytes. `sent` (may be NULL) is told how many were sent, also when an error ended it.
///
/// Returns 0, or an error of gt_send(). May switch.
///
/// # Safety
/// `buf` is readable for `len` bytes; `sent` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_send_all(
    fd: libc::c_int,
    buf: *const c_void,
    len: usize,
    flags: libc::c_int,
    sent: *mut usize,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_send_all_until(fd, buf, len, flags, sent, NEVER) }
}

/// As gt_send_all(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_send_all().
#[no_mangle]
pub unsafe extern "C" fn gt_send_all_until(
    fd: libc::c_int,
    buf: *const c_void,
    len: usize,
    flags: libc::c_int,
    sent: *mut usize,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        if !sent.is_null() {
            // SAFETY: not NULL, so writable by the caller.
            unsafe { *sent = 0 };
        }
        buffer(buf, len)?;
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        let (count, result) = unsafe { socket::send_all(s, fd, buf.cast(), len, flags, deadline) };
        if !sent.is_null() {
            // SAFETY: as above.
            unsafe { *sent = count };
        }
        result.map(|()| 0)
    })
}

/// Receives a message and, if `from` is not NULL, its sender's address: `fromlen` says how much room there is, and is told
/// the address's length.
///
/// Returns the number of bytes, or
///   -EINVAL     buf is NULL and len is not 0; one of from and fromlen is NULL and the other is not
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOMEM, and what recvfrom(2) says. May switch.
///
/// # Safety
/// `buf` is writable for `len` bytes; `from` for `*fromlen` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_recvfrom(
    fd: libc::c_int,
    buf: *mut c_void,
    len: usize,
    flags: libc::c_int,
    from: *mut libc::sockaddr,
    fromlen: *mut libc::socklen_t,
) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_recvfrom_until(fd, buf, len, flags, from, fromlen, NEVER) }
}

/// As gt_recvfrom(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_recvfrom().
#[no_mangle]
pub unsafe extern "C" fn gt_recvfrom_until(
    fd: libc::c_int,
    buf: *mut c_void,
    len: usize,
    flags: libc::c_int,
    from: *mut libc::sockaddr,
    fromlen: *mut libc::socklen_t,
    deadline: i64,
) -> libc::ssize_t {
    guard_errno(|| {
        buffer(buf, len)?;
        if from.is_null() != fromlen.is_null() {
            return Err(invalid());
        }
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { socket::recvfrom(s, fd, (buf.cast(), len), flags, (from, fromlen), deadline) }
            .map(|n| n as libc::ssize_t)
    })
}

/// Sends a message to an address. Never raises SIGPIPE.
///
/// Returns the number of bytes, or
///   -EINVAL     buf is NULL and len is not 0; to is NULL and tolen is not 0
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOMEM, and what sendto(2) says. May switch.
///
/// # Safety
/// `buf` is readable for `len` bytes, `to` for `tolen`.
#[no_mangle]
pub unsafe extern "C" fn gt_sendto(
    fd: libc::c_int,
    buf: *const c_void,
    len: usize,
    flags: libc::c_int,
    to: *const libc::sockaddr,
    tolen: libc::socklen_t,
) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_sendto_until(fd, buf, len, flags, to, tolen, NEVER) }
}

/// As gt_sendto(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_sendto().
#[no_mangle]
pub unsafe extern "C" fn gt_sendto_until(
    fd: libc::c_int,
    buf: *const c_void,
    len: usize,
    flags: libc::c_int,
    to: *const libc::sockaddr,
    tolen: libc::socklen_t,
    deadline: i64,
) -> libc::ssize_t {
    guard_errno(|| {
        buffer(buf, len)?;
        buffer(to, tolen as usize)?;
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { socket::sendto(s, fd, (buf.cast(), len), flags, (to, tolen), deadline) }.map(|n| n as libc::ssize_t)
    })
}

/// Receives a message with its ancillary data.
///
/// Returns the number of bytes, or
///   -EINVAL     msg is NULL
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOMEM, and what recvmsg(2) says. May switch.
///
/// # Safety
/// `msg` is NULL or valid, and so is all it points to.
#[no_mangle]
pub unsafe extern "C" fn gt_recvmsg(fd: libc::c_int, msg: *mut libc::msghdr, flags: libc::c_int) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_recvmsg_until(fd, msg, flags, NEVER) }
}

/// As gt_recvmsg(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_recvmsg().
#[no_mangle]
pub unsafe extern "C" fn gt_recvmsg_until(
    fd: libc::c_int,
    msg: *mut libc::msghdr,
    flags: libc::c_int,
    deadline: i64,
) -> libc::ssize_t {
    guard_errno(|| {
        if msg.is_null() {
            return Err(invalid());
        }
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { socket::recvmsg(s, fd, msg, flags, deadline) }.map(|n| n as libc::ssize_t)
    })
}

/// Sends a message with ancillary data. Never raises SIGPIPE.
///
/// Returns the number of bytes, or
///   -EINVAL     msg is NULL
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOMEM, and what sendmsg(2) says. May switch.
///
/// # Safety
/// `msg` is NULL or valid, and so is all it points to.
#[no_mangle]
pub unsafe extern "C" fn gt_sendmsg(fd: libc::c_int, msg: *const libc::msghdr, flags: libc::c_int) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_sendmsg_until(fd, msg, flags, NEVER) }
}

/// As gt_sendmsg(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_sendmsg().
#[no_mangle]
pub unsafe extern "C" fn gt_sendmsg_until(
    fd: libc::c_int,
    msg: *const libc::msghdr,
    flags: libc::c_int,
    deadline: i64,
) -> libc::ssize_t {
    guard_errno(|| {
        if msg.is_null() {
            return Err(invalid());
        }
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { socket::sendmsg(s, fd, msg, flags, deadline) }.map(|n| n as libc::ssize_t)
    })
}

/// Makes a socket, owned: non-blocking and close-on-exec, to be closed by gt_close().
///
/// Returns the descriptor, or an error of socket(2), or -ENOMEM (nothing is left open). Does not switch.
#[no_mangle]
pub extern "C" fn gt_socket(domain: libc::c_int, kind: libc::c_int, protocol: libc::c_int) -> libc::c_int {
    guard_errno(|| socket::socket(Scheduler::current()?, domain, kind, protocol))
}

/// Accepts a connection; the new descriptor is owned. `addr` and `addrlen` are both NULL or as for accept(2). A connection
/// that its peer gave up meanwhile is passed over.
///
/// Returns the new descriptor, or
///   -EMFILE     the process is out of descriptors; the connection stays in the queue: close something, or wait, and
///               accept again
///   -EINVAL     the socket does not listen; one of addr and addrlen is NULL and the other is not
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOMEM, and what accept(2) says. May switch. On a foreign listener in
/// blocking mode that other processes accept from too, adopt it first (gt_fd_adopt).
///
/// # Safety
/// `addr` is NULL or writable for `*addrlen` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_accept(
    fd: libc::c_int,
    addr: *mut libc::sockaddr,
    addrlen: *mut libc::socklen_t,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_accept_until(fd, addr, addrlen, NEVER) }
}

/// As gt_accept(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_accept().
#[no_mangle]
pub unsafe extern "C" fn gt_accept_until(
    fd: libc::c_int,
    addr: *mut libc::sockaddr,
    addrlen: *mut libc::socklen_t,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        if addr.is_null() != addrlen.is_null() {
            return Err(invalid());
        }
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { socket::accept(s, fd, addr, addrlen, deadline) }
    })
}

/// Connects a socket.
///
/// Returns 0, or
///   -ECONNREFUSED, -ENETUNREACH, -EHOSTUNREACH, -ETIMEDOUT and what else connect(2) says
///   -EINVAL     addr is NULL
/// Also -ECANCELED, -EINTR, -EBADF, -ENOMEM. After an error of waiting the attempt goes on in the kernel: close the socket.
/// May switch.
///
/// # Safety
/// `addr` is NULL or readable for `addrlen` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_connect(
    fd: libc::c_int,
    addr: *const libc::sockaddr,
    addrlen: libc::socklen_t,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_connect_until(fd, addr, addrlen, NEVER) }
}

/// As gt_connect(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_connect().
#[no_mangle]
pub unsafe extern "C" fn gt_connect_until(
    fd: libc::c_int,
    addr: *const libc::sockaddr,
    addrlen: libc::socklen_t,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        if addr.is_null() {
            return Err(invalid());
        }
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { socket::connect(s, fd, addr, addrlen, deadline) }.map(|()| 0)
    })
}

/// A listening TCP socket, owned. `host` is a name or an address, or NULL: every address of both families. Port 0 lets the
/// system choose (getsockname(2) tells). `backlog` <= 0 means 1024. SO_REUSEADDR is set.
///
/// Returns the descriptor, or
///   -EADDRINUSE     the port is taken
///   -EADDRNOTAVAIL  the host is no address of this machine, or does not resolve
///   -EAGAIN         the name server does not answer now, or too many names are being resolved
///   -EACCES         a port below 1024
/// Also -EMFILE, -ENOMEM, -ECANCELED, -EINTR, -ETIMEDOUT. May switch (to resolve a name).
///
/// # Safety
/// `host` is NULL or NUL-terminated.
#[no_mangle]
pub unsafe extern "C" fn gt_listen_tcp(host: *const libc::c_char, port: u16, backlog: libc::c_int) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_listen_tcp_until(host, port, backlog, NEVER) }
}

/// As gt_listen_tcp(), resolving a name at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_listen_tcp().
#[no_mangle]
pub unsafe extern "C" fn gt_listen_tcp_until(
    host: *const libc::c_char,
    port: u16,
    backlog: libc::c_int,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        let host = if host.is_null() {
            None
        } else {
            // SAFETY: not NULL, so NUL-terminated by the caller.
            Some(unsafe { text(host)? })
        };
        let options = tcp::ListenOptions { backlog, ..Default::default() };
        tcp::listen(Scheduler::current()?, host, port, options, deadline)
    })
}

/// Connects to a TCP server by name or address: resolves it on another OS thread (getaddrinfo(3)) and tries each
/// address in order. The descriptor is owned.
///
/// Returns the descriptor, or
///   -EINVAL         host is NULL
///   -EADDRNOTAVAIL  the name does not resolve
///   -EAGAIN         the name server does not answer now, or too many names are being resolved
///   the last address's error: -ECONNREFUSED, -ENETUNREACH and what else connect(2) says
/// Also -EMFILE, -ENOMEM, -ECANCELED, -EINTR, -ETIMEDOUT. May switch.
///
/// # Safety
/// `host` is NULL or NUL-terminated.
#[no_mangle]
pub unsafe extern "C" fn gt_dial_tcp(host: *const libc::c_char, port: u16) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_dial_tcp_until(host, port, NEVER) }
}

/// As gt_dial_tcp(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_dial_tcp().
#[no_mangle]
pub unsafe extern "C" fn gt_dial_tcp_until(host: *const libc::c_char, port: u16, deadline: i64) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let host = unsafe { text(host)? };
        tcp::dial(Scheduler::current()?, host, port, deadline)
    })
}
