//! `Queue`: items in order of arrival, last first, or by a heap, with a bound or without. Get and put wait fairly: what comes
//! free while tasks wait is promised to the first of them (PT3), and nobody overtakes.

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::collections::VecDeque;

use super::super::api::{
    api, drop_ref, new_ref, none, raise, type_of, MethodDef, New, Obj, PyObject, Ssize, METH_CLASS, METH_FASTCALL,
    METH_KEYWORDS, METH_NOARGS, METH_O,
};
use super::super::gt::NEVER;
use super::super::host;
use super::super::patch::waiters::{self, Outcome, Recheck};
use super::super::task;
use super::super::tasktype::{bind, method, END};
use super::{named, refused, truth, Base, GetSet, Kind};

/// In which order items leave.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Leave {
    First,
    Last,
    Least,
}

/// The instance.
#[repr(C)]
pub struct Queue {
    base: Base,
    /// Items of a queue that is no heap; NULL: none were there yet.
    items: *mut VecDeque<Obj>,
    /// The list that is the heap; NULL in other queues.
    heap: Obj,
    /// 0 or less: no bound.
    bound: i64,
    unfinished: i64,
    /// Items that belong to getters which have not run yet, and places that belong to putters.
    promised_items: usize,
    promised_places: usize,
    getting: usize,
    putting: usize,
    order: Leave,
    closed: bool,
}

/// Keys of the lists of waiters, beside the instance's address.
const PUTTERS: usize = 16;
const JOINERS: usize = 32;

static PARTS: [AtomicPtr<PyObject>; 5] = [const { AtomicPtr::new(null_mut()) }; 5];
const EMPTY: usize = 0;
const FULL: usize = 1;
const SHUT_DOWN: usize = 2;
const PUSH: usize = 3;
const POP: usize = 4;

/// `set_queue_parts(empty, full, shut_down, heappush, heappop)`: once, when the package is imported.
///
/// # Safety
/// Called by CPython.
pub unsafe extern "C" fn set_parts(_this: Obj, args: *const Obj, count: Ssize) -> New {
    // SAFETY: the arguments are the caller's; the references are kept for ever.
    unsafe {
        if count as usize != PARTS.len() {
            return raise(api().PyExc_TypeError, c"set_queue_parts() takes five arguments");
        }
        for (index, part) in PARTS.iter().enumerate() {
            let old = part.swap(new_ref(*args.add(index)), Ordering::Relaxed);
            drop_ref(old);
        }
        none()
    }
}

fn part(which: usize) -> Obj {
    PARTS[which].load(Ordering::Relaxed)
}

/// Raises Empty, Full or ShutDown.
unsafe fn refuse(which: usize) -> New {
    // SAFETY: GIL held; an exception type, set when the package was imported.
    unsafe { (api().PyErr_SetNone)(part(which)) };
    null_mut()
}

// Called by CPython with a live instance, the GIL held and arguments as the flags say: that is what each SAFETY line leans on.

unsafe extern "C" fn init(this: Obj, args: Obj, keywords: Obj) -> c_int {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let Some([bound, order]) = named([c"maxsize", c"order"], args, keywords) else { return -1 };
        let mut numbers = [0i64, 0];
        for (number, given) in numbers.iter_mut().zip([bound, order]) {
            if !given.is_null() {
                *number = (api.PyLong_AsLongLong)(given);
                if *number == -1 && !(api.PyErr_Occurred)().is_null() {
                    return -1;
                }
            }
        }
        let queue: *mut Queue = this.cast();
        (*queue).order = match numbers[1] {
            0 => Leave::First,
            1 => Leave::Last,
            2 => Leave::Least,
            _ => {
                raise(api.PyExc_ValueError, c"the order of a queue is 0, 1 or 2");
                return -1;
            }
        };
        (*queue).bound = numbers[0];
        if (*queue).order == Leave::Least && (*queue).heap.is_null() {
            (*queue).heap = (api.PyList_New)(0);
            if (*queue).heap.is_null() {
                return -1;
            }
        }
        0
    }
}

unsafe fn len(queue: *mut Queue) -> usize {
    // SAFETY: see above.
    unsafe {
        match (*queue).order {
            Leave::Least if (*queue).heap.is_null() => 0,
            Leave::Least => (api().PyList_Size)((*queue).heap) as usize,
            _ => (*queue).items.as_ref().map_or(0, VecDeque::len),
        }
    }
}

unsafe fn has_room(queue: *mut Queue) -> bool {
    // SAFETY: see above.
    unsafe { (*queue).bound <= 0 || (len(queue) + (*queue).promised_places) < (*queue).bound as usize }
}

unsafe fn has_item(queue: *mut Queue) -> bool {
    // SAFETY: see above.
    unsafe { len(queue) > (*queue).promised_items }
}

/// Promises what is there to those who wait for it.
unsafe fn promise(queue: *mut Queue) {
    let key = queue as usize;
    // SAFETY: see above; handing over runs no Python code.
    unsafe {
        if (*queue).getting > 0 && has_item(queue) && waiters::hand_to_task(key) {
            (*queue).promised_items += 1;
        }
        if (*queue).putting > 0 && !(*queue).closed && has_room(queue) && waiters::hand_to_task(key + PUTTERS) {
            (*queue).promised_places += 1;
        }
    }
}

/// Takes the item whose turn it is. NULL: a Python exception is set.
unsafe fn take(queue: *mut Queue) -> New {
    // SAFETY: see above; the caller has seen that there is one.
    unsafe {
        let item = match (*queue).order {
            Leave::First => (*(*queue).items).pop_front().unwrap_or(null_mut()),
            Leave::Last => (*(*queue).items).pop_back().unwrap_or(null_mut()),
            Leave::Least => {
                let heap = (*queue).heap;
                (api().PyObject_VectorcallDict)(part(POP), &heap, 1, null_mut())
            }
        };
        promise(queue);
        item
    }
}

/// Adds an item. False: a Python exception is set.
unsafe fn add(queue: *mut Queue, item: Obj) -> bool {
    let api = api();
    // SAFETY: see above (PT2: nothing borrowed spans the call of heappush).
    unsafe {
        let fine = if (*queue).order == Leave::Least {
            let arguments = [(*queue).heap, item];
            let result = (api.PyObject_VectorcallDict)(part(PUSH), arguments.as_ptr(), 2, null_mut());
            drop_ref(result);
            !result.is_null()
        } else {
            if (*queue).items.is_null() {
                (*queue).items = Box::into_raw(Box::default());
            }
            let items = &mut *(*queue).items;
            let room = items.try_reserve(1).is_ok();
            match room {
                true => items.push_back(new_ref(item)),
                false => {
                    (api.PyErr_NoMemory)();
                }
            }
            room
        };
        if fine {
            (*queue).unfinished += 1;
        }
        promise(queue);
        fine
    }
}

/// Until when the caller is ready to wait: `(block, timeout)` as in the standard library. None: a Python exception is set;
/// Some(None): not at all.
unsafe fn patience(block: Obj, timeout: Obj) -> Option<Option<i64>> {
    let api = api();
    // SAFETY: NULL or live objects.
    unsafe {
        if refused(block)? {
            return Some(None);
        }
        if timeout.is_null() || timeout == api.none {
            return Some(Some(NEVER));
        }
        let seconds = (api.PyFloat_AsDouble)(timeout);
        if seconds == -1.0 && !(api.PyErr_Occurred)().is_null() {
            return None;
        }
        if seconds < 0.0 {
            raise(api.PyExc_ValueError, c"'timeout' must be a non-negative number");
            return None;
        }
        task::deadline(timeout).map(Some)
    }
}

unsafe fn get_until(queue: *mut Queue, patience: Option<i64>) -> New {
    // SAFETY: see above; the caller keeps the instance alive (PT2).
    unsafe {
        if has_item(queue) {
            return take(queue);
        }
        if (*queue).closed {
            return refuse(SHUT_DOWN);
        }
        let Some(deadline) = patience else { return refuse(EMPTY) };
        if !host::ensure() {
            return null_mut();
        }
        // The first wait of an OS thread runs Python code there, and others meanwhile.
        if has_item(queue) {
            return take(queue);
        }
        if (*queue).closed {
            return refuse(SHUT_DOWN);
        }
        (*queue).getting += 1;
        let give_back = || {
            if (*queue).promised_items > 0 {
                (*queue).promised_items -= 1;
                promise(queue);
            }
        };
        let outcome = waiters::wait(queue as usize, deadline, Recheck::Never, &|| false, &give_back);
        (*queue).getting -= 1;
        match outcome {
            Outcome::TimedOut => refuse(EMPTY),
            Outcome::Raised => null_mut(),
            Outcome::Granted if (*queue).promised_items > 0 => {
                (*queue).promised_items -= 1;
                take(queue)
            }
            Outcome::Granted => refuse(SHUT_DOWN),
        }
    }
}

unsafe fn put_until(queue: *mut Queue, item: Obj, patience: Option<i64>) -> New {
    // SAFETY: as above.
    unsafe {
        if (*queue).closed {
            return refuse(SHUT_DOWN);
        }
        if !has_room(queue) {
            let Some(deadline) = patience else { return refuse(FULL) };
            if !host::ensure() {
                return null_mut();
            }
            if (*queue).closed {
                return refuse(SHUT_DOWN);
            }
            if has_room(queue) {
                return put_until(queue, item, patience); // as above
            }
            (*queue).putting += 1;
            let give_back = || {
                if (*queue).promised_places > 0 {
                    (*queue).promised_places -= 1;
                    promise(queue);
                }
            };
            let outcome = waiters::wait(queue as usize + PUTTERS, deadline, Recheck::Never, &|| false, &give_back);
            (*queue).putting -= 1;
            match outcome {
                Outcome::TimedOut => return refuse(FULL),
                Outcome::Raised => return null_mut(),
                Outcome::Granted if (*queue).closed => return refuse(SHUT_DOWN),
                Outcome::Granted => (*queue).promised_places -= 1,
            }
        }
        match add(queue, item) {
            true => none(),
            false => null_mut(),
        }
    }
}

/// `get(block=True, timeout=None)`
unsafe extern "C" fn get(this: Obj, args: *const Obj, count: Ssize, keywords: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        if count == 0 && keywords.is_null() {
            return get_until(this.cast(), Some(NEVER));
        }
        let Some([block, timeout]) = bind([c"block", c"timeout"], args, count, keywords) else { return null_mut() };
        match patience(block, timeout) {
            Some(patience) => get_until(this.cast(), patience),
            None => null_mut(),
        }
    }
}

/// `put(item, block=True, timeout=None)`
unsafe extern "C" fn put(this: Obj, args: *const Obj, count: Ssize, keywords: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        if count == 1 && keywords.is_null() {
            return put_until(this.cast(), *args, Some(NEVER));
        }
        let Some([item, block, timeout]) = bind([c"item", c"block", c"timeout"], args, count, keywords) else {
            return null_mut();
        };
        if item.is_null() {
            return raise(api().PyExc_TypeError, c"put() needs an item");
        }
        match patience(block, timeout) {
            Some(patience) => put_until(this.cast(), item, patience),
            None => null_mut(),
        }
    }
}

unsafe extern "C" fn get_nowait(this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe { get_until(this.cast(), None) }
}

unsafe extern "C" fn put_nowait(this: Obj, item: Obj) -> New {
    // SAFETY: see above.
    unsafe { put_until(this.cast(), item, None) }
}

/// Wakes whoever waits for the end of all work.
fn all_done(queue: *mut Queue) {
    while waiters::hand_to_task(queue as usize + JOINERS) {}
}

unsafe extern "C" fn task_done(this: Obj, _unused: Obj) -> New {
    let queue: *mut Queue = this.cast();
    // SAFETY: see above.
    unsafe {
        if (*queue).unfinished <= 0 {
            return raise(api().PyExc_ValueError, c"task_done() called too many times");
        }
        (*queue).unfinished -= 1;
        if (*queue).unfinished == 0 {
            all_done(queue);
        }
        none()
    }
}

unsafe extern "C" fn join(this: Obj, _unused: Obj) -> New {
    let queue: *mut Queue = this.cast();
    // SAFETY: see above.
    unsafe {
        if (*queue).unfinished > 0 {
            if !host::ensure() {
                return null_mut();
            }
            let key = queue as usize + JOINERS;
            if (*queue).unfinished > 0
                && waiters::wait(key, NEVER, Recheck::Never, &|| false, &|| ()) == Outcome::Raised
            {
                return null_mut();
            }
        }
        none()
    }
}

/// `shutdown(immediate=False)`
unsafe extern "C" fn shutdown(this: Obj, args: *const Obj, count: Ssize, keywords: Obj) -> New {
    let queue: *mut Queue = this.cast();
    // SAFETY: see above. What is dropped may run any code, so the queue is in order before (PT2).
    unsafe {
        let Some([immediate]) = bind([c"immediate"], args, count, keywords) else { return null_mut() };
        let immediate = !immediate.is_null()
            && !(match refused(immediate) {
                Some(refused) => refused,
                None => return null_mut(),
            });
        (*queue).closed = true;
        let mut dropped = VecDeque::new();
        let mut heap = null_mut();
        if immediate {
            let gone = len(queue) as i64;
            if !(*queue).items.is_null() {
                dropped = core::mem::take(&mut *(*queue).items);
            }
            if !(*queue).heap.is_null() {
                let fresh = (api().PyList_New)(0);
                if fresh.is_null() {
                    return null_mut();
                }
                heap = core::mem::replace(&mut (*queue).heap, fresh);
            }
            (*queue).promised_items = 0;
            (*queue).unfinished = ((*queue).unfinished - gone).max(0);
            if (*queue).unfinished == 0 {
                all_done(queue);
            }
        }
        while waiters::hand_to_task(queue as usize) {}
        while waiters::hand_to_task(queue as usize + PUTTERS) {}
        drop_ref(heap);
        for item in dropped {
            drop_ref(item);
        }
        none()
    }
}

unsafe extern "C" fn qsize(this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe { (api().PyLong_FromSsize_t)(len(this.cast()) as Ssize) }
}

unsafe extern "C" fn empty(this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe { truth(len(this.cast()) == 0) }
}

unsafe extern "C" fn full(this: Obj, _unused: Obj) -> New {
    let queue: *mut Queue = this.cast();
    // SAFETY: see above.
    unsafe { truth((*queue).bound > 0 && len(queue) >= (*queue).bound as usize) }
}

macro_rules! number {
    ($function:ident, $field:ident) => {
        unsafe extern "C" fn $function(this: Obj, _closure: *mut c_void) -> New {
            // SAFETY: see above.
            unsafe { (api().PyLong_FromLongLong)((*this.cast::<Queue>()).$field as i64) }
        }
    };
}
number!(get_bound, bound);
number!(get_unfinished, unfinished);
number!(get_getting, getting);
number!(get_putting, putting);

unsafe extern "C" fn get_closed(this: Obj, _closure: *mut c_void) -> New {
    // SAFETY: see above.
    unsafe { truth((*this.cast::<Queue>()).closed) }
}

unsafe extern "C" fn traverse(
    this: Obj,
    visit: unsafe extern "C" fn(Obj, *mut c_void) -> c_int,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: the collector only looks; a heap type is visited by its instances.
    unsafe {
        let queue: *mut Queue = this.cast();
        let items = (*queue).items.as_ref();
        for &object in [type_of(this), (*queue).heap].iter().chain(items.into_iter().flatten()) {
            if !object.is_null() {
                let rc = visit(object, arg);
                if rc != 0 {
                    return rc;
                }
            }
        }
    }
    0
}

unsafe extern "C" fn clear(this: Obj) -> c_int {
    let queue: *mut Queue = this.cast();
    // SAFETY: fields are emptied before references are dropped (PT2).
    unsafe {
        let items = core::mem::replace(&mut (*queue).items, null_mut());
        let heap = core::mem::replace(&mut (*queue).heap, null_mut());
        drop_ref(heap);
        if !items.is_null() {
            for item in *Box::from_raw(items) {
                drop_ref(item);
            }
        }
    }
    0
}

unsafe extern "C" fn class_getitem(this: Obj, item: Obj) -> New {
    // SAFETY: see above; `this` is the class.
    unsafe { (api().Py_GenericAlias)(this, item) }
}

static METHODS: [MethodDef; 12] = [
    method!(c"get", get, METH_FASTCALL | METH_KEYWORDS,
        c"get($self, /, block=True, timeout=None)\n--\n\nTake the next item, waiting for one. Empty when there is none at once (not block) or within timeout seconds; ShutDown when none will come."),
    method!(c"put", put, METH_FASTCALL | METH_KEYWORDS,
        c"put($self, /, item, block=True, timeout=None)\n--\n\nAdd an item, waiting for room. Full when there is none at once (not block) or within timeout seconds; ShutDown after shutdown()."),
    method!(c"get_nowait", get_nowait, METH_NOARGS, c"get_nowait()\n\nAs get(block=False)."),
    method!(c"put_nowait", put_nowait, METH_O, c"put_nowait(item)\n\nAs put(item, block=False)."),
    method!(c"task_done", task_done, METH_NOARGS, c"task_done()\n\nThe work on an item that get() gave is done. ValueError when that is said too often."),
    method!(c"join", join, METH_NOARGS, c"join()\n\nWait until the work on all items is done."),
    method!(c"shutdown", shutdown, METH_FASTCALL | METH_KEYWORDS,
        c"shutdown($self, /, immediate=False)\n--\n\nput() raises ShutDown from now on, get() when the queue is empty; immediate: it is emptied now."),
    method!(c"qsize", qsize, METH_NOARGS, c"qsize()\n\nHow many items there are."),
    method!(c"empty", empty, METH_NOARGS, c"empty()\n\nIs there no item?"),
    method!(c"full", full, METH_NOARGS, c"full()\n\nIs there no room?"),
    method!(c"__class_getitem__", class_getitem, METH_O | METH_CLASS, c"Queue[int] for annotations."),
    END,
];

static ATTRIBUTES: [GetSet; 6] = [
    GetSet::new(c"maxsize", get_bound, c"The bound; 0 or less is none."),
    GetSet::new(c"unfinished_tasks", get_unfinished, c"Items that task_done() was not called for."),
    GetSet::new(c"getting", get_getting, c"How many wait for an item."),
    GetSet::new(c"putting", get_putting, c"How many wait for room."),
    GetSet::new(c"is_shutdown", get_closed, c"Was shutdown() called?"),
    GetSet::END,
];

/// The type.
pub static KIND: Kind = Kind {
    name: c"greenrt.Queue",
    doc: c"Queue(maxsize=0, order=0)\n--\n\nItems that tasks and threads hand on: 0 first in first out, 1 last in first out, 2 the least first.",
    size: size_of::<Queue>(),
    init,
    methods: &METHODS,
    attributes: &ATTRIBUTES,
    collect: Some((traverse as *const c_void, clear)),
};
