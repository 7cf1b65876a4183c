//! Leaving and coming back: the switch, yield, park, wake. Nothing else blocks a task.

use std::ptr;

use super::task::{pending, State, Task, Wake, BUDGET};
use super::waits::Kind;
use super::{Scheduler, SWITCHES_PER_POLL};
use crate::context::{self, annotate, Place};
use crate::error::{Error, Result};
use crate::sys::clock::{self, NEVER};

/// How a wait ended. Nothing is used up by being told: the caller looks first whether its work is done, which wins, and
/// asks [`Scheduler::settle`] only if it is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Woken {
    /// What was waited for has happened, or may have: look again.
    Event,
    /// The wait's own deadline has passed.
    Deadline,
    /// The deadline of a scope has passed.
    Scope,
    /// Cancelled, interrupted, a signal for the host, a deadlock: the record's `wake` says which.
    Disturbed,
}

impl Scheduler {
    /// Makes a parked task ready; the first reason stands. False if it was not parked.
    #[inline(always)]
    pub(crate) fn wake(&self, task: &Task, why: Wake) -> bool {
        if task.state.get() != State::Parked {
            return false;
        }
        task.state.set(State::Ready);
        task.wake.set(why);
        self.ready.push(task);
        true
    }

    /// What every blocking call asks first: cancel, then interrupt, unless shielded.
    #[inline(always)]
    pub fn check(&self) -> Result<()> {
        let me = self.me();
        if me.pending.get() == 0 {
            Ok(())
        } else {
            self.deliver(me)
        }
    }

    #[cold]
    fn deliver(&self, me: &Task) -> Result<()> {
        if me.shield.get() > 0 {
            return Ok(());
        }
        if me.pending.get() & pending::CANCEL != 0 {
            return Err(Error::new(libc::ECANCELED));
        }
        if self.deliver_interrupt(me) {
            return Err(Error::new(libc::EINTR));
        }
        Ok(())
    }

    /// Lets the other ready tasks run. A cancellation point.
    #[inline(always)]
    pub fn yield_now(&self) -> Result<()> {
        self.check()?;
        self.give_way();
        Ok(())
    }

    /// Lets the other ready tasks run, and delivers nothing.
    #[inline(always)]
    pub(crate) fn give_way(&self) {
        let me = self.me();
        me.budget.set(BUDGET);
        self.tick();
        match self.ready.pop() {
            Some(next) => {
                self.ready.push(me);
                self.switch(me, next);
            }
            // Alone: look around now and then all the same.
            None => self.poll_alone(),
        }
    }

    /// Lets the others run that are ready, or become so by a look at descriptors, timers and other threads' wakes; delivers
    /// nothing. False if there were none.
    pub fn step_aside(&self) -> bool {
        self.poll_without_waiting();
        let others = !self.ready.is_empty();
        if others {
            self.give_way();
        }
        others
    }

    #[inline(always)]
    pub(super) fn tick(&self) {
        let left = self.until_poll.get() - 1;
        self.until_poll.set(left);
        if left == 0 {
            self.look_around();
        }
    }

    #[cold]
    pub(super) fn look_around(&self) {
        self.until_poll.set(SWITCHES_PER_POLL);
        self.poll_without_waiting();
        self.ready.fetch(SWITCHES_PER_POLL as usize);
    }

    /// A yield with nobody else ready: one in 32 polls, so that a lone spinning task hears of events soon; so does one that finds
    /// a request of another OS thread.
    fn poll_alone(&self) {
        let left = self.until_poll.get();
        if left <= SWITCHES_PER_POLL / 8 * 7 || self.home.inbox.has_post() {
            self.look_around();
            if let Some(next) = self.ready.pop() {
                let me = self.me();
                self.ready.push(me);
                self.switch(me, next);
            }
        } else {
            self.until_poll.set(left);
            self.progress.alone.set(self.progress.alone.get() + 1);
        }
    }

    /// Charges one operation that succeeded at once; gives way when the budget is spent, so that a task whose
    /// descriptor is always ready does not starve the others.
    #[inline(always)]
    pub fn charge(&self) {
        let me = self.me();
        let left = me.budget.get() - 1;
        me.budget.set(left);
        if left == 0 {
            self.spent();
        }
    }

    /// Charges a large operation as so many.
    pub fn charge_more(&self, operations: u32) {
        let me = self.me();
        match me.budget.get().checked_sub(operations) {
            Some(left) if left > 0 => me.budget.set(left),
            _ => self.spent(),
        }
    }

    #[cold]
    fn spent(&self) {
        self.look_around();
        self.give_way();
    }

    /// Charges one operation that took no system call and succeeded at once; lets the others run when the budget is spent.
    #[inline(always)]
    pub fn take_turn(&self) {
        if self.spend() {
            self.end_turn();
        }
    }

    /// The first half of [`Scheduler::take_turn`]: whether [`Scheduler::end_turn`] is next.
    #[inline(always)]
    pub fn spend(&self) -> bool {
        let me = self.me();
        let left = me.budget.get() - 1;
        me.budget.set(left);
        left == 0
    }

    /// The budget is spent: the others run.
    #[cold]
    #[inline(never)]
    pub fn end_turn(&self) {
        self.give_way();
    }

    /// **The one door.** Parks the running task until something wakes it or `deadline` (absolute ns) passes. The
    /// caller has asked `check` and has linked itself wherever the wake shall come from; it unlinks itself afterwards.
    /// `Event` may be spurious: look again, and [`Scheduler::settle`] the rest.
    #[inline(always)]
    pub fn park(&self, deadline: i64) -> Woken {
        self.park_at(deadline, clock::now)
    }

    /// [`Scheduler::park`] for who may know what time it is.
    #[inline(always)]
    pub fn park_at(&self, deadline: i64, now: impl FnOnce() -> i64) -> Woken {
        let me = self.me();
        // A wake in vain may have hidden a cancel or an interrupt that came after it.
        if me.pending.get() != 0 && me.shield.get() == 0 {
            let cancelled = me.pending.get() & pending::CANCEL != 0;
            me.wake.set(if cancelled { Wake::Cancelled } else { Wake::Interrupted });
            me.waits_kind.set(Kind::Other);
            return Woken::Disturbed;
        }
        let scope = if me.shield.get() == 0 { me.scope_deadline.get() } else { NEVER };
        let until = deadline.min(scope);
        if until != NEVER {
            if until <= 0 || until <= now() {
                me.waits_kind.set(Kind::Other);
                return Scheduler::which(deadline, scope);
            }
            // SAFETY: the record's node is armed here only and removed below, before this wait ends.
            unsafe { self.timers().insert(&me.timer, until) };
        }
        me.budget.set(BUDGET);
        me.since.set(self.coarse.get());
        me.state.set(State::Parked);
        self.leave(me);
        me.waits_kind.set(Kind::Other);
        if until != NEVER {
            self.timers().remove(&me.timer);
        }
        match me.wake.get() {
            Wake::Event => Woken::Event,
            Wake::Deadline => Scheduler::which(deadline, scope),
            _ => Woken::Disturbed,
        }
    }

    /// Whether a wait would end at once by its own deadline, and by nothing that comes before that.
    pub fn is_late(&self, deadline: i64) -> bool {
        let me = self.me();
        me.pending.get() == 0 && deadline < me.scope_deadline.get() && clock::passed(deadline)
    }

    #[inline]
    pub(super) fn which(own: i64, scope: i64) -> Woken {
        if scope <= own {
            Woken::Scope
        } else {
            Woken::Deadline
        }
    }

    /// What a wait means for a call whose work is not done: `Event` or `Deadline`, or the error that ends the call:
    /// -ECANCELED, -EINTR, -EDEADLK, and -ETIMEDOUT for a scope. Uses up the interrupt that it reports.
    #[inline(always)]
    pub fn settle(&self, woken: Woken) -> Result<Woken> {
        match woken {
            Woken::Event | Woken::Deadline => Ok(woken),
            Woken::Scope => {
                self.scope_expired(self.me());
                Err(Error::new(libc::ETIMEDOUT))
            }
            Woken::Disturbed => self.disturbed(self.me()),
        }
    }

    #[cold]
    fn disturbed(&self, me: &Task) -> Result<Woken> {
        // A cancel that came after the interrupt, before the task's turn, still goes first.
        let cancelled = me.pending.get() & pending::CANCEL != 0 && me.shield.get() == 0;
        match me.wake.get() {
            Wake::Interrupted | Wake::Signal if cancelled => Err(Error::new(libc::ECANCELED)),
            Wake::Cancelled => Err(Error::new(libc::ECANCELED)),
            Wake::Interrupted if self.deliver_interrupt(me) => Err(Error::new(libc::EINTR)),
            Wake::Signal if self.host_interrupted() => Err(Error::new(libc::EINTR)),
            Wake::Deadlock => Err(Error::new(libc::EDEADLK)),
            // Withdrawn in the last moment, or a signal that the host made nothing of.
            _ => Ok(Woken::Event),
        }
    }

    /// Runs others until `me`, which is Parked, is ready and its turn comes.
    #[inline(always)]
    pub(super) fn leave(&self, me: &'static Task) {
        self.tick();
        loop {
            if let Some(next) = self.ready.pop() {
                if ptr::eq(next, me) {
                    return;
                }
                return self.switch(me, next);
            }
            self.idle();
        }
    }

    /// Switches to `next`; returns when somebody switches back.
    #[inline(always)]
    pub(super) fn switch(&self, me: &Task, next: &'static Task) {
        self.current.set(next);
        self.progress.switches.set(self.progress.switches.get() + 1);
        // SAFETY: the address is this thread's errno.
        let errno = unsafe { *self.errno };
        let leaving = annotate::leave(&next.seat, next.base.get(), next.top.get());
        // SAFETY: C1: `next` was popped from the ring, so it is not running and its saved context was not resumed;
        // C2: it has not ended; C3: tasks never leave their thread.
        let left = unsafe { context::switch(next.context.get(), me.place_of_context()) };
        leaving.back();
        self.arrived(left);
        // SAFETY: as above.
        unsafe { *self.errno = errno };
    }

    /// Leaves a task for good.
    #[inline(always)]
    pub(super) fn switch_for_good(&self, me: &'static Task) -> ! {
        loop {
            if let Some(next) = self.ready.pop() {
                self.current.set(next);
                self.progress.switches.set(self.progress.switches.get() + 1);
                annotate::leave_for_good(&next.seat, next.base.get(), next.top.get());
                // SAFETY: as in `switch`. Nobody resumes `me`: it is Done.
                unsafe { context::switch(next.context.get(), me.place_of_context()) };
                finished_task_resumed();
            }
            self.idle();
        }
    }

    /// The first thing on this side of a switch, with the place where the task that left for us noted its context.
    #[inline(always)]
    pub(super) fn arrived(&self, left: Place) {
        if self.special.get() != 0 {
            // SAFETY: `left` is the record of the task that switched, which is there: parked, ready, or Done and not
            // reaped yet (D4).
            self.arrived_specially(unsafe { Task::of_context(left) });
        }
    }

    #[cold]
    #[inline(never)]
    fn arrived_specially(&self, left: &'static Task) {
        let special = self.special.get();
        if special & CARRIES != 0 {
            self.carry_over(left);
        }
        if special & !CARRIES != 0 {
            self.arrived_from_host_or_end(left);
        }
    }

    #[cold]
    #[inline(never)]
    fn arrived_from_host_or_end(&self, left: &'static Task) {
        let special = self.special.get();
        self.special.set(special & !REAP);
        if special & HOOKED != 0 {
            self.host_swap(left);
        }
        if special & REAP != 0 {
            self.reap(left);
        }
    }
}

#[cold]
fn finished_task_resumed() -> ! {
    crate::sys::complain(b"greenrt: invariant D4 broken: a finished task was resumed\n");
    std::process::abort();
}

/// Bits of `special`: the host's states are to be swapped on arrival.
const HOOKED: u8 = 1;
/// The task that is left has ended, and nobody joins it.
const REAP: u8 = 2;
/// Words of the OS thread follow the tasks.
const CARRIES: u8 = 4;

impl Scheduler {
    #[inline(always)]
    pub(super) fn hooked(&self) -> bool {
        self.special.get() & HOOKED != 0
    }

    pub(super) fn set_hooked(&self, hooked: bool) {
        self.set_special(HOOKED, hooked);
    }

    pub(super) fn set_carrying(&self, carrying: bool) {
        self.set_special(CARRIES, carrying);
    }

    fn set_special(&self, bit: u8, on: bool) {
        self.special.set(self.special.get() & !bit | if on { bit } else { 0 });
    }

    /// Whether something of the host's or of the OS thread's follows the tasks.
    #[inline(always)]
    pub(super) fn follows(&self) -> bool {
        self.special.get() & (HOOKED | CARRIES) != 0
    }

    #[inline(always)]
    pub(super) fn note_detached_end(&self) {
        self.special.set(self.special.get() | REAP);
    }
}
