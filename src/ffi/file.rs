//! Section: files.

use std::ffi::c_void;

use super::guard::{buffer, guard_errno, invalid, text};
use crate::error::Result;
use crate::offload::file::{self, Subject};
use crate::sched::Scheduler;
use crate::sys::clock::NEVER;

/// Opens a file on an OS thread of the pool (see gt_offload()) while other tasks run: open(2) with O_CLOEXEC. `mode` counts with
/// O_CREAT. The descriptor is foreign: use it with gt_pread(), gt_pwrite() and their like, which never block this OS thread, or with
/// gt_read() and gt_write(), which know a position; close it by gt_close().
///
/// All verbs on files work like this one: a call that might wait for a disk, a server or a lock of the file system is made on
/// the pool. A wait that is ended early leaves no call half done: if no thread had begun with it, it is never made; otherwise
/// it runs to its end, its effect stays, and what it would have returned is dropped. So a file may have been made, renamed or
/// removed in spite of -ECANCELED. Nothing of the caller's is used any more, and a descriptor that was opened is closed.
/// Opening a FIFO waits for its other end and keeps a thread of the pool busy till then, unless flags has O_NONBLOCK.
///
/// Returns the descriptor, or
///   -EINVAL     path is NULL
///   -EAGAIN     too many jobs wait, or no OS thread can be had; nothing was done
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired)  the call ends without the result
///   -ENOMEM     out of memory; nothing was done
///   -ENOENT, -EACCES, -EEXIST, -EMFILE, ...  what open(2) says
///
/// May switch. Any thread.
///
/// # Safety
/// `path` is NULL or NUL-terminated.
#[no_mangle]
pub unsafe extern "C" fn gt_open(path: *const libc::c_char, flags: libc::c_int, mode: libc::mode_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_open_until(path, flags, mode, NEVER) }
}

/// As gt_open(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
///
/// # Safety
/// As for gt_open().
#[no_mangle]
pub unsafe extern "C" fn gt_open_until(
    path: *const libc::c_char,
    flags: libc::c_int,
    mode: libc::mode_t,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let path = unsafe { text(path)? };
        file::open(Scheduler::current()?, path, flags, mode, deadline)
    })
}

/// Reads `len` bytes at `offset`, whatever the descriptor's own position, which stays. What the page cache has is read at
/// once; the rest by jobs, in pieces, and other tasks run meanwhile.
///
/// Returns the number of bytes: less than len at the end of the file, 0 behind it; also when an error, a cancel, an interrupt or
/// a deadline came after some bytes, and then the next call meets it again. Or
///   -EINVAL     buf is NULL and len is not 0; offset is negative
///   -EBADF      not open, not open for reading, or closed by gt_close() meanwhile
///   -ESPIPE     a pipe, a socket or a terminal
///   -EISDIR     a directory
///   -EAGAIN     too many jobs wait, or no OS thread can be had
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///   and what pread(2) says
///
/// A job that was begun may still read when the call has ended: into memory of its own. It reads this file even if that is
/// closed by gt_close() and another one gets its number. (close(2) does not know of jobs: after -ECANCELED, -EINTR and
/// -ETIMEDOUT, use gt_close().)
///
/// May switch. Any thread.
///
/// # Safety
/// `buf` is writable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_pread(fd: libc::c_int, buf: *mut c_void, len: usize, offset: i64) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_pread_until(fd, buf, len, offset, NEVER) }
}

/// As gt_pread(), at most until `deadline` (absolute ns); then -ETIMEDOUT, or what was read before. A deadline in the past: only
/// what is in the page cache.
///
/// # Safety
/// As for gt_pread().
#[no_mangle]
pub unsafe extern "C" fn gt_pread_until(
    fd: libc::c_int,
    buf: *mut c_void,
    len: usize,
    offset: i64,
    deadline: i64,
) -> libc::ssize_t {
    guard_errno(|| {
        buffer(buf, len)?;
        let s = place(offset)?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { file::pread(s, fd, buf.cast(), len, offset, deadline) }.map(|n| n as libc::ssize_t)
    })
}

/// Writes `len` bytes at `offset`, whatever the descriptor's own position, which stays (with O_APPEND, at the end). What can be
/// written to the page cache without waiting is, where the file system can say so; the rest by jobs, in pieces, and other
/// tasks run meanwhile. Nothing reaches the disk for sure before gt_fsync().
///
/// Returns the number of bytes: less than len only when an error, a cancel, an interrupt or a deadline came after some bytes, and
/// then the next call meets it again. Or
///   -EINVAL     buf is NULL and len is not 0; offset is negative
///   -EBADF      not open, not open for writing, or closed by gt_close() meanwhile
///   -ESPIPE     a pipe, a socket or a terminal
///   -ENOSPC, -EFBIG, ...  what pwrite(2) says
///   -EAGAIN     too many jobs wait, or no OS thread can be had
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///
/// When the call was ended early, a piece of up to 256 KiB behind what it counts may still be written, from memory of the
/// job's own; to this file, as said of gt_pread().
///
/// May switch. Any thread.
///
/// # Safety
/// `buf` is readable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_pwrite(fd: libc::c_int, buf: *const c_void, len: usize, offset: i64) -> libc::ssize_t {
    // SAFETY: by the caller.
    unsafe { gt_pwrite_until(fd, buf, len, offset, NEVER) }
}

/// As gt_pwrite(), at most until `deadline` (absolute ns); then -ETIMEDOUT, or what was written before. A deadline in the
/// past: only what can be written without waiting.
///
/// # Safety
/// As for gt_pwrite().
#[no_mangle]
pub unsafe extern "C" fn gt_pwrite_until(
    fd: libc::c_int,
    buf: *const c_void,
    len: usize,
    offset: i64,
    deadline: i64,
) -> libc::ssize_t {
    guard_errno(|| {
        buffer(buf, len)?;
        let s = place(offset)?;
        // SAFETY: checked above, and valid by the caller.
        unsafe { file::pwrite(s, fd, buf.cast(), len, offset, deadline) }.map(|n| n as libc::ssize_t)
    })
}

/// Waits until what was written to a file is on the disk, its attributes too: fsync(2), by a job as gt_open().
///
/// Returns 0, or
///   -EBADF      not open, or closed by gt_close() meanwhile
///   -EINVAL     not a file that has a disk
///   -EAGAIN     too many jobs wait, or no OS thread can be had
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///   and what fsync(2) says; then what was written before may be lost
///
/// May switch. Any thread.
#[no_mangle]
pub extern "C" fn gt_fsync(fd: libc::c_int) -> libc::c_int {
    gt_fsync_until(fd, NEVER)
}

/// As gt_fsync(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
#[no_mangle]
pub extern "C" fn gt_fsync_until(fd: libc::c_int, deadline: i64) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: fsync takes no pointers.
        file::on_descriptor(Scheduler::current()?, fd, deadline, |fd| unsafe { libc::fsync(fd) }).map(|()| 0)
    })
}

/// As gt_fsync(), but of the attributes only those without which the bytes cannot be found (fdatasync(2)).
#[no_mangle]
pub extern "C" fn gt_fdatasync(fd: libc::c_int) -> libc::c_int {
    gt_fdatasync_until(fd, NEVER)
}

/// As gt_fdatasync(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
#[no_mangle]
pub extern "C" fn gt_fdatasync_until(fd: libc::c_int, deadline: i64) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: fdatasync takes no pointers.
        file::on_descriptor(Scheduler::current()?, fd, deadline, |fd| unsafe { libc::fdatasync(fd) }).map(|()| 0)
    })
}

/// Makes a file `length` bytes long: what is too much is lost, what is missing reads as zeroes (ftruncate(2)). By a job as gt_open().
///
/// Returns 0, or
///   -EINVAL     length is negative; not a regular file, or not open for writing
///   -EBADF      not open, or closed by gt_close() meanwhile
///   -EFBIG, ...  what ftruncate(2) says
///   -EAGAIN     too many jobs wait, or no OS thread can be had
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///
/// May switch. Any thread.
#[no_mangle]
pub extern "C" fn gt_ftruncate(fd: libc::c_int, length: i64) -> libc::c_int {
    gt_ftruncate_until(fd, length, NEVER)
}

/// As gt_ftruncate(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
#[no_mangle]
pub extern "C" fn gt_ftruncate_until(fd: libc::c_int, length: i64, deadline: i64) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: ftruncate takes no pointers.
        file::on_descriptor(place(length)?, fd, deadline, move |fd| unsafe { libc::ftruncate64(fd, length) })
            .map(|()| 0)
    })
}

/// Asks for the attributes of what a path leads to: stat(2), by a job as gt_open().
///
/// Returns 0, or
///   -EINVAL     path or st is NULL
///   -ENOENT, -EACCES, -ENOTDIR, ...  what stat(2) says
///   -EAGAIN     too many jobs wait, or no OS thread can be had
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///
/// May switch. Any thread.
///
/// # Safety
/// `path` is NULL or NUL-terminated; `st` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_stat(path: *const libc::c_char, st: *mut libc::stat) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_stat_until(path, st, NEVER) }
}

/// As gt_stat(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
///
/// # Safety
/// As for gt_stat().
#[no_mangle]
pub unsafe extern "C" fn gt_stat_until(path: *const libc::c_char, st: *mut libc::stat, deadline: i64) -> libc::c_int {
    // SAFETY: by the caller.
    guard_errno(|| unsafe { attributes(Subject::Path(text(path)?), st, deadline) })
}

/// As gt_stat(), but of a symbolic link itself (lstat(2)).
///
/// # Safety
/// As for gt_stat().
#[no_mangle]
pub unsafe extern "C" fn gt_lstat(path: *const libc::c_char, st: *mut libc::stat) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_lstat_until(path, st, NEVER) }
}

/// As gt_lstat(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
///
/// # Safety
/// As for gt_stat().
#[no_mangle]
pub unsafe extern "C" fn gt_lstat_until(path: *const libc::c_char, st: *mut libc::stat, deadline: i64) -> libc::c_int {
    // SAFETY: by the caller.
    guard_errno(|| unsafe { attributes(Subject::Link(text(path)?), st, deadline) })
}

/// Asks for the attributes of an open file: fstat(2), by a job as gt_open().
///
/// Returns 0, or
///   -EINVAL     st is NULL
///   -EBADF      not open, or closed by gt_close() before
///   -EAGAIN     too many jobs wait, or no OS thread can be had
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///   and what fstat(2) says
///
/// May switch. Any thread.
///
/// # Safety
/// `st` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_fstat(fd: libc::c_int, st: *mut libc::stat) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_fstat_until(fd, st, NEVER) }
}

/// As gt_fstat(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
///
/// # Safety
/// As for gt_fstat().
#[no_mangle]
pub unsafe extern "C" fn gt_fstat_until(fd: libc::c_int, st: *mut libc::stat, deadline: i64) -> libc::c_int {
    // SAFETY: by the caller.
    guard_errno(|| unsafe { attributes(Subject::Open(fd), st, deadline) })
}

/// Gives a file another name, in place of the file that may have it: rename(2), by a job as gt_open().
///
/// Returns 0, or
///   -EINVAL     from or to is NULL; a directory would lie in itself
///   -ENOENT, -EXDEV, -ENOTEMPTY, -EISDIR, ...  what rename(2) says
///   -EAGAIN     too many jobs wait, or no OS thread can be had
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///
/// May switch. Any thread.
///
/// # Safety
/// `from` and `to` are NULL or NUL-terminated.
#[no_mangle]
pub unsafe extern "C" fn gt_rename(from: *const libc::c_char, to: *const libc::c_char) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_rename_until(from, to, NEVER) }
}

/// As gt_rename(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
///
/// # Safety
/// As for gt_rename().
#[no_mangle]
pub unsafe extern "C" fn gt_rename_until(
    from: *const libc::c_char,
    to: *const libc::c_char,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let (from, to) = unsafe { (text(from)?, text(to)?) };
        file::rename(Scheduler::current()?, from, to, deadline).map(|()| 0)
    })
}

/// Removes a name, and the file if it was the last one: unlink(2), by a job as gt_open().
///
/// Returns 0, or
///   -EINVAL     path is NULL
///   -ENOENT, -EISDIR, -EACCES, ...  what unlink(2) says
///   -EAGAIN     too many jobs wait, or no OS thread can be had
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///
/// May switch. Any thread.
///
/// # Safety
/// `path` is NULL or NUL-terminated.
#[no_mangle]
pub unsafe extern "C" fn gt_unlink(path: *const libc::c_char) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_unlink_until(path, NEVER) }
}

/// As gt_unlink(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
///
/// # Safety
/// As for gt_unlink().
#[no_mangle]
pub unsafe extern "C" fn gt_unlink_until(path: *const libc::c_char, deadline: i64) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let path = unsafe { text(path)? };
        // SAFETY: called with a NUL-terminated path.
        file::on_path(Scheduler::current()?, path, deadline, |path| unsafe { libc::unlink(path) }).map(|()| 0)
    })
}

/// Makes a directory: mkdir(2), by a job as gt_open().
///
/// Returns 0, or
///   -EINVAL     path is NULL
///   -EEXIST, -ENOENT, -EACCES, ...  what mkdir(2) says
///   -EAGAIN     too many jobs wait, or no OS thread can be had
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///
/// May switch. Any thread.
///
/// # Safety
/// `path` is NULL or NUL-terminated.
#[no_mangle]
pub unsafe extern "C" fn gt_mkdir(path: *const libc::c_char, mode: libc::mode_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_mkdir_until(path, mode, NEVER) }
}

/// As gt_mkdir(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
///
/// # Safety
/// As for gt_mkdir().
#[no_mangle]
pub unsafe extern "C" fn gt_mkdir_until(path: *const libc::c_char, mode: libc::mode_t, deadline: i64) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let path = unsafe { text(path)? };
        // SAFETY: called with a NUL-terminated path.
        file::on_path(Scheduler::current()?, path, deadline, move |path| unsafe { libc::mkdir(path, mode) }).map(|()| 0)
    })
}

/// Removes an empty directory: rmdir(2), by a job as gt_open().
///
/// Returns 0, or
///   -EINVAL     path is NULL, or ends in "."
///   -ENOTEMPTY, -ENOENT, -ENOTDIR, ...  what rmdir(2) says
///   -EAGAIN     too many jobs wait, or no OS thread can be had
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -ENOMEM
///
/// May switch. Any thread.
///
/// # Safety
/// `path` is NULL or NUL-terminated.
#[no_mangle]
pub unsafe extern "C" fn gt_rmdir(path: *const libc::c_char) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_rmdir_until(path, NEVER) }
}

/// As gt_rmdir(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: nothing is done.
///
/// # Safety
/// As for gt_rmdir().
#[no_mangle]
pub unsafe extern "C" fn gt_rmdir_until(path: *const libc::c_char, deadline: i64) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let path = unsafe { text(path)? };
        // SAFETY: called with a NUL-terminated path.
        file::on_path(Scheduler::current()?, path, deadline, |path| unsafe { libc::rmdir(path) }).map(|()| 0)
    })
}

/// The scheduler, if an offset or a length makes sense.
fn place(offset: i64) -> Result<&'static Scheduler> {
    if offset < 0 {
        return Err(invalid());
    }
    Scheduler::current()
}

/// # Safety
/// `st` is NULL or writable.
unsafe fn attributes(subject: Subject<'_>, st: *mut libc::stat, deadline: i64) -> Result<libc::c_int> {
    if st.is_null() {
        return Err(invalid());
    }
    let found = file::stat(Scheduler::current()?, subject, deadline)?;
    // SAFETY: not NULL, so writable by the caller.
    unsafe { *st = found };
    Ok(0)
}
