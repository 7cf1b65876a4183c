//! sigwaitinfo(2) for tasks: signals that the program blocks, taken while they are pending.

use std::mem::MaybeUninit;
use std::ptr;

use super::ring::Caught;
use super::taken::Set;
use super::wait_readable;
use crate::error::{Error, Result};
use crate::io::adopt;
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::sys::{check, clock};

/// A descriptor that is readable while one of the signals is pending.
struct Signalfd(&'static Scheduler, i32);

impl Drop for Signalfd {
    fn drop(&mut self) {
        let _ = adopt::close(self.0, self.1);
    }
}

impl Signalfd {
    fn open(s: &'static Scheduler, set: &libc::sigset_t) -> Result<Signalfd> {
        // SAFETY: a valid set.
        let fd = check(unsafe { libc::signalfd(-1, set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) } as isize)?;
        Ok(Signalfd(s, fd as i32))
    }
}

/// Takes a pending signal of a set; all of them are blocked on this OS thread, or it is -EINVAL.
pub fn wait(s: &'static Scheduler, set: &libc::sigset_t, deadline: i64) -> Result<Caught> {
    s.check()?;
    let wanted = Set::of(set);
    if wanted.0 == 0 || wanted.0 & !blocked().0 != 0 {
        return Err(Error::new(libc::EINVAL));
    }
    let mut descriptor = None;
    loop {
        if let Some(caught) = pending(set)? {
            s.charge();
            return Ok(caught);
        }
        if clock::passed(deadline) {
            return Err(Error::new(libc::ETIMEDOUT));
        }
        let fd = match &descriptor {
            Some(Signalfd(_, fd)) => *fd,
            None => descriptor.insert(Signalfd::open(s, set)?).1,
        };
        wait_readable(s, fd, deadline, (Kind::Signal, 0))?;
    }
}

/// The signals that this OS thread blocks.
fn blocked() -> Set {
    let mut now = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: asks for the mask; zeroes are a valid set too.
    unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), now.as_mut_ptr());
        Set::of(now.assume_init_ref())
    }
}

/// The first signal of the set that is pending.
fn pending(set: &libc::sigset_t) -> Result<Option<Caught>> {
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    loop {
        // SAFETY: valid places; the information is read if the call has filled it.
        match check(unsafe { libc::sigtimedwait(set, info.as_mut_ptr(), &at_once) } as isize).map_err(Error::errno) {
            // SAFETY: filled.
            Ok(_) => return Ok(Some(unsafe { Caught::of(info.as_ptr()) })),
            Err(libc::EAGAIN) => return Ok(None),
            Err(libc::EINTR) => continue,
            Err(e) => return Err(Error::new(e)),
        }
    }
}
