//! `_thread.lock`: acquire, release, with and their aliases.
//!
//! CPython's own lock inside the object stays the truth, for tasks and OS threads alike: whoever holds it holds the
//! lock, held before the patch or after. A task that finds it taken parks in the list of `waiters.rs`; an OS thread
//! that runs no tasks waits in CPython's function as ever. The uncontended path is two reads and CPython's own `trylock`.

use super::super::api::{api, drop_ref, new_ref, none, New, Obj};
use super::super::gt::{self, NEVER};
use super::super::host;
use super::call::Args;
use super::ends::End;
use super::seconds::{from_now, seconds, Span};
use super::shapes::{self, read, write};
use super::time::{take_turn, take_turn_at_lock, until_answered, Waited};
use super::waiters::{self, Outcome, Recheck, ThreadWaits};
use super::{ident, thread};
use core::ffi::{c_char, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

/// How long an acquire may wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    Try,
    /// Until a moment, or for ever.
    Until(i64),
    /// The arguments make no sense: CPython's function says what is wrong with them.
    Wrong,
}

/// Reads `(blocking=True, timeout=-1)`.
///
/// # Safety
/// GIL held; a live call. May run Python code.
pub unsafe fn patience(args: &Args) -> Patience {
    let api = api();
    // SAFETY: the arguments are the caller's.
    unsafe {
        if args.none() {
            return Patience::Until(NEVER);
        }
        let mut given = [core::ptr::null_mut(); 2];
        if !args.bind(&[c"blocking", c"timeout"], &mut given) {
            return Patience::Wrong;
        }
        let [blocking, timeout] = given;
        let blocks = match blocking.is_null() || blocking == api.true_ {
            true => 1,
            false if blocking == api.false_ => 0,
            // An int before 3.12, any truth value from then on.
            false if host::version() >= 0x030c => (api.PyObject_IsTrue)(blocking).into(),
            false => (api.PyLong_AsLong)(blocking),
        };
        if blocks == -1 && !(api.PyErr_Occurred)().is_null() {
            (api.PyErr_Clear)();
            return Patience::Wrong;
        }
        let blocks = blocks != 0;
        let span = if timeout.is_null() { Span::Negative } else { seconds(timeout) };
        match span {
            // -1 is "no timeout", any other negative number an error.
            Span::Negative if !timeout.is_null() && (api.PyFloat_AsDouble)(timeout) != -1.0 => {
                (api.PyErr_Clear)();
                Patience::Wrong
            }
            Span::Negative if blocks => Patience::Until(NEVER),
            Span::Negative => Patience::Try,
            Span::Nanos(_) | Span::Bad if !blocks => Patience::Wrong,
            Span::Nanos(0) => Patience::Try,
            Span::Nanos(nanos) => Patience::Until(from_now(nanos)),
            Span::Bad => Patience::Wrong,
        }
    }
}

/// Tries CPython's own lock.
#[inline(always)]
pub unsafe fn try_inner(inner: *mut c_void) -> bool {
    // SAFETY: the lock inside a live object; does not wait.
    unsafe { (api().PyThread_acquire_lock_timed)(inner, 0, 0) == 1 }
}

/// What release does once the checks are done: hands the lock to the first waiting task, or opens it.
#[inline(always)]
unsafe fn open(lock: Obj) {
    let shape = shapes::lock();
    if waiters::hand_over(lock as usize) {
        return;
    }
    // SAFETY: PS1; the lock is taken (its byte said so, under the GIL).
    unsafe {
        (api().PyThread_release_lock)(read::<*mut c_void>(lock, shape.inner));
        write::<c_char>(lock, shape.taken, 0);
    }
}

/// Releases a lock if it is taken.
///
/// # Safety
/// GIL held; a live `_thread.lock`.
pub unsafe fn release_if_taken(lock: Obj) {
    // SAFETY: PS1.
    unsafe {
        if read::<c_char>(lock, shapes::lock().taken) != 0 {
            open(lock);
        }
    }
}

unsafe fn truth(value: bool) -> New {
    let api = api();
    // SAFETY: the two singletons.
    unsafe { new_ref(if value { api.true_ } else { api.false_ }) }
}

/// `acquire`, `acquire_lock`, `__enter__`.
///
/// # Safety
/// Called by CPython on a `_thread.lock`.
pub unsafe fn acquire(args: &Args) -> New {
    let shape = shapes::lock();
    let lock = args.this;
    // SAFETY: PS1; the object lives as long as the call, which holds a reference.
    unsafe {
        let patience = patience(args);
        if patience == Patience::Wrong {
            return args.original();
        }
        if INTERRUPTIONS.load(Ordering::Acquire) != 0 {
            // Whoever acquires did not ask about the interrupted one, and will not.
            forget_interrupted(|_, who| who == ident::current());
        }
        take_turn_at_lock();
        let inner: *mut c_void = read(lock, shape.inner);
        let take = || {
            let taken = try_inner(inner);
            if taken {
                write::<c_char>(lock, shape.taken, 1);
            }
            taken
        };
        // Somebody who may wait does not overtake those who already do.
        if (patience == Patience::Try || !waiters::any(lock as usize)) && take() {
            return truth(true);
        }
        let Patience::Until(deadline) = patience else {
            take_turn(); // it may be asked again until whoever holds it has run
            return truth(false);
        };
        if !host::home() {
            return acquire_on_thread(args, &take);
        }
        let recheck = match shape.weak != 0 && !read::<*mut c_void>(lock, shape.weak).is_null() {
            // Before 3.13 a lock with a weak reference is, as a rule, the sentinel of an OS thread, which CPython's C code
            // releases when that thread ends.
            true => Recheck::NowAndThen,
            false => Recheck::Never,
        };
        if recheck == Recheck::NowAndThen {
            if let Some(end) = End::of(lock, c"_tstate_lock") {
                return match when_it_ended(&end, deadline, &take) {
                    Outcome::Granted => truth(true),
                    Outcome::TimedOut => truth(false),
                    Outcome::Raised => {
                        note_interrupted(lock);
                        core::ptr::null_mut()
                    }
                };
            }
        }
        // The re-lock at the end of `Condition.wait` runs shielded, as RLock's own does (see rlock.rs).
        let shielded = in_relock() && gt::gt_shield_push() == 0;
        let outcome = waiters::wait(lock as usize, deadline, recheck, &take, &|| open(lock));
        if shielded {
            gt::gt_shield_pop();
        }
        match outcome {
            Outcome::Granted => truth(true),
            Outcome::TimedOut => truth(false),
            Outcome::Raised => {
                if recheck == Recheck::NowAndThen || thread::is_sentinel(lock) {
                    note_interrupted(lock);
                }
                core::ptr::null_mut()
            }
        }
    }
}

/// Waits for the end of an OS thread, which releases the lock.
unsafe fn when_it_ended(end: &End, deadline: i64, take: &dyn Fn() -> bool) -> Outcome {
    // SAFETY: GIL held by the caller, on a task.
    unsafe {
        match until_answered(|| gt::gt_wait_fd_until(end.fd(), libc::POLLIN.into(), deadline).into()) {
            Waited::Raised => return Outcome::Raised,
            Waited::TimedOut => return if take() { Outcome::Granted } else { Outcome::TimedOut },
            Waited::Done(_) => {}
        }
        // Somebody else who joins it may have the lock for a moment.
        let mut interval = 50_000;
        while !take() {
            let again = from_now(interval).min(deadline);
            interval = (interval * 2).min(20_000_000);
            if until_answered(|| gt::gt_sleep_until(again).into()) == Waited::Raised {
                return Outcome::Raised;
            }
            if again == deadline {
                return if take() { Outcome::Granted } else { Outcome::TimedOut };
            }
        }
        Outcome::Granted
    }
}

/// Whether the Python function that called is `Condition._acquire_restore`, which for a plain lock is Python code.
unsafe fn in_relock() -> bool {
    let api = api();
    // SAFETY: GIL held; the frame is alive while it runs; the code and its name are new references.
    unsafe {
        let frame = (api.PyEval_GetFrame)();
        if frame.is_null() {
            return false;
        }
        let code = (api.PyFrame_GetCode)(frame);
        let name = (api.PyObject_GetAttrString)(code, c"co_name".as_ptr());
        let found = !name.is_null() && (api.PyUnicode_CompareWithASCIIString)(name, c"_acquire_restore".as_ptr()) == 0;
        drop_ref(name);
        drop_ref(code);
        (api.PyErr_Clear)();
        found
    }
}

/// Sentinels whose acquire was just ended by an exception, with the ident of the task.
static INTERRUPTED: Mutex<Vec<(usize, u64)>> = Mutex::new(Vec::new());
static INTERRUPTIONS: AtomicUsize = AtomicUsize::new(0);

/// `Thread.join` before 3.13 asks `locked()` when its acquire of the sentinel was ended by an exception, to learn whether
/// the exception came after the acquire; if so it releases the lock and takes the thread for ended. A thread that is
/// still running holds its sentinel, so the answer would be yes for the wrong reason, and a timeout around `join` would
/// end the joined thread in the eyes of `threading`. The task that was interrupted is told no, once.
unsafe fn note_interrupted(lock: Obj) {
    // SAFETY: GIL held, with a current state.
    let me = unsafe { ident::current() };
    forget_interrupted(|_, who| who == me);
    let mut noted = INTERRUPTED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    noted.push((lock as usize, me));
    INTERRUPTIONS.store(noted.len(), Ordering::Release);
}

/// Forgets the notes that `which` picks; whether there were any.
fn forget_interrupted(which: impl Fn(usize, u64) -> bool) -> bool {
    let mut noted = INTERRUPTED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let before = noted.len();
    noted.retain(|(lock, who)| !which(*lock, *who));
    INTERRUPTIONS.store(noted.len(), Ordering::Release);
    noted.len() < before
}

unsafe fn was_interrupted(lock: Obj) -> bool {
    if INTERRUPTIONS.load(Ordering::Acquire) == 0 {
        return false;
    }
    // SAFETY: GIL held, with a current state.
    let me = unsafe { ident::current() };
    forget_interrupted(|noted, who| noted == lock as usize && who == me)
}

/// An OS thread without tasks waits in CPython's function; it is counted meanwhile, so that releases are shared
/// between it and waiting tasks.
unsafe fn acquire_on_thread(args: &Args, take: &dyn Fn() -> bool) -> New {
    let lock = args.this;
    // SAFETY: as in `acquire`.
    unsafe {
        let counted = ThreadWaits::new(lock as usize);
        let result = args.original();
        drop(counted);
        if result != api().true_ && waiters::any(lock as usize) && take() {
            // It gave up (timeout, a signal's exception), perhaps on a release meant for it: pass that on.
            if !waiters::hand_to_task(lock as usize) {
                open(lock);
            }
        }
        result
    }
}

/// `release`, `release_lock`, `__exit__`.
///
/// # Safety
/// Called by CPython on a `_thread.lock`.
pub unsafe fn release(args: &Args) -> New {
    // SAFETY: PS1.
    unsafe {
        if read::<c_char>(args.this, shapes::lock().taken) == 0 {
            return args.original();
        }
        open(args.this);
        none()
    }
}

/// `locked`, `locked_lock`: the byte in the object is the truth, with one exception (see `note_interrupted`).
///
/// # Safety
/// Called by CPython on a `_thread.lock`.
pub unsafe fn locked(args: &Args) -> New {
    // SAFETY: PS1.
    unsafe { truth(!was_interrupted(args.this) && read::<c_char>(args.this, shapes::lock().taken) != 0) }
}
