//! The queue of a channel that is bound to one OS thread: no lock, no atomic instruction, and as few stores as it takes.
//!
//! Invariants:
//! B1  A list and its waiters are touched by their home thread only.
//! B2  A waiter is out of its list before its memory is used for something else: granted, or removed by its own task.
//! B3  After a fork the lists of the parent's tasks are forgotten untouched: their stacks are free memory.

use std::cell::Cell;
use std::ptr;

use super::exchange::Queue;
use crate::home;
use crate::sched::task::{Task, Wake};
use crate::sched::Scheduler;
use crate::sync::queue::Claim;

/// In no list.
const OUT: u32 = 0;
/// In the list.
const LINKED: u32 = 1;
/// Taken out because another arm of its task has won; the task has not noticed yet.
const EVICTED: u32 = 2;
/// Granted; what was said is added.
const GRANTED: u32 = 3;

/// A task that waits in a bound channel.
pub struct LocalWaiter {
    next: Cell<*const LocalWaiter>,
    prev: Cell<*const LocalWaiter>,
    task: *const Task,
    item: Cell<*mut u8>,
    want: Cell<usize>,
    claim: *const Claim,
    arm: u32,
    state: Cell<u32>,
}

impl LocalWaiter {
    /// A waiter for the running task, which has, or wants, `want` items at `item`.
    #[inline(always)]
    pub fn new(me: &Task, item: *mut u8, want: usize) -> LocalWaiter {
        // SAFETY: no claim.
        unsafe { LocalWaiter::for_arm(me, item, want, ptr::null(), 0) }
    }

    /// A waiter for one arm of a wait in several queues. A grant of it claims first.
    ///
    /// # Safety
    /// `claim` is null or stays where it is until the waiter is out of the queue.
    #[inline(always)]
    pub unsafe fn for_arm(me: &Task, item: *mut u8, want: usize, claim: *const Claim, arm: u32) -> LocalWaiter {
        LocalWaiter {
            next: Cell::new(ptr::null()),
            prev: Cell::new(ptr::null()),
            task: me,
            item: Cell::new(item),
            want: Cell::new(want),
            claim,
            arm,
            state: Cell::new(OUT),
        }
    }

    /// What the grant said, once there was one.
    #[inline(always)]
    pub fn granted(&self) -> Option<u32> {
        self.state.get().checked_sub(GRANTED)
    }
}

/// The waiting tasks of one side, first come first.
#[derive(Default)]
pub struct LocalQueue {
    head: Cell<Option<&'static LocalWaiter>>,
    tail: Cell<Option<&'static LocalWaiter>>,
    forks: Cell<u32>,
    evicted: Cell<u32>,
}

/// The first of a queue, for who asks for no more than that.
pub enum First<'a> {
    /// Nobody is linked.
    Nobody,
    /// One who waits here only, and can be granted at once.
    Waiter(&'a LocalWaiter),
    /// One who waits elsewhere too, or before a fork.
    Other,
}

impl LocalQueue {
    /// B3.
    #[inline(always)]
    fn renew(&self) {
        if !self.is_of_now() {
            self.forget();
        }
    }

    /// Whether there was no fork since a waiter was linked.
    #[inline(always)]
    fn is_of_now(&self) -> bool {
        self.forks.get() == home::forks()
    }

    /// The first waiter; changes nothing.
    #[inline(always)]
    pub(super) fn simple_first(&self) -> First<'_> {
        match self.head.get() {
            None => First::Nobody,
            Some(first) if self.is_of_now() && first.claim.is_null() => First::Waiter(first),
            Some(_) => First::Other,
        }
    }

    #[cold]
    #[inline(never)]
    fn forget(&self) {
        self.forks.set(home::forks());
        self.head.set(None);
        self.tail.set(None);
        self.evicted.set(0);
    }

    /// Links a waiter at the end.
    ///
    /// # Safety
    /// It is in no list, and stays where it is until it is out of this one (B2).
    #[inline(always)]
    pub unsafe fn push(&self, waiter: &LocalWaiter) {
        self.renew();
        // SAFETY: B2: while it is linked it is there.
        let waiter: &'static LocalWaiter = unsafe { &*ptr::from_ref(waiter) };
        waiter.state.set(LINKED);
        match self.tail.get() {
            None => self.head.set(Some(waiter)),
            Some(last) => {
                last.next.set(waiter);
                waiter.prev.set(last);
            }
        }
        self.tail.set(Some(waiter));
    }

    /// Takes the first waiter out.
    #[inline(always)]
    fn pop(&self, first: &LocalWaiter) {
        // SAFETY: B2: linked waiters are there.
        let next = unsafe { first.next.get().as_ref() };
        self.head.set(next);
        match next {
            None => self.tail.set(None),
            Some(next) => next.prev.set(ptr::null()),
        }
    }
}

impl Queue for LocalQueue {
    type Waiter = LocalWaiter;
    type Wake = *const Task;

    #[inline(always)]
    fn first(&self) -> Option<&LocalWaiter> {
        self.head.get()?;
        self.renew();
        self.head.get()
    }

    #[inline(always)]
    fn alive(&self, _: &LocalWaiter) -> bool {
        true
    }

    #[inline(always)]
    fn claim(&self, waiter: &LocalWaiter) -> bool {
        waiter.claim.is_null() || self.claim_arm(waiter)
    }

    #[inline(always)]
    fn finish(&self, waiter: &LocalWaiter, said: u32) -> *const Task {
        self.pop(waiter);
        waiter.state.set(GRANTED + said);
        waiter.task
    }

    fn remove(&self, waiter: &LocalWaiter) -> bool {
        match waiter.state.replace(OUT) {
            LINKED => {}
            EVICTED => {
                self.evicted.set(self.evicted.get().saturating_sub(1));
                return false;
            }
            state => {
                waiter.state.set(state);
                return false;
            }
        }
        // SAFETY: B2: linked waiters are there.
        let (prev, next) = unsafe { (waiter.prev.get().as_ref(), waiter.next.get().as_ref()) };
        match prev {
            None => self.head.set(next),
            Some(prev) => prev.next.set(waiter.next.get()),
        }
        match next {
            None => self.tail.set(prev),
            Some(next) => next.prev.set(waiter.prev.get()),
        }
        true
    }

    fn is_left(&self) -> bool {
        self.renew();
        self.head.get().is_none() && self.evicted.get() == 0
    }

    #[inline(always)]
    fn wish(waiter: &LocalWaiter) -> (&Cell<*mut u8>, &Cell<usize>) {
        (&waiter.item, &waiter.want)
    }

    #[inline(always)]
    fn send(wake: *const Task, s: &Scheduler) {
        // SAFETY: the task of a waiter that was granted just now, on its own thread: it has not run since. `wake` ignores
        // one that is ready already.
        s.wake(unsafe { &*wake }, Wake::Event);
    }
}

impl LocalQueue {
    #[inline(never)]
    fn claim_arm(&self, waiter: &LocalWaiter) -> bool {
        // SAFETY: by `for_arm`.
        let claimed = unsafe { &*waiter.claim }.take(waiter.arm as usize);
        if !claimed {
            self.remove(waiter);
            waiter.state.set(EVICTED);
            self.evicted.set(self.evicted.get() + 1);
        }
        claimed
    }
}
