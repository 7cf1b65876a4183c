//! `Semaphore`: a count of units. A release goes to the task that has waited longest, and is counted only when nobody
//! waits, so units are there or waiters are, never both.

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

use super::super::api::{api, none, raise, MethodDef, New, Obj, Ssize, METH_FASTCALL, METH_KEYWORDS, METH_NOARGS};
use super::super::host;
use super::super::patch::waiters::{self, Outcome, Recheck};
use super::super::task;
use super::super::tasktype::{bind, method, END};
use super::{named, refused, truth, Base, GetSet, Kind};

/// The instance.
#[repr(C)]
pub struct Semaphore {
    base: Base,
    value: i64,
    /// The most that `value` may be, plus one; 0: no bound.
    bound: i64,
    waiting: usize,
}

// Called by CPython with a live instance, the GIL held and arguments as the flags say: that is what each SAFETY line leans on.

unsafe extern "C" fn init(this: Obj, args: Obj, keywords: Obj) -> c_int {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let Some([value, bound]) = named([c"value", c"bound"], args, keywords) else { return -1 };
        let mut numbers = [1i64, -1];
        for (number, given) in numbers.iter_mut().zip([value, bound]) {
            if given.is_null() || given == api.none {
                continue;
            }
            *number = (api.PyLong_AsLongLong)(given);
            if *number == -1 && !(api.PyErr_Occurred)().is_null() {
                return -1;
            }
            if *number < 0 {
                raise(api.PyExc_ValueError, c"semaphore initial value must be >= 0");
                return -1;
            }
        }
        let [value, bound] = numbers;
        if bound >= 0 && (value > bound || bound == i64::MAX) {
            raise(api.PyExc_ValueError, c"the value of a semaphore cannot be above its bound");
            return -1;
        }
        let semaphore: *mut Semaphore = this.cast();
        (*semaphore).value = value;
        (*semaphore).bound = bound + 1;
        0
    }
}

/// Gives one unit to a waiter, or counts it. False: the bound is reached, or there are too many.
unsafe fn give(semaphore: *mut Semaphore) -> bool {
    // SAFETY: GIL held, a live instance.
    unsafe {
        if (*semaphore).waiting > 0 && waiters::hand_to_task(semaphore as usize) {
            return true;
        }
        let next = (*semaphore).value.saturating_add(1);
        if next == i64::MAX || (*semaphore).bound > 0 && next >= (*semaphore).bound {
            return false;
        }
        (*semaphore).value = next;
        true
    }
}

unsafe fn take(this: Obj, deadline: i64) -> New {
    let semaphore: *mut Semaphore = this.cast();
    // SAFETY: see above; the caller keeps the instance alive (PT2).
    unsafe {
        if !host::ensure() {
            return null_mut();
        }
        // The first wait of an OS thread runs Python code there, and others meanwhile.
        if (*semaphore).value > 0 {
            (*semaphore).value -= 1;
            return truth(true);
        }
        (*semaphore).waiting += 1;
        let give_back = || {
            give(semaphore);
        };
        let outcome = waiters::wait(this as usize, deadline, Recheck::Never, &|| false, &give_back);
        (*semaphore).waiting -= 1;
        match outcome {
            Outcome::Granted => truth(true),
            Outcome::TimedOut => truth(false),
            Outcome::Raised => null_mut(),
        }
    }
}

/// `acquire(blocking=True, timeout=None)`
unsafe extern "C" fn acquire(this: Obj, args: *const Obj, count: Ssize, keywords: Obj) -> New {
    let semaphore: *mut Semaphore = this.cast();
    // SAFETY: see above.
    unsafe {
        if count == 0 && keywords.is_null() {
            if (*semaphore).value > 0 {
                (*semaphore).value -= 1;
                return truth(true);
            }
            return take(this, super::super::gt::NEVER);
        }
        let Some([blocking, timeout]) = bind([c"blocking", c"timeout"], args, count, keywords) else {
            return null_mut();
        };
        let Some(only_try) = refused(blocking) else { return null_mut() };
        if only_try && !timeout.is_null() && timeout != api().none {
            return raise(api().PyExc_ValueError, c"can't specify timeout for non-blocking acquire");
        }
        let Some(deadline) = task::deadline(timeout) else { return null_mut() };
        if (*semaphore).value > 0 {
            (*semaphore).value -= 1;
            return truth(true);
        }
        match only_try {
            true => truth(false),
            false => take(this, deadline),
        }
    }
}

/// `release(n=1)`
unsafe extern "C" fn release(this: Obj, args: *const Obj, count: Ssize, keywords: Obj) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let mut units: i64 = 1;
        if count != 0 || !keywords.is_null() {
            let Some([n]) = bind([c"n"], args, count, keywords) else { return null_mut() };
            units = (api.PyLong_AsLongLong)(n);
            if units == -1 && !(api.PyErr_Occurred)().is_null() {
                return null_mut();
            }
            if units < 1 {
                return raise(api.PyExc_ValueError, c"n must be one or more");
            }
        }
        let semaphore: *mut Semaphore = this.cast();
        let limit = if (*semaphore).bound > 0 { (*semaphore).bound } else { i64::MAX };
        if units >= limit || (*semaphore).value > limit - 1 - units {
            return raise(api.PyExc_ValueError, c"Semaphore released too many times");
        }
        for _ in 0..units {
            if !give(semaphore) {
                return raise(api.PyExc_ValueError, c"Semaphore released too many times");
            }
        }
        none()
    }
}

unsafe extern "C" fn enter(this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe { acquire(this, core::ptr::null(), 0, null_mut()) }
}

unsafe extern "C" fn exit(this: Obj, _args: *const Obj, _count: Ssize) -> New {
    // SAFETY: see above.
    unsafe { release(this, core::ptr::null(), 0, null_mut()) }
}

unsafe extern "C" fn locked(this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe { truth((*this.cast::<Semaphore>()).value == 0) }
}

unsafe extern "C" fn get_value(this: Obj, _closure: *mut c_void) -> New {
    // SAFETY: see above.
    unsafe { (api().PyLong_FromLongLong)((*this.cast::<Semaphore>()).value) }
}

unsafe extern "C" fn get_waiting(this: Obj, _closure: *mut c_void) -> New {
    // SAFETY: see above.
    unsafe { (api().PyLong_FromSsize_t)((*this.cast::<Semaphore>()).waiting as Ssize) }
}

static METHODS: [MethodDef; 6] = [
    method!(c"acquire", acquire, METH_FASTCALL | METH_KEYWORDS,
        c"acquire($self, /, blocking=True, timeout=None)\n--\n\nTake a unit: True; False when there was none at once (not blocking) or within timeout seconds."),
    method!(c"release", release, METH_FASTCALL | METH_KEYWORDS,
        c"release($self, /, n=1)\n--\n\nGive n units, to those who have waited longest. ValueError above the bound."),
    method!(c"__enter__", enter, METH_NOARGS, c"Take a unit."),
    method!(c"__exit__", exit, METH_FASTCALL, c"Give it back."),
    method!(c"locked", locked, METH_NOARGS, c"locked()\n\nWould acquire wait?"),
    END,
];

static ATTRIBUTES: [GetSet; 3] = [
    GetSet::new(c"value", get_value, c"Units that are there."),
    GetSet::new(c"waiting", get_waiting, c"How many wait, or were given a unit and have not run yet."),
    GetSet::END,
];

/// The type.
pub static KIND: Kind = Kind {
    name: c"greenrt.Semaphore",
    doc: c"Semaphore(value=1, bound=None)\n--\n\nA count of units, handed out first come first served.",
    size: size_of::<Semaphore>(),
    init,
    methods: &METHODS,
    attributes: &ATTRIBUTES,
    collect: None,
};
