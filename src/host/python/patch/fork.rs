//! `os.fork` from a task: the child is a process in which only that task exists.
//!
//! The core and the hosts forget the other tasks in `pthread_atfork`'s child handler; so does this room with its lists.
//! CPython has deleted the other tasks' thread states by the time Python code runs in the child, so they are forgotten untouched.
//! When the forking task's function returns in the child, the process ends as a Python main program does: threads
//! joined, exit functions run, output flushed, and `_exit`. The interpreter is not finalized, because its main
//! thread's stack is not the one that runs.

use super::super::api::{api, drop_ref, New, Obj};
use super::super::{gt, host};
use super::call::Args;
use super::{buffered, gate, ident, sigmask, thread, waiters};
use core::ffi::{c_int, CStr};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};

/// In a child: the task that forked (0 in a process that nobody forked).
static FORKED: AtomicI64 = AtomicI64::new(0);
/// In a child: the exit code that `sys.exit` asked for.
static CODE: AtomicI32 = AtomicI32::new(0);

/// Registers the child handler, once.
pub fn register() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if !DONE.swap(true, Ordering::AcqRel) {
        // SAFETY: a function without captures; the library is never unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
}

/// First thing in a child, on the stack that forked; no Python API.
unsafe extern "C" fn in_child() {
    if host::home() {
        FORKED.store(gt::gt_self(), Ordering::Relaxed);
    }
    host::after_fork_child();
    waiters::forget_all();
    gate::forget_all();
    buffered::forget_all();
    thread::forget_others();
}

/// Whether this process is a child that was forked in the running task.
pub fn forked_here() -> bool {
    let forked = FORKED.load(Ordering::Relaxed);
    forked != 0 && forked == gt::gt_self()
}

/// Keeps the exit code of an exception that ended a task's function.
///
/// # Safety
/// GIL held; `error` is a live exception.
pub unsafe fn entry_failed(error: Obj) {
    if !forked_here() {
        return;
    }
    let api = api();
    // SAFETY: the caller's promise.
    unsafe {
        let mut code = 1;
        if (api.PyErr_GivenExceptionMatches)(error, api.PyExc_SystemExit) != 0 {
            let asked = (api.PyObject_GetAttrString)(error, c"code".as_ptr());
            if asked == api.none {
                code = 0;
            } else if !asked.is_null() {
                let number = (api.PyLong_AsLong)(asked);
                if number == -1 && !(api.PyErr_Occurred)().is_null() {
                    (api.PyErr_Clear)();
                    print_to_stderr(asked);
                } else {
                    code = number as c_int;
                }
            }
            drop_ref(asked);
            (api.PyErr_Clear)();
        }
        CODE.store(code, Ordering::Relaxed);
    }
}

/// `sys.exit("text")`: the text goes to stderr.
unsafe fn print_to_stderr(object: Obj) {
    let api = api();
    // SAFETY: as in `entry_failed`.
    unsafe {
        let stderr = (api.PySys_GetObject)(c"stderr".as_ptr());
        if stderr.is_null() || stderr == api.none {
            return;
        }
        let text = (api.PyObject_Str)(object);
        for part in [text, (api.PyUnicode_FromString)(c"\n".as_ptr())] {
            if !part.is_null() {
                let write = (api.PyObject_GetAttrString)(stderr, c"write".as_ptr());
                if !write.is_null() {
                    drop_ref((api.PyObject_VectorcallDict)(write, &part, 1, core::ptr::null_mut()));
                }
                drop_ref(write);
            }
            drop_ref(part);
        }
        (api.PyErr_Clear)();
    }
}

/// Calls `object.name()`, printing an error that it raises.
unsafe fn run(object: Obj, name: &CStr) {
    let api = api();
    // SAFETY: as in `entry_failed`; a NULL object is a module that is not there.
    unsafe {
        if object.is_null() || object == api.none {
            (api.PyErr_Clear)();
            return;
        }
        let function = (api.PyObject_GetAttrString)(object, name.as_ptr());
        let result = if function.is_null() { function } else { (api.PyObject_CallNoArgs)(function) };
        if result.is_null() {
            (api.PyErr_WriteUnraisable)(function);
        }
        drop_ref(result);
        drop_ref(function);
    }
}

/// The end of a task's function. In a child forked by that task this is the end of the process.
///
/// # Safety
/// GIL held, on the task, its thread state current, no exception set.
pub unsafe fn entry_returned() {
    if !forked_here() {
        return;
    }
    let api = api();
    // SAFETY: the caller's promise.
    unsafe {
        let modules = (api.PySys_GetObject)(c"modules".as_ptr());
        run((api.PyDict_GetItemString)(modules, c"threading".as_ptr()), c"_shutdown");
        let atexit = (api.PyImport_ImportModule)(c"atexit".as_ptr());
        run(atexit, c"_run_exitfuncs");
        for stream in [c"stdout", c"stderr"] {
            run((api.PySys_GetObject)(stream.as_ptr()), c"flush");
        }
        libc::_exit(CODE.load(Ordering::Relaxed));
    }
}

/// `_get_main_thread_ident()` (3.13 and later): in a child, the ident of the task that forked, which is its main thread now.
///
/// # Safety
/// Called by CPython.
pub unsafe fn main_thread_ident(args: &Args) -> New {
    static MAIN: AtomicI64 = AtomicI64::new(0);
    // SAFETY: GIL held. A task's ident is its id.
    unsafe {
        if forked_here() && ident::in_task() {
            MAIN.store(FORKED.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        match MAIN.load(Ordering::Relaxed) {
            0 => args.original(),
            main => (api().PyLong_FromLongLong)(main),
        }
    }
}

/// `os.fork`: CPython's own; afterwards, in the child, the forking thread's handle is made whole (see
/// `handle::revive`).
///
/// # Safety
/// Called by CPython.
pub unsafe fn fork(args: &Args) -> New {
    // SAFETY: the call as it came.
    unsafe {
        let parent = libc::getpid();
        let result = sigmask::inherited(|| args.original());
        if !result.is_null() && libc::getpid() != parent && host::home() {
            thread::revive_current();
        }
        result
    }
}
