//! Where the stacks of tasks lie, how much of them is live, and how much was ever touched.

use crate::context::annotate;
use crate::sched::task::{State, Task};
use crate::sched::Scheduler;
use crate::sys::mem;

/// The stack of one task.
#[derive(Clone, Copy, Default)]
pub struct Stack {
    /// Lowest address; 0 when it is not known.
    pub base: usize,
    /// One past the highest.
    pub top: usize,
    /// While the task does not run: from here up the stack is live. 0 for a task that runs, or has ended.
    pub pointer: usize,
}

/// The bounds of the calling OS thread's own stack; (0, 0) when the C library does not say. May allocate.
pub fn of_thread() -> (usize, usize) {
    // SAFETY: the calling thread is there.
    unsafe { of_handle(libc::pthread_self()) }
}

/// As [`of_thread`], of any thread.
///
/// # Safety
/// The thread is there until this returns.
pub unsafe fn of_handle(thread: libc::pthread_t) -> (usize, usize) {
    // SAFETY: by the caller; the attribute is filled in before it is read, and destroyed after.
    unsafe {
        let mut attr = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
        if libc::pthread_getattr_np(thread, attr.as_mut_ptr()) != 0 {
            return (0, 0);
        }
        let (mut base, mut size) = (std::ptr::null_mut(), 0);
        let told = libc::pthread_attr_getstack(attr.as_ptr(), &mut base, &mut size);
        libc::pthread_attr_destroy(attr.as_mut_ptr());
        if told == 0 {
            (base as usize, base as usize + size)
        } else {
            (0, 0)
        }
    }
}

/// The stack of a task; `thread` is [`of_thread`] of its home thread, for the root.
pub fn of(s: &Scheduler, task: &Task, thread: (usize, usize)) -> Stack {
    let (base, top) = match task.base.get() as usize {
        0 => thread,
        base => (base, task.top.get() as usize),
    };
    let saved = !std::ptr::eq(task, s.me()) && task.state.get() != State::Done;
    Stack { base, top, pointer: if saved { task.context.get() } else { 0 } }
}

/// Bytes from the lowest word that was ever written (and is not zero) up to the top. Pages that were never touched are not
/// read, so they stay untouched. The memory of a stack outlives its task: what an earlier task on it has used counts, too.
/// 0 when it cannot be told: the kernel does not say which pages there are.
pub fn high_water(base: usize, top: usize) -> usize {
    annotate::unjudged(|| lowest_used(base, top).map_or(0, |low| top - low))
}

fn lowest_used(base: usize, top: usize) -> Option<usize> {
    const BATCH: usize = 1024;
    let page = mem::page();
    let mut at = base & !(page - 1);
    while at < top {
        let pages = (top - at).div_ceil(page).min(BATCH);
        let mut there = [0u8; BATCH];
        // SAFETY: mincore(2) writes a byte for each of the pages, for which there is room; it fails for unmapped ones.
        if unsafe { libc::mincore(at as *mut libc::c_void, pages * page, there.as_mut_ptr().cast()) } != 0 {
            return None;
        }
        for (i, _) in there[..pages].iter().enumerate().filter(|(_, &t)| t & 1 != 0) {
            let low = (at + i * page).max(base);
            let high = (at + (i + 1) * page).min(top);
            for word in (low..high).step_by(8) {
                // SAFETY: a mapped page of the stack, aligned. Its owner does not run, or is the caller.
                if unsafe { (word as *const u64).read_volatile() } != 0 {
                    return Some(word);
                }
            }
        }
        at += pages * page;
    }
    None
}
