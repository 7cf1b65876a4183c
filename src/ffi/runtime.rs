//! Section: settings, the end, and life inside another event loop.

use std::ffi::c_void;

use super::guard::{guard, guard_errno, invalid, sized};
use crate::config::{self, Allocator, Config, Deadlock, Offload};
use crate::context::slab::{Shape, DEFAULT_GUARD, DEFAULT_STACK};
use crate::error::{Error, Result};
use crate::sched::Scheduler;
use crate::sys::clock::NEVER;

/// The stack overflow handler: the default, which is on.
pub const GT_OVERFLOW_DEFAULT: u32 = 0;
/// The stack overflow handler is installed.
pub const GT_OVERFLOW_ON: u32 = 1;
/// It is not: for hosts that handle SIGSEGV themselves (a JVM, .NET, sanitizers).
pub const GT_OVERFLOW_OFF: u32 = 2;
/// Deadlock: the default, which is to report.
pub const GT_DEADLOCK_DEFAULT: u32 = 0;
/// Deadlock: list the parked tasks on stderr, once, and keep waiting.
pub const GT_DEADLOCK_REPORT: u32 = 1;
/// Deadlock: report, and end the root task's blocking call with -EDEADLK.
pub const GT_DEADLOCK_ERROR: u32 = 2;
/// Deadlock: keep waiting in silence.
pub const GT_DEADLOCK_OFF: u32 = 3;

/// Settings of the whole process, for gt_config(). Zero means the default in every member but `size`.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_config_t {
    /// sizeof(gt_config_t)
    pub size: usize,
    /// Stack bytes of a task unless it asks for others; 16 KiB to 1 GiB; default 64 KiB. Address space: only what a
    /// task touches is memory.
    pub stack_size: usize,
    /// Bytes below each stack that fault when touched; up to 1 GiB; default 24 KiB.
    pub guard_size: usize,
    /// The library's allocator: all three or none. `align` is a power of two. Called from any thread. NULL on failure.
    pub alloc: Option<unsafe extern "C" fn(size: usize, align: usize, arg: *mut c_void) -> *mut c_void>,
    /// As realloc(3); the old block stays when it fails.
    pub realloc: Option<
        unsafe extern "C" fn(
            old: *mut c_void,
            old_size: usize,
            size: usize,
            align: usize,
            arg: *mut c_void,
        ) -> *mut c_void,
    >,
    /// As free(3).
    pub dealloc: Option<unsafe extern "C" fn(old: *mut c_void, size: usize, align: usize, arg: *mut c_void)>,
    /// The last argument of the three.
    pub alloc_arg: *mut c_void,
    /// GT_OVERFLOW_*
    pub overflow_handler: u32,
    /// GT_DEADLOCK_*
    pub deadlock: u32,
    /// OS threads that gt_offload() and what builds on it may use at once; up to 1,024; default 16.
    pub offload_threads: u32,
    /// Jobs that may wait for one of them; up to 1,048,576; default 1,024.
    pub offload_queue: u32,
    /// Nanoseconds after which such a thread ends when there is nothing to do; GT_NEVER keeps it; default 10 s.
    pub offload_linger: i64,
}

/// Settings that C knew before any member was optional.
const SMALLEST: usize = std::mem::size_of::<usize>() * 2;

/// Sets the process-wide settings. Comes before every other call that uses a scheduler.
///
/// Returns 0, or
///   -EINVAL  config is NULL or too small; a size or a limit is out of range; one or two of the three allocator functions are
///            missing; an unknown GT_OVERFLOW_* or GT_DEADLOCK_* value
///   -E2BIG   the struct is larger than this library knows and its tail is not zero
///   -EBUSY   a scheduler exists already, or an allocator comes after the first allocation
///
/// Any thread; does not switch.
///
/// # Safety
/// `config` is NULL or readable for the bytes its first member says.
#[no_mangle]
pub unsafe extern "C" fn gt_config(config: *const gt_config_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller; gt_config_t is repr(C), starts with `size`, and zeroes are valid.
        let c = unsafe { sized(config, SMALLEST)? };
        let defaults = Shape { size: DEFAULT_STACK, guard: DEFAULT_GUARD };
        let allocator = match (c.alloc, c.realloc, c.dealloc) {
            (None, None, None) => None,
            (Some(alloc), Some(realloc), Some(dealloc)) => {
                Some(Allocator { alloc, realloc, dealloc, arg: c.alloc_arg })
            }
            _ => return Err(invalid()),
        };
        let config = Config {
            shape: Shape::new(c.stack_size, c.guard_size, defaults)?,
            overflow_handler: match c.overflow_handler {
                GT_OVERFLOW_DEFAULT | GT_OVERFLOW_ON => true,
                GT_OVERFLOW_OFF => false,
                _ => return Err(invalid()),
            },
            deadlock: match c.deadlock {
                GT_DEADLOCK_DEFAULT | GT_DEADLOCK_REPORT => Deadlock::Report,
                GT_DEADLOCK_ERROR => Deadlock::Fail,
                GT_DEADLOCK_OFF => Deadlock::Ignore,
                _ => return Err(invalid()),
            },
            offload: offload(&c)?,
        };
        config::set(config, allocator).map(|()| 0)
    })
}

fn offload(c: &gt_config_t) -> Result<Offload> {
    if c.offload_threads > Offload::MOST_THREADS || c.offload_queue > Offload::MOST_QUEUED || c.offload_linger < 0 {
        return Err(invalid());
    }
    let defaults = Offload::DEFAULT;
    Ok(Offload {
        threads: if c.offload_threads == 0 { defaults.threads } else { c.offload_threads },
        queue: if c.offload_queue == 0 { defaults.queue } else { c.offload_queue },
        linger: if c.offload_linger == 0 { defaults.linger } else { c.offload_linger },
    })
}

/// Ends this OS thread's scheduler: cancels all its tasks, waits until they have ended, frees everything. A task that
/// never ends keeps it waiting. Call it from the root task before the thread ends; without it, parked tasks are
/// abandoned when the thread ends: they never run again, and their stacks stay mapped. The next call of any function
/// makes a new scheduler.
///
/// Returns 0 (also when there is no scheduler), or
///   -EPERM   called from a task other than the root
///
/// Switches. Root task only.
#[no_mangle]
pub extern "C" fn gt_shutdown() -> libc::c_int {
    gt_shutdown_until(NEVER)
}

/// As gt_shutdown(), waiting no longer than `deadline` (absolute ns).
///
/// Also returns
///   -ETIMEDOUT  some tasks have not ended yet; they stay cancelled, nothing was freed
#[no_mangle]
pub extern "C" fn gt_shutdown_until(deadline: i64) -> libc::c_int {
    guard_errno(|| match Scheduler::existing() {
        Some(scheduler) => scheduler.shutdown(deadline).map(|()| 0),
        None => Ok(0),
    })
}

/// A descriptor for life inside another event loop: readable when gt_turn() has something to do. Watch it, wake up no
/// later than gt_next_deadline(), and call gt_turn(). It stays the library's: do not read or close it.
///
/// Returns the descriptor, or the error that kept the scheduler from being made (-ENOMEM, -EMFILE, -ENFILE).
///
/// Does not switch.
#[no_mangle]
pub extern "C" fn gt_poll_fd() -> libc::c_int {
    guard_errno(|| Ok(Scheduler::current()?.embed()))
}

/// When gt_turn() must be called at the latest: absolute ns, 0 when tasks are ready now, GT_NEVER when only a
/// descriptor can bring work. Negative: the error that kept the scheduler from being made. Does not switch.
#[no_mangle]
pub extern "C" fn gt_next_deadline() -> i64 {
    guard_errno(|| Ok(Scheduler::current()?.next_deadline()))
}

/// One turn of the scheduler, driven by another loop: looks for events, waits for them until `deadline` (absolute ns;
/// 0 does not wait) if no task is ready, and lets every task that is ready run once.
///
/// Returns the number of switches, or
///   -EPERM   called from a task other than the root
///
/// Switches. Root task only.
#[no_mangle]
pub extern "C" fn gt_turn(deadline: i64) -> libc::c_int {
    guard_errno(|| {
        let scheduler = Scheduler::current()?;
        if !scheduler.is_root() {
            return Err(Error::new(libc::EPERM));
        }
        Ok(scheduler.turn(deadline).min(i32::MAX as u64) as i32)
    })
}
