//! A dump on request: a signal whose handler only leaves a request with every scheduler of the process, which each carries
//! out when it looks around next. A scheduler whose task does not switch says nothing: that is the watchdog's matter.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, Ordering};

use super::dump;
use crate::error::{Error, Result};
use crate::home;
use crate::sched::Scheduler;
use crate::sys::sync::Mutex;

/// The signal that asks, 0 for none; and what its action was before.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
static BEFORE: Mutex<Option<libc::sigaction>> = Mutex::new(None);

extern "C" fn asked(_signal: i32) {
    // SAFETY: the address is this thread's for its whole life.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above. What lies between stores atomics and writes to an eventfd.
    unsafe {
        let before = *errno;
        home::ask_for_dumps();
        *errno = before;
    }
}

/// The scheduler of the calling thread was asked.
pub fn carry_out(s: &'static Scheduler) {
    // Nobody is there to be told of an error.
    let _ = dump::write(s, libc::STDERR_FILENO, "dump");
}

/// From now on `signal` asks for a dump; 0: none does, and the action of before is back.
pub fn on_signal(signal: i32) -> Result<()> {
    let invalid = Error::new(libc::EINVAL);
    let reserved =
        [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];
    if signal < 0 || signal > libc::SIGRTMAX() || reserved.contains(&signal) {
        return Err(invalid);
    }
    let mut before = BEFORE.lock().unwrap_or_else(|e| e.into_inner());
    let now = SIGNAL.load(Ordering::Relaxed);
    if now == signal {
        return Ok(());
    }
    if signal != 0 {
        let old = install(signal)?;
        if let Some(first) = before.replace(old) {
            restore(now, &first);
        }
    } else if let Some(first) = before.take() {
        restore(now, &first);
    }
    SIGNAL.store(signal, Ordering::Relaxed);
    Ok(())
}

/// Installs the handler where nobody has one; returns what was there.
fn install(signal: i32) -> Result<libc::sigaction> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: an all-zero sigaction is valid; the fields that matter are set.
    unsafe {
        crate::sys::check(libc::sigaction(signal, std::ptr::null(), old.as_mut_ptr()) as isize)?;
        if ![libc::SIG_DFL, libc::SIG_IGN].contains(&old.assume_init_ref().sa_sigaction) {
            return Err(Error::new(libc::EBUSY));
        }
        let a = action.assume_init_mut();
        a.sa_sigaction = asked as *const () as usize;
        a.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&mut a.sa_mask);
        crate::sys::check(libc::sigaction(signal, action.as_ptr(), std::ptr::null_mut()) as isize)?;
        Ok(old.assume_init())
    }
}

/// Puts an action back, unless somebody has put another one in the place of ours.
fn restore(signal: i32, first: &libc::sigaction) {
    let mut now = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks, and restores an action that was valid.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr());
        if now.assume_init().sa_sigaction == asked as *const () as usize {
            libc::sigaction(signal, first, std::ptr::null_mut());
        }
    }
}
