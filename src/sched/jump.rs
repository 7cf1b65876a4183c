//! A virtual clock, for tests: time stands still while anybody runs, and jumps to the next deadline when every task waits.
//!
//! The clock is the process's (docs/decisions/0042-virtual-clock.md). A scheduler with nothing ready looks what has happened for
//! real, descriptors and other threads' requests, and then says until when it has nothing to do; whoever finds that all others
//! have said so moves the clock (`home/quiet.rs`). Without a virtual clock all this costs one branch, where the thread would
//! sleep anyway.

use super::Scheduler;
use crate::error::{Error, Result};
use crate::home::{self, quiet, quiet::Quiet};
use crate::reactor::FOR_EVER;
use crate::sys::clock::{self, NEVER};

/// How long a quiet scheduler sleeps, for real, before it looks again whether others let the clock be moved.
const LOOK_AGAIN: i64 = 1_000_000;

fn real_clock() -> Error {
    Error::new(libc::EPERM)
}

/// Makes the clock virtual; it begins at `start`, or at the present if that is 0. Before a jump everything must be silent
/// for `grace` ns of real time. Errors: -EINVAL, -EALREADY, -EBUSY (see [`settled`]).
pub fn begin(start: i64, grace: i64) -> Result<()> {
    if start < 0 || grace < 0 || start == NEVER {
        return Err(Error::new(libc::EINVAL));
    }
    let _alone = super::making();
    if clock::is_virtual() {
        return Err(Error::new(libc::EALREADY));
    }
    settled()?;
    quiet::begin(if start == 0 { clock::real() } else { start }, grace);
    set_wheel();
    Ok(())
}

/// Gives the process the kernel's clock back. Errors: -EPERM (it has it), -EBUSY.
pub fn end() -> Result<()> {
    let _alone = super::making();
    if !clock::is_virtual() {
        return Err(real_clock());
    }
    settled()?;
    quiet::end();
    set_wheel();
    Ok(())
}

/// Moves the virtual clock by hand. What is due then is ready at once on this thread, and soon on the others.
pub fn advance(ns: i64) -> Result<()> {
    if ns < 0 {
        return Err(Error::new(libc::EINVAL));
    }
    if !clock::is_virtual() {
        return Err(real_clock());
    }
    quiet::advance(ns)?;
    if let Some(s) = Scheduler::existing() {
        s.fire(clock::now());
    }
    Ok(())
}

/// Nothing in the process counts on the clock that it has now: no scheduler but the caller's, which has no task but the
/// root, no timer, no scope with a deadline and no job. Else -EBUSY.
fn settled() -> Result<()> {
    let mine = Scheduler::existing();
    let busy = mine.is_some_and(|s| {
        s.live.get() > 0 || !s.timers().is_empty() || s.me().scope_deadline.get() != NEVER || s.home.jobs.count() > 0
    });
    if busy || home::count() != mine.is_some() as usize {
        return Err(Error::new(libc::EBUSY));
    }
    Ok(())
}

/// The wheel's present, and the clock that waits are dated by, are the new clock's.
fn set_wheel() {
    if let Some(s) = Scheduler::existing() {
        s.timers().restart(clock::now());
        s.note_time();
    }
}

impl Scheduler {
    /// [`Scheduler::idle`] with a virtual clock: looks what has happened for real; if nothing has, time goes on, to `limit` at
    /// most.
    #[cold]
    #[inline(never)]
    pub(super) fn idle_virtually(&self, limit: i64) {
        // Whatever ends a sleep early (a signal, stacks to be given back, the audit) does not end the silence.
        let grace = quiet::grace();
        let until = if grace > 0 { clock::real().saturating_add(grace) } else { 0 };
        loop {
            let left = if grace > 0 { (until - clock::real()).max(0) } else { 0 };
            self.wait_and_dispatch(left, false);
            if !self.ready.is_empty() || self.home.inbox.has_post() {
                return;
            }
            if left == 0 {
                break;
            }
        }
        let next = self.timers().nearest().unwrap_or(NEVER).min(limit);
        if clock::passed(next) {
            return;
        }
        match self.home.quiet(next) {
            Quiet::Moved => self.note_time(),
            Quiet::Held => self.doze(LOOK_AGAIN),
            Quiet::NoDeadline => self.doze(FOR_EVER),
        }
    }

    /// Sleeps, for real, and leaves in the reactor and the inbox what comes meanwhile: others look there (K1).
    fn doze(&self, pause: i64) {
        let released = self.host_release();
        let mut woken = Ok(());
        if self.home.inbox.fall_asleep() {
            woken = self.reactor().doze(pause);
            self.home.inbox.wake_up();
        }
        self.host_acquire(released);
        self.home.stir();
        if woken == Err(Error::new(libc::EINTR)) {
            self.signalled();
        }
    }
}
