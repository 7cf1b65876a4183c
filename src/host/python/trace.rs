//! What Python does in a task, told to who looks from outside: dumps, deadlock reports, the watchdog.
//!
//! The one who looks may hold no GIL: it is a signal handler in the middle of anything, or a helper thread. CPython's own code for
//! that moment is faulthandler's, which reads frames with care, takes no lock and allocates nothing. `greenrt.debug` has faulthandler
//! register a signal that nobody uses, to a file in memory; here its handler is looked up, the signal is given back, and the handler is
//! called as the plain function that it is. It dumps the thread state that the calling OS thread's PyGILState key names, so another
//! state is dumped by naming that one for a moment, on a helper thread that has none of its own.
//!
//! Also here: the reports of the watchdog on their way to a Python thread.

use core::ffi::{c_char, c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};

use super::api::{
    api, drop_ref, none, raise, raise_errno, MethodDef, New, Obj, Ssize, State, METH_FASTCALL, METH_NOARGS, METH_O,
};
use super::gt;
use super::host;
use super::preempt;
use super::stay;
use super::tasktype::method;

/// faulthandler's handler, 0 while nobody asked for it; the signal and the file that it was registered with.
static DUMP: AtomicUsize = AtomicUsize::new(0);
static SIGNAL: AtomicI32 = AtomicI32::new(0);
static FILE: AtomicI32 = AtomicI32::new(-1);
/// The key of PyGILState.
static KEY: AtomicU32 = AtomicU32::new(0);
/// Somebody writes to the file.
static BUSY: AtomicBool = AtomicBool::new(false);
/// Deadlocks are to be reported.
static DEADLOCKS: AtomicBool = AtomicBool::new(false);

/// The `trace` hook.
///
/// # Safety
/// `text` is writable for `max` bytes; `state` is NULL, or a live state that does not run meanwhile.
pub unsafe extern "C" fn calls(state: State, text: *mut c_char, max: usize) -> usize {
    let handler = DUMP.load(Ordering::Acquire);
    if handler == 0 || host::frozen() || BUSY.swap(true, Ordering::Acquire) {
        return 0;
    }
    // SAFETY: a handler of one argument, registered for this signal; the caller's promise. errno is kept: this may be a signal handler.
    let written = unsafe {
        let errno = *libc::__errno_location();
        let handler = core::mem::transmute::<usize, unsafe extern "C" fn(c_int)>(handler);
        let file = FILE.load(Ordering::Relaxed);
        libc::ftruncate(file, 0);
        libc::lseek(file, 0, libc::SEEK_SET);
        let head: &[u8] = if !state.is_null() {
            let key = KEY.load(Ordering::Relaxed);
            let own = libc::pthread_getspecific(key);
            libc::pthread_setspecific(key, state);
            handler(SIGNAL.load(Ordering::Relaxed));
            libc::pthread_setspecific(key, own);
            b"  Python"
        } else {
            handler(SIGNAL.load(Ordering::Relaxed));
            match (api().PyGILState_Check)() {
                0 => b"  Python, without the GIL",
                _ => b"  Python, holding the GIL",
            }
        };
        let written = copy(head, file, core::slice::from_raw_parts_mut(text.cast(), max));
        *libc::__errno_location() = errno;
        written
    };
    BUSY.store(false, Ordering::Release);
    written
}

/// Our head and what faulthandler wrote behind its own. Whole lines only.
fn copy(head: &[u8], file: c_int, text: &mut [u8]) -> usize {
    const OWN: &[u8] = b"Stack";
    let Some((front, rest)) = text.split_at_mut_checked(head.len()) else { return 0 };
    front.copy_from_slice(head);
    // SAFETY: the pointer and length are those of a live slice.
    let read = unsafe { libc::pread(file, rest.as_mut_ptr().cast(), rest.len(), 0) };
    let Ok(read) = usize::try_from(read) else { return 0 };
    if !rest[..read].starts_with(OWN) {
        return 0;
    }
    rest.copy_within(OWN.len()..read, 0);
    let told = &rest[..read - OWN.len()];
    told.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| head.len() + end + 1)
}

/// The `deadlocked` hook.
pub unsafe extern "C" fn deadlocked() -> c_int {
    if DEADLOCKS.load(Ordering::Relaxed) && !host::frozen() {
        1 + c_int::from(preempt::ticks())
    } else {
        0
    }
}

/// The interpreter is ending, or this is the child of a fork, where the file would be shared: nothing is told any more.
pub fn forget() {
    DUMP.store(0, Ordering::Release);
    BUSY.store(false, Ordering::Relaxed);
}

/// `trace_with(signal, file)`: takes over the handler that faulthandler has registered, and gives the signal back. False: there is none.
unsafe extern "C" fn trace_with(_this: Obj, args: *const Obj, count: Ssize) -> New {
    let api = api();
    // SAFETY: called by CPython with the GIL held.
    unsafe {
        if count != 2 {
            return raise(api.PyExc_TypeError, c"trace_with() takes two arguments");
        }
        let (signal, file) = ((api.PyLong_AsLong)(*args) as c_int, (api.PyLong_AsLong)(*args.add(1)) as c_int);
        if !(api.PyErr_Occurred)().is_null() {
            return null_mut();
        }
        let Some(key) = host::gilstate_key() else { return super::api::new_ref(api.false_) };
        let mut action: libc::sigaction = core::mem::zeroed();
        if libc::sigaction(signal, core::ptr::null(), &mut action) < 0 || action.sa_flags & libc::SA_SIGINFO != 0 {
            return super::api::new_ref(api.false_);
        }
        let handler = action.sa_sigaction;
        if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
            return super::api::new_ref(api.false_);
        }
        action = core::mem::zeroed();
        libc::sigaction(signal, &action, null_mut());
        KEY.store(key, Ordering::Relaxed);
        SIGNAL.store(signal, Ordering::Relaxed);
        FILE.store(file, Ordering::Relaxed);
        DUMP.store(handler, Ordering::Release);
        super::api::new_ref(api.true_)
    }
}

/// `tracing()`: is faulthandler's handler ours?
unsafe extern "C" fn tracing(_this: Obj, _unused: Obj) -> New {
    let api = api();
    let there = DUMP.load(Ordering::Relaxed) != 0;
    // SAFETY: called by CPython with the GIL held.
    unsafe { super::api::new_ref(if there { api.true_ } else { api.false_ }) }
}

/// `report_deadlocks(on)`
unsafe extern "C" fn report_deadlocks(_this: Obj, on: Obj) -> New {
    // SAFETY: called by CPython with the GIL held.
    unsafe {
        match (api().PyObject_IsTrue)(on) {
            -1 => null_mut(),
            on => {
                DEADLOCKS.store(on == 1, Ordering::Relaxed);
                none()
            }
        }
    }
}

/// One report, on its way to Python.
struct Told {
    watch: usize,
    task: i64,
    held: i64,
    ran: i64,
    count: u32,
    thread: i32,
    host: Vec<u8>,
    text: Vec<u8>,
}

/// The reports that wait for a Python thread, and of which watch there will be more (0: of none). One that stopped may have a thread
/// that does not know yet when the next one has started, and what is left is for that thread.
struct Line {
    reports: VecDeque<Told>,
    open: usize,
}

/// The number of the last watch.
static WATCHES: AtomicUsize = AtomicUsize::new(0);

/// More than this many reports do not wait: who does not fetch them gets the first ones.
const ROOM: usize = 64;

static LINE: Mutex<Line> = Mutex::new(Line { reports: VecDeque::new(), open: 0 });
static CAME: Condvar = Condvar::new();

fn line() -> MutexGuard<'static, Line> {
    LINE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The watchdog's callback, on its own OS thread, which has nothing to do with Python.
unsafe extern "C" fn keep(report: *const gt::Report, watch: *mut c_void) {
    // SAFETY: the report and its texts are valid until this returns; the texts end in NUL.
    let (report, host, text) = unsafe {
        let report = &*report;
        (report, core::ffi::CStr::from_ptr(report.host), core::ffi::CStr::from_ptr(report.text))
    };
    let mut line = line();
    if line.reports.len() < ROOM {
        line.reports.push_back(Told {
            watch: watch as usize,
            task: report.task,
            held: report.held,
            ran: report.ran,
            count: report.count,
            thread: report.thread,
            host: host.to_bytes().to_vec(),
            text: text.to_bytes().to_vec(),
        });
        CAME.notify_all();
    }
}

/// `watch_start(nanoseconds, fetched)`: the watchdog; its reports go to `watch_next()`, or by themselves to stderr. The number of this watch.
unsafe extern "C" fn watch_start(_this: Obj, args: *const Obj, count: Ssize) -> New {
    let api = api();
    // SAFETY: called by CPython with the GIL held; the callback takes a number for its argument and stays callable.
    unsafe {
        if count != 2 {
            return raise(api.PyExc_TypeError, c"watch_start() takes two arguments");
        }
        let limit = (api.PyLong_AsLongLong)(*args);
        let fetched = (api.PyObject_IsTrue)(*args.add(1)) == 1;
        if !(api.PyErr_Occurred)().is_null() {
            return null_mut();
        }
        let watch = WATCHES.fetch_add(1, Ordering::Relaxed) + 1;
        let rc = gt::gt_watchdog_start(limit, if fetched { Some(keep) } else { None }, watch as *mut c_void);
        if rc < 0 {
            return raise_errno(rc.into());
        }
        line().open = if fetched { watch } else { 0 };
        (api.PyLong_FromLongLong)(watch as i64)
    }
}

/// `watch_stop()`: who waits in `watch_next()` gets what is left, and then None.
unsafe extern "C" fn watch_stop(_this: Obj, _unused: Obj) -> New {
    let rc = gt::gt_watchdog_stop();
    // SAFETY: called by CPython with the GIL held.
    unsafe {
        if rc < 0 {
            return raise_errno(rc.into());
        }
        line().open = 0;
        CAME.notify_all();
        none()
    }
}

/// `watch_next(watch)`: waits for a report of this watch, on an OS thread without tasks: (task, held, ran, count, thread, host, text), or
/// None at the end.
unsafe extern "C" fn watch_next(_this: Obj, watch: Obj) -> New {
    let api = api();
    // SAFETY: called by CPython with the GIL held, which is given up for the wait.
    let told = unsafe {
        let watch = (api.PyLong_AsLongLong)(watch) as usize;
        if !(api.PyErr_Occurred)().is_null() {
            return null_mut();
        }
        let state = (api.PyEval_SaveThread)();
        let told = {
            let mut line = line();
            loop {
                let first = line.reports.iter().position(|told| told.watch == watch);
                if first.is_some() || line.open != watch {
                    break first.and_then(|at| line.reports.remove(at));
                }
                line = CAME.wait(line).unwrap_or_else(|poisoned| poisoned.into_inner());
            }
        };
        stay::restore(state);
        told
    };
    // SAFETY: GIL held again.
    unsafe {
        match told {
            Some(told) => tuple(&told),
            None => none(),
        }
    }
}

unsafe fn tuple(told: &Told) -> New {
    let api = api();
    // SAFETY: GIL held; a fresh tuple takes each part over; a part that could not be made leaves a NULL, which a tuple may hold while
    // it is dropped.
    unsafe {
        let text = |bytes: &[u8]| {
            let bytes = String::from_utf8_lossy(bytes);
            (api.PyUnicode_FromStringAndSize)(bytes.as_ptr().cast(), bytes.len() as Ssize)
        };
        let parts = [
            (api.PyLong_FromLongLong)(told.task),
            (api.PyLong_FromLongLong)(told.held),
            (api.PyLong_FromLongLong)(told.ran),
            (api.PyLong_FromLong)(told.count.into()),
            (api.PyLong_FromLong)(told.thread.into()),
            text(&told.host),
            text(&told.text),
        ];
        let tuple = (api.PyTuple_New)(parts.len() as Ssize);
        if tuple.is_null() || parts.iter().any(|part| part.is_null()) {
            parts.into_iter().for_each(|part| drop_ref(part));
            drop_ref(tuple);
            return null_mut();
        }
        for (at, part) in parts.into_iter().enumerate() {
            (api.PyTuple_SetItem)(tuple, at as Ssize, part);
        }
        tuple
    }
}

/// The builtins of this file.
pub static BUILTINS: &[MethodDef] = &[
    method!(
        c"trace_with",
        trace_with,
        METH_FASTCALL,
        c"trace_with(signal, file)\n\nTake over the handler that faulthandler has registered."
    ),
    method!(c"tracing", tracing, METH_NOARGS, c"tracing()\n\nDo dumps and reports have Python calls?"),
    method!(
        c"report_deadlocks",
        report_deadlocks,
        METH_O,
        c"report_deadlocks(on)\n\nReport a wait that nothing can end."
    ),
    method!(c"watch_start", watch_start, METH_FASTCALL, c"watch_start(nanoseconds, fetched)\n\nStart the watchdog."),
    method!(c"watch_stop", watch_stop, METH_NOARGS, c"watch_stop()\n\nStop the watchdog."),
    method!(c"watch_next", watch_next, METH_O, c"watch_next(watch)\n\nWait for a report."),
];
