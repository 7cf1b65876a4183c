//! Section: statistics.

use super::guard::{guard, invalid};
use crate::offload::pool;
use crate::sched::Scheduler;
use crate::sync::object;

/// Figures of one scheduler, for gt_stats(). The root task is in none of the task figures.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_stats_t {
    /// sizeof(gt_stats_t), set by the caller
    pub size: usize,
    /// Tasks that have not ended.
    pub tasks_live: u64,
    /// Tasks that wait for something.
    pub tasks_parked: u64,
    /// Tasks that could run.
    pub tasks_ready: u64,
    /// Tasks ever spawned.
    pub tasks_spawned: u64,
    /// Switches from task to task.
    pub switches: u64,
    /// Polls of the reactor.
    pub polls: u64,
    /// Owned descriptors.
    pub descriptors: u64,
    /// Armed timers.
    pub timers: u64,
    /// Stacks for which address space is mapped.
    pub stacks_mapped: u64,
    /// Stacks of tasks that live, or have ended and were not joined.
    pub stacks_in_use: u64,
    /// Stacks that were used and wait for the next task.
    pub stacks_cached: u64,
    /// Requests from other OS threads carried out.
    pub wakes_remote: u64,
    /// Jobs that run on other OS threads for tasks of this scheduler.
    pub offload_jobs: u64,
    /// Objects of the whole process that were made and not freed: mutexes, channels, scopes and all the others.
    pub objects: u64,
    /// OS threads that the whole process has for gt_offload() and what builds on it.
    pub offload_threads: u64,
    /// Jobs of the whole process that wait for one of them.
    pub offload_queued: u64,
}

/// Takes the figures of this OS thread's scheduler. The caller sets `size`; a smaller struct gets the first members, a
/// larger one zeroes at the end.
///
/// Returns 0, or -EINVAL: stats is NULL or its size less than a size_t and one figure. Does not switch.
///
/// # Safety
/// `stats` is NULL or writable for the bytes its first member says.
#[no_mangle]
pub unsafe extern "C" fn gt_stats(stats: *mut gt_stats_t) -> libc::c_int {
    guard(|| {
        if stats.is_null() {
            return Err(invalid());
        }
        // SAFETY: not NULL, so readable by the caller.
        let size = unsafe { (*stats).size };
        if size < 2 * std::mem::size_of::<usize>() {
            return Err(invalid());
        }
        let s = Scheduler::current()?.stats();
        let (offload_threads, offload_queued) = pool::figures();
        let figures = gt_stats_t {
            size,
            tasks_live: s.tasks_live,
            tasks_parked: s.tasks_parked,
            tasks_ready: s.tasks_ready,
            tasks_spawned: s.tasks_spawned,
            switches: s.switches,
            polls: s.polls,
            descriptors: s.descriptors,
            timers: s.timers,
            stacks_mapped: s.stacks_mapped,
            stacks_in_use: s.stacks_in_use,
            stacks_cached: s.stacks_cached,
            wakes_remote: s.wakes_remote,
            offload_jobs: s.offload_jobs,
            objects: object::live() as u64,
            offload_threads,
            offload_queued,
        };
        let known = std::mem::size_of::<gt_stats_t>();
        let place = stats.cast::<u8>();
        // SAFETY: `size` bytes are writable by the caller; the figures are plain integers.
        unsafe {
            std::ptr::copy_nonoverlapping((&raw const figures).cast::<u8>(), place, size.min(known));
            if size > known {
                std::ptr::write_bytes(place.add(known), 0, size - known);
            }
        }
        Ok(0)
    })
}
