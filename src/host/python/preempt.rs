//! Opt-in preemption: a task that computes gives way at a bytecode boundary when its time slice is over.
//!
//! A thread of its own, the ticker, asks once per interval; asking takes no GIL. The one place where CPython runs code of others between two
//! bytecodes, any number of them nested, is its signal handling (a pending call must return before the next one runs, so it cannot park).
//! So one signal number that nobody uses gets [`tick`] as its handler, and the ticker calls the C handler that CPython has installed for
//! it, as a plain function: the number is marked as tripped, and no signal is ever sent. `tick` is entered by the task that
//! runs, looks whether this is a place to switch at, and if so gives way.
//!
//! CPython expects that a signal interrupts the thread that is to look. Up to 3.12 a call from another thread leaves the eval breaker
//! alone, one word in the interpreter's state, so the ticker sets it. From 3.13 on each thread state has its own, and CPython marks the root's:
//! there a pending call on the thread that runs passes the mark on to its own state. Both words are found by watching them ([`probe`]).
//!
//! No switch where CPython, or C code below, takes one OS thread for one owner: see [`look`].
//!
//! Invariants:
//! PP1. What is not atomic here is touched under the GIL.
//! PP2. The ticker calls nothing of CPython's once `STOP` is set, and whoever sets it waits for its end before the interpreter goes.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use super::api::{api, drop_ref, new_ref, none, raise, raise_text, MethodDef, New, Obj, Ssize};
use super::api::{METH_FASTCALL, METH_NOARGS};
use super::boundary;
use super::gt;
use super::host;
use super::patch;
use super::signals;
use super::tasktype::method;
use super::worker::Worker;

/// CPython's C handler; the number it is called with.
static HANDLER: AtomicUsize = AtomicUsize::new(0);
static NUMBER: AtomicI32 = AtomicI32::new(0);
/// Nanoseconds between two requests.
static INTERVAL: AtomicU64 = AtomicU64::new(0);
/// A request is on its way, and `tick` has not dealt with it.
static ASKED: AtomicBool = AtomicBool::new(false);
/// From 3.13 on: the pending call of a request has not run.
static PASSED: AtomicBool = AtomicBool::new(false);
/// The ticker waits until somebody has looked.
static DOZES: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(false);
/// How often this request was put off to the next boundary.
static PUT_OFF: AtomicU32 = AtomicU32::new(0);
/// At most so often; then the next request has another try.
const MOST: u32 = 10_000;

/// Switches made.
static SWITCHES: AtomicU64 = AtomicU64::new(0);
/// The worker in whose run a collection is under way.
static COLLECTS: AtomicPtr<Worker> = AtomicPtr::new(null_mut());

/// What [`start`] found out about this interpreter.
struct Known {
    /// Index of the PyGILState counter in a state, as 32-bit words.
    counter: usize,
    /// Index of the eval breaker in a state, as 64-bit words, from 3.13 on.
    breaker: Option<usize>,
    /// Words of the interpreter that may be its eval breaker, up to 3.12.
    candidates: Vec<usize>,
    /// `_imp.lock_held`
    import_lock: Obj,
    ticker: Option<JoinHandle<()>>,
}

struct Place(UnsafeCell<Known>);
// SAFETY: PP1.
unsafe impl Sync for Place {}
static KNOWN: Place = Place(UnsafeCell::new(Known {
    counter: 0,
    breaker: None,
    candidates: Vec::new(),
    import_lock: null_mut(),
    ticker: None,
}));

type AddPendingCall =
    unsafe extern "C" fn(*mut c_void, unsafe extern "C" fn(*mut c_void) -> c_int, *mut c_void, c_int) -> c_int;
static ADD_PENDING: AtomicUsize = AtomicUsize::new(0);
static INTERPRETER: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
/// The eval breaker of the interpreter, up to 3.12.
static BREAKER: AtomicPtr<c_int> = AtomicPtr::new(null_mut());
/// The bits of the eval breaker in 3.13.
const SIGNALS: u64 = 1 << 1;
const CALLS: u64 = 1 << 2;

// -- asking

fn tick_on() {
    loop {
        std::thread::park_timeout(Duration::from_nanos(INTERVAL.load(Relaxed)));
        if STOP.load(SeqCst) {
            return;
        }
        // From 3.13 on a request may be left with a task that parks before it looks; then the next one is made all the same.
        let seen_by = if ADD_PENDING.load(Relaxed) == 0 { &ASKED } else { &PASSED };
        if seen_by.load(SeqCst) {
            // Nobody runs Python: no request until somebody has seen this one.
            DOZES.store(true, SeqCst);
            while seen_by.load(SeqCst) && !STOP.load(SeqCst) {
                std::thread::park();
            }
            DOZES.store(false, SeqCst);
            continue;
        }
        ASKED.store(true, SeqCst);
        PUT_OFF.store(0, Relaxed);
        match ADD_PENDING.load(Relaxed) {
            0 => {
                trip();
                // SAFETY: verified by `probe`; the interpreter lives (PP2), which writes it by atomic operations too.
                unsafe { AtomicI32::from_ptr(BREAKER.load(Relaxed)) }.store(1, SeqCst);
            }
            add => {
                PASSED.store(true, SeqCst);
                // SAFETY: the function of this interpreter, any thread may call it, and the interpreter lives (PP2).
                let failed = unsafe {
                    let add = core::mem::transmute::<usize, AddPendingCall>(add);
                    add(INTERPRETER.load(Relaxed), pass_on, null_mut(), 0) != 0
                };
                if failed {
                    PASSED.store(false, SeqCst); // the queue is full: another time
                }
            }
        }
    }
}

/// Marks our number as tripped, as a signal would.
fn trip() {
    // SAFETY: CPython's handler, which any thread may enter at any time; the interpreter lives (PP2, or the GIL is held).
    unsafe {
        let handler = core::mem::transmute::<usize, unsafe extern "C" fn(c_int)>(HANDLER.load(Relaxed));
        handler(NUMBER.load(Relaxed));
    }
}

/// The pending call of 3.13, on whatever thread runs Python.
unsafe extern "C" fn pass_on(_arg: *mut c_void) -> c_int {
    let host = host::here();
    PASSED.store(false, SeqCst);
    wake();
    // SAFETY: this thread's host.
    if host.is_null() || STOP.load(SeqCst) || !unsafe { signals::is_main(host) } {
        answered();
    } else {
        trip_here();
    }
    0
}

/// Trips, and has this very thread state look at once. GIL held.
fn trip_here() {
    trip();
    // SAFETY: PP1; the index was verified for this interpreter; a word of our own state, which others change by atomic operations too.
    unsafe {
        if let Some(index) = (*KNOWN.0.get()).breaker {
            let word = (api().PyThreadState_Get)().cast::<u64>().add(index);
            AtomicU64::from_ptr(word).fetch_or(SIGNALS, SeqCst);
        }
    }
}

/// The request is dealt with: the ticker may go on.
fn answered() {
    ASKED.store(false, SeqCst);
    wake();
}

/// Somebody runs Python.
fn wake() {
    if DOZES.load(SeqCst) {
        // SAFETY: PP1.
        if let Some(ticker) = unsafe { &(*KNOWN.0.get()).ticker } {
            ticker.thread().unpark();
        }
    }
}

// -- giving way

/// What `tick` finds.
enum Found {
    /// A place to switch at.
    Place,
    /// Not between two bytecodes, or inside of greenrt's own code: soon.
    Soon,
    /// Somewhere that may take long: the next request tries again.
    Owned,
}

/// The handler: `tick(number, frame)`, in the task that runs, on the main thread.
unsafe extern "C" fn tick(_this: Obj, args: *const Obj, count: Ssize) -> New {
    let host = host::here();
    // SAFETY: called by CPython with the GIL held, with a number and a frame.
    unsafe {
        if host.is_null() || host::frozen() || count != 2 || STOP.load(SeqCst) {
            answered();
            if !boundary::ready() && count == 2 && !boundary::at_boundary(*args.add(1)) {
                trip_here();
            }
            return none();
        }
        match look(host, *args.add(1)) {
            Found::Soon if PUT_OFF.fetch_add(1, Relaxed) < MOST => trip_here(),
            Found::Place => {
                answered();
                if gt::gt_host_yield() == 1 {
                    SWITCHES.fetch_add(1, Relaxed);
                }
            }
            _ => answered(),
        }
        none()
    }
}

/// Is this a place to switch at?
unsafe fn look(host: *mut host::Host, frame: Obj) -> Found {
    let api = api();
    // SAFETY: GIL held; own host; the calls below are builtins and getters that run no Python code.
    unsafe {
        let known = &*KNOWN.0.get();
        let worker = host::current();
        if worker.is_null() || (*worker).held > 0 {
            return Found::Owned;
        }
        // A collection, a signal handler: the rest of the thread waits for their end.
        let collects = COLLECTS.load(Relaxed) == worker;
        if collects || (*host).root == worker && signals::handling() {
            return Found::Owned;
        }
        // A callback from C that came in by PyGILState_Ensure: the library below may hold locks in this OS thread's name.
        let counter = (api.PyThreadState_Get)().cast::<c_int>().add(known.counter);
        if *counter > 1 || patch::buffered::holds_any((*worker).id) {
            return Found::Owned;
        }
        if !boundary::at_boundary(frame) {
            return Found::Soon;
        }
        if in_finalizer(frame) {
            return Found::Owned;
        }
        let held = (api.PyObject_CallNoArgs)(known.import_lock);
        let importing = held != api.false_;
        drop_ref(held);
        if importing {
            (api.PyErr_Clear)();
            return Found::Owned;
        }
        Found::Place
    }
}

/// Does a `__del__` run, in this frame or one that called it?
unsafe fn in_finalizer(frame: Obj) -> bool {
    let api = api();
    // SAFETY: GIL held; a live frame; each step has a reference of its own.
    unsafe {
        let mut at = new_ref(frame);
        let mut found = false;
        while !at.is_null() && !found {
            let code = (api.PyFrame_GetCode)(at);
            let name = (api.PyObject_GetAttrString)(code, c"co_name".as_ptr());
            found = !name.is_null() && (api.PyUnicode_CompareWithASCIIString)(name, c"__del__".as_ptr()) == 0;
            drop_ref(name);
            drop_ref(code);
            let back = (api.PyFrame_GetBack)(at);
            drop_ref(at);
            at = back;
        }
        drop_ref(at);
        (api.PyErr_Clear)();
        found
    }
}

// -- turning on and off

static TICK: MethodDef = method!(c"greenrt_tick", tick, METH_FASTCALL, c"A request to give way.");

/// `preempt_start(nanoseconds, boundaries, number, package)`
unsafe extern "C" fn start(_this: Obj, args: *const Obj, count: Ssize) -> New {
    let api = api();
    // SAFETY: called by CPython with the GIL held; the arguments' kinds are greenrt's own (`_core/preempt.py`).
    unsafe {
        if count != 4 {
            return raise(api.PyExc_TypeError, c"preempt_start() takes four arguments");
        }
        let interval = (api.PyLong_AsLongLong)(*args);
        let number = (api.PyLong_AsLong)(*args.add(2)) as c_int;
        let mut length = 0;
        let package = (api.PyUnicode_AsUTF8AndSize)(*args.add(3), &mut length);
        if package.is_null() || !(api.PyErr_Occurred)().is_null() || !host::ensure() {
            return null_mut();
        }
        if !signals::is_main(host::here()) {
            return raise(api.PyExc_RuntimeError, c"preempt() is for the tasks of the main thread, and called there");
        }
        INTERVAL.store(interval.max(1) as u64, Relaxed);
        let known = &mut *KNOWN.0.get();
        if known.ticker.is_some() {
            return none();
        }
        STOP.store(true, SeqCst); // until `go`
        let bytes = core::slice::from_raw_parts((api.PyBytes_AsString)(*args.add(1)).cast::<u8>(), 256);
        let package = core::slice::from_raw_parts(package.cast::<u8>(), length as usize);
        if let Err(text) = boundary::prepare(bytes, package) {
            return raise_text(api.PyExc_RuntimeError, &text);
        }
        if let Err(text) = find(known) {
            return raise_text(api.PyExc_RuntimeError, &text);
        }
        if known.import_lock.is_null() {
            let module = (api.PyImport_ImportModule)(c"_imp".as_ptr());
            known.import_lock =
                if module.is_null() { module } else { (api.PyObject_GetAttrString)(module, c"lock_held".as_ptr()) };
            drop_ref(module);
            if known.import_lock.is_null() {
                return null_mut();
            }
        }
        let handler = (api.PyCFunction_NewEx)(&TICK, null_mut(), null_mut());
        if handler.is_null() {
            return null_mut();
        }
        let occupied = signals::occupy(number, handler);
        drop_ref(handler);
        let Some(occupied) = occupied else { return null_mut() };
        HANDLER.store(occupied, Relaxed);
        NUMBER.store(number, Relaxed);
        none()
    }
}

/// `preempt_go()`: after `preempt_start()`, once `preempt_probe()` said True.
unsafe extern "C" fn go(_this: Obj, _unused: Obj) -> New {
    // SAFETY: called by CPython with the GIL held.
    unsafe {
        let known = &mut *KNOWN.0.get();
        if known.ticker.is_some() {
            return none();
        }
        STOP.store(false, SeqCst);
        ASKED.store(false, SeqCst);
        PASSED.store(false, SeqCst);
        match spawn_ticker() {
            Ok(ticker) => known.ticker = Some(ticker),
            Err(error) => return raise_text(api().PyExc_RuntimeError, &format!("preempt() has no thread: {error}")),
        }
        none()
    }
}

/// Whether there is a ticker: an OS thread that wakes no task.
pub fn ticks() -> bool {
    // SAFETY: PP1.
    unsafe { (*KNOWN.0.get()).ticker.is_some() }
}

/// The ticker, with all signals blocked: handlers run where the program expects them.
fn spawn_ticker() -> std::io::Result<JoinHandle<()>> {
    // SAFETY: the sets are written before they are read; the thread inherits the mask, and ours is restored.
    unsafe {
        let (mut all, mut old) = (core::mem::zeroed(), core::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut old);
        let ticker = std::thread::Builder::new().name("gt-preempt".to_string()).stack_size(64 << 10).spawn(tick_on);
        libc::pthread_sigmask(libc::SIG_SETMASK, &old, null_mut());
        ticker
    }
}

/// Finds the two words of a thread state that have no name in the stable ABI, by changing them and looking.
unsafe fn find(known: &mut Known) -> Result<(), String> {
    let api = api();
    // SAFETY: GIL held; the words looked at lie within every version's thread state.
    unsafe {
        let state = (api.PyThreadState_Get)();
        let look = || core::slice::from_raw_parts(state.cast::<c_int>(), 80).to_vec();
        let before = look();
        let held = (api.PyGILState_Ensure)();
        let during = look();
        (api.PyGILState_Release)(held);
        let after = look();
        let mut counters = (0..80).filter(|&at| during[at] == before[at] + 1 && after[at] == before[at]);
        known.counter = match (counters.next(), counters.next()) {
            (Some(at), None) if (0..1000).contains(&before[at]) => at,
            _ => return Err("preempt(): the PyGILState counter of this interpreter is not found".to_string()),
        };
    }
    Ok(())
}

unsafe extern "C" fn nothing(_arg: *mut c_void) -> c_int {
    0
}

/// `preempt_probe()`: is the eval breaker found? Asked again and again, with Python code in between that lets CPython look at it.
unsafe extern "C" fn probe(_this: Obj, _unused: Obj) -> New {
    let api = api();
    // SAFETY: called by CPython with the GIL held, on the main thread, after `start`.
    unsafe {
        let known = &mut *KNOWN.0.get();
        if host::version() >= 0x030d {
            if known.breaker.is_none() {
                match find_breaker() {
                    Ok(at) => known.breaker = Some(at),
                    Err(text) => return raise_text(api.PyExc_RuntimeError, &text),
                }
            }
        } else if BREAKER.load(Relaxed).is_null() && !probe_interpreter(known) {
            return new_ref(api.false_);
        }
        if !boundary::ready() {
            trip();
            return new_ref(api.false_);
        }
        new_ref(api.true_)
    }
}

/// Of the words at the beginning of the interpreter's state: a signal raises the breaker, a pending call the breaker and others. What both raise is the breaker. One of the two a call, as CPython takes it back only once Python code runs again.
unsafe fn probe_interpreter(known: &mut Known) -> bool {
    const WORDS: usize = 512;
    let api = api();
    // SAFETY: GIL held, so the interpreter's state lives; it is larger than that in every version. Others may write the words meanwhile.
    unsafe {
        let interpreter: *mut c_int = (api.PyInterpreterState_Get)().cast();
        let look = || (0..WORDS).map(|at| AtomicI32::from_ptr(interpreter.add(at)).load(SeqCst)).collect::<Vec<_>>();
        let second = !known.candidates.is_empty();
        let before = look();
        if second {
            (api.Py_AddPendingCall)(nothing, null_mut());
        } else {
            trip();
        }
        let after = look();
        let mut rose: Vec<usize> = (0..WORDS).filter(|&at| before[at] == 0 && after[at] == 1).collect();
        if second {
            rose.retain(|at| known.candidates.contains(at));
            known.candidates.clear();
            if let [at] = rose[..] {
                BREAKER.store(interpreter.add(at), Relaxed);
                return true;
            }
        } else {
            known.candidates = rose;
        }
        false
    }
}

unsafe fn find_breaker() -> Result<usize, String> {
    const WORDS: usize = 16;
    // SAFETY: GIL held; a function found under this name has this type in 3.13 and later; the words lie within the state.
    unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, c"_PyEval_AddPendingCall".as_ptr());
        if found.is_null() {
            return Err("preempt(): this interpreter has no _PyEval_AddPendingCall".to_string());
        }
        let add = core::mem::transmute::<*mut c_void, AddPendingCall>(found);
        let interpreter = (api().PyInterpreterState_Get)();
        let state = (api().PyThreadState_Get)().cast::<u64>();
        let look = || core::array::from_fn::<u64, WORDS, _>(|at| AtomicU64::from_ptr(state.add(at)).load(SeqCst));
        let before = look();
        if add(interpreter, nothing, null_mut(), 0) != 0 {
            return Err("preempt(): too many pending calls".to_string());
        }
        let after = look();
        let mut rose = (0..WORDS).filter(|&at| before[at] & CALLS == 0 && after[at] & CALLS != 0 && after[at] < 1 << 8);
        match (rose.next(), rose.next()) {
            (Some(at), None) => {
                INTERPRETER.store(interpreter, Relaxed);
                ADD_PENDING.store(found as usize, Relaxed);
                Ok(at)
            }
            _ => Err("preempt(): the eval breaker of this interpreter is not found".to_string()),
        }
    }
}

/// Ends the ticker. Afterwards nobody asks.
pub fn stop() {
    // SAFETY: PP1; called under the GIL.
    let ticker = unsafe { (*KNOWN.0.get()).ticker.take() };
    if let Some(ticker) = ticker {
        STOP.store(true, SeqCst);
        ticker.thread().unpark();
        let _ = ticker.join();
        // A request may have left the eval breaker set with nothing behind it: this has the interpreter compute it anew.
        // SAFETY: a function without captures; GIL held.
        unsafe { (api().Py_AddPendingCall)(nothing, null_mut()) };
    }
}

/// In the child of a fork there is no ticker.
pub fn after_fork_child() {
    // SAFETY: one thread, which holds the GIL.
    unsafe {
        if let Some(ticker) = (*KNOWN.0.get()).ticker.take() {
            core::mem::forget(ticker);
            STOP.store(true, SeqCst);
        }
    }
}

/// `preempt_stop()`
unsafe extern "C" fn stop_builtin(_this: Obj, _unused: Obj) -> New {
    stop();
    // SAFETY: called by CPython with the GIL held.
    unsafe {
        let number = NUMBER.swap(0, Relaxed);
        if number != 0 && !signals::vacate(number) {
            return null_mut();
        }
        none()
    }
}

/// `preempt_state()`: (interval in nanoseconds, or 0 when off; switches made)
unsafe extern "C" fn state(_this: Obj, _unused: Obj) -> New {
    let api = api();
    // SAFETY: called by CPython with the GIL held; the tuple takes both over.
    unsafe {
        let on = (*KNOWN.0.get()).ticker.is_some();
        let interval = (api.PyLong_FromUnsignedLongLong)(if on { INTERVAL.load(Relaxed) } else { 0 });
        let switches = (api.PyLong_FromUnsignedLongLong)(SWITCHES.load(Relaxed));
        let tuple = (api.PyTuple_New)(2);
        if tuple.is_null() || interval.is_null() || switches.is_null() {
            drop_ref(interval);
            drop_ref(switches);
            drop_ref(tuple);
            return null_mut();
        }
        (api.PyTuple_SetItem)(tuple, 0, interval);
        (api.PyTuple_SetItem)(tuple, 1, switches);
        tuple
    }
}

/// `preempt_hold()`: until the matching `preempt_release()` the running task is not made to give way.
unsafe extern "C" fn hold(_this: Obj, _unused: Obj) -> New {
    // SAFETY: called by CPython with the GIL held; the running worker is alive.
    unsafe {
        if let Some(worker) = host::current().as_mut() {
            worker.held += 1;
        }
        none()
    }
}

/// `preempt_release()`
unsafe extern "C" fn release(_this: Obj, _unused: Obj) -> New {
    // SAFETY: as in `hold`.
    unsafe {
        if let Some(worker) = host::current().as_mut() {
            worker.held = worker.held.saturating_sub(1);
        }
        none()
    }
}

/// `preempt_collects(phase, info)`: for `gc.callbacks`.
unsafe extern "C" fn collects(_this: Obj, args: *const Obj, count: Ssize) -> New {
    // SAFETY: called by CPython with the GIL held.
    unsafe {
        let begins = count > 0 && (api().PyUnicode_CompareWithASCIIString)(*args, c"start".as_ptr()) == 0;
        COLLECTS.store(if begins { host::current() } else { null_mut() }, Relaxed);
        none()
    }
}

/// The builtins of this file.
pub static BUILTINS: &[MethodDef] = &[
    method!(
        c"preempt_start",
        start,
        METH_FASTCALL,
        c"preempt_start(nanoseconds, boundaries, number, package)\n\nTurn preemption on, or change its interval."
    ),
    method!(
        c"preempt_probe",
        probe,
        METH_NOARGS,
        c"preempt_probe()\n\nIs this interpreter's eval breaker found? To be asked until it is."
    ),
    method!(c"preempt_go", go, METH_NOARGS, c"preempt_go()\n\nStart asking."),
    method!(c"preempt_stop", stop_builtin, METH_NOARGS, c"preempt_stop()\n\nTurn preemption off."),
    method!(
        c"preempt_state",
        state,
        METH_NOARGS,
        c"preempt_state()\n\nInterval in nanoseconds, 0 when off; switches made."
    ),
    method!(
        c"preempt_hold",
        hold,
        METH_NOARGS,
        c"preempt_hold()\n\nThe running task is not made to give way until preempt_release()."
    ),
    method!(c"preempt_release", release, METH_NOARGS, c"preempt_release()\n\nThe end of what preempt_hold() began."),
    method!(c"preempt_collects", collects, METH_FASTCALL, c"preempt_collects(phase, info)\n\nFor gc.callbacks."),
];
