//! Section: read-write locks.

use super::guard::{guard, made};
use crate::error::{Error, Result};
use crate::sched::Scheduler;
use crate::sync::object::{Kind, Object};
use crate::sync::rwlock::RwLock;
use crate::sys::clock::NEVER;

/// A lock that many tasks share for reading and one has alone for writing, of one OS thread or of several. First come,
/// first served: who comes while somebody waits, waits too, so neither readers nor writers starve. For that reason a task
/// that reads must not lock it for reading again: a writer between the two would wait for the first, and the second for
/// the writer.
///
/// The writer is known by its task; readers are only counted. After a fork, what other tasks of the parent held stays held
/// in the child; a lock held for writing may be freed there.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_rwlock_t {
    _object: Object<RwLock>,
}

/// # Safety
/// As for [`Object::get`].
#[inline(always)]
unsafe fn of<'a>(rwlock: *mut gt_rwlock_t) -> Result<&'a RwLock> {
    // SAFETY: by the caller.
    unsafe { Object::get(rwlock.cast::<Object<RwLock>>(), Kind::RwLock) }
}

/// Makes a read-write lock that nobody holds.
///
/// Returns NULL with errno ENOMEM when memory is out. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_rwlock_new() -> *mut gt_rwlock_t {
    made(|| Object::new(Kind::RwLock, RwLock::default()).map(|l| l.cast()))
}

/// Frees a read-write lock; NULL is fine.
///
/// Returns 0, or
///   -EBUSY   a task holds it or waits for it; nothing was freed
///   -EINVAL  rwlock was freed before, or is no read-write lock
///
/// Any thread; does not switch. Nobody else may use it at the same time.
///
/// # Safety
/// `rwlock` is NULL or from gt_rwlock_new().
#[no_mangle]
pub unsafe extern "C" fn gt_rwlock_free(rwlock: *mut gt_rwlock_t) -> libc::c_int {
    guard(|| {
        if rwlock.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        unsafe { of(rwlock)?.may_free()? };
        // SAFETY: by the caller.
        unsafe { Object::free(rwlock.cast::<Object<RwLock>>(), Kind::RwLock).map(|()| 0) }
    })
}

/// Locks for reading; waits while a writer has the lock or anybody waits for it.
///
/// Returns 0, or
///   -ECANCELED  the task was cancelled
///   -EINTR      the task was interrupted
///   -ETIMEDOUT  a deadline scope expired first
///   -EDEADLK    the task has the lock for writing already, or nothing can ever wake the root task (GT_DEADLOCK_ERROR)
///   -EINVAL     rwlock is NULL, was freed, or is no read-write lock
///   -ENOMEM     the OS thread's first call found no memory for a scheduler
///
/// A task that is given the lock and cancelled at the same time has the lock (0). May switch. Any task, the root included,
/// of any OS thread.
///
/// # Safety
/// `rwlock` is NULL or from gt_rwlock_new().
#[no_mangle]
pub unsafe extern "C" fn gt_rwlock_read_lock(rwlock: *mut gt_rwlock_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_rwlock_read_lock_until(rwlock, NEVER) }
}

/// As gt_rwlock_read_lock(), waiting at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: try once.
///
/// # Safety
/// `rwlock` is NULL or from gt_rwlock_new().
#[no_mangle]
pub unsafe extern "C" fn gt_rwlock_read_lock_until(rwlock: *mut gt_rwlock_t, deadline: i64) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let rwlock = unsafe { of(rwlock) }?;
        rwlock.read(Scheduler::current()?, deadline).map(|()| 0)
    })
}

/// Locks for reading if no writer has the lock and nobody waits for it.
///
/// Returns 0, or
///   -EBUSY    a writer has it, or somebody waits
///   -EDEADLK  the task has it for writing
///   -EINVAL   rwlock is NULL, was freed, or is no read-write lock
///
/// Does not switch; not a cancellation point. Any thread.
///
/// # Safety
/// `rwlock` is NULL or from gt_rwlock_new().
#[no_mangle]
pub unsafe extern "C" fn gt_rwlock_try_read_lock(rwlock: *mut gt_rwlock_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let rwlock = unsafe { of(rwlock) }?;
        match rwlock.try_read() {
            true => Ok(0),
            false => Err(refusal(rwlock)),
        }
    })
}

/// Locks for writing; waits while any other task has the lock.
///
/// Returns 0, or
///   -ECANCELED  the task was cancelled
///   -EINTR      the task was interrupted
///   -ETIMEDOUT  a deadline scope expired first
///   -EDEADLK    the task has the lock for writing already, or nothing can ever wake the root task (GT_DEADLOCK_ERROR)
///   -EINVAL     rwlock is NULL, was freed, or is no read-write lock
///   -ENOMEM     the OS thread's first call found no memory for a scheduler
///
/// A task that is given the lock and cancelled at the same time has the lock (0). May switch. Any task, the root included,
/// of any OS thread.
///
/// # Safety
/// `rwlock` is NULL or from gt_rwlock_new().
#[no_mangle]
pub unsafe extern "C" fn gt_rwlock_write_lock(rwlock: *mut gt_rwlock_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_rwlock_write_lock_until(rwlock, NEVER) }
}

/// As gt_rwlock_write_lock(), waiting at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: try once.
///
/// # Safety
/// `rwlock` is NULL or from gt_rwlock_new().
#[no_mangle]
pub unsafe extern "C" fn gt_rwlock_write_lock_until(rwlock: *mut gt_rwlock_t, deadline: i64) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let rwlock = unsafe { of(rwlock) }?;
        rwlock.write(Scheduler::current()?, deadline).map(|()| 0)
    })
}

/// Locks for writing if nobody has the lock.
///
/// Returns 0, or
///   -EBUSY    another task has it, or this one for reading
///   -EDEADLK  the task has it for writing
///   -EINVAL   rwlock is NULL, was freed, or is no read-write lock
///   -ENOMEM   the OS thread's first call found no memory for a scheduler
///
/// Does not switch; not a cancellation point. Any task of any OS thread.
///
/// # Safety
/// `rwlock` is NULL or from gt_rwlock_new().
#[no_mangle]
pub unsafe extern "C" fn gt_rwlock_try_write_lock(rwlock: *mut gt_rwlock_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let rwlock = unsafe { of(rwlock) }?;
        match rwlock.try_write(Scheduler::current()?.my_id()) {
            true => Ok(0),
            false => Err(refusal(rwlock)),
        }
    })
}

/// Why a try in vain was one.
#[cold]
fn refusal(rwlock: &RwLock) -> Error {
    let mine = Scheduler::existing().is_some_and(|s| rwlock.is_of(s.my_id()));
    Error::new(if mine { libc::EDEADLK } else { libc::EBUSY })
}

/// Gives up what the running task has of the lock. When it becomes free, the task that has waited longest gets it; if that
/// one reads, so do those that stand behind it, up to the next writer.
///
/// Returns 0, or
///   -EPERM   another task has the lock for writing, or nobody has it. That another task has it for reading, and this one
///            not, is not noticed
///   -EINVAL  rwlock is NULL, was freed, or is no read-write lock
///
/// Does not switch. The task that locked it.
///
/// # Safety
/// `rwlock` is NULL or from gt_rwlock_new().
#[no_mangle]
pub unsafe extern "C" fn gt_rwlock_unlock(rwlock: *mut gt_rwlock_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let rwlock = unsafe { of(rwlock) }?;
        // No task has the id 0.
        rwlock.unlock(Scheduler::existing().map_or(0, |s| s.my_id())).map(|()| 0)
    })
}
