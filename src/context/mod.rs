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
//! C4  The word of a context is noted before its stack is left: wherever an OS thread is stopped, either its stack pointer lies
//!     in a stack, or that stack's word is true, and everything live lies above it.

pub mod annotate;
pub mod slab;

use context::stack::Stack;
pub use context::Transfer;
use context::{Context, ContextFn};
use std::cell::Cell;
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

/// The place where the context of who left is noted.
pub type Place = *const Cell<Saved>;

/// What `jump_fcontext` leaves on a stack of x86-64: eight words, the return address included.
const SAVED_BYTES: usize = 64;

/// Leaves the running context, noting it at `place`, and resumes `to`; returns when somebody resumes this one, with the place
/// of who left for us.
///
/// On x86-64 the crate's `jump_fcontext` is entered by a jump, its return address pushed by hand. It ends in a jump, so
/// a call would leave one entry too many in the processor's return predictor, and the next `ret` would miss: 4 ns more
/// (docs/decisions/0003-entering-the-switch.md). The word is noted on the way in (C4,
/// docs/decisions/0045-stacks-for-collectors.md).
///
/// # Safety
/// C1 to C3 hold for `to`. `place` stays until the context that is noted there was resumed.
#[inline(always)]
pub unsafe fn switch(to: Saved, place: Place) -> Place {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        let said: usize;
        // SAFETY: the callee sees what a call would give it: an aligned stack with the return address on top, `to` in
        // rdi and `place` in rsi (the crate's declaration: jump_fcontext(to, data) -> {context, data} in rax:rdx). It
        // keeps the callee-saved registers of System V; all others are declared lost. It comes back to label 2 with
        // the return address popped. `place` is writable. The rest is the caller's (C1 to C3).
        unsafe {
            std::arch::asm!(
                "lea rax, [rsp - {bytes}]",
                "mov [rsi], rax",
                "lea rax, [rip + 2f]",
                "push rax",
                "jmp {jump}",
                "2:",
                bytes = const SAVED_BYTES,
                jump = sym jump_fcontext,
                in("rdi") to,
                in("rsi") place,
                out("rax") _,
                out("rdx") said,
                clobber_abi("C"),
            );
        }
        said as Place
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    {
        // Where the saved registers will lie is the crate's to know: noted is a lower address, until the arrival corrects it.
        let here = 0u8;
        // SAFETY: `place` is writable, by the caller.
        unsafe { (*place).set((std::hint::black_box(&raw const here) as usize - BELOW) & !15) };
        // SAFETY: Context is one pointer (repr(C)), and `to` came from `into_saved`.
        let context = unsafe { std::mem::transmute::<usize, Context>(to) };
        // SAFETY: by the caller.
        unsafe { arrival(context.resume(place as usize)) }
    }
}

/// More than any processor's frames of a switch.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
const BELOW: usize = 1024;

/// The place of who left, from what a context's entry function was handed.
///
/// # Safety
/// Who left did so by [`switch`].
#[inline(always)]
pub unsafe fn arrival(t: Transfer) -> Place {
    let place = t.data as Place;
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    // SAFETY: by the caller: the place stays until the context was resumed.
    unsafe {
        (*place).set(into_saved(t.context))
    };
    place
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

    thread_local! {
        static BACK: Cell<Place> = const { Cell::new(std::ptr::null()) };
        static TOLD: Cell<usize> = const { Cell::new(0) };
    }

    extern "C" fn count(t: Transfer) -> ! {
        // SAFETY: the test left by `switch`.
        BACK.set(unsafe { arrival(t) });
        for i in 1.. {
            let mine = Cell::new(0);
            TOLD.set(i * 10);
            // SAFETY: the test resumes what arrived, once; both places are on stacks that stay.
            let back = unsafe { switch((*BACK.get()).get(), &mine) };
            BACK.set(back);
        }
        unreachable!()
    }

    #[test]
    fn a_context_runs_where_it_left_off() {
        let mut memory = vec![0u8; 64 * 1024];
        let base = memory.as_mut_ptr();
        let mine = Cell::new(0);
        // SAFETY: the memory outlives the context's last use.
        unsafe {
            let mut to = make(base, base.add(memory.len()), count);
            for i in 1..5 {
                let left = switch(to, &mine);
                assert_eq!(TOLD.get(), i * 10);
                to = (*left).get();
                assert!((base as usize..left as usize).contains(&to), "below the frame that left");
            }
        }
    }

    extern "C" fn look(t: Transfer) -> ! {
        let left = t.data as Place;
        // SAFETY: the test left by `switch`; its place is on its stack, which waits.
        let noted = unsafe { (*left).get() };
        let context = into_saved(t.context);
        let exact = cfg!(all(target_arch = "x86_64", target_os = "linux"));
        TOLD.set((noted == context || !exact && noted < context) as usize);
        let mine = Cell::new(0);
        // SAFETY: resumed once; nobody comes back.
        unsafe { switch(context, &mine) };
        unreachable!()
    }

    #[test]
    fn what_is_noted_before_the_switch_is_the_context() {
        let mut memory = vec![0u8; 64 * 1024];
        let base = memory.as_mut_ptr();
        let mine = Cell::new(0);
        // SAFETY: the memory outlives the context's last use.
        unsafe {
            let to = make(base, base.add(memory.len()), look);
            switch(to, &mine);
        }
        assert_eq!(TOLD.get(), 1, "the layout of the saved registers is as expected");
    }
}
