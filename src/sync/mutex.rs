//! A mutex that knows its owner and goes to the task that has waited longest.
//!
//! Unlock hands the mutex over: it is never free while somebody waits, so nobody can slip in, and everybody's turn comes.

use crate::sys::atomic::{AtomicU64, Ordering};

use super::batch::living;
use super::lock::Lock;
use super::object::Object;
use super::queue::{Waiter, Waiters};
use crate::error::{Error, Result};
use crate::home;
use crate::sched::waits::Kind;
use crate::sched::Scheduler;

/// Somebody waits. The other bits are the owner's task id, 0 for none. Set and cleared under the lock.
const WAIT: u64 = 1 << 63;

/// A mutex.
pub struct Mutex {
    word: AtomicU64,
    waiters: Lock<Waiters>,
}

impl Default for Mutex {
    fn default() -> Mutex {
        Mutex { word: AtomicU64::new(0), waiters: Lock::new(Waiters::new()) }
    }
}

impl Mutex {
    /// Takes the mutex, waiting for it at most until `deadline`. -EDEADLK: the task has it already.
    #[inline]
    pub fn lock(&self, s: &'static Scheduler, deadline: i64) -> Result<()> {
        s.check()?;
        let me = s.my_id() as u64;
        match self.word.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(_) => self.lock_slowly(s, me, deadline),
        }
    }

    #[cold]
    fn lock_slowly(&self, s: &'static Scheduler, me: u64, deadline: i64) -> Result<()> {
        let waiter = Waiter::new(s, 0);
        {
            let waiters = self.waiters.lock();
            let mut now = self.word.load(Ordering::Relaxed);
            loop {
                if now & !WAIT == me {
                    return Err(Error::new(libc::EDEADLK));
                }
                let next = if now == 0 { me } else { now | WAIT };
                match self.word.compare_exchange(now, next, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(0) => return Ok(()),
                    Ok(_) => break,
                    Err(newer) => now = newer,
                }
            }
            // SAFETY: `wait` returns only when the waiter is unlinked.
            unsafe { waiters.push(&waiter) };
        }
        s.waits_on(Kind::Mutex, Object::address(self));
        waiter.wait(s, deadline, || self.leave(&waiter)).map(drop)
    }

    fn leave(&self, waiter: &Waiter) {
        let waiters = self.waiters.lock();
        if waiters.remove(waiter) && waiters.is_empty() {
            self.word.fetch_and(!WAIT, Ordering::Relaxed);
        }
    }

    /// Takes the mutex if it is free. -EBUSY, -EDEADLK.
    #[inline]
    pub fn try_lock(&self, s: &'static Scheduler) -> Result<()> {
        let me = s.my_id() as u64;
        match self.word.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(now) if now & !WAIT == me => Err(Error::new(libc::EDEADLK)),
            Err(_) => Err(Error::new(libc::EBUSY)),
        }
    }

    /// Whether that task is the owner.
    #[inline]
    pub fn is_of(&self, task: i64) -> bool {
        self.word.load(Ordering::Relaxed) & !WAIT == task as u64
    }

    /// Gives the mutex to the first waiter, or free. -EPERM: it is not the running task's.
    #[inline]
    pub fn unlock(&self, me: i64) -> Result<()> {
        match self.word.compare_exchange(me as u64, 0, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(now) if now == me as u64 | WAIT => {
                self.hand_over();
                Ok(())
            }
            Err(_) => Err(Error::new(libc::EPERM)),
        }
    }

    #[cold]
    fn hand_over(&self) {
        let waiters = self.waiters.lock();
        while let Some(next) = waiters.first() {
            if !waiters.claim(next) {
                continue;
            }
            let more = if waiters.next(next).is_some() { WAIT } else { 0 };
            // Before the grant: the next owner may run, and unlock, at once.
            self.word.store(next.task_id() as u64 | more, Ordering::Release);
            let wake = waiters.finish(next, 0);
            drop(waiters);
            return wake.send();
        }
        self.word.store(0, Ordering::Release);
    }

    /// Whether the mutex may go: -EBUSY while a task holds it or waits for it.
    pub fn may_free(&self) -> Result<()> {
        let waiters = self.waiters.lock();
        let owner = self.word.load(Ordering::Acquire) & !WAIT;
        if living(&waiters).is_some() || home::is_alive(owner as i64) {
            return Err(Error::new(libc::EBUSY));
        }
        Ok(())
    }
}
