//! Thread handles (3.13 and later): `_thread.start_joinable_thread`, `_ThreadHandle` and `_shutdown`.
//!
//! A `_ThreadHandle` is an object around one pointer to CPython's record of a thread. CPython can make a record for a
//! thread that it did not start (`_make_thread_handle`, meant for the main thread): running, with a given ident. A thread-task gets
//! such a record, put into the handle that `threading.Thread` holds, by exchanging the two pointers; so `ident`, `is_done`,
//! `repr` and the state after a fork stay CPython's own. What C code cannot do is wait for the end of a task: `join`
//! and `_shutdown` are replaced.
//!
//! Invariant:
//! PH1. The word at `INNER` of every `_ThreadHandle` is its only field, an owned pointer to a record; verified by an exchange
//!     between two specimens that `ident` confirmed.

use super::super::api::{api, drop_ref, new_ref, none, raise, type_of, New, Obj, PyObject};
use super::super::gt::{self, NEVER};
use super::super::host;
use super::call::{apply, Args};
use super::ends::End;
use super::seconds::{from_now, seconds, Span};
use super::shapes::{read, write};
use super::table::{self, Id};
use super::time::{until_answered, Waited};
use super::waiters::{self, Outcome, Recheck};
use super::{ident, thread};
use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// Offset of the pointer: right after the object's header, and the object ends after it.
const INNER: usize = 16;
const SIZE: i64 = 24;

/// `_thread._make_thread_handle` and `_thread._ThreadHandle`, kept once prepared; NULL before 3.13.
static MAKE: AtomicPtr<PyObject> = AtomicPtr::new(core::ptr::null_mut());
static CLASS: AtomicPtr<PyObject> = AtomicPtr::new(core::ptr::null_mut());

/// Key of the tasks that wait in `_shutdown` for any thread to end.
static ALL: AtomicBool = AtomicBool::new(false);

fn all_key() -> usize {
    &raw const ALL as usize
}

unsafe fn of_thread_module(name: &CStr) -> New {
    let api = api();
    // SAFETY: a builtin module; GIL held by the caller.
    unsafe {
        let module = (api.PyImport_ImportModule)(c"_thread".as_ptr());
        let found = if module.is_null() { module } else { (api.PyObject_GetAttrString)(module, name.as_ptr()) };
        drop_ref(module);
        if found.is_null() {
            (api.PyErr_Clear)();
        }
        found
    }
}

unsafe fn exchange(one: Obj, other: Obj) {
    // SAFETY: PH1.
    unsafe {
        let (a, b): (usize, usize) = (read(one, INNER), read(other, INNER));
        write(one, INNER, b);
        write(other, INNER, a);
    }
}

/// The ident of a handle, 0 before its thread was started.
unsafe fn ident_of(handle: Obj) -> i64 {
    let api = api();
    // SAFETY: a live handle; GIL held by the caller.
    unsafe {
        let value = (api.PyObject_GetAttrString)(handle, c"ident".as_ptr());
        let number = if value.is_null() { 0 } else { (api.PyLong_AsLongLong)(value) };
        drop_ref(value);
        (api.PyErr_Clear)();
        number
    }
}

/// A fresh handle of a running thread with that ident.
unsafe fn make(ident: i64) -> New {
    let api = api();
    // SAFETY: GIL held by the caller.
    unsafe {
        let number = (api.PyLong_FromLongLong)(ident);
        if number.is_null() {
            return number;
        }
        let made = (api.PyObject_VectorcallDict)(MAKE.load(Ordering::Acquire), &number, 1, core::ptr::null_mut());
        drop_ref(number);
        made
    }
}

/// Looks the two objects up and verifies PH1, once. Before 3.13 there is nothing to do.
///
/// # Safety
/// GIL held.
pub unsafe fn prepare() -> Result<(), String> {
    if !MAKE.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    let api = api();
    // SAFETY: the caller's promise; specimens of our own.
    unsafe {
        let class = of_thread_module(c"_ThreadHandle");
        if class.is_null() {
            return Ok(());
        }
        let maker = of_thread_module(c"_make_thread_handle");
        if maker.is_null() {
            drop_ref(class);
            return Err("this CPython has _ThreadHandle without _make_thread_handle".to_string());
        }
        let size = (api.PyObject_GetAttrString)(class, c"__basicsize__".as_ptr());
        let fits = !size.is_null() && (api.PyLong_AsLongLong)(size) == SIZE;
        drop_ref(size);
        MAKE.store(maker, Ordering::Release);
        let specimens = [(api.PyObject_CallNoArgs)(class), make(4321)];
        let mut sound = fits && specimens.iter().all(|specimen| !specimen.is_null() && type_of(*specimen) == class);
        if sound {
            let [fresh, running] = specimens;
            sound = ident_of(fresh) == 0 && ident_of(running) == 4321;
            exchange(fresh, running);
            sound &= ident_of(fresh) == 4321 && ident_of(running) == 0;
            exchange(fresh, running);
        }
        specimens.iter().for_each(|specimen| drop_ref(*specimen));
        (api.PyErr_Clear)();
        if !sound {
            MAKE.store(core::ptr::null_mut(), Ordering::Release);
            drop_ref(maker);
            drop_ref(class);
            return Err("a _ThreadHandle is not one pointer to a record".to_string());
        }
        CLASS.store(class, Ordering::Release);
    }
    Ok(())
}

/// `start_joinable_thread(function, handle=None, daemon=True)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn start_joinable_thread(args: &Args) -> New {
    let api = api();
    // SAFETY: the arguments are the caller's.
    unsafe {
        let mut given = [core::ptr::null_mut(); 3];
        let bound = args.bind(&[c"function", c"handle", c"daemon"], &mut given);
        let [function, wanted, daemon] = given;
        let own_handle = wanted.is_null() || wanted == api.none;
        if !host::home()
            || !bound
            || function.is_null()
            || (api.PyCallable_Check)(function) == 0
            || (!own_handle && type_of(wanted) != CLASS.load(Ordering::Acquire))
            // Started already: CPython's function says so and starts nothing.
            || (!own_handle && ident_of(wanted) != 0)
        {
            return args.original();
        }
        let daemon = daemon.is_null() || (api.PyObject_IsTrue)(daemon) != 0;
        let nothing = (api.PyTuple_New)(0);
        if nothing.is_null() {
            return nothing;
        }
        let id = thread::spawn_thread(function, nothing, core::ptr::null_mut());
        drop_ref(nothing);
        if id < 0 {
            return thread::not_started();
        }
        // The task has not run yet: a spawned task waits for its turn.
        let handle = make(id);
        if handle.is_null() {
            return handle;
        }
        if own_handle {
            thread::note(id, new_ref(handle), daemon);
            return handle;
        }
        exchange(wanted, handle);
        drop_ref(handle);
        thread::note(id, new_ref(wanted), daemon);
        new_ref(wanted)
    }
}

/// The function of a thread-task has returned. NULL is a thread without a handle.
///
/// # Safety
/// GIL held.
pub unsafe fn ended(handle: &Obj) {
    if handle.is_null() {
        return;
    }
    // SAFETY: the caller holds a reference; `_set_done` is CPython's own and takes no arguments.
    unsafe {
        let row = table::row(Id::HandleSetDone);
        let empty = (api().PyTuple_New)(0);
        drop_ref(apply(row, *handle, empty, None));
        drop_ref(empty);
        (api().PyErr_Clear)();
    }
    wake(*handle);
}

fn wake(handle: Obj) {
    while waiters::hand_to_task(handle as usize) {}
    while waiters::hand_to_task(all_key()) {}
}

/// In a forked child: the record of the task that forked was marked as ended by CPython; it gets a fresh one.
///
/// # Safety
/// GIL held; a handle of a thread-task.
pub unsafe fn revive(handle: Obj, id: i64) {
    // SAFETY: PH1; the record that is exchanged away is freed with the object that holds it now.
    unsafe {
        let fresh = make(id);
        if fresh.is_null() {
            (api().PyErr_Clear)();
            return;
        }
        exchange(handle, fresh);
        drop_ref(fresh);
    }
}

unsafe fn is_done(handle: Obj) -> bool {
    let api = api();
    // SAFETY: a live handle.
    unsafe {
        let method = (api.PyObject_GetAttrString)(handle, c"is_done".as_ptr());
        let answer = if method.is_null() { method } else { (api.PyObject_CallNoArgs)(method) };
        let done = answer == api.true_;
        drop_ref(answer);
        drop_ref(method);
        (api.PyErr_Clear)();
        done
    }
}

/// `join(timeout=None)`
///
/// # Safety
/// Called by CPython on a `_ThreadHandle`.
pub unsafe fn join(args: &Args) -> New {
    let api = api();
    let handle = args.this;
    // SAFETY: the handle lives as long as the call.
    unsafe {
        let mut given = [core::ptr::null_mut(); 1];
        let bound = args.bind(&[c"timeout"], &mut given);
        let [timeout] = given;
        let ident = ident_of(handle);
        if !host::home() || !bound || ident == 0 || is_done(handle) {
            return args.original();
        }
        if ident as u64 == ident::current() {
            return raise(api.PyExc_RuntimeError, c"Cannot join current thread");
        }
        let deadline = match timeout.is_null() || timeout == api.none {
            true => NEVER,
            false => match seconds(timeout) {
                Span::Nanos(nanos) => from_now(nanos),
                Span::Negative => NEVER,
                Span::Bad => return args.original(),
            },
        };
        let ours = thread::running().as_ref().is_some_and(|all| all.contains_key(&ident));
        if let Some(end) = if ours { None } else { End::of(handle, c"_handle") } {
            match until_answered(|| gt::gt_wait_fd_until(end.fd(), libc::POLLIN.into(), deadline).into()) {
                Waited::Done(rc) if rc >= 0 && is_done(handle) => return args.original(),
                Waited::TimedOut if !is_done(handle) => return none(),
                Waited::TimedOut => return args.original(),
                Waited::Raised => return core::ptr::null_mut(),
                Waited::Done(_) => {}
            }
        }
        // The end of an OS thread is told to nobody where the kernel does not: look now and then.
        let recheck = if ours { Recheck::Never } else { Recheck::NowAndThen };
        match waiters::wait(handle as usize, deadline, recheck, &|| is_done(handle), &|| {}) {
            Outcome::Granted => args.original(),
            Outcome::TimedOut => none(),
            Outcome::Raised => core::ptr::null_mut(),
        }
    }
}

/// `_set_done()`: CPython's own, then whoever joins is woken.
///
/// # Safety
/// Called by CPython on a `_ThreadHandle`.
pub unsafe fn set_done(args: &Args) -> New {
    // SAFETY: the call as it came.
    let result = unsafe { args.original() };
    wake(args.this);
    result
}

/// `_shutdown()`: waits for the thread-tasks that are no daemons, then CPython's own waits for the OS threads.
///
/// # Safety
/// Called by CPython.
pub unsafe fn shutdown(args: &Args) -> New {
    // SAFETY: no borrow spans the wait.
    unsafe {
        loop {
            // In a child of a fork the caller itself may have begun as a thread.
            let me = if host::home() { gt::gt_self() } else { 0 };
            let left =
                thread::running().as_ref().is_some_and(|all| all.iter().any(|(id, one)| *id != me && !one.daemon));
            if !left || !host::home() {
                return args.original();
            }
            if waiters::wait(all_key(), NEVER, Recheck::Never, &|| false, &|| {}) == Outcome::Raised {
                return core::ptr::null_mut();
            }
        }
    }
}
