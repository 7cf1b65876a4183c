//! Tasks are traced and profiled as new threads are, by what `threading.settrace` and `threading.setprofile` were given: so debuggers and
//! coverage tools reach threads that they did not start. A `threading.Thread` looks by itself; for a spawned task it is kept here,
//! where looking costs a task two loads.

use core::ffi::{c_void, CStr};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::api::{api, drop_ref, new_ref, none, raise, MethodDef, New, Obj, PyObject, Ssize, METH_FASTCALL};
use super::tasktype::method;

/// What traces and profiles new tasks, owned; NULL: nothing does.
static TRACE: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());
static PROFILE: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());

/// Called in a task before its function.
///
/// # Safety
/// GIL held, own state current, no exception set.
pub unsafe fn follow() {
    for (place, setter) in [(&TRACE, c"settrace"), (&PROFILE, c"setprofile")] {
        let hook = place.load(Ordering::Relaxed);
        if !hook.is_null() {
            // SAFETY: the caller's promise; an owned reference, which goes only with the GIL held.
            unsafe { set(hook, setter) };
        }
    }
}

/// `sys.settrace(hook)` or `sys.setprofile(hook)`. What an audit hook raises against it is dropped: the task runs untraced.
#[cold]
unsafe fn set(hook: Obj, setter: &CStr) {
    let api = api();
    // SAFETY: GIL held; attributes of `sys` are borrowed, and what is given is kept alive meanwhile.
    unsafe {
        let hook = new_ref(hook);
        let function = (api.PySys_GetObject)(setter.as_ptr());
        if !function.is_null() {
            drop_ref((api.PyObject_VectorcallDict)(function, [hook].as_ptr(), 1, null_mut()));
        }
        drop_ref(hook);
        (api.PyErr_Clear)();
    }
}

/// `follow_with(trace, profile)`: what new tasks are traced and profiled by; None: by nothing.
unsafe extern "C" fn follow_with(_this: Obj, args: *const Obj, count: Ssize) -> New {
    // SAFETY: called by CPython with the GIL held; the old ones are dropped when nobody finds them any more.
    unsafe {
        if count != 2 {
            return raise(api().PyExc_TypeError, c"follow_with() takes two arguments");
        }
        for (place, hook) in [(&TRACE, *args), (&PROFILE, *args.add(1))] {
            let kept = if hook == api().none { null_mut() } else { new_ref(hook) };
            drop_ref(place.swap(kept, Ordering::Relaxed));
        }
        none()
    }
}

/// Rows of the table of builtins.
pub static BUILTINS: &[MethodDef] = &[method!(
    c"follow_with",
    follow_with,
    METH_FASTCALL,
    c"follow_with(trace, profile)\n\nWhat new tasks are traced and profiled by."
)];
