//! Calling conventions: how a replacement is entered, whatever shape the CPython function that it replaces has.
//!
//! The shape of one primitive differs between CPython versions (`METH_O` here, `METH_FASTCALL` there), and the shape that counts
//! is the one in the flags of the definition, read at run time. So a replacement is written once, on [`Args`], and has one
//! entry per shape; patching picks the entry. The same `Args` can be handed on to the saved original unchanged.

use super::super::api::{
    api, drop_ref, new_ref, type_of, New, Obj, Ssize, METH_FASTCALL, METH_KEYWORDS, METH_NOARGS, METH_O, METH_VARARGS,
};
use super::table::Row;
use super::values::pack;
use core::ffi::{c_int, c_void, CStr};

/// With METH_FASTCALL | METH_KEYWORDS: the defining class comes second.
pub const METH_METHOD: c_int = 0x0200;

type Plain = unsafe extern "C-unwind" fn(Obj, Obj) -> New;
type Keywords = unsafe extern "C-unwind" fn(Obj, Obj, Obj) -> New;
type Fast = unsafe extern "C-unwind" fn(Obj, *const Obj, Ssize) -> New;
type FastKeywords = unsafe extern "C-unwind" fn(Obj, *const Obj, Ssize, Obj) -> New;
type Method = unsafe extern "C-unwind" fn(Obj, Obj, *const Obj, Ssize, Obj) -> New;

/// The arguments as they came, in the shape in which they came. All borrowed from the caller's frame.
#[derive(Clone, Copy)]
pub enum Raw {
    /// METH_NOARGS
    Nothing,
    /// METH_O
    One(Obj),
    /// METH_VARARGS
    Tuple(Obj),
    /// METH_VARARGS | METH_KEYWORDS; the dict may be NULL
    TupleDict(Obj, Obj),
    /// METH_FASTCALL
    Vector(*const Obj, Ssize),
    /// METH_FASTCALL | METH_KEYWORDS; the names may be NULL
    VectorNames(*const Obj, Ssize, Obj),
    /// METH_METHOD | METH_FASTCALL | METH_KEYWORDS
    Method(Obj, *const Obj, Ssize, Obj),
}

/// One call of a patched primitive.
#[derive(Clone, Copy)]
pub struct Args {
    /// The object of a method, the module of a function.
    pub this: Obj,
    /// The arguments.
    pub raw: Raw,
    /// The primitive that was called.
    pub row: &'static Row,
}

/// A replacement: its row in the table, and its body. The body may call [`Args::original`].
pub trait Primitive {
    /// The row of the primitive.
    fn row() -> &'static Row;
    /// The replacement.
    ///
    /// # Safety
    /// Called by CPython with the GIL held and arguments of the shape in `raw`.
    unsafe fn green(args: &Args) -> New;
}

/// The entries of one primitive, by shape.
pub struct Entries {
    nothing: Plain,
    one: Plain,
    tuple: Plain,
    tuple_dict: Keywords,
    vector: Fast,
    vector_names: FastKeywords,
    method: Method,
}

/// Aborts when a panic leaves an entry: CPython's frames must not be unwound by one.
///
/// The entries, and the calls of saved originals, are "C-unwind" for another reason: when the interpreter ends, CPython ends
/// OS threads that come back for the GIL with `pthread_exit`, which unwinds their stacks. A thread that waits in an original
/// which a replacement called has our frames on its stack, and they must let that pass.
struct NoPanic;

impl Drop for NoPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

// PC1. CPython calls an entry with the shape that the definition's flags name, which is how the entry was chosen; `green`
//     gets exactly those arguments.
unsafe extern "C-unwind" fn nothing<P: Primitive>(this: Obj, _: Obj) -> New {
    let _guard = NoPanic;
    // SAFETY: PC1.
    unsafe { P::green(&Args { this, raw: Raw::Nothing, row: P::row() }) }
}
unsafe extern "C-unwind" fn one<P: Primitive>(this: Obj, argument: Obj) -> New {
    let _guard = NoPanic;
    // SAFETY: PC1.
    unsafe { P::green(&Args { this, raw: Raw::One(argument), row: P::row() }) }
}
unsafe extern "C-unwind" fn tuple<P: Primitive>(this: Obj, arguments: Obj) -> New {
    let _guard = NoPanic;
    // SAFETY: PC1.
    unsafe { P::green(&Args { this, raw: Raw::Tuple(arguments), row: P::row() }) }
}
unsafe extern "C-unwind" fn tuple_dict<P: Primitive>(this: Obj, arguments: Obj, named: Obj) -> New {
    let _guard = NoPanic;
    // SAFETY: PC1.
    unsafe { P::green(&Args { this, raw: Raw::TupleDict(arguments, named), row: P::row() }) }
}
unsafe extern "C-unwind" fn vector<P: Primitive>(this: Obj, arguments: *const Obj, count: Ssize) -> New {
    let _guard = NoPanic;
    // SAFETY: PC1.
    unsafe { P::green(&Args { this, raw: Raw::Vector(arguments, count), row: P::row() }) }
}
unsafe extern "C-unwind" fn vector_names<P: Primitive>(
    this: Obj,
    arguments: *const Obj,
    count: Ssize,
    names: Obj,
) -> New {
    let _guard = NoPanic;
    // SAFETY: PC1.
    unsafe { P::green(&Args { this, raw: Raw::VectorNames(arguments, count, names), row: P::row() }) }
}
unsafe extern "C-unwind" fn method<P: Primitive>(
    this: Obj,
    class: Obj,
    arguments: *const Obj,
    count: Ssize,
    names: Obj,
) -> New {
    let _guard = NoPanic;
    // SAFETY: PC1.
    unsafe { P::green(&Args { this, raw: Raw::Method(class, arguments, count, names), row: P::row() }) }
}

impl Entries {
    /// The seven entries of `P`.
    pub const fn of<P: Primitive>() -> Entries {
        Entries {
            nothing: nothing::<P>,
            one: one::<P>,
            tuple: tuple::<P>,
            tuple_dict: tuple_dict::<P>,
            vector: vector::<P>,
            vector_names: vector_names::<P>,
            method: method::<P>,
        }
    }

    /// The entry for a definition with these flags, or nothing for a shape that is not known.
    pub fn pick(&self, flags: c_int) -> Option<*const c_void> {
        const BOTH: c_int = METH_VARARGS | METH_KEYWORDS;
        const FAST_NAMES: c_int = METH_FASTCALL | METH_KEYWORDS;
        const METHOD: c_int = METH_METHOD | METH_FASTCALL | METH_KEYWORDS;
        Some(match flags {
            METH_NOARGS => self.nothing as *const c_void,
            METH_O => self.one as *const c_void,
            METH_VARARGS => self.tuple as *const c_void,
            BOTH => self.tuple_dict as *const c_void,
            METH_FASTCALL => self.vector as *const c_void,
            FAST_NAMES => self.vector_names as *const c_void,
            METHOD => self.method as *const c_void,
            _ => return None,
        })
    }
}

impl Args {
    /// Calls the saved C function with the arguments as they came.
    ///
    /// # Safety
    /// GIL held; inside the call that these arguments belong to.
    #[cold]
    pub unsafe fn original(&self) -> New {
        // SAFETY: the arguments have the shape of the definition, which is the saved function's.
        unsafe { self.original_on(self.this) }
    }

    /// As [`Args::original`], on another object of the same type.
    ///
    /// # Safety
    /// As above, and `this` fits the method.
    pub unsafe fn original_on(&self, this: Obj) -> New {
        let saved = self.row.saved();
        // SAFETY: `raw` was made by the entry that matches the definition's flags, and so fits the saved function too.
        unsafe {
            match self.raw {
                Raw::Nothing => core::mem::transmute::<*const c_void, Plain>(saved)(this, core::ptr::null_mut()),
                Raw::One(argument) | Raw::Tuple(argument) => {
                    core::mem::transmute::<*const c_void, Plain>(saved)(this, argument)
                }
                Raw::TupleDict(arguments, named) => {
                    core::mem::transmute::<*const c_void, Keywords>(saved)(this, arguments, named)
                }
                Raw::Vector(arguments, count) => {
                    core::mem::transmute::<*const c_void, Fast>(saved)(this, arguments, count)
                }
                Raw::VectorNames(arguments, count, names) => {
                    core::mem::transmute::<*const c_void, FastKeywords>(saved)(this, arguments, count, names)
                }
                Raw::Method(class, arguments, count, names) => {
                    core::mem::transmute::<*const c_void, Method>(saved)(this, class, arguments, count, names)
                }
            }
        }
    }

    /// The class that defines the method, where the shape tells.
    pub fn class(&self) -> Option<Obj> {
        match self.raw {
            Raw::Method(class, ..) => Some(class),
            _ => None,
        }
    }

    /// Number of positional arguments.
    pub unsafe fn positional(&self) -> usize {
        match self.raw {
            Raw::Nothing => 0,
            Raw::One(_) => 1,
            // SAFETY: the tuple is the caller's.
            Raw::Tuple(arguments) | Raw::TupleDict(arguments, _) => unsafe { (api().PyTuple_Size)(arguments) as usize },
            Raw::Vector(_, count) | Raw::VectorNames(_, count, _) | Raw::Method(_, _, count, _) => count as usize,
        }
    }

    /// Number of keyword arguments.
    pub unsafe fn keywords(&self) -> usize {
        // SAFETY: the dict and the tuple are the caller's.
        unsafe {
            match self.raw {
                Raw::TupleDict(_, named) if !named.is_null() => (api().PyDict_Size)(named) as usize,
                Raw::VectorNames(_, _, names) | Raw::Method(_, _, _, names) if !names.is_null() => {
                    (api().PyTuple_Size)(names) as usize
                }
                _ => 0,
            }
        }
    }

    /// Whether there are no arguments at all.
    pub unsafe fn none(&self) -> bool {
        // SAFETY: as above.
        unsafe { self.positional() == 0 && self.keywords() == 0 }
    }

    /// The positional argument `index`, borrowed; NULL when there are fewer.
    pub unsafe fn at(&self, index: usize) -> Obj {
        // SAFETY: the index is below the count.
        unsafe {
            if index >= self.positional() {
                return core::ptr::null_mut();
            }
            match self.raw {
                Raw::Nothing => core::ptr::null_mut(),
                Raw::One(argument) => argument,
                Raw::Tuple(arguments) | Raw::TupleDict(arguments, _) => {
                    (api().PyTuple_GetItem)(arguments, index as Ssize)
                }
                Raw::Vector(arguments, _) | Raw::VectorNames(arguments, _, _) | Raw::Method(_, arguments, _, _) => {
                    *arguments.add(index)
                }
            }
        }
    }

    /// The keyword argument `name`, borrowed; NULL when absent.
    pub unsafe fn named(&self, name: &CStr) -> Obj {
        let api = api();
        // SAFETY: the containers are the caller's; values after the positional ones match the names in order.
        unsafe {
            match self.raw {
                Raw::TupleDict(_, named) if !named.is_null() => (api.PyDict_GetItemString)(named, name.as_ptr()),
                Raw::VectorNames(arguments, count, names) | Raw::Method(_, arguments, count, names)
                    if !names.is_null() =>
                {
                    let many = (api.PyTuple_Size)(names);
                    for index in 0..many {
                        let candidate = (api.PyTuple_GetItem)(names, index);
                        if (api.PyUnicode_CompareWithASCIIString)(candidate, name.as_ptr()) == 0 {
                            return *arguments.offset(count + index);
                        }
                    }
                    core::ptr::null_mut()
                }
                _ => core::ptr::null_mut(),
            }
        }
    }

    /// Fills `out` with the arguments of a function whose parameters have these names, NULL for the absent ones. False
    /// when the call does not fit (too many, unknown or doubled arguments): the original then raises its own error.
    pub unsafe fn bind(&self, names: &[&CStr], out: &mut [Obj]) -> bool {
        // SAFETY: as in the methods used.
        unsafe {
            let given = self.positional();
            if given > names.len() {
                return false;
            }
            let mut keywords = self.keywords();
            for (index, name) in names.iter().enumerate() {
                out[index] = self.at(index);
                if keywords != 0 {
                    let value = self.named(name);
                    if !value.is_null() {
                        if index < given {
                            return false;
                        }
                        out[index] = value;
                        keywords -= 1;
                    }
                }
            }
            keywords == 0
        }
    }
}

/// The positional arguments of a call as a tuple, with argument `index` replaced by `value`, which is taken over.
///
/// # Safety
/// GIL held; a live call; a reference of the caller's, or NULL.
pub unsafe fn replaced(args: &Args, index: usize, value: New) -> New {
    // SAFETY: the caller's promise.
    unsafe {
        let part = |at: usize| if at == index { value } else { new_ref(args.at(at)) };
        pack(&(0..args.positional()).map(part).collect::<Vec<_>>())
    }
}

/// CPython's own function with argument `index` replaced by `value`, which is taken over.
///
/// # Safety
/// As of [`replaced`] and [`apply`].
pub unsafe fn original_with(args: &Args, index: usize, value: New) -> New {
    // SAFETY: the caller's promise; the tuple is ours.
    unsafe {
        let arguments = replaced(args, index, value);
        if arguments.is_null() {
            return arguments;
        }
        let result = apply(args.row, args.this, arguments, None);
        drop_ref(arguments);
        result
    }
}

/// A saved C function called with a tuple of positional arguments, whatever its shape.
///
/// # Safety
/// GIL held; `row` is resolved; `this` fits it, and its type is the defining class where the shape has one (or `class` is);
/// `arguments` is a tuple.
pub unsafe fn apply(row: &Row, this: Obj, arguments: Obj, class: Option<Obj>) -> New {
    let (function, flags) = (row.saved(), row.flags());
    let api = api();
    // SAFETY: the caller's promise; the vector lives as long as the call.
    unsafe {
        if flags & METH_FASTCALL == 0 {
            if flags & METH_KEYWORDS != 0 {
                return core::mem::transmute::<*const c_void, Keywords>(function)(
                    this,
                    arguments,
                    core::ptr::null_mut(),
                );
            }
            let argument = match flags {
                METH_NOARGS => core::ptr::null_mut(),
                METH_O => (api.PyTuple_GetItem)(arguments, 0),
                _ => arguments,
            };
            return core::mem::transmute::<*const c_void, Plain>(function)(this, argument);
        }
        let count = (api.PyTuple_Size)(arguments);
        let items: Vec<Obj> = (0..count).map(|index| (api.PyTuple_GetItem)(arguments, index)).collect();
        if flags & METH_METHOD != 0 {
            let class = class.unwrap_or_else(|| type_of(this));
            return core::mem::transmute::<*const c_void, Method>(function)(
                this,
                class,
                items.as_ptr(),
                count,
                core::ptr::null_mut(),
            );
        }
        if flags & METH_KEYWORDS != 0 {
            return core::mem::transmute::<*const c_void, FastKeywords>(function)(
                this,
                items.as_ptr(),
                count,
                core::ptr::null_mut(),
            );
        }
        core::mem::transmute::<*const c_void, Fast>(function)(this, items.as_ptr(), count)
    }
}
