//! Work on an OS thread of its own while the calling thread waits: reading debug information takes more stack than a
//! task has.
//!
//! The caller stands still, so what belongs to its thread (its scheduler, its tasks' records and stacks) may be read by the
//! helper: starting and joining a thread order memory (pthread_create(3), pthread_join(3)).

use std::ffi::c_void;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::error::{Error, Result};
use crate::sys::thread;

/// What reading debug information takes, with room.
pub const STACK: usize = 2 << 20;

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

/// Runs `work` on another OS thread, with all signals blocked there, and returns when it is done and the thread is gone.
/// Errors: -EAGAIN (no thread to be had), -ENOMEM, -ENOTRECOVERABLE (a panic).
pub fn aside<F: FnOnce() -> R, R>(work: F) -> Result<R> {
    let mut job = Job { work: Some(work), result: None, thread: AtomicI32::new(0) };
    let place = (&raw mut job).cast::<c_void>();
    // SAFETY: the job stays until the join.
    unsafe { thread::start(run::<F, R>, place, STACK, thread::End::Joined, thread::Signals::Blocked) }?.join();
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
