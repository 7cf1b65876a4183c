//! The Python room: makes builtins for the hot verbs out of CPython's stable-ABI functions, and lets a CPython ride on the
//! host hooks. The only place in the crate that knows a Python object.
//!
//! It is entered through one function, `gt_python_builtins`, called by the Python package through `ctypes.PyDLL`
//! (so the GIL is held). A program that is not Python never gets here, and nothing of CPython is linked.
//!
//! | file | what it holds |
//! |---|---|
//! | api.rs | the table of CPython functions, with the reference-count rule of each position |
//! | gt.rs | the calls into the C face that the room makes |
//! | host.rs | one `Host` per OS thread that runs tasks: the hooks, the pool of workers |
//! | stay.rs | OS threads with tasks when the interpreter ends |
//! | stack.rs | how much stack a Python task gets |
//! | worker.rs | a gt task that runs one Python task after another, with its thread state |
//! | farewell.rs | what happens to the tasks of an OS thread that ends |
//! | follow.rs | tasks are traced and profiled as new threads are |
//! | residue.rs | what a run must not leave on a thread state for the next |
//! | task.rs, tasktype.rs, ending.rs | the Python type `Task`, and what its end sets off |
//! | deliver.rs | from -EINTR and -ECANCELED to a Python exception |
//! | signals.rs | signal handlers run in the root task |
//! | builtins.rs | the table of builtins |
//! | hand.rs | tasks that are handed to, for `greenrt.greenlet` |
//! | greenlet.rs | the greenlet package, whose thread-local memory follows the tasks |
//! | patch/ | patching in place, and identity |
//! | boundary.rs | is the running task between two bytecodes? |
//! | preempt.rs | tasks that compute give way at bytecode boundaries, when asked for |
//! | trace.rs | what Python does in a task, told to who looks from outside |
//! | http/ | the type of HTTP connections, for the WSGI server |
//! | tools/ | the types that greenrt's own tools stand on: wait queue, semaphore, queue |
//!
//! Rules of the room:
//! * GIL held everywhere, except inside gt_ calls that may switch. After such a call anything may have changed: other
//!   tasks ran, and from CPython 3.12 on other OS threads too. So nothing borrowed spans one.
//! * Dropping a reference may run any Python code, which may switch. The same rule holds around [`api::drop_ref`].

pub(crate) mod api;
mod boundary;
pub(crate) mod builtins;
pub(crate) mod deliver;
pub(crate) mod ending;
pub(crate) mod farewell;
mod follow;
pub(crate) mod greenlet;
pub(crate) mod gt;
pub(crate) mod hand;
pub(crate) mod host;
mod http;
pub(crate) mod patch;
mod preempt;
pub(crate) mod residue;
pub(crate) mod signals;
pub(crate) mod stack;
mod stay;
pub(crate) mod task;
pub(crate) mod tasktype;
mod tools;
pub(crate) mod trace;
pub(crate) mod worker;

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

use api::PyObject;

/// The dict of builtins, once made.
static BUILTINS: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());

/// The body of `gt_python_builtins` (the C face, `ffi/python.rs`).
///
/// # Safety
/// The GIL of the process's CPython, if it has one, is held.
pub(crate) unsafe fn open() -> *mut c_void {
    // SAFETY: names that end in NUL; a function found under this name has this type.
    unsafe {
        let initialized = libc::dlsym(libc::RTLD_DEFAULT, c"Py_IsInitialized".as_ptr());
        if initialized.is_null() {
            return null_mut();
        }
        let initialized: unsafe extern "C" fn() -> c_int = core::mem::transmute(initialized);
        if initialized() == 0 {
            return null_mut();
        }
        if !in_main_interpreter() {
            refuse("greenrt runs in the main interpreter only, not in a subinterpreter");
            return null_mut();
        }
        let made = BUILTINS.load(Ordering::Acquire);
        if !made.is_null() {
            return api::new_ref(made).cast();
        }
        let api = match version_fits().and_then(|()| {
            api::load().map_err(|name| {
                format!("greenrt does not support this interpreter: it lacks {}", name.trim_end_matches('\0'))
            })
        }) {
            Ok(api) => api,
            Err(text) => {
                refuse(&text);
                return null_mut();
            }
        };
        if let Err(text) = supported() {
            refuse(&text);
            return null_mut();
        }
        if !builtins::make() {
            return null_mut();
        }
        let dict = (api.PyDict_New)();
        if dict.is_null() || !builtins::fill(dict) {
            api::drop_ref(dict);
            return null_mut();
        }
        BUILTINS.store(api::new_ref(dict), Ordering::Release);
        dict.cast()
    }
}

/// The builtins and their types belong to one interpreter, and so do the thread states of tasks.
unsafe fn in_main_interpreter() -> bool {
    // SAFETY: functions found under these names have this type; GIL held.
    unsafe {
        let current = libc::dlsym(libc::RTLD_DEFAULT, c"PyInterpreterState_Get".as_ptr());
        let main = libc::dlsym(libc::RTLD_DEFAULT, c"PyInterpreterState_Main".as_ptr());
        if current.is_null() || main.is_null() {
            return true; // too old: refused by its version
        }
        let current: unsafe extern "C" fn() -> *mut c_void = core::mem::transmute(current);
        let main: unsafe extern "C" fn() -> *mut c_void = core::mem::transmute(main);
        current() == main()
    }
}

/// Is it CPython 3.9 or later? Asked before the table is loaded, because older ones lack some of its names.
unsafe fn version_fits() -> Result<(), String> {
    // SAFETY: a function found under this name has this type, in every CPython.
    let version = unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, c"Py_GetVersion".as_ptr());
        if found.is_null() {
            return Err("greenrt needs CPython".to_string());
        }
        let get: unsafe extern "C" fn() -> *const core::ffi::c_char = core::mem::transmute(found);
        host::parse_version(get())
    };
    if version < 0x0309 {
        return Err(format!("greenrt needs CPython 3.9 or later, this is CPython {}.{}", version >> 8, version & 0xff));
    }
    Ok(())
}

/// Can tasks run on this interpreter? If not, the text says why.
unsafe fn supported() -> Result<(), String> {
    let version = host::version();
    let name = format!("CPython {}.{}", version >> 8, version & 0xff);
    // SAFETY: the table is loaded; NUL-terminated names.
    unsafe {
        let free_threaded = !libc::dlsym(libc::RTLD_DEFAULT, c"_Py_DecRefShared".as_ptr()).is_null();
        if free_threaded || !api::head_fits() {
            return Err(format!(
                "greenrt does not support free-threaded builds or builds that trace references ({name})"
            ));
        }
    }
    if version >= 0x030e && api::api().PyUnstable_ThreadState_SetStackProtection.is_none() {
        return Err(format!(
            "greenrt needs PyUnstable_ThreadState_SetStackProtection, which this {name} lacks: use 3.14.2 or later"
        ));
    }
    Ok(())
}

/// Sets ImportError although the table may not be there.
unsafe fn refuse(text: &str) {
    let text = format!("{text}\0");
    // SAFETY: both names exist in every CPython; the text ends in NUL.
    unsafe {
        let set = libc::dlsym(libc::RTLD_DEFAULT, c"PyErr_SetString".as_ptr());
        let kind = libc::dlsym(libc::RTLD_DEFAULT, c"PyExc_ImportError".as_ptr());
        if !set.is_null() && !kind.is_null() {
            let set: unsafe extern "C" fn(*mut PyObject, *const core::ffi::c_char) = core::mem::transmute(set);
            set(*kind.cast::<*mut PyObject>(), text.as_ptr().cast());
        }
    }
}
