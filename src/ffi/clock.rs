//! Section: a virtual clock, for tests.

use super::guard::guard_errno;
use crate::sched::jump;

/// Makes the clock of the process virtual, for tests: time stands still while anything runs, and jumps to the next deadline
/// when every task of every scheduler waits. To sleep for an hour takes no time, and the order of events is exactly the one
/// that the deadlines say: a task that slept until T finds gt_now() to be T.
///
/// gt_now() follows it, and all that is made of gt_now(): sleeps, deadlines, deadline scopes, timed interrupts, on all OS
/// threads. What asks the kernel does not: clock_gettime(2), a plain poll(2). The clock begins at `start` (absolute ns), or
/// where it stands if that is 0.
///
/// It jumps only when nothing can happen without that: no task is ready on any OS thread, no descriptor that is waited
/// for is ready, no job of gt_offload() or the like runs, no request of another thread is under way, and no gt_waker_t exists:
/// while a test holds one, time stands still. What comes from another process, or from an OS thread without a scheduler,
/// cannot be seen coming: before each jump all must have been silent for `grace` nanoseconds of real time. With 0 there
/// is no such pause; that is right for a program whose descriptors lead to itself by pipes and unix sockets, and mostly for
/// TCP within the machine. An OS thread with a scheduler that blocks outside of the library holds the time, and so does a task
/// that waits in a loop of gt_yield(). gt_waitpid() for any child or for stops looks again from time to time, which lets time
/// pass. Another event loop around gt_turn() need not sleep until gt_next_deadline(): it calls
/// gt_turn() with that as the deadline, which moves the time.
///
/// Returns 0, or
///   -EINVAL    start or grace is negative, or start is GT_NEVER
///   -EALREADY  the clock is virtual
///   -EBUSY     something counts on the clock that there is: another scheduler, a task, a timed interrupt, a deadline
///              scope of the root, a job that runs
///
/// Any thread; does not switch. Process-wide; a forked child has the same clock, which goes its own way.
#[no_mangle]
pub extern "C" fn gt_clock_virtual(start: i64, grace: i64) -> libc::c_int {
    guard_errno(|| jump::begin(start, grace).map(|()| 0))
}

/// Moves the virtual clock on by `ns` nanoseconds, while tasks run: as if the caller had taken that long. Tasks whose
/// deadline is reached are ready then, those of the calling thread at once.
///
/// Returns 0, or
///   -EINVAL  ns is negative, or leads beyond the end of time
///   -EPERM   the clock is the kernel's
///
/// Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_clock_advance(ns: i64) -> libc::c_int {
    guard_errno(|| jump::advance(ns).map(|()| 0))
}

/// Gives the process the kernel's clock back, whatever time that is: deadlines that were made before mean something else now.
///
/// Returns 0, or
///   -EPERM  the clock is the kernel's
///   -EBUSY  something counts on the virtual clock, as for gt_clock_virtual()
///
/// Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_clock_real() -> libc::c_int {
    guard_errno(|| jump::end().map(|()| 0))
}
