//! The wait queue of everything that several OS threads may use: first in, first out, and nothing is lost when a waiter
//! is cancelled, interrupted or late.
//!
//! How it is used. A noun has a `Mutex<State>` with one or more [`Waiters`] in `State`. To wait: take the lock, look, link
//! a [`Waiter`] that lives on the stack, give the lock back, [`Waiter::wait`]. To wake: take the lock, bring the thing
//! about, [`Waiters::grant`] the first waiter, give the lock back, [`Wake::send`]. A grant is final: whoever got it has
//! what it waited for, even if it was cancelled at the same moment.
//!
//! Invariants:
//! Q1  A list and the links of its waiters are touched only under the lock of the noun that has the list.
//! Q2  A waiter is unlinked before its frame ends: by a grant, or by `leave` of its own wait.
//! Q3  A waiter is not touched after `granted` was set, save by its own task: its frame may be gone.
//! Q4  After a fork the lists of the parent's tasks are forgotten untouched: their stacks are free memory.
//! Q5  An arm that lost is taken out by others, but its own task comes back to the list once: until then it stands among
//!     the `evicted`, and the noun must not go.

use crate::sys::atomic::{yield_now, AtomicU32, AtomicUsize, Ordering};
use std::cell::Cell;
use std::ptr;

use crate::error::Result;
use crate::home;
use crate::sched::task;
use crate::sched::task::Task;
use crate::sched::Scheduler;
use crate::slots;

/// No arm: who waited has left.
const NOBODY: usize = usize::MAX - 1;
/// Not granted yet.
const WAITING: u32 = 0;

/// Where a waiter stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In no list.
    Out,
    /// In the list.
    Linked,
    /// Taken out by [`Waiters::claim`], because another arm of its task has won; the task has not noticed yet.
    Evicted,
}

/// Of several waiters of one task, the one that was granted first: the task waits in several queues at once.
#[derive(Default)]
pub struct Claim(AtomicUsize);

impl Claim {
    /// Nobody has claimed yet.
    pub fn new() -> Claim {
        Claim(AtomicUsize::new(0))
    }

    /// Which arm won.
    #[inline]
    pub fn winner(&self) -> Option<usize> {
        self.0.load(Ordering::Acquire).checked_sub(1).filter(|&arm| arm != NOBODY)
    }

    /// Claims for nobody: the wait is over. If somebody was quicker, waits out his grant, a few instructions under a
    /// lock, and says false.
    pub fn withdraw(&self, granted: impl Fn() -> bool) -> bool {
        if self.take(NOBODY) || self.winner().is_none() {
            return true;
        }
        while !granted() {
            yield_now();
        }
        false
    }

    /// Claims for an arm; false if another one has won.
    #[inline]
    pub fn take(&self, arm: usize) -> bool {
        self.0.compare_exchange(0, arm + 1, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// One waiting task in one queue. Lives on the stack of the task, or where else it stays put while it is linked.
pub struct Waiter {
    next: Cell<*const Waiter>,
    prev: Cell<*const Waiter>,
    place: Cell<Place>,
    granted: AtomicU32,
    task: *const Task,
    home: *const Scheduler,
    id: i64,
    claim: *const Claim,
    arm: usize,
    /// What it wants; the noun's own meaning. Under the lock.
    pub want: Cell<usize>,
    /// Where the item comes from or goes to; the noun's own meaning. Under the lock.
    pub item: Cell<*mut u8>,
}

impl Waiter {
    /// A waiter for the running task.
    #[inline]
    pub fn new(s: &'static Scheduler, want: usize) -> Waiter {
        Waiter::with_claim(s, want, ptr::null(), 0)
    }

    /// A waiter for one arm of a wait in several queues. A grant of it claims first.
    ///
    /// # Safety
    /// `claim` is null or stays where it is until the waiter was unlinked.
    #[inline]
    pub unsafe fn for_arm(s: &'static Scheduler, want: usize, claim: *const Claim, arm: usize) -> Waiter {
        Waiter::with_claim(s, want, claim, arm)
    }

    #[inline]
    fn with_claim(s: &'static Scheduler, want: usize, claim: *const Claim, arm: usize) -> Waiter {
        let me = s.me();
        Waiter {
            next: Cell::new(ptr::null()),
            prev: Cell::new(ptr::null()),
            place: Cell::new(Place::Out),
            granted: AtomicU32::new(WAITING),
            task: me,
            home: s,
            id: me.id.get(),
            claim,
            arm,
            want: Cell::new(want),
            item: Cell::new(ptr::null_mut()),
        }
    }

    /// The id of the waiting task.
    #[inline]
    pub fn task_id(&self) -> i64 {
        self.id
    }

    /// Whether it is an arm of that wait.
    pub fn is_arm_of(&self, claim: &Claim) -> bool {
        ptr::eq(self.claim, claim)
    }

    /// What the grant said, once there was one.
    #[inline]
    pub fn granted(&self) -> Option<u32> {
        self.granted.load(Ordering::Acquire).checked_sub(1)
    }

    /// Whether it stands in a list. Under the lock.
    #[inline]
    pub fn is_linked(&self) -> bool {
        self.place.get() == Place::Linked
    }

    /// Parks until the waiter, which the caller has linked, is granted; returns what the grant said. When the wait ends
    /// otherwise, `leave` is called once: it takes the noun's lock and removes the waiter, and puts right what the
    /// noun counts. A grant that came before that wins.
    ///
    /// Errors: -ECANCELED, -EINTR, -ETIMEDOUT, -EDEADLK. The caller has asked `Scheduler::check` before.
    #[inline]
    pub fn wait(&self, s: &'static Scheduler, deadline: i64, leave: impl FnOnce()) -> Result<u32> {
        s.shared_wait(true);
        let waited = s.park_listening(deadline, || self.granted().is_some(), leave);
        s.shared_wait(false);
        waited.map(|()| self.granted().unwrap_or_default())
    }
}

/// What is left to do after a grant, when the lock has been given back: wake the task.
#[must_use = "the task was granted what it waits for, and sleeps on"]
#[derive(Clone, Copy)]
pub struct Wake {
    task: *const Task,
    home: *const Scheduler,
    id: i64,
}

impl Wake {
    /// Any thread: wakes the task. Better after the noun's lock was given back: the woken task may want it.
    #[inline]
    pub fn send(self) {
        if let Some(s) = Scheduler::existing() {
            if ptr::eq(s, self.home) {
                // SAFETY: the task is of this thread, was granted on this thread under Q3 just now, and cannot have run
                // since: its record is there. `wake` ignores one that is not parked.
                s.wake(unsafe { &*self.task }, task::Wake::Event);
                return;
            }
        }
        // It may have seen the grant by itself and have gone on, or ended: then there is nobody to wake.
        let _ = home::request(self.id, slots::NUDGE);
    }
}

/// The waiting tasks of one noun, first come first.
pub struct Waiters {
    head: Cell<*const Waiter>,
    tail: Cell<*const Waiter>,
    forks: Cell<u32>,
    /// The first of those that were taken out and have not come back yet (Q5), newest first.
    evicted: Cell<*const Waiter>,
}

// SAFETY: Q1: reached under the noun's lock only; the waiters' fields that other threads read are atomic or written before
// the waiter is linked.
unsafe impl Send for Waiters {}

impl Default for Waiters {
    fn default() -> Waiters {
        Waiters::new()
    }
}

impl Waiters {
    /// Nobody waits.
    pub const fn new() -> Waiters {
        Waiters {
            head: Cell::new(ptr::null()),
            tail: Cell::new(ptr::null()),
            forks: Cell::new(0),
            evicted: Cell::new(ptr::null()),
        }
    }

    /// The first waiter.
    #[inline]
    pub fn first(&self) -> Option<&Waiter> {
        if self.head.get().is_null() {
            return None;
        }
        self.renew();
        // SAFETY: Q1, Q2: linked waiters are there.
        unsafe { self.head.get().as_ref() }
    }

    /// Whether nobody waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    /// The waiter behind this one.
    #[inline]
    pub fn next<'a>(&'a self, waiter: &'a Waiter) -> Option<&'a Waiter> {
        // SAFETY: Q1, Q2.
        unsafe { waiter.next.get().as_ref() }
    }

    /// Q4.
    #[inline]
    fn renew(&self) {
        let now = home::forks();
        if self.forks.replace(now) != now {
            self.head.set(ptr::null());
            self.tail.set(ptr::null());
            self.evicted.set(ptr::null());
        }
    }

    /// Whether nobody waits, and no arm that lost will come back to leave: the noun may go. Those whose OS thread has
    /// ended are dropped.
    pub fn is_left(&self) -> bool {
        self.renew();
        // SAFETY: Q1, Q2; the stacks of an OS thread that has ended stay mapped.
        while let Some(waiter) = unsafe { self.head.get().as_ref().or(self.evicted.get().as_ref()) } {
            if home::is_alive(waiter.id) {
                return false;
            }
            self.remove(waiter);
        }
        true
    }

    /// Links a waiter at the end.
    ///
    /// # Safety
    /// The waiter is not linked and stays where it is until it is unlinked (Q2).
    #[inline]
    pub unsafe fn push(&self, waiter: &Waiter) {
        self.renew();
        waiter.place.set(Place::Linked);
        waiter.next.set(ptr::null());
        waiter.prev.set(self.tail.get());
        match self.tail.get().is_null() {
            true => self.head.set(waiter),
            // SAFETY: Q1, Q2.
            false => unsafe { (*self.tail.get()).next.set(waiter) },
        }
        self.tail.set(waiter);
    }

    /// Unlinks a waiter if it is linked; whether it was.
    #[inline]
    pub fn remove(&self, waiter: &Waiter) -> bool {
        match waiter.place.replace(Place::Out) {
            Place::Out => return false,
            Place::Evicted => {
                self.came_back(waiter);
                return false;
            }
            Place::Linked => {}
        }
        let (prev, next) = (waiter.prev.get(), waiter.next.get());
        match prev.is_null() {
            true => self.head.set(next),
            // SAFETY: Q1, Q2.
            false => unsafe { (*prev).next.set(next) },
        }
        match next.is_null() {
            true => self.tail.set(prev),
            // SAFETY: Q1, Q2.
            false => unsafe { (*next).prev.set(prev) },
        }
        true
    }

    /// Takes a linked waiter out, and keeps it until its task comes back (Q5).
    #[cold]
    fn evict(&self, waiter: &Waiter) {
        self.remove(waiter);
        waiter.place.set(Place::Evicted);
        waiter.prev.set(ptr::null());
        waiter.next.set(self.evicted.get());
        // SAFETY: Q1, Q2.
        if let Some(next) = unsafe { self.evicted.replace(waiter).as_ref() } {
            next.prev.set(waiter);
        }
    }

    /// Q5.
    #[cold]
    fn came_back(&self, waiter: &Waiter) {
        // SAFETY: Q1, Q2.
        let (prev, next) = unsafe { (waiter.prev.get().as_ref(), waiter.next.get().as_ref()) };
        match prev {
            None => self.evicted.set(waiter.next.get()),
            Some(prev) => prev.next.set(waiter.next.get()),
        }
        if let Some(next) = next {
            next.prev.set(waiter.prev.get());
        }
    }

    /// Claims a waiter of this list for a grant: false, and unlinked, when its task is gone or another arm of it has
    /// won. After true, the caller moves the item, if there is one, and calls [`Waiters::finish`].
    #[inline]
    pub fn claim(&self, waiter: &Waiter) -> bool {
        if !home::is_alive(waiter.id) {
            self.remove(waiter);
            return false;
        }
        // SAFETY: by `for_arm`, the claim is there while the waiter is linked.
        let claimed = unsafe { waiter.claim.as_ref() }.is_none_or(|c| c.take(waiter.arm));
        if !claimed {
            self.evict(waiter);
        }
        claimed
    }

    /// Completes the grant of a claimed waiter; `said` is what [`Waiter::wait`] returns there.
    #[inline]
    pub fn finish(&self, waiter: &Waiter, said: u32) -> Wake {
        self.remove(waiter);
        let wake = Wake { task: waiter.task, home: waiter.home, id: waiter.id };
        waiter.granted.store(said + 1, Ordering::Release); // Q3
        wake
    }

    /// Grants the first waiter that can be: claims it and completes the grant.
    #[inline]
    pub fn grant(&self, said: u32) -> Option<(i64, Wake)> {
        while let Some(waiter) = self.first() {
            if self.claim(waiter) {
                let id = waiter.id;
                return Some((id, self.finish(waiter, said)));
            }
        }
        None
    }
}
