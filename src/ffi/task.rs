//! Section: tasks.

use std::ffi::c_void;

use super::guard::{guard, invalid, sized, text};
use crate::error::Error;
use crate::error::Result;
use crate::fleet::order;
use crate::home::guests::is_guest;
use crate::sched::{control, Scheduler, SpawnOptions};
use crate::sys::clock::NEVER;

/// A task's entry: gets the argument of gt_spawn(), its result is gt_join()'s.
#[allow(non_camel_case_types, reason = "the C name")]
pub type gt_entry_t = Option<unsafe extern "C" fn(arg: *mut c_void) -> *mut c_void>;

/// A flag of gt_spawn_opts_t: nobody will join the task; it is freed when it ends.
pub const GT_SPAWN_DETACHED: u32 = 1;
/// A flag of gt_spawn_opts_t: the task does not start before a task hands over to it (gt_hand_over), or it is cancelled or
/// interrupted. Not for gt_spawn_on(), gt_spawn_any() and scopes.
pub const GT_SPAWN_SUSPENDED: u32 = 2;

/// Wishes for gt_spawn_with(). Zero means the default in every member but `size`.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_spawn_opts_t {
    /// sizeof(gt_spawn_opts_t)
    pub size: usize,
    /// A name for reports, copied, cut at 31 bytes; or NULL.
    pub name: *const libc::c_char,
    /// Stack bytes, 16 KiB to 1 GiB.
    pub stack_size: usize,
    /// A stack of the caller's own: lowest address of `stack_size` bytes, without a guard, the caller's again once the
    /// task is joined. The upper end holds the task's record (about 0.5 KiB).
    pub stack: *mut c_void,
    /// Bytes below the stack that fault when touched.
    pub guard_size: usize,
    /// Reserved: 0.
    pub priority: i32,
    /// GT_SPAWN_*
    pub flags: u32,
}

const SMALLEST: usize = std::mem::size_of::<usize>() * 2;

/// Makes a task that runs `entry(arg)`. It does not run yet: it is put behind the tasks that are ready, and runs when
/// the caller blocks or yields. Join it, or detach it: what is neither keeps its stack.
///
/// Returns the task's id (> 0), or
///   -EINVAL  entry is NULL
///   -ENOMEM  out of memory, or the host's state_new failed
///   -ENOSPC  no memory mapping left for the guard (vm.max_map_count; only where guard markers are not supported)
///   -EAGAIN  16,777,215 tasks live on this OS thread
///
/// Does not switch.
///
/// # Safety
/// `entry` must be callable with `arg`.
#[no_mangle]
pub unsafe extern "C" fn gt_spawn(entry: gt_entry_t, arg: *mut c_void) -> i64 {
    guard(|| Scheduler::current()?.spawn(entry.ok_or(invalid())?, arg))
}

/// As gt_spawn(), with wishes; `opts` may be NULL.
///
/// Also returns
///   -EINVAL  opts is too small; stack_size or guard_size is out of range; `stack` with less than 16 KiB; priority is
///            not 0; an unknown flag
///   -E2BIG   the struct is larger than this library knows and its tail is not zero
///
/// # Safety
/// `entry` must be callable with `arg`; `opts` is NULL or readable for the bytes its first member says; `stack` is NULL
/// or `stack_size` writable bytes that nobody else uses until the task is joined.
#[no_mangle]
pub unsafe extern "C" fn gt_spawn_with(entry: gt_entry_t, arg: *mut c_void, opts: *const gt_spawn_opts_t) -> i64 {
    guard(|| {
        let entry = entry.ok_or(invalid())?;
        let scheduler = Scheduler::current()?;
        if opts.is_null() {
            return scheduler.spawn(entry, arg);
        }
        // SAFETY: by the caller.
        let options = unsafe { wishes(opts)? };
        scheduler.spawn_with(entry, arg, &options)
    })
}

/// What the C struct asks for.
///
/// # Safety
/// `opts` is readable for the bytes its first member says; its name is NULL or NUL-terminated and outlives the answer.
pub(super) unsafe fn wishes<'a>(opts: *const gt_spawn_opts_t) -> Result<SpawnOptions<'a>> {
    // SAFETY: by the caller; gt_spawn_opts_t is repr(C), starts with `size`, and zeroes are valid.
    let o = unsafe { sized(opts, SMALLEST)? };
    if o.priority != 0 || o.flags & !(GT_SPAWN_DETACHED | GT_SPAWN_SUSPENDED) != 0 {
        return Err(invalid());
    }
    let name = if o.name.is_null() {
        None
    } else {
        // SAFETY: not NULL, so NUL-terminated by the caller.
        Some(unsafe { text(o.name)? }.to_bytes())
    };
    Ok(SpawnOptions {
        name,
        stack_size: o.stack_size,
        guard_size: o.guard_size,
        stack: if o.stack.is_null() { None } else { Some(o.stack.cast()) },
        detached: o.flags & GT_SPAWN_DETACHED != 0,
        suspended: o.flags & GT_SPAWN_SUSPENDED != 0,
    })
}

/// The id of the running task; the root task (the OS thread's own stack) has one too. Negative: the error that kept the
/// scheduler from being made. Does not switch.
#[no_mangle]
pub extern "C" fn gt_self() -> i64 {
    guard(|| Ok(Scheduler::current()?.my_id()))
}

#[cold]
fn join_ordered(s: &'static Scheduler, task: i64, deadline: i64, e: Error) -> Result<*mut c_void> {
    match e.errno() {
        libc::ESRCH | libc::EXDEV | libc::EINVAL if is_guest(task) => order::join(s, task, deadline),
        _ => Err(e),
    }
}

/// Waits until a task has ended, stores its result (`result` may be NULL), and frees it: its id is stale afterwards.
///
/// Returns 0, or
///   -ESRCH      no such task: joined already, detached and ended, or never made
///   -EDEADLK    a task cannot join itself; or nothing can ever wake the waiting tasks (root task, GT_DEADLOCK_ERROR)
///   -EINVAL     another task is joining it, or it is detached, or it is the root
///   -EXDEV      it lives on another OS thread, and was not made by gt_spawn_on() or gt_spawn_any()
///   -ENOMEM     a task made by those could not be started for want of memory
///   -ECANCELED  the caller was cancelled        -EINTR  the caller was interrupted
///   -ETIMEDOUT  a deadline scope of the caller expired
///
/// May switch. The task's home thread; any thread for tasks of gt_spawn_on() and gt_spawn_any().
///
/// # Safety
/// `result` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_join(task: i64, result: *mut *mut c_void) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_join_until(task, result, NEVER) }
}

/// As gt_join(), at most until `deadline` (absolute ns); then -ETIMEDOUT, and the task can still be joined.
///
/// # Safety
/// `result` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_join_until(task: i64, result: *mut *mut c_void, deadline: i64) -> libc::c_int {
    guard(|| {
        let s = Scheduler::current()?;
        let value = match s.join(task, deadline) {
            Ok(value) => value,
            // Not a task of this thread that can be joined as one: it may have been ordered.
            Err(e) => join_ordered(s, task, deadline, e)?,
        };
        if !result.is_null() {
            // SAFETY: writable by the caller.
            unsafe { *result = value };
        }
        Ok(0)
    })
}

/// Gives up the right to join a task: it is freed when it ends, or now if it has.
///
/// Returns 0, or
///   -ESRCH   no such task
///   -EINVAL  it is detached already, or being joined, or the root
///   -EXDEV   it lives on another OS thread, and was not made by gt_spawn_on() or gt_spawn_any()
///
/// Does not switch. The task's home thread; any thread for tasks of gt_spawn_on() and gt_spawn_any().
#[no_mangle]
pub extern "C" fn gt_detach(task: i64) -> libc::c_int {
    guard(|| match is_guest(task) {
        true => order::detach(task).map(|()| 0),
        false => Scheduler::current()?.detach(task).map(|()| 0),
    })
}

/// Lets the other ready tasks run first.
///
/// Returns 0, or -ECANCELED, -EINTR. Switches if another task is ready.
#[no_mangle]
pub extern "C" fn gt_yield() -> libc::c_int {
    guard(|| Scheduler::current()?.yield_now().map(|()| 0))
}

/// Ends the running task with a result, from any depth of calls: cleanup handlers run, frames are left as by longjmp(3).
///
/// Does not return, unless
///   -EPERM   called from the root task, whose end is the thread's
///
/// Switches. A task only.
#[no_mangle]
pub extern "C" fn gt_exit(result: *mut c_void) -> libc::c_int {
    let refused = guard(|| {
        let scheduler = Scheduler::current()?;
        Ok(if scheduler.is_root() { -libc::EPERM } else { 0 })
    });
    if refused != 0 {
        return refused;
    }
    match Scheduler::existing() {
        Some(scheduler) => scheduler.finish(result),
        None => -libc::EPERM,
    }
}

/// Cancels a task: the blocking call it is in, and each later one, returns -ECANCELED, also one that could succeed at
/// once. It is up to the task to end. Cancelling twice is fine.
///
/// What another OS thread sends, such as this, gt_interrupt() and gt_unpark(), arrives at once where the task's OS thread sleeps. Where it
/// is busy, it arrives when that looks next: after 256 switches at the latest, or, while no other task is ready, with the next gt_yield() or
/// 128 operations that need not wait.
///
/// Returns 0, or -ESRCH: no such task, or it has ended. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_cancel(task: i64) -> libc::c_int {
    guard(|| control::cancel(task).map(|()| 0))
}

/// Interrupts a task once: the blocking call it is in, or its next one, returns -EINTR. Codes queue, first in, first
/// out, one for each -EINTR.
///
/// Returns 0, or -ESRCH, -ENOMEM. Any thread; does not switch.
#[no_mangle]
pub extern "C" fn gt_interrupt(task: i64, code: libc::c_int) -> libc::c_int {
    guard(|| control::interrupt(task, code).map(|()| 0))
}

/// Interrupts a task at a time (absolute ns; GT_NEVER: not at all), unless gt_interrupt_withdraw() comes first or the
/// task ends.
///
/// Returns 0, or -ESRCH, -EXDEV, -ENOMEM. Does not switch. The task's home thread.
#[no_mangle]
pub extern "C" fn gt_interrupt_at(task: i64, code: libc::c_int, deadline: i64) -> libc::c_int {
    guard(|| Scheduler::current()?.interrupt_at(task, code, deadline).map(|()| 0))
}

/// Reads the oldest code that was delivered to the running task by -EINTR.
///
/// Returns 0, or
///   -EAGAIN  there is none
///   -EINVAL  code is NULL
///
/// Does not switch.
///
/// # Safety
/// `code` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_interrupt_take(code: *mut i32) -> libc::c_int {
    guard(|| {
        if code.is_null() {
            return Err(invalid());
        }
        let taken = Scheduler::current()?.take_interrupt()?;
        // SAFETY: not NULL, so writable by the caller.
        unsafe { *code = taken };
        Ok(0)
    })
}

/// Takes back one interrupt with this code that was not delivered yet: a queued one, else a timed one.
///
/// Returns 0, or
///   -ENOENT  there is none (any more)
///   -ESRCH   no such task
///   -EXDEV   it lives on another OS thread
///
/// Does not switch. The task's home thread.
#[no_mangle]
pub extern "C" fn gt_interrupt_withdraw(task: i64, code: libc::c_int) -> libc::c_int {
    guard(|| Scheduler::current()?.withdraw_interrupt(task, code).map(|()| 0))
}

/// Suspends the delivery of cancel, interrupt and scope deadlines to the running task, until the matching
/// gt_shield_pop(). Shields nest. What comes meanwhile is delivered afterwards.
///
/// Returns 0. Does not switch.
#[no_mangle]
pub extern "C" fn gt_shield_push() -> libc::c_int {
    guard(|| {
        Scheduler::current()?.shield_push();
        Ok(0)
    })
}

/// Ends the innermost shield.
///
/// Returns 0, or -EINVAL: there is none. Does not switch.
#[no_mangle]
pub extern "C" fn gt_shield_pop() -> libc::c_int {
    guard(|| Scheduler::current()?.shield_pop().map(|()| 0))
}

/// Registers `fn(arg)` to run when the running task ends, by gt_exit() or by its entry's return; last in, first out,
/// under a shield, also when the task was cancelled. The destructors of its task-local slots run afterwards. On the root task, which does not end, only gt_cleanup_pop() runs it.
///
/// Returns 0, or
///   -EINVAL  fn is NULL
///   -ENOMEM
///
/// Does not switch.
///
/// # Safety
/// `function` must be callable with `arg` until it is popped or has run.
#[no_mangle]
pub unsafe extern "C" fn gt_cleanup_push(
    function: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    arg: *mut c_void,
) -> libc::c_int {
    guard(|| {
        let function = function.ok_or(invalid())?;
        Scheduler::current()?.cleanup_push(function, arg).map(|()| 0)
    })
}

/// Takes the innermost cleanup handler off, and runs it if `execute` is not 0.
///
/// Returns 0, or -EINVAL: there is none. Switches if the handler does.
#[no_mangle]
pub extern "C" fn gt_cleanup_pop(execute: libc::c_int) -> libc::c_int {
    guard(|| {
        let cleanup = Scheduler::current()?.cleanup_pop()?;
        if execute != 0 {
            // SAFETY: the program registered it for this.
            unsafe { (cleanup.function)(cleanup.arg) };
        }
        Ok(0)
    })
}

/// Names a task for reports; copied, cut at 31 bytes.
///
/// Returns 0, or
///   -EINVAL  name is NULL
///   -ESRCH   no such task
///   -EXDEV   it lives on another OS thread
///
/// Does not switch. The task's home thread.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
#[no_mangle]
pub unsafe extern "C" fn gt_task_set_name(task: i64, name: *const libc::c_char) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let name = unsafe { text(name)? };
        Scheduler::current()?.find(task)?.set_name(name.to_bytes());
        Ok(0)
    })
}

/// Copies a task's name into `buf` (`len` bytes, always NUL-terminated unless len is 0).
///
/// Returns the length of the name, which may be more than fitted, or
///   -EINVAL  buf is NULL and len is not 0
///   -ESRCH   no such task
///   -EXDEV   it lives on another OS thread
///
/// Does not switch. The task's home thread.
///
/// # Safety
/// `buf` is writable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_task_name(task: i64, buf: *mut libc::c_char, len: usize) -> libc::c_int {
    guard(|| {
        super::guard::buffer(buf, len)?;
        let (name, have) = Scheduler::current()?.find(task)?.name();
        if len > 0 {
            let copied = have.min(len - 1);
            // SAFETY: `copied + 1 <= len` bytes are writable by the caller.
            unsafe {
                std::ptr::copy_nonoverlapping(name.as_ptr().cast(), buf, copied);
                *buf.add(copied) = 0;
            }
        }
        Ok(have as i32)
    })
}
