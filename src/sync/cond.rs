//! A condition variable: give a mutex up, wait to be told, take the mutex back.

use std::sync::atomic::{AtomicBool, Ordering};

use super::batch::{dismiss, Crowd};
use super::lock::Lock;
use super::mutex::Mutex;
use super::object::Object;
use super::queue::Waiter;
use crate::error::{Error, Result};
use crate::sched::waits::Kind;
use crate::sched::Scheduler;
use crate::sys::clock::NEVER;

/// A condition variable.
pub struct Cond {
    /// Whether somebody may wait: a signal to nobody takes no lock. Set and cleared under the lock, and set before the
    /// waiter gives its mutex up, so who signals after taking that mutex sees it.
    waited: AtomicBool,
    crowd: Lock<Crowd>,
}

impl Default for Cond {
    fn default() -> Cond {
        Cond { waited: AtomicBool::new(false), crowd: Lock::new(Crowd::new()) }
    }
}

impl Cond {
    /// Waits to be told, at most until `deadline`; whatever ends the wait, the mutex is the task's again after it,
    /// unless that wait is the deadlock (-EDEADLK). -EPERM: the mutex is not the task's.
    pub fn wait(&self, s: &'static Scheduler, mutex: &Mutex, deadline: i64) -> Result<()> {
        if !mutex.is_of(s.my_id()) {
            return Err(Error::new(libc::EPERM));
        }
        s.check()?;
        let waiter = Waiter::new(s, 0);
        {
            let mut crowd = self.crowd.lock();
            self.waited.store(true, Ordering::Relaxed);
            // SAFETY: `wait` returns only when the waiter is unlinked, and the unlock before it does not fail.
            unsafe { crowd.join(&waiter) };
        }
        let given_up = mutex.unlock(s.my_id());
        debug_assert!(given_up.is_ok());
        s.waits_on(Kind::Cond, Object::address(self));
        let told = waiter.wait(s, deadline, || {
            let crowd = self.crowd.lock();
            crowd.waiters.remove(&waiter);
            self.forget(&crowd);
        });
        lock_shielded(s, mutex)?;
        told.map(drop)
    }

    /// Wakes the task that waits longest; nobody there, nothing happens.
    #[inline]
    pub fn signal(&self) {
        if self.waited.load(Ordering::Acquire) {
            self.signal_one();
        }
    }

    #[cold]
    fn signal_one(&self) {
        let crowd = self.crowd.lock();
        let granted = crowd.waiters.grant(0);
        self.forget(&crowd);
        drop(crowd);
        if let Some((_, wake)) = granted {
            wake.send();
        }
    }

    /// Wakes all that wait.
    #[inline]
    pub fn broadcast(&self) {
        if self.waited.load(Ordering::Acquire) {
            dismiss(&self.crowd, || true, || self.waited.store(false, Ordering::Relaxed));
        }
    }

    fn forget(&self, crowd: &Crowd) {
        if crowd.waiters.is_empty() {
            self.waited.store(false, Ordering::Relaxed);
        }
    }

    /// -EBUSY while somebody waits.
    pub fn may_free(&self) -> Result<()> {
        match self.crowd.lock().is_in_use() {
            true => Err(Error::new(libc::EBUSY)),
            false => Ok(()),
        }
    }
}

/// Cancel, interrupts and deadlines do not keep the task from getting its mutex back.
fn lock_shielded(s: &'static Scheduler, mutex: &Mutex) -> Result<()> {
    s.shield_push();
    let locked = loop {
        match mutex.lock(s, NEVER) {
            // The host's signal handler has run.
            Err(e) if e.errno() == libc::EINTR => continue,
            end => break end,
        }
    };
    s.shield_pop()?;
    locked
}
