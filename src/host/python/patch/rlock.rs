//! `_thread.RLock`: as `lock.rs`, with an owner. The owner is a task, named by the ident of its thread state; state
//! stays in CPython's struct, so that holds from before the patch and `repr` keep working.

use super::super::api::{api, new_ref, none, raise, New, Obj};
use super::super::gt;
use super::super::host;
use super::call::Args;
use super::ident;
use super::lock::{patience, try_inner, Patience};
use super::shapes::{self, read, write};
use super::time::{take_turn, take_turn_at_lock};
use super::waiters::{self, Outcome, Recheck, ThreadWaits};
use core::ffi::{c_ulong, c_void};

unsafe fn truth(value: bool) -> New {
    let api = api();
    // SAFETY: the two singletons.
    unsafe { new_ref(if value { api.true_ } else { api.false_ }) }
}

unsafe fn owner(lock: Obj) -> u64 {
    // SAFETY: PS1.
    unsafe { read::<c_ulong>(lock, shapes::rlock().owner) }
}

unsafe fn count(lock: Obj) -> c_ulong {
    // SAFETY: PS1.
    unsafe { read::<c_ulong>(lock, shapes::rlock().count) }
}

unsafe fn set(lock: Obj, owner: u64, count: c_ulong) {
    let shape = shapes::rlock();
    // SAFETY: PS1, PS2.
    unsafe {
        write::<c_ulong>(lock, shape.owner, owner);
        write::<c_ulong>(lock, shape.count, count);
    }
}

unsafe fn mine(lock: Obj, me: u64) -> bool {
    // SAFETY: PS1.
    unsafe { count(lock) > 0 && owner(lock) == me }
}

/// Nobody owns it any more: to the first waiting task (which writes itself as the owner when it runs), or open.
unsafe fn open(lock: Obj) {
    // SAFETY: PS1; the lock inside is taken.
    unsafe {
        set(lock, 0, 0);
        if !waiters::hand_over(lock as usize) {
            (api().PyThread_release_lock)(read::<*mut c_void>(lock, shapes::rlock().inner));
        }
    }
}

/// Gets the lock inside. On an OS thread without tasks `on_thread` does the waiting.
unsafe fn get(lock: Obj, patience: Patience, on_thread: &dyn Fn() -> New) -> Result<Outcome, New> {
    // SAFETY: PS1; the object lives as long as the call.
    unsafe {
        take_turn_at_lock();
        let inner: *mut c_void = read(lock, shapes::rlock().inner);
        let take = || try_inner(inner);
        if (patience == Patience::Try || !waiters::any(lock as usize)) && take() {
            return Ok(Outcome::Granted);
        }
        let Patience::Until(deadline) = patience else {
            take_turn();
            return Ok(Outcome::TimedOut);
        };
        if host::home() {
            return Ok(waiters::wait(lock as usize, deadline, Recheck::Never, &take, &|| open(lock)));
        }
        let counted = ThreadWaits::new(lock as usize);
        let result = on_thread();
        drop(counted);
        if (result.is_null() || result == api().false_) && waiters::any(lock as usize) && take() {
            // It gave up, perhaps on a release meant for it: pass that on.
            if !waiters::hand_to_task(lock as usize) {
                open(lock);
            }
        }
        Err(result)
    }
}

/// `acquire`, `__enter__`.
///
/// # Safety
/// Called by CPython on a `_thread.RLock`.
pub unsafe fn acquire(args: &Args) -> New {
    let lock = args.this;
    // SAFETY: PS1.
    unsafe {
        let patience = patience(args);
        if patience == Patience::Wrong {
            return args.original();
        }
        let me = ident::current();
        if mine(lock, me) {
            let held = count(lock);
            if held == c_ulong::MAX {
                return raise(api().PyExc_OverflowError, c"Internal lock count overflowed");
            }
            set(lock, me, held + 1);
            return truth(true);
        }
        match get(lock, patience, &|| args.original()) {
            Ok(Outcome::Granted) => {
                set(lock, me, 1);
                truth(true)
            }
            Ok(Outcome::TimedOut) => truth(false),
            Ok(Outcome::Raised) => core::ptr::null_mut(),
            Err(result) => result,
        }
    }
}

/// `release`, `__exit__`.
///
/// # Safety
/// Called by CPython on a `_thread.RLock`.
pub unsafe fn release(args: &Args) -> New {
    let lock = args.this;
    // SAFETY: PS1.
    unsafe {
        let me = ident::current();
        if !mine(lock, me) {
            return raise(api().PyExc_RuntimeError, c"cannot release un-acquired lock");
        }
        match count(lock) {
            1 => open(lock),
            held => set(lock, me, held - 1),
        }
        none()
    }
}

/// `_release_save`: lets go entirely, for a condition wait. The result is `(count, owner)`.
///
/// # Safety
/// Called by CPython on a `_thread.RLock`.
pub unsafe fn release_save(args: &Args) -> New {
    let api = api();
    let lock = args.this;
    // SAFETY: PS1; the tuple is fresh.
    unsafe {
        if count(lock) == 0 {
            return raise(api.PyExc_RuntimeError, c"cannot release un-acquired lock");
        }
        let saved = (api.PyTuple_New)(2);
        if saved.is_null() {
            return saved;
        }
        (api.PyTuple_SetItem)(saved, 0, (api.PyLong_FromUnsignedLong)(count(lock)));
        (api.PyTuple_SetItem)(saved, 1, (api.PyLong_FromUnsignedLong)(owner(lock)));
        open(lock);
        saved
    }
}

/// `_acquire_restore((count, owner))`: the re-lock at the end of a condition wait. It runs shielded: a timeout or kill
/// that comes meanwhile is delivered after it, so that the lock is held when `with` ends.
///
/// # Safety
/// Called by CPython on a `_thread.RLock`.
pub unsafe fn acquire_restore(args: &Args) -> New {
    let api = api();
    let lock = args.this;
    // SAFETY: PS1; CPython passes ((count, owner),).
    unsafe {
        let saved = args.at(0);
        if saved.is_null() || (api.PyObject_IsInstance)(saved, api.tuple_type) != 1 || (api.PyTuple_Size)(saved) != 2 {
            return args.original();
        }
        let held = (api.PyLong_AsUnsignedLong)((api.PyTuple_GetItem)(saved, 0));
        let who = (api.PyLong_AsUnsignedLong)((api.PyTuple_GetItem)(saved, 1));
        if !(api.PyErr_Occurred)().is_null() {
            return core::ptr::null_mut();
        }
        let shielded = host::home() && gt::gt_shield_push() == 0;
        let outcome = get(lock, Patience::Until(gt::NEVER), &|| args.original());
        if shielded {
            gt::gt_shield_pop();
        }
        match outcome {
            Ok(Outcome::Granted) => {
                set(lock, who, held);
                none()
            }
            Ok(_) => core::ptr::null_mut(),
            Err(result) => result,
        }
    }
}

/// `_is_owned`
///
/// # Safety
/// Called by CPython on a `_thread.RLock`.
pub unsafe fn is_owned(args: &Args) -> New {
    // SAFETY: PS1.
    unsafe { truth(mine(args.this, ident::current())) }
}

/// `_recursion_count` (3.11 and later)
///
/// # Safety
/// Called by CPython on a `_thread.RLock`.
pub unsafe fn recursion_count(args: &Args) -> New {
    // SAFETY: PS1.
    unsafe {
        let held = if mine(args.this, ident::current()) { count(args.this) } else { 0 };
        (api().PyLong_FromUnsignedLong)(held)
    }
}
