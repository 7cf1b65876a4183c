//! Once: the first caller runs a function, the others wait until it has returned.
//!
//! Lives in the caller's memory (`gt_once_t`): all zeroes is the beginning.

use crate::sys::atomic::{AtomicI64, Ordering};
use std::ffi::c_void;

use super::batch::{dismiss, Crowd};
use super::lock::Lock;
use super::queue::Waiter;
use crate::error::{Error, Result};
use crate::home;
use crate::sched::waits::Kind;
use crate::sched::Scheduler;

/// Nobody has begun.
const NEW: i64 = 0;
/// The function has returned.
const DONE: i64 = -1;

/// What [`Once`] calls.
pub type Function = unsafe extern "C" fn(*mut c_void);

/// Once.
#[repr(C)]
pub struct Once {
    /// NEW, DONE, or the id of the task that runs the function. Leaves DONE never; else changed under the lock.
    state: AtomicI64,
    crowd: Lock<Crowd>,
}

impl Once {
    /// Whether the function has returned.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.state.load(Ordering::Acquire) == DONE
    }

    /// Runs the function, or waits at most until `deadline` for the task that does. -EDEADLK: that is this one.
    ///
    /// # Safety
    /// `function` may be called with `arg`, and `self` stays where it is.
    #[cold]
    pub unsafe fn run(&self, s: &'static Scheduler, function: Function, arg: *mut c_void, deadline: i64) -> Result<()> {
        s.check()?;
        loop {
            let waiter = Waiter::new(s, 0);
            {
                let mut crowd = self.crowd.lock();
                match self.state.load(Ordering::Acquire) {
                    DONE => return Ok(()),
                    runner if runner == s.my_id() => return Err(Error::new(libc::EDEADLK)),
                    // The task that ran it is no more: its OS thread has ended, or it stayed behind in a fork.
                    runner if runner == NEW || !home::is_alive(runner) => {
                        self.state.store(s.my_id(), Ordering::Relaxed);
                        drop(crowd);
                        // SAFETY: by the caller.
                        return unsafe { self.run_here(s, function, arg) };
                    }
                    // SAFETY: `wait` returns only when the waiter is unlinked.
                    _ => unsafe { crowd.join(&waiter) },
                }
            }
            let leave = || {
                self.crowd.lock().waiters.remove(&waiter);
            };
            s.waits_on(Kind::Once, std::ptr::from_ref(self) as usize);
            waiter.wait(s, deadline, leave)?;
        }
    }

    /// # Safety
    /// As for [`Once::run`].
    unsafe fn run_here(&self, s: &'static Scheduler, function: Function, arg: *mut c_void) -> Result<()> {
        // For a function that ends its task (gt_exit): the next one runs it anew.
        let pushed = s.cleanup_push(abandoned, std::ptr::from_ref(self).cast_mut().cast());
        if let Err(e) = pushed {
            self.end(NEW);
            return Err(e);
        }
        // SAFETY: by the caller.
        unsafe { function(arg) };
        let popped = s.cleanup_pop();
        self.end(DONE);
        popped.map(drop)
    }

    fn end(&self, state: i64) {
        let end = || {
            self.state.store(state, Ordering::Release);
            true
        };
        dismiss(&self.crowd, end, || ());
    }
}

unsafe extern "C" fn abandoned(once: *mut c_void) {
    // SAFETY: the Once that pushed this handler; it stays where it is while its function runs.
    unsafe { &*once.cast::<Once>() }.end(NEW);
}
