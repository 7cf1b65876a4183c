//! `WaitQueue`: tasks that wait until somebody says go on, first come first served. No memory: a notify that finds nobody
//! is nothing. Conditions, events, barriers and channels are made of it, in Python.

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

use super::super::api::{
    api, drop_ref, none, raise, MethodDef, New, Obj, Ssize, METH_FASTCALL, METH_KEYWORDS, METH_NOARGS,
};
use super::super::host;
use super::super::patch::waiters::{self, Outcome, Recheck};
use super::super::task;
use super::super::tasktype::{bind, method, END};
use super::{named, truth, Base, GetSet, Kind};

/// The instance.
#[repr(C)]
pub struct WaitQueue {
    base: Base,
    waiting: usize,
}

// Called by CPython with a live instance, the GIL held and arguments as the flags say: that is what each SAFETY line leans on.

unsafe extern "C" fn init(_this: Obj, args: Obj, keywords: Obj) -> c_int {
    // SAFETY: see above.
    match unsafe { named::<0>([], args, keywords) } {
        Some([]) => 0,
        None => -1,
    }
}

/// `wait(timeout=None, before=None)`
unsafe extern "C" fn wait(this: Obj, args: *const Obj, count: Ssize, keywords: Obj) -> New {
    let api = api();
    // SAFETY: see above; the caller keeps the instance alive (PT2).
    unsafe {
        let Some([timeout, before]) = bind([c"timeout", c"before"], args, count, keywords) else { return null_mut() };
        let Some(deadline) = task::deadline(timeout) else { return null_mut() };
        if !host::ensure() {
            return null_mut();
        }
        let queue: *mut WaitQueue = this.cast();
        let begin = || {
            if before.is_null() || before == api.none {
                return true;
            }
            let result = (api.PyObject_CallNoArgs)(before);
            let fine = !result.is_null();
            drop_ref(result);
            fine
        };
        (*queue).waiting += 1;
        let pass_on = || {
            waiters::hand_to_task(this as usize);
        };
        let outcome = waiters::wait_from(this as usize, deadline, Recheck::Never, &|| false, &pass_on, &begin);
        (*queue).waiting -= 1;
        match outcome {
            Outcome::Granted => truth(true),
            Outcome::TimedOut => truth(false),
            Outcome::Raised => null_mut(),
        }
    }
}

/// `notify(n=1)`
unsafe extern "C" fn notify(this: Obj, args: *const Obj, count: Ssize) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let mut most: i64 = 1;
        if count > 1 {
            return raise(api.PyExc_TypeError, c"notify() takes at most one argument");
        }
        if count == 1 {
            most = (api.PyLong_AsLongLong)(*args);
            if most == -1 && !(api.PyErr_Occurred)().is_null() {
                return null_mut();
            }
        }
        let mut woken = 0;
        while woken < most && waiters::hand_to_task(this as usize) {
            woken += 1;
        }
        (api.PyLong_FromLongLong)(woken)
    }
}

/// `notify_all()`: those that wait now; one that waits again meanwhile is not among them, since nothing here switches.
unsafe extern "C" fn notify_all(this: Obj, _unused: Obj) -> New {
    while waiters::hand_to_task(this as usize) {}
    // SAFETY: see above.
    unsafe { none() }
}

unsafe extern "C" fn get_waiting(this: Obj, _closure: *mut c_void) -> New {
    // SAFETY: see above.
    unsafe { (api().PyLong_FromSsize_t)((*this.cast::<WaitQueue>()).waiting as Ssize) }
}

static METHODS: [MethodDef; 4] = [
    method!(c"wait", wait, METH_FASTCALL | METH_KEYWORDS,
        c"wait($self, /, timeout=None, before=None)\n--\n\nPark until notified: True; False when that did not happen within timeout seconds. before() is called once the caller is in the queue."),
    method!(c"notify", notify, METH_FASTCALL, c"notify(n=1)\n\nWake up to n of those that wait, first come first served; says how many."),
    method!(c"notify_all", notify_all, METH_NOARGS, c"notify_all()\n\nWake all that wait."),
    END,
];

static ATTRIBUTES: [GetSet; 2] =
    [GetSet::new(c"waiting", get_waiting, c"How many wait, or were woken and have not run yet."), GetSet::END];

/// The type.
pub static KIND: Kind = Kind {
    name: c"greenrt.WaitQueue",
    doc: c"WaitQueue()\n--\n\nTasks that wait until somebody says go on, first come first served.",
    size: size_of::<WaitQueue>(),
    init,
    methods: &METHODS,
    attributes: &ATTRIBUTES,
    collect: None,
};
