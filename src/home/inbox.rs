//! The inbox of a home: what other OS threads ask of its tasks, and how a home that sleeps hears of it.
//!
//! A stack of task records, each linked once (Treiber, IBM RJ 5118, 1986), and a bell. Requests are bits in the tasks' slots;
//! the inbox only says which slots to look at.
//!
//! Invariant H3. Sleep: the home sets `asleep`, then looks into the inbox; a sender links first, then looks at `asleep`.
//! Both in one total order (SeqCst), so one of them sees the other.

use crate::error::Result;
use crate::slots::Link;
use crate::sys::atomic::{AtomicBool, AtomicPtr, Ordering};
use crate::sys::bell::Bell;

/// Requests on their way to one OS thread.
pub struct Inbox {
    asleep: AtomicBool,
    head: AtomicPtr<Link>,
    bell: Bell,
}

impl Inbox {
    /// Nothing is asked, and nobody sleeps.
    pub fn new(bell: Bell) -> Inbox {
        Inbox { asleep: AtomicBool::new(false), head: AtomicPtr::default(), bell }
    }

    /// Any thread: puts a link into the inbox and wakes the home if it sleeps.
    ///
    /// # Safety
    /// The link is in no inbox, and stays until the home has taken it out.
    pub unsafe fn post(&self, link: *mut Link) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: by the caller.
            unsafe { (*link).next.store(head, Ordering::Relaxed) };
            match self.head.compare_exchange_weak(head, link, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        self.ring();
    }

    /// Any thread: whether the home's OS thread sleeps in a poll; only a hint.
    pub fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }

    /// Wakes the home's OS thread if it sleeps in a poll.
    pub fn ring(&self) {
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.bell.ring();
        }
    }

    /// What ends the home's sleep.
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Home thread: announces sleep; false if there is mail or a request, so do not sleep (H3).
    #[inline]
    pub fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        if self.has_post() {
            self.asleep.store(false, Ordering::SeqCst);
            return false;
        }
        true
    }

    /// Home thread: the sleep is over.
    #[inline]
    pub fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether requests wait in the inbox.
    #[inline]
    pub fn has_post(&self) -> bool {
        !self.head.load(Ordering::SeqCst).is_null()
    }

    /// Home thread: empties the inbox, oldest request first.
    pub fn drain(&self, mut each: impl FnMut(*const ())) {
        let mut at = self.head.swap(std::ptr::null_mut(), Ordering::AcqRel);
        let mut ordered: *mut Link = std::ptr::null_mut();
        while !at.is_null() {
            // SAFETY: L2: linked records stay until `collect` clears QUEUED, which `each` does after this loop.
            unsafe {
                let next = (*at).next.load(Ordering::Relaxed);
                (*at).next.store(ordered, Ordering::Relaxed);
                ordered = at;
                at = next;
            }
        }
        while !ordered.is_null() {
            // SAFETY: as above; the link to the next is read before `each` gives this record free.
            let (task, next) = unsafe { ((*ordered).task, (*ordered).next.load(Ordering::Relaxed)) };
            ordered = next;
            each(task);
        }
    }

    /// Home thread: forgets what was asked; the tasks have ended.
    pub fn forget(&self) {
        self.head.store(std::ptr::null_mut(), Ordering::SeqCst);
    }

    /// Forked child: a fresh bell, and nothing is asked.
    pub fn after_fork(&self) -> Result<()> {
        self.bell.renew()?;
        self.forget();
        self.wake_up();
        Ok(())
    }
}
