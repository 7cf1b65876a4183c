//! Section: scopes.

use std::ffi::c_void;
use std::ptr;

use super::guard::{guard, invalid, made};
use super::task::{gt_spawn_opts_t, wishes};
use crate::error::Result;
use crate::sched::{Scheduler, SpawnOptions};
use crate::structure::scope::{OnError, Scope};
use crate::sync::object::{Kind, Object};
use crate::sys::clock::NEVER;

/// Tasks that end together: who joins the scope goes on when all of them have ended, and not before. After a fork it is empty in
/// the child.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_scope_t {
    _object: Object<Scope>,
}

/// What a task of a scope runs: its result is 0 or more, or negative for an error (-errno, or a code of the program's own).
#[allow(non_camel_case_types, reason = "the C name")]
pub type gt_scope_entry_t = Option<unsafe extern "C" fn(arg: *mut c_void) -> libc::c_int>;

/// A flag of gt_scope_new(): an error of one task does not cancel the others.
pub const GT_SCOPE_KEEP_GOING: u32 = 1;

/// # Safety
/// NULL, or from gt_scope_new(), and not freed while the answer is used.
unsafe fn scope<'a>(scope: *const gt_scope_t) -> Result<&'a Scope> {
    // SAFETY: by the caller.
    unsafe { Object::get(scope.cast::<Object<Scope>>(), Kind::Scope) }
}

/// Makes a scope. It belongs to this OS thread: every call with it is made there. `flags`: 0 or GT_SCOPE_KEEP_GOING.
///
/// Returns the scope; NULL with errno set: EINVAL (an unknown flag), ENOMEM. Does not switch.
#[no_mangle]
pub extern "C" fn gt_scope_new(flags: u32) -> *mut gt_scope_t {
    made(|| {
        let on_error = match flags {
            0 => OnError::Cancel,
            GT_SCOPE_KEEP_GOING => OnError::KeepGoing,
            _ => return Err(invalid()),
        };
        Object::new(Kind::Scope, Scope::new(Scheduler::current()?, on_error)).map(|s| s.cast())
    })
}

/// Frees a scope whose tasks have all ended. NULL is fine.
///
/// Returns 0, or
///   -EBUSY   a task of it has not ended, or a task waits in gt_scope_join(); nothing was freed
///   -EINVAL  no scope: freed already
///   -EXDEV   it belongs to another OS thread
///
/// Does not switch.
///
/// # Safety
/// `scope` is NULL or came from gt_scope_new().
#[no_mangle]
pub unsafe extern "C" fn gt_scope_free(scope: *mut gt_scope_t) -> libc::c_int {
    guard(|| {
        if scope.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        unsafe { self::scope(scope)?.release(Scheduler::current()?)? };
        // SAFETY: by the caller; nobody uses it.
        unsafe { Object::free(scope.cast::<Object<Scope>>(), Kind::Scope)? };
        Ok(0)
    })
}

/// Makes a task of the scope that runs `entry(arg)`; as gt_spawn() otherwise. The task cannot be joined or detached on
/// its own; gt_cancel() and gt_interrupt() reach it. A task of the scope may spawn into it.
///
/// Returns the task's id (> 0), or
///   -EINVAL     no scope; entry is NULL
///   -ECANCELED  the scope was cancelled, by gt_scope_cancel(), by an error of one of its tasks, or by a join that ended early
///   -EXDEV      the scope belongs to another OS thread
///   -ENOMEM, -ENOSPC, -EAGAIN  as of gt_spawn()
///
/// Does not switch.
///
/// # Safety
/// `scope` is NULL or came from gt_scope_new(); `entry` must be callable with `arg`.
#[no_mangle]
pub unsafe extern "C" fn gt_scope_spawn(scope: *mut gt_scope_t, entry: gt_scope_entry_t, arg: *mut c_void) -> i64 {
    // SAFETY: by the caller.
    unsafe { gt_scope_spawn_with(scope, entry, arg, ptr::null()) }
}

/// As gt_scope_spawn(), with the wishes of gt_spawn_with(); `opts` may be NULL. A stack of the caller's own is the
/// caller's again once the scope is joined.
///
/// Also returns
///   -EINVAL, -E2BIG  as of gt_spawn_with(); or GT_SPAWN_DETACHED or GT_SPAWN_SUSPENDED is set
///
/// # Safety
/// As for gt_scope_spawn() and gt_spawn_with().
#[no_mangle]
pub unsafe extern "C" fn gt_scope_spawn_with(
    scope: *mut gt_scope_t,
    entry: gt_scope_entry_t,
    arg: *mut c_void,
    opts: *const gt_spawn_opts_t,
) -> i64 {
    guard(|| {
        // SAFETY: by the caller.
        let scope = unsafe { self::scope(scope)? };
        let entry = entry.ok_or(invalid())?;
        let options = match opts.is_null() {
            true => SpawnOptions::default(),
            // SAFETY: by the caller.
            false => unsafe { wishes(opts)? },
        };
        if options.detached || options.suspended {
            return Err(invalid());
        }
        scope.spawn(Scheduler::current()?, entry, arg, &options)
    })
}

/// Waits until all tasks of the scope have ended, those included that they spawn into it. When one returns an error, the
/// others are cancelled (unless GT_SCOPE_KEEP_GOING), and the join waits for them all the same.
///
/// A caller that is cancelled, interrupted, or late for a deadline scope of its own cancels the tasks and waits, under a
/// shield, until they have ended; then it gets its error. So no task of the scope outlives this call.
///
/// Returns 0 when no task returned an error (-ECANCELED of a task of a cancelled scope is none); the first error as the task
/// returned it; or
///   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
///   -ETIMEDOUT  a deadline scope of the caller expired
///   -EDEADLK    the caller is a task of the scope; or nothing can ever wake the waiting tasks (root task,
///               GT_DEADLOCK_ERROR)
///   -EINVAL     no scope
///   -EXDEV      it belongs to another OS thread
/// gt_scope_error() tells a task's error from these. After a join the scope can be used again, unless it was cancelled.
///
/// May switch. Several tasks may join.
///
/// # Safety
/// `scope` is NULL or came from gt_scope_new().
#[no_mangle]
pub unsafe extern "C" fn gt_scope_join(scope: *mut gt_scope_t) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_scope_join_until(scope, NEVER) }
}

/// As gt_scope_join(), at most until `deadline` (absolute ns); then -ETIMEDOUT, and the tasks go on: they can be joined
/// again, or cancelled. (A deadline scope, in contrast, ends them.)
///
/// # Safety
/// As for gt_scope_join().
#[no_mangle]
pub unsafe extern "C" fn gt_scope_join_until(scope: *mut gt_scope_t, deadline: i64) -> libc::c_int {
    // SAFETY: by the caller.
    guard(|| unsafe { self::scope(scope)? }.join(Scheduler::current()?, deadline))
}

/// Cancels all tasks of the scope (see gt_cancel), the one spawned first first, the caller included if it is one. None can be spawned into it any more.
///
/// Returns 0, or -EINVAL (no scope), -EXDEV (it belongs to another OS thread). Does not switch.
///
/// # Safety
/// `scope` is NULL or came from gt_scope_new().
#[no_mangle]
pub unsafe extern "C" fn gt_scope_cancel(scope: *mut gt_scope_t) -> libc::c_int {
    // SAFETY: by the caller.
    guard(|| unsafe { self::scope(scope)? }.cancel(Scheduler::current()?).map(|()| 0))
}

/// Stores the first error that a task of the scope returned, and the id of that task (stale by now: for reports). Both may
/// be NULL.
///
/// Returns 1; 0 if there was none, and nothing is stored; or -EINVAL (no scope), -EXDEV (it belongs to another OS thread).
/// Does not switch.
///
/// # Safety
/// `scope` is NULL or came from gt_scope_new(); `error` and `task` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_scope_error(
    scope: *mut gt_scope_t,
    error: *mut libc::c_int,
    task: *mut i64,
) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let Some((code, id)) = unsafe { self::scope(scope)? }.error(Scheduler::current()?)? else { return Ok(0) };
        // SAFETY: by the caller.
        if let Some(error) = unsafe { error.as_mut() } {
            *error = code;
        }
        // SAFETY: by the caller.
        if let Some(task) = unsafe { task.as_mut() } {
            *task = id;
        }
        Ok(1)
    })
}

/// How many tasks of the scope have not ended. Negative: -EINVAL (no scope), -EXDEV (it belongs to another OS thread). Does
/// not switch.
///
/// # Safety
/// `scope` is NULL or came from gt_scope_new().
#[no_mangle]
pub unsafe extern "C" fn gt_scope_count(scope: *mut gt_scope_t) -> i64 {
    // SAFETY: by the caller.
    guard(|| Ok(unsafe { self::scope(scope)? }.live(Scheduler::current()?)? as i64))
}
