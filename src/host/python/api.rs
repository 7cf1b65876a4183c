//! The CPython functions this room uses, looked up in the running process when Python asks for its builtins.
//!
//! Nothing here is linked: a C program that loads libgreenrt has no CPython, and never calls [`load`]. Looking the names
//! up at run time is also what lets one library file serve every CPython version: the names are those of the stable
//! ABI (plus a few that every supported version exports).
//!
//! The types state the reference-count rule of each position, because that is where a binding without headers goes wrong:
//!
//! * [`Obj`] as a parameter: borrowed by the callee, the caller's count is unchanged.
//! * [`New`] as a result: the caller owns one reference, and NULL means that a Python exception is set (unless the
//!   function's comment says otherwise).
//! * [`Borrowed`] as a result: valid only as long as its owner is.
//! * [`Stolen`] as a parameter: the callee takes over one reference of the caller, on failure too.
//!
//! Everything needs the GIL, and a current thread state, except where a comment says otherwise.

use core::ffi::{c_char, c_int, c_long, c_void};
use core::sync::atomic::{AtomicPtr, Ordering};

/// A Python object, as far as this room looks into one: nothing of it.
#[repr(C)]
pub struct PyObject {
    _private: [u8; 0],
}

/// A borrowed parameter.
pub type Obj = *mut PyObject;
/// A result that the caller owns.
pub type New = *mut PyObject;
/// A result that somebody else keeps alive.
pub type Borrowed = *mut PyObject;
/// A parameter whose reference the callee takes over.
pub type Stolen = *mut PyObject;
/// `PyThreadState *`, opaque.
pub type State = *mut c_void;
/// `Py_ssize_t`.
pub type Ssize = isize;

/// `PyMethodDef`. CPython keeps the pointer: a definition must live for ever.
#[repr(C)]
pub struct MethodDef {
    /// Name, NUL-terminated.
    pub name: *const c_char,
    /// The C function, of the shape that `flags` says.
    pub meth: *const c_void,
    /// METH_* flags.
    pub flags: c_int,
    /// Documentation or NULL.
    pub doc: *const c_char,
}

// SAFETY: a definition is a constant table of pointers to constants.
unsafe impl Sync for MethodDef {}

/// `f(self, arg)`
pub const METH_O: c_int = 0x0008;
/// `f(self, args tuple)`
pub const METH_VARARGS: c_int = 0x0001;
/// With METH_VARARGS or METH_FASTCALL: keyword arguments too.
pub const METH_KEYWORDS: c_int = 0x0002;
/// `f(self, NULL)`
pub const METH_NOARGS: c_int = 0x0004;
/// A class method, in a type's table.
pub const METH_CLASS: c_int = 0x0010;
/// `f(self, args, count)`, with METH_KEYWORDS `f(self, args, count, names tuple or NULL)`
pub const METH_FASTCALL: c_int = 0x0080;

/// `PyType_Slot`.
#[repr(C)]
pub struct TypeSlot {
    /// Number of the slot (typeslots.h, stable).
    pub slot: c_int,
    /// Function or table.
    pub func: *mut c_void,
}

/// `PyType_Spec`.
#[repr(C)]
pub struct TypeSpec {
    /// "module.Name"
    pub name: *const c_char,
    /// Size of an instance.
    pub basicsize: c_int,
    /// 0
    pub itemsize: c_int,
    /// Py_TPFLAGS_*
    pub flags: u32,
    /// Ended by a zero slot.
    pub slots: *mut TypeSlot,
}

macro_rules! api {
    ($( $(#[$doc:meta])* fn $name:ident ( $($arg:ty),* ) $(-> $ret:ty)? ; )*
     optional { $( $(#[$odoc:meta])* fn $oname:ident ( $($oarg:ty),* ) $(-> $oret:ty)? ; )* }
     data { $( $(#[$ddoc:meta])* static $dname:ident = $dsym:literal ; )* }
     exceptions { $( $(#[$edoc:meta])* static $ename:ident ; )* }) => {
        /// The table. One per process, made by [`load`], never freed.
        #[allow(non_snake_case, reason = "the fields carry CPython's own names")]
        pub struct Api {
            $( $(#[$doc])* pub $name: unsafe extern "C" fn($($arg),*) $(-> $ret)?, )*
            $( $(#[$odoc])* pub $oname: Option<unsafe extern "C" fn($($oarg),*) $(-> $oret)?>, )*
            $( $(#[$ddoc])* pub $dname: Borrowed, )*
            $( $(#[$edoc])* pub $ename: Borrowed, )*
        }

        /// Looks every name up.
        ///
        /// # Safety
        /// The process runs CPython, and the calling thread holds the GIL.
        unsafe fn look_up() -> Result<Api, &'static str> {
            // SAFETY: each symbol has the C type that CPython's headers give it, which is the one
            // written in this file; pointer and function pointer have the same representation here.
            Ok(unsafe { Api {
                $( $name: core::mem::transmute::<*mut c_void, unsafe extern "C" fn($($arg),*) $(-> $ret)?>(
                    symbol(concat!(stringify!($name), "\0"))?), )*
                $( $oname: symbol(concat!(stringify!($oname), "\0")).ok().map(|found|
                    core::mem::transmute::<*mut c_void, unsafe extern "C" fn($($oarg),*) $(-> $oret)?>(found)), )*
                $( $dname: symbol(concat!($dsym, "\0"))?.cast::<PyObject>(), )*
                $( $ename: *symbol(concat!(stringify!($ename), "\0"))?.cast::<*mut PyObject>(), )*
            } })
        }
    };
}

api! {
    // -- references
    fn Py_IncRef(Obj);
    fn Py_DecRef(Obj);

    // -- errors
    fn PyErr_Occurred() -> Borrowed;
    /// (type, value): both counted anew.
    fn PyErr_SetObject(Obj, Obj);
    fn PyErr_SetNone(Obj);
    fn PyErr_SetString(Obj, *const c_char);
    /// Takes errno; always returns NULL.
    fn PyErr_SetFromErrno(Obj) -> New;
    fn PyErr_Clear();
    /// Owned results, NULL where absent.
    fn PyErr_Fetch(*mut New, *mut New, *mut New);
    /// Takes all three over.
    fn PyErr_Restore(Stolen, Stolen, Stolen);
    fn PyErr_NormalizeException(*mut New, *mut New, *mut New);
    fn PyErr_ExceptionMatches(Obj) -> c_int;
    fn PyErr_GivenExceptionMatches(Obj, Obj) -> c_int;
    fn PyErr_WriteUnraisable(Obj);
    /// (name with dot, documentation or NULL, base or NULL, dict or NULL)
    fn PyErr_NewExceptionWithDoc(*const c_char, *const c_char, Obj, Obj) -> New;
    fn PyErr_CheckSignals() -> c_int;
    fn PyErr_NoMemory() -> New;
    fn PyException_SetTraceback(Obj, Obj) -> c_int;
    fn PyException_GetTraceback(Obj) -> New;

    // -- calling
    fn PyObject_Call(Obj, Obj, Obj) -> New;
    fn PyObject_CallNoArgs(Obj) -> New;
    /// (callable, arguments, count, keyword dict or NULL)
    fn PyObject_VectorcallDict(Obj, *const Obj, usize, Obj) -> New;
    fn PyCallable_Check(Obj) -> c_int;
    fn PyObject_GetIter(Obj) -> New;

    // -- objects
    fn PyObject_GetAttrString(Obj, *const c_char) -> New;
    fn PyObject_SetAttrString(Obj, *const c_char, Obj) -> c_int;
    fn PyObject_GetAttr(Obj, Obj) -> New;
    fn PyObject_Type(Obj) -> New;
    fn PyObject_IsTrue(Obj) -> c_int;
    fn PyObject_IsInstance(Obj, Obj) -> c_int;
    fn PyObject_RichCompareBool(Obj, Obj, c_int) -> c_int;
    fn PyObject_Str(Obj) -> New;
    /// -1 with an exception set.
    fn PyObject_Size(Obj) -> Ssize;
    fn PyObject_ClearWeakRefs(Obj);
    fn PyObject_GC_UnTrack(*mut c_void);
    fn PyType_GenericAlloc(Obj, Ssize) -> New;
    fn PyType_GenericNew(Obj, Obj, Obj) -> New;
    fn PyType_GetFlags(Obj) -> std::ffi::c_ulong;
    fn PyType_GetSlot(Obj, c_int) -> *mut c_void;
    fn PyType_FromSpec(*mut TypeSpec) -> New;
    fn PyType_IsSubtype(Obj, Obj) -> c_int;
    fn Py_GenericAlias(Obj, Obj) -> New;

    // -- numbers
    fn PyLong_FromLong(c_long) -> New;
    fn PyLong_FromLongLong(i64) -> New;
    fn PyLong_FromUnsignedLongLong(u64) -> New;
    fn PyLong_FromUnsignedLong(std::ffi::c_ulong) -> New;
    fn PyLong_FromSsize_t(Ssize) -> New;
    /// -1 with an exception set on failure.
    fn PyLong_AsLong(Obj) -> c_long;
    /// -1 with an exception set on failure.
    fn PyLong_AsLongLong(Obj) -> i64;
    /// -1.0 with an exception set on failure.
    fn PyFloat_AsDouble(Obj) -> f64;
    fn PyFloat_FromDouble(f64) -> New;

    // -- text and bytes
    fn PyUnicode_FromString(*const c_char) -> New;
    fn PyUnicode_FromStringAndSize(*const c_char, Ssize) -> New;
    fn PyUnicode_InternFromString(*const c_char) -> New;
    /// UTF-8 of a str, kept alive by it; NULL with an exception set.
    fn PyUnicode_AsUTF8AndSize(Obj, *mut Ssize) -> *const c_char;
    /// (str, encoding, errors or NULL)
    fn PyUnicode_AsEncodedString(Obj, *const c_char, *const c_char) -> New;
    /// (str, bytes or path, place for a bytes object): 0 with an exception set.
    fn PyUnicode_FSConverter(Obj, *mut c_void) -> c_int;
    fn PyUnicode_DecodeFSDefault(*const c_char) -> New;
    fn PyUnicode_CompareWithASCIIString(Obj, *const c_char) -> c_int;
    /// (bytes, count, errors or NULL)
    fn PyUnicode_DecodeLatin1(*const c_char, Ssize, *const c_char) -> New;
    fn PyUnicode_AsLatin1String(Obj) -> New;
    fn PyUnicode_Concat(Obj, Obj) -> New;
    fn PyBytes_FromStringAndSize(*const c_char, Ssize) -> New;
    fn PyBytes_AsString(Obj) -> *mut c_char;

    // -- containers
    fn PyTuple_New(Ssize) -> New;
    fn PyTuple_Size(Obj) -> Ssize;
    fn PyTuple_GetItem(Obj, Ssize) -> Borrowed;
    /// On a fresh tuple only.
    fn PyTuple_SetItem(Obj, Ssize, Stolen) -> c_int;
    fn PyList_New(Ssize) -> New;
    fn PyList_Size(Obj) -> Ssize;
    fn PyList_GetItem(Obj, Ssize) -> Borrowed;
    fn PyList_Append(Obj, Obj) -> c_int;
    fn PyList_SetSlice(Obj, Ssize, Ssize, Obj) -> c_int;
    fn PyDict_New() -> New;
    fn PyDict_Copy(Obj) -> New;
    /// A list of the values.
    fn PyDict_Values(Obj) -> New;
    fn PyDict_Clear(Obj);
    fn PyDict_Size(Obj) -> Ssize;
    fn PyDict_SetItem(Obj, Obj, Obj) -> c_int;
    fn PyDict_SetItemString(Obj, *const c_char, Obj) -> c_int;
    /// NULL without an exception when absent.
    fn PyDict_GetItemString(Obj, *const c_char) -> Borrowed;
    /// NULL with or without an exception.
    fn PyDict_GetItemWithError(Obj, Obj) -> Borrowed;
    fn PyDict_DelItem(Obj, Obj) -> c_int;

    // -- modules, functions, system
    fn PyCFunction_NewEx(*const MethodDef, Obj, Obj) -> New;
    fn PyCFunction_GetFunction(Obj) -> *mut c_void;
    fn PyCFunction_GetSelf(Obj) -> Borrowed;
    /// (pointer, name that lives as long, destructor)
    fn PyCapsule_New(*mut c_void, *const c_char, unsafe extern "C" fn(Obj)) -> New;
    fn PyCapsule_GetPointer(Obj, *const c_char) -> *mut c_void;
    fn PyImport_ImportModule(*const c_char) -> New;
    fn PySys_GetObject(*const c_char) -> Borrowed;
    fn PyEval_GetFrame() -> Borrowed;
    fn PyFrame_GetCode(Obj) -> New;
    /// NULL without an exception for the outermost.
    fn PyFrame_GetBack(Obj) -> New;
    fn Py_GetVersion() -> *const c_char;
    fn Py_GetRecursionLimit() -> c_int;

    // -- buffers of `Py_buffer` are read by layout in the files that need one
    fn PyObject_GetBuffer(Obj, *mut c_void, c_int) -> c_int;
    fn PyBuffer_Release(*mut c_void);

    // -- contexts
    fn PyContext_New() -> New;
    fn PyContext_Enter(Obj) -> c_int;
    fn PyContext_Exit(Obj) -> c_int;

    // -- thread states and the GIL
    fn PyInterpreterState_Get() -> *mut c_void;
    fn PyThreadState_New(*mut c_void) -> State;
    fn PyThreadState_Clear(State);
    /// Needs no current state.
    fn PyThreadState_Delete(State);
    /// May release the GIL for a while (3.12 and later): nothing borrowed may span it.
    fn PyThreadState_Swap(State) -> State;
    fn PyThreadState_Get() -> State;
    /// NULL without an exception when there is none.
    fn PyThreadState_GetDict() -> Borrowed;
    /// Needs no GIL.
    fn PyGILState_GetThisThreadState() -> State;
    /// Needs no GIL.
    fn PyGILState_Check() -> c_int;
    fn PyGILState_Ensure() -> c_int;
    fn PyGILState_Release(c_int);
    fn PyEval_SaveThread() -> State;
    fn PyEval_RestoreThread(State);
    /// Any thread; -1 when there are too many. The function is called in the main thread with the GIL held; -1 = an exception is set.
    fn Py_AddPendingCall(unsafe extern "C" fn(*mut c_void) -> c_int, *mut c_void) -> c_int;
    fn PyThread_get_stacksize() -> usize;
    fn PyThread_get_thread_ident() -> std::ffi::c_ulong;

    // -- patching in place
    fn PyCFunction_GetFlags(Obj) -> c_int;
    fn PyDescr_NewMethod(Obj, *mut MethodDef) -> New;
    fn PyNumber_Index(Obj) -> New;
    fn PyLong_AsUnsignedLong(Obj) -> std::ffi::c_ulong;
    fn PyObject_AsFileDescriptor(Obj) -> c_int;
    fn PySequence_Tuple(Obj) -> New;
    fn PySet_Add(Obj, Obj) -> std::ffi::c_int;
    /// On a bytes object that nobody else has; replaces it, by NULL with an exception set on failure.
    fn _PyBytes_Resize(*mut New, Ssize) -> c_int;
    /// (lock, microseconds, interruptible): 1 = acquired. With 0 microseconds it does not wait.
    fn PyThread_acquire_lock_timed(*mut c_void, i64, c_int) -> c_int;
    fn PyThread_release_lock(*mut c_void);

    optional {
        /// 3.14.2 and later: tells CPython where the stack of a state lies.
        fn PyUnstable_ThreadState_SetStackProtection(State, *mut c_void, usize) -> c_int;
    }
    data {
        /// None, borrowed.
        static none = "_Py_NoneStruct";
        /// True, borrowed.
        static true_ = "_Py_TrueStruct";
        /// False, borrowed.
        static false_ = "_Py_FalseStruct";
        /// The type of tuples.
        static tuple_type = "PyTuple_Type";
        /// The type of lists.
        static list_type = "PyList_Type";
        /// The type of str.
        static unicode_type = "PyUnicode_Type";
        /// The type of bytes.
        static bytes_type = "PyBytes_Type";
        /// The type of types.
        static type_type = "PyType_Type";
        /// The type `object`.
        static object_type = "PyBaseObject_Type";
        /// The type of dicts.
        static dict_type = "PyDict_Type";
        /// The type of ints.
        static long_type = "PyLong_Type";
        /// The type of floats.
        static float_type = "PyFloat_Type";
        /// The type of texts.
        static str_type = "PyUnicode_Type";
    }
    exceptions {
        /// BaseException
        static PyExc_BaseException;
        /// OSError
        static PyExc_OSError;
        /// ValueError
        static PyExc_ValueError;
        /// TypeError
        static PyExc_TypeError;
        /// RuntimeError
        static PyExc_RuntimeError;
        /// ImportError
        static PyExc_ImportError;
        /// OverflowError
        static PyExc_OverflowError;
        /// TimeoutError
        static PyExc_TimeoutError;
        /// SystemExit
        static PyExc_SystemExit;
        /// KeyboardInterrupt
        static PyExc_KeyboardInterrupt;
        /// BlockingIOError
        static PyExc_BlockingIOError;
        /// PermissionError
        static PyExc_PermissionError;
    }
}

static API: AtomicPtr<Api> = AtomicPtr::new(core::ptr::null_mut());

/// Finds one name in the running process.
fn symbol(name: &'static str) -> Result<*mut c_void, &'static str> {
    // SAFETY: the name is a constant that ends in NUL (the macro above adds it).
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr().cast()) };
    if found.is_null() {
        return Err(name);
    }
    Ok(found)
}

/// Fills the table; the name that is missing otherwise.
///
/// # Safety
/// The process runs CPython, and the calling thread holds the GIL.
pub unsafe fn load() -> Result<&'static Api, &'static str> {
    if API.load(Ordering::Acquire).is_null() {
        // SAFETY: the caller's promise.
        let table = Box::into_raw(Box::new(unsafe { look_up()? }));
        // The GIL makes this the only writer.
        API.store(table, Ordering::Release);
    }
    Ok(api())
}

/// The table. Only code that Python called may ask, and that is made after [`load`].
#[inline(always)]
pub fn api() -> &'static Api {
    // SAFETY: never freed once stored; every caller is reached through builtins that exist only after `load`.
    unsafe { &*API.load(Ordering::Relaxed) }
}

/// The type of an object, kept alive by it. Reads the second word of the object, which [`load`]'s caller checked with [`head_fits`].
///
/// # Safety
/// A live object.
#[inline(always)]
pub unsafe fn type_of(object: Obj) -> Borrowed {
    // SAFETY: the object head is a count and a type.
    unsafe { *object.cast::<Borrowed>().add(1) }
}

/// Is the object head of this interpreter the two words that this room assumes? (Not in a build that traces references or has no GIL.)
///
/// # Safety
/// GIL held.
pub unsafe fn head_fits() -> bool {
    let api = api();
    // SAFETY: None is at least two words large.
    unsafe {
        let kind = (api.PyObject_Type)(api.none);
        let fits = type_of(api.none) == kind && type_of(kind) == api.type_type;
        drop_ref(kind);
        fits
    }
}

/// Counts one reference more and hands it back, for results.
///
/// # Safety
/// A live object; GIL held.
#[inline(always)]
pub unsafe fn new_ref(object: Obj) -> New {
    // SAFETY: the caller's promise.
    unsafe { (api().Py_IncRef)(object) };
    object
}

/// Drops one reference; NULL is fine. May run any Python code (destructors), and so may switch tasks.
///
/// # Safety
/// The caller owns that reference; GIL held; no borrow of the room's own data is live.
#[inline(always)]
pub unsafe fn drop_ref(object: Stolen) {
    if !object.is_null() {
        // SAFETY: the caller's promise.
        unsafe { (api().Py_DecRef)(object) };
    }
}

/// A new reference to None.
///
/// # Safety
/// GIL held.
#[inline(always)]
pub unsafe fn none() -> New {
    // SAFETY: None lives for ever.
    unsafe { new_ref(api().none) }
}

/// Sets an exception of that type with a constant text; NULL, for `return raise(...)`.
///
/// # Safety
/// GIL held.
pub unsafe fn raise(kind: Obj, text: &core::ffi::CStr) -> New {
    // SAFETY: a live type and a NUL-terminated text.
    unsafe { (api().PyErr_SetString)(kind, text.as_ptr()) };
    core::ptr::null_mut()
}

/// Sets an exception of that type with a text made now; NULL.
///
/// # Safety
/// GIL held.
pub unsafe fn raise_text(kind: Obj, text: &str) -> New {
    let api = api();
    // SAFETY: the text's bytes are UTF-8 and their length is given; the str is released after use.
    unsafe {
        let message = (api.PyUnicode_FromStringAndSize)(text.as_ptr().cast(), text.len() as Ssize);
        if !message.is_null() {
            (api.PyErr_SetObject)(kind, message);
            drop_ref(message);
        }
    }
    core::ptr::null_mut()
}

/// Sets the OSError (or its subclass) of a negative result; NULL.
///
/// # Safety
/// GIL held.
pub unsafe fn raise_errno(rc: i64) -> New {
    let api = api();
    // SAFETY: errno of this thread; CPython reads it at once.
    unsafe {
        *libc::__errno_location() = (-rc) as c_int;
        (api.PyErr_SetFromErrno)(api.PyExc_OSError)
    }
}
