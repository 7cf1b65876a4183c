//! Files: the calls that may wait for a disk or a server, on pool threads.
//!
//! What a job touches is its own: it has copies of paths, and reads into and writes from a [`Buffer`] that it owns, since the
//! caller's memory may be gone when a cancelled waiter has left. So bytes go through pieces of at most [`PIECE`], one copy more
//! than by pread(2), and no more than one piece of memory for each waiting task. Before that, a transfer is tried on the
//! calling thread, straight from or to the caller's memory, with RWF_NOWAIT (readv(2)): what the page cache has costs one
//! system call. docs/decisions/0037-files.md has the figures.

use std::alloc::Layout;
use std::ffi::CStr;
use std::ptr::NonNull;

use super::uses::Use;
use super::{copied, pool};
use crate::error::{Error, Result};
use crate::sched::Scheduler;
use crate::sys::sync::Mutex;
use crate::sys::{self, check};

/// Bytes moved by one job, or by one system call on the calling thread.
pub const PIECE: usize = 256 << 10;
/// So many bytes weigh as much as one other operation that succeeds at once.
const PER_OPERATION: usize = 16 << 10;
/// A buffer of more than this is kept for the next one, and how many are: fresh memory of that size costs page faults,
/// which take longer than the copy.
const LARGE: usize = 64 << 10;
const KEPT: usize = 4;
/// Where direct transfers (O_DIRECT) want their memory to begin, and the unit of their lengths, at least.
const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// Memory of a job.
struct Buffer {
    memory: NonNull<u8>,
    layout: Layout,
}

// SAFETY: plain memory that belongs to whoever holds it.
unsafe impl Send for Buffer {}

impl Buffer {
    /// For `len` bytes, at most a piece, aligned for direct transfers if the length may be one of theirs. -ENOMEM.
    fn new(len: usize) -> Result<Buffer> {
        let mut len = len;
        if len > LARGE {
            if let Some(kept) = SPARE.try_lock().ok().and_then(|mut spare| spare.iter_mut().find_map(Option::take)) {
                return Ok(kept);
            }
            len = PIECE;
        }
        let align = if len % SECTOR == 0 { PAGE } else { 16 };
        let layout = Layout::from_size_align(len.max(1), align).map_err(|_| Error::new(libc::ENOMEM))?;
        // SAFETY: the layout is not empty.
        let memory = NonNull::new(unsafe { std::alloc::alloc(layout) }).ok_or(Error::new(libc::ENOMEM))?;
        Ok(Buffer { memory, layout })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.layout.size() == PIECE {
            // A lock that is taken, or that a forked child has inherited so, is no reason to wait.
            if let Ok(mut spare) = SPARE.try_lock() {
                if let Some(place) = spare.iter_mut().find(|place| place.is_none()) {
                    *place = Some(Buffer { ..*self });
                    return;
                }
            }
        }
        // SAFETY: allocated by `new` with that layout, and not kept.
        unsafe { std::alloc::dealloc(self.memory.as_ptr(), self.layout) };
    }
}

static SPARE: Mutex<[Option<Buffer>; KEPT]> = Mutex::new([const { None }; KEPT]);

/// A descriptor that nobody has taken yet: the waiter of the job that opened it may be gone.
struct Opened(i32);

impl Drop for Opened {
    fn drop(&mut self) {
        let _ = sys::fd::close(self.0);
    }
}

/// A system call, again when a signal interrupted it.
fn again(call: impl Fn() -> isize) -> Result<usize> {
    loop {
        match check(call()) {
            Err(e) if e.errno() == libc::EINTR => continue,
            other => return other,
        }
    }
}

/// open(2) with O_CLOEXEC. A descriptor that comes when the waiter has left is closed.
pub fn open(s: &'static Scheduler, path: &CStr, flags: i32, mode: libc::mode_t, deadline: i64) -> Result<i32> {
    let path = copied(path)?;
    let opened = pool::run(s, deadline, move || {
        // SAFETY: the path is NUL-terminated.
        again(|| unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, mode) } as isize)
            .map(|fd| Opened(fd as i32))
    })??;
    let fd = opened.0;
    std::mem::forget(opened);
    Ok(fd)
}

/// A call on one path.
pub fn on_path(
    s: &'static Scheduler,
    path: &CStr,
    deadline: i64,
    call: impl Fn(*const libc::c_char) -> i32 + Send + 'static,
) -> Result<()> {
    let path = copied(path)?;
    pool::run(s, deadline, move || again(|| call(path.as_ptr()) as isize))?.map(drop)
}

/// rename(2).
pub fn rename(s: &'static Scheduler, from: &CStr, to: &CStr, deadline: i64) -> Result<()> {
    let (from, to) = (copied(from)?, copied(to)?);
    // SAFETY: both are NUL-terminated.
    pool::run(s, deadline, move || again(|| unsafe { libc::rename(from.as_ptr(), to.as_ptr()) } as isize))?.map(drop)
}

/// A call on one descriptor.
pub fn on_descriptor(
    s: &'static Scheduler,
    fd: i32,
    deadline: i64,
    call: impl Fn(i32) -> i32 + Send + 'static,
) -> Result<()> {
    let used = Use::new(fd)?;
    pool::run(s, deadline, move || again(|| call(used.fd()) as isize))?.map(drop)
}

/// Whose attributes are asked for.
pub enum Subject<'a> {
    /// What a path leads to: stat(2).
    Path(&'a CStr),
    /// What a path names, if it is a symbolic link the link: lstat(2).
    Link(&'a CStr),
    /// An open file: fstat(2).
    Open(i32),
}

/// stat(2) and its family.
pub fn stat(s: &'static Scheduler, subject: Subject<'_>, deadline: i64) -> Result<libc::stat> {
    // SAFETY: a stat of all zeroes is a valid value.
    let zeroed = || unsafe { std::mem::zeroed::<libc::stat>() };
    match subject {
        Subject::Open(fd) => {
            let used = Use::new(fd)?;
            pool::run(s, deadline, move || {
                let mut stat = zeroed();
                // SAFETY: a valid place.
                check(unsafe { libc::fstat(used.fd(), &mut stat) } as isize).map(|_| stat)
            })?
        }
        Subject::Path(path) | Subject::Link(path) => {
            let flags = if matches!(subject, Subject::Link(_)) { libc::AT_SYMLINK_NOFOLLOW } else { 0 };
            let path = copied(path)?;
            pool::run(s, deadline, move || {
                let mut stat = zeroed();
                // SAFETY: the path is NUL-terminated, the place valid.
                check(unsafe { libc::fstatat(libc::AT_FDCWD, path.as_ptr(), &mut stat, flags) } as isize).map(|_| stat)
            })?
        }
    }
}

/// Has a job read what comes next at a file's own position, so that the page cache has it, up to a piece. Where no job can be had
/// the read that follows waits on its thread.
#[cold]
pub fn fetch(s: &'static Scheduler, fd: i32, deadline: i64) -> Result<()> {
    let (Ok(used), Ok(buffer)) = (Use::new(fd), Buffer::new(PIECE)) else { return Ok(()) };
    let read = pool::run(s, deadline, move || {
        let (buffer, place) = (buffer, used.fd());
        // SAFETY: lseek takes no pointers; the buffer is the job's own, and has room for a piece.
        unsafe {
            let at = libc::lseek64(place, 0, libc::SEEK_CUR);
            libc::pread64(place, buffer.memory.as_ptr().cast(), PIECE, at);
        }
    });
    match read {
        Err(e) if !matches!(e.errno(), libc::EAGAIN | libc::ENOMEM | libc::ENOTRECOVERABLE) => Err(e),
        _ => Ok(()),
    }
}

/// Which way the bytes of a transfer go.
enum Way {
    Read(*mut u8),
    Write(*const u8),
}

/// Reads `len` bytes at `offset`, fewer only at the end of the file, or when something ended it after some.
///
/// # Safety
/// `buf` is writable for `len` bytes.
pub unsafe fn pread(
    s: &'static Scheduler,
    fd: i32,
    buf: *mut u8,
    len: usize,
    offset: i64,
    deadline: i64,
) -> Result<usize> {
    // SAFETY: by the caller.
    unsafe { transfer(s, fd, Way::Read(buf), len, offset, deadline) }
}

/// Writes `len` bytes at `offset`, fewer only when something ended it after some.
///
/// # Safety
/// `buf` is readable for `len` bytes.
pub unsafe fn pwrite(
    s: &'static Scheduler,
    fd: i32,
    buf: *const u8,
    len: usize,
    offset: i64,
    deadline: i64,
) -> Result<usize> {
    // SAFETY: by the caller.
    unsafe { transfer(s, fd, Way::Write(buf), len, offset, deadline) }
}

/// # Safety
/// The memory of `way` is valid for `len` bytes.
unsafe fn transfer(s: &'static Scheduler, fd: i32, way: Way, len: usize, offset: i64, deadline: i64) -> Result<usize> {
    let delivered = s.delivered_interrupts();
    let mut buffer = None;
    let mut at_once = may_try(fd, &way);
    let mut done = 0;
    loop {
        let piece = (len - done).min(PIECE);
        let at = offset.saturating_add(done as i64);
        let moved = s.check().and_then(|()| {
            if at_once {
                // SAFETY: by the caller; the piece lies within.
                match unsafe { try_now(fd, &way, done, piece, at) } {
                    Tried::Done(result) => return result,
                    Tried::WouldWait => {}
                    Tried::Unknown => at_once = false,
                }
            }
            // SAFETY: as above.
            unsafe { by_job(s, fd, &way, done, piece, at, &mut buffer, deadline) }
        });
        match moved {
            Ok(n) => {
                done += n;
                if n == 0 || done == len {
                    s.charge();
                    return Ok(done);
                }
                s.charge_more((n / PER_OPERATION) as u32);
            }
            Err(e) if done == 0 => return Err(e),
            // What was moved wins. An error of the file is met again by the next call, an interrupt stays to be delivered.
            Err(_) => {
                s.keep_interrupts(delivered);
                return Ok(done);
            }
        }
    }
}

/// Whether RWF_NOWAIT keeps a transfer from waiting. Not so for writes that wait for the disk (O_SYNC, O_DSYNC).
fn may_try(fd: i32, way: &Way) -> bool {
    match way {
        Way::Read(_) => true,
        Way::Write(_) => sys::fd::flags(fd).is_ok_and(|flags| flags & (libc::O_SYNC | libc::O_DSYNC) == 0),
    }
}

/// What came of a transfer on the calling thread.
enum Tried {
    Done(Result<usize>),
    /// It would have to wait.
    WouldWait,
    /// Neither file nor kernel can be asked not to wait.
    Unknown,
}

/// # Safety
/// The memory of `way` is valid for `done + piece` bytes.
unsafe fn try_now(fd: i32, way: &Way, done: usize, piece: usize, at: i64) -> Tried {
    // SAFETY: by the caller.
    let result = again(|| unsafe {
        match way {
            Way::Read(buf) => {
                let iov = libc::iovec { iov_base: buf.add(done).cast(), iov_len: piece };
                libc::preadv2(fd, &iov, 1, at, libc::RWF_NOWAIT)
            }
            Way::Write(buf) => {
                let iov = libc::iovec { iov_base: buf.add(done).cast_mut().cast(), iov_len: piece };
                libc::pwritev2(fd, &iov, 1, at, libc::RWF_NOWAIT)
            }
        }
    });
    match result.map_err(Error::errno) {
        Err(libc::EAGAIN) => Tried::WouldWait,
        // EPERM: sandboxes say so of calls that they do not know.
        Err(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL | libc::EPERM) => Tried::Unknown,
        other => Tried::Done(other.map_err(Error::new)),
    }
}

/// # Safety
/// As for [`try_now`].
#[allow(clippy::too_many_arguments, reason = "a step of `transfer`, with what that knows")]
unsafe fn by_job(
    s: &'static Scheduler,
    fd: i32,
    way: &Way,
    done: usize,
    piece: usize,
    at: i64,
    kept: &mut Option<Buffer>,
    deadline: i64,
) -> Result<usize> {
    let used = Use::new(fd)?;
    let buffer = match kept.take() {
        Some(buffer) => buffer,
        None => Buffer::new(piece)?, // the first piece is the longest
    };
    let reads = match way {
        Way::Read(_) => true,
        Way::Write(buf) => {
            // SAFETY: by the caller; the buffer has room for a piece.
            unsafe { buf.add(done).copy_to_nonoverlapping(buffer.memory.as_ptr(), piece) };
            false
        }
    };
    let (buffer, moved) = pool::run(s, deadline, move || {
        let (buffer, place) = (buffer, used.fd());
        // SAFETY: the buffer is the job's own, and has room for a piece.
        let moved = again(|| unsafe {
            match reads {
                true => libc::pread64(place, buffer.memory.as_ptr().cast(), piece, at),
                false => libc::pwrite64(place, buffer.memory.as_ptr().cast(), piece, at),
            }
        });
        drop(used);
        (buffer, moved)
    })?;
    let moved = moved?;
    if let Way::Read(buf) = way {
        // SAFETY: by the caller; the job has filled so much.
        unsafe { buf.add(done).copy_from_nonoverlapping(buffer.memory.as_ptr(), moved) };
    }
    *kept = Some(buffer);
    Ok(moved)
}
