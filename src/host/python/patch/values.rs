//! Arguments and results as plain values: numbers, bytes, texts. What is not of the expected kind is left to CPython's own
//! function, which says so in its own words; therefore nothing here leaves an exception set, except where it says so.

use super::super::api::{api, drop_ref, New, Obj, Ssize};
use core::ffi::{c_int, c_void};

/// `Py_buffer`, whose layout is the same since 3.0 and part of the stable ABI since 3.11.
#[repr(C)]
struct Buffer {
    start: *mut u8,
    object: Obj,
    length: Ssize,
    rest: [usize; 8],
}

const PYBUF_SIMPLE: c_int = 0;
const PYBUF_WRITABLE: c_int = 1;

/// Bytes of an object, held for the time of a call.
pub struct Bytes(Box<Buffer>);

impl Bytes {
    /// Nothing when the object has no such buffer.
    ///
    /// # Safety
    /// GIL held; a live object.
    pub unsafe fn of(object: Obj, writable: bool) -> Option<Bytes> {
        let mut view =
            Box::new(Buffer { start: core::ptr::null_mut(), object: core::ptr::null_mut(), length: 0, rest: [0; 8] });
        let flags = if writable { PYBUF_WRITABLE } else { PYBUF_SIMPLE };
        // SAFETY: a live object; room for a Py_buffer (80 bytes).
        unsafe {
            if (api().PyObject_GetBuffer)(object, (&raw mut *view).cast::<c_void>(), flags) != 0 {
                (api().PyErr_Clear)();
                return None;
            }
        }
        Some(Bytes(view))
    }

    /// Where they begin.
    #[inline(always)]
    pub fn start(&self) -> *mut u8 {
        self.0.start
    }

    /// How many there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.0.length as usize
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        // SAFETY: the view was filled by PyObject_GetBuffer; GIL held, as wherever this room runs.
        unsafe { (api().PyBuffer_Release)((&raw mut *self.0).cast::<c_void>()) };
    }
}

/// An int argument; `default` when absent, `None` when it is not an int that fits.
///
/// # Safety
/// GIL held; NULL or a live object.
#[inline(always)]
pub unsafe fn int(object: Obj, default: i64) -> Option<i64> {
    let api = api();
    if object.is_null() {
        return Some(default);
    }
    // SAFETY: a live object.
    unsafe {
        let number = (api.PyLong_AsLongLong)(object);
        if number == -1 && !(api.PyErr_Occurred)().is_null() {
            (api.PyErr_Clear)();
            return None;
        }
        Some(number)
    }
}

/// As [`int`], for a C int.
///
/// # Safety
/// As [`int`].
#[inline(always)]
pub unsafe fn c_int_of(object: Obj, default: c_int) -> Option<c_int> {
    // SAFETY: the caller's promise.
    unsafe { int(object, default.into()) }.and_then(|number| c_int::try_from(number).ok())
}

/// The outcome of filling a fresh bytes object.
pub enum Filled {
    /// That many bytes.
    Bytes(usize),
    /// It stays unused; the caller knows why.
    Nothing,
}

/// A bytes object of at most `room` bytes, filled by `fill`, which may switch. NULL with an exception set when there is no memory, or
/// when `fill` has none.
///
/// # Safety
/// GIL held. `fill` writes no more than `room` bytes, and sets an exception when it answers [`Filled::Nothing`].
#[inline(always)]
pub unsafe fn filled(room: usize, fill: impl FnOnce(*mut u8) -> Filled) -> New {
    let api = api();
    // SAFETY: the bytes object is ours alone until it is returned.
    unsafe {
        let mut bytes = (api.PyBytes_FromStringAndSize)(core::ptr::null(), room as Ssize);
        if bytes.is_null() {
            return bytes;
        }
        match fill((api.PyBytes_AsString)(bytes).cast::<u8>()) {
            Filled::Bytes(count) => {
                if count != room {
                    (api._PyBytes_Resize)(&mut bytes, count as Ssize);
                }
                bytes
            }
            Filled::Nothing => {
                drop_ref(bytes);
                core::ptr::null_mut()
            }
        }
    }
}

/// A tuple of the given references (taken over). NULL when one of them is, with the exception that said so.
///
/// # Safety
/// GIL held; owned references.
pub unsafe fn pack(parts: &[New]) -> New {
    let api = api();
    // SAFETY: owned references; a fresh tuple.
    unsafe {
        let tuple = if parts.iter().any(|part| part.is_null()) {
            core::ptr::null_mut()
        } else {
            (api.PyTuple_New)(parts.len() as isize)
        };
        for (index, part) in parts.iter().enumerate() {
            if tuple.is_null() {
                drop_ref(*part);
            } else {
                (api.PyTuple_SetItem)(tuple, index as isize, *part);
            }
        }
        tuple
    }
}
