//! A touch of a guard: the stack overflow of a task is named before the process dies of it.
//!
//! A SIGSEGV handler on an alternate stack (sigaltstack(2)) looks whether the fault lies in a guard of this thread's
//! stacks. If so it writes one line, restores the action that was there before, and returns: the fault recurs at its
//! real address, and a host's own handler, or the default action, has the last word. Any other fault goes straight to
//! the action that was there before. A signal that was sent (kill(2), raise(3)) does not recur: it is sent again.
//!
//! Only async-signal-safe calls: write(2), sigaction(2), and reads of this thread's own records.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::OnceLock;

use super::task::Task;
use super::Scheduler;
use crate::context::slab::Place;
use crate::error::Result;
use crate::sys::{complain, mem};

const ALTERNATE_BYTES: usize = 64 * 1024;

static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// The alternate signal stack that a thread was given, if it had none.
pub struct AlternateStack(Option<*mut u8>);

impl AlternateStack {
    /// Installs the handler (once per process) and gives this thread an alternate stack if it has none.
    pub fn install(wanted: bool) -> Result<AlternateStack> {
        if !wanted {
            return Ok(AlternateStack(None));
        }
        install_handler()?;
        let mut old = MaybeUninit::<libc::stack_t>::zeroed();
        // SAFETY: asks only; `old` is writable.
        crate::sys::check(unsafe { libc::sigaltstack(std::ptr::null(), old.as_mut_ptr()) } as isize)?;
        // SAFETY: filled in by the call above.
        if unsafe { old.assume_init() }.ss_flags & libc::SS_DISABLE == 0 {
            return Ok(AlternateStack(None));
        }
        let base = mem::map(ALTERNATE_BYTES)?;
        let mapped = AlternateStack(Some(base));
        let stack = libc::stack_t { ss_sp: base.cast(), ss_flags: 0, ss_size: ALTERNATE_BYTES };
        // SAFETY: the block was mapped above and stays until this value is dropped.
        crate::sys::check(unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) } as isize)?;
        Ok(mapped)
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        let Some(base) = self.0 else { return };
        let mut now = MaybeUninit::<libc::stack_t>::zeroed();
        let off = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        // SAFETY: asks, then takes our own stack out of use before it is unmapped; somebody else's stays.
        unsafe {
            libc::sigaltstack(std::ptr::null(), now.as_mut_ptr());
            if now.assume_init().ss_sp == base.cast() {
                libc::sigaltstack(&off, std::ptr::null_mut());
            }
            mem::unmap(base, ALTERNATE_BYTES);
        }
    }
}

fn install_handler() -> Result<()> {
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    let mut previous = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: an all-zero sigaction is valid; the fields that matter are set; the handler has the SA_SIGINFO shape.
    unsafe {
        let a = action.assume_init_mut();
        a.sa_sigaction = on_fault as *const () as usize;
        a.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        libc::sigemptyset(&mut a.sa_mask);
        // What was there is stored before ours can run.
        crate::sys::check(libc::sigaction(libc::SIGSEGV, std::ptr::null(), previous.as_mut_ptr()) as isize)?;
        let _ = PREVIOUS.set(previous.assume_init());
        crate::sys::check(libc::sigaction(libc::SIGSEGV, action.as_ptr(), std::ptr::null_mut()) as isize).map(drop)
    }
}

extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel hands a valid siginfo to an SA_SIGINFO handler.
    let (address, code) = unsafe { ((*info).si_addr() as usize, (*info).si_code) };
    let Some(previous) = PREVIOUS.get() else { return };
    // Of a signal that a process has sent there is no address (sigaction(2): si_code 0 and below).
    let sent = code <= 0;
    if let (Some(scheduler), false) = (Scheduler::existing(), sent) {
        if let Some(Place::Guard { top, size }) = scheduler.stacks().locate(address) {
            report(top, size);
            // SAFETY: restores an action that was valid.
            unsafe { libc::sigaction(signal, previous, std::ptr::null_mut()) };
            return;
        }
    }
    match previous.sa_sigaction {
        libc::SIG_IGN if sent => {}
        // Not ours: the default action, at the real address. (An ignored fault kills as well: signal(7).)
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: as above; the signal is not blocked here (SA_NODEFER).
            unsafe {
                libc::sigaction(signal, previous, std::ptr::null_mut());
                if sent {
                    libc::raise(signal);
                }
            }
        }
        handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: the previous handler has the SA_SIGINFO shape by its flags.
            let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { std::mem::transmute(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: the previous handler has the plain shape by its flags.
            let handler: extern "C" fn(i32) = unsafe { std::mem::transmute(handler) };
            handler(signal);
        }
    }
}

fn report(top: *mut u8, size: usize) {
    // SAFETY: a guard is known only for slots that were used, so a record was written there.
    let task = unsafe { &*Task::place(top) };
    let (name, len) = task.name();
    let mut line = Line::default();
    line.text(b"greenrt: stack overflow in task ").number(task.id.get() as u64);
    if len > 0 {
        line.text(b" '").text(&name[..len]).text(b"'");
    }
    line.text(b": it needs more than its ").number(size as u64);
    line.text(b" bytes of stack; ask for more with gt_spawn_opts_t.stack_size or gt_config_t.stack_size\n");
    complain(line.bytes());
}

/// A line put together without allocating.
pub(super) struct Line {
    bytes: [u8; 320],
    len: usize,
}

impl Default for Line {
    fn default() -> Line {
        Line { bytes: [0; 320], len: 0 }
    }
}

impl Line {
    /// What was put into it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Adds a text; what does not fit is left out.
    pub(super) fn text(&mut self, text: &[u8]) -> &mut Line {
        for &b in text {
            if self.len < self.bytes.len() {
                self.bytes[self.len] = b;
                self.len += 1;
            }
        }
        self
    }

    /// Adds a number.
    pub(super) fn number(&mut self, mut n: u64) -> &mut Line {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (n % 10) as u8;
            n /= 10;
            if n == 0 {
                break;
            }
        }
        let digits = digits;
        self.text(&digits[at..])
    }
}
