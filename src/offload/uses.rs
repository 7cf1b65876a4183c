//! Which numbers of descriptors jobs use, so that none of them ends up in another file.
//!
//! A job whose waiter was cancelled runs on, and may come to its system call at any later time. Were its descriptor closed and
//! the number given to another file by then, the job would write there. So a job counts itself in at the number it uses, and
//! [`close`] closes such a number in two steps: it is made to stand for a *tombstone*, an O_PATH descriptor, which refuses
//! reads and writes with EBADF; that closes the file. The last job to leave closes the tombstone, and only then is the
//! number given again. A copy of the descriptor for each job would do as well, but closing one drops the process's
//! fcntl(2) locks on the file. What foreign code closes by close(2) is not seen here: the header says so.
//!
//! Invariants:
//! N1  The word of a number is a count of uses, and CLOSED. Chunks of words are never freed.
//! N2  A number whose word says CLOSED is open, for this room alone: who brings the count to 0 takes CLOSED away by one
//!     exchange, and closes it.

use std::ptr;

use crate::error::{Error, Result};
use crate::sys::atomic::{AtomicPtr, AtomicU32, Ordering};
use crate::sys::{self, check};

/// Numbers in a chunk, and chunks.
const CHUNK: usize = 4096;
const CHUNKS: usize = 1024;
/// The descriptor was closed; its jobs have not ended.
const CLOSED: u32 = 1 << 31;

static TABLE: [AtomicPtr<AtomicU32>; CHUNKS] = [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS];

/// One job's use of a descriptor.
#[derive(Debug)]
pub struct Use {
    fd: i32,
    word: &'static AtomicU32,
}

impl Use {
    /// Any thread: counts a job in. -EBADF: no such number, or it was closed. -ENOMEM.
    pub fn new(fd: i32) -> Result<Use> {
        let word = match word(fd)? {
            Some(word) => word,
            None => grow(fd)?,
        };
        let before = word.fetch_add(1, Ordering::AcqRel);
        let taken = Use { fd, word }; // counted out again by dropping it
        if before & CLOSED != 0 {
            return Err(Error::new(libc::EBADF));
        }
        Ok(taken)
    }

    /// The number.
    pub fn fd(&self) -> i32 {
        self.fd
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let last = self.word.fetch_sub(1, Ordering::AcqRel) == CLOSED + 1;
        if last && self.word.compare_exchange(CLOSED, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            let _ = sys::fd::close(self.fd); // N2
        }
    }
}

/// Any thread: closes a descriptor for its owner, whoever still uses it.
pub fn close(fd: i32) -> Result<()> {
    match word(fd)? {
        Some(word) if word.load(Ordering::Acquire) != 0 => close_used(fd),
        _ => sys::fd::close(fd),
    }
}

#[cold]
fn close_used(fd: i32) -> Result<()> {
    // As one that uses it: nobody closes the number in between.
    let mine = Use::new(fd)?;
    sys::fd::check_open(fd)?;
    if mine.word.fetch_or(CLOSED, Ordering::AcqRel) & CLOSED != 0 {
        return Err(Error::new(libc::EBADF));
    }
    // Without a tombstone (no descriptors left) the file stays open until its last job has ended.
    if let Ok(tombstone) = tombstone() {
        let _ = sys::fd::replace(fd, tombstone);
        let _ = sys::fd::close(tombstone);
    }
    Ok(())
}

fn tombstone() -> Result<i32> {
    // SAFETY: the path is NUL-terminated.
    check(unsafe { libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC) } as isize).map(|fd| fd as i32)
}

/// The word of a number, if its chunk is there. -EBADF: no descriptor has that number.
#[inline]
fn word(fd: i32) -> Result<Option<&'static AtomicU32>> {
    let at = usize::try_from(fd).map_err(|_| Error::new(libc::EBADF))?;
    let chunk = TABLE.get(at / CHUNK).ok_or(Error::new(libc::EBADF))?.load(Ordering::Acquire);
    // SAFETY: N1.
    Ok((!chunk.is_null()).then(|| unsafe { &*chunk.add(at % CHUNK) }))
}

/// The word of a number whose chunk is not there yet.
#[cold]
fn grow(fd: i32) -> Result<&'static AtomicU32> {
    let mut words: Vec<AtomicU32> = Vec::new();
    words.try_reserve_exact(CHUNK).map_err(|_| Error::new(libc::ENOMEM))?;
    words.resize_with(CHUNK, || AtomicU32::new(0));
    let words = Box::into_raw(words.into_boxed_slice());
    let place = &TABLE[fd as usize / CHUNK];
    if place.compare_exchange(ptr::null_mut(), words.cast(), Ordering::AcqRel, Ordering::Relaxed).is_err() {
        // SAFETY: made above, and nobody else knows it.
        drop(unsafe { Box::from_raw(words) });
    }
    word(fd)?.ok_or(Error::new(libc::ENOMEM))
}

/// Forked child: the jobs are the parent's.
pub(super) fn after_fork_in_child() {
    for (i, place) in TABLE.iter().enumerate() {
        let chunk = place.load(Ordering::Relaxed);
        for at in (0..CHUNK).filter(|_| !chunk.is_null()) {
            // SAFETY: N1.
            let word = unsafe { &*chunk.add(at) };
            if word.swap(0, Ordering::Relaxed) & CLOSED != 0 {
                let _ = sys::fd::close((i * CHUNK + at) as i32);
            }
        }
    }
}
