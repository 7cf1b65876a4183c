//! The short lock inside the objects that several OS threads use: held for a few instructions, never across a park, a
//! wake or a callback.
//!
//! Why not the standard library's: a forked child inherits locks that the parent's other threads held at that moment, and
//! nobody there gives them back. This one knows in which process it was taken, and the child takes such a lock over. The
//! value under it is as the other thread left it; the nouns order their writes so that the worst is a lost count.
//!
//! The three states of the word are those of Drepper, "Futexes Are Tricky" (2011), mutex 2.

use crate::sys::atomic::{making, spin_loop, AtomicU32, Ordering, SPINS};
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};

use crate::home;
use crate::sys::futex;

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and somebody sleeps on the word.
const WANTED: u32 = 2;
const STATES: u32 = 2;

/// A value that one OS thread at a time may reach.
pub struct Lock<T> {
    /// The state, and above it the fork count of the process that took it.
    word: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through a guard only, and there is one guard at a time.
unsafe impl<T: Send> Sync for Lock<T> {}

/// The right to reach the value; gives the lock back when dropped.
pub struct Guard<'a, T>(&'a Lock<T>);

impl<T> Lock<T> {
    making! {
        /// A lock that is free.
        pub fn new(value: T) -> Lock<T> {
            Lock { word: AtomicU32::new(FREE), value: UnsafeCell::new(value) }
        }
    }

    /// Takes the lock.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        let held = home::forks() << STATES | HELD;
        if self.word.compare_exchange(FREE, held, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.lock_slowly();
        }
        Guard(self)
    }

    #[cold]
    fn lock_slowly(&self) {
        let process = home::forks() << STATES;
        let mut spins = 0;
        loop {
            let now = self.word.load(Ordering::Relaxed);
            let orphan = now != FREE && now >> STATES << STATES != process;
            if now == FREE || orphan {
                // As if somebody slept: whoever came here may not be the only one.
                let taken = self.word.compare_exchange(now, process | WANTED, Ordering::Acquire, Ordering::Relaxed);
                if taken.is_ok() {
                    return;
                }
            } else if spins < SPINS {
                spins += 1;
                spin_loop();
            } else if now == process | WANTED
                || self.word.compare_exchange(now, process | WANTED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            {
                futex::wait(&self.word, process | WANTED);
            }
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only one.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.0.word.swap(FREE, Ordering::Release) & WANTED != 0 {
            futex::wake_one(&self.0.word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        static COUNT: Lock<usize> = Lock::new(0);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    for _ in 0..20_000 {
                        *COUNT.lock() += 1;
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(*COUNT.lock(), 80_000);
    }

    #[test]
    fn a_lock_of_another_process_is_taken_over() {
        let lock = Lock::new(7);
        lock.word.store((home::forks() + 1) << STATES | HELD, Ordering::Relaxed);
        assert_eq!(*lock.lock(), 7);
        assert_eq!(lock.word.load(Ordering::Relaxed), FREE);
    }
}
