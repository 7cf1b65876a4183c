//! One [`Host`] per OS thread that runs Python tasks: the host hooks made of CPython's own functions, and the pool of
//! workers.
//!
//! Installed by the first call that needs it on that OS thread, before its first task exists. A `Host` is never
//! freed while its OS thread lives; only its own OS thread changes it, under the GIL. Other OS threads may look at a
//! worker through a task they hold, under the GIL too.

use core::cell::Cell;
use core::ffi::c_int;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::collections::HashMap;

use super::api::{api, raise, raise_errno, raise_text, Obj, State};
use super::farewell;
use super::greenlet;
use super::gt;
use super::patch;
use super::preempt;
use super::residue;
use super::signals;
use super::stack;
use super::stay;
use super::trace;
use super::worker::Worker;

/// What an OS thread that runs Python tasks keeps.
pub struct Host {
    /// The OS thread's own stack.
    pub root: *mut Worker,
    /// The OS thread, as Python calls it.
    pub ident: core::ffi::c_ulong,
    /// Finished tasks' workers, ready for the next spawn: last in, first out (its stack is warm).
    pub idle: *mut Worker,
    /// How many are idle.
    pub idle_count: usize,
    /// Those of them that wait for a hand-over ([`super::hand`]).
    pub idle_handed: *mut Worker,
    /// Every worker of this thread by the id of its gt task, the root too.
    pub workers: HashMap<i64, *mut Worker>,
    /// Exceptions waiting for their interrupt, by its code: who gets it and what (a reference is owned).
    pub armed: HashMap<c_int, (*mut Worker, Obj)>,
    /// How the stacks of Python tasks are made.
    pub opts: gt::SpawnOpts,
    /// The PyGILState key, before 3.12.
    tls_key: u32,
}

/// What C sees of a Python task that was given no name.
pub const NAME: &core::ffi::CStr = c"python task";

/// At most this many finished workers are kept.
pub const POOL: usize = 1024;

thread_local! {
    static HOME: Cell<*mut Host> = const { Cell::new(null_mut()) };
}

/// Set when the interpreter begins to end: from then on nobody switches.
static FROZEN: AtomicBool = AtomicBool::new(false);

/// Codes of interrupts: unique in the process until they wrap. 1 is taken, see [`signals::CODE`].
static NEXT_CODE: AtomicI32 = AtomicI32::new(2);

/// Does this OS thread run tasks under our hooks?
#[inline(always)]
pub fn home() -> bool {
    !HOME.get().is_null() && !FROZEN.load(Ordering::Relaxed)
}

/// This OS thread's host, NULL where there is none.
#[inline(always)]
pub fn here() -> *mut Host {
    HOME.get()
}

/// Is the interpreter ending?
#[inline(always)]
pub fn frozen() -> bool {
    FROZEN.load(Ordering::Relaxed)
}

/// No switch from now on: the interpreter is about to end, and parked tasks stay as they are.
pub fn freeze() {
    FROZEN.store(true, Ordering::Relaxed);
    trace::forget();
    preempt::stop();
}

/// This OS thread runs no tasks any more.
pub fn leave() {
    HOME.set(null_mut());
}

/// A fresh code for an interrupt.
pub fn next_code() -> c_int {
    loop {
        let code = NEXT_CODE.fetch_add(1, Ordering::Relaxed);
        if code > signals::CODE {
            return code;
        }
        NEXT_CODE.store(signals::CODE + 1, Ordering::Relaxed);
    }
}

/// Major and minor version of the interpreter, as 0x030b.
pub fn version() -> u32 {
    // SAFETY: CPython's own text.
    unsafe { parse_version((api().Py_GetVersion)()) }
}

/// 0x030b of "3.11.7 (main, ...".
///
/// # Safety
/// A NUL-terminated text.
pub unsafe fn parse_version(text: *const core::ffi::c_char) -> u32 {
    // SAFETY: the caller's promise.
    let text = unsafe { core::ffi::CStr::from_ptr(text) }.to_bytes();
    let mut parts = text.split(|byte| !byte.is_ascii_digit());
    let mut number =
        || parts.next().map_or(0, |digits| digits.iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0')));
    (number() << 8) | number()
}

/// Makes this OS thread one that runs tasks. False: a Python exception is set.
///
/// # Safety
/// GIL held.
#[inline(always)]
pub unsafe fn ensure() -> bool {
    if home() {
        return true;
    }
    // SAFETY: the caller's promise.
    unsafe { install() }
}

/// The worker that runs now, NULL on an OS thread without tasks (and in a gt task that is none of ours).
///
/// # Safety
/// GIL held.
pub unsafe fn current() -> *mut Worker {
    let host = HOME.get();
    if host.is_null() {
        return null_mut();
    }
    // SAFETY: this thread's host is alive, and nobody else changes its table.
    unsafe {
        let id = gt::gt_self();
        (*host).workers.get(&id).copied().unwrap_or(null_mut())
    }
}

#[cold]
unsafe fn install() -> bool {
    let api = api();
    // SAFETY: GIL held (the caller's promise), so thread state, interpreter and exceptions may be touched.
    unsafe {
        if frozen() {
            raise(api.PyExc_RuntimeError, c"the interpreter is ending: no task can run any more");
            return false;
        }
        let (stack_size, guard_size) = match stack::sizes() {
            Ok(sizes) => sizes,
            Err(text) => {
                raise_text(api.PyExc_ValueError, &text);
                return false;
            }
        };
        if let Err(text) = patch::ident::prepare() {
            raise_text(api.PyExc_ImportError, &text);
            return false;
        }
        if !residue::probe() {
            return false;
        }
        let mut host = Box::new(Host {
            root: null_mut(),
            ident: (api.PyThread_get_thread_ident)(),
            idle: null_mut(),
            idle_count: 0,
            idle_handed: null_mut(),
            workers: HashMap::new(),
            armed: HashMap::new(),
            opts: gt::SpawnOpts {
                size: size_of::<gt::SpawnOpts>(),
                name: NAME.as_ptr(),
                stack_size,
                stack: null_mut(),
                guard_size,
                priority: 0,
                flags: gt::SPAWN_DETACHED,
            },
            tls_key: 0,
        });
        let mut tls_key: *const u32 = core::ptr::null();
        if version() < 0x030c {
            match gilstate_key() {
                Some(key) => host.tls_key = key,
                None => {
                    raise(
                        api.PyExc_ImportError,
                        c"greenrt cannot find the thread key of this interpreter's PyGILState",
                    );
                    return false;
                }
            }
            tls_key = &host.tls_key;
        }
        let hooks = gt::Host {
            size: size_of::<gt::Host>(),
            ctx: (api.PyInterpreterState_Get)(),
            state_new: Some(api.PyThreadState_New),
            swap: Some(signals::swap),
            state_clear: Some(api.PyThreadState_Clear),
            state_free: Some(api.PyThreadState_Delete),
            release: Some(api.PyEval_SaveThread),
            acquire: Some(stay::restore),
            stack_bounds: stack::bounds_hook(stack_size),
            interrupted: Some(signals::interrupted),
            tls_key,
            trace: Some(trace::calls),
            deadlocked: Some(trace::deadlocked),
        };
        let rc = gt::gt_host_set(&hooks);
        if rc < 0 {
            raise_errno(rc.into());
            return false;
        }
        let host = Box::into_raw(host);
        let id = gt::gt_self();
        let root = Worker::boxed(host);
        (*root).id = id;
        (*root).state = (api.PyThreadState_Get)();
        (*host).root = root;
        (*host).workers.insert(id, root);
        HOME.set(host);
        signals::install(host) && farewell::arrange(host) && greenlet::carry()
    }
}

/// Before 3.12 `PyThreadState_Swap` leaves alone the thread key by which `PyGILState_Ensure` finds the state of its OS thread, so
/// the switch must set it. CPython does not publish the key: it is the one whose value is what
/// `PyGILState_GetThisThreadState` answers, and that follows when the value is changed.
pub unsafe fn gilstate_key() -> Option<u32> {
    const KEYS: u32 = 1024; // PTHREAD_KEYS_MAX of glibc; musl has 128, and answers NULL beyond
    let get = api().PyGILState_GetThisThreadState;
    // SAFETY: reading any key is allowed; the one written gets its value back at once, with nobody running in between.
    unsafe {
        let mine = get();
        if mine.is_null() {
            return None;
        }
        for key in 0..KEYS {
            if libc::pthread_getspecific(key) != mine {
                continue;
            }
            let mut probe = 0u64;
            let other: State = (&raw mut probe).cast();
            libc::pthread_setspecific(key, other);
            let follows = get() == other;
            libc::pthread_setspecific(key, mine);
            if follows && get() == mine {
                return Some(key);
            }
        }
    }
    None
}

/// In the child of a fork only the task that forked lives: forgets the other workers (untouched: their states are gone),
/// and handles signals itself. Uses no Python function.
pub fn after_fork_child() {
    trace::forget();
    preempt::after_fork_child();
    let host = HOME.get();
    if host.is_null() {
        return;
    }
    // SAFETY: the child has one OS thread, this one, and it holds the GIL.
    unsafe {
        let id = gt::gt_self();
        let host = &mut *host;
        let root = host.root;
        host.idle = null_mut();
        host.idle_count = 0;
        host.idle_handed = null_mut();
        let me = host.workers.get(&id).copied().unwrap_or(root);
        host.workers.retain(|_, worker| *worker == me);
        host.root = me;
        // What was armed for the others is leaked: dropping it could run their code.
        host.armed.retain(|_, (worker, _)| (**worker).id == id);
    }
    // SAFETY: this thread's host and its worker, the one that forked.
    signals::after_fork_child(unsafe { (*(*host).root).state });
}
