//! Section: descriptors of any kind.

use std::ffi::c_void;

use super::guard::{buffer, guard_errno, invalid};
use crate::error::Error;
use crate::io::{adopt, poll, rw};
use crate::sched::Scheduler;
use crate::sys::clock::NEVER;

/// Reads up to `len` bytes, letting other tasks run until there are some. A descriptor of any kind. One that is not owned
/// may be in blocking mode; its flags are not touched. Of a regular file what the page cache has is read at once, perhaps
/// less than there is; what it has not is fetched by a job as of gt_pread() first.
///
/// Returns the number of bytes, 0 at the end, or
///   -EINVAL     buf is NULL and len is not 0
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOMEM, and what read(2) says. May switch.
///
/// # Safety
/// `buf` is writable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_read(fd: libc::c_int, buf: *mut c_void, len: usize) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_read_until(fd, buf, len, NEVER) }
}

/// As gt_read(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_read().
#[no_mangle]
pub unsafe extern "C" fn gt_read_until(fd: libc::c_int, buf: *mut c_void, len: usize, deadline: i64) -> libc::ssize_t {
    guard_errno(|| {
        buffer(buf, len)?;
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { rw::read(s, fd, buf.cast(), len, deadline) }.map(|n| n as libc::ssize_t)
    })
}

/// Writes up to `len` bytes, letting other tasks run until there is room for some. A descriptor of any kind. One that is not
/// owned may be in blocking mode; its flags are not touched. A regular file is written to at once, which may block the OS
/// thread (gt_pwrite() does not); so may a terminal in blocking mode that nobody reads. Raises SIGPIPE as write(2) does;
/// gt_send() does not.
///
/// Returns the number of bytes, which may be less than len, or
///   -EINVAL     buf is NULL and len is not 0
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOMEM, and what write(2) says. May switch.
///
/// # Safety
/// `buf` is readable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_write(fd: libc::c_int, buf: *const c_void, len: usize) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_write_until(fd, buf, len, NEVER) }
}

/// As gt_write(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_write().
#[no_mangle]
pub unsafe extern "C" fn gt_write_until(
    fd: libc::c_int,
    buf: *const c_void,
    len: usize,
    deadline: i64,
) -> libc::ssize_t {
    guard_errno(|| {
        buffer(buf, len)?;
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { rw::write(s, fd, buf.cast(), len, deadline) }.map(|n| n as libc::ssize_t)
    })
}

/// As gt_read(), into several buffers.
///
/// Returns the number of bytes, 0 at the end, or
///   -EINVAL     iov is NULL and iovcnt is not 0; iovcnt is negative or above 1024
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOMEM, and what readv(2) says. May switch.
///
/// # Safety
/// `iov` holds `iovcnt` valid vectors.
#[no_mangle]
pub unsafe extern "C" fn gt_readv(fd: libc::c_int, iov: *const libc::iovec, iovcnt: libc::c_int) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_readv_until(fd, iov, iovcnt, NEVER) }
}

/// As gt_readv(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_readv().
#[no_mangle]
pub unsafe extern "C" fn gt_readv_until(
    fd: libc::c_int,
    iov: *const libc::iovec,
    iovcnt: libc::c_int,
    deadline: i64,
) -> libc::ssize_t {
    guard_errno(|| {
        vectors(iov, iovcnt)?;
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { rw::readv(s, fd, iov, iovcnt, deadline) }.map(|n| n as libc::ssize_t)
    })
}

/// As gt_write(), from several buffers.
///
/// Returns the number of bytes, or
///   -EINVAL     iov is NULL and iovcnt is not 0; iovcnt is negative or above 1024
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF (not open, or closed by another task),
/// -ENOMEM, and what writev(2) says. May switch.
///
/// # Safety
/// `iov` holds `iovcnt` valid vectors.
#[no_mangle]
pub unsafe extern "C" fn gt_writev(fd: libc::c_int, iov: *const libc::iovec, iovcnt: libc::c_int) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_writev_until(fd, iov, iovcnt, NEVER) }
}

/// As gt_writev(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past means: try once.
///
/// # Safety
/// As for gt_writev().
#[no_mangle]
pub unsafe extern "C" fn gt_writev_until(
    fd: libc::c_int,
    iov: *const libc::iovec,
    iovcnt: libc::c_int,
    deadline: i64,
) -> libc::ssize_t {
    guard_errno(|| {
        vectors(iov, iovcnt)?;
        let s = Scheduler::current()?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { rw::writev(s, fd, iov, iovcnt, deadline) }.map(|n| n as libc::ssize_t)
    })
}

/// Waits until a descriptor is ready for one of `events` (POLLIN, POLLOUT, POLLPRI, ... of poll(2)), has failed, or was
/// hung up.
///
/// Returns the events that are true (> 0), or
///   -EINVAL  events is 0 or has bits that nobody can wait for
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EBADF, -ENOMEM. May switch.
#[no_mangle]
pub extern "C" fn gt_wait_fd(fd: libc::c_int, events: libc::c_int) -> libc::c_int {
    gt_wait_fd_until(fd, events, NEVER)
}

/// As gt_wait_fd(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
#[no_mangle]
pub extern "C" fn gt_wait_fd_until(fd: libc::c_int, events: libc::c_int, deadline: i64) -> libc::c_int {
    guard_errno(|| {
        let known = i16::try_from(events).ok().filter(|&e| e != 0 && e & !POLL_EVENTS == 0);
        let events = known.ok_or(invalid())?;
        poll::wait_fd(Scheduler::current()?, fd, events, deadline).map(|revents| revents as i32)
    })
}

/// poll(2) for tasks: waits until at least one entry has something to say. Entries with a negative fd are passed over; a
/// descriptor that is not open says POLLNVAL.
///
/// Returns the number of entries with revents, or
///   -EINVAL  fds is NULL and nfds is not 0; nfds is above the descriptor limit
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM. May switch.
///
/// # Safety
/// `fds` holds `nfds` valid entries.
#[no_mangle]
pub unsafe extern "C" fn gt_poll(fds: *mut libc::pollfd, nfds: libc::nfds_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_poll_until(fds, nfds, NEVER) }
}

/// As gt_poll(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_poll().
#[no_mangle]
pub unsafe extern "C" fn gt_poll_until(fds: *mut libc::pollfd, nfds: libc::nfds_t, deadline: i64) -> libc::c_int {
    guard_errno(|| {
        let count = usize::try_from(nfds).map_err(|_| invalid())?;
        buffer(fds, count.saturating_mul(std::mem::size_of::<libc::pollfd>()))?;
        let fds = if count == 0 {
            &mut []
        } else {
            // SAFETY: not NULL, and valid by the caller.
            unsafe { std::slice::from_raw_parts_mut(fds, count) }
        };
        match poll::poll(Scheduler::current()?, fds, deadline)? {
            0 => Err(Error::new(libc::ETIMEDOUT)),
            ready => Ok(ready as i32),
        }
    })
}

/// Takes a descriptor into ownership of this OS thread's scheduler: O_NONBLOCK is set, and it is registered once instead
/// of for each wait. Close it with gt_close(), or hand it back with gt_fd_release(). Another OS thread may use it too,
/// as a foreign one. Tasks that wait on it already go on waiting. A descriptor that shares its open file with other processes
/// shares O_NONBLOCK with them.
///
/// Returns 0, or -EBADF, -ENOMEM. Does not switch.
#[no_mangle]
pub extern "C" fn gt_fd_adopt(fd: libc::c_int) -> libc::c_int {
    guard_errno(|| adopt::adopt(Scheduler::current()?, fd).map(|()| 0))
}

/// Registers a socket once instead of for each wait, as gt_fd_adopt() does, but leaves its flags alone: for sockets that others, a
/// child process or a library, may use in blocking mode too. gt_recv(), gt_send() and their like then wait on it without a
/// system call to arm it. Whoever watches a socket closes it with gt_close(), or says gt_fd_release() before it is closed in
/// another way; else a later file under the same number may have to wait for a second or two longer. A wait by another door
/// (gt_poll(), gt_wait_fd(), gt_read()) ends the watch, and all works as without it.
///
/// Returns 0, or -EBADF, -ENOMEM; -ENOTSOCK: it is not a socket. Does not switch.
#[no_mangle]
pub extern "C" fn gt_fd_watch(fd: libc::c_int) -> libc::c_int {
    guard_errno(|| adopt::watch(Scheduler::current()?, fd).map(|()| 0))
}

/// Hands an owned descriptor back: O_NONBLOCK is cleared (a watched one keeps its flags); tasks that wait on it get -EBADF.
///
/// Returns 0, or -EBADF; -EINVAL: it is neither owned nor watched by this OS thread's scheduler. Does not switch.
#[no_mangle]
pub extern "C" fn gt_fd_release(fd: libc::c_int) -> libc::c_int {
    guard_errno(|| adopt::release(Scheduler::current()?, fd).map(|()| 0))
}

/// Closes a descriptor; tasks of this OS thread that wait on it get -EBADF. Jobs on files that still use it (gt_pread() and
/// its like) end up in no other file: the number is given again when the last of them has ended.
///
/// Returns 0, or -EBADF, or an error of close(2), after which it is closed all the same. Does not switch.
#[no_mangle]
pub extern "C" fn gt_close(fd: libc::c_int) -> libc::c_int {
    guard_errno(|| adopt::close(Scheduler::current()?, fd).map(|()| 0))
}

/// What can be asked of poll(2).
const POLL_EVENTS: i16 = libc::POLLIN
    | libc::POLLPRI
    | libc::POLLOUT
    | libc::POLLRDNORM
    | libc::POLLRDBAND
    | libc::POLLWRNORM
    | libc::POLLWRBAND
    | libc::POLLRDHUP;

/// readv(2)'s limits.
fn vectors(iov: *const libc::iovec, count: i32) -> crate::error::Result<()> {
    if !(0..=1024).contains(&count) {
        return Err(invalid());
    }
    buffer(iov, count as usize)
}
