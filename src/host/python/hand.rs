//! Tasks that are handed to: `greenrt.greenlet` is made of them. Such a task starts when it is handed to for the first time, and its
//! function ends with the number of the one to hand to next. What is handed over lies in Python objects; here is only the switch.
//!
//! Their workers are pooled in a list of their own, because one that waits for work has to wait for a hand-over.

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::api::{
    api, drop_ref, new_ref, none, raise, raise_errno, MethodDef, New, Obj, Ssize, State, METH_FASTCALL, METH_NOARGS,
    METH_O,
};
use super::deliver::{disarm, raise_wake, take_exception};
use super::gt;
use super::host;
use super::patch::layout::peek_words;
use super::task::{self, Task};
use super::tasktype::method;
use super::worker;

// Each function is called by CPython with the GIL held and arguments as its flags say: that is what the SAFETY lines lean on.

/// `hand_new(func)`: a task that calls func() once it is handed to; func returns the number to hand to at its end.
unsafe extern "C" fn hand_new(_this: Obj, func: Obj) -> New {
    let api = api();
    // SAFETY: see above; references go to the task, which goes to the worker with one of its own.
    unsafe {
        if !host::ensure() {
            return null_mut();
        }
        let args = (api.PyTuple_New)(0);
        if args.is_null() {
            return null_mut();
        }
        let made = task::new(new_ref(func), args, null_mut());
        if made.is_null() {
            return null_mut();
        }
        new_ref(made.cast());
        if !worker::start_handed(host::here(), made) {
            drop_ref(made.cast());
            return null_mut();
        }
        made.cast()
    }
}

/// `hand_number()`: of the running task, for those that hand back to it.
unsafe extern "C" fn hand_number(_this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        if !host::ensure() {
            return null_mut();
        }
        (api().PyLong_FromLongLong)(gt::gt_self())
    }
}

/// `hand_over(number)`: runs that task until somebody hands back. Raises what was due before. An exception that comes while the caller waits
/// is the result; then hand_await() waits on.
unsafe extern "C" fn hand_over(_this: Obj, number: Obj) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let to = (api.PyLong_AsLongLong)(number);
        if to == -1 && !(api.PyErr_Occurred)().is_null() {
            return null_mut();
        }
        if host::frozen() {
            return raise(api.PyExc_RuntimeError, c"the interpreter is ending: no task can run any more");
        }
        let mut code: c_int = 0;
        while gt::gt_interrupt_take(&mut code) == 0 {
            if let Some(exception) = disarm(code) {
                super::deliver::raise_object(exception);
                drop_ref(exception);
                return null_mut();
            }
        }
        came_back(gt::gt_hand_over(to, null_mut(), null_mut()))
    }
}

/// `hand_await()`: waits on, until somebody hands over. Results as of hand_over().
unsafe extern "C" fn hand_await(_this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe { came_back(gt::gt_hand_await(null_mut())) }
}

unsafe fn came_back(mut rc: c_int) -> New {
    // SAFETY: see above.
    unsafe {
        loop {
            if rc == 0 {
                return none();
            }
            if rc != -libc::EINTR && rc != -libc::ECANCELED {
                return raise_errno(rc.into());
            }
            if raise_wake(rc) {
                return if rc == -libc::EINTR { take_exception() } else { null_mut() };
            }
            rc = gt::gt_hand_await(null_mut());
        }
    }
}

/// Where a thread state has its `contextvars.Context`, and behind it a number that grows with each change; 0 = not found yet.
static CONTEXT: AtomicUsize = AtomicUsize::new(0);

/// Words of a thread state that are looked at.
const WORDS: usize = 96;

/// Finds [`CONTEXT`] in the running task's state. None: a Python exception is set.
unsafe fn context_at() -> Option<usize> {
    let api = api();
    let known = CONTEXT.load(Ordering::Relaxed);
    if known != 0 {
        return Some(known);
    }
    // SAFETY: GIL held by the caller; a context is entered and left again.
    unsafe {
        let context = (api.PyContext_New)();
        if context.is_null() {
            return None;
        }
        let state = (api.PyThreadState_Get)() as usize;
        let before = peek_words(state, WORDS);
        let entered = (api.PyContext_Enter)(context) == 0;
        let during = peek_words(state, WORDS);
        if entered {
            (api.PyContext_Exit)(context);
        }
        (api.PyErr_Clear)();
        let words = before.len().min(during.len());
        let found = (1..words.saturating_sub(1)).find(|&at| {
            during[at] == context as u64 && before[at] != during[at] && during[at + 1] == before[at + 1].wrapping_add(1)
        });
        drop_ref(context);
        let Some(at) = found else {
            raise(api.PyExc_RuntimeError, c"the context of a thread state is not where any known CPython has it");
            return None;
        };
        CONTEXT.store(at, Ordering::Relaxed);
        Some(at)
    }
}

/// The state of a task that is not done. None: a Python exception is set.
unsafe fn state_of(object: Obj) -> Option<State> {
    let api = api();
    // SAFETY: see above; a worker has its state from its first run on.
    unsafe {
        if (api.PyObject_IsInstance)(object, task::task_type()) != 1 {
            raise(api.PyExc_TypeError, c"needs a task");
            return None;
        }
        let worker = (*object.cast::<Task>()).worker;
        if worker.is_null() || (*worker).state.is_null() {
            raise(api.PyExc_RuntimeError, c"the task does not run");
            return None;
        }
        Some((*worker).state)
    }
}

/// `context_get(task)`: the context that a task runs in, None for an empty one that nobody has asked for.
unsafe extern "C" fn context_get(_this: Obj, object: Obj) -> New {
    // SAFETY: see above; the word holds a reference or NULL.
    unsafe {
        let (Some(at), Some(state)) = (context_at(), state_of(object)) else { return null_mut() };
        let found = state.cast::<Obj>().add(at).read();
        if found.is_null() {
            none()
        } else {
            new_ref(found)
        }
    }
}

/// `context_set(task, context or None)`: puts a task into another context; the one it leaves is not told.
unsafe extern "C" fn context_set(_this: Obj, args: *const Obj, count: Ssize) -> New {
    let api = api();
    // SAFETY: see above; the caller made sure that it is a context. The state owns a reference to it.
    unsafe {
        if count != 2 {
            return raise(api.PyExc_TypeError, c"context_set() takes two arguments");
        }
        let (Some(at), Some(state)) = (context_at(), state_of(*args)) else { return null_mut() };
        let context = *args.add(1);
        let new = if context == api.none { null_mut() } else { new_ref(context) };
        let old = state.cast::<Obj>().add(at).replace(new);
        let version = state.cast::<u64>().add(at + 1);
        version.write(version.read().wrapping_add(1));
        drop_ref(old);
        none()
    }
}

/// The builtins.
pub static BUILTINS: [MethodDef; 6] = [
    method!(c"hand_new", hand_new, METH_O, c"hand_new(func)\n\nA task that calls func() once it is handed to; func returns the number to hand to at its end, 0 for none."),
    method!(c"hand_number", hand_number, METH_NOARGS, c"hand_number()\n\nThe number of the running task, for hand_over()."),
    method!(c"hand_over", hand_over, METH_O, c"hand_over(number)\n\nRun that task until somebody hands back: None, or an exception that came meanwhile."),
    method!(c"hand_await", hand_await, METH_NOARGS, c"hand_await()\n\nWait on until somebody hands over: None, or an exception that came meanwhile."),
    method!(c"context_get", context_get, METH_O, c"context_get(task)\n\nThe context that a task runs in, or None."),
    method!(c"context_set", context_set, METH_FASTCALL, c"context_set(task, context)\n\nPut a task into another context, or none."),
];
