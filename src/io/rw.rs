//! read, write and their vector forms, on any descriptor.
//!
//! A foreign descriptor may be in blocking mode, and a write that poll(2) allows may still block when it is large. So
//! reads and writes go through preadv2/pwritev2 with RWF_NOWAIT (readv(2)), which pipes and sockets understand; of what does not
//! (terminals, everything on old kernels) poll(2) is asked first, and it is written to in pieces that poll(2) promises room for.

use super::{until_ready, Dir, Manner, Mode, Moved};
use crate::error::{Error, Result};
use crate::offload::file::PIECE;
use crate::sched::Scheduler;
use crate::sys::check;
use crate::sys::fd::{flags, kind, poll_now};

/// What poll(2)'s POLLOUT promises room for on a pipe (pipe(7)).
const PROMISED: usize = libc::PIPE_BUF;

/// read(2). A short read counts as drained on plain TCP only; pipes and terminals keep boundaries.
///
/// # Safety
/// `buf` is writable for `len` bytes.
pub unsafe fn read(s: &'static Scheduler, fd: i32, buf: *mut u8, len: usize, deadline: i64) -> Result<usize> {
    until_ready(s, fd, Dir::Read, deadline, manner(len), |mode| {
        let iov = libc::iovec { iov_base: buf.cast(), iov_len: len };
        let n = match mode {
            // Of a regular file no more than was fetched for it.
            // SAFETY: by the caller.
            Mode::Plain => check(unsafe { libc::read(fd, buf.cast(), len.min(PIECE)) })?,
            // SAFETY: by the caller.
            Mode::Owned | Mode::Foreign => unsafe { read_nowait(fd, &iov, 1, mode)? },
        };
        Ok((n, Moved::of(n, len, true)))
    })
}

/// write(2). A pipe or socket without a reader raises SIGPIPE as write(2) does, unless the program ignores it.
///
/// # Safety
/// `buf` is readable for `len` bytes.
pub unsafe fn write(s: &'static Scheduler, fd: i32, buf: *const u8, len: usize, deadline: i64) -> Result<usize> {
    until_ready(s, fd, Dir::Write, deadline, manner(len), |mode| {
        let iov = libc::iovec { iov_base: buf.cast_mut().cast(), iov_len: len };
        let n = match mode {
            // SAFETY: by the caller.
            Mode::Plain => check(unsafe { libc::write(fd, buf.cast(), len) })?,
            // SAFETY: by the caller.
            Mode::Owned | Mode::Foreign => unsafe { write_nowait(fd, &iov, 1, mode)? },
        };
        Ok((n, Moved::of(n, len, true)))
    })
}

/// readv(2).
///
/// # Safety
/// `iov` holds `count` valid vectors.
pub unsafe fn readv(
    s: &'static Scheduler,
    fd: i32,
    iov: *const libc::iovec,
    count: i32,
    deadline: i64,
) -> Result<usize> {
    // SAFETY: by the caller.
    until_ready(s, fd, Dir::Read, deadline, unsafe { vectors_manner(iov, count) }, |mode| {
        let n = match mode {
            // SAFETY: by the caller.
            Mode::Plain => check(unsafe { libc::readv(fd, iov, count) })?,
            // SAFETY: by the caller.
            Mode::Owned | Mode::Foreign => unsafe { read_nowait(fd, iov, count, mode)? },
        };
        Ok((n, Moved::All))
    })
}

/// writev(2).
///
/// # Safety
/// `iov` holds `count` valid vectors.
pub unsafe fn writev(
    s: &'static Scheduler,
    fd: i32,
    iov: *const libc::iovec,
    count: i32,
    deadline: i64,
) -> Result<usize> {
    // SAFETY: by the caller.
    until_ready(s, fd, Dir::Write, deadline, unsafe { vectors_manner(iov, count) }, |mode| {
        let n = match mode {
            // SAFETY: by the caller.
            Mode::Plain => check(unsafe { libc::writev(fd, iov, count) })?,
            // SAFETY: by the caller.
            Mode::Owned | Mode::Foreign => unsafe { write_nowait(fd, iov, count, mode)? },
        };
        Ok((n, Moved::All))
    })
}

/// A transfer of nothing does not wait, and reports what is wrong with the descriptor (read(2)).
fn manner(len: usize) -> Manner {
    if len == 0 {
        Manner::Try
    } else {
        Manner::Flag
    }
}

/// # Safety
/// `iov` holds `count` valid vectors.
unsafe fn vectors_manner(iov: *const libc::iovec, count: i32) -> Manner {
    if count <= 0 {
        return Manner::Try;
    }
    // SAFETY: by the caller.
    let all = unsafe { std::slice::from_raw_parts(iov, count as usize) };
    manner(all.iter().map(|v| v.iov_len).fold(0, usize::saturating_add))
}

/// Whether the kernel or the file does not know RWF_NOWAIT.
fn unknown(e: Error) -> bool {
    matches!(e.errno(), libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL)
}

/// Before a call without the flag: -EAGAIN where it would wait for another, on a descriptor whose flags are not ours.
#[cold]
fn ask(fd: i32, dir: Dir, mode: Mode) -> Result<()> {
    if mode != Mode::Foreign || poll_now(fd, dir.event() as i16)? != 0 {
        return Ok(());
    }
    // Of the wrong end poll(2) would never say anything; the call says what is wrong.
    let wrong = if dir == Dir::Read { libc::O_WRONLY } else { libc::O_RDONLY };
    match flags(fd)? & libc::O_ACCMODE == wrong {
        true => Ok(()),
        false => Err(Error::new(libc::EAGAIN)),
    }
}

#[cold]
fn is_regular(fd: i32) -> bool {
    kind(fd) == Ok(libc::S_IFREG)
}

/// # Safety
/// `iov` holds `count` valid vectors.
unsafe fn read_nowait(fd: i32, iov: *const libc::iovec, count: i32, mode: Mode) -> Result<usize> {
    // SAFETY: by the caller; offset -1 is the descriptor's own position.
    match check(unsafe { libc::preadv2(fd, iov, count, -1, libc::RWF_NOWAIT) }) {
        Err(e) if unknown(e) => {
            ask(fd, Dir::Read, mode)?;
            // poll(2) has said that there is something, or O_NONBLOCK keeps the call from waiting.
            // SAFETY: by the caller.
            check(unsafe { libc::readv(fd, iov, count) })
        }
        other => other,
    }
}

/// # Safety
/// `iov` holds `count` valid vectors.
unsafe fn write_nowait(fd: i32, iov: *const libc::iovec, count: i32, mode: Mode) -> Result<usize> {
    // SAFETY: by the caller.
    match check(unsafe { libc::pwritev2(fd, iov, count, -1, libc::RWF_NOWAIT) }) {
        // No promise is needed where nobody waits for another: ext4 knows RWF_NOWAIT for reads only.
        // SAFETY: by the caller.
        Err(e) if unknown(e) && is_regular(fd) => check(unsafe { libc::writev(fd, iov, count) }),
        Err(e) if unknown(e) && count > 0 => {
            ask(fd, Dir::Write, mode)?;
            // SAFETY: the first vector that is not empty, or the first.
            let first = unsafe {
                let all = std::slice::from_raw_parts(iov, count as usize);
                all.iter().find(|v| v.iov_len > 0).unwrap_or(&all[0])
            };
            // SAFETY: a piece of a valid vector.
            check(unsafe { libc::write(fd, first.iov_base, first.iov_len.min(PROMISED)) })
        }
        other => other,
    }
}
