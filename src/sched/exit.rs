//! The end of a scheduler: by `gt_shutdown`, or with its OS thread.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

use super::task::{flags, State, Task};
use super::{Scheduler, Woken};
use crate::error::{Error, Result};
use crate::sys::current;

static KEY: AtomicU32 = AtomicU32::new(0);

/// Once per process: a key whose destructor notices the end of a thread.
pub(super) fn install() -> Result<()> {
    let mut key: libc::pthread_key_t = 0;
    // SAFETY: `key` is writable; the destructor stays (the library is linked `nodelete`).
    match unsafe { libc::pthread_key_create(&mut key, Some(thread_ends)) } {
        0 => {
            KEY.store(key, Ordering::Release);
            Ok(())
        }
        e => Err(Error::new(e)),
    }
}

/// Remembers that this OS thread has a scheduler (or, with null, none any more).
pub(super) fn note_thread(scheduler: *const c_void) {
    // SAFETY: the key was made by `install`.
    unsafe { libc::pthread_setspecific(KEY.load(Ordering::Acquire), scheduler) };
}

/// The OS thread ends without `gt_shutdown`. Parked tasks never run again; their stacks stay mapped, as other code may
/// point into them. Their ids turn stale.
unsafe extern "C" fn thread_ends(scheduler: *mut c_void) {
    if current::get() == scheduler {
        // SAFETY: the running stack is the thread's own: destructors run on no task.
        unsafe { Scheduler::destroy(scheduler.cast()) };
    }
}

impl Scheduler {
    /// Cancels all tasks, waits until they have ended (at most until `deadline`), frees the scheduler.
    pub fn shutdown(&self, deadline: i64) -> Result<()> {
        if !self.me().has(flags::ROOT) {
            return Err(Error::new(libc::EPERM));
        }
        self.emptying.set(true);
        self.home.slots.for_each(|task| {
            // SAFETY: the slots give records that are there.
            let task = unsafe { Task::from_opaque(task) };
            if !task.has(flags::ROOT) {
                let _ = self.cancel_here(task);
            }
        });
        self.shield_push();
        let ended = self.wait_until_empty(deadline);
        self.shield_pop()?;
        self.emptying.set(false);
        ended?;
        // SAFETY: the root runs, nobody else lives; the caller drops its reference with this call.
        unsafe { Scheduler::destroy(std::ptr::from_ref(self).cast_mut()) };
        Ok(())
    }

    fn wait_until_empty(&self, deadline: i64) -> Result<()> {
        while self.live.get() > 0 {
            let woken = self.park(deadline);
            if self.live.get() > 0 {
                if let Woken::Deadline = self.settle(woken)? {
                    return Err(Error::new(libc::ETIMEDOUT));
                }
            }
        }
        Ok(())
    }

    /// # Safety
    /// The scheduler is this thread's, the root runs, and nobody uses a reference to it afterwards.
    unsafe fn destroy(this: *mut Scheduler) {
        // SAFETY: by the caller.
        let scheduler = unsafe { &*this };
        let root = scheduler.root();
        // A forked child's root may run on a pool stack: its memory must stay under it.
        let orphans = Cell::new(!root.base.get().is_null());
        let slots = &scheduler.home.slots;
        slots.for_each(|task| {
            // SAFETY: the slots give records that are there.
            let task = unsafe { Task::from_opaque(task) };
            if task.state.get() == State::Done {
                scheduler.reap(task);
                return;
            }
            orphans.set(orphans.get() || !std::ptr::eq(task, root));
            while !task.slot().kill() {
                scheduler.read_post();
            }
            slots.free(task.slot(), task.id.get());
        });
        scheduler.drop_timed_interrupts(root);
        root.drop_extra();
        if orphans.get() {
            scheduler.stacks().leak();
        }
        scheduler.home.move_out();
        current::set(std::ptr::null_mut());
        note_thread(std::ptr::null());
        // SAFETY: made by `build` with Box; by the caller nobody uses it any more.
        drop(unsafe { Box::from_raw(this) });
    }
}
