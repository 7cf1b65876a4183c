//! `time.sleep`.

use super::super::api::{none, raise_errno, New};
use super::super::{deliver, gt, host};
use super::call::Args;
use super::seconds::{from_now, seconds, Span};
use core::sync::atomic::{AtomicU32, Ordering};

/// Result of a wait, as Python sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// It happened, with the verb's result.
    Done(i64),
    /// The deadline came first.
    TimedOut,
    /// A Python exception is set.
    Raised,
}

/// Calls a verb with an absolute deadline until it has an answer: an interrupt that leaves no exception (a signal
/// handler ran on the root) starts it again. Errors other than the three that end waits come back in `Done`.
///
/// # Safety
/// GIL held, on a task; `verb` may switch.
pub unsafe fn until_answered(mut verb: impl FnMut() -> i64) -> Waited {
    loop {
        let rc = verb();
        if rc == -i64::from(libc::EINTR) || rc == -i64::from(libc::ECANCELED) {
            // SAFETY: GIL held again after the switch.
            if unsafe { deliver::raise_wake(rc as i32) } {
                return Waited::Raised;
            }
            continue;
        }
        return if rc == -i64::from(libc::ETIMEDOUT) { Waited::TimedOut } else { Waited::Done(rc) };
    }
}

/// Lets the other ready tasks run once. False when an exception was raised in this one.
///
/// # Safety
/// As [`until_answered`].
pub unsafe fn give_way() -> bool {
    // SAFETY: the caller's promise. An interrupted yield is not repeated.
    unsafe {
        let rc = gt::gt_yield();
        rc >= 0 || !deliver::raise_wake(rc)
    }
}

/// How many operations may succeed at once, one after the other, before the others have their turn.
const BUDGET: u32 = 64;
/// The same of free locks: a loop that asks a lock-protected object again and again must not keep the one it waits for from running.
const LOCKS: u32 = 1024;

/// Counts an operation that succeeded without a wait, in a function of CPython's that the runtime does not see; now and then
/// the other tasks run. What comes for the caller meanwhile is kept for its next wait: the work is done.
///
/// # Safety
/// GIL held, on a task, no exception set.
#[inline(always)]
pub unsafe fn take_turn() {
    static LEFT: AtomicU32 = AtomicU32::new(BUDGET);
    // SAFETY: the caller's promise.
    unsafe { count_down(&LEFT, BUDGET) }
}

/// As [`take_turn`], before a lock is asked for; also where no task runs.
///
/// # Safety
/// GIL held, no exception set.
#[inline(always)]
pub unsafe fn take_turn_at_lock() {
    static LEFT: AtomicU32 = AtomicU32::new(LOCKS);
    // SAFETY: the caller's promise; nobody yields where there is no task.
    unsafe { count_down(&LEFT, LOCKS) }
}

#[inline(always)]
unsafe fn count_down(left: &AtomicU32, budget: u32) {
    // The GIL orders the callers.
    let now = left.load(Ordering::Relaxed) - 1;
    left.store(if now == 0 { budget } else { now }, Ordering::Relaxed);
    if now == 0 {
        yield_shielded();
    }
}

/// Lets others run once; nothing is raised meanwhile.
#[cold]
pub fn yield_shielded() {
    if host::home() && gt::gt_shield_push() == 0 {
        gt::gt_yield();
        gt::gt_shield_pop();
    }
}

/// `sleep(seconds)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn sleep(args: &Args) -> New {
    // SAFETY: GIL held; the argument is the caller's.
    unsafe {
        if !host::home() || args.positional() != 1 {
            return args.original();
        }
        match seconds(args.at(0)) {
            Span::Nanos(0) => {
                if give_way() {
                    none()
                } else {
                    core::ptr::null_mut()
                }
            }
            Span::Nanos(nanos) => {
                let deadline = from_now(nanos);
                match until_answered(|| gt::gt_sleep_until(deadline).into()) {
                    Waited::Raised => core::ptr::null_mut(),
                    Waited::Done(rc) if rc < 0 => raise_errno(rc),
                    _ => none(),
                }
            }
            // CPython's function raises the error that fits.
            Span::Negative | Span::Bad => args.original(),
        }
    }
}
