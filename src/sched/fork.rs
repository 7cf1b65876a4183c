//! fork(2): the child keeps only the task that forked; the parent never notices.

use std::cell::UnsafeCell;

use super::task::flags;
use super::Scheduler;
use crate::error::{Error, Result};
use crate::home::{self, ForkGuard};
use crate::sys::sync::MutexGuard;
use crate::sys::{complain, current};

/// Locks held from before a fork until after it, by the forking thread.
struct Held(UnsafeCell<Option<(ForkGuard, MutexGuard<'static, ()>)>>);
// SAFETY: written between `before` and the matching `after`, with the locks held, so by one thread.
unsafe impl Sync for Held {}

static HELD: Held = Held(UnsafeCell::new(None));

/// Once per process.
pub(super) fn install() -> Result<()> {
    // SAFETY: the handlers stay (the library is linked `nodelete`).
    match unsafe { libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child)) } {
        0 => Ok(()),
        e => Err(Error::new(e)),
    }
}

extern "C" fn before() {
    let making = super::making();
    let guard = home::fork_lock(Scheduler::existing().map(|s| s.home));
    // SAFETY: the locks are held by this thread.
    unsafe { *HELD.0.get() = Some((guard, making)) };
}

extern "C" fn after_in_parent() {
    // SAFETY: set by `before` on this thread.
    unsafe { *HELD.0.get() = None };
}

extern "C" fn after_in_child() {
    // SAFETY: set by `before` on the thread that this one is a copy of.
    unsafe { *HELD.0.get() = None };
    match Scheduler::existing() {
        None => home::forget_others(None),
        Some(scheduler) => {
            if let Err(e) = scheduler.after_fork() {
                // Without descriptors there is no reactor. The next call makes a new scheduler, or says why not.
                complain(b"greenrt: after fork: no new epoll descriptor; this child has lost its tasks\n");
                let _ = e;
                current::set(std::ptr::null_mut());
                home::forget_others(None);
            }
        }
    }
}

impl Scheduler {
    fn after_fork(&'static self) -> Result<()> {
        let me = self.me();
        self.ready.abandon();
        self.timers().abandon();
        me.timer.forget();
        self.home.after_fork()?;
        self.reactor().after_fork(self.home.inbox.bell().descriptor())?;
        self.home.watch.reactor_is(self.reactor().raw());
        // The stacks of the others are free memory here: nothing of theirs will run.
        self.each_task(|task| {
            let pooled = !task.has(flags::USER_STACK) && !task.base.get().is_null();
            if pooled && !std::ptr::eq(task, me) {
                // SAFETY: the task will never run again.
                unsafe { self.stacks().give(task.class.get(), task.top.get()) };
            }
        });
        self.home.slots.abandon(me.id.get());
        home::guests::abandon(me.id.get());
        self.worker.set(-1);
        me.joiner.set(std::ptr::null());
        me.set(flags::ROOT | flags::DETACHED);
        self.root_is(me);
        self.live.set(0);
        self.shared_waits.set(0);
        self.embedded.set(false);
        self.progress.outside.set(home::INSIDE);
        self.emptying.set(0);
        // SAFETY: D2.
        if let Some(extra) = unsafe { me.extra() } {
            extra.ended = None; // a root belongs to no scope and no generator
            for timed in &extra.timed {
                timed.timer.forget();
                let deadline = timed.timer.deadline();
                // SAFETY: the boxes stay put in the task's list.
                unsafe { self.timers().insert(&timed.timer, deadline) };
            }
        }
        Ok(())
    }
}
