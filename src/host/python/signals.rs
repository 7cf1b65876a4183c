//! Python signal handlers run in the root task, whichever task was executing when the signal came.
//!
//! Left alone, CPython 3.9 to 3.12 runs a handler in the task that executes at that moment, and 3.13 in the root, but only once the root runs
//! by itself. Three parts change that, from the moment the hooks are installed on the main thread:
//!
//! 1. `_signal.signal` wraps handlers ("routes"), `_signal.getsignal` unwraps them, and `default_int_handler` is replaced in place. A
//!    route entered on another task than the root keeps handler and number and notifies the root.
//! 2. To be notified is to get an interrupt of the code [`CODE`]: the root's blocking call ends with -EINTR, `raise_wake` runs what
//!    is due, and when no exception came of it the call goes on with the time left.
//!    A call whose work is done at that moment keeps its result; the handler then runs right after it, as a pending call that
//!    the swap hook asks for when it makes the root current.
//! 3. A C signal handler in front of CPython's own also calls `gt_host_notify`, which ends the root's blocking call. So a signal is
//!    seen while the thread sleeps in a poll, while another task computes, and in the moment between the two.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicUsize, Ordering};

use super::api::{
    api, drop_ref, new_ref, none, raise_text, MethodDef, New, Obj, Ssize, State, METH_FASTCALL, METH_O, METH_VARARGS,
};
use super::gt;
use super::host::{self, Host};
use super::patch;

/// The interrupt code that means "there is a signal handler to run".
pub const CODE: c_int = 1;

/// Highest signal number, and one.
const SIGNALS: usize = 65;

/// The root task of the main thread, 0 before the installation.
static ROOT: AtomicI64 = AtomicI64::new(0);
/// Is an interrupt of [`CODE`] on its way to the root?
static NOTIFIED: AtomicBool = AtomicBool::new(false);
/// The root's `PyThreadState`.
static ROOT_STATE: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
/// Handlers were kept since the root last ran.
static DUE: AtomicBool = AtomicBool::new(false);
/// CPython's own C handlers, behind ours.
static CHAIN: [AtomicUsize; SIGNALS] = [const { AtomicUsize::new(0) }; SIGNALS];
/// The original C functions of `_signal`.
static SIGNAL: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
static GETSIGNAL: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
static DEFAULT_INT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// Handlers entered on another task, in order: (handler or NULL for the default of SIGINT, signal number).
struct Kept(UnsafeCell<Vec<(Obj, c_int)>>);
// SAFETY: used under the GIL only, and never borrowed across a call that could release it.
unsafe impl Sync for Kept {}
static KEPT: Kept = Kept(UnsafeCell::new(Vec::new()));

type Fast = unsafe extern "C" fn(Obj, *const Obj, Ssize) -> New;
type One = unsafe extern "C" fn(Obj, Obj) -> New;

/// Called once per OS thread that gets hooks; does its work on the interpreter's main thread. False: a Python exception is set.
///
/// # Safety
/// GIL held, hooks installed, no other task of ours on this thread yet.
pub unsafe fn install(host: *mut Host) -> bool {
    let api = api();
    // SAFETY: GIL held.
    unsafe {
        match on_main_thread() {
            None => return false,
            Some(false) => return true,
            Some(true) => {}
        }
        ROOT.store((*(*host).root).id, Ordering::Relaxed);
        ROOT_STATE.store((*(*host).root).state, Ordering::Relaxed);
        if let Err(text) = replace_functions() {
            raise_text(api.PyExc_ImportError, &text);
            return false;
        }
        // Handlers set before are routed by setting them again; the default one of SIGINT was replaced in place.
        let module = (api.PyImport_ImportModule)(c"_signal".as_ptr());
        if module.is_null() {
            return false;
        }
        for number in 1..SIGNALS as c_int {
            let value = (api.PyLong_FromLong)(number.into());
            let get: One = core::mem::transmute(GETSIGNAL.load(Ordering::Relaxed));
            let handler = get(module, value);
            if handler.is_null() {
                (api.PyErr_Clear)();
            } else if (api.PyCallable_Check)(handler) == 1 {
                drop_ref(set_signal(module, [value, handler].as_ptr(), 2));
                (api.PyErr_Clear)();
            }
            drop_ref(handler);
            drop_ref(value);
        }
        drop_ref(module);
    }
    true
}

/// Is this OS thread the one whose tasks may handle signals? None: a Python exception is set.
unsafe fn on_main_thread() -> Option<bool> {
    let api = api();
    // SAFETY: GIL held; each result is checked.
    unsafe {
        let module = (api.PyImport_ImportModule)(c"threading".as_ptr());
        if module.is_null() {
            return None;
        }
        let main = (api.PyObject_GetAttrString)(module, c"_main_thread".as_ptr());
        drop_ref(module);
        if main.is_null() {
            return None;
        }
        let ident = (api.PyObject_GetAttrString)(main, c"ident".as_ptr());
        drop_ref(main);
        if ident.is_null() {
            return None;
        }
        let mine = (api.PyLong_FromUnsignedLong)((api.PyThread_get_thread_ident)());
        let same = (api.PyObject_RichCompareBool)(ident, mine, 2);
        drop_ref(ident);
        drop_ref(mine);
        (same >= 0).then_some(same == 1)
    }
}

/// The METH_ flags of a builtin of `_signal`.
unsafe fn flags_of(name: &core::ffi::CStr) -> Result<c_int, String> {
    // SAFETY: GIL held by the caller.
    unsafe { patch::layout::flags(c"_signal", name) }
}

/// Writes another function behind a builtin of `_signal`; the original.
unsafe fn write(name: &core::ffi::CStr, new: *const c_void) -> Result<*const c_void, String> {
    // SAFETY: GIL held by the caller, who checked that `new` has the calling convention of the builtin.
    unsafe { patch::layout::replace(c"_signal", name, new) }
}

/// Replaces the three functions in place, once in a process.
unsafe fn replace_functions() -> Result<(), String> {
    if !SIGNAL.load(Ordering::Relaxed).is_null() {
        return Ok(());
    }
    // SAFETY: GIL held by the caller.
    let flags = unsafe { flags_of(c"default_int_handler")? };
    let new_default = match flags {
        METH_VARARGS => default_int_one as *const c_void,
        METH_FASTCALL => default_int_fast as *const c_void,
        other => return Err(format!("_signal.default_int_handler has the unknown calling convention {other:#x}")),
    };
    for (name, expected) in [(c"signal", METH_FASTCALL), (c"getsignal", METH_O)] {
        // SAFETY: as above.
        let found = unsafe { flags_of(name)? };
        if found != expected {
            return Err(format!("_signal.{name:?} has the unknown calling convention {found:#x}"));
        }
    }
    // SAFETY: its flags were checked above.
    let original = unsafe { write(c"default_int_handler", new_default)? };
    DEFAULT_INT.store(original.cast_mut(), Ordering::Relaxed);
    // SAFETY: its flags were checked above.
    let original = unsafe { write(c"getsignal", get_signal as *const c_void)? };
    GETSIGNAL.store(original.cast_mut(), Ordering::Relaxed);
    // SAFETY: its flags were checked above.
    let original = unsafe { write(c"signal", set_signal as *const c_void)? };
    SIGNAL.store(original.cast_mut(), Ordering::Relaxed);
    Ok(())
}

static ROUTE: MethodDef = MethodDef {
    name: c"greenrt_signal_route".as_ptr(),
    meth: route as *const c_void,
    flags: METH_FASTCALL,
    doc: core::ptr::null(),
};

/// What a route leads to, NULL when the object is none.
unsafe fn routed(object: Obj) -> Obj {
    let api = api();
    // SAFETY: GIL held; a wrong kind of object is an exception, which is cleared.
    unsafe {
        if (api.PyCFunction_GetFunction)(object) == route as *mut c_void {
            return (api.PyCFunction_GetSelf)(object);
        }
        (api.PyErr_Clear)();
    }
    null_mut()
}

/// A route's own handler in its place, for results that users see. Takes the reference over and gives one.
unsafe fn unwrap(object: New) -> New {
    // SAFETY: GIL held.
    unsafe {
        if object.is_null() {
            return object;
        }
        let handler = routed(object);
        if handler.is_null() {
            return object;
        }
        new_ref(handler);
        drop_ref(object);
        handler
    }
}

/// Is it `_signal.default_int_handler` itself (replaced in place, so it needs no route)?
unsafe fn is_default_int(object: Obj) -> bool {
    let api = api();
    // SAFETY: GIL held.
    unsafe {
        let function = (api.PyCFunction_GetFunction)(object);
        (api.PyErr_Clear)();
        function == default_int_one as *mut c_void || function == default_int_fast as *mut c_void
    }
}

/// `_signal.signal(signalnum, handler)`
unsafe extern "C" fn set_signal(module: Obj, args: *const Obj, count: Ssize) -> New {
    let api = api();
    // SAFETY: the original has this very shape; arguments are checked by it.
    unsafe {
        let original: Fast = core::mem::transmute(SIGNAL.load(Ordering::Relaxed));
        if count != 2 || (api.PyCallable_Check)(*args.add(1)) == 0 || is_default_int(*args.add(1)) {
            let old = unwrap(original(module, args, count));
            if count == 2 && !old.is_null() {
                chain(*args);
            }
            return old;
        }
        let route = (api.PyCFunction_NewEx)(&ROUTE, *args.add(1), null_mut());
        if route.is_null() {
            return null_mut();
        }
        let old = unwrap(original(module, [*args, route].as_ptr(), 2));
        drop_ref(route);
        if !old.is_null() {
            chain(*args);
        }
        old
    }
}

/// `_signal.getsignal(signalnum)`
unsafe extern "C" fn get_signal(module: Obj, number: Obj) -> New {
    // SAFETY: the original has this very shape.
    unsafe {
        let original: One = core::mem::transmute(GETSIGNAL.load(Ordering::Relaxed));
        unwrap(original(module, number))
    }
}

/// Are we on the task that handles signals? (An OS thread without tasks is none of our business.)
fn on_root() -> bool {
    let host = host::here();
    if host.is_null() || host::frozen() {
        return true;
    }
    // SAFETY: this thread's host and its root are alive.
    unsafe { (*(*host).root).id == gt::gt_self() && !HELD.load(Ordering::Relaxed) }
}

/// Set while a call of CPython's must not be interrupted by a handler in its middle.
static HELD: AtomicBool = AtomicBool::new(false);

/// While it lives, handlers that CPython would enter on the running task are kept, as those on other tasks are.
pub struct Hold(bool);

/// Holds handlers back. Only around calls of the task that runs; what it holds is due when it ends.
pub fn hold() -> Hold {
    Hold(HELD.swap(true, Ordering::Relaxed))
}

impl Drop for Hold {
    fn drop(&mut self) {
        HELD.store(self.0, Ordering::Relaxed);
        if !self.0 && DUE.load(Ordering::Relaxed) && handles_signals() {
            // SAFETY: a function without captures; it is called with the GIL held.
            DUE.store(unsafe { (api().Py_AddPendingCall)(due, null_mut()) } < 0, Ordering::Relaxed);
        }
    }
}

/// Handlers that have run in this process, and the tasks that wait for one.
static RUN: AtomicUsize = AtomicUsize::new(0);
struct Paused(UnsafeCell<Vec<i64>>);
// SAFETY: used under the GIL only, and never borrowed across a call that could release it.
unsafe impl Sync for Paused {}
static PAUSED: Paused = Paused(UnsafeCell::new(Vec::new()));

/// How many handlers are running, in the root.
static HANDLING: AtomicUsize = AtomicUsize::new(0);

/// Is a Python signal handler running?
pub fn handling() -> bool {
    HANDLING.load(Ordering::Relaxed) > 0
}

fn handle<R>(call: impl FnOnce() -> R) -> R {
    HANDLING.fetch_add(1, Ordering::Relaxed);
    let result = call();
    HANDLING.fetch_sub(1, Ordering::Relaxed);
    result
}

/// Is it the host of the main thread?
///
/// # Safety
/// A live host.
pub unsafe fn is_main(host: *const Host) -> bool {
    // SAFETY: the caller's promise; its root is alive.
    unsafe { (*(*host).root).id == ROOT.load(Ordering::Relaxed) }
}

/// Makes a callable the handler of a signal number, and gives the signal itself back to the system: the C handler that CPython would have
/// for it. None: a Python exception is set.
///
/// # Safety
/// GIL held, on the main thread, after the installation.
pub unsafe fn occupy(number: c_int, handler: Obj) -> Option<usize> {
    // SAFETY: the caller's promise; a plain sigaction on a number that CPython has accepted.
    unsafe {
        if !set_plainly(number, handler) {
            return None;
        }
        let default: libc::sigaction = core::mem::zeroed();
        let mut action: libc::sigaction = core::mem::zeroed();
        libc::sigaction(number, &default, &mut action);
        Some(action.sa_sigaction)
    }
}

/// Takes the handler of [`occupy`] away. False: a Python exception is set.
///
/// # Safety
/// As `occupy`.
pub unsafe fn vacate(number: c_int) -> bool {
    let api = api();
    // SAFETY: the caller's promise.
    unsafe {
        let default = (api.PyLong_FromLong)(0); // SIG_DFL
        let fine = set_plainly(number, default);
        drop_ref(default);
        fine
    }
}

/// CPython's own `_signal.signal(number, handler)`.
unsafe fn set_plainly(number: c_int, handler: Obj) -> bool {
    let api = api();
    // SAFETY: the caller's promise; the original has this very shape.
    unsafe {
        let module = (api.PyImport_ImportModule)(c"_signal".as_ptr());
        let number = (api.PyLong_FromLong)(number.into());
        let mut old = null_mut();
        if !module.is_null() && !number.is_null() {
            let original: Fast = core::mem::transmute(SIGNAL.load(Ordering::Relaxed));
            old = original(module, [number, handler].as_ptr(), 2);
        }
        let fine = !old.is_null();
        drop_ref(old);
        drop_ref(number);
        drop_ref(module);
        fine
    }
}

/// How many handlers have run.
pub fn handlers_run() -> usize {
    RUN.load(Ordering::Relaxed)
}

/// From now on the task is unparked when a handler has run; how many have run before.
///
/// # Safety
/// GIL held.
pub unsafe fn wait_for_handler(task: i64) -> usize {
    // SAFETY: the caller's promise.
    unsafe { (*PAUSED.0.get()).push(task) };
    handlers_run()
}

/// Takes a task out again.
///
/// # Safety
/// GIL held.
pub unsafe fn wait_no_more(task: i64) {
    // SAFETY: the caller's promise.
    unsafe { (*PAUSED.0.get()).retain(|one| *one != task) };
}

/// A handler has run.
unsafe fn ran() {
    RUN.fetch_add(1, Ordering::Relaxed);
    // SAFETY: GIL held by the caller.
    for task in unsafe { &*PAUSED.0.get() } {
        gt::gt_unpark(*task);
    }
}

/// A route: `handler(signalnum, frame)`, with the handler as self.
unsafe extern "C" fn route(handler: Obj, args: *const Obj, count: Ssize) -> New {
    let api = api();
    // SAFETY: CPython calls a handler with a number and a frame.
    unsafe {
        if on_root() || count < 1 {
            let result = handle(|| (api.PyObject_VectorcallDict)(handler, args, count as usize, null_mut()));
            ran();
            return result;
        }
        keep(new_ref(handler), *args);
        none()
    }
}

unsafe extern "C" fn default_int_fast(module: Obj, args: *const Obj, count: Ssize) -> New {
    // SAFETY: the original has this very shape.
    unsafe {
        if on_root() || count < 1 {
            let original: Fast = core::mem::transmute(DEFAULT_INT.load(Ordering::Relaxed));
            ran();
            return original(module, args, count);
        }
        keep(null_mut(), *args);
        none()
    }
}

unsafe extern "C" fn default_int_one(module: Obj, args: Obj) -> New {
    // SAFETY: the original has this very shape; `args` is a tuple.
    unsafe {
        if on_root() {
            let original: One = core::mem::transmute(DEFAULT_INT.load(Ordering::Relaxed));
            ran();
            return original(module, args);
        }
        keep(null_mut(), (api().PyTuple_GetItem)(args, 0));
        none()
    }
}

/// Keeps a handler (reference taken over, NULL = the default of SIGINT) for the root and notifies it.
unsafe fn keep(handler: Obj, number: Obj) {
    // SAFETY: GIL held; the number came from CPython's own table.
    unsafe {
        let number = if number.is_null() { libc::SIGINT } else { (api().PyLong_AsLong)(number) as c_int };
        (api().PyErr_Clear)();
        (*KEPT.0.get()).push((handler, number));
    }
    DUE.store(true, Ordering::Relaxed);
    notify();
}

/// Ends the root's blocking call with -EINTR, once until it looked.
fn notify() {
    if !NOTIFIED.swap(true, Ordering::Relaxed) {
        let rc = gt::gt_interrupt(ROOT.load(Ordering::Relaxed), CODE);
        if rc < 0 {
            NOTIFIED.store(false, Ordering::Relaxed);
        }
    }
}

/// The swap hook of every OS thread with tasks.
///
/// # Safety
/// Called by the scheduler with a state that it was given; GIL held.
pub unsafe extern "C" fn swap(incoming: State) -> State {
    // SAFETY: the caller's promise. A pending call is only noted here; it runs in Python code of the root.
    unsafe {
        let outgoing = super::stay::swap(incoming);
        if DUE.load(Ordering::Relaxed) && incoming == ROOT_STATE.load(Ordering::Relaxed) {
            DUE.store((api().Py_AddPendingCall)(due, null_mut()) < 0, Ordering::Relaxed);
        }
        outgoing
    }
}

/// The pending call: runs what was kept, on the root.
unsafe extern "C" fn due(_arg: *mut c_void) -> c_int {
    if !handles_signals() {
        DUE.store(true, Ordering::Relaxed);
        return 0;
    }
    // SAFETY: CPython makes pending calls with the GIL held and no exception set.
    if unsafe { run_on_root() } {
        0
    } else {
        -1
    }
}

/// On the root, after an interrupt of [`CODE`]: runs the handlers that are due. False: one raised; the rest is kept.
///
/// # Safety
/// GIL held, no exception set.
pub unsafe fn run_on_root() -> bool {
    let api = api();
    NOTIFIED.store(false, Ordering::Relaxed);
    // SAFETY: GIL held; the list is not borrowed while a handler runs.
    unsafe {
        loop {
            let kept: &mut Vec<(Obj, c_int)> = &mut *KEPT.0.get();
            if kept.is_empty() {
                break;
            }
            let (handler, number) = kept.remove(0);
            let mut fine = false;
            if handler.is_null() {
                (api.PyErr_SetNone)(api.PyExc_KeyboardInterrupt);
            } else {
                let number = (api.PyLong_FromLong)(number.into());
                let frame = (api.PyEval_GetFrame)();
                let arguments = [number, if frame.is_null() { api.none } else { frame }];
                let answer = handle(|| (api.PyObject_VectorcallDict)(handler, arguments.as_ptr(), 2, null_mut()));
                fine = !answer.is_null();
                drop_ref(answer);
                drop_ref(number);
                drop_ref(handler);
            }
            ran();
            if !fine {
                let kept: &Vec<(Obj, c_int)> = &*KEPT.0.get();
                if !kept.is_empty() {
                    notify();
                }
                return false;
            }
        }
        (api.PyErr_CheckSignals)() == 0
    }
}

/// Puts our C handler in front of the one that CPython has for this signal.
unsafe fn chain(number: Obj) {
    // SAFETY: plain sigaction calls on a number that `signal.signal` accepted.
    unsafe {
        let number = (api().PyLong_AsLong)(number);
        (api().PyErr_Clear)();
        if !(1..SIGNALS as i64).contains(&number) {
            return;
        }
        let number = number as c_int;
        let mut action: libc::sigaction = core::mem::zeroed();
        if libc::sigaction(number, core::ptr::null(), &mut action) < 0 {
            return;
        }
        let present = action.sa_sigaction;
        if present == libc::SIG_DFL
            || present == libc::SIG_IGN
            || present == on_signal as *const () as usize
            || action.sa_flags & libc::SA_SIGINFO != 0
        {
            return;
        }
        CHAIN[number as usize].store(present, Ordering::Relaxed);
        action.sa_sigaction = on_signal as *const () as usize;
        libc::sigaction(number, &action, null_mut());
    }
}

/// The C handler: CPython's own first, then the root. Only async-signal-safe calls.
unsafe extern "C" fn on_signal(number: c_int) {
    let next = CHAIN[number as usize].load(Ordering::Relaxed);
    // SAFETY: `next` was a plain handler; errno is kept.
    unsafe {
        let errno = *libc::__errno_location();
        if next != 0 {
            let next: unsafe extern "C" fn(c_int) = core::mem::transmute(next);
            next(number);
        }
        gt::gt_host_notify(ROOT.load(Ordering::Relaxed));
        *libc::__errno_location() = errno;
    }
}

/// The interrupted hook: does the root that was disturbed want its call to end? Only the one that handles signals.
pub unsafe extern "C" fn interrupted() -> c_int {
    c_int::from(handles_signals())
}

/// Is the running task the one that handles signals?
pub fn handles_signals() -> bool {
    ROOT.load(Ordering::Relaxed) == gt::gt_self()
}

/// In the child of a fork the task that forked is the one that handles signals.
pub fn after_fork_child(state: State) {
    if ROOT.load(Ordering::Relaxed) != 0 {
        ROOT.store(gt::gt_self(), Ordering::Relaxed);
        ROOT_STATE.store(state, Ordering::Relaxed);
        NOTIFIED.store(false, Ordering::Relaxed);
    }
}
