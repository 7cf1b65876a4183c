//! A wait group: a count of things to be done, and waiting until it is zero.

use crate::sys::atomic::{AtomicU64, Ordering};

use super::batch::{dismiss, Crowd};
use super::lock::Lock;
use super::object::Object;
use super::queue::Waiter;
use crate::error::{Error, Result};
use crate::sched::waits::Kind;
use crate::sched::Scheduler;

/// Somebody waits. The other bits are the count. Set and cleared under the lock; while it is set, the count becomes 0
/// under the lock only.
const WAIT: u64 = 1 << 63;
const MOST: u64 = i64::MAX as u64;

/// A wait group.
pub struct WaitGroup {
    word: AtomicU64,
    crowd: Lock<Crowd>,
}

impl Default for WaitGroup {
    fn default() -> WaitGroup {
        WaitGroup { word: AtomicU64::new(0), crowd: Lock::new(Crowd::new()) }
    }
}

/// The count after `n` more (or less): -EINVAL below zero, -EOVERFLOW.
fn sum(now: u64, n: i64) -> Result<u64> {
    match (now & MOST).checked_add_signed(n) {
        Some(count) if count <= MOST => Ok(count),
        Some(_) => Err(Error::new(libc::EOVERFLOW)),
        None => Err(Error::new(libc::EINVAL)),
    }
}

impl WaitGroup {
    /// Adds to the count; when it becomes zero, wakes all that wait.
    #[inline]
    pub fn add(&self, n: i64) -> Result<()> {
        let mut now = self.word.load(Ordering::Relaxed);
        loop {
            let count = sum(now, n)?;
            if count == 0 && now & WAIT != 0 {
                return self.finish(n);
            }
            match self.word.compare_exchange_weak(now, now & WAIT | count, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(newer) => now = newer,
            }
        }
    }

    /// As `add`, under the lock, since somebody waits.
    #[cold]
    fn finish(&self, n: i64) -> Result<()> {
        let mut added = Ok(());
        let end = || {
            let mut now = self.word.load(Ordering::Relaxed);
            loop {
                let count = match sum(now, n) {
                    Ok(count) => count,
                    Err(e) => {
                        added = Err(e);
                        return false;
                    }
                };
                let next = now & WAIT | count;
                match self.word.compare_exchange(now, next, Ordering::AcqRel, Ordering::Relaxed) {
                    Ok(_) => return count == 0,
                    Err(newer) => now = newer,
                }
            }
        };
        dismiss(&self.crowd, end, || {
            self.word.fetch_and(!WAIT, Ordering::Relaxed);
        });
        added
    }

    /// Whether the count is zero.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.word.load(Ordering::Acquire) & MOST == 0
    }

    /// Waits until the count is zero, at most until `deadline`. The caller has asked `check` and has seen it not done.
    #[cold]
    pub fn wait(&self, s: &'static Scheduler, deadline: i64) -> Result<()> {
        let waiter = Waiter::new(s, 0);
        {
            let mut crowd = self.crowd.lock();
            let mut now = self.word.load(Ordering::Acquire);
            loop {
                if now & MOST == 0 {
                    return Ok(());
                }
                match self.word.compare_exchange(now, now | WAIT, Ordering::Acquire, Ordering::Acquire) {
                    Ok(_) => break,
                    Err(newer) => now = newer,
                }
            }
            // SAFETY: `wait` returns only when the waiter is unlinked.
            unsafe { crowd.join(&waiter) };
        }
        let leave = || {
            let crowd = self.crowd.lock();
            if crowd.waiters.remove(&waiter) && crowd.waiters.is_empty() {
                self.word.fetch_and(!WAIT, Ordering::Relaxed);
            }
        };
        s.waits_on(Kind::WaitGroup, Object::address(self));
        waiter.wait(s, deadline, leave).map(drop)
    }

    /// -EBUSY while somebody waits.
    pub fn may_free(&self) -> Result<()> {
        match self.crowd.lock().is_in_use() {
            true => Err(Error::new(libc::EBUSY)),
            false => Ok(()),
        }
    }
}
