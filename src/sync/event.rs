//! An event: once set it lets everybody through, until it is cleared.

use crate::sys::atomic::{AtomicU32, Ordering};

use super::batch::{dismiss, Crowd};
use super::lock::Lock;
use super::object::Object;
use super::queue::Waiter;
use crate::error::{Error, Result};
use crate::sched::waits::Kind;
use crate::sched::Scheduler;

const SET: u32 = 1;
/// Somebody waits. Set and cleared under the lock.
const WAIT: u32 = 2;

/// An event.
pub struct Event {
    word: AtomicU32,
    crowd: Lock<Crowd>,
}

impl Default for Event {
    fn default() -> Event {
        Event { word: AtomicU32::new(0), crowd: Lock::new(Crowd::new()) }
    }
}

impl Event {
    /// Whether it is set.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.word.load(Ordering::Acquire) & SET != 0
    }

    /// Sets it, and wakes all that wait.
    #[inline]
    pub fn set(&self) {
        let mut now = self.word.load(Ordering::Relaxed);
        while now & WAIT == 0 {
            match self.word.compare_exchange_weak(now, SET, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => now = newer,
            }
        }
        self.set_slowly();
    }

    #[cold]
    fn set_slowly(&self) {
        let set = || {
            self.word.fetch_or(SET, Ordering::Release);
            true
        };
        dismiss(&self.crowd, set, || {
            self.word.fetch_and(!WAIT, Ordering::Relaxed);
        });
    }

    /// Clears it.
    #[inline]
    pub fn clear(&self) {
        self.word.fetch_and(!SET, Ordering::Relaxed);
    }

    /// Waits until it is set, at most until `deadline`. The caller has asked `check` and has seen it not set.
    #[cold]
    pub fn wait(&self, s: &'static Scheduler, deadline: i64) -> Result<()> {
        let waiter = Waiter::new(s, 0);
        // SAFETY: `wait` returns only when the waiter is unlinked.
        if unsafe { self.see_or_link(&waiter) } {
            return Ok(());
        }
        s.waits_on(Kind::Event, Object::address(self));
        waiter.wait(s, deadline, || self.unlink(&waiter)).map(drop)
    }

    /// Sees that it is set (true), or links the waiter to be told.
    ///
    /// # Safety
    /// The waiter stays where it is until it is granted or unlinked.
    pub unsafe fn see_or_link(&self, waiter: &Waiter) -> bool {
        let mut crowd = self.crowd.lock();
        let mut now = self.word.load(Ordering::Acquire);
        while now & (SET | WAIT) == 0 {
            match self.word.compare_exchange(now, now | WAIT, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => break,
                Err(newer) => now = newer,
            }
        }
        if now & SET == 0 {
            // SAFETY: by the caller.
            unsafe { crowd.join(waiter) };
        }
        now & SET != 0
    }

    /// Unlinks a waiter that was not granted.
    pub fn unlink(&self, waiter: &Waiter) {
        let crowd = self.crowd.lock();
        if crowd.waiters.remove(waiter) && crowd.waiters.is_empty() {
            self.word.fetch_and(!WAIT, Ordering::Relaxed);
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
