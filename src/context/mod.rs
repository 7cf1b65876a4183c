//! Contexts: making one on a stack, and switching from one to another.
//!
//! The switch is the `context` crate's (Boost.Context's `jump_fcontext`): callee-saved registers, MXCSR and the x87
//! control word go onto the stack that is left; the pointer to them *is* the context.
//!
//! ```text
//!            high addresses                        a parked task's stack (System V x86-64)
//!   top ──►  ┌──────────────────────────────┐
//!            │ colour: 64..1024 bytes unused │  spreads hot lines over the cache sets
//!            ├──────────────────────────────┤
//!            │ task record (sched::task)    │
//!   entry ►  ├──────────────────────────────┤  16-byte aligned
//!            │ frames: entry, user, park    │
//!            ├──────────────────────────────┤
//!            │ rip rbp rbx r15..r12 x87 mxcsr│ ◄── the context: 64 bytes
//!            ├──────────────────────────────┤
//!            │ never touched                │
//!   base ─►  ├──────────────────────────────┤
//!            │ guard: any touch faults      │
//!            └──────────────────────────────┘  then the next slot's top: 64 bytes that nobody uses
//! ```
//!
//! Invariants:
//! C1  A saved context is resumed at most once; resuming consumes it.
//! C2  Its stack stays mapped from `make` until the last switch away from it has arrived elsewhere.
//! C3  A context is resumed on the OS thread that made it.

pub mod slab;

use context::stack::Stack;
use context::{Context, ContextFn};
pub use context::Transfer;
use std::ffi::c_void;

/// A context that is not running, as one word; 0 is none.
pub type Saved = usize;

/// Prepares `entry` to run at the upper end of a stack.
///
/// # Safety
/// `[base, top)` is writable, unused, at least a page, and obeys C2. `entry` never returns.
#[inline]
pub unsafe fn make(base: *mut u8, top: *mut u8, entry: ContextFn) -> Saved {
    // SAFETY: by the caller; Stack is only a pair of addresses.
    let made = unsafe { Context::new(&Stack::new(top.cast::<c_void>(), base.cast::<c_void>()), entry) };
    into_saved(made)
}

/// Leaves the running context and resumes `to`; returns when somebody resumes this one. The transfer says who left
/// for us (its `data`) and what it left behind (its context).
///
/// # Safety
/// C1 to C3 hold for `to`.
#[inline(always)]
pub unsafe fn switch(to: Saved, data: usize) -> Transfer {
    // SAFETY: Context is one pointer (repr(C)), and `to` came from `into_saved`.
    let context = unsafe { std::mem::transmute::<usize, Context>(to) };
    // SAFETY: by the caller.
    unsafe { context.resume(data) }
}

/// The word of a context.
#[inline(always)]
pub fn into_saved(context: Context) -> Saved {
    // SAFETY: Context is one pointer (repr(C)).
    unsafe { std::mem::transmute::<Context, usize>(context) }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn count(mut t: Transfer) -> ! {
        for i in 1.. {
            // SAFETY: the test resumes what arrived, once.
            t = unsafe { switch(into_saved(t.context), i * 10) };
        }
        unreachable!()
    }

    #[test]
    fn a_context_runs_where_it_left_off() {
        let mut memory = vec![0u8; 64 * 1024];
        let base = memory.as_mut_ptr();
        // SAFETY: the memory outlives the context's last use.
        unsafe {
            let mut to = make(base, base.add(memory.len()), count);
            for i in 1..5 {
                let t = switch(to, 0);
                assert_eq!(t.data, i * 10);
                to = into_saved(t.context);
            }
        }
    }
}
