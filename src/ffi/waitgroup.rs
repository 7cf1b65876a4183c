//! Section: wait groups.

use super::guard::{guard, made};
use crate::error::Result;
use crate::sched::Scheduler;
use crate::sync::object::{Kind, Object};
use crate::sync::waitgroup::WaitGroup;
use crate::sys::clock::NEVER;

/// A wait group: a count of what is to be done, and tasks that wait until it is 0, of one OS thread or of several. It may be
/// used again as soon as it is 0. After a fork the child has its count and no waiters.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_waitgroup_t {
    _object: Object<WaitGroup>,
}

/// # Safety
/// As for [`Object::get`].
#[inline(always)]
unsafe fn of<'a>(waitgroup: *mut gt_waitgroup_t) -> Result<&'a WaitGroup> {
    // SAFETY: by the caller.
    unsafe { Object::get(waitgroup.cast::<Object<WaitGroup>>(), Kind::WaitGroup) }
}

/// Makes a wait group with the count 0.
///
/// Returns NULL with errno ENOMEM when memory is out. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_waitgroup_new() -> *mut gt_waitgroup_t {
    made(|| Object::new(Kind::WaitGroup, WaitGroup::default()).map(|w| w.cast()))
}

/// Frees a wait group; NULL is fine.
///
/// Returns 0, or
///   -EBUSY   a task waits for it; nothing was freed
///   -EINVAL  waitgroup was freed before, or is no wait group
///
/// Any thread; does not switch. Nobody else may use it at the same time.
///
/// # Safety
/// `waitgroup` is NULL or from gt_waitgroup_new().
#[no_mangle]
pub unsafe extern "C" fn gt_waitgroup_free(waitgroup: *mut gt_waitgroup_t) -> libc::c_int {
    guard(|| {
        if waitgroup.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        unsafe { of(waitgroup)?.may_free()? };
        // SAFETY: by the caller.
        unsafe { Object::free(waitgroup.cast::<Object<WaitGroup>>(), Kind::WaitGroup).map(|()| 0) }
    })
}

/// Adds `n` to the count; a negative `n` takes away. When the count becomes 0, all tasks that wait are woken. Add before the
/// work begins, not in it: a wait that finds 0 does not wait.
///
/// Returns 0, or
///   -EINVAL     the count would be below 0, nothing was changed; or waitgroup is NULL, was freed, or is no wait group
///   -EOVERFLOW  the count would be more than INT64_MAX; nothing was changed
///
/// Any thread, also one without tasks; does not switch. Not for signal handlers.
///
/// # Safety
/// `waitgroup` is NULL or from gt_waitgroup_new().
#[no_mangle]
pub unsafe extern "C" fn gt_waitgroup_add(waitgroup: *mut gt_waitgroup_t, n: i64) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        unsafe { of(waitgroup) }?.add(n).map(|()| 0)
    })
}

/// gt_waitgroup_add(waitgroup, -1).
///
/// # Safety
/// `waitgroup` is NULL or from gt_waitgroup_new().
#[no_mangle]
pub unsafe extern "C" fn gt_waitgroup_done(waitgroup: *mut gt_waitgroup_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_waitgroup_add(waitgroup, -1) }
}

/// Waits until the count is 0.
///
/// Returns 0, or
///   -ECANCELED  the task was cancelled
///   -EINTR      the task was interrupted
///   -ETIMEDOUT  a deadline scope expired first
///   -EDEADLK    nothing can ever wake the root task (GT_DEADLOCK_ERROR)
///   -EINVAL     waitgroup is NULL, was freed, or is no wait group
///   -ENOMEM     the OS thread's first call found no memory for a scheduler
///
/// May switch. Any task, the root included, of any OS thread.
///
/// # Safety
/// `waitgroup` is NULL or from gt_waitgroup_new().
#[no_mangle]
pub unsafe extern "C" fn gt_waitgroup_wait(waitgroup: *mut gt_waitgroup_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_waitgroup_wait_until(waitgroup, NEVER) }
}

/// As gt_waitgroup_wait(), at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: look once.
///
/// # Safety
/// `waitgroup` is NULL or from gt_waitgroup_new().
#[no_mangle]
pub unsafe extern "C" fn gt_waitgroup_wait_until(waitgroup: *mut gt_waitgroup_t, deadline: i64) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let waitgroup = unsafe { of(waitgroup) }?;
        let s = Scheduler::current()?;
        s.check()?;
        if !waitgroup.is_done() {
            waitgroup.wait(s, deadline)?;
        }
        Ok(0)
    })
}
