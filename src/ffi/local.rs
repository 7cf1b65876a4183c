//! Section: task-local slots.

use std::ffi::c_void;
use std::ptr;

use super::guard::guard;
use crate::sched::{locals, Scheduler};

/// What becomes of a slot's value at the end of its task.
#[allow(non_camel_case_types, reason = "the C name")]
pub type gt_destructor_t = Option<unsafe extern "C" fn(value: *mut c_void)>;

/// Makes a key, under which each task, the root included, keeps a value of its own: NULL at first. `destructor` may be NULL.
///
/// When a task ends (return of its entry, or gt_exit(), cancelled or not), it runs on its stack and under a shield: first the
/// cleanup handlers, the last pushed first; then the destructors of the slots that are not NULL, the slot that was set first
/// last; each slot is NULL from its own destructor on. Handlers that destructors push run next, then the slots that were
/// set meanwhile are destroyed again, four rounds at most. A destructor may block. The root task's slots are destroyed by
/// gt_shutdown(), when all other tasks have ended; they are not when the OS thread ends without it.
///
/// Returns the key (> 0), or
///   -EAGAIN  16,384 keys are in use
///   -ENOMEM
///
/// Any thread; does not switch. The key is good on every thread of the process.
///
/// # Safety
/// `destructor` must be callable with each value that is set, until the key is freed.
#[no_mangle]
pub unsafe extern "C" fn gt_local_new(destructor: gt_destructor_t) -> libc::c_int {
    guard(|| locals::make_key(destructor))
}

/// Gives a key up. The values under it are forgotten; no destructor runs.
///
/// Returns 0, or -EINVAL: no such key. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_local_free(key: libc::c_int) -> libc::c_int {
    guard(|| locals::free_key(key).map(|()| 0))
}

/// Sets the running task's value under a key. The value it replaces is not destroyed.
///
/// Returns 0, or
///   -EINVAL  no such key
///   -ENOMEM
///
/// Does not switch.
#[no_mangle]
pub extern "C" fn gt_local_set(key: libc::c_int, value: *mut c_void) -> libc::c_int {
    guard(|| Scheduler::current()?.set_local(key, value).map(|()| 0))
}

/// The running task's value under a key; NULL when it was not set, or there is no such key. Does not switch.
#[no_mangle]
pub extern "C" fn gt_local_get(key: libc::c_int) -> *mut c_void {
    Scheduler::existing().map_or(ptr::null_mut(), |s| s.local(key))
}
