//! The end of an OS thread that has tasks: they get a TaskExit where they are parked, and what the thread held is freed.
//!
//! CPython tells of the end by clearing the thread's state, so a capsule in the root's thread-state dict does the work in
//! its destructor: on that OS thread, its state still current. The main thread has none: its tasks end with the process.

use core::ptr::null_mut;

use super::api::{api, drop_ref, Obj};
use super::gt;
use super::host::{self, Host};
use super::signals;
use super::task::Stage;

/// A task that does not end within this time is abandoned with its thread.
const PATIENCE: i64 = 5_000_000_000;

const NAME: &core::ffi::CStr = c"greenrt.farewell";

/// Puts the capsule in place. False: a Python exception is set.
///
/// # Safety
/// GIL held, on the host's OS thread, its root current.
pub unsafe fn arrange(host: *mut Host) -> bool {
    let api = api();
    if signals::handles_signals() {
        return true;
    }
    // SAFETY: GIL held; the dict is borrowed and keeps the capsule.
    unsafe {
        let dict = (api.PyThreadState_GetDict)();
        let capsule = (api.PyCapsule_New)(host.cast(), NAME.as_ptr(), thread_ends);
        let fine =
            !dict.is_null() && !capsule.is_null() && (api.PyDict_SetItemString)(dict, NAME.as_ptr(), capsule) == 0;
        drop_ref(capsule);
        fine
    }
}

/// The capsule goes: its thread ends. (Or the process forked and another thread's state is cleared, or the interpreter ends:
/// then the host is not this thread's, or nobody may switch.)
unsafe extern "C" fn thread_ends(capsule: Obj) {
    let api = api();
    // SAFETY: the pointer was put in by `arrange`; it is only compared until it is known to be this thread's host.
    unsafe {
        let host: *mut Host = (api.PyCapsule_GetPointer)(capsule, NAME.as_ptr()).cast();
        if host.is_null() || host != host::here() || host::frozen() {
            return;
        }
        let root = (*host).root;
        if (*root).id != gt::gt_self() || (*root).state != (api.PyThreadState_Get)() {
            return;
        }
        let (mut kind, mut value, mut traceback) = (null_mut(), null_mut(), null_mut());
        (api.PyErr_Fetch)(&mut kind, &mut value, &mut traceback);
        let ended = gt::gt_shutdown_until(gt::gt_now().saturating_add(PATIENCE)) == 0;
        host::leave();
        let task = core::mem::replace(&mut (*root).task, null_mut());
        if !task.is_null() {
            (*task).stage = Stage::Done;
            (*task).worker = null_mut();
            drop_ref(task.cast());
        }
        if ended {
            for (_, (_, exception)) in core::mem::take(&mut (*host).armed) {
                drop_ref(exception);
            }
            drop(Box::from_raw(root));
            drop(Box::from_raw(host));
        }
        (api.PyErr_Restore)(kind, value, traceback);
    }
}
