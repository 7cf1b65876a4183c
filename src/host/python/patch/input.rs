//! `builtins.input` at a terminal.
//!
//! Away from a terminal `input` reads a line from `sys.stdin` by its methods, which wait as tasks. At a terminal CPython reads through
//! the C library (or GNU readline), and offers one hook, called when the prompt is written and before it reads:
//! `PyOS_InputHook`. Ours lets the other tasks run until something was typed. An exception that comes meanwhile cannot leave the
//! hook; it is kept, the read is made to fail, and the exception is raised in place of the one that comes of that.

use super::super::api::{api, drop_ref, New, Obj, State};
use super::super::{deliver, gt, host};
use super::call::Args;
use super::gate::{self, Came, Inside};
use core::cell::{Cell, UnsafeCell};
use core::ffi::c_int;

type Hook = Option<unsafe extern "C" fn() -> c_int>;

/// The one `input` that reads from the terminal. Changed with the GIL held, by the task that has the gate.
struct Reading {
    state: Cell<State>,
    asked: Cell<bool>,
    flags: Cell<c_int>,
    kept: UnsafeCell<[Obj; 3]>,
}
// SAFETY: see above.
unsafe impl Sync for Reading {}
static READING: Reading = Reading {
    state: Cell::new(core::ptr::null_mut()),
    asked: Cell::new(false),
    flags: Cell::new(-1),
    kept: UnsafeCell::new([core::ptr::null_mut(); 3]),
};

fn key() -> usize {
    &raw const READING as usize
}

/// Whether GNU readline reads: it asks the hook before each key, and has no buffer of its own.
unsafe fn reads_by_key() -> bool {
    let api = api();
    // SAFETY: GIL held by the caller; borrowed references.
    unsafe {
        let modules = (api.PySys_GetObject)(c"modules".as_ptr());
        !modules.is_null() && !(api.PyDict_GetItemString)(modules, c"readline".as_ptr()).is_null()
    }
}

/// CPython calls it without the GIL, on the thread that called `input`.
unsafe extern "C" fn on_input() -> c_int {
    let state = READING.state.get();
    if !host::home() || state.is_null() {
        return 0;
    }
    let api = api();
    // SAFETY: the state of the call, which CPython has saved for the time of the read.
    unsafe {
        (api.PyEval_RestoreThread)(state);
        // The C library may have the rest of a line: it is asked to wait for the beginning only.
        let waits = !READING.asked.get() || reads_by_key();
        READING.asked.set(true);
        while waits && (*READING.kept.get())[0].is_null() {
            let rc = gt::gt_wait_fd_until(0, libc::POLLIN.into(), gt::NEVER);
            if rc != -libc::EINTR && rc != -libc::ECANCELED {
                break;
            }
            if deliver::raise_wake(rc) {
                let [kind, value, trace] = &mut *READING.kept.get();
                (api.PyErr_Fetch)(kind, value, trace);
                let flags = libc::fcntl(0, libc::F_GETFL);
                if flags >= 0 && libc::fcntl(0, libc::F_SETFL, flags | libc::O_NONBLOCK) == 0 {
                    READING.flags.set(flags);
                }
            }
        }
        (api.PyEval_SaveThread)();
    }
    0
}

/// `input([prompt])`
///
/// # Safety
/// Called by CPython.
pub unsafe fn input(args: &Args) -> New {
    let api = api();
    // SAFETY: GIL held; the hook is a word of CPython's of that type.
    unsafe {
        let terminal = host::home() && libc::isatty(0) == 1 && libc::isatty(1) == 1;
        let hook = libc::dlsym(libc::RTLD_DEFAULT, c"PyOS_InputHook".as_ptr()).cast::<Hook>();
        if !terminal || hook.is_null() {
            return args.original();
        }
        let _inside = match gate::come(key(), gt::NEVER) {
            Came::Open => Inside::new(key()),
            Came::In(inside) => inside,
            Came::TimedOut | Came::Raised => return core::ptr::null_mut(),
        };
        if (*hook).is_some() {
            // Somebody else's, a toolkit's: it has a loop of its own to run.
            return args.original();
        }
        READING.state.set((api.PyThreadState_Get)());
        READING.asked.set(false);
        *hook = Some(on_input);
        let mut result = args.original();
        if (*hook).map(|hook| hook as usize) == Some(on_input as *const () as usize) {
            *hook = None;
        }
        READING.state.set(core::ptr::null_mut());
        let flags = READING.flags.replace(-1);
        if flags >= 0 {
            libc::fcntl(0, libc::F_SETFL, flags);
        }
        let [kind, value, trace] = core::mem::replace(&mut *READING.kept.get(), [core::ptr::null_mut(); 3]);
        if !kind.is_null() {
            drop_ref(result);
            result = core::ptr::null_mut();
            (api.PyErr_Restore)(kind, value, trace);
        }
        result
    }
}
