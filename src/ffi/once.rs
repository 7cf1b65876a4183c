//! Section: once.

use std::ffi::c_void;

use super::guard::{guard, invalid};
use crate::sched::Scheduler;
use crate::sync::once::Once;
use crate::sys::clock::NEVER;

/// Whether something that is to be done once was done; for tasks of one OS thread or of several. Begins as GT_ONCE_INIT, or all
/// zeroes; needs no end. Leave its members alone, and the struct where it is while a call is in it.
///
/// After a fork, a function that another task was running counts as not begun in the child.
#[repr(C)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_once_t {
    /// Zero at the beginning.
    pub state: i64,
    /// Zero at the beginning.
    pub reserved: [u64; 7],
}

const _: () = assert!(size_of::<Once>() <= size_of::<gt_once_t>() && align_of::<Once>() <= align_of::<gt_once_t>());

/// Calls `function(arg)` if no call for this `once` has done so yet; waits for it while another task does. When this returns 0,
/// the function has returned. A function that ends its task by gt_exit() has not returned: the next call runs it again.
///
/// Returns 0, or
///   -ECANCELED  the task was cancelled before the function was called
///   -EINTR      the task was interrupted before
///   -ETIMEDOUT  a deadline scope expired first
///   -EDEADLK    the function calls gt_once_do() for the same `once`, or nothing can ever wake the root task
///               (GT_DEADLOCK_ERROR)
///   -EINVAL     once or function is NULL
///   -ENOMEM     no memory to note what to do when the function ends its task; it was not called
///
/// May switch if the function does, or if it is being run. Any task, the root included, of any OS thread.
///
/// # Safety
/// `once` is NULL or points to one that began as said; `function` may be called with `arg`.
#[no_mangle]
pub unsafe extern "C" fn gt_once_do(
    once: *mut gt_once_t,
    function: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    arg: *mut c_void,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_once_do_until(once, function, arg, NEVER) }
}

/// As gt_once_do(), waiting for another task's call at most until `deadline` (absolute ns); then -ETIMEDOUT. The function itself
/// has no deadline.
///
/// # Safety
/// As for gt_once_do().
#[no_mangle]
pub unsafe extern "C" fn gt_once_do_until(
    once: *mut gt_once_t,
    function: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    arg: *mut c_void,
    deadline: i64,
) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller: of the right size and alignment, and valid from all zeroes on.
        let once = unsafe { once.cast::<Once>().as_ref() }.ok_or(invalid())?;
        let function = function.ok_or(invalid())?;
        if once.is_done() {
            return Scheduler::existing().map_or(Ok(()), |s| s.check()).map(|()| 0);
        }
        // SAFETY: by the caller.
        unsafe { once.run(Scheduler::current()?, function, arg, deadline) }.map(|()| 0)
    })
}
