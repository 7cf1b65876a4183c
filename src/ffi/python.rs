//! Section: the room for CPython.

use std::ffi::c_void;

use crate::host::python;

/// The builtins of this library for the CPython that runs in this process: a new reference to a dict, or NULL with a Python
/// exception set (ImportError for an interpreter that is not supported). For the Python package: call it through
/// ctypes.PyDLL, with the GIL held. In a process without CPython the answer is NULL. Does not switch.
///
/// # Safety
/// The GIL of the process's CPython, if it has one, is held.
#[no_mangle]
pub unsafe extern "C" fn gt_python_builtins() -> *mut c_void {
    // SAFETY: by the caller.
    std::panic::catch_unwind(|| unsafe { python::open() }).unwrap_or(std::ptr::null_mut())
}
