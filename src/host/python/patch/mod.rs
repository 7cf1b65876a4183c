//! Patching in place: CPython's blocking C functions are replaced behind every reference to them, whenever it was taken, by
//! ones that park the task.
//!
//! | file | what it holds |
//! |---|---|
//! | layout.rs | finding and writing the C function behind a builtin or method |
//! | call.rs | one entry per calling convention, arguments, the way back to the original |
//! | table.rs | the primitives, by family; checks first, then all writes |
//! | shapes.rs | where the fields of locks, sockets and poll objects are: found and verified |
//! | ident.rs | each task is a thread of its own to Python |
//! | waiters.rs | who waits for which object |
//! | seconds.rs, time.rs | timeouts; `time.sleep` |
//! | lock.rs, rlock.rs, queue.rs | `_thread.lock`, `_thread.RLock`, `_queue.SimpleQueue` |
//! | thread.rs, handle.rs | starting and joining threads, before 3.13 and from 3.13 on |
//! | select.rs | `select.select`, poll and epoll objects |
//! | socket.rs, ghost.rs | `_socket.socket`: plain bytes; addresses, messages, connections |
//! | ssl.rs | `_ssl._SSLSocket` |
//! | gate.rs | what one task is in the middle of, and the next must not begin |
//! | names.rs, hostent.rs, resolve.rs | names of hosts: lookups on the runtime's pool; the functions that make them |
//! | transfer.rs, os.rs, fileio.rs | bytes in and out of descriptors: `os` functions, `_io.FileIO` |
//! | buffered.rs | the buffered files of `_io`: one task at a time |
//! | input.rs | `input` at a terminal |
//! | sigmask.rs | `signal.pthread_sigmask`: what a task blocks is its own |
//! | sigwait.rs | `signal.sigwait` and its relatives, `pause` |
//! | flock.rs | locks on files |
//! | semlock.rs | `_multiprocessing.SemLock` |
//! | ends.rs | the end of an OS thread, as a descriptor |
//! | values.rs | numbers and bytes as arguments and results |
//! | osthread.rs | functions that take a thread's ident for an OS thread's: `signal.pthread_kill` |
//! | fork.rs, wait.rs, system.rs | `os.fork` from a task; `os.waitpid` and its relatives; `os.system` |
//! | builtins.rs | what the Python package calls |
//!
//! A replacement asks first whether its OS thread runs tasks (`host::home`); if not it calls the original, so that real threads
//! keep blocking. Locks and queues are the exception: releasing one on any thread may wake a task.
//! Every wait is the runtime's own, and ends early with a Python exception when the task is interrupted; what it held or was
//! queued for is given back before that exception leaves.

pub(super) mod buffered;
mod builtins;
mod call;
mod ends;
mod fileio;
mod flock;
pub(crate) mod fork;
mod gate;
mod ghost;
mod handle;
mod hostent;
pub(crate) mod ident;
mod input;
pub(crate) mod layout;
mod lock;
mod names;
mod os;
mod osthread;
mod queue;
mod resolve;
mod rlock;
mod seconds;
mod select;
mod semlock;
mod shapes;
mod sigmask;
mod sigwait;
pub mod socket;
mod ssl;
mod system;
mod table;
mod thread;
pub mod time;
mod transfer;
pub mod values;
mod wait;
pub mod waiters;

pub(crate) use builtins::BUILTINS;

use super::api::{api, drop_ref, type_of, Obj, PyObject};
use core::sync::atomic::{AtomicPtr, Ordering};

static THREADING: AtomicPtr<PyObject> = AtomicPtr::new(core::ptr::null_mut());
static ACTIVE: AtomicPtr<PyObject> = AtomicPtr::new(core::ptr::null_mut());

/// A str made once and kept for ever. Borrowed.
unsafe fn interned(place: &AtomicPtr<PyObject>, text: &core::ffi::CStr) -> Obj {
    let known = place.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    // SAFETY: GIL held by the caller.
    let made = unsafe { (api().PyUnicode_InternFromString)(text.as_ptr()) };
    place.store(made, Ordering::Relaxed);
    made
}

/// The end of a run on a worker: what `threading` remembers of it under its ident is forgotten, since the next run
/// has the same ident. Real `Thread` objects took themselves out already; a `_DummyThread`, made by `current_thread()` in a task
/// that `threading` did not start, would stay.
///
/// # Safety
/// GIL held, on the worker's own stack, its state current.
pub(crate) unsafe fn run_finished() {
    let api = api();
    // SAFETY: the caller's promise. Nothing here leaves an exception set.
    unsafe {
        sigmask::forget(ident::current());
        let modules = (api.PySys_GetObject)(c"modules".as_ptr());
        let threading = if modules.is_null() {
            modules
        } else {
            (api.PyDict_GetItemWithError)(modules, interned(&THREADING, c"threading"))
        };
        if threading.is_null() {
            return;
        }
        let active = (api.PyObject_GetAttr)(threading, interned(&ACTIVE, c"_active"));
        if !active.is_null() && type_of(active) == api.dict_type && (api.PyDict_Size)(active) > 1 {
            let ident = (api.PyLong_FromUnsignedLongLong)(ident::current());
            if !ident.is_null() && !(api.PyDict_GetItemWithError)(active, ident).is_null() && !fork::forked_here() {
                (api.PyDict_DelItem)(active, ident);
            }
            drop_ref(ident);
        }
        drop_ref(active);
        (api.PyErr_Clear)();
    }
}
