//! Section: time and deadlines.

use super::guard::guard;
use crate::sched::Scheduler;
use crate::sys::clock;

/// A deadline that never comes.
pub const GT_NEVER: i64 = i64::MAX;

/// Nanoseconds on CLOCK_MONOTONIC: what deadlines are made of (`gt_now() + 5 * 1000000000LL`). Any thread; does not
/// switch. In tests it may be another clock: gt_clock_virtual().
#[no_mangle]
pub extern "C" fn gt_now() -> i64 {
    clock::now()
}

/// Sleeps for `ns` nanoseconds; 0 lets the other ready tasks run. Late by what the others take and the kernel's timer
/// slack (prctl(2), PR_SET_TIMERSLACK), never early.
///
/// Returns 0, or
///   -EINVAL     ns is negative
///   -ECANCELED  the task was cancelled
///   -EINTR      the task was interrupted
///   -ETIMEDOUT  a deadline scope expired first
///
/// Switches.
#[no_mangle]
pub extern "C" fn gt_sleep(ns: i64) -> libc::c_int {
    guard(|| {
        let scheduler = Scheduler::current()?;
        if ns == 0 {
            return scheduler.yield_now().map(|()| 0);
        }
        let now = clock::now();
        scheduler.sleep_from(now, clock::later(now, ns)?).map(|()| 0)
    })
}

/// Sleeps until `deadline` (absolute ns). One in the past lets the other ready tasks run. Results as of gt_sleep().
#[no_mangle]
pub extern "C" fn gt_sleep_until(deadline: i64) -> libc::c_int {
    guard(|| Scheduler::current()?.sleep_until(deadline).map(|()| 0))
}

/// Opens a deadline scope: until gt_deadline_pop(), every blocking call of the running task ends with -ETIMEDOUT at
/// `deadline` (absolute ns) at the latest. Scopes nest; the nearest deadline counts.
///
/// Returns a token (> 0), or -ENOMEM. Does not switch.
#[no_mangle]
pub extern "C" fn gt_deadline_push(deadline: i64) -> i64 {
    guard(|| Scheduler::current()?.scope_push(deadline))
}

/// Closes the innermost deadline scope.
///
/// Returns 1 if its deadline has ended a blocking call, 0 if not, or
///   -EINVAL  the token is not the innermost open scope's; nothing was closed
///
/// Does not switch.
#[no_mangle]
pub extern "C" fn gt_deadline_pop(token: i64) -> libc::c_int {
    guard(|| Ok(Scheduler::current()?.scope_pop(token)? as i32))
}
