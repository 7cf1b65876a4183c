//! Section: semaphores.

use super::guard::{guard, made};
use crate::error::{Error, Result};
use crate::sched::Scheduler;
use crate::sync::object::{Kind, Object};
use crate::sync::sem::Sem;
use crate::sys::clock::NEVER;

/// A counting semaphore, for tasks of one OS thread or of several. What is posted goes to the tasks that wait, in the order in
/// which they came; a task that comes later cannot take it first. After a fork the child has its value and no waiters.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_sem_t {
    _object: Object<Sem>,
}

/// # Safety
/// As for [`Object::get`].
#[inline(always)]
unsafe fn of<'a>(sem: *mut gt_sem_t) -> Result<&'a Sem> {
    // SAFETY: by the caller.
    unsafe { Object::get(sem.cast::<Object<Sem>>(), Kind::Sem) }
}

/// Makes a semaphore with a value.
///
/// Returns NULL with errno EINVAL (value is negative) or ENOMEM. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_sem_new(value: i64) -> *mut gt_sem_t {
    made(|| Object::new(Kind::Sem, Sem::new(value)?).map(|s| s.cast()))
}

/// Frees a semaphore; NULL is fine.
///
/// Returns 0, or
///   -EBUSY   a task waits for it; nothing was freed
///   -EINVAL  sem was freed before, or is no semaphore
///
/// Any thread; does not switch. Nobody else may use it at the same time.
///
/// # Safety
/// `sem` is NULL or from gt_sem_new().
#[no_mangle]
pub unsafe extern "C" fn gt_sem_free(sem: *mut gt_sem_t) -> libc::c_int {
    guard(|| {
        if sem.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        unsafe { of(sem)?.may_free()? };
        // SAFETY: by the caller.
        unsafe { Object::free(sem.cast::<Object<Sem>>(), Kind::Sem).map(|()| 0) }
    })
}

/// Takes one; waits while the value is 0.
///
/// Returns 0, or
///   -ECANCELED  the task was cancelled
///   -EINTR      the task was interrupted
///   -ETIMEDOUT  a deadline scope expired first
///   -EDEADLK    nothing can ever wake the root task (GT_DEADLOCK_ERROR)
///   -EINVAL     sem is NULL, was freed, or is no semaphore
///   -ENOMEM     the OS thread's first call found no memory for a scheduler
///
/// A task that is given one and cancelled at the same time has it (0). May switch. Any task, the root included, of any OS
/// thread.
///
/// # Safety
/// `sem` is NULL or from gt_sem_new().
#[no_mangle]
pub unsafe extern "C" fn gt_sem_wait(sem: *mut gt_sem_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_sem_wait_until(sem, NEVER) }
}

/// As gt_sem_wait(), waiting at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: try once.
///
/// # Safety
/// `sem` is NULL or from gt_sem_new().
#[no_mangle]
pub unsafe extern "C" fn gt_sem_wait_until(sem: *mut gt_sem_t, deadline: i64) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let sem = unsafe { of(sem) }?;
        let s = Scheduler::current()?;
        s.check()?;
        if !sem.try_wait() {
            sem.wait(s, deadline)?;
        }
        Ok(0)
    })
}

/// Takes one if the value is not 0.
///
/// Returns 0, or
///   -EAGAIN  the value is 0
///   -EINVAL  sem is NULL, was freed, or is no semaphore
///
/// Any thread; does not switch; not a cancellation point.
///
/// # Safety
/// `sem` is NULL or from gt_sem_new().
#[no_mangle]
pub unsafe extern "C" fn gt_sem_try_wait(sem: *mut gt_sem_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        match unsafe { of(sem) }?.try_wait() {
            true => Ok(0),
            false => Err(Error::new(libc::EAGAIN)),
        }
    })
}

/// Adds one: gives it to the task that has waited longest, or counts it.
///
/// Returns 0, or
///   -EOVERFLOW  the value is INT64_MAX
///   -EINVAL     sem is NULL, was freed, or is no semaphore
///
/// Any thread, also one without tasks; does not switch. Not for signal handlers.
///
/// # Safety
/// `sem` is NULL or from gt_sem_new().
#[no_mangle]
pub unsafe extern "C" fn gt_sem_post(sem: *mut gt_sem_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_sem_post_many(sem, 1) }
}

/// Adds `n` (0 adds nothing): gives them to the tasks that have waited longest, and counts the rest.
///
/// Returns 0, or
///   -EOVERFLOW  the value would be more than INT64_MAX; nothing was added
///   -EINVAL     n is negative, or sem is NULL, was freed, or is no semaphore
///
/// Any thread, also one without tasks; does not switch. Not for signal handlers.
///
/// # Safety
/// `sem` is NULL or from gt_sem_new().
#[no_mangle]
pub unsafe extern "C" fn gt_sem_post_many(sem: *mut gt_sem_t, n: i64) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        unsafe { of(sem) }?.post(n).map(|()| 0)
    })
}

/// Returns the value, 0 or more, which may have changed by then; or -EINVAL: sem is NULL, was freed, or is no semaphore. Any
/// thread; does not switch.
///
/// # Safety
/// `sem` is NULL or from gt_sem_new().
#[no_mangle]
pub unsafe extern "C" fn gt_sem_value(sem: *mut gt_sem_t) -> i64 {
    guard(|| {
        // SAFETY: by the caller.
        unsafe { of(sem) }.map(|s| s.value())
    })
}
