//! Section: inspection. Lists, dumps and backtraces of tasks.

use std::ffi::c_void;

use super::guard::{buffer, guard, guard_errno, invalid};
use crate::debug::aside::aside;
use crate::debug::dump;
use crate::debug::facts;
use crate::debug::request;
use crate::debug::stacks;
use crate::debug::unwind::{Frame, Registers, Walker, FRAMES};
use crate::sched::task::State;
use crate::sched::Scheduler;

/// A state of gt_task_info_t: could run, and waits for its turn.
pub const GT_TASK_READY: u32 = 0;
/// A state of gt_task_info_t: the one that calls.
pub const GT_TASK_RUNNING: u32 = 1;
/// A state of gt_task_info_t: waits for something.
pub const GT_TASK_PARKED: u32 = 2;
/// A state of gt_task_info_t: has ended, and was not joined.
pub const GT_TASK_ENDED: u32 = 3;

/// A wait of gt_task_info_t: nothing that has a name here; also for a task that does not wait.
pub const GT_WAIT_OTHER: u32 = 0;
/// A wait: gt_park().
pub const GT_WAIT_PARK: u32 = 1;
/// A wait: gt_sleep().
pub const GT_WAIT_SLEEP: u32 = 2;
/// A wait: `object` is a descriptor, to be readable.
pub const GT_WAIT_READ: u32 = 3;
/// A wait: `object` is a descriptor, to be writable.
pub const GT_WAIT_WRITE: u32 = 4;
/// A wait: gt_poll() on `object` descriptors.
pub const GT_WAIT_POLL: u32 = 5;
/// A wait: the end of the task `object`.
pub const GT_WAIT_JOIN: u32 = 6;
/// A wait: gt_shutdown().
pub const GT_WAIT_SHUTDOWN: u32 = 7;
/// A wait: a job on another OS thread.
pub const GT_WAIT_OFFLOAD: u32 = 8;
/// A wait: a mutex, at the address `object`, as in all that follow and say nothing else.
pub const GT_WAIT_MUTEX: u32 = 9;
/// A wait: the read side of a rwlock.
pub const GT_WAIT_READ_LOCK: u32 = 10;
/// A wait: the write side of a rwlock.
pub const GT_WAIT_WRITE_LOCK: u32 = 11;
/// A wait: a condition variable.
pub const GT_WAIT_COND: u32 = 12;
/// A wait: a semaphore.
pub const GT_WAIT_SEM: u32 = 13;
/// A wait: an event.
pub const GT_WAIT_EVENT: u32 = 14;
/// A wait: a wait group.
pub const GT_WAIT_WAITGROUP: u32 = 15;
/// A wait: a barrier.
pub const GT_WAIT_BARRIER: u32 = 16;
/// A wait: a gt_once_do() that another task runs.
pub const GT_WAIT_ONCE: u32 = 17;
/// A wait: sending into a channel.
pub const GT_WAIT_SEND: u32 = 18;
/// A wait: receiving from a channel.
pub const GT_WAIT_RECV: u32 = 19;
/// A wait: gt_select() with `object` arms.
pub const GT_WAIT_SELECT: u32 = 20;
/// A wait: the tasks of a scope.
pub const GT_WAIT_SCOPE: u32 = 21;
/// A wait: a hand-over, or a generator's next value.
pub const GT_WAIT_HAND_OVER: u32 = 22;
/// A wait: a signal of the process.
pub const GT_WAIT_SIGNAL: u32 = 23;
/// A wait: the child process `object`.
pub const GT_WAIT_PROCESS: u32 = 24;
/// A wait: the workers.
pub const GT_WAIT_WORKERS: u32 = 25;

/// A flag of gt_task_info_t: it was cancelled.
pub const GT_TASK_CANCELLED: u32 = 1;
/// A flag of gt_task_info_t: nobody will join it.
pub const GT_TASK_DETACHED: u32 = 2;
/// A flag of gt_task_info_t: it is the root task.
pub const GT_TASK_ROOT: u32 = 4;
/// A flag of gt_task_info_t: cancel and interrupt are not delivered at present.
pub const GT_TASK_SHIELDED: u32 = 8;

/// What gt_task_info() tells of a task.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_task_info_t {
    /// sizeof(gt_task_info_t), set by the caller
    pub size: usize,
    /// The task.
    pub id: i64,
    /// GT_TASK_READY to GT_TASK_ENDED
    pub state: u32,
    /// What it waits on, while GT_TASK_PARKED: GT_WAIT_*
    pub waits: u32,
    /// A descriptor, a task, a number, or the address of an object: see GT_WAIT_*.
    pub object: i64,
    /// Until when it waits (absolute ns), the deadline of its scopes included; GT_NEVER without one.
    pub deadline: i64,
    /// When it began to wait (absolute ns), behind by some milliseconds at most while the scheduler polls, and by 256
    /// switches; 0 when it does not wait.
    pub since: i64,
    /// Its entry function; NULL for the root.
    pub entry: *const c_void,
    /// Lowest address of its stack; NULL if the C library does not say (root).
    pub stack_base: *mut c_void,
    /// Bytes of its stack.
    pub stack_size: usize,
    /// The most that was ever used of the stack, by this task or an earlier one on the same stack: bytes from the lowest
    /// word that is not zero, in pages that were touched, up to the top; memory that was swapped out is not seen. 0 for the
    /// root and for stacks of the caller's own.
    pub stack_used: usize,
    /// Where its stack ends while it does not run; NULL for the one that runs.
    pub stack_pointer: *mut c_void,
    /// GT_TASK_CANCELLED, ...
    pub flags: u32,
    /// 0
    pub reserved: u32,
    /// Its name, "" without one.
    pub name: [libc::c_char; 32],
}

/// Stores the ids of the tasks of the calling thread that have not ended, the root's included, at most `max` of them;
/// `ids` may be NULL with max 0.
///
/// Returns how many there are, which may be more than `max`; or -EINVAL: ids is NULL and max is not 0. Does not switch.
///
/// # Safety
/// `ids` is NULL or writable for `max` ids.
#[no_mangle]
pub unsafe extern "C" fn gt_task_list(ids: *mut i64, max: usize) -> libc::ssize_t {
    guard(|| {
        buffer(ids, max.saturating_mul(std::mem::size_of::<i64>()))?;
        let s = Scheduler::current()?;
        let place = match max {
            0 => &mut [][..],
            // SAFETY: writable by the caller, and not NULL.
            _ => unsafe { std::slice::from_raw_parts_mut(ids, max) },
        };
        Ok(facts::list(s, place) as isize)
    })
}

/// Tells what a task is, does and waits on. The caller sets `size`; a smaller struct gets the first members, a larger one
/// zeroes at the end.
///
/// Returns 0, or
///   -EINVAL  info is NULL, or its size is less than 16
///   -ESRCH   no such task
///   -EXDEV   it lives on another OS thread
///
/// Does not switch. The task's home thread.
///
/// # Safety
/// `info` is NULL or writable for the bytes its first member says.
#[no_mangle]
pub unsafe extern "C" fn gt_task_info(task: i64, info: *mut gt_task_info_t) -> libc::c_int {
    guard_errno(|| {
        if info.is_null() {
            return Err(invalid());
        }
        // SAFETY: not NULL, so readable by the caller.
        let size = unsafe { (*info).size };
        if size < 2 * std::mem::size_of::<usize>() {
            return Err(invalid());
        }
        let s = Scheduler::current()?;
        let record = s.find(task)?;
        let thread = if record.base.get().is_null() { stacks::of_thread() } else { (0, 0) };
        let f = facts::of(s, record, thread);
        let flags = [
            (f.cancelled, GT_TASK_CANCELLED),
            (f.detached, GT_TASK_DETACHED),
            (f.root, GT_TASK_ROOT),
            (f.shielded, GT_TASK_SHIELDED),
        ];
        let told = gt_task_info_t {
            size,
            id: f.id,
            state: match f.state {
                State::Ready if f.runs => GT_TASK_RUNNING,
                State::Ready => GT_TASK_READY,
                State::Parked => GT_TASK_PARKED,
                State::Done => GT_TASK_ENDED,
            },
            waits: f.kind as u32,
            object: f.object as i64,
            deadline: f.deadline,
            since: f.since,
            entry: f.entry as *const c_void,
            stack_base: f.stack.base as *mut c_void,
            stack_size: f.stack.top - f.stack.base,
            stack_used: facts::high_water(record),
            stack_pointer: f.stack.pointer as *mut c_void,
            flags: flags.iter().filter(|(holds, _)| *holds).map(|(_, bit)| bit).sum(),
            reserved: 0,
            name: f.name.map(|b| b as libc::c_char),
        };
        let known = std::mem::size_of::<gt_task_info_t>();
        let place = info.cast::<u8>();
        // SAFETY: `size` bytes are writable by the caller; what is told is plain data.
        unsafe {
            std::ptr::copy_nonoverlapping((&raw const told).cast::<u8>(), place, size.min(known));
            if size > known {
                std::ptr::write_bytes(place.add(known), 0, size - known);
            }
        }
        Ok(0)
    })
}

/// Stores the code addresses of a task's calls, innermost first, at most `max` (64 are ever found). The frames of a task
/// that does not run begin inside this library. Needs the unwind tables that compilers make for x86-64 by default
/// (.eh_frame), no frame pointers and no debug information; on other processors there are none.
///
/// Returns how many were stored, or
///   -EINVAL  addresses is NULL or max is 0
///   -ESRCH   no such task
///   -EXDEV   it lives on another OS thread
///   -EAGAIN, -ENOMEM  no OS thread to be had for the work
///
/// Does not switch. The task's home thread, which stands still while a helper thread reads.
///
/// # Safety
/// `addresses` is NULL or writable for `max` pointers.
#[no_mangle]
pub unsafe extern "C" fn gt_backtrace(task: i64, addresses: *mut *mut c_void, max: usize) -> libc::c_int {
    guard_errno(|| {
        if addresses.is_null() || max == 0 {
            return Err(invalid());
        }
        let s = Scheduler::current()?;
        let record = s.find(task)?;
        let here = Registers::here();
        let thread = stacks::of_thread();
        let mut frames = [Frame { ip: 0, after_call: false }; FRAMES];
        let found = aside(|| facts::frames(s, record, here, thread, &mut Walker::default(), &mut frames))?;
        for (i, frame) in frames[..found.min(max)].iter().enumerate() {
            // SAFETY: writable by the caller.
            unsafe { addresses.add(i).write(frame.ip as *mut c_void) };
        }
        Ok(found.min(max) as libc::c_int)
    })
}

/// Writes every task of the calling thread to a descriptor, as text, some lines each: id, name, state, what it waits on
/// and for how long, its stack, its entry, and its calls with their names (functions of stripped programs have none). The
/// text is for people; lines of a task begin with "task ", the first and the last line with "greenrt: ".
///
/// Returns 0, or
///   -EBADF   no such descriptor
///   -EAGAIN, -ENOMEM  no OS thread to be had for the work
///   -EPIPE, -ENOSPC, ...  what write(2) said
///
/// Does not switch. The whole OS thread stands still until the text is written, also when the descriptor has to be waited
/// for. Other OS threads' tasks: gt_dump_on_signal(), or a call there.
#[no_mangle]
pub extern "C" fn gt_dump(fd: libc::c_int) -> libc::c_int {
    guard_errno(|| dump::write(Scheduler::current()?, fd, "dump").map(|()| 0))
}

/// From now on the signal `signo` asks for a dump of every scheduler of the process on standard error: each writes its own,
/// as gt_dump() does, when it polls next, at the latest after 256 switches. One whose task does not switch writes nothing;
/// gt_watchdog_start() reports that. The handler itself only leaves the request. 0 ends it and restores the action from
/// before.
///
/// Returns 0, or
///   -EINVAL  no signal, or one of SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT
///   -EBUSY   the program has a handler of its own for it
///
/// Any thread; does not switch. Process-wide; a forked child inherits it.
#[no_mangle]
pub extern "C" fn gt_dump_on_signal(signo: libc::c_int) -> libc::c_int {
    guard_errno(|| request::on_signal(signo).map(|()| 0))
}
