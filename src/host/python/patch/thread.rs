//! Threads started by Python code on an OS thread that runs tasks become tasks: `_thread.start_new_thread`, its alias,
//! and what belongs to it before 3.13 (`_set_sentinel`) and from 3.13 on (`handle.rs`).
//!
//! `threading.py` learns that a thread has ended from a lock that CPython's C code releases when the thread state
//! goes ("sentinel"). A task's thread state does not go with its function, so the sentinels of a task are kept here
//! and released when the function has returned.

use super::super::api::{api, drop_ref, new_ref, none, raise, MethodDef, New, Obj, METH_NOARGS};
use super::super::{gt, host, stack, task};
use super::call::Args;
use super::{fork, handle, ident, lock};
use core::ffi::{c_char, c_void};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

/// What is kept for a running thread-task. References are owned.
pub struct Running {
    /// Locks that are released when it ends.
    sentinels: Vec<Obj>,
    /// Its `_ThreadHandle`, or NULL.
    pub handle: Obj,
    /// Whether the program's end waits for it (3.13).
    pub daemon: bool,
}

// SAFETY: the references are only used with the GIL held.
unsafe impl Send for Running {}

static RUNNING: Mutex<Option<HashMap<i64, Running>>> = Mutex::new(None);

/// The thread-tasks by task id. Never held across Python code or a switch.
pub fn running() -> MutexGuard<'static, Option<HashMap<i64, Running>>> {
    RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Notes a thread-task that was just spawned and has not run yet.
pub fn note(id: i64, handle: Obj, daemon: bool) {
    let entry = Running { sentinels: Vec::new(), handle, daemon };
    running().get_or_insert_with(HashMap::new).insert(id, entry);
}

/// `f(*args, **kwargs)` with the manners of a thread: SystemExit ends it silently, other exceptions go to
/// `sys.unraisablehook`. `this` is the tuple (f, args, kwargs or None).
unsafe extern "C" fn body(this: Obj, _: Obj) -> New {
    let api = api();
    // SAFETY: called by CPython on the task; the tuple was made by `spawn_thread` and is kept alive by the callable.
    unsafe {
        let [function, arguments, named] = [0, 1, 2].map(|index| (api.PyTuple_GetItem)(this, index));
        let keywords = if named == api.none { core::ptr::null_mut() } else { named };
        let result = (api.PyObject_Call)(function, arguments, keywords);
        if result.is_null() {
            report(function);
        }
        drop_ref(result);
        ended(gt::gt_self());
        none()
    }
}

/// An exception ended a thread.
unsafe fn report(function: Obj) {
    let api = api();
    // SAFETY: an exception is set; all references are ours or the caller's.
    unsafe {
        if fork::forked_here() {
            let mut parts = [core::ptr::null_mut(); 3];
            let [kind, value, trace] = &mut parts;
            (api.PyErr_Fetch)(kind, value, trace);
            (api.PyErr_NormalizeException)(kind, value, trace);
            fork::entry_failed(parts[1]);
            (api.PyErr_Restore)(parts[0], parts[1], parts[2]);
        }
        if (api.PyErr_ExceptionMatches)(api.PyExc_SystemExit) != 0
            || (api.PyErr_ExceptionMatches)(task::task_exit()) != 0
        {
            (api.PyErr_Clear)();
            return;
        }
        type Message = unsafe extern "C" fn(*const c_char, Obj);
        type Format = unsafe extern "C" fn(*const c_char, ...);
        let find = |name: &core::ffi::CStr| libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        let format = find(c"PyErr_FormatUnraisable");
        let message = find(c"_PyErr_WriteUnraisableMsg");
        if !format.is_null() {
            let write = core::mem::transmute::<*mut c_void, Format>(format);
            write(c"Exception ignored in thread started by %R".as_ptr(), function);
        } else if !message.is_null() {
            let write = core::mem::transmute::<*mut c_void, Message>(message);
            write(c"in thread started by".as_ptr(), function);
        } else {
            (api.PyErr_WriteUnraisable)(function);
        }
    }
}

/// The function of a thread-task has returned: whoever joins it may go on. In a child forked by this task the thread
/// is the main one now, and ends with the process (`fork::entry_returned`).
unsafe fn ended(id: i64) {
    if fork::forked_here() {
        return;
    }
    let Some(entry) = running().as_mut().and_then(|all| all.remove(&id)) else { return };
    // SAFETY: the entry's references are owned; GIL held.
    unsafe {
        for sentinel in entry.sentinels {
            lock::release_if_taken(sentinel);
            drop_ref(sentinel);
        }
        handle::ended(&entry.handle);
        drop_ref(entry.handle);
    }
}

static BODY: MethodDef = MethodDef {
    name: c"thread".as_ptr(),
    meth: body as unsafe extern "C" fn(Obj, Obj) -> New as *const c_void,
    flags: METH_NOARGS,
    doc: core::ptr::null(),
};

/// A `threading.Thread` is started by a method of its own: its name is the task's. Others have none.
unsafe fn name_it(id: i64, function: Obj) {
    let api = api();
    // SAFETY: live objects; the task was spawned just now, on this OS thread, and has not run.
    unsafe {
        let thread = (api.PyObject_GetAttrString)(function, c"__self__".as_ptr());
        let name = if thread.is_null() { thread } else { (api.PyObject_GetAttrString)(thread, c"_name".as_ptr()) };
        let mut length = 0;
        if !name.is_null() && !(api.PyUnicode_AsUTF8AndSize)(name, &mut length).is_null() {
            if let Some(worker) = (*host::here()).workers.get(&id).copied() {
                task::set_name((*worker).task, name);
            }
        }
        (api.PyErr_Clear)();
        drop_ref(name);
        drop_ref(thread);
    }
}

/// Spawns the task. `named` may be NULL. The id, or a negative number with an exception set.
///
/// # Safety
/// GIL held, on an OS thread that runs tasks; live objects of the right types.
pub unsafe fn spawn_thread(function: Obj, arguments: Obj, named: Obj) -> i64 {
    let api = api();
    // SAFETY: the caller's promise; the tuple is fresh and takes the new references.
    unsafe {
        let call = (api.PyTuple_New)(3);
        if call.is_null() {
            return -1;
        }
        let named = if named.is_null() { api.none } else { named };
        for (index, part) in [function, arguments, named].into_iter().enumerate() {
            (api.PyTuple_SetItem)(call, index as isize, new_ref(part));
        }
        let callable = (api.PyCFunction_NewEx)(&raw const BODY, call, core::ptr::null_mut());
        drop_ref(call);
        if callable.is_null() {
            return -1;
        }
        let id = task::spawn_callable(callable, (api.PyThread_get_stacksize)().min(stack::MOST));
        drop_ref(callable);
        if id >= 0 {
            name_it(id, function);
        }
        id
    }
}

/// No memory for a task: what CPython raises when the system has no more threads. NULL.
///
/// # Safety
/// GIL held, after `spawn_thread` failed.
pub unsafe fn not_started() -> New {
    let api = api();
    // SAFETY: the caller's promise.
    unsafe {
        if (api.PyErr_Occurred)().is_null() || (api.PyErr_ExceptionMatches)(api.PyExc_OSError) != 0 {
            (api.PyErr_Clear)();
            return raise(api.PyExc_RuntimeError, c"can't start new thread");
        }
        core::ptr::null_mut()
    }
}

/// `start_new_thread(function, args[, kwargs])`
///
/// # Safety
/// Called by CPython.
pub unsafe fn start_new_thread(args: &Args) -> New {
    let api = api();
    // SAFETY: the arguments are the caller's.
    unsafe {
        let [function, arguments, named] = [args.at(0), args.at(1), args.at(2)];
        let fits = (2..=3).contains(&args.positional())
            && (api.PyCallable_Check)(function) != 0
            && (api.PyObject_IsInstance)(arguments, api.tuple_type) == 1
            && (named.is_null() || (api.PyObject_IsInstance)(named, api.dict_type) == 1);
        if !host::home() || !fits {
            return args.original();
        }
        let id = spawn_thread(function, arguments, named);
        if id < 0 {
            return not_started();
        }
        note(id, core::ptr::null_mut(), true);
        (api.PyLong_FromLongLong)(id)
    }
}

/// `_count()`: threads that run, tasks among them.
///
/// # Safety
/// Called by CPython.
pub unsafe fn live(args: &Args) -> New {
    let api = api();
    // SAFETY: the original takes no arguments and answers with an int.
    unsafe {
        let threads = args.original();
        if threads.is_null() {
            return threads;
        }
        let all = (api.PyLong_AsLongLong)(threads) + count() as i64;
        drop_ref(threads);
        (api.PyLong_FromLongLong)(all)
    }
}

/// `_set_sentinel()`: a lock that is released when the calling thread has ended. In a thread-task it is kept here.
///
/// # Safety
/// Called by CPython.
pub unsafe fn set_sentinel(args: &Args) -> New {
    let api = api();
    // SAFETY: GIL held.
    unsafe {
        if !host::home() || !ident::in_task() {
            return args.original();
        }
        let made = (api.PyObject_CallNoArgs)(super::table::allocate_lock());
        if made.is_null() {
            return made;
        }
        let id = gt::gt_self();
        if let Some(entry) = running().as_mut().and_then(|all| all.get_mut(&id)) {
            entry.sentinels.push(new_ref(made));
        }
        made
    }
}

/// How many threads run as tasks.
pub fn count() -> usize {
    running().as_ref().map_or(0, HashMap::len)
}

/// Whether a lock is the sentinel of a thread-task that runs.
pub fn is_sentinel(lock: Obj) -> bool {
    running().as_ref().is_some_and(|all| all.values().any(|entry| entry.sentinels.contains(&lock)))
}

/// In a child of a fork: the other thread-tasks do not exist here. Their references are left alone.
pub fn forget_others() {
    let mut all = match RUNNING.try_lock() {
        Ok(all) => all,
        Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(std::sync::TryLockError::WouldBlock) => return,
    };
    if let Some(all) = all.as_mut() {
        // Without tasks on this OS thread no id is kept.
        let me = if host::home() { gt::gt_self() } else { 0 };
        all.retain(|id, _| *id == me);
    }
}

/// In a child, after CPython's own work: the handle of the thread that forked, which CPython took for one of those
/// that are gone, is made to run again.
///
/// # Safety
/// GIL held, on the task that forked.
pub unsafe fn revive_current() {
    // SAFETY: reads the current task; the handle is kept by the entry.
    unsafe {
        let id = gt::gt_self();
        let handle =
            running().as_ref().and_then(|all| all.get(&id)).map_or(core::ptr::null_mut(), |entry| entry.handle);
        if !handle.is_null() {
            handle::revive(handle, id);
        }
    }
}
