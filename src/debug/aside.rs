//! Work on an OS thread of its own while the calling thread waits: reading debug information takes more stack than a
//! task has.
//!
//! The caller stands still, so what belongs to its thread (its scheduler, its tasks' records and stacks) may be read by the
//! helper: starting and joining a thread order memory (pthread_create(3), pthread_join(3)).

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::error::{Error, Result};

const STACK: usize = 2 << 20;

struct Job<F, R> {
    work: Option<F>,
    result: Option<R>,
    thread: AtomicI32,
}

extern "C" fn run<F: FnOnce() -> R, R>(job: *mut c_void) -> *mut c_void {
    // SAFETY: `aside` hands its own job over and does not touch it until this thread has ended.
    let job = unsafe { &mut *job.cast::<Job<F, R>>() };
    // SAFETY: gettid has no preconditions.
    job.thread.store(unsafe { libc::gettid() }, Ordering::Relaxed);
    let work = job.work.take();
    job.result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work.map(|w| w()))).ok().flatten();
    std::ptr::null_mut()
}

/// Starts an OS thread of ours, to be joined: with the stack that reading debug information takes, and with all signals
/// blocked. Errors: -EAGAIN (no thread to be had), -ENOMEM.
///
/// # Safety
/// `arg` is what `entry` wants, and stays until the thread has ended.
pub unsafe fn start(entry: extern "C" fn(*mut c_void) -> *mut c_void, arg: *mut c_void) -> Result<libc::pthread_t> {
    // SAFETY: the attribute is initialised before it is used and destroyed after; the masks are written before they are
    // read; the handle is written when the thread was made.
    unsafe {
        let mut attr = MaybeUninit::<libc::pthread_attr_t>::uninit();
        match libc::pthread_attr_init(attr.as_mut_ptr()) {
            0 => {}
            e => return Err(Error::new(e)),
        }
        libc::pthread_attr_setstacksize(attr.as_mut_ptr(), STACK);
        let (mut all, mut old) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), old.as_mut_ptr());
        let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
        let made = libc::pthread_create(thread.as_mut_ptr(), attr.as_ptr(), entry, arg);
        libc::pthread_sigmask(libc::SIG_SETMASK, old.as_ptr(), std::ptr::null_mut());
        libc::pthread_attr_destroy(attr.as_mut_ptr());
        match made {
            0 => Ok(thread.assume_init()),
            e => Err(Error::new(e)),
        }
    }
}

/// Runs `work` on another OS thread, with all signals blocked there, and returns when it is done and the thread is gone.
/// Errors: as of [`start`], -ENOTRECOVERABLE (a panic).
pub fn aside<F: FnOnce() -> R, R>(work: F) -> Result<R> {
    let mut job = Job { work: Some(work), result: None, thread: AtomicI32::new(0) };
    // SAFETY: the job stays until the join.
    let joined = unsafe {
        let thread = start(run::<F, R>, (&raw mut job).cast::<c_void>())?;
        libc::pthread_join(thread, std::ptr::null_mut())
    };
    if joined != 0 {
        return Err(Error::new(joined));
    }
    wait_until_gone(job.thread.load(Ordering::Relaxed));
    job.result.take().ok_or(Error::new(libc::ENOTRECOVERABLE))
}

/// A joined thread stands in /proc for a moment more; who counts threads right after (the deadlock report) must not see
/// it.
fn wait_until_gone(thread: i32) {
    for _ in 0..100_000 {
        // SAFETY: signal 0 asks only.
        if unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, 0) } != 0 {
            return;
        }
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_done_when_it_returns_and_a_panic_is_an_error() {
        let mut count = 1;
        assert_eq!(aside(|| count += 1), Ok(()));
        assert_eq!(count, 2);
        assert_eq!(aside(|| -> i32 { panic!("on purpose") }), Err(Error::new(libc::ENOTRECOVERABLE)));
    }
}
