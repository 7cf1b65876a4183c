//! A C function on a pool thread.

use std::ffi::c_void;

use super::pool;
use crate::error::Result;
use crate::sched::Scheduler;

/// What C wants called.
pub type Function = unsafe extern "C" fn(arg: *mut c_void) -> i64;
/// What C wants called when the argument is needed no longer.
pub type Release = unsafe extern "C" fn(arg: *mut c_void);

/// An argument; released once, by the job's end or by the end of the call that never began it.
pub struct Argument {
    pointer: *mut c_void,
    release: Option<Release>,
}

// SAFETY: the caller of `gt_offload` says that the argument may be used on another thread (stated in the header).
unsafe impl Send for Argument {}

impl Argument {
    /// An argument that stays the caller's, or is released by `release`.
    pub fn new(pointer: *mut c_void, release: Option<Release>) -> Argument {
        Argument { pointer, release }
    }
}

impl Drop for Argument {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: by the caller of `gt_offload_owned`: callable once with its argument, on any thread.
            unsafe { release(self.pointer) };
        }
    }
}

/// Runs `function(argument)` on a pool thread while the task parks.
pub fn call(s: &'static Scheduler, function: Function, argument: Argument, deadline: i64) -> Result<i64> {
    pool::run(s, deadline, move || {
        let argument = argument;
        // SAFETY: by the caller of `gt_offload`: callable with its argument, on any thread.
        unsafe { function(argument.pointer) }
    })
}
