//! The end of an OS thread, as a descriptor: a pidfd of the one thread (Linux 6.9).
//!
//! CPython tells nobody when an OS thread of Python's ends: its C code releases a lock, or marks a handle. Whoever waits for that in a task
//! waits for the thread itself. Which OS thread a lock or handle belongs to is what `threading` knows of it.

use super::super::api::{api, drop_ref, type_of, Obj};
use super::super::gt;
use super::table;
use super::values::int;
use core::ffi::{c_int, CStr};

/// A descriptor that becomes readable when an OS thread has ended.
pub struct End(c_int);

impl End {
    fn open(tid: i64) -> Option<End> {
        /// PIDFD_THREAD
        const THREAD: c_int = libc::O_EXCL;
        // SAFETY: a system call with two numbers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, tid as libc::pid_t, THREAD) };
        (fd >= 0).then_some(End(fd as c_int))
    }

    /// Of the thread whose `threading.Thread` has `object` as that attribute. Nothing where that cannot be found out.
    ///
    /// # Safety
    /// GIL held.
    pub unsafe fn of(object: Obj, attribute: &CStr) -> Option<End> {
        let api = api();
        // SAFETY: the caller's promise; new references are dropped. Nothing here leaves an exception set.
        unsafe {
            let active = table::attribute(&["threading", "_active"])?;
            let mut found = None;
            if type_of(active) == api.dict_type {
                let threads = (api.PyDict_Values)(active);
                let count = if threads.is_null() { 0 } else { (api.PyList_Size)(threads) };
                for at in 0..count {
                    let thread = (api.PyList_GetItem)(threads, at);
                    let its = (api.PyObject_GetAttrString)(thread, attribute.as_ptr());
                    (api.PyErr_Clear)();
                    drop_ref(its);
                    if its == object && !its.is_null() {
                        let tid = (api.PyObject_GetAttrString)(thread, c"_native_id".as_ptr());
                        (api.PyErr_Clear)();
                        found = if tid.is_null() { None } else { int(tid, 0).filter(|tid| *tid > 0) };
                        drop_ref(tid);
                        break;
                    }
                }
                drop_ref(threads);
            }
            drop_ref(active);
            (api.PyErr_Clear)();
            found.and_then(End::open)
        }
    }

    /// The descriptor.
    pub fn fd(&self) -> c_int {
        self.0
    }
}

impl Drop for End {
    fn drop(&mut self) {
        gt::gt_close(self.0);
    }
}
