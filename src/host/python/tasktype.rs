//! The tables that make `Task` a Python type: its methods, attributes and slots.

use core::ffi::{c_char, c_int, c_void};
use core::mem::offset_of;
use core::ptr::null_mut;

use super::api::{
    api, drop_ref, new_ref, none, raise, MethodDef, New, Obj, Ssize, TypeSlot, TypeSpec, METH_CLASS, METH_FASTCALL,
    METH_KEYWORDS, METH_O,
};
use super::ending;
use super::task::{self, Stage, Task};

#[repr(C)]
struct GetSet {
    name: *const c_char,
    get: *const c_void,
    set: *const c_void,
    doc: *const c_char,
    closure: *const c_void,
}
// SAFETY: constants.
unsafe impl Sync for GetSet {}

#[repr(C)]
struct Member {
    name: *const c_char,
    kind: c_int,
    offset: Ssize,
    flags: c_int,
    doc: *const c_char,
}
// SAFETY: constants.
unsafe impl Sync for Member {}

/// Splits METH_FASTCALL | METH_KEYWORDS arguments into at most N named ones. False: a Python exception is set.
///
/// # Safety
/// The arguments as CPython passes them.
pub unsafe fn bind<const N: usize>(
    names: [&core::ffi::CStr; N],
    args: *const Obj,
    count: Ssize,
    keywords: Obj,
) -> Option<[Obj; N]> {
    let api = api();
    let mut bound = [null_mut(); N];
    // SAFETY: `count` positional arguments are followed by as many values as `keywords` has names.
    unsafe {
        if count as usize > N {
            raise(api.PyExc_TypeError, c"too many arguments");
            return None;
        }
        for (index, place) in bound.iter_mut().enumerate().take(count as usize) {
            *place = *args.add(index);
        }
        if keywords.is_null() {
            return Some(bound);
        }
        for index in 0..(api.PyTuple_Size)(keywords) {
            let keyword = (api.PyTuple_GetItem)(keywords, index);
            let at = names.iter().position(|name| (api.PyUnicode_CompareWithASCIIString)(keyword, name.as_ptr()) == 0);
            match at {
                Some(at) if bound[at].is_null() => bound[at] = *args.offset(count + index),
                Some(_) => {
                    raise(api.PyExc_TypeError, c"an argument was given twice");
                    return None;
                }
                None => {
                    raise(api.PyExc_TypeError, c"unexpected keyword argument");
                    return None;
                }
            }
        }
    }
    Some(bound)
}

/// Positional arguments from `skip` on as a tuple, and keyword arguments as a dict or NULL. None: a Python exception is set.
///
/// # Safety
/// The arguments as CPython passes them; `skip <= count`.
pub unsafe fn pack(args: *const Obj, count: Ssize, keywords: Obj, skip: Ssize) -> Option<(New, New)> {
    let api = api();
    // SAFETY: as in `bind`.
    unsafe {
        let tuple = (api.PyTuple_New)(count - skip);
        if tuple.is_null() {
            return None;
        }
        for index in skip..count {
            (api.PyTuple_SetItem)(tuple, index - skip, new_ref(*args.offset(index)));
        }
        if keywords.is_null() || (api.PyTuple_Size)(keywords) == 0 {
            return Some((tuple, null_mut()));
        }
        let dict = (api.PyDict_New)();
        let mut fine = !dict.is_null();
        if fine {
            for index in 0..(api.PyTuple_Size)(keywords) {
                let keyword = (api.PyTuple_GetItem)(keywords, index);
                fine = fine && (api.PyDict_SetItem)(dict, keyword, *args.offset(count + index)) == 0;
            }
        }
        if !fine {
            drop_ref(tuple);
            drop_ref(dict);
            return None;
        }
        Some((tuple, dict))
    }
}

// The functions below are called by CPython with a live `Task`, the GIL held and arguments as their flags say: that is what
// each SAFETY line leans on.

unsafe extern "C" fn wait(this: Obj, args: *const Obj, count: Ssize, keywords: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let Some([timeout]) = bind([c"timeout"], args, count, keywords) else { return null_mut() };
        let task: *mut Task = this.cast();
        if (*task).stage != Stage::Done {
            let Some(deadline) = task::deadline(timeout) else { return null_mut() };
            if !task::wait_done(task, deadline) {
                return null_mut();
            }
        }
        task::outcome(task)
    }
}

unsafe extern "C" fn kill(this: Obj, args: *const Obj, count: Ssize, keywords: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let Some([exception, block]) = bind([c"exc", c"block"], args, count, keywords) else { return null_mut() };
        let exception = if exception.is_null() { task::task_exit() } else { exception };
        let block = if block.is_null() { 1 } else { (api().PyObject_IsTrue)(block) };
        if block < 0 || !task::kill(this.cast(), exception, block == 1) {
            return null_mut();
        }
        none()
    }
}

unsafe extern "C" fn link(this: Obj, args: *const Obj, count: Ssize, keywords: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        if count < 1 || (api().PyCallable_Check)(*args) == 0 {
            return raise(api().PyExc_TypeError, c"link() needs a callable");
        }
        let Some((tuple, dict)) = pack(args, count, keywords, 1) else { return null_mut() };
        let fine = ending::link(this.cast(), *args, tuple, dict);
        drop_ref(tuple);
        drop_ref(dict);
        if fine {
            none()
        } else {
            null_mut()
        }
    }
}

unsafe extern "C" fn unlink(this: Obj, args: *const Obj, count: Ssize, keywords: Obj) -> New {
    let api = api();
    const EQUAL: c_int = 2;
    // SAFETY: see above. Comparing runs any code, so the list is read anew each time, and the entry held.
    unsafe {
        if count < 1 {
            return raise(api.PyExc_TypeError, c"unlink() needs what link() was given");
        }
        let Some((tuple, dict)) = pack(args, count, keywords, 1) else { return null_mut() };
        let wanted = (api.PyTuple_New)(3);
        let task: *mut Task = this.cast();
        let mut found: c_int = -1;
        if !wanted.is_null() {
            (api.PyTuple_SetItem)(wanted, 0, new_ref(*args));
            (api.PyTuple_SetItem)(wanted, 1, tuple);
            (api.PyTuple_SetItem)(wanted, 2, if dict.is_null() { none() } else { dict });
            found = 0;
            let mut index = 0;
            while found == 0 && !(*task).links.is_null() && index < (api.PyList_Size)((*task).links) {
                let links = new_ref((*task).links);
                let entry = new_ref((api.PyList_GetItem)(links, index));
                found = (api.PyObject_RichCompareBool)(entry, wanted, EQUAL);
                drop_ref(entry);
                if found == 1 && (api.PyList_SetSlice)(links, index, index + 1, null_mut()) < 0 {
                    found = -1;
                }
                drop_ref(links);
                index += 1;
            }
            drop_ref(wanted);
        } else {
            drop_ref(tuple);
            drop_ref(dict);
        }
        match found {
            0 => new_ref(api.false_),
            1 => new_ref(api.true_),
            _ => null_mut(),
        }
    }
}

unsafe extern "C" fn class_getitem(this: Obj, item: Obj) -> New {
    // SAFETY: see above; `this` is the class.
    unsafe { (api().Py_GenericAlias)(this, item) }
}

unsafe extern "C" fn get_done(this: Obj, _closure: *mut c_void) -> New {
    // SAFETY: see above.
    unsafe {
        let done = (*this.cast::<Task>()).stage == Stage::Done;
        new_ref(if done { api().true_ } else { api().false_ })
    }
}

unsafe extern "C" fn get_id(this: Obj, _closure: *mut c_void) -> New {
    // SAFETY: see above.
    unsafe { (api().PyLong_FromUnsignedLongLong)((*this.cast::<Task>()).serial) }
}

unsafe extern "C" fn get_ident(this: Obj, _closure: *mut c_void) -> New {
    // SAFETY: see above; the worker of a task that is not done is alive.
    unsafe {
        let worker = (*this.cast::<Task>()).worker;
        if worker.is_null() {
            return none();
        }
        if (*(*worker).host).root == worker {
            return (api().PyLong_FromUnsignedLong)((*(*worker).host).ident);
        }
        (api().PyLong_FromLongLong)((*worker).id)
    }
}

unsafe extern "C" fn get_name(this: Obj, _closure: *mut c_void) -> New {
    // SAFETY: see above.
    unsafe { task::name(this.cast()) }
}

unsafe extern "C" fn set_name(this: Obj, value: Obj, _closure: *mut c_void) -> c_int {
    let api = api();
    // SAFETY: see above; `value` is NULL for del.
    unsafe {
        let mut length: Ssize = 0;
        if value.is_null() || (api.PyUnicode_AsUTF8AndSize)(value, &mut length).is_null() {
            (api.PyErr_Clear)();
            raise(api.PyExc_TypeError, c"the name of a task is a str");
            return -1;
        }
        task::set_name(this.cast(), value);
        0
    }
}

unsafe extern "C" fn repr(this: Obj) -> New {
    // SAFETY: see above.
    unsafe { task::describe(this.cast()) }
}

unsafe extern "C" fn refuse_new(_kind: Obj, _args: Obj, _kwargs: Obj) -> New {
    // SAFETY: GIL held.
    unsafe { raise(api().PyExc_TypeError, c"tasks are made by greenrt.spawn()") }
}

unsafe extern "C" fn traverse(
    this: Obj,
    visit: unsafe extern "C" fn(Obj, *mut c_void) -> c_int,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: the collector only looks; every field is NULL or live. A heap type is visited by its instances.
    unsafe {
        let task = &*this.cast::<Task>();
        let kind = super::api::type_of(this);
        for object in [
            kind,
            task.dict,
            task.func,
            task.args,
            task.kwargs,
            task.result,
            task.exception,
            task.links,
            task.name,
            task.stem,
        ] {
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
    // SAFETY: each field is emptied before its reference is dropped.
    unsafe {
        let task: *mut Task = this.cast();
        for field in [
            &raw mut (*task).dict,
            &raw mut (*task).func,
            &raw mut (*task).args,
            &raw mut (*task).kwargs,
            &raw mut (*task).result,
            &raw mut (*task).exception,
            &raw mut (*task).links,
            &raw mut (*task).name,
            &raw mut (*task).stem,
        ] {
            drop_ref(field.replace(null_mut()));
        }
    }
    0
}

unsafe extern "C" fn dealloc(this: Obj) {
    let api = api();
    // SAFETY: the last reference is gone. Order: out of the collector's sight, weak references, fields, memory, type.
    unsafe {
        let kind = super::api::type_of(this);
        (api.PyObject_GC_UnTrack)(this.cast());
        let task: *mut Task = this.cast();
        if !(*task).weakrefs.is_null() {
            (api.PyObject_ClearWeakRefs)(this);
        }
        clear(this);
        (*task).drop_waiters();
        let free = (api.PyType_GetSlot)(kind, TP_FREE);
        let free: unsafe extern "C" fn(*mut c_void) = core::mem::transmute(free);
        free(this.cast());
        drop_ref(kind);
    }
}

macro_rules! method {
    ($name:literal, $function:expr, $flags:expr, $doc:literal) => {
        MethodDef { name: $name.as_ptr(), meth: $function as *const c_void, flags: $flags, doc: $doc.as_ptr() }
    };
}
pub(super) use method;

/// The end of a table of methods.
pub const END: MethodDef =
    MethodDef { name: core::ptr::null(), meth: core::ptr::null(), flags: 0, doc: core::ptr::null() };

static METHODS: [MethodDef; 6] = [
    method!(c"wait", wait, METH_FASTCALL | METH_KEYWORDS,
        c"wait($self, /, timeout=None)\n--\n\nPark until the task is done; its result, or its exception raised again. TimeoutError when it is not done in time."),
    method!(c"kill", kill, METH_FASTCALL | METH_KEYWORDS,
        c"kill($self, /, exc=TaskExit, block=True)\n--\n\nRaise exc in the task where it is parked; with block, wait until it is done. A task that has not started never runs."),
    method!(c"link", link, METH_FASTCALL | METH_KEYWORDS,
        c"link(func, *args, **kwargs)\n\nCall func(task, *args, **kwargs) when the task is done; at once if it is."),
    method!(c"unlink", unlink, METH_FASTCALL | METH_KEYWORDS,
        c"unlink(func, *args, **kwargs)\n\nTake back a link; says whether there was one."),
    method!(c"__class_getitem__", class_getitem, METH_O | METH_CLASS, c"Task[int] for annotations."),
    END,
];

static GETSET: [GetSet; 5] = [
    GetSet {
        name: c"done".as_ptr(),
        get: get_done as *const c_void,
        set: core::ptr::null(),
        doc: c"Has the task ended, one way or the other?".as_ptr(),
        closure: core::ptr::null(),
    },
    GetSet {
        name: c"name".as_ptr(),
        get: get_name as *const c_void,
        set: set_name as *const c_void,
        doc: c"A name for people.".as_ptr(),
        closure: core::ptr::null(),
    },
    GetSet {
        name: c"id".as_ptr(),
        get: get_id as *const c_void,
        set: core::ptr::null(),
        doc: c"Number of the task, never used twice in a process.".as_ptr(),
        closure: core::ptr::null(),
    },
    GetSet {
        name: c"ident".as_ptr(),
        get: get_ident as *const c_void,
        set: core::ptr::null(),
        doc: c"What threading.get_ident() answers in the task; None when it is done.".as_ptr(),
        closure: core::ptr::null(),
    },
    GetSet {
        name: core::ptr::null(),
        get: core::ptr::null(),
        set: core::ptr::null(),
        doc: core::ptr::null(),
        closure: core::ptr::null(),
    },
];

const T_PYSSIZET: c_int = 19;
const READONLY: c_int = 1;

static MEMBERS: [Member; 3] = [
    Member {
        name: c"__weaklistoffset__".as_ptr(),
        kind: T_PYSSIZET,
        offset: offset_of!(Task, weakrefs) as Ssize,
        flags: READONLY,
        doc: core::ptr::null(),
    },
    Member {
        name: c"__dictoffset__".as_ptr(),
        kind: T_PYSSIZET,
        offset: offset_of!(Task, dict) as Ssize,
        flags: READONLY,
        doc: core::ptr::null(),
    },
    Member { name: core::ptr::null(), kind: 0, offset: 0, flags: 0, doc: core::ptr::null() },
];

// Numbers of typeslots.h, part of the stable ABI.
const TP_CLEAR: c_int = 51;
const TP_DEALLOC: c_int = 52;
const TP_DOC: c_int = 56;
const TP_METHODS: c_int = 64;
const TP_NEW: c_int = 65;
const TP_REPR: c_int = 66;
const TP_TRAVERSE: c_int = 71;
const TP_MEMBERS: c_int = 72;
const TP_GETSET: c_int = 73;
const TP_FREE: c_int = 74;

const FLAG_BASETYPE: u32 = 1 << 10;
const FLAG_HAVE_GC: u32 = 1 << 14;
const FLAG_DEFAULT: u32 = 1 << 18;

/// Makes the type; NULL with a Python exception set.
///
/// # Safety
/// GIL held.
pub unsafe fn make() -> New {
    let slot = |slot, func: *const c_void| TypeSlot { slot, func: func.cast_mut() };
    let mut slots = [
        slot(TP_DEALLOC, dealloc as *const c_void),
        slot(TP_TRAVERSE, traverse as *const c_void),
        slot(TP_CLEAR, clear as *const c_void),
        slot(TP_NEW, refuse_new as *const c_void),
        slot(TP_REPR, repr as *const c_void),
        slot(TP_METHODS, METHODS.as_ptr().cast()),
        slot(TP_GETSET, GETSET.as_ptr().cast()),
        slot(TP_MEMBERS, MEMBERS.as_ptr().cast()),
        slot(TP_DOC, c"A function running beside others on this OS thread; made by greenrt.spawn().".as_ptr().cast()),
        slot(0, core::ptr::null()),
    ];
    let mut spec = TypeSpec {
        name: c"greenrt.Task".as_ptr(),
        basicsize: size_of::<Task>() as c_int,
        itemsize: 0,
        flags: FLAG_DEFAULT | FLAG_BASETYPE | FLAG_HAVE_GC,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: CPython copies the slots and keeps the method, getset and member tables, which are static.
    unsafe { (api().PyType_FromSpec)(&mut spec) }
}
