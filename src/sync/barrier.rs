//! A barrier: each of a fixed number of tasks waits for the others, round after round.

use super::batch::{living, Batch};
use super::lock::{Guard, Lock};
use super::object::Object;
use super::queue::{Waiter, Waiters};
use crate::error::{Error, Result};
use crate::home;
use crate::sched::waits::Kind;
use crate::sched::Scheduler;

/// A barrier.
pub struct Barrier {
    count: usize,
    state: Lock<State>,
}

struct State {
    waiters: Waiters,
    /// The round that is going on; a waiter's `want` is its round.
    round: usize,
    /// Who has come in this round.
    arrived: usize,
    /// Ends of rounds under way, which will want the lock again.
    busy: usize,
}

impl State {
    /// Counts again: those whose OS thread has ended, or who stayed behind in a fork, do not come.
    fn recount(&mut self) {
        let mut at = self.waiters.first();
        let mut here = 0;
        while let Some(waiter) = at {
            let next = self.waiters.next(waiter);
            if !home::is_alive(waiter.task_id()) {
                self.waiters.remove(waiter);
            } else if waiter.want.get() == self.round {
                here += 1;
            }
            at = next;
        }
        self.arrived = here;
    }
}

impl Barrier {
    /// A barrier for `count` tasks; -EINVAL for none.
    pub fn new(count: u32) -> Result<Barrier> {
        if count == 0 {
            return Err(Error::new(libc::EINVAL));
        }
        let state = State { waiters: Waiters::new(), round: 0, arrived: 0, busy: 0 };
        Ok(Barrier { count: count as usize, state: Lock::new(state) })
    }

    /// Waits for the others, at most until `deadline`; true for the one that came last. Who leaves early has not come.
    pub fn wait(&self, s: &'static Scheduler, deadline: i64) -> Result<bool> {
        s.check()?;
        let waiter = Waiter::new(s, 0);
        {
            let mut state = self.state.lock();
            if state.arrived + 1 >= self.count {
                state.recount();
            }
            if state.arrived + 1 >= self.count {
                self.end_round(state);
                return Ok(true);
            }
            state.arrived += 1;
            waiter.want.set(state.round);
            // SAFETY: `wait` returns only when the waiter is unlinked.
            unsafe { state.waiters.push(&waiter) };
        }
        s.waits_on(Kind::Barrier, Object::address(self));
        waiter.wait(s, deadline, || self.leave(&waiter)).map(|_| false)
    }

    /// Everybody who has come goes.
    fn end_round<'a>(&'a self, mut state: Guard<'a, State>) {
        let mut batch = Batch::new();
        let round = state.round;
        state.round += 1;
        state.arrived = 0;
        state.busy += 1;
        loop {
            let mut again = false;
            while let Some(waiter) = state.waiters.first() {
                if waiter.want.get() != round {
                    break;
                }
                if batch.is_full() {
                    again = true;
                    break;
                }
                if state.waiters.claim(waiter) {
                    batch.push(state.waiters.finish(waiter, 0));
                }
            }
            state.busy -= !again as usize;
            drop(state);
            batch.send();
            if !again {
                return;
            }
            state = self.state.lock();
        }
    }

    fn leave(&self, waiter: &Waiter) {
        let mut state = self.state.lock();
        if !waiter.is_linked() {
            return;
        }
        if waiter.want.get() == state.round {
            state.waiters.remove(waiter);
            state.arrived -= 1;
        } else {
            // Its round is complete, and it is about to be told: it knows now. It is awake: nobody is to be woken.
            let _ = state.waiters.finish(waiter, 0);
        }
    }

    /// -EBUSY while somebody waits.
    pub fn may_free(&self) -> Result<()> {
        let state = self.state.lock();
        match state.busy > 0 || living(&state.waiters).is_some() {
            true => Err(Error::new(libc::EBUSY)),
            false => Ok(()),
        }
    }
}
