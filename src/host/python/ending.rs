//! The end of a task: its outcome is kept, who waits is woken, who linked is told, and what nobody caught is reported.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::api::{api, drop_ref, new_ref, Obj, PyObject};
use super::deliver::raise_object;
use super::gt;
use super::task::{name_of, task_exit, Stage, Task};

static REPORT: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());

/// Who is told of an exception that nobody caught: called with (task, exception).
///
/// # Safety
/// GIL held, a live callable.
pub unsafe fn set_report(report: Obj) {
    // SAFETY: the caller's promise.
    unsafe { drop_ref(REPORT.swap(new_ref(report), Ordering::Relaxed)) };
}

/// The end of a task, on its worker: keeps the outcome (references taken over), wakes who waits, reports and calls the links.
///
/// # Safety
/// GIL held, on the worker's own stack.
pub unsafe fn finish(task: *mut Task, result: Obj, exception: Obj) {
    let api = api();
    // SAFETY: the worker keeps the task alive. Everything is taken out of the task before a reference is dropped.
    unsafe {
        (*task).result = result;
        (*task).exception = exception;
        (*task).stage = Stage::Done;
        (*task).worker = null_mut();
        let func = core::mem::replace(&mut (*task).func, null_mut());
        let args = core::mem::replace(&mut (*task).args, null_mut());
        let kwargs = core::mem::replace(&mut (*task).kwargs, null_mut());
        let links = core::mem::replace(&mut (*task).links, null_mut());
        let (first, more) = (*task).take_waiters();
        if first != 0 {
            gt::gt_unpark(first);
        }
        for waiter in more {
            gt::gt_unpark(waiter);
        }
        (*task).stem = name_of(func);
        if !exception.is_null() {
            report(task, exception);
        }
        drop_ref(func);
        drop_ref(args);
        drop_ref(kwargs);
        if !links.is_null() {
            for index in 0..(api.PyList_Size)(links) {
                call_link(task, (api.PyList_GetItem)(links, index));
            }
            drop_ref(links);
        }
    }
}

/// Tells of an exception that nobody caught. `TaskExit` and `SystemExit` are ways to end, not mistakes.
unsafe fn report(task: *mut Task, exception: Obj) {
    let api = api();
    // SAFETY: live objects; the reporter is kept for ever or replaced under the GIL (so a reference is taken).
    unsafe {
        for quiet in [task_exit(), api.PyExc_SystemExit] {
            if (api.PyErr_GivenExceptionMatches)(exception, quiet) != 0 {
                return;
            }
        }
        let report = REPORT.load(Ordering::Relaxed);
        if report.is_null() {
            raise_object(exception);
            (api.PyErr_WriteUnraisable)(task.cast());
            return;
        }
        new_ref(report);
        let arguments = [task.cast::<PyObject>(), exception];
        let answer = (api.PyObject_VectorcallDict)(report, arguments.as_ptr(), 2, null_mut());
        if answer.is_null() {
            (api.PyErr_WriteUnraisable)(report);
        }
        drop_ref(answer);
        drop_ref(report);
    }
}

/// Calls one (function, arguments, keywords) with the task in front. Its exception is reported, not raised.
unsafe fn call_link(task: *mut Task, link: Obj) {
    let api = api();
    // SAFETY: `link` is a tuple of three that `link()` below made; a reference is held while it is called.
    unsafe {
        new_ref(link);
        let func = (api.PyTuple_GetItem)(link, 0);
        let extra = (api.PyTuple_GetItem)(link, 1);
        let kwargs = (api.PyTuple_GetItem)(link, 2);
        let count = (api.PyTuple_Size)(extra);
        let args = (api.PyTuple_New)(count + 1);
        let mut answer = null_mut();
        if !args.is_null() {
            (api.PyTuple_SetItem)(args, 0, new_ref(task.cast()));
            for index in 0..count {
                (api.PyTuple_SetItem)(args, index + 1, new_ref((api.PyTuple_GetItem)(extra, index)));
            }
            answer = (api.PyObject_Call)(func, args, if kwargs == api.none { null_mut() } else { kwargs });
        }
        if answer.is_null() {
            (api.PyErr_WriteUnraisable)(func);
        }
        drop_ref(answer);
        drop_ref(args);
        drop_ref(link);
    }
}

/// `link(func, *args, **kwargs)`: call it with the task when the task is done; at once if it is.
///
/// # Safety
/// GIL held; `args` is a tuple, `kwargs` a dict or NULL.
pub unsafe fn link(task: *mut Task, func: Obj, args: Obj, kwargs: Obj) -> bool {
    let api = api();
    // SAFETY: the caller's promise.
    unsafe {
        let entry = (api.PyTuple_New)(3);
        if entry.is_null() {
            return false;
        }
        (api.PyTuple_SetItem)(entry, 0, new_ref(func));
        (api.PyTuple_SetItem)(entry, 1, new_ref(args));
        (api.PyTuple_SetItem)(entry, 2, new_ref(if kwargs.is_null() { api.none } else { kwargs }));
        let mut fine = true;
        if (*task).stage == Stage::Done {
            call_link(task, entry);
        } else {
            if (*task).links.is_null() {
                (*task).links = (api.PyList_New)(0);
            }
            fine = !(*task).links.is_null() && (api.PyList_Append)((*task).links, entry) == 0;
        }
        drop_ref(entry);
        fine
    }
}
