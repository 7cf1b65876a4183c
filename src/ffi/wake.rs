//! Section: park, unpark, wakers.

use std::sync::atomic::{AtomicU32, Ordering};

use super::guard::{guard, made};
use crate::error::{Error, Result};
use crate::home;
use crate::sched::{control, Scheduler};
use crate::sync::object::{Kind, Object};
use crate::sys::clock::NEVER;

/// The right to wake one task from anywhere. While one exists, the task's scheduler does not call silence a deadlock.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_waker_t {
    _object: Object<Waker>,
}

struct Waker {
    task: i64,
    /// Written once, before C has the waker.
    epoch: AtomicU32,
}

/// # Safety
/// As for [`Object::get`].
unsafe fn of<'a>(waker: *const gt_waker_t) -> Result<&'a Waker> {
    // SAFETY: by the caller.
    unsafe { Object::get(waker.cast::<Object<Waker>>(), Kind::Waker) }
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
        let waker = Object::new(Kind::Waker, Waker { task, epoch: AtomicU32::new(0) })?.cast::<gt_waker_t>();
        // SAFETY: made just now. Counted in last: nothing fails any more.
        unsafe { of(waker)?.epoch.store(home.wakers.enter(), Ordering::Relaxed) };
        Ok(waker)
    })
}

/// Gives the waker's task its permit.
///
/// Returns 0, or
///   -EINVAL  waker is NULL, was freed before, or is no waker
///   -ESRCH   the task has ended
///
/// Any thread; does not switch.
///
/// # Safety
/// `waker` is NULL or from gt_waker_new().
#[no_mangle]
pub unsafe extern "C" fn gt_waker_wake(waker: *const gt_waker_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let waker = unsafe { of(waker)? };
        control::unpark(waker.task).map(|()| 0)
    })
}

/// Frees a waker. NULL is fine, and one that was freed before is left alone. Any thread; does not switch.
///
/// # Safety
/// `waker` is NULL or from gt_waker_new().
#[no_mangle]
pub unsafe extern "C" fn gt_waker_free(waker: *mut gt_waker_t) {
    // SAFETY: by the caller.
    let Ok((task, epoch)) = (unsafe { of(waker).map(|w| (w.task, w.epoch.load(Ordering::Relaxed))) }) else { return };
    // SAFETY: by the caller. Of two that free it at once one gets it, and counts it out.
    if unsafe { Object::free(waker.cast::<Object<Waker>>(), Kind::Waker) }.is_err() {
        return;
    }
    if let Some(home) = home::of_task(task) {
        home.waker_is_gone(epoch);
    }
}
