//! Hand-over: the running task parks and another one, which waits for just that, runs at once, ahead of all that are
//! ready. One switch, no ready ring. Generators are made of it.
//!
//! Fairness: of every [`super::SWITCHES_PER_POLL`] switches one looks around, and a hand-over that falls on it goes through the
//! ready ring, so that tasks which hand over to each other for ever do not starve the others.

use std::ffi::c_void;
use std::ptr;

use super::task::{pending, State, Task, Wake, BUDGET};
use super::waits::Kind;
use super::{Scheduler, Woken};
use crate::error::{Error, Result};
use crate::sys::clock::{self, NEVER};

impl Task {
    /// Whether it waits for a hand-over (D1).
    #[inline(always)]
    pub fn is_offered(&self) -> bool {
        self.state.get() == State::Parked && matches!(self.wake.get(), Wake::Offered | Wake::Unstarted)
    }
}

impl Scheduler {
    /// Hands the thread and a value to a task that waits in here, or was spawned suspended; parks until a task hands
    /// over to this one, and returns the value that it brought.
    ///
    /// Errors: -ESRCH, -EXDEV; -EDEADLK (to itself); -EBUSY (it does not wait for a hand-over); -ECANCELED, -EINTR,
    /// -ETIMEDOUT.
    pub fn hand_over(&self, id: i64, value: *mut c_void, deadline: i64) -> Result<*mut c_void> {
        self.check()?;
        let to = self.find(id)?;
        let me = self.me();
        if ptr::eq(to, me) {
            return Err(Error::new(libc::EDEADLK));
        }
        if to.state.get() == State::Done {
            return Err(Error::new(libc::ESRCH));
        }
        if !to.is_offered() {
            return Err(Error::new(libc::EBUSY));
        }
        // One that has not started has its argument there.
        if to.wake.get() == Wake::Offered {
            to.value.set(value);
        }
        self.waits_on(Kind::HandOver, to.id.get() as usize);
        self.handed_back(self.transfer(to, deadline), deadline)
    }

    /// Parks until a task hands over to this one, and returns the value that it brought.
    ///
    /// Errors: -EDEADLK (nothing can wake the root); -ECANCELED, -EINTR, -ETIMEDOUT.
    pub fn hand_await(&self, deadline: i64) -> Result<*mut c_void> {
        self.check()?;
        self.waits_on(Kind::HandOver, 0);
        self.handed_back(self.await_hand_over(deadline), deadline)
    }

    #[inline(always)]
    fn handed_back(&self, mut woken: Woken, deadline: i64) -> Result<*mut c_void> {
        let me = self.me();
        loop {
            if me.wake.get() == Wake::Handed {
                return Ok(me.value.get());
            }
            if let Woken::Deadline = self.settle(woken)? {
                return Err(Error::new(libc::ETIMEDOUT));
            }
            woken = self.await_hand_over(deadline);
        }
    }

    /// Parks the running task, ready for a hand-over, and runs `to`, which is offered, at once. The record's `wake` is
    /// Handed if somebody has handed over to the caller; else settle what is returned.
    #[inline(always)]
    pub(crate) fn transfer(&self, to: &'static Task, deadline: i64) -> Woken {
        debug_assert!(to.is_offered());
        let me = self.me();
        if me.pending.get() != 0 && me.shield.get() == 0 {
            return self.disturbed_before(me);
        }
        let scope = if me.shield.get() == 0 { me.scope_deadline.get() } else { NEVER };
        let until = self.offer(me, deadline.min(scope));
        to.state.set(State::Ready);
        to.wake.set(Wake::Handed);
        let left = self.until_poll.get() - 1;
        self.until_poll.set(left);
        if left == 0 {
            self.ready.push(to);
            self.look_around();
            self.leave(me);
        } else {
            self.switch(me, to);
        }
        self.taken(me, until, deadline, scope)
    }

    /// Parks the running task, ready for a hand-over. Results as of [`Scheduler::transfer`].
    pub(crate) fn await_hand_over(&self, deadline: i64) -> Woken {
        let me = self.me();
        if me.pending.get() != 0 && me.shield.get() == 0 {
            return self.disturbed_before(me);
        }
        let scope = if me.shield.get() == 0 { me.scope_deadline.get() } else { NEVER };
        let until = deadline.min(scope);
        if clock::passed(until) {
            me.wake.set(Wake::Deadline);
            return Scheduler::which(deadline, scope);
        }
        self.offer(me, until);
        self.leave(me);
        self.taken(me, until, deadline, scope)
    }

    /// A cancel or an interrupt that came before the wait, hidden by a wake in vain.
    #[cold]
    fn disturbed_before(&self, me: &Task) -> Woken {
        let cancelled = me.pending.get() & pending::CANCEL != 0;
        me.wake.set(if cancelled { Wake::Cancelled } else { Wake::Interrupted });
        Woken::Disturbed
    }

    #[inline(always)]
    fn offer(&self, me: &Task, until: i64) -> i64 {
        if until != NEVER {
            // SAFETY: the record's node is armed here only and removed in `taken`, before this wait ends.
            unsafe { self.timers().insert(&me.timer, until) };
        }
        me.budget.set(BUDGET);
        me.since.set(self.coarse.get());
        me.wake.set(Wake::Offered);
        me.state.set(State::Parked);
        until
    }

    #[inline(always)]
    fn taken(&self, me: &Task, until: i64, deadline: i64, scope: i64) -> Woken {
        if until != NEVER {
            self.timers().remove(&me.timer);
        }
        me.waits_kind.set(Kind::Other);
        match me.wake.get() {
            Wake::Event | Wake::Handed => Woken::Event,
            Wake::Deadline => Scheduler::which(deadline, scope),
            _ => Woken::Disturbed,
        }
    }
}
