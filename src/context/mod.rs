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

pub mod annotate;
pub mod slab;

use context::stack::Stack;
pub use context::Transfer;
use context::{Context, ContextFn};
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

/// Who left for us, and what it left behind.
pub struct Arrival {
    /// The context of who left.
    pub left: Saved,
    /// What it said.
    pub data: usize,
}

/// Leaves the running context and resumes `to`; returns when somebody resumes this one.
///
/// On x86-64 the crate's `jump_fcontext` is entered by a jump, its return address pushed by hand. It ends in a jump, so
/// a call would leave one entry too many in the processor's return predictor, and the next `ret` would miss: 4 ns more
/// (docs/decisions/0003-entering-the-switch.md).
///
/// # Safety
/// C1 to C3 hold for `to`.
#[inline(always)]
pub unsafe fn switch(to: Saved, data: usize) -> Arrival {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        let (left, said): (usize, usize);
        // SAFETY: the callee sees what a call would give it: an aligned stack with the return address on top, `to` in
        // rdi and `data` in rsi (the crate's declaration: jump_fcontext(to, data) -> {context, data} in rax:rdx). It
        // keeps the callee-saved registers of System V; all others are declared lost. It comes back to label 2 with
        // the return address popped. The rest is the caller's (C1 to C3).
        unsafe {
            std::arch::asm!(
                "lea rax, [rip + 2f]",
                "push rax",
                "jmp {jump}",
                "2:",
                jump = sym jump_fcontext,
                in("rdi") to,
                in("rsi") data,
                out("rax") left,
                out("rdx") said,
                clobber_abi("C"),
            );
        }
        Arrival { left, data: said }
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    {
        // SAFETY: Context is one pointer (repr(C)), and `to` came from `into_saved`.
        let context = unsafe { std::mem::transmute::<usize, Context>(to) };
        // SAFETY: by the caller.
        arrival(unsafe { context.resume(data) })
    }
}

/// What a context's entry function was handed.
#[inline(always)]
pub fn arrival(t: Transfer) -> Arrival {
    Arrival { left: into_saved(t.context), data: t.data }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
extern "C" {
    // The `context` crate links it; it does not show it.
    fn jump_fcontext(to: usize, data: usize);
}

/// The word of a context.
#[inline(always)]
fn into_saved(context: Context) -> Saved {
    // SAFETY: Context is one pointer (repr(C)).
    unsafe { std::mem::transmute::<Context, usize>(context) }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn count(t: Transfer) -> ! {
        let mut back = arrival(t).left;
        for i in 1.. {
            // SAFETY: the test resumes what arrived, once.
            back = unsafe { switch(back, i * 10) }.left;
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
                to = t.left;
            }
        }
    }
}
