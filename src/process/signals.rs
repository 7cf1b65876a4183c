//! A channel of signals: what a set of signals says from now on, received by tasks.

pub use super::ring::Caught;
use super::ring::Ring;
use super::taken::{self, Set};
use super::wait_readable;
use crate::error::{Error, Result};
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::sync::batch::living;
use crate::sync::lock::Lock;
use crate::sync::object::Object;
use crate::sync::queue::{Waiter, Waiters};
use crate::sys::clock;

/// A channel.
pub struct Signals {
    ring: &'static Ring,
    set: Set,
    /// Those who wait, so that it is not freed under them.
    waiting: Lock<Waiters>,
}

impl Signals {
    /// Takes the signals of a set, as [`taken::take`].
    pub fn new(set: &libc::sigset_t) -> Result<Signals> {
        let set = Set::of(set);
        Ok(Signals { ring: taken::take(set)?, set, waiting: Lock::new(Waiters::new()) })
    }

    /// The descriptor that is readable while there are signals.
    pub fn descriptor(&self) -> i32 {
        self.ring.bell()
    }

    /// Receives a signal.
    pub fn recv(&self, s: &'static Scheduler, deadline: i64) -> Result<Caught> {
        s.check()?;
        loop {
            while let Some(caught) = self.ring.take() {
                if self.set.has(caught.number) {
                    self.ring.settle();
                    s.charge();
                    return Ok(caught);
                }
            }
            if clock::passed(deadline) {
                return Err(Error::new(libc::ETIMEDOUT));
            }
            let waiter = Waiter::new(s, 0);
            // SAFETY: it is removed below, before this frame ends.
            unsafe { self.waiting.lock().push(&waiter) };
            let waited = wait_readable(s, self.ring.bell(), deadline, (Kind::Signal, Object::address(self)));
            self.waiting.lock().remove(&waiter);
            waited?;
        }
    }

    /// -EBUSY while somebody waits.
    pub fn may_free(&self) -> Result<()> {
        match living(&self.waiting.lock()) {
            Some(_) => Err(Error::new(libc::EBUSY)),
            None => Ok(()),
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        taken::give(self.ring, self.set);
    }
}
