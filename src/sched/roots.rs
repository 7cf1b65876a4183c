//! What a conservative collector scans: the stacks of all tasks of the process, looked at from outside while every other OS
//! thread is stopped, at whatever instruction a signal found it.
//!
//! The one who looks takes no lock (a stopped thread may hold any), allocates nothing, and changes nothing. He knows where each
//! stopped thread's stack pointer is; the rest must be true at every instruction:
//!
//! M1  A task is found from the moment on when its argument is nowhere else: its record is whole before its slot points to it
//!     (L4), and whoever spawns keeps the argument in a register, or on its own stack, until then ([`keep`]).
//! M2  A stack that no stack pointer lies in has everything live between the noted context and its top (C4): frames, the saved
//!     registers, the record with the argument or the result. Before its context is made, and after its end, a task has its
//!     record only.
//! M3  `current` may be one switch ahead of the stack pointer, so it is a hint: the stack pointer says what runs.
//! M4  A record is found until its result was read by who joins, or is in the order (a guest's): `reap` frees the slot, or
//!     parts it from the record, before the stack is given back.
//! M5  A scheduler's place in its home's `watch` is set when it is whole and null before it goes.
//!
//! All other memory of the library that may hold a pointer of the program comes from the allocator of `gt_config`, and is
//! reached by the collector through that: a pointer is written into such a block before the register that held it is lost.

use std::ffi::c_void;

use super::guest::untag;
use super::task::{flags, State, Task};
use super::Scheduler;
use crate::error::{Error, Result};
use crate::home::{self, guests, Home};

/// One stack; addresses are 0 where they are not known.
#[derive(Clone, Copy)]
pub struct Stack {
    /// Whose it is.
    pub id: i64,
    /// pthread_self() of its home thread.
    pub thread: usize,
    /// From here up it is live, unless a stack pointer lies in it.
    pub low: usize,
    /// Lowest address; 0 for an OS thread's own.
    pub base: usize,
    /// One past the highest; 0 for an OS thread's own.
    pub top: usize,
    /// Where the OS thread's own stack was left: the root's noted context. 0 when this is it, or when nobody comes back to it.
    pub own: usize,
    /// It is the root's.
    pub root: bool,
    /// Its task is the scheduler's current one (M3).
    pub current: bool,
    /// Its task has ended, and was not joined.
    pub ended: bool,
}

/// The compiler has the pointer in a register or in this frame up to here, whatever became of it meanwhile (M1).
#[inline(always)]
pub fn keep(pointer: *mut c_void) {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: no instruction at all. What was stored before is stored before it.
    unsafe {
        std::arch::asm!("/* {0} */", in(reg) pointer, options(nostack, preserves_flags, readonly))
    };
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    std::hint::black_box(pointer);
}

/// The scheduler that lives in a home.
fn lodger(home: &Home) -> Option<&'static Scheduler> {
    // SAFETY: M5. Its thread is stopped, or is the calling one: nobody writes what is read here.
    unsafe { home.watch.scheduler().cast::<Scheduler>().as_ref() }
}

fn of(home: &Home, task: &Task, id: i64) -> Stack {
    let (base, top) = (task.base.get() as usize, task.top.get() as usize);
    let record = std::ptr::from_ref(task) as usize;
    let ended = task.state.get() == State::Done;
    let low = match task.context.get() {
        context if base == 0 => context,
        0 => record,
        _ if ended => record,
        context => context.max(base).min(record),
    };
    let scheduler = lodger(home);
    let root = scheduler.map(|s| s.root.get());
    // SAFETY: M5: a scheduler's root is there as long as it is.
    let own = root.and_then(|r| unsafe { r.as_ref() }).filter(|r| r.base.get().is_null() && base != 0);
    Stack {
        id,
        thread: home.watch.handle(),
        low,
        base,
        top,
        own: own.map_or(0, |r| r.context.get()),
        root: task.has(flags::ROOT),
        current: scheduler.is_some_and(|s| std::ptr::eq(s.current.get(), task)),
        ended,
    }
}

/// Calls `f` with every stack of every scheduler.
pub fn each(f: &mut dyn FnMut(&Stack)) {
    home::peek(|home| {
        // SAFETY: L4: the record is whole and there.
        home.slots.peek(|_| true, |task, id| f(&of(home, unsafe { Task::from_opaque(task) }, id)));
    });
    guests::peek(|task, id, home| {
        if untag(task).is_none() {
            // SAFETY: L4.
            f(&of(home, unsafe { Task::from_opaque(task) }, id));
        }
    });
}

/// The stack of an OS thread that a stack pointer of its own lies in; `low` is that pointer. -ESRCH: the thread has no
/// scheduler.
pub fn at(thread: usize, pointer: usize) -> Result<Stack> {
    let mut found = None;
    home::peek(|home| {
        if home.watch.handle() == thread {
            found = found.or(lodger(home).map(|s| (home, s)));
        }
    });
    let (home, scheduler) = found.ok_or(Error::new(libc::ESRCH))?;
    let inside = |s: &Stack| (s.base..s.top).contains(&pointer);
    // SAFETY: D1: the current task's record is there; M3: it is tried first.
    let current = unsafe { &*scheduler.current.get() };
    let first = of(home, current, current.id.get());
    let mut stack = Some(first).filter(inside);
    let mut own = first;
    if stack.is_none() {
        // Between two stacks, or on the thread's own.
        each(&mut |s| {
            if s.thread != thread {
                return;
            }
            if inside(s) {
                stack = Some(*s);
            } else if s.base == 0 {
                own = *s;
            }
        });
    }
    let stack = stack.unwrap_or(own);
    Ok(Stack { low: pointer, ..stack })
}
