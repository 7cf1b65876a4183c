//! Section: mutexes.

use super::guard::{guard, made};
use crate::error::{Error, Result};
use crate::sched::Scheduler;
use crate::sync::mutex::Mutex;
use crate::sync::object::{Kind, Object};
use crate::sys::clock::NEVER;

/// A mutex between tasks, of one OS thread or of several. It belongs to the task that locked it, and goes to the tasks that
/// wait in the order in which they came. A task that ends does not unlock what it holds.
///
/// After a fork, a mutex that the forking task held is still its own in the child. One that another task held has no owner
/// there: it is never unlocked, and may be freed.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_mutex_t {
    _object: Object<Mutex>,
}

/// # Safety
/// As for [`Object::get`].
#[inline(always)]
unsafe fn of<'a>(mutex: *mut gt_mutex_t) -> Result<&'a Mutex> {
    // SAFETY: by the caller.
    unsafe { Object::get(mutex.cast::<Object<Mutex>>(), Kind::Mutex) }
}

/// Makes a mutex, unlocked.
///
/// Returns NULL with errno ENOMEM when memory is out. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_mutex_new() -> *mut gt_mutex_t {
    made(|| Object::new(Kind::Mutex, Mutex::default()).map(|m| m.cast()))
}

/// Frees a mutex; NULL is fine.
///
/// Returns 0, or
///   -EBUSY   a task holds it or waits for it; nothing was freed
///   -EINVAL  mutex was freed before, or is no mutex
///
/// Any thread; does not switch. Nobody else may use it at the same time.
///
/// # Safety
/// `mutex` is NULL or from gt_mutex_new().
#[no_mangle]
pub unsafe extern "C" fn gt_mutex_free(mutex: *mut gt_mutex_t) -> libc::c_int {
    guard(|| {
        if mutex.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        unsafe { of(mutex)?.may_free()? };
        // SAFETY: by the caller.
        unsafe { Object::free(mutex.cast::<Object<Mutex>>(), Kind::Mutex).map(|()| 0) }
    })
}

/// Locks a mutex; waits while another task has it. Who has waited longest gets it.
///
/// Returns 0, or
///   -ECANCELED  the task was cancelled
///   -EINTR      the task was interrupted
///   -ETIMEDOUT  a deadline scope expired first
///   -EDEADLK    the task has the mutex already, or nothing can ever wake the root task (GT_DEADLOCK_ERROR)
///   -EINVAL     mutex is NULL, was freed, or is no mutex
///   -ENOMEM     the OS thread's first call found no memory for a scheduler
///
/// A task that is given the mutex and cancelled at the same time has the mutex (0). May switch. Any task, the root
/// included, of any OS thread.
///
/// # Safety
/// `mutex` is NULL or from gt_mutex_new().
#[no_mangle]
pub unsafe extern "C" fn gt_mutex_lock(mutex: *mut gt_mutex_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_mutex_lock_until(mutex, NEVER) }
}

/// As gt_mutex_lock(), waiting at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: try once.
///
/// # Safety
/// `mutex` is NULL or from gt_mutex_new().
#[no_mangle]
pub unsafe extern "C" fn gt_mutex_lock_until(mutex: *mut gt_mutex_t, deadline: i64) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let mutex = unsafe { of(mutex) }?;
        mutex.lock(Scheduler::current()?, deadline).map(|()| 0)
    })
}

/// Locks a mutex if no task has it.
///
/// Returns 0, or
///   -EBUSY    another task has it
///   -EDEADLK  the task has it already
///   -EINVAL   mutex is NULL, was freed, or is no mutex
///   -ENOMEM   the OS thread's first call found no memory for a scheduler
///
/// A mutex that tasks wait for is handed on, so it is never found free: to have several, lock them in one order, that of
/// their addresses, say, instead of trying and giving back.
///
/// Does not switch; not a cancellation point. Any task of any OS thread.
///
/// # Safety
/// `mutex` is NULL or from gt_mutex_new().
#[no_mangle]
pub unsafe extern "C" fn gt_mutex_try_lock(mutex: *mut gt_mutex_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let mutex = unsafe { of(mutex) }?;
        mutex.try_lock(Scheduler::current()?).map(|()| 0)
    })
}

/// Unlocks a mutex, or hands it to the task that has waited longest, which has it from now on and runs when its turn comes.
///
/// Returns 0, or
///   -EPERM   the running task does not have it
///   -EINVAL  mutex is NULL, was freed, or is no mutex
///
/// Does not switch. The task that locked it.
///
/// # Safety
/// `mutex` is NULL or from gt_mutex_new().
#[no_mangle]
pub unsafe extern "C" fn gt_mutex_unlock(mutex: *mut gt_mutex_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let mutex = unsafe { of(mutex) }?;
        let s = Scheduler::existing().ok_or(Error::new(libc::EPERM))?;
        mutex.unlock(s.my_id()).map(|()| 0)
    })
}

/// The mutex behind a pointer, for the condition variables.
///
/// # Safety
/// As for [`Object::get`].
pub(super) unsafe fn mutex_of<'a>(mutex: *mut gt_mutex_t) -> Result<&'a Mutex> {
    // SAFETY: by the caller.
    unsafe { of(mutex) }
}
