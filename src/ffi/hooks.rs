//! Section: host hooks, for language VMs.

use std::ffi::c_void;
use std::mem::size_of;
use std::ptr::{self, NonNull};

use super::guard::{guard, invalid, sized};
use crate::sched::{self, Host, Scheduler, CARRIED_WORDS};

/// The hooks by which a VM's per-thread state follows its task. Their shapes are those of the VM's own functions; for
/// CPython: PyThreadState_New, PyThreadState_Swap, PyThreadState_Clear, PyThreadState_Delete, PyEval_SaveThread,
/// PyEval_RestoreThread, PyUnstable_ThreadState_SetStackProtection, PyErr_CheckSignals.
///
/// The first four go together, as do release and acquire. A hook may let other OS threads run. state_clear and
/// interrupted may block the task; the others may not. trace and deadlocked are for finding what blocks.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_host_t {
    /// sizeof(gt_host_t)
    pub size: usize,
    /// The argument of state_new.
    pub ctx: *mut c_void,
    /// Makes the state of a new task, called by gt_spawn(). NULL: gt_spawn() fails with -ENOMEM.
    pub state_new: Option<unsafe extern "C" fn(ctx: *mut c_void) -> *mut c_void>,
    /// Makes a state current and returns the one that was. Called on arrival in a task, after each switch.
    pub swap: Option<unsafe extern "C" fn(incoming: *mut c_void) -> *mut c_void>,
    /// Empties the state of a finishing task, on that task, while it is current.
    pub state_clear: Option<unsafe extern "C" fn(state: *mut c_void)>,
    /// Frees a state, after it was swapped out for good.
    pub state_free: Option<unsafe extern "C" fn(state: *mut c_void)>,
    /// Gives up the VM's lock before a poll that may sleep.
    pub release: Option<unsafe extern "C" fn() -> *mut c_void>,
    /// Takes it again, with what release returned.
    pub acquire: Option<unsafe extern "C" fn(released: *mut c_void)>,
    /// Tells the VM the stack of a new task; not 0: gt_spawn() fails with -EINVAL.
    pub stack_bounds: Option<unsafe extern "C" fn(state: *mut c_void, base: *mut c_void, size: usize) -> libc::c_int>,
    /// Called on the root task when a signal has ended a poll, or after gt_host_notify(); not 0: the root's blocking
    /// call returns -EINTR, with no code to take.
    pub interrupted: Option<unsafe extern "C" fn() -> libc::c_int>,
    /// A pthread key that is set to the incoming state before swap; or NULL.
    pub tls_key: *const u32,
    /// Writes the VM's own calls as lines of text, for dumps and reports, and returns how many bytes it wrote, at most `max`.
    /// `state` is that of a task that does not run, while its OS thread stands still; or NULL: what is current on the calling
    /// OS thread, then also in a signal handler and in the middle of anything. It takes no lock and allocates nothing.
    pub trace: Option<unsafe extern "C" fn(state: *mut c_void, text: *mut libc::c_char, max: usize) -> usize>,
    /// Asked before a deadlock is reported, on the task that waits. 0 or less: it is none, somebody of whom the library does not
    /// know can end it. 1 + n: it may be one, if the process has no other OS threads beside n of the host's, which can wake no
    /// task. NULL: never is.
    pub deadlocked: Option<unsafe extern "C" fn() -> libc::c_int>,
}

const SMALLEST: usize = std::mem::size_of::<usize>() * 6;

/// Puts the hooks of this OS thread's scheduler in place; NULL takes them away. The state that is current now becomes
/// the root task's.
///
/// Returns 0, or
///   -EBUSY   tasks other than the root live
///   -EINVAL  too small; some but not all of state_new, swap, state_clear and state_free, or of release and acquire
///   -E2BIG   the struct is larger than this library knows and its tail is not zero
///
/// Does not switch.
///
/// # Safety
/// `host` is NULL or readable for the bytes its first member says; the functions stay callable.
#[no_mangle]
pub unsafe extern "C" fn gt_host_set(host: *const gt_host_t) -> libc::c_int {
    guard(|| {
        let scheduler = Scheduler::current()?;
        if host.is_null() {
            return scheduler.set_host(None).map(|()| 0);
        }
        // SAFETY: by the caller; gt_host_t is repr(C), starts with `size`, and zeroes are valid.
        let h = unsafe { sized(host, SMALLEST)? };
        let states = [h.state_new.is_some(), h.swap.is_some(), h.state_clear.is_some(), h.state_free.is_some()];
        let mixed = states.iter().any(|&s| s != states[0]) || h.release.is_some() != h.acquire.is_some();
        if mixed {
            return Err(invalid());
        }
        let host = Host {
            context: NonNull::new(h.ctx),
            state_new: h.state_new,
            swap: h.swap,
            state_clear: h.state_clear,
            state_free: h.state_free,
            release: h.release,
            acquire: h.acquire,
            stack_bounds: h.stack_bounds,
            interrupted: h.interrupted,
            // SAFETY: NULL or readable by the caller.
            tls_key: unsafe { h.tls_key.as_ref() }.copied(),
            trace: h.trace,
            deadlocked: h.deadlocked,
        };
        scheduler.set_host(Some(host)).map(|()| 0)
    })
}

/// From a VM's signal handler: has the scheduler of `task` call its interrupted hook on its root task, which may be
/// parked, and ends a poll that is about to sleep. (A signal that comes just before a poll does not interrupt it.)
///
/// Returns 0, or -ESRCH: no such task, or it has ended. Any thread; async-signal-safe; does not switch.
#[no_mangle]
pub extern "C" fn gt_host_notify(task: i64) -> libc::c_int {
    // No guard: nothing here can panic, and a signal handler must not unwind. errno is kept by hand.
    // SAFETY: the address is this thread's.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let errno = unsafe { *place };
    let result = sched::notify(task).map_or_else(|e| -e.errno(), |()| 0);
    // SAFETY: as above.
    unsafe { *place = errno };
    result
}

/// Lets other tasks run at a place that the running task has not chosen, for a host that ends a task's time slice in the middle of
/// its code. Looks for what has become ready (descriptors, timers, wakes from other OS threads), lets each task that is ready run
/// once, and delivers nothing: cancel and interrupts wait for the task's next blocking call.
///
/// Returns 1, or 0 if no other task was ready. On an OS thread without tasks: 0.
///
/// May switch. Any task.
#[no_mangle]
pub extern "C" fn gt_host_yield() -> libc::c_int {
    guard(|| Ok(Scheduler::existing().map_or(0, |s| libc::c_int::from(s.step_aside()))))
}

/// Has `size` bytes at `place` follow the tasks of this OS thread, as errno does: each task finds there what it left there, a
/// new task finds zeroes, and what is there now is the caller's. For what a language's runtime keeps for each OS thread
/// though it belongs to the code that runs there. C++ keeps there which exceptions are being handled: a program whose
/// tasks block inside a catch block, or in a destructor while an exception passes, asks by
/// `gt_carry(__cxa_get_globals(), 16)` on each OS thread before its first task. greenrt.hpp does that by itself.
///
/// `size` is 8 or 16. Twice the same place is fine; NULL ends it. A switch takes about a nanosecond longer on this OS
/// thread, nothing elsewhere. gt_shutdown() ends it.
///
/// Returns 0, or
///   -EINVAL  place is not aligned to 8 bytes, or size is something else
///   -EBUSY   another place follows them already
///   -ENOMEM  the OS thread's first call found no memory for a scheduler
///
/// Does not switch.
///
/// # Safety
/// `place` is NULL, or readable and writable until this is ended, or the scheduler is.
#[no_mangle]
pub unsafe extern "C" fn gt_carry(place: *mut c_void, size: usize) -> libc::c_int {
    // SAFETY: by the caller; NULL stands for zeroes.
    unsafe { gt_carry_from(place, size, ptr::null()) }
}

/// As gt_carry(), but what new tasks find, and those that exist already and do not run, is a copy of the `size` bytes at `initial`; NULL
/// stands for zeroes. The same place again, with other bytes: from now on new tasks find these.
///
/// Returns 0, or
///   -EINVAL  place is not aligned to 8 bytes, or size is something else than 8 or 16
///   -EBUSY   another place follows them already
///   -ENOMEM  the OS thread's first call found no memory for a scheduler
///
/// Does not switch.
///
/// # Safety
/// As of gt_carry(); `initial` is NULL, or readable.
#[no_mangle]
pub unsafe extern "C" fn gt_carry_from(place: *mut c_void, size: usize, initial: *const c_void) -> libc::c_int {
    guard(|| {
        let word = size_of::<usize>();
        let words = size / word;
        let fits = size % word == 0 && (1..=CARRIED_WORDS).contains(&words) && place.addr() % word == 0;
        if !place.is_null() && !fits {
            return Err(invalid());
        }
        let mut found = [0usize; CARRIED_WORDS];
        if !place.is_null() && !initial.is_null() {
            // SAFETY: readable by the caller; no more words than `found` has (`fits`).
            unsafe { ptr::copy_nonoverlapping(initial.cast::<u8>(), found.as_mut_ptr().cast(), size) };
        }
        // SAFETY: by the caller.
        unsafe { Scheduler::current()?.carry(place.cast(), words, found) }.map(|()| 0)
    })
}
