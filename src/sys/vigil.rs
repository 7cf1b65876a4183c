//! Staying awake a little before an OS thread sleeps. Where threads answer each other within microseconds, lying down and being
//! woken takes longer than the answer.
//!
//! It is done only where it has paid of late. A thread that no other one wakes stays awake never. One that watched in vain lets
//! twice as many wakes go by before it watches again, up to `PATIENCE`; one that saw something halves that number. So a
//! thread that is woken now and then watches in vain once in `PATIENCE` wakes, and one that nobody wakes not at all. With one
//! processor there is nobody to watch for.

use std::cell::Cell;

use super::atomic::spin_loop;
use super::clock;
use super::thread;

/// The longest watch (ns): about what being woken takes, on a virtual machine.
pub const LONGEST: i64 = 50_000;
/// So many wakes lie between two watches at most.
const PATIENCE: u32 = 256;
/// Looks between two looks at the clock.
const LOOKS: u32 = 8;

/// What one OS thread knows of its watches.
pub struct Vigil {
    /// Wakes that go by before the next watch.
    left: Cell<u32>,
    /// How many go by after one in vain.
    pause: Cell<u32>,
    /// Whether the thread may run on several processors; asked again after each watch in vain.
    company: Cell<Option<bool>>,
}

impl Vigil {
    /// Of a thread that has not been woken yet.
    pub fn new() -> Vigil {
        Vigil { left: Cell::new(1), pause: Cell::new(1), company: Cell::new(None) }
    }

    /// The thread slept, and another one woke it.
    #[inline]
    pub fn woken(&self) {
        self.left.set(self.left.get().saturating_sub(1));
    }

    /// Whether a watch may pay.
    #[inline(always)]
    pub fn is_due(&self) -> bool {
        self.left.get() == 0
    }

    /// Watches for news, `limit` ns at most, if that may pay; whether there is any.
    #[inline]
    pub fn keep(&self, limit: i64, news: impl Fn() -> bool) -> bool {
        self.is_due() && self.watch(limit.min(LONGEST), news)
    }

    #[inline(never)]
    fn watch(&self, limit: i64, news: impl Fn() -> bool) -> bool {
        let company = self.company.get().unwrap_or_else(|| thread::processors() > 1);
        let seen = company && look(limit, news);
        if seen {
            self.pause.set((self.pause.get() / 2).max(1));
        } else {
            self.pause.set((self.pause.get() * 2).min(PATIENCE));
            self.left.set(self.pause.get());
        }
        self.company.set(seen.then_some(true));
        seen
    }
}

/// Lets `ns` nanoseconds pass, awake.
pub fn pass(ns: i64) {
    look(ns, || false);
}

fn look(limit: i64, news: impl Fn() -> bool) -> bool {
    let end = clock::real() + limit;
    loop {
        for _ in 0..LOOKS {
            if news() {
                return true;
            }
            spin_loop();
        }
        if clock::real() >= end {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Watches of a thread whose wakes never come while it watches, among so many wakes.
    fn in_vain(vigil: &Vigil, wakes: u32) -> u32 {
        let mut watches = 0;
        for _ in 0..wakes {
            if vigil.is_due() {
                watches += 1;
                assert!(!vigil.keep(0, || false));
            }
            vigil.woken();
        }
        watches
    }

    #[test]
    fn a_thread_that_nobody_wakes_never_watches() {
        let vigil = Vigil::new();
        assert!(!vigil.is_due() && !vigil.keep(LONGEST, || unreachable!()));
    }

    #[test]
    fn watches_in_vain_become_rare() {
        let vigil = Vigil::new();
        assert!((6..12).contains(&in_vain(&vigil, 2 * PATIENCE)));
        assert_eq!(in_vain(&vigil, 100 * PATIENCE), 100);
    }

    #[test]
    fn a_thread_that_sees_something_keeps_watching() {
        if thread::processors() == 1 {
            return;
        }
        let vigil = Vigil::new();
        in_vain(&vigil, 4);
        while !vigil.is_due() {
            vigil.woken();
        }
        (0..100).for_each(|_| assert!(vigil.keep(LONGEST, || true)));
        assert_eq!(vigil.pause.get(), 1);
    }

    #[test]
    fn a_watch_ends() {
        assert!(!look(1000, || false));
    }
}
