//! Waking many: wakes are sent when the noun's lock has been given back, a handful at a time.
//!
//! Who wakes all waiters of a noun must not go on for ever while new ones arrive. A [`Crowd`] numbers its waiters, and
//! the waking ends with the last one that was there when it began.

use super::lock::Lock;
use super::queue::{Waiter, Waiters, Wake};
use crate::home;

/// Wakes that are sent together.
const MOST: usize = 32;

/// A handful of wakes.
pub struct Batch {
    wakes: [Option<Wake>; MOST],
    len: usize,
}

impl Batch {
    /// No wakes.
    pub const fn new() -> Batch {
        Batch { wakes: [None; MOST], len: 0 }
    }

    /// Whether the wakes must be sent before the next grant.
    pub fn is_full(&self) -> bool {
        self.len == MOST
    }

    /// Keeps a wake. The batch is not full.
    pub fn push(&mut self, wake: Wake) {
        self.wakes[self.len] = Some(wake);
        self.len += 1;
    }

    /// Wakes the tasks. Not under a lock.
    pub fn send(&mut self) {
        self.wakes[..self.len].iter_mut().filter_map(Option::take).for_each(Wake::send);
        self.len = 0;
    }
}

/// The first waiter whose task is there; those before it, whose OS thread has ended, are dropped.
pub fn living(waiters: &Waiters) -> Option<&Waiter> {
    while let Some(first) = waiters.first() {
        if home::is_alive(first.task_id()) {
            break;
        }
        waiters.remove(first);
    }
    waiters.first()
}

/// Waiters that are numbered as they come, for nouns that wake all of them.
pub struct Crowd {
    /// The waiters; the number of each is in its `want`.
    pub waiters: Waiters,
    /// How many have come.
    came: usize,
    /// Calls of [`dismiss`] under way, which will want the lock again.
    busy: usize,
}

impl Crowd {
    /// Nobody waits.
    pub const fn new() -> Crowd {
        Crowd { waiters: Waiters::new(), came: 0, busy: 0 }
    }

    /// Numbers and links a waiter.
    ///
    /// # Safety
    /// As for [`Waiters::push`].
    pub unsafe fn join(&mut self, waiter: &Waiter) {
        self.came += 1;
        waiter.want.set(self.came);
        // SAFETY: by the caller.
        unsafe { self.waiters.push(waiter) };
    }

    /// Whether somebody waits, is being woken, or has yet to leave.
    pub fn is_in_use(&self) -> bool {
        self.busy > 0 || !self.waiters.is_left()
    }
}

/// Under the noun's lock, `begin` brings the thing about, and says whether it did; then all waiters that came before are
/// granted and woken. `emptied` is called under the lock when none is left.
pub fn dismiss(crowd: &Lock<Crowd>, begin: impl FnOnce() -> bool, emptied: impl Fn()) {
    let mut batch = Batch::new();
    let mut crowd_now = crowd.lock();
    if !begin() {
        return;
    }
    let last = crowd_now.came;
    crowd_now.busy += 1;
    loop {
        let mut again = false;
        while let Some(waiter) = crowd_now.waiters.first() {
            if waiter.want.get().wrapping_sub(last) as isize > 0 {
                break;
            }
            if batch.is_full() {
                again = true;
                break;
            }
            if crowd_now.waiters.claim(waiter) {
                batch.push(crowd_now.waiters.finish(waiter, 0));
            }
        }
        crowd_now.busy -= !again as usize;
        if crowd_now.waiters.is_empty() {
            emptied();
        }
        drop(crowd_now);
        batch.send();
        if !again {
            return;
        }
        crowd_now = crowd.lock();
    }
}
