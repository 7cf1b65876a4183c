//! The builtins themselves: METH_FASTCALL functions, 10 to 30 ns a call where ctypes takes 110 to 1,400.

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

use super::api::{
    api, drop_ref, new_ref, none, raise, raise_errno, MethodDef, New, Obj, Ssize, METH_FASTCALL, METH_KEYWORDS,
    METH_NOARGS, METH_O,
};
use super::deliver::{self, raise_wake};
use super::ending;
use super::gt;
use super::host;
use super::residue;
use super::task;
use super::tasktype::{self, method, pack, END};
use super::tools;

// Each function is called by CPython with the GIL held and arguments as its flags say: that is what the SAFETY lines lean on.

/// Parks until the deadline; the result for Python.
unsafe fn sleep_until(deadline: i64) -> New {
    // SAFETY: see above.
    unsafe {
        loop {
            let rc = gt::gt_sleep_until(deadline);
            if rc == 0 {
                return none();
            }
            if rc != -libc::EINTR && rc != -libc::ECANCELED {
                return raise_errno(rc.into());
            }
            if raise_wake(rc) {
                return null_mut();
            }
        }
    }
}

/// `sleep(seconds=0)`
unsafe extern "C" fn sleep(_this: Obj, args: *const Obj, count: Ssize) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        if count > 1 {
            return raise(api.PyExc_TypeError, c"sleep() takes at most one argument");
        }
        if count == 0 || *args == ZERO.load(core::sync::atomic::Ordering::Relaxed) {
            if !host::home() {
                if host::frozen() {
                    return none();
                }
                if !host::ensure() {
                    return null_mut();
                }
            }
            let rc = gt::gt_yield();
            if rc < 0 && raise_wake(rc) {
                return null_mut();
            }
            return none();
        }
        let seconds = (api.PyFloat_AsDouble)(*args);
        if seconds == -1.0 && !(api.PyErr_Occurred)().is_null() {
            return null_mut();
        }
        if seconds.is_nan() {
            return raise(api.PyExc_ValueError, c"Invalid value NaN (not a number)");
        }
        if seconds < 0.0 {
            return raise(api.PyExc_ValueError, c"sleep length must be non-negative");
        }
        if host::frozen() {
            return plain_sleep(seconds);
        }
        if !host::ensure() {
            return null_mut();
        }
        sleep_until(task::after(seconds))
    }
}

/// A sleep of the whole OS thread, for what runs while the interpreter ends.
unsafe fn plain_sleep(seconds: f64) -> New {
    let api = api();
    let whole = seconds.min(1e9);
    let pause = libc::timespec { tv_sec: whole as i64, tv_nsec: (whole.fract() * 1e9) as i64 };
    // SAFETY: the GIL is given up around the call.
    unsafe {
        let state = (api.PyEval_SaveThread)();
        libc::nanosleep(&pause, null_mut());
        (api.PyEval_RestoreThread)(state);
        none()
    }
}

/// `spawn(func, *args, **kwargs)`
unsafe extern "C" fn spawn(_this: Obj, args: *const Obj, count: Ssize, keywords: Obj) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        if count < 1 || (api.PyCallable_Check)(*args) == 0 {
            return raise(api.PyExc_TypeError, c"spawn() needs a callable");
        }
        let Some((tuple, dict)) = pack(args, count, keywords, 1) else { return null_mut() };
        task::spawn(new_ref(*args), tuple, dict)
    }
}

/// `current()`
unsafe extern "C" fn current(_this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe { task::current() }
}

/// `tasks()`
unsafe extern "C" fn tasks(_this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe { task::list(host::here()) }
}

/// `install()`
unsafe extern "C" fn install(_this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        if host::ensure() {
            none()
        } else {
            null_mut()
        }
    }
}

/// `freeze()`
unsafe extern "C" fn freeze(_this: Obj, _unused: Obj) -> New {
    host::freeze();
    // SAFETY: see above.
    unsafe { none() }
}

/// `set_report(callable)`
unsafe extern "C" fn set_report(_this: Obj, report: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        if (api().PyCallable_Check)(report) == 0 {
            return raise(api().PyExc_TypeError, c"set_report() needs a callable");
        }
        ending::set_report(report);
        none()
    }
}

/// `raise_wake(rc)`: after -EINTR or -ECANCELED of a gt_ call made through ctypes.
unsafe extern "C" fn raise_wake_builtin(_this: Obj, rc: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let rc = (api().PyLong_AsLong)(rc);
        if !(api().PyErr_Occurred)().is_null() || raise_wake(rc as c_int) {
            return null_mut();
        }
        none()
    }
}

/// `timeout_arm(exception, seconds)`: the code of an interrupt that raises `exception` in this task after so many seconds.
unsafe extern "C" fn timeout_arm(_this: Obj, args: *const Obj, count: Ssize) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        if count != 2 {
            return raise(api.PyExc_TypeError, c"timeout_arm() takes two arguments");
        }
        let Some(deadline) = task::deadline(*args.add(1)) else { return null_mut() };
        if !host::ensure() {
            return null_mut();
        }
        let worker = host::current();
        if worker.is_null() {
            return raise(api.PyExc_RuntimeError, c"this task was not started from Python");
        }
        let code = host::next_code();
        deliver::arm(worker, code, *args);
        let rc = gt::gt_interrupt_at((*worker).id, code, deadline);
        if rc < 0 {
            if let Some(exception) = deliver::disarm(code) {
                drop_ref(exception);
            }
            return raise_errno(rc.into());
        }
        (api.PyLong_FromLong)(code.into())
    }
}

/// `timeout_disarm(code)`: was it still to come?
unsafe extern "C" fn timeout_disarm(_this: Obj, code: Obj) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let code = (api.PyLong_AsLong)(code) as c_int;
        if !(api.PyErr_Occurred)().is_null() {
            return null_mut();
        }
        let host = host::here();
        let mut pending = false;
        if !host.is_null() {
            if let Some((worker, exception)) = deliver::disarm_at(host, code) {
                pending = true;
                gt::gt_interrupt_withdraw((*worker).id, code);
                drop_ref(exception);
            }
        }
        new_ref(if pending { api.true_ } else { api.false_ })
    }
}

/// `timeout_pending(code)`
unsafe extern "C" fn timeout_pending(_this: Obj, code: Obj) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let code = (api.PyLong_AsLong)(code) as c_int;
        if !(api.PyErr_Occurred)().is_null() {
            return null_mut();
        }
        let host = host::here();
        let pending = !host.is_null() && (*host).armed.contains_key(&code);
        new_ref(if pending { api.true_ } else { api.false_ })
    }
}

static ZERO: core::sync::atomic::AtomicPtr<super::api::PyObject> = core::sync::atomic::AtomicPtr::new(null_mut());

static TABLE: [MethodDef; 13] = [
    method!(c"sleep", sleep, METH_FASTCALL, c"sleep(seconds=0)\n\nLet other tasks run for so many seconds; 0 lets those run that are ready."),
    method!(c"spawn", spawn, METH_FASTCALL | METH_KEYWORDS, c"spawn(func, *args, **kwargs)\n\nStart a task that calls func(*args, **kwargs)."),
    method!(c"current", current, METH_NOARGS, c"current()\n\nThe task that runs; the root task on the OS thread's own stack."),
    method!(c"tasks", tasks, METH_NOARGS, c"tasks()\n\nThe tasks of this OS thread that are not done."),
    method!(c"install", install, METH_NOARGS, c"install()\n\nMake this OS thread one that runs tasks."),
    method!(c"freeze", freeze, METH_NOARGS, c"freeze()\n\nNo task switches from now on: the interpreter is ending."),
    method!(c"set_report", set_report, METH_O, c"set_report(callable)\n\ncallable(task, exception) is told of what nobody caught."),
    method!(c"raise_wake", raise_wake_builtin, METH_O, c"raise_wake(rc)\n\nRaise what -EINTR or -ECANCELED of a gt_ call stands for, if anything."),
    method!(c"timeout_arm", timeout_arm, METH_FASTCALL, c"timeout_arm(exception, seconds)\n\nRaise exception in this task after so many seconds; a code for the others."),
    method!(c"timeout_disarm", timeout_disarm, METH_O, c"timeout_disarm(code)\n\nTake a timeout back; says whether it was still to come."),
    method!(c"timeout_pending", timeout_pending, METH_O, c"timeout_pending(code)\n\nIs the timeout still to come?"),
    method!(c"set_queue_parts", tools::queue::set_parts, METH_FASTCALL, c"set_queue_parts(empty, full, shut_down, heappush, heappop)\n\nWhat a Queue raises, and how it keeps a heap."),
    END,
];

/// Puts every builtin and the two types into `dict`. False: a Python exception is set.
///
/// # Safety
/// GIL held.
pub unsafe fn fill(dict: Obj) -> bool {
    let api = api();
    // SAFETY: static definitions; each object is dropped after the dict took its own reference.
    unsafe {
        ZERO.store((api.PyLong_FromLong)(0), core::sync::atomic::Ordering::Relaxed);
        let rows =
            TABLE.iter().chain(super::patch::BUILTINS).chain(super::trace::BUILTINS).chain(super::follow::BUILTINS);
        let rows = rows.chain(super::preempt::BUILTINS);
        for definition in rows.chain([&super::greenlet::BUILTIN]).chain(&super::hand::BUILTINS) {
            if definition.name.is_null() {
                continue;
            }
            let function = (api.PyCFunction_NewEx)(definition, null_mut(), null_mut());
            let rc = if function.is_null() { -1 } else { (api.PyDict_SetItemString)(dict, definition.name, function) };
            drop_ref(function);
            if rc < 0 {
                return false;
            }
        }
        (api.PyDict_SetItemString)(dict, c"Task".as_ptr(), task::task_type()) == 0
            && (api.PyDict_SetItemString)(dict, c"TaskExit".as_ptr(), task::task_exit()) == 0
            && tools::fill(dict)
    }
}

/// Makes what the room keeps for ever: the type, the exception, some names. False: a Python exception is set.
///
/// # Safety
/// GIL held; called once.
pub unsafe fn make() -> bool {
    let api = api();
    // SAFETY: GIL held; every result is checked.
    unsafe {
        let kind = tasktype::make();
        if kind.is_null() {
            return false;
        }
        let exit = (api.PyErr_NewExceptionWithDoc)(
            c"greenrt.TaskExit".as_ptr(),
            c"Raised in a task to end it; not an error, so nothing is printed.".as_ptr(),
            api.PyExc_BaseException,
            null_mut(),
        );
        let name = (api.PyUnicode_InternFromString)(c"__name__".as_ptr());
        if exit.is_null() || name.is_null() || !residue::make() || !super::http::prepare() {
            return false;
        }
        task::keep(kind, exit, name);
    }
    true
}
