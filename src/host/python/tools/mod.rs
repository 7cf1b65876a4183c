//! What tasks wait on when they use greenrt's own tools: a wait queue, a semaphore, a queue. Everything else of the
//! Python package (events, conditions, barriers, channels, pools) is Python on top of these three. And the engine of WebSockets.
//!
//! They are types of the stable ABI, so that an uncontended acquire or put costs a builtin call. Waiters are kept in the
//! lists of `patch/waiters.rs`: fair, for tasks of one OS thread or of several. All state is guarded by the GIL.
//!
//! Invariants:
//! PT1  An instance is zeroed behind its head before anybody sees it, and all zeroes is a valid instance.
//! PT2  No reference to an instance's fields is held across a wait, a call into Python, or a dropped reference: others
//!      run there. Fields are read anew afterwards.
//! PT3  What is granted to a waiter is counted as promised until the waiter takes it or gives it back.

pub mod queue;
pub mod semaphore;
pub mod waitqueue;
pub mod websocket;

use core::ffi::{c_char, c_int, c_void};
use core::mem::offset_of;
use core::ptr::null_mut;

use super::api::{api, drop_ref, new_ref, raise, type_of, MethodDef, New, Obj, Ssize, TypeSlot, TypeSpec};

/// What every instance begins with.
#[repr(C)]
pub struct Base {
    head: [usize; 2],
    weakrefs: Obj,
}

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

/// `PyGetSetDef`.
#[repr(C)]
pub struct GetSet {
    name: *const c_char,
    get: *const c_void,
    set: *const c_void,
    doc: *const c_char,
    closure: *const c_void,
}
// SAFETY: constants.
unsafe impl Sync for GetSet {}

impl GetSet {
    /// An attribute that can be read only.
    pub const fn new(
        name: &'static core::ffi::CStr,
        get: unsafe extern "C" fn(Obj, *mut c_void) -> New,
        doc: &'static core::ffi::CStr,
    ) -> GetSet {
        let nothing = core::ptr::null();
        GetSet { name: name.as_ptr(), get: get as *const c_void, set: nothing, doc: doc.as_ptr(), closure: nothing }
    }

    /// An attribute that can be changed.
    pub const fn changing(
        name: &'static core::ffi::CStr,
        get: unsafe extern "C" fn(Obj, *mut c_void) -> New,
        set: unsafe extern "C" fn(Obj, Obj, *mut c_void) -> c_int,
        doc: &'static core::ffi::CStr,
    ) -> GetSet {
        GetSet { set: set as *const c_void, ..GetSet::new(name, get, doc) }
    }

    /// The end of a table.
    pub const END: GetSet = GetSet {
        name: core::ptr::null(),
        get: core::ptr::null(),
        set: core::ptr::null(),
        doc: core::ptr::null(),
        closure: core::ptr::null(),
    };
}

const T_PYSSIZET: c_int = 19;
const READONLY: c_int = 1;

static MEMBERS: [Member; 2] = [
    Member {
        name: c"__weaklistoffset__".as_ptr(),
        kind: T_PYSSIZET,
        offset: offset_of!(Base, weakrefs) as Ssize,
        flags: READONLY,
        doc: core::ptr::null(),
    },
    Member { name: core::ptr::null(), kind: 0, offset: 0, flags: 0, doc: core::ptr::null() },
];

// Numbers of typeslots.h, part of the stable ABI.
const TP_CLEAR: c_int = 51;
const TP_DEALLOC: c_int = 52;
const TP_DOC: c_int = 56;
const TP_INIT: c_int = 60;
const TP_METHODS: c_int = 64;
const TP_NEW: c_int = 65;
const TP_TRAVERSE: c_int = 71;
const TP_MEMBERS: c_int = 72;
const TP_GETSET: c_int = 73;
const TP_FREE: c_int = 74;

const FLAG_BASETYPE: u32 = 1 << 10;
const FLAG_HAVE_GC: u32 = 1 << 14;
const FLAG_DEFAULT: u32 = 1 << 18;

/// What differs between the types.
pub struct Kind {
    /// "greenrt.Name"
    pub name: &'static core::ffi::CStr,
    /// Its documentation.
    pub doc: &'static core::ffi::CStr,
    /// Of an instance.
    pub size: usize,
    /// `__init__`
    pub init: unsafe extern "C" fn(Obj, Obj, Obj) -> c_int,
    /// Ended by an empty one.
    pub methods: &'static [MethodDef],
    /// Ended by an empty one.
    pub attributes: &'static [GetSet],
    /// For one that holds references: traverse and clear.
    pub collect: Option<(*const c_void, unsafe extern "C" fn(Obj) -> c_int)>,
}

// SAFETY: constants.
unsafe impl Sync for Kind {}

/// Frees an instance that holds no references.
unsafe extern "C" fn dealloc(this: Obj) {
    // SAFETY: the last reference is gone.
    unsafe { let_go(this) };
}

/// The end of an instance whose own references are gone: weak references, memory, type.
///
/// # Safety
/// Called by tp_dealloc; GIL held.
pub unsafe fn let_go(this: Obj) {
    let api = api();
    // SAFETY: every instance begins with a `Base`; its type is a heap type, of which it holds a reference.
    unsafe {
        let kind = type_of(this);
        if !(*this.cast::<Base>()).weakrefs.is_null() {
            (api.PyObject_ClearWeakRefs)(this);
        }
        let free = (api.PyType_GetSlot)(kind, TP_FREE);
        let free: unsafe extern "C" fn(*mut c_void) = core::mem::transmute(free);
        free(this.cast());
        drop_ref(kind);
    }
}

/// Frees an instance that holds references.
unsafe extern "C" fn dealloc_collected(this: Obj) {
    let api = api();
    // SAFETY: the last reference is gone; `tp_clear` of the type drops what it holds.
    unsafe {
        (api.PyObject_GC_UnTrack)(this.cast());
        let clear = (api.PyType_GetSlot)(type_of(this), TP_CLEAR);
        let clear: unsafe extern "C" fn(Obj) -> c_int = core::mem::transmute(clear);
        clear(this);
        let_go(this);
    }
}

/// Makes a type; NULL with a Python exception set.
///
/// # Safety
/// GIL held. Instances of the type begin with a [`Base`] (PT1).
pub unsafe fn make(kind: &Kind) -> New {
    let slot = |slot, func: *const c_void| TypeSlot { slot, func: func.cast_mut() };
    let (free, extra) = match kind.collect {
        None => (dealloc as *const c_void, [slot(0, core::ptr::null()), slot(0, core::ptr::null())]),
        Some((traverse, clear)) => {
            (dealloc_collected as *const c_void, [slot(TP_TRAVERSE, traverse), slot(TP_CLEAR, clear as *const c_void)])
        }
    };
    let [traverse, clear] = extra;
    let new = api().PyType_GenericNew as *const c_void;
    let mut slots = [
        slot(TP_DEALLOC, free),
        slot(TP_NEW, new),
        slot(TP_INIT, kind.init as *const c_void),
        slot(TP_METHODS, kind.methods.as_ptr().cast()),
        slot(TP_GETSET, kind.attributes.as_ptr().cast()),
        slot(TP_MEMBERS, MEMBERS.as_ptr().cast()),
        slot(TP_DOC, kind.doc.as_ptr().cast()),
        traverse,
        clear,
        slot(0, core::ptr::null()),
    ];
    let collected = if kind.collect.is_some() { FLAG_HAVE_GC } else { 0 };
    let mut spec = TypeSpec {
        name: kind.name.as_ptr(),
        basicsize: kind.size as c_int,
        itemsize: 0,
        flags: FLAG_DEFAULT | FLAG_BASETYPE | collected,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: CPython copies the slots and keeps the tables, which are static.
    unsafe { (api().PyType_FromSpec)(&mut spec) }
}

/// Splits the arguments of tp_init into named ones, NULL where not given. None: a Python exception is set.
///
/// # Safety
/// GIL held; a tuple, and a dict or NULL. The results are borrowed from them.
pub unsafe fn named<const N: usize>(names: [&core::ffi::CStr; N], args: Obj, keywords: Obj) -> Option<[Obj; N]> {
    let api = api();
    let mut found = [null_mut(); N];
    // SAFETY: the caller's promise.
    unsafe {
        let count = (api.PyTuple_Size)(args) as usize;
        if count > N {
            raise(api.PyExc_TypeError, c"too many arguments");
            return None;
        }
        for (index, place) in found.iter_mut().enumerate().take(count) {
            *place = (api.PyTuple_GetItem)(args, index as Ssize);
        }
        let mut left = if keywords.is_null() { 0 } else { (api.PyDict_Size)(keywords) };
        for (index, name) in names.iter().enumerate() {
            if left == 0 {
                break;
            }
            let value = (api.PyDict_GetItemString)(keywords, name.as_ptr());
            if value.is_null() {
                continue;
            }
            if index < count {
                raise(api.PyExc_TypeError, c"an argument was given twice");
                return None;
            }
            found[index] = value;
            left -= 1;
        }
        if left != 0 {
            raise(api.PyExc_TypeError, c"unexpected keyword argument");
            return None;
        }
    }
    Some(found)
}

/// A new reference to True or False.
///
/// # Safety
/// GIL held.
pub unsafe fn truth(value: bool) -> New {
    let api = api();
    // SAFETY: the two singletons.
    unsafe { new_ref(if value { api.true_ } else { api.false_ }) }
}

/// Whether an argument is given and false. None: a Python exception is set.
///
/// # Safety
/// GIL held; NULL or a live object.
pub unsafe fn refused(argument: Obj) -> Option<bool> {
    let api = api();
    // SAFETY: the caller's promise.
    unsafe {
        if argument.is_null() || argument == api.true_ {
            return Some(false);
        }
        match (api.PyObject_IsTrue)(argument) {
            -1 => None,
            true_ => Some(true_ == 0),
        }
    }
}

/// Puts the types into `dict`. False: a Python exception is set.
///
/// # Safety
/// GIL held; called once.
pub unsafe fn fill(dict: Obj) -> bool {
    // SAFETY: each type is dropped after the dict took its own reference.
    unsafe {
        [
            (c"WaitQueue", &waitqueue::KIND),
            (c"Semaphore", &semaphore::KIND),
            (c"Queue", &queue::KIND),
            (c"WebSocketEngine", &websocket::KIND),
            (c"Connection", &super::http::KIND),
        ]
        .iter()
        .all(|(name, kind)| {
            let made = make(kind);
            let rc = if made.is_null() { -1 } else { (api().PyDict_SetItemString)(dict, name.as_ptr(), made) };
            drop_ref(made);
            rc == 0
        })
    }
}
