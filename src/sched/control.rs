//! Cancel, interrupt, shields, deadline scopes, cleanup handlers, permits.

use std::ffi::c_void;

use super::extra::{no_memory, try_box, Cleanup, Scope, TimedInterrupt};
use super::task::{flags, pending, State, Task, Wake};
use super::waits::Kind;
use super::{Scheduler, Woken};
use crate::error::{Error, Result};
use crate::home;
use crate::slots;
use crate::sys::clock::{self, NEVER};
use crate::timers::TimerNode;

/// Any thread: cancels a task.
pub fn cancel(id: i64) -> Result<()> {
    match Scheduler::existing().map(|s| (s, s.find(id))) {
        Some((s, Ok(task))) => s.cancel_here(task),
        _ => home::request(id, slots::CANCEL),
    }
}

/// Any thread: interrupts a task with a code.
pub fn interrupt(id: i64, code: i32) -> Result<()> {
    match Scheduler::existing().map(|s| (s, s.find(id))) {
        Some((s, Ok(task))) => s.interrupt_here(task, code),
        _ => home::mail(id, code),
    }
}

/// Any thread: gives a task its permit, or ends its `park`.
pub fn unpark(id: i64) -> Result<()> {
    match Scheduler::existing().map(|s| (s, s.find(id))) {
        Some((s, Ok(task))) => s.unpark_here(task),
        _ => home::request(id, slots::UNPARK),
    }
}

fn alive(task: &Task) -> Result<()> {
    if task.state.get() == State::Done {
        return Err(Error::new(libc::ESRCH));
    }
    Ok(())
}

impl Scheduler {
    /// Cancels a task of this thread; -ESRCH if it has ended.
    pub(crate) fn cancel_here(&self, task: &Task) -> Result<()> {
        alive(task)?;
        task.pending.set(task.pending.get() | pending::CANCEL);
        if task.shield.get() == 0 {
            self.wake(task, Wake::Cancelled);
        }
        Ok(())
    }

    pub(super) fn interrupt_here(&self, task: &Task, code: i32) -> Result<()> {
        alive(task)?;
        // SAFETY: D2: the reference ends within the block.
        let extra = unsafe { task.extra_or_new()? };
        extra.queued.try_reserve(1).map_err(no_memory)?;
        extra.delivered.try_reserve(extra.queued.len() + 1).map_err(no_memory)?;
        extra.queued.push_back(code);
        self.interrupted(task);
        Ok(())
    }

    fn interrupted(&self, task: &Task) {
        task.pending.set(task.pending.get() | pending::INTERRUPT);
        if task.shield.get() == 0 {
            self.wake(task, Wake::Interrupted);
        }
    }

    /// Moves the oldest queued code to the delivered ones; false if there is none (any more).
    pub(super) fn deliver_interrupt(&self, me: &Task) -> bool {
        // SAFETY: D2: the reference ends within the function, which calls nobody.
        let Some(extra) = (unsafe { me.extra() }) else { return false };
        let code = extra.queued.pop_front();
        if extra.queued.is_empty() {
            me.pending.set(me.pending.get() & !pending::INTERRUPT);
        }
        match code {
            Some(code) => {
                extra.delivered.push_back(code); // room was reserved with the code
                true
            }
            None => false,
        }
    }

    /// How many delivered codes wait to be taken.
    pub fn delivered_interrupts(&self) -> usize {
        // SAFETY: D2: the reference ends with the statement.
        unsafe { self.me().extra() }.map_or(0, |e| e.delivered.len())
    }

    /// Puts codes delivered beyond the first `count` back: their -EINTR was not passed on, and is still to come.
    pub fn keep_interrupts(&self, count: usize) {
        let me = self.me();
        // SAFETY: D2: the reference ends within the block, which calls nobody.
        if let Some(extra) = unsafe { me.extra() } {
            while extra.delivered.len() > count {
                let Some(code) = extra.delivered.pop_back() else { break };
                extra.queued.push_front(code); // its room is still there
                me.pending.set(me.pending.get() | pending::INTERRUPT);
            }
        }
    }

    /// The oldest delivered code.
    pub fn take_interrupt(&self) -> Result<i32> {
        // SAFETY: D2.
        let extra = unsafe { self.me().extra() };
        extra.and_then(|e| e.delivered.pop_front()).ok_or(Error::new(libc::EAGAIN))
    }

    /// Interrupts a task of this thread at a time, unless withdrawn before.
    pub fn interrupt_at(&self, id: i64, code: i32, deadline: i64) -> Result<()> {
        let task = self.find(id)?;
        alive(task)?;
        if deadline == NEVER {
            return Ok(());
        }
        let timed = try_box(TimedInterrupt::new(task, code))?;
        // SAFETY: D2: the reference ends within the block.
        let extra = unsafe { task.extra_or_new()? };
        extra.timed.try_reserve(1).map_err(no_memory)?;
        // What will be queued when the time comes finds room: nothing can fail then.
        let coming = extra.timed.len() + extra.queued.len() + 1;
        extra.queued.try_reserve(coming).map_err(no_memory)?;
        extra.delivered.try_reserve(coming).map_err(no_memory)?;
        // SAFETY: the box stays put until the timer has fired or was removed.
        unsafe { self.timers().insert(&timed.timer, deadline) };
        extra.timed.push(timed);
        Ok(())
    }

    /// A timed interrupt's time has come.
    pub(super) fn timed_interrupt(&self, node: &TimerNode) {
        let timed = std::ptr::from_ref(node).cast::<TimedInterrupt>();
        // SAFETY: the node is the first field of its box, which its task's list keeps; the task has not ended, since
        // its end disarms its timers.
        let (task, code) = unsafe { (&*(*timed).task, (*timed).code) };
        // SAFETY: D2: the reference ends within the block.
        if let Some(extra) = unsafe { task.extra() } {
            extra.timed.retain(|t| !std::ptr::eq(&**t, timed));
            extra.queued.push_back(code); // room was reserved by `interrupt_at`
        }
        self.interrupted(task);
    }

    /// Takes back one interrupt of this code that was not delivered yet: a queued one, else a timed one.
    pub fn withdraw_interrupt(&self, id: i64, code: i32) -> Result<()> {
        self.read_post(); // what another OS thread sent may lie there still
        let task = self.find(id)?;
        alive(task)?;
        let none = Error::new(libc::ENOENT);
        // SAFETY: D2: nothing that is called while it lives makes another.
        let extra = unsafe { task.extra() }.ok_or(none)?;
        if let Some(i) = extra.queued.iter().position(|&c| c == code) {
            extra.queued.remove(i);
            if extra.queued.is_empty() {
                task.pending.set(task.pending.get() & !pending::INTERRUPT);
            }
            return Ok(());
        }
        let i = extra.timed.iter().position(|t| t.code == code).ok_or(none)?;
        self.timers().remove(&extra.timed[i].timer);
        extra.timed.swap_remove(i);
        Ok(())
    }

    /// Disarms what a task has timed: before its end.
    pub(super) fn drop_timed_interrupts(&self, task: &Task) {
        // SAFETY: D2.
        if let Some(extra) = unsafe { task.extra() } {
            extra.timed.iter().for_each(|t| self.timers().remove(&t.timer));
            extra.timed.clear();
        }
    }

    /// Suspends delivery of cancel, interrupt and scope deadlines.
    pub fn shield_push(&self) {
        let me = self.me();
        me.shield.set(me.shield.get().saturating_add(1));
    }

    /// Ends one shield.
    pub fn shield_pop(&self) -> Result<()> {
        let me = self.me();
        // The shield that the end of a task stands under is not the handlers' to take.
        let floor = me.has(flags::ENDING) as u32;
        if me.shield.get() <= floor {
            return Err(Error::new(libc::EINVAL));
        }
        me.shield.set(me.shield.get() - 1);
        Ok(())
    }

    /// Opens a deadline scope; returns its token.
    pub fn scope_push(&self, deadline: i64) -> Result<i64> {
        let me = self.me();
        // SAFETY: D2.
        let extra = unsafe { me.extra_or_new()? };
        extra.scopes.try_reserve(1).map_err(no_memory)?;
        extra.tokens += 1;
        let outer = me.scope_deadline.get();
        extra.scopes.push(Scope { token: extra.tokens, deadline, outer, expired: false });
        me.scope_deadline.set(outer.min(deadline));
        Ok(extra.tokens)
    }

    /// Closes the innermost scope; whether it ended a blocking call.
    pub fn scope_pop(&self, token: i64) -> Result<bool> {
        let me = self.me();
        let wrong = Error::new(libc::EINVAL);
        // SAFETY: D2.
        let extra = unsafe { me.extra() }.ok_or(wrong)?;
        if extra.scopes.last().is_none_or(|s| s.token != token) {
            return Err(wrong);
        }
        let scope = extra.scopes.pop().expect("looked at just now");
        me.scope_deadline.set(scope.outer);
        Ok(scope.expired)
    }

    /// A blocking call was ended by the nearest scope deadline: every scope with that deadline or an earlier one has
    /// expired.
    pub(super) fn scope_expired(&self, me: &Task) {
        let reached = me.scope_deadline.get();
        // SAFETY: D2.
        if let Some(extra) = unsafe { me.extra() } {
            extra.scopes.iter_mut().filter(|s| s.deadline <= reached).for_each(|s| s.expired = true);
        }
    }

    /// Registers a cleanup handler.
    pub fn cleanup_push(&self, function: unsafe extern "C" fn(*mut c_void), arg: *mut c_void) -> Result<()> {
        // SAFETY: D2.
        let extra = unsafe { self.me().extra_or_new()? };
        extra.cleanups.try_reserve(1).map_err(no_memory)?;
        extra.cleanups.push(Cleanup { function, arg });
        Ok(())
    }

    /// Takes the innermost cleanup handler off, for the caller to run or drop.
    pub fn cleanup_pop(&self) -> Result<Cleanup> {
        // SAFETY: D2.
        let extra = unsafe { self.me().extra() };
        extra.and_then(|e| e.cleanups.pop()).ok_or(Error::new(libc::EINVAL))
    }

    /// Waits for the permit.
    pub fn park_for_permit(&self, deadline: i64) -> Result<()> {
        self.check()?;
        let me = self.me();
        loop {
            if me.has(flags::PERMIT) {
                me.clear(flags::PERMIT);
                return Ok(());
            }
            me.set(flags::IN_PARK);
            self.waits_on(Kind::Park, 0);
            let woken = self.park(deadline);
            me.clear(flags::IN_PARK);
            if me.has(flags::PERMIT) {
                continue;
            }
            if let Woken::Deadline = self.settle(woken)? {
                // What another OS thread gave before may lie in the inbox still.
                self.read_post();
                if !me.has(flags::PERMIT) {
                    self.check()?;
                    return Err(Error::new(libc::ETIMEDOUT));
                }
            }
        }
    }

    pub(super) fn unpark_here(&self, task: &Task) -> Result<()> {
        alive(task)?;
        task.set(flags::PERMIT);
        if task.has(flags::IN_PARK) {
            self.wake(task, Wake::Event);
        }
        Ok(())
    }

    /// Sleeps until a deadline.
    pub fn sleep_until(&self, deadline: i64) -> Result<()> {
        self.sleep_from(clock::now(), deadline)
    }

    /// Sleeps until a deadline; `now` was read just now.
    pub fn sleep_from(&self, mut now: i64, deadline: i64) -> Result<()> {
        self.check()?;
        loop {
            if deadline <= now {
                self.give_way();
                return Ok(());
            }
            self.waits_on(Kind::Sleep, 0);
            if let Woken::Deadline = self.settle(self.park_at(deadline, || now))? {
                return Ok(());
            }
            now = clock::now();
        }
    }

    /// Waits until `done`, which is not the case yet, says so; only this thread brings it about. A wait that ends without it
    /// calls `leave`, which sees to it that nobody brings it about any more. Work that was done meanwhile wins.
    #[inline(always)]
    pub fn park_for(&self, deadline: i64, done: impl Fn() -> bool, leave: impl FnOnce()) -> Result<()> {
        let kind = self.me().waits_kind.get();
        loop {
            let woken = self.park(deadline);
            if done() {
                return Ok(());
            }
            if let Err(e) = self.settle_for(woken, &done) {
                leave();
                return Err(e);
            }
            if done() {
                return Ok(());
            }
            self.me().waits_kind.set(kind);
        }
    }

    /// Settles a wait that is not done. A host's hook may run others meanwhile: if they do it, an interrupt is kept.
    #[cold]
    #[inline(never)]
    pub fn settle_for(&self, woken: Woken, done: &dyn Fn() -> bool) -> Result<()> {
        let delivered = self.delivered_interrupts();
        let error = match self.settle(woken) {
            Ok(Woken::Deadline) => Error::new(libc::ETIMEDOUT),
            Ok(_) => return Ok(()),
            Err(e) => e,
        };
        if done() {
            self.keep_interrupts(delivered);
            return Ok(());
        }
        Err(error)
    }
}
