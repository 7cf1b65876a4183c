//! Section: barriers.

use super::guard::{guard, made};
use crate::error::Result;
use crate::sched::Scheduler;
use crate::sync::barrier::Barrier;
use crate::sync::object::{Kind, Object};
use crate::sys::clock::NEVER;

/// A barrier: a fixed number of tasks wait for each other, round after round. For tasks of one OS thread or of several. After
/// a fork nobody has come yet in the child.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_barrier_t {
    _object: Object<Barrier>,
}

/// # Safety
/// As for [`Object::get`].
#[inline(always)]
unsafe fn of<'a>(barrier: *mut gt_barrier_t) -> Result<&'a Barrier> {
    // SAFETY: by the caller.
    unsafe { Object::get(barrier.cast::<Object<Barrier>>(), Kind::Barrier) }
}

/// Makes a barrier for `count` tasks.
///
/// Returns NULL with errno EINVAL (count is 0) or ENOMEM. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_barrier_new(count: u32) -> *mut gt_barrier_t {
    made(|| Object::new(Kind::Barrier, Barrier::new(count)?).map(|b| b.cast()))
}

/// Frees a barrier; NULL is fine.
///
/// Returns 0, or
///   -EBUSY   a task waits at it; nothing was freed
///   -EINVAL  barrier was freed before, or is no barrier
///
/// Any thread; does not switch. Nobody else may use it at the same time.
///
/// # Safety
/// `barrier` is NULL or from gt_barrier_new().
#[no_mangle]
pub unsafe extern "C" fn gt_barrier_free(barrier: *mut gt_barrier_t) -> libc::c_int {
    guard(|| {
        if barrier.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        unsafe { of(barrier)?.may_free()? };
        // SAFETY: by the caller.
        unsafe { Object::free(barrier.cast::<Object<Barrier>>(), Kind::Barrier).map(|()| 0) }
    })
}

/// Waits until as many tasks have come as the barrier counts; then all of them go on, and the next round begins.
///
/// Returns 1 for the task that came last, 0 for the others, or
///   -ECANCELED  the task was cancelled
///   -EINTR      the task was interrupted
///   -ETIMEDOUT  a deadline scope expired first
///   -EDEADLK    nothing can ever wake the root task (GT_DEADLOCK_ERROR)
///   -EINVAL     barrier is NULL, was freed, or is no barrier
///   -ENOMEM     the OS thread's first call found no memory for a scheduler
///
/// A task that leaves with an error has not come: the others wait for one more. May switch. Any task, the root included, of
/// any OS thread.
///
/// # Safety
/// `barrier` is NULL or from gt_barrier_new().
#[no_mangle]
pub unsafe extern "C" fn gt_barrier_wait(barrier: *mut gt_barrier_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_barrier_wait_until(barrier, NEVER) }
}

/// As gt_barrier_wait(), at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: only the last to come passes.
///
/// # Safety
/// `barrier` is NULL or from gt_barrier_new().
#[no_mangle]
pub unsafe extern "C" fn gt_barrier_wait_until(barrier: *mut gt_barrier_t, deadline: i64) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let barrier = unsafe { of(barrier) }?;
        barrier.wait(Scheduler::current()?, deadline).map(|last| last as libc::c_int)
    })
}
