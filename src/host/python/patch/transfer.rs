//! Bytes into and out of descriptors of any kind: what `os` functions and `FileIO` have in common.
//!
//! Regular files, directories and disks are left to CPython's own functions: they never wait for somebody else. So are descriptors
//! in non-blocking mode where they would wait: the program asked for that answer.

//!
//! A terminal says that there is room when there is room for one byte, and takes no flag against blocking. What is written to one
//! goes through a thread of the runtime's pool.

use super::super::deliver;
use super::super::gt::{self, NEVER};
use super::seconds::from_now;
use super::time::{until_answered, Waited};
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;

/// A deadline in the past: try once.
const ONCE: i64 = 0;

/// Whether reads and writes of a descriptor may wait for somebody else, who may be another task.
pub fn may_wait(fd: c_int) -> bool {
    // SAFETY: an all-zero stat is one; the place outlives the call.
    unsafe {
        let mut facts: libc::stat = core::mem::zeroed();
        fd >= 0
            && libc::fstat(fd, &mut facts) == 0
            && !matches!(facts.st_mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK)
    }
}

/// Whether a descriptor is in non-blocking mode.
pub fn is_nonblocking(fd: c_int) -> bool {
    // SAFETY: asks for flags.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags >= 0 && flags & libc::O_NONBLOCK != 0
}

/// Which way the bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    In,
    Out,
}

/// Whether a descriptor was opened for that way; the other end of a pipe never becomes ready.
pub fn goes(fd: c_int, way: Way) -> bool {
    // SAFETY: asks for flags.
    let mode = unsafe { libc::fcntl(fd, libc::F_GETFL) } & libc::O_ACCMODE;
    mode != if way == Way::In { libc::O_WRONLY } else { libc::O_RDONLY }
}

/// One transfer: at once, or later unless the descriptor is in non-blocking mode; then `Done(-EAGAIN)`.
unsafe fn one(fd: c_int, way: Way, verb: &dyn Fn(i64) -> i64) -> Waited {
    // SAFETY: the caller's promise: GIL held, on a task.
    unsafe {
        match until_answered(|| verb(ONCE)) {
            Waited::TimedOut if !goes(fd, way) => Waited::Done(-i64::from(libc::EBADF)),
            Waited::TimedOut if is_nonblocking(fd) => Waited::Done(-i64::from(libc::EAGAIN)),
            Waited::TimedOut => until_answered(|| verb(NEVER)),
            other => other,
        }
    }
}

/// Reads what is there, waiting for the first byte.
///
/// # Safety
/// GIL held, on a task; room for `length` bytes. May switch.
pub unsafe fn read(fd: c_int, start: *mut u8, length: usize) -> Waited {
    // SAFETY: the caller's promise.
    unsafe { one(fd, Way::In, &|deadline| gt::gt_read_until(fd, start.cast(), length, deadline) as i64) }
}

/// As [`read`], into several rooms.
///
/// # Safety
/// As [`read`].
pub unsafe fn read_vectors(fd: c_int, rooms: &[libc::iovec]) -> Waited {
    let count = c_int::try_from(rooms.len()).unwrap_or(c_int::MAX);
    // SAFETY: the caller's promise.
    unsafe { one(fd, Way::In, &|deadline| gt::gt_readv_until(fd, rooms.as_ptr(), count, deadline) as i64) }
}

/// Whether writes to a descriptor may block although there is room.
fn is_terminal(fd: c_int) -> bool {
    // SAFETY: asks about a number.
    unsafe { libc::isatty(fd) == 1 && !is_nonblocking(fd) }
}

/// Bytes on their way to a terminal, and what became of them: [`NOT_BEGUN`], [`BEGUN`], or the result.
struct Parcel {
    fd: c_int,
    bytes: Vec<u8>,
    state: AtomicI64,
}

const NOT_BEGUN: i64 = i64::MIN;
const BEGUN: i64 = i64::MIN + 1;

unsafe extern "C" fn deliver_parcel(parcel: *mut c_void) -> i64 {
    // SAFETY: kept until `drop_parcel`; errno is this thread's.
    unsafe {
        let parcel = &*parcel.cast::<Parcel>();
        parcel.state.store(BEGUN, Ordering::Release);
        let result = match libc::write(parcel.fd, parcel.bytes.as_ptr().cast(), parcel.bytes.len()) {
            -1 => -i64::from(*libc::__errno_location()),
            sent => sent as i64,
        };
        parcel.state.store(result, Ordering::Release);
        result
    }
}

unsafe extern "C" fn drop_parcel(parcel: *mut c_void) {
    // SAFETY: the job's own count, given up once.
    drop(unsafe { Arc::from_raw(parcel.cast::<Parcel>()) });
}

/// write(2) on another thread. What a task that is interrupted has begun to write is written; a handler that returns does not
/// have it written twice.
unsafe fn to_terminal(fd: c_int, pieces: &[libc::iovec]) -> Waited {
    const SOON: i64 = 1_000_000;
    let mut bytes = Vec::new();
    for piece in pieces {
        // SAFETY: the caller's promise.
        bytes.extend_from_slice(unsafe { core::slice::from_raw_parts(piece.iov_base.cast::<u8>(), piece.iov_len) });
    }
    let parcel = Arc::new(Parcel { fd, bytes, state: AtomicI64::new(NOT_BEGUN) });
    loop {
        // SAFETY: GIL held by the caller; the job has a count of its own.
        unsafe {
            if parcel.state.load(Ordering::Acquire) == NOT_BEGUN {
                let job = Arc::into_raw(parcel.clone()).cast_mut().cast();
                let rc = gt::gt_offload_owned(Some(deliver_parcel), job, Some(drop_parcel));
                let ended = rc == -i64::from(libc::EINTR) || rc == -i64::from(libc::ECANCELED);
                if ended && deliver::raise_wake(rc as c_int) {
                    return Waited::Raised;
                }
            }
            match parcel.state.load(Ordering::Acquire) {
                NOT_BEGUN | BEGUN => {}
                result => return Waited::Done(result),
            }
            // The pool has no room, or a handler ran in the middle.
            let again = from_now(SOON);
            if until_answered(|| gt::gt_sleep_until(again).into()) == Waited::Raised {
                return Waited::Raised;
            }
        }
    }
}

/// Writes everything, as the kernel does on a descriptor in blocking mode; in non-blocking mode what there is room for.
///
/// # Safety
/// GIL held, on a task; readable for `length` bytes. May switch.
pub unsafe fn write(fd: c_int, start: *const u8, length: usize) -> Waited {
    let mut piece = [libc::iovec { iov_base: start.cast_mut().cast(), iov_len: length }];
    // SAFETY: the caller's promise.
    unsafe { write_vectors(fd, &mut piece) }
}

/// As [`write`], from several places.
///
/// # Safety
/// As [`write`].
pub unsafe fn write_vectors(fd: c_int, mut pieces: &mut [libc::iovec]) -> Waited {
    if is_terminal(fd) {
        // SAFETY: the caller's promise.
        return unsafe { to_terminal(fd, pieces) };
    }
    let mut total = 0;
    loop {
        let count = c_int::try_from(pieces.len()).unwrap_or(c_int::MAX);
        // SAFETY: the caller's promise.
        let waited = unsafe {
            match &*pieces {
                [piece] => one(fd, Way::Out, &|deadline| {
                    gt::gt_write_until(fd, piece.iov_base.cast_const(), piece.iov_len, deadline) as i64
                }),
                all => one(fd, Way::Out, &|deadline| gt::gt_writev_until(fd, all.as_ptr(), count, deadline) as i64),
            }
        };
        match waited {
            Waited::Done(sent) if sent > 0 => total += sent,
            Waited::Done(_) if total > 0 => return Waited::Done(total),
            other => return other,
        }
        let Waited::Done(mut sent) = waited else { return waited };
        while let [first, ..] = pieces {
            if (first.iov_len as i64) > sent {
                // SAFETY: within the piece.
                first.iov_base = unsafe { first.iov_base.cast::<u8>().add(sent as usize).cast() };
                first.iov_len -= sent as usize;
                break;
            }
            sent -= first.iov_len as i64;
            pieces = &mut pieces[1..];
        }
        if pieces.is_empty() {
            return Waited::Done(total);
        }
    }
}
