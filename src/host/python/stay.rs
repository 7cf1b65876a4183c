//! OS threads that run tasks when the interpreter ends.
//!
//! From the moment CPython finalizes, an OS thread other than the finalizing one that comes back for the GIL is ended on the
//! spot by `pthread_exit`, which unwinds its stack. On an OS thread that runs tasks that stack is a task's, with frames of the
//! runtime on it that must not be unwound (their guards take it for a panic and abort the process). So wherever we
//! ask for the GIL, or run Python code, below such frames, the unwinding is met by a guard that stays: the thread holds
//! nothing and waits until the process is gone, as CPython 3.14 has its own threads do.

use super::api::{api, Obj, State};

/// Present while a call may end the thread.
struct Stay;

impl Drop for Stay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
        loop {
            // SAFETY: waits for a signal; the thread never comes back.
            unsafe { libc::pause() };
        }
    }
}

/// Runs a call that may end the thread; if it does, the thread stays here. Never inlined: in a frame of the C ABI the
/// unwinding of `pthread_exit` passes the guard by.
#[inline(never)]
fn or_stay<R>(call: impl FnOnce() -> R) -> R {
    let stay = Stay;
    let result = call();
    core::mem::forget(stay);
    result
}

/// `PyEval_RestoreThread`, for the hook.
///
/// # Safety
/// As CPython's.
pub unsafe extern "C" fn restore(state: State) {
    type Restore = unsafe extern "C-unwind" fn(State);
    // SAFETY: the same function, typed as one that may unwind.
    unsafe {
        let restore = core::mem::transmute::<unsafe extern "C" fn(State), Restore>(api().PyEval_RestoreThread);
        or_stay(|| restore(state));
    }
}

/// `PyThreadState_Swap`, which takes the GIL from 3.12 on.
///
/// # Safety
/// As CPython's.
#[inline(always)]
pub unsafe fn swap(state: State) -> State {
    type Swap = unsafe extern "C-unwind" fn(State) -> State;
    // SAFETY: as in `restore`.
    unsafe {
        let swap = core::mem::transmute::<unsafe extern "C" fn(State) -> State, Swap>(api().PyThreadState_Swap);
        or_stay(|| swap(state))
    }
}

/// `PyObject_Call`, at the bottom of a task's stack.
///
/// # Safety
/// As CPython's.
#[inline(always)]
pub unsafe fn call(function: Obj, arguments: Obj, named: Obj) -> Obj {
    type Call = unsafe extern "C-unwind" fn(Obj, Obj, Obj) -> Obj;
    // SAFETY: as in `restore`.
    unsafe {
        let call = core::mem::transmute::<unsafe extern "C" fn(Obj, Obj, Obj) -> Obj, Call>(api().PyObject_Call);
        or_stay(|| call(function, arguments, named))
    }
}
