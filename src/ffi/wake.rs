//! Section: park, unpark, wakers.

use super::guard::{guard, invalid, made};
use crate::error::Error;
use crate::home;
use crate::sched::{control, try_box, Scheduler};
use crate::sys::clock::NEVER;

/// The right to wake one task from anywhere. While one exists, the task's scheduler does not call silence a deadlock.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_waker_t {
    task: i64,
    epoch: u32,
}

/// Waits for the running task's permit and takes it. There is one: gt_unpark() before gt_park() is not lost, two are as
/// good as one.
///
/// Returns 0, or -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired), -EDEADLK (root task, GT_DEADLOCK_ERROR). May switch.
#[no_mangle]
pub extern "C" fn gt_park() -> libc::c_int {
    gt_park_until(NEVER)
}

/// As gt_park(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
#[no_mangle]
pub extern "C" fn gt_park_until(deadline: i64) -> libc::c_int {
    guard(|| Scheduler::current()?.park_for_permit(deadline).map(|()| 0))
}

/// Gives a task its permit.
///
/// Returns 0, or -ESRCH: no such task, or it has ended. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_unpark(task: i64) -> libc::c_int {
    guard(|| control::unpark(task).map(|()| 0))
}

/// Makes a waker for a task: gt_unpark() for code that keeps it for later, such as another thread.
///
/// Returns NULL with errno set: ESRCH (no such task, or it has ended), ENOMEM. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_waker_new(task: i64) -> *mut gt_waker_t {
    made(|| {
        let home = home::of_task(task).filter(|_| home::is_alive(task)).ok_or(Error::new(libc::ESRCH))?;
        let waker = try_box(gt_waker_t { task, epoch: 0 })?;
        let waker = Box::into_raw(waker);
        // SAFETY: made just now. Counted in last: nothing fails any more.
        unsafe { (*waker).epoch = home.wakers.enter() };
        Ok(waker)
    })
}

/// Gives the waker's task its permit.
///
/// Returns 0, or
///   -EINVAL  waker is NULL
///   -ESRCH   the task has ended
///
/// Any thread; does not switch.
///
/// # Safety
/// `waker` is NULL or from gt_waker_new() and not freed.
#[no_mangle]
pub unsafe extern "C" fn gt_waker_wake(waker: *const gt_waker_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let waker = unsafe { waker.as_ref() }.ok_or(invalid())?;
        control::unpark(waker.task).map(|()| 0)
    })
}

/// Frees a waker; NULL is fine. Any thread; does not switch.
///
/// # Safety
/// `waker` is NULL or from gt_waker_new(), and not used afterwards.
#[no_mangle]
pub unsafe extern "C" fn gt_waker_free(waker: *mut gt_waker_t) {
    if waker.is_null() {
        return;
    }
    // SAFETY: by the caller: made by gt_waker_new with Box.
    let waker = unsafe { Box::from_raw(waker) };
    if let Some(home) = home::of_task(waker.task) {
        home.waker_is_gone(waker.epoch);
    }
}
