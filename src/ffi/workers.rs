//! Section: workers.

use std::ffi::c_void;

use super::guard::{guard, guard_errno, invalid, sized};
use super::task::{gt_entry_t, gt_spawn_opts_t, wishes};
use crate::error::Error;
use crate::fleet;
use crate::fleet::order;
use crate::sched::{Scheduler, SpawnOptions};
use crate::sys::clock::NEVER;

/// A flag of gt_workers_opts_t: each worker stays on one of the processors that the process may use.
pub const GT_WORKERS_PIN: u32 = 1;

/// Wishes for gt_workers_start(). Zero means the default in every member but `size`.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_workers_opts_t {
    /// sizeof(gt_workers_opts_t)
    pub size: usize,
    /// GT_WORKERS_*
    pub flags: u32,
    /// Reserved: 0.
    pub reserved: u32,
}

/// Starts workers: OS threads that run tasks, each with a scheduler of its own, numbered from 0. `count` 0 means one for
/// each processor that the process may use. The calling thread is none of them. `opts` may be NULL.
///
/// Returns how many were started, or
///   -EALREADY  workers run already, or are being stopped
///   -EINVAL    count is above 1,024; opts is too small or has an unknown flag
///   -E2BIG     the struct is larger than this library knows and its tail is not zero
///   -EAGAIN    an OS thread cannot be had
///   -ENOMEM, -EMFILE, -ENFILE  a scheduler cannot be made
/// After an error no worker runs.
///
/// Does not switch. Any thread.
///
/// # Safety
/// `opts` is NULL or readable for the bytes its first member says.
#[no_mangle]
pub unsafe extern "C" fn gt_workers_start(count: libc::c_uint, opts: *const gt_workers_opts_t) -> libc::c_int {
    guard_errno(|| {
        let mut options = fleet::Options::default();
        if !opts.is_null() {
            // SAFETY: by the caller; gt_workers_opts_t is repr(C), starts with `size`, and zeroes are valid.
            let o = unsafe { sized(opts, std::mem::size_of::<usize>() + 4)? };
            if o.flags & !GT_WORKERS_PIN != 0 || o.reserved != 0 {
                return Err(invalid());
            }
            options.pin = o.flags & GT_WORKERS_PIN != 0;
        }
        fleet::start(count as usize, options).map(|n| n as i32)
    })
}

/// Stops the workers: from now on nothing is spawned on them from outside; when all their tasks have ended, their threads
/// end. A task that never ends keeps it waiting.
///
/// Returns 0, or
///   -ESRCH     no workers run
///   -EALREADY  another call stops them
///   -EDEADLK   called on a worker
/// and, when all tasks of the workers were cancelled and have ended:
///   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
///   -ETIMEDOUT  a deadline scope of the caller expired
///
/// May switch. Any thread but the workers.
#[no_mangle]
pub extern "C" fn gt_workers_stop() -> libc::c_int {
    gt_workers_stop_until(NEVER)
}

/// As gt_workers_stop(); at `deadline` (absolute ns) tasks that have not ended are cancelled, and their end is waited for:
/// then -ETIMEDOUT. A deadline in the past cancels at once.
#[no_mangle]
pub extern "C" fn gt_workers_stop_until(deadline: i64) -> libc::c_int {
    guard_errno(|| fleet::stop(Scheduler::current()?, deadline).map(|()| 0))
}

/// How many workers there are; 0 when none run. Does not switch. Any thread.
#[no_mangle]
pub extern "C" fn gt_workers_count() -> libc::c_int {
    guard(|| Ok(fleet::count() as i32))
}

/// The number of the worker that the caller runs on, or -ESRCH: it runs on none. Does not switch. Any thread.
#[no_mangle]
pub extern "C" fn gt_worker_self() -> libc::c_int {
    guard(|| {
        let worker = Scheduler::existing().and_then(Scheduler::worker);
        worker.map(|w| w as i32).ok_or(Error::new(libc::ESRCH))
    })
}

/// Makes a task that runs `entry(arg)` on the worker with that number, behind the tasks that are ready there. Its id is
/// valid at once, and everywhere: gt_join(), gt_detach(), gt_cancel(), gt_interrupt(), gt_unpark() take it on any thread.
///
/// Returns the id, or
///   -EINVAL  entry is NULL; no such worker
///   -ESRCH   no workers run, or they are being stopped
///   -ENOMEM  out of memory
///   -EAGAIN  16,777,215 tasks that were spawned in this way live
/// Want of memory for the stack is found out later, on the worker: gt_join() says it.
///
/// Does not switch. Any thread.
///
/// # Safety
/// `entry` must be callable with `arg` on the worker's thread.
#[no_mangle]
pub unsafe extern "C" fn gt_spawn_on(worker: libc::c_int, entry: gt_entry_t, arg: *mut c_void) -> i64 {
    // SAFETY: by the caller.
    unsafe { gt_spawn_on_with(worker, entry, arg, std::ptr::null()) }
}

/// As gt_spawn_on(), with wishes as for gt_spawn_with(), and its errors.
///
/// # Safety
/// As for gt_spawn_on() and gt_spawn_with().
#[no_mangle]
pub unsafe extern "C" fn gt_spawn_on_with(
    worker: libc::c_int,
    entry: gt_entry_t,
    arg: *mut c_void,
    opts: *const gt_spawn_opts_t,
) -> i64 {
    guard(|| {
        let worker = usize::try_from(worker).map_err(|_| invalid())?;
        // SAFETY: by the caller.
        unsafe { spawn(Some(worker), entry, arg, opts) }
    })
}

/// As gt_spawn_on(), on whichever worker comes to it first: until the task has started it can still be taken by a worker
/// that has nothing to do; from then on it stays.
///
/// # Safety
/// `entry` must be callable with `arg` on any worker's thread.
#[no_mangle]
pub unsafe extern "C" fn gt_spawn_any(entry: gt_entry_t, arg: *mut c_void) -> i64 {
    // SAFETY: by the caller.
    unsafe { gt_spawn_any_with(entry, arg, std::ptr::null()) }
}

/// As gt_spawn_any(), with wishes as for gt_spawn_with(), and its errors.
///
/// # Safety
/// As for gt_spawn_any() and gt_spawn_with().
#[no_mangle]
pub unsafe extern "C" fn gt_spawn_any_with(entry: gt_entry_t, arg: *mut c_void, opts: *const gt_spawn_opts_t) -> i64 {
    // SAFETY: by the caller.
    guard(|| unsafe { spawn(None, entry, arg, opts) })
}

/// # Safety
/// As for gt_spawn_with().
unsafe fn spawn(
    worker: Option<usize>,
    entry: gt_entry_t,
    arg: *mut c_void,
    opts: *const gt_spawn_opts_t,
) -> crate::error::Result<i64> {
    let entry = entry.ok_or(invalid())?;
    let options = match opts.is_null() {
        true => SpawnOptions::default(),
        // SAFETY: by the caller.
        false => unsafe { wishes(opts)? },
    };
    if options.suspended {
        return Err(invalid());
    }
    order::spawn(worker, entry, arg, &options)
}
