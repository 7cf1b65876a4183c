//! Section: events.

use super::guard::{guard, made};
use crate::error::Result;
use crate::sched::Scheduler;
use crate::sync::event::Event;
use crate::sync::object::{Kind, Object};
use crate::sys::clock::NEVER;

/// An event: while it is set, everybody passes; while it is not, everybody waits. For tasks of one OS thread or of several.
/// After a fork the child has its state and no waiters.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_event_t {
    _object: Object<Event>,
}

/// # Safety
/// As for [`Object::get`].
#[inline(always)]
unsafe fn of<'a>(event: *mut gt_event_t) -> Result<&'a Event> {
    // SAFETY: by the caller.
    unsafe { Object::get(event.cast::<Object<Event>>(), Kind::Event) }
}

/// Makes an event, not set.
///
/// Returns NULL with errno ENOMEM when memory is out. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_event_new() -> *mut gt_event_t {
    made(|| Object::new(Kind::Event, Event::default()).map(|e| e.cast()))
}

/// Frees an event; NULL is fine.
///
/// Returns 0, or
///   -EBUSY   a task waits for it; nothing was freed
///   -EINVAL  event was freed before, or is no event
///
/// Any thread; does not switch. Nobody else may use it at the same time.
///
/// # Safety
/// `event` is NULL or from gt_event_new().
#[no_mangle]
pub unsafe extern "C" fn gt_event_free(event: *mut gt_event_t) -> libc::c_int {
    guard(|| {
        if event.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        unsafe { of(event)?.may_free()? };
        // SAFETY: by the caller.
        unsafe { Object::free(event.cast::<Object<Event>>(), Kind::Event).map(|()| 0) }
    })
}

/// Sets an event and wakes all tasks that wait for it. It stays set.
///
/// Returns 0, or
///   -EINVAL  event is NULL, was freed, or is no event
///
/// Any thread, also one without tasks; does not switch. Not for signal handlers.
///
/// # Safety
/// `event` is NULL or from gt_event_new().
#[no_mangle]
pub unsafe extern "C" fn gt_event_set(event: *mut gt_event_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        unsafe { of(event) }?.set();
        Ok(0)
    })
}

/// Clears an event: who comes from now on waits. A task that was woken by gt_event_set() before, and has not run since, passes
/// all the same. Results and threads as of gt_event_set().
///
/// # Safety
/// `event` is NULL or from gt_event_new().
#[no_mangle]
pub unsafe extern "C" fn gt_event_clear(event: *mut gt_event_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        unsafe { of(event) }?.clear();
        Ok(0)
    })
}

/// Returns 1 if the event is set, 0 if not; or -EINVAL: event is NULL, was freed, or is no event. Any thread; does not switch.
///
/// # Safety
/// `event` is NULL or from gt_event_new().
#[no_mangle]
pub unsafe extern "C" fn gt_event_is_set(event: *mut gt_event_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        unsafe { of(event) }.map(|e| e.is_set() as libc::c_int)
    })
}

/// Waits until the event is set.
///
/// Returns 0, or
///   -ECANCELED  the task was cancelled
///   -EINTR      the task was interrupted
///   -ETIMEDOUT  a deadline scope expired first
///   -EDEADLK    nothing can ever wake the root task (GT_DEADLOCK_ERROR)
///   -EINVAL     event is NULL, was freed, or is no event
///   -ENOMEM     the OS thread's first call found no memory for a scheduler
///
/// May switch. Any task, the root included, of any OS thread.
///
/// # Safety
/// `event` is NULL or from gt_event_new().
#[no_mangle]
pub unsafe extern "C" fn gt_event_wait(event: *mut gt_event_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_event_wait_until(event, NEVER) }
}

/// As gt_event_wait(), at most until `deadline` (absolute ns); then -ETIMEDOUT. One in the past: look once.
///
/// # Safety
/// `event` is NULL or from gt_event_new().
#[no_mangle]
pub unsafe extern "C" fn gt_event_wait_until(event: *mut gt_event_t, deadline: i64) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let event = unsafe { of(event) }?;
        let s = Scheduler::current()?;
        s.check()?;
        if !event.is_set() {
            event.wait(s, deadline)?;
        }
        Ok(0)
    })
}
