//! From -EINTR and -ECANCELED to a Python exception.
//!
//! An interrupt carries only a code. The exception that belongs to it (a Timeout, what `kill` was given) waits in the
//! host's table of armed exceptions; a code that is no longer there was withdrawn too late and is nothing.

use core::ffi::c_int;

use super::api::{api, drop_ref, Obj, Stolen};
use super::gt;
use super::host::{self, Host};
use super::signals;
use super::task;
use super::worker::Worker;

/// After a gt_ call returned -EINTR or -ECANCELED. True: a Python exception is set, clean up and return NULL. False: there was
/// nothing to raise (a signal handler ran quietly): wait on, with the same deadline.
///
/// # Safety
/// GIL held, no exception set by the caller; no borrow of the room's data is live (handlers run any code).
#[cold]
pub unsafe fn raise_wake(rc: c_int) -> bool {
    let api = api();
    // SAFETY: GIL held; pointers come from the tables of this thread's host.
    unsafe {
        if !(api.PyErr_Occurred)().is_null() {
            return true;
        }
        if rc == -libc::ECANCELED {
            (api.PyErr_SetNone)(task::task_exit());
            return true;
        }
        if signals::handles_signals() && !signals::run_on_root() {
            return true;
        }
        let mut code: c_int = 0;
        while gt::gt_interrupt_take(&mut code) == 0 {
            if code == signals::CODE {
                continue; // done above
            }
            if let Some(exception) = disarm(code) {
                raise_object(exception);
                drop_ref(exception);
                return true;
            }
        }
        false
    }
}

/// Keeps `exception` (a new reference is taken) for the interrupt `code` of `worker`.
///
/// # Safety
/// GIL held, a live worker.
pub unsafe fn arm(worker: *mut Worker, code: c_int, exception: Obj) {
    // SAFETY: the caller's promise.
    unsafe {
        super::api::new_ref(exception);
        let host = &mut *(*worker).host;
        host.armed.insert(code, (worker, exception));
        (*worker).codes.push(code);
    }
}

/// Takes back what waits for `code` on this thread; the reference is the caller's.
///
/// # Safety
/// GIL held.
pub unsafe fn disarm(code: c_int) -> Option<Stolen> {
    let host = host::here();
    if host.is_null() {
        return None;
    }
    // SAFETY: this thread's host.
    unsafe { disarm_at(host, code) }.map(|(_, exception)| exception)
}

/// Takes back what waits for `code` at `host`, with the worker it was meant for.
///
/// # Safety
/// GIL held, a live host.
pub unsafe fn disarm_at(host: *mut Host, code: c_int) -> Option<(*mut Worker, Stolen)> {
    // SAFETY: the caller's promise; a worker outlives what is armed for it (see `withdraw_all`).
    unsafe {
        let (worker, exception) = (*host).armed.remove(&code)?;
        let codes = &mut (*worker).codes;
        if let Some(at) = codes.iter().position(|known| *known == code) {
            codes.swap_remove(at);
        }
        Some((worker, exception))
    }
}

/// Ends every exception still armed for a worker whose run is over, and takes what was delivered but not read.
///
/// # Safety
/// GIL held, on that worker's own stack.
pub unsafe fn withdraw_all(worker: *mut Worker) {
    // SAFETY: own worker, own host; the list is taken out before anything is dropped.
    unsafe {
        let codes = core::mem::take(&mut (*worker).codes);
        for code in codes {
            gt::gt_interrupt_withdraw((*worker).id, code);
            let found = (*(*worker).host).armed.remove(&code);
            if let Some((_, exception)) = found {
                drop_ref(exception);
            }
        }
        let mut code: c_int = 0;
        while gt::gt_interrupt_take(&mut code) == 0 {}
    }
}

/// Raises what `throw` would: an instance as it is, a class by calling it.
///
/// # Safety
/// GIL held, a live object.
pub unsafe fn raise_object(exception: Obj) {
    let api = api();
    // SAFETY: the caller's promise. The type of an object lives as long as the object.
    unsafe {
        if (api.PyObject_IsInstance)(exception, api.type_type) == 1 {
            (api.PyErr_SetNone)(exception);
        } else {
            (api.PyErr_SetObject)(super::api::type_of(exception), exception);
        }
    }
}

/// The exception that is set, taken, as an instance with its traceback. NULL when none is set.
///
/// # Safety
/// GIL held.
pub unsafe fn take_exception() -> Obj {
    let api = api();
    let mut kind = core::ptr::null_mut();
    let mut value = core::ptr::null_mut();
    let mut traceback = core::ptr::null_mut();
    // SAFETY: three places for three owned references; NULLs are allowed in all.
    unsafe {
        (api.PyErr_Fetch)(&mut kind, &mut value, &mut traceback);
        if kind.is_null() {
            return core::ptr::null_mut();
        }
        (api.PyErr_NormalizeException)(&mut kind, &mut value, &mut traceback);
        if !traceback.is_null() {
            (api.PyException_SetTraceback)(value, traceback);
        }
        drop_ref(kind);
        drop_ref(traceback);
    }
    value
}
