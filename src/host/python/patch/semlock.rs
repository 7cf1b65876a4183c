//! `_multiprocessing.SemLock`: locks and semaphores between processes.
//!
//! CPython's own `acquire` is asked not to wait; in between the task looks again at growing intervals, since the kernel has no
//! descriptor for a semaphore, and at once when this process releases it. A recursive one belongs to a thread, by
//! its ident: while CPython's code looks, the object says whether it is the running task's.
//!
//! Invariant:
//! PM1. The fields were seen to hold what the object's own attributes say, on the first object that was used.

use super::super::api::{api, drop_ref, new_ref, type_of, New, Obj};
use super::super::gt::NEVER;
use super::super::host;
use super::call::{apply, Args};
use super::ident;
use super::seconds::{from_now, seconds, Span};
use super::shapes::{read, write};
use super::table::{self, Id};
use super::values::pack;
use super::waiters::{self, Outcome, Recheck};
use core::ffi::{c_int, CStr};
use core::sync::atomic::{AtomicU8, Ordering};

// Offsets within the object: handle, ident of the last who acquired, how often it holds, most, kind.
const HANDLE: usize = 16;
const OWNER: usize = 24;
const COUNT: usize = 32;
const MAXIMUM: usize = 36;
const KIND: usize = 40;

const UNKNOWN: u8 = 0;
const SOUND: u8 = 1;
const UNSOUND: u8 = 2;
static FIELDS: AtomicU8 = AtomicU8::new(UNKNOWN);

/// An attribute, or what a method without arguments gives, as a number.
unsafe fn number(object: Obj, name: &CStr, calls: bool) -> Option<i64> {
    let api = api();
    // SAFETY: GIL held by the caller; a live object.
    unsafe {
        let mut value = (api.PyObject_GetAttrString)(object, name.as_ptr());
        if calls && !value.is_null() {
            let answer = (api.PyObject_CallNoArgs)(value);
            drop_ref(value);
            value = answer;
        }
        if value.is_null() {
            (api.PyErr_Clear)();
            return None;
        }
        let number = super::values::int(value, 0);
        drop_ref(value);
        number
    }
}

/// Whether the fields of this type of object are where they are read.
unsafe fn sound(lock: Obj) -> bool {
    match FIELDS.load(Ordering::Relaxed) {
        SOUND => true,
        UNSOUND => false,
        // SAFETY: fields are read within the size of the object.
        _ => unsafe {
            let fits = number(type_of(lock), c"__basicsize__", false).is_some_and(|size| size >= 48)
                && number(lock, c"handle", false) == Some(read::<i64>(lock, HANDLE))
                && number(lock, c"maxvalue", false) == Some(read::<c_int>(lock, MAXIMUM).into())
                && number(lock, c"kind", false) == Some(read::<c_int>(lock, KIND).into())
                && number(lock, c"_count", true) == Some(read::<c_int>(lock, COUNT).into());
            FIELDS.store(if fits { SOUND } else { UNSOUND }, Ordering::Relaxed);
            fits
        },
    }
}

/// Runs CPython's code on the object as the running task sees it: the OS thread's ident stands for the task's own.
unsafe fn as_me(lock: Obj, call: impl FnOnce() -> New) -> New {
    // SAFETY: PM1; GIL held by the caller, and `call` does not let go of it.
    unsafe {
        let (me, thread) = (ident::current(), (api().PyThread_get_thread_ident)());
        if me == thread {
            return call();
        }
        let hidden = thread ^ 1;
        match read::<u64>(lock, OWNER) {
            owner if owner == me => write(lock, OWNER, thread),
            owner if owner == thread => write(lock, OWNER, hidden),
            _ => {}
        }
        let result = call();
        match read::<u64>(lock, OWNER) {
            owner if owner == thread => write(lock, OWNER, me),
            owner if owner == hidden => write(lock, OWNER, thread),
            _ => {}
        }
        result
    }
}

/// `acquire(block=True, timeout=None)` and `__enter__()`
///
/// # Safety
/// Called by CPython on a `SemLock`.
pub unsafe fn acquire(args: &Args) -> New {
    let api = api();
    let lock = args.this;
    let row = table::row(Id::SemAcquire);
    // SAFETY: PM1; the arguments are the caller's, ours are owned. The row is of the same family, and so was resolved with this one.
    unsafe {
        let mut given = [core::ptr::null_mut(); 2];
        let fits = args.bind(&[c"block", c"timeout"], &mut given);
        if !host::home() || !fits || row.definition().is_null() || !sound(lock) {
            return args.original();
        }
        let [block, timeout] = given;
        let blocks = block.is_null() || (api.PyObject_IsTrue)(block) == 1;
        let deadline = match timeout.is_null() || timeout == api.none {
            true => NEVER,
            false => match seconds(timeout) {
                Span::Nanos(nanos) => from_now(nanos),
                Span::Negative => from_now(0),
                Span::Bad => return args.original(),
            },
        };
        let question = pack(&[new_ref(api.false_)]);
        if question.is_null() {
            return question;
        }
        let mut answer;
        loop {
            answer = as_me(lock, || apply(row, lock, question, args.class()));
            if answer != api.false_ || !blocks || deadline <= from_now(0) {
                break;
            }
            drop_ref(answer);
            answer = core::ptr::null_mut();
            let key = read::<usize>(lock, HANDLE);
            let pass_on = || {
                waiters::hand_to_task(key);
            };
            // The try itself is made above, where its answer is seen.
            let until = deadline.min(from_now(LOOK));
            if waiters::wait(key, until, Recheck::Never, &|| false, &pass_on) == Outcome::Raised {
                break;
            }
        }
        drop_ref(question);
        answer
    }
}

/// How often a semaphore that another process may release is looked at.
const LOOK: i64 = 2_000_000;

/// `release()` and `__exit__(...)`: a task that waits here tries again.
///
/// # Safety
/// Called by CPython on a `SemLock`.
pub unsafe fn release(args: &Args) -> New {
    // SAFETY: PM1; the call as it came.
    unsafe {
        if !sound(args.this) {
            return args.original();
        }
        let result = as_me(args.this, || args.original());
        if !result.is_null() {
            waiters::hand_to_task(read::<usize>(args.this, HANDLE));
        }
        result
    }
}

/// `_is_mine()`
///
/// # Safety
/// Called by CPython on a `SemLock`.
pub unsafe fn is_mine(args: &Args) -> New {
    // SAFETY: PM1; the call as it came.
    unsafe {
        if !host::home() || !sound(args.this) {
            return args.original();
        }
        as_me(args.this, || args.original())
    }
}
