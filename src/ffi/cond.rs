//! Section: condition variables.

use super::guard::{guard, made};
use super::mutex::{gt_mutex_t, mutex_of};
use crate::error::Result;
use crate::sched::Scheduler;
use crate::sync::cond::Cond;
use crate::sync::object::{Kind, Object};
use crate::sys::clock::NEVER;

/// A condition variable: tasks wait, with a mutex given up meanwhile, until another one tells them to look again. For tasks
/// of one OS thread or of several. After a fork nobody waits on it in the child.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_cond_t {
    _object: Object<Cond>,
}

/// # Safety
/// As for [`Object::get`].
#[inline(always)]
unsafe fn of<'a>(cond: *mut gt_cond_t) -> Result<&'a Cond> {
    // SAFETY: by the caller.
    unsafe { Object::get(cond.cast::<Object<Cond>>(), Kind::Cond) }
}

/// Makes a condition variable.
///
/// Returns NULL with errno ENOMEM when memory is out. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_cond_new() -> *mut gt_cond_t {
    made(|| Object::new(Kind::Cond, Cond::default()).map(|c| c.cast()))
}

/// Frees a condition variable; NULL is fine.
///
/// Returns 0, or
///   -EBUSY   a task waits on it; nothing was freed
///   -EINVAL  cond was freed before, or is no condition variable
///
/// Any thread; does not switch. Nobody else may use it at the same time.
///
/// # Safety
/// `cond` is NULL or from gt_cond_new().
#[no_mangle]
pub unsafe extern "C" fn gt_cond_free(cond: *mut gt_cond_t) -> libc::c_int {
    guard(|| {
        if cond.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        unsafe { of(cond)?.may_free()? };
        // SAFETY: by the caller.
        unsafe { Object::free(cond.cast::<Object<Cond>>(), Kind::Cond).map(|()| 0) }
    })
}

/// Unlocks the mutex, waits for gt_cond_signal() or gt_cond_broadcast(), and locks the mutex again. Unlocking and beginning
/// to wait are one step: a signal sent with the mutex held is not missed. Look at the condition again afterwards: another
/// task may have been there first.
///
/// The mutex is locked again whatever ended the wait; cancel, interrupts and deadlines do not keep the task from it.
///
/// Returns 0, or
///   -ECANCELED  the task was cancelled
///   -EINTR      the task was interrupted
///   -ETIMEDOUT  a deadline scope expired first
///   -EPERM      the running task does not have the mutex
///   -EDEADLK    nothing can ever wake the root task (GT_DEADLOCK_ERROR); then the mutex may not be locked
///   -EINVAL     cond or mutex is NULL, was freed, or is something else
///
/// A task that is signalled and cancelled at the same time was signalled (0). Switches. Any task, the root included, of any
/// OS thread.
///
/// # Safety
/// `cond` and `mutex` are NULL or from gt_cond_new() and gt_mutex_new().
#[no_mangle]
pub unsafe extern "C" fn gt_cond_wait(cond: *mut gt_cond_t, mutex: *mut gt_mutex_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_cond_wait_until(cond, mutex, NEVER) }
}

/// As gt_cond_wait(), waiting for the signal at most until `deadline` (absolute ns); then -ETIMEDOUT, with the mutex locked
/// again, for which there is no deadline.
///
/// # Safety
/// As for gt_cond_wait().
#[no_mangle]
pub unsafe extern "C" fn gt_cond_wait_until(
    cond: *mut gt_cond_t,
    mutex: *mut gt_mutex_t,
    deadline: i64,
) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let (cond, mutex) = unsafe { (of(cond)?, mutex_of(mutex)?) };
        cond.wait(Scheduler::current()?, mutex, deadline).map(|()| 0)
    })
}

/// Wakes the task that has waited longest; with nobody there nothing happens, and nothing is kept.
///
/// Returns 0, or
///   -EINVAL  cond is NULL, was freed, or is no condition variable
///
/// Any thread, with or without the mutex; does not switch.
///
/// # Safety
/// `cond` is NULL or from gt_cond_new().
#[no_mangle]
pub unsafe extern "C" fn gt_cond_signal(cond: *mut gt_cond_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        unsafe { of(cond) }?.signal();
        Ok(0)
    })
}

/// Wakes all tasks that wait now. Results and threads as of gt_cond_signal().
///
/// # Safety
/// `cond` is NULL or from gt_cond_new().
#[no_mangle]
pub unsafe extern "C" fn gt_cond_broadcast(cond: *mut gt_cond_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        unsafe { of(cond) }?.broadcast();
        Ok(0)
    })
}
