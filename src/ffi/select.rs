//! Section: select.

use std::ffi::c_void;
use std::mem::{offset_of, size_of};
use std::slice;

use super::guard::{guard, invalid};
use crate::sched::Scheduler;
use crate::select::arm::Arm;
use crate::select::select;
use crate::sync::chan::Patience;
use crate::sys::clock::NEVER;

/// An arm's kind: not in use; gt_select() passes over it.
pub const GT_SELECT_NONE: libc::c_int = 0;
/// An arm's kind: send `item` into the channel `object`.
pub const GT_SELECT_SEND: libc::c_int = 1;
/// An arm's kind: receive from the channel `object` into `item`.
pub const GT_SELECT_RECV: libc::c_int = 2;
/// An arm's kind: one of `events` (poll(2)), an error or a hang-up of the descriptor `id`; stored in `revents`.
pub const GT_SELECT_FD: libc::c_int = 3;
/// An arm's kind: the task `id` has ended. It is not joined: gt_join() does not wait then. While the call waits, nobody else may
/// join or detach the task, as with gt_join().
pub const GT_SELECT_TASK: libc::c_int = 4;
/// An arm's kind: the event `object` is set.
pub const GT_SELECT_EVENT: libc::c_int = 5;
/// An arm's kind: a unit of the semaphore `object`, which is taken.
pub const GT_SELECT_SEM: libc::c_int = 6;
/// The most arms of one gt_select().
pub const GT_SELECT_MAX: usize = 65536;

/// One of the things that gt_select() waits for. Zero it, then set what its kind needs. It may be used for many calls; during
/// a call it belongs to the library and stays where it is (for ever, if the OS thread ends during the call).
#[repr(C)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_select_arm_t {
    /// GT_SELECT_*
    pub kind: libc::c_int,
    /// Of the arm that came about: 0; -EPIPE (the channel is closed, and for a receive drained); -EBADF (the descriptor is closed).
    /// Of an arm for whose sake gt_select() failed: that error. Otherwise 0.
    pub result: libc::c_int,
    /// The channel, event or semaphore.
    pub object: *mut c_void,
    /// The item to send, or room for the one to receive.
    pub item: *mut c_void,
    /// The descriptor, or the task's id.
    pub id: i64,
    /// Events of the descriptor, as poll(2)'s.
    pub events: libc::c_short,
    /// The events that were seen.
    pub revents: libc::c_short,
    /// The library's own.
    pub own: [u16; 2],
    /// The library's own: here the call waits, so it allocates nothing.
    pub place: [u64; 12],
}

const _: () = {
    assert!(size_of::<gt_select_arm_t>() == size_of::<Arm>());
    assert!(offset_of!(gt_select_arm_t, result) == offset_of!(Arm, result));
    assert!(offset_of!(gt_select_arm_t, object) == offset_of!(Arm, object));
    assert!(offset_of!(gt_select_arm_t, item) == offset_of!(Arm, item));
    assert!(offset_of!(gt_select_arm_t, id) == offset_of!(Arm, id));
    assert!(offset_of!(gt_select_arm_t, events) == offset_of!(Arm, events));
    assert!(offset_of!(gt_select_arm_t, revents) == offset_of!(Arm, revents));
    assert!(offset_of!(gt_select_arm_t, place) == offset_of!(Arm, place));
    assert!(GT_SELECT_MAX - 1 <= u16::MAX as usize); // an arm's turn
};

/// Waits until one of the arms comes about, and does it: one item is sent or received, one unit taken, or none. Nothing is
/// done for the others. If several are ready, the library chooses, each as often as the others. Arms may be about the same
/// thing; a send never goes to a receive of the same call.
///
/// Returns the index of the arm; its `result` says how it went, also when its channel is closed. Or
///   -EINVAL     arms is NULL; count is 0 or above GT_SELECT_MAX; no arm is in use; a kind is unknown; an object is NULL, was
///               freed, or is of another kind; an item is NULL; a task is detached, or joined by another
///   -EXDEV      a channel or task belongs to another OS thread
///   -ESRCH      no such task
///   -EBADF      a descriptor is negative
///   -EDEADLK    a task is the caller; or nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
///   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
///   -ETIMEDOUT  a deadline scope of the caller expired
///   -ENOMEM     out of memory (for a descriptor's first wait)
/// In an error nothing was sent, received or taken.
///
/// May switch. Any task, the root included.
///
/// # Safety
/// `arms` is NULL or points to `count` arms whose objects are the library's; items are valid for their channels.
#[no_mangle]
pub unsafe extern "C" fn gt_select(arms: *mut gt_select_arm_t, count: usize) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_select_until(arms, count, NEVER) }
}

/// As gt_select(), at most until `deadline` (absolute ns); then -ETIMEDOUT.
///
/// # Safety
/// As for gt_select().
#[no_mangle]
pub unsafe extern "C" fn gt_select_until(arms: *mut gt_select_arm_t, count: usize, deadline: i64) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { any(arms, count, Patience::Until(deadline)) }
}

/// As gt_select(), without waiting.
///
/// Also returns
///   -EAGAIN  no arm is ready
///
/// Does not switch.
///
/// # Safety
/// As for gt_select().
#[no_mangle]
pub unsafe extern "C" fn gt_select_try(arms: *mut gt_select_arm_t, count: usize) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { any(arms, count, Patience::Try) }
}

unsafe fn any(arms: *mut gt_select_arm_t, count: usize, patience: Patience) -> libc::c_int {
    guard(|| {
        if arms.is_null() || count == 0 || count > GT_SELECT_MAX {
            return Err(invalid());
        }
        // SAFETY: valid by the caller, of the same layout (above), and the library's while the call lasts.
        let arms = unsafe { slice::from_raw_parts(arms.cast::<Arm>(), count) };
        Ok(select(Scheduler::current()?, arms, patience)? as libc::c_int)
    })
}
