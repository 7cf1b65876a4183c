//! Host hooks: a language VM's per-thread state rides along with its task (docs/ARCHITECTURE.md, "A switch with a host").
//!
//! The table's functions have the shapes of the VM's own. While a task runs, its state is current in the VM; while it
//! does not, the record keeps it. `swap` may release the VM's lock and let other OS threads run: everything here is
//! consistent before it is called (D3).

use std::ffi::c_void;

use super::task::{State, Task};
use super::Scheduler;
use crate::error::{Error, Result};
use crate::home;
use crate::slots;

/// The table; see `gt_host_t` for each member.
#[derive(Clone, Copy, Default)]
pub struct Host {
    /// The first argument of `state_new`.
    pub context: Option<std::ptr::NonNull<c_void>>,
    /// Makes a state for a task.
    pub state_new: Option<unsafe extern "C" fn(*mut c_void) -> *mut c_void>,
    /// Makes a state current; returns the one that was.
    pub swap: Option<unsafe extern "C" fn(*mut c_void) -> *mut c_void>,
    /// Empties the state of a finishing task.
    pub state_clear: Option<unsafe extern "C" fn(*mut c_void)>,
    /// Frees a state.
    pub state_free: Option<unsafe extern "C" fn(*mut c_void)>,
    /// Gives the VM's lock up.
    pub release: Option<unsafe extern "C" fn() -> *mut c_void>,
    /// Takes it again.
    pub acquire: Option<unsafe extern "C" fn(*mut c_void)>,
    /// Tells the VM where a task's stack is.
    pub stack_bounds: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> i32>,
    /// Handles signals, on the root task.
    pub interrupted: Option<unsafe extern "C" fn() -> i32>,
    /// A pthread key set to the incoming state before `swap`.
    pub tls_key: Option<libc::pthread_key_t>,
    /// Writes the VM's own calls as text.
    pub trace: Option<Trace>,
    /// 0: what nothing here can end is no deadlock; else one more than the host has OS threads that wake nobody.
    pub deadlocked: Option<unsafe extern "C" fn() -> i32>,
}

/// (state, or NULL for what is current on the calling OS thread; place; its size): bytes written.
pub type Trace = unsafe extern "C" fn(*mut c_void, *mut std::ffi::c_char, usize) -> usize;

/// Any thread, also from a signal handler: has the host look at signals on a task's home. Only atomics and one write(2).
pub fn notify(id: i64) -> Result<()> {
    home::request(id, slots::SIGNAL)
}

impl Scheduler {
    /// Puts a table in place, or takes it away. -EBUSY while tasks other than the root live.
    pub fn set_host(&self, host: Option<Host>) -> Result<()> {
        if self.live.get() > 0 {
            return Err(Error::new(libc::EBUSY));
        }
        let host = host.unwrap_or_default();
        self.host.set(host);
        self.set_hooked(host.swap.is_some());
        Ok(())
    }

    /// Before a task's first run.
    #[cold]
    pub(super) fn host_new_state(&self, task: &Task) -> Result<()> {
        let host = self.host.get();
        let Some(state_new) = host.state_new else { return Ok(()) };
        // SAFETY: the host's function with the host's argument.
        let state = unsafe { state_new(host.context.map_or(std::ptr::null_mut(), |c| c.as_ptr())) };
        if state.is_null() {
            return Err(Error::new(libc::ENOMEM));
        }
        task.host_state.set(state);
        if let Some(stack_bounds) = host.stack_bounds {
            let size = task.top.get() as usize - task.base.get() as usize;
            // SAFETY: the state was made above; the bounds are the task's.
            if unsafe { stack_bounds(state, task.base.get().cast(), size) } != 0 {
                task.host_state.set(std::ptr::null_mut());
                if let Some(state_free) = host.state_free {
                    // SAFETY: made above and never current.
                    unsafe { state_free(state) };
                }
                return Err(Error::new(libc::EINVAL));
            }
        }
        Ok(())
    }

    /// On arrival from `left`: makes the running task's state current, keeps or frees the other's.
    pub(super) fn host_swap(&self, left: &Task) {
        let host = self.host.get();
        let Some(swap) = host.swap else { return };
        let incoming = self.me().host_state.get();
        if let Some(key) = host.tls_key {
            // SAFETY: the host said that the key is its own.
            unsafe { libc::pthread_setspecific(key, incoming) };
        }
        // SAFETY: the host's function; `incoming` is the state that it gave us for this task.
        let outgoing = unsafe { swap(incoming) };
        if left.state.get() != State::Done {
            left.host_state.set(outgoing);
        } else if let Some(state_free) = host.state_free {
            left.host_state.set(std::ptr::null_mut());
            // SAFETY: its task has ended, and it is not current any more.
            unsafe { state_free(outgoing) };
        }
    }

    /// On the finishing task, its state still current. The host may block in here.
    #[cold]
    pub(super) fn host_clear_state(&self, me: &Task) {
        if let Some(state_clear) = self.host.get().state_clear {
            // SAFETY: the state that is current is the one this task was given.
            unsafe { state_clear(me.host_state.get()) };
        }
    }

    pub(super) fn host_releases(&self) -> bool {
        self.host.get().release.is_some()
    }

    /// Before a poll that may sleep.
    pub(super) fn host_release(&self) -> *mut c_void {
        let Some(release) = self.host.get().release else { return std::ptr::null_mut() };
        self.progress.outside.set(home::OUTSIDE_RELEASED);
        // SAFETY: the host's function.
        unsafe { release() }
    }

    /// After it.
    pub(super) fn host_acquire(&self, released: *mut c_void) {
        if let Some(acquire) = self.host.get().acquire {
            // SAFETY: the host's function with what its `release` gave.
            unsafe { acquire(released) };
            self.progress.outside.set(home::INSIDE);
        }
    }

    /// What the host tells of its own calls in the task that runs, or is the last to have run, on the calling thread. Bytes
    /// written to `place`. Also in a signal handler.
    pub fn host_trace_here(&self, place: &mut [u8]) -> usize {
        self.host_trace(std::ptr::null_mut(), place)
    }

    /// The same of a task that does not run, on any OS thread while the task's own stands still.
    pub fn host_trace_of(&self, task: &Task, place: &mut [u8]) -> usize {
        let state = task.host_state.get();
        if state.is_null() {
            return 0;
        }
        self.host_trace(state, place)
    }

    fn host_trace(&self, state: *mut c_void, place: &mut [u8]) -> usize {
        let Some(trace) = self.host.get().trace else { return 0 };
        // SAFETY: the host's function; a state of its own, or none; a place of that size.
        unsafe { trace(state, place.as_mut_ptr().cast(), place.len()) }.min(place.len())
    }

    /// Whether the host tells of calls at all.
    pub fn host_traces(&self) -> bool {
        self.host.get().trace.is_some()
    }

    /// How many OS threads of the host can wake no task, if nothing can end a wait as far as it knows. Some(0) without a host.
    pub(super) fn host_deadlocked(&self) -> Option<usize> {
        let host = self.host.get();
        if host.swap.is_none() {
            return Some(0);
        }
        // SAFETY: the host's function.
        let answer = unsafe { host.deadlocked?() };
        usize::try_from(answer).ok()?.checked_sub(1)
    }

    /// Lets the host handle signals; true if it wants the root's call to end.
    pub(super) fn host_interrupted(&self) -> bool {
        // SAFETY: the host's function, on the root task.
        self.host.get().interrupted.is_some_and(|interrupted| unsafe { interrupted() } != 0)
    }
}
