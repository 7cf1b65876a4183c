//! A counting semaphore. A post goes to the task that has waited longest; only when nobody waits is it counted.

use crate::sys::atomic::{AtomicU64, Ordering};

use super::batch::Batch;
use super::lock::Lock;
use super::object::Object;
use super::queue::{Waiter, Waiters};
use crate::error::{Error, Result};
use crate::sched::waits::Kind;
use crate::sched::Scheduler;

/// Somebody waits. The other bits are the value. Set, cleared, and the value changed while it is set, under the lock.
const WAIT: u64 = 1 << 63;
/// The largest value.
const MOST: u64 = i64::MAX as u64;

/// A semaphore.
pub struct Sem {
    word: AtomicU64,
    state: Lock<State>,
}

struct State {
    waiters: Waiters,
    /// Posts under way that will want the lock again.
    busy: usize,
}

impl Sem {
    /// A semaphore; -EINVAL for a negative value.
    pub fn new(value: i64) -> Result<Sem> {
        let value = u64::try_from(value).map_err(|_| Error::new(libc::EINVAL))?;
        Ok(Sem { word: AtomicU64::new(value), state: Lock::new(State { waiters: Waiters::new(), busy: 0 }) })
    }

    /// The value.
    pub fn value(&self) -> i64 {
        (self.word.load(Ordering::Relaxed) & MOST) as i64
    }

    /// Takes one if there is one and nobody was earlier.
    #[inline]
    pub fn try_wait(&self) -> bool {
        let mut now = self.word.load(Ordering::Relaxed);
        while now != 0 && now & WAIT == 0 {
            match self.word.compare_exchange_weak(now, now - 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(newer) => now = newer,
            }
        }
        false
    }

    /// Waits for one at most until `deadline`. The caller has asked `check` and has seen `try_wait` fail.
    #[cold]
    pub fn wait(&self, s: &'static Scheduler, deadline: i64) -> Result<()> {
        let waiter = Waiter::new(s, 1);
        // SAFETY: `wait` returns only when the waiter is unlinked.
        if unsafe { self.take_or_link(&waiter) } {
            return Ok(());
        }
        s.waits_on(Kind::Sem, Object::address(self));
        waiter.wait(s, deadline, || self.unlink(&waiter)).map(drop)
    }

    /// Takes one (true), or links the waiter to be given one.
    ///
    /// # Safety
    /// The waiter stays where it is until it is granted or unlinked.
    pub unsafe fn take_or_link(&self, waiter: &Waiter) -> bool {
        let state = self.state.lock();
        let mut now = self.word.load(Ordering::Relaxed);
        loop {
            let take = now != 0 && now & WAIT == 0;
            let next = if take { now - 1 } else { now | WAIT };
            match self.word.compare_exchange(now, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) if take => return true,
                Ok(_) => break,
                Err(newer) => now = newer,
            }
        }
        // SAFETY: by the caller.
        unsafe { state.waiters.push(waiter) };
        false
    }

    /// Unlinks a waiter that was not granted.
    pub fn unlink(&self, waiter: &Waiter) {
        let state = self.state.lock();
        if state.waiters.remove(waiter) && state.waiters.is_empty() {
            self.word.fetch_and(!WAIT, Ordering::Relaxed);
        }
    }

    /// Adds `n`. -EINVAL: negative; -EOVERFLOW: more than INT64_MAX.
    #[inline]
    pub fn post(&self, n: i64) -> Result<()> {
        let n = u64::try_from(n).map_err(|_| Error::new(libc::EINVAL))?;
        let mut now = self.word.load(Ordering::Relaxed);
        while now & WAIT == 0 {
            let next = now + n;
            if next > MOST {
                return Err(Error::new(libc::EOVERFLOW));
            }
            match self.word.compare_exchange_weak(now, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(newer) => now = newer,
            }
        }
        self.post_slowly(n)
    }

    #[cold]
    fn post_slowly(&self, n: u64) -> Result<()> {
        let mut batch = Batch::new();
        let mut state = self.state.lock();
        let added = self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |now| {
            let value = (now & MOST) + n;
            (value <= MOST).then_some(now & WAIT | value)
        });
        added.map_err(|_| Error::new(libc::EOVERFLOW))?;
        state.busy += 1;
        loop {
            // While WAIT stands, and with the lock, the word is ours.
            let mut again = false;
            while self.word.load(Ordering::Relaxed) & MOST > 0 {
                let Some(waiter) = state.waiters.first() else { break };
                if batch.is_full() {
                    again = true;
                    break;
                }
                if state.waiters.claim(waiter) {
                    self.word.fetch_sub(1, Ordering::Relaxed);
                    batch.push(state.waiters.finish(waiter, 0));
                }
            }
            if state.waiters.is_empty() {
                self.word.fetch_and(!WAIT, Ordering::Release);
            }
            state.busy -= !again as usize;
            drop(state);
            batch.send();
            if !again {
                return Ok(());
            }
            state = self.state.lock();
        }
    }

    /// -EBUSY while somebody waits.
    pub fn may_free(&self) -> Result<()> {
        let state = self.state.lock();
        match state.busy > 0 || !state.waiters.is_left() {
            true => Err(Error::new(libc::EBUSY)),
            false => Ok(()),
        }
    }
}
