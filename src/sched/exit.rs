//! The end of a scheduler: by `gt_shutdown`, or with its OS thread.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

use super::guest;
use super::task::{flags, State};
use super::waits::Kind;
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

/// What `emptying` says: the root is woken when no task is left.
pub(super) const TELL: u8 = 1;
/// And tasks that are spawned meanwhile are cancelled from the start.
pub(super) const CANCEL: u8 = 2;

impl Scheduler {
    /// Whether the root is woken when no task is left.
    pub fn tell_when_empty(&self, tell: bool) {
        self.emptying.set(if tell { TELL } else { 0 });
    }

    /// Whether no task lives, and no request is on its way.
    pub fn is_empty(&self) -> bool {
        self.live.get() == 0 && !self.home.inbox.has_post()
    }

    /// Cancels all tasks, waits until they have ended (at most until `deadline`), frees the scheduler.
    pub fn shutdown(&self, deadline: i64) -> Result<()> {
        if !self.me().has(flags::ROOT) {
            return Err(Error::new(libc::EPERM));
        }
        self.emptying.set(CANCEL);
        self.each_task(|task| {
            if !task.has(flags::ROOT) {
                let _ = self.cancel_here(task);
            }
        });
        self.shield_push();
        let mut ended = self.wait_until_empty(deadline);
        for _ in 0..super::locals::ROUNDS {
            // A destructor may block, and spawn.
            let destroyed = ended.is_ok() && {
                self.me().set(flags::ENDING); // the shield is not the destructors' to take
                let any = self.destroy_locals();
                self.me().clear(flags::ENDING);
                any
            };
            if !destroyed {
                break;
            }
            ended = self.wait_until_empty(deadline);
        }
        self.shield_pop()?;
        self.emptying.set(0);
        ended?;
        // SAFETY: the root runs, nobody else lives; the caller drops its reference with this call.
        unsafe { Scheduler::destroy(std::ptr::from_ref(self).cast_mut()) };
        Ok(())
    }

    fn wait_until_empty(&self, deadline: i64) -> Result<()> {
        while self.live.get() > 0 {
            self.waits_on(Kind::Shutdown, 0);
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
        scheduler.each_task(|task| {
            if task.state.get() == State::Done {
                scheduler.reap(task);
                return;
            }
            orphans.set(orphans.get() || !std::ptr::eq(task, root));
            while !task.slot().kill() {
                scheduler.read_post();
            }
            match task.has(flags::GUEST) {
                true => {
                    task.slot().unsettle();
                    guest::ended(task.id.get(), Err(Error::new(libc::EOWNERDEAD)));
                }
                false => slots.free(task.slot(), task.id.get()),
            }
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
