//! The way back to the caller of a blocking verb, so that the processor guesses it.
//!
//! A processor keeps a stack of the return addresses of calls, and takes from its top where the next `ret` goes. A switch
//! knows nothing of it: on the other side the top is the return address of the task that has left. Where both tasks stand
//! behind the same line of code, that is right by luck; where they do not, the `ret` to the caller is guessed wrong, which
//! costs as much as the switch. A jump to the return address is guessed by what this place did before, like any indirect
//! jump, and right if tasks take turns; but it leaves an entry on that stack. So: a `ret` if the task that left
//! stands where this one does, else a jump (docs/decisions/0052-quick-channels.md).
//!
//! Invariant:
//! D7  `left_from` decides how a wait goes back, never where to: both ways take the return address off the stack of the task
//!     that waited. What stands in `left_from` may be stale.

use std::ffi::{c_int, c_void};

use super::Scheduler;

/// What a blocking verb does when it has to wait: waits for a thing, with what the verb moves and a deadline, and says what the
/// verb returns. Nothing may unwind out of it.
pub type Wait = unsafe extern "C" fn(&'static Scheduler, *const c_void, *mut c_void, i64) -> c_int;

/// Runs a wait, as the last thing that a verb does, and returns as described above.
///
/// # Safety
/// As for the wait.
#[inline(always)]
pub unsafe fn wait_and_return(
    s: &'static Scheduler,
    object: *const c_void,
    data: *mut c_void,
    deadline: i64,
    wait: Wait,
) -> c_int {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    // SAFETY: by the caller; D7.
    unsafe {
        greenrt_wait_and_return(std::ptr::from_ref(s).cast(), object, data, deadline, wait)
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    // SAFETY: by the caller.
    unsafe {
        wait(s, object, data, deadline)
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
extern "C" {
    fn greenrt_wait_and_return(
        s: *const c_void,
        object: *const c_void,
        data: *mut c_void,
        deadline: i64,
        wait: Wait,
    ) -> c_int;
}

// The arguments of the wait stay where they came; the wait is in r8. rbx, which a callee keeps, has the scheduler over the wait.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
std::arch::global_asm!(
    ".pushsection .text.greenrt_wait_and_return,\"ax\",@progbits",
    ".globl greenrt_wait_and_return",
    ".hidden greenrt_wait_and_return",
    ".type greenrt_wait_and_return,@function",
    ".p2align 4",
    "greenrt_wait_and_return:",
    ".cfi_startproc",
    "mov rax, [rsp]",
    "mov [rdi + {left}], rax",
    "push rbx",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_offset rbx, -16",
    "mov rbx, rdi",
    "call r8",
    "mov rcx, [rsp + 8]",
    "cmp rcx, [rbx + {left}]",
    "pop rbx",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore rbx",
    "jne 2f",
    "ret",
    "2:",
    "add rsp, 8",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_register rip, rcx",
    "jmp rcx",
    ".cfi_endproc",
    ".size greenrt_wait_and_return, . - greenrt_wait_and_return",
    ".popsection",
    left = const std::mem::offset_of!(Scheduler, left_from),
);
