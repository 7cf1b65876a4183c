//! Section: for garbage-collected hosts.

use std::ffi::c_void;

use super::guard::{guard, invalid, tell};
use crate::sched::roots::{self, Stack};

/// A flag of gt_stack_t: the stack of a root task.
pub const GT_STACK_ROOT: u32 = 1;
/// A flag of gt_stack_t: the scheduler says that its task runs. In the midst of a switch it is one ahead: the stack pointer of
/// the OS thread says what is so, see gt_stack_at().
pub const GT_STACK_RUNNING: u32 = 2;
/// A flag of gt_stack_t: the task has ended, and was not joined. What is live is its result.
pub const GT_STACK_ENDED: u32 = 4;

/// A stack that a conservative collector scans: all words from `low` up to `top`. What a parked task keeps in registers lies
/// there too: the switch saves them on its stack. So does the argument of a task that has not started, and the result of one that
/// was not joined.
///
/// A root task's own stack is its OS thread's, of which the library does not know the bounds: `base` and `top` are NULL, and the
/// collector, with whom the thread is registered, knows where it ends.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_stack_t {
    /// sizeof(gt_stack_t)
    pub size: usize,
    /// The task.
    pub task: i64,
    /// pthread_self() of the OS thread that it lives on.
    pub thread: libc::pthread_t,
    /// The lowest live address, if no OS thread's stack pointer lies in this stack; else that stack pointer is.
    pub low: *mut c_void,
    /// The lowest address; NULL: see above.
    pub base: *mut c_void,
    /// One past the highest; NULL: see above.
    pub top: *mut c_void,
    /// Where the OS thread's own stack was left while it runs tasks: live from here up to its end. NULL when this is it.
    pub own: *mut c_void,
    /// GT_STACK_*
    pub flags: u32,
    /// 0
    pub reserved: u32,
}

/// What gt_stacks_each() calls; `stack` is valid until it returns. It must not call the library.
#[allow(non_camel_case_types, reason = "the C name")]
pub type gt_stack_visit_t = Option<unsafe extern "C" fn(stack: *const gt_stack_t, arg: *mut c_void)>;

fn told(s: &Stack) -> gt_stack_t {
    let flags = [(s.root, GT_STACK_ROOT), (s.current, GT_STACK_RUNNING), (s.ended, GT_STACK_ENDED)];
    gt_stack_t {
        size: std::mem::size_of::<gt_stack_t>(),
        task: s.id,
        thread: s.thread as libc::pthread_t,
        low: s.low as *mut c_void,
        base: s.base as *mut c_void,
        top: s.top as *mut c_void,
        own: s.own as *mut c_void,
        flags: flags.iter().filter(|(holds, _)| *holds).map(|(_, bit)| bit).sum(),
        reserved: 0,
    }
}

/// Calls `visit` with the stack of every task of the process, whatever its OS thread: roots, tasks that run, wait, have not
/// started, or have ended and were not joined.
///
/// It is made for the moment at which a collector has stopped all other OS threads by signals, wherever they were, in the midst of
/// a switch or of a spawn as well: it takes no lock, allocates nothing and makes no system call. What is live then:
///
///   1. From the stack pointer of each OS thread, its registers saved below, up to the top of the stack that it lies in:
///      gt_stack_at() finds that.
///   2. Every other stack, from `low` up to `top`; for an OS thread's own one, up to where that ends.
///   3. The library's own memory: buffers of channels, arguments of jobs and of tasks for other OS threads, task-local slots,
///      cleanup handlers, what generators yield. It comes from the allocator of gt_config(): let that hand out memory that the
///      collector scans but does not free. Items of channels are found when they keep the alignment of pointers.
///
/// A task that runs may be visited with any `low` of its stack. The same stack is not visited twice.
///
/// Returns how many stacks were visited, or -EINVAL: visit is NULL.
///
/// Any thread, signal handlers included, while every other OS thread that uses the library is stopped, or there is none. Does
/// not switch.
///
/// # Safety
/// As said; `visit` may be called with `arg`.
#[no_mangle]
pub unsafe extern "C" fn gt_stacks_each(visit: gt_stack_visit_t, arg: *mut c_void) -> libc::ssize_t {
    guard(|| {
        let visit = visit.ok_or(invalid())?;
        let mut count = 0;
        roots::each(&mut |stack| {
            // SAFETY: by the caller.
            unsafe { visit(&told(stack), arg) };
            count += 1;
        });
        Ok(count)
    })
}

/// Tells on which stack an OS thread runs, whose stack pointer is `address`: `low` is that address, and `top` the end of what is
/// live; NULL if it is the thread's own stack. If it is a task's, the thread's own stack is live from `own`. The caller sets
/// stack->size; a smaller struct gets the first members, a larger one zeroes at the end.
///
/// Returns 0, or
///   -EINVAL  stack is NULL, or its size is less than 16
///   -ESRCH   the thread has no scheduler, so it is on its own stack
///
/// Any thread, signal handlers included, for itself, or while `thread` is stopped and gt_stacks_each() might be called. Does not
/// switch.
///
/// # Safety
/// As said; `stack` is NULL or writable for the bytes its first member says.
#[no_mangle]
pub unsafe extern "C" fn gt_stack_at(
    thread: libc::pthread_t,
    address: *const c_void,
    stack: *mut gt_stack_t,
) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller; gt_stack_t is plain data that starts with `size`.
        unsafe { tell(stack, || roots::at(thread as usize, address as usize).map(|s| told(&s)))? };
        Ok(0)
    })
}
