//! Section: calls that block, on other OS threads.

use std::ffi::c_void;

use super::guard::{guard_errno, invalid};
use crate::error::Result;
use crate::offload::call::{call, Argument, Release};
use crate::sched::Scheduler;
use crate::sys::clock::NEVER;

/// What gt_offload() runs on another OS thread.
#[allow(non_camel_case_types, reason = "the C name")]
pub type gt_offload_fn_t = Option<unsafe extern "C" fn(arg: *mut c_void) -> i64>;

/// What gt_offload_owned() calls when its argument is needed no longer.
#[allow(non_camel_case_types, reason = "the C name")]
pub type gt_release_fn_t = Option<unsafe extern "C" fn(arg: *mut c_void)>;

/// Runs `fn(arg)` on an OS thread of a pool while other tasks go on here: for calls that block the thread, or take long.
/// The pool belongs to the process, starts a thread when none is idle, and has the limits of gt_config_t: offload_threads,
/// offload_queue, offload_linger. Its threads block all signals. They have the stack size of pthread_create(3).
///
/// `fn` may call gt_ functions: its thread gets a scheduler of its own, on which `fn` is the root task, and which ends when
/// `fn` returns, as by gt_shutdown(). `fn` must not end its thread, and nothing may be thrown out of it. If it forks,
/// it is the only thread of the child, and when it returns there the child ends with status 0.
///
/// Returns what `fn` returns (say >= 0, or -errno, to tell it from these), or
///   -EINVAL     fn is NULL
///   -EAGAIN     all threads work and as many jobs as may wait do so; or no OS thread can be had. fn is not called
///   -ENOMEM     out of memory; fn is not called
///   -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired)  the call ends without the result. If no thread had begun with
///               the job, fn is never called. Otherwise it runs to its end, and until then uses arg: if arg may go away
///               earlier, use gt_offload_owned()
///
/// A fork leaves the jobs to the parent. gt_shutdown() and the end of the thread do not wait for them.
///
/// May switch. Any thread.
///
/// # Safety
/// `fn` must be callable with `arg` on another thread.
#[no_mangle]
pub unsafe extern "C" fn gt_offload(r#fn: gt_offload_fn_t, arg: *mut c_void) -> i64 {
    // SAFETY: by the caller.
    unsafe { gt_offload_until(r#fn, arg, NEVER) }
}

/// As gt_offload(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: fn is not called.
///
/// # Safety
/// As for gt_offload().
#[no_mangle]
pub unsafe extern "C" fn gt_offload_until(r#fn: gt_offload_fn_t, arg: *mut c_void, deadline: i64) -> i64 {
    guard_errno(|| submit(r#fn, Argument::new(arg, None), deadline))
}

/// As gt_offload(), with an argument that the call takes over: `release(arg)` is called once, whatever the call returns.
/// After `fn`, that is on its thread, and before the call returns; if fn is never called, on the calling thread. It must
/// not wait. So `fn` may be left running without regard to `arg`; what it finds out it returns, or puts elsewhere.
///
/// Also returns
///   -EINVAL     release is NULL; then nothing is called
///
/// # Safety
/// As for gt_offload(); `release` must be callable with `arg` on another thread.
#[no_mangle]
pub unsafe extern "C" fn gt_offload_owned(r#fn: gt_offload_fn_t, arg: *mut c_void, release: gt_release_fn_t) -> i64 {
    // SAFETY: by the caller.
    unsafe { gt_offload_owned_until(r#fn, arg, release, NEVER) }
}

/// As gt_offload_owned(), at most until `deadline` (absolute ns); then -ETIMEDOUT. A deadline in the past: fn is not called.
///
/// # Safety
/// As for gt_offload_owned().
#[no_mangle]
pub unsafe extern "C" fn gt_offload_owned_until(
    r#fn: gt_offload_fn_t,
    arg: *mut c_void,
    release: gt_release_fn_t,
    deadline: i64,
) -> i64 {
    guard_errno(|| {
        let release: Release = release.ok_or(invalid())?;
        submit(r#fn, Argument::new(arg, Some(release)), deadline)
    })
}

fn submit(function: gt_offload_fn_t, argument: Argument, deadline: i64) -> Result<i64> {
    let function = function.ok_or(invalid())?;
    call(Scheduler::current()?, function, argument, deadline)
}
