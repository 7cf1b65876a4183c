//! What the Python package (`greenrt.monkey`) calls: the table, writing and taking back, callables on the originals.

use super::super::api::{api, drop_ref, none, raise_text, MethodDef, New, Obj, METH_NOARGS, METH_O};
use super::table::{self, Family, Found, Row};
use super::{layout, thread, waiters};
use core::ffi::{c_int, c_void, CStr};

/// A Python str of a Rust one.
unsafe fn text(string: &str) -> New {
    // SAFETY: UTF-8 with its length; GIL held by the caller.
    unsafe { (api().PyUnicode_FromStringAndSize)(string.as_ptr().cast(), string.len() as isize) }
}

/// The row named by a str argument; nothing, with a ValueError set, when there is none.
unsafe fn named(name: Obj) -> Option<&'static Row> {
    let api = api();
    // SAFETY: a live object; the bytes live as long as it.
    unsafe {
        let mut size = 0;
        let bytes = (api.PyUnicode_AsUTF8AndSize)(name, &mut size);
        if bytes.is_null() {
            return None;
        }
        let name = core::str::from_utf8_unchecked(core::slice::from_raw_parts(bytes.cast::<u8>(), size as usize));
        let row = table::find(name);
        if row.is_none() {
            raise_text(api.PyExc_ValueError, &format!("{name} is not a primitive that greenrt knows"));
        }
        row
    }
}

/// The rows named by a tuple of str.
unsafe fn rows(names: Obj) -> Option<Vec<&'static Row>> {
    let api = api();
    // SAFETY: a tuple, as the package passes it.
    unsafe { (0..(api.PyTuple_Size)(names)).map(|index| named((api.PyTuple_GetItem)(names, index))).collect() }
}

// SAFETY of all functions below: called by CPython with the GIL held and the arguments that their flags say.

/// `patch_rows()`: a list of (name, family).
unsafe extern "C" fn patch_rows(_: Obj, _: Obj) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let list = (api.PyList_New)(0);
        for row in &table::ROWS {
            let pair = (api.PyTuple_New)(2);
            if list.is_null() || pair.is_null() {
                drop_ref(pair);
                break;
            }
            (api.PyTuple_SetItem)(pair, 0, text(row.name));
            (api.PyTuple_SetItem)(pair, 1, text(row.family.name()));
            (api.PyList_Append)(list, pair);
            drop_ref(pair);
        }
        list
    }
}

/// `patch_write(names)`: writes those rows; RuntimeError, and nothing written, when a check fails.
unsafe extern "C" fn patch_write(_: Obj, names: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(wanted) = rows(names) else { return core::ptr::null_mut() };
        match table::write(&|row| wanted.iter().any(|one| core::ptr::eq(*one, row))) {
            Ok(()) => none(),
            Err(reason) => {
                raise_text(api().PyExc_RuntimeError, &format!("cannot patch: {reason}; nothing was changed"))
            }
        }
    }
}

/// `patch_restore(names)`: puts the originals back. RuntimeError while tasks wait in a replaced lock or queue (the
/// original release would not wake them) or threads run as tasks (an original join would wait for ever).
unsafe extern "C" fn patch_restore(_: Obj, names: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(wanted) = rows(names) else { return core::ptr::null_mut() };
        let matters = wanted.iter().any(|row| matches!(row.family, Family::Lock | Family::Queue | Family::Thread));
        let (waiting, running) = (waiters::count(), thread::count());
        if matters && waiting + running > 0 {
            let reason = format!(
                "cannot unpatch while {waiting} tasks wait for locks, queues or threads and {running} threads run as \
                 tasks; nothing was changed"
            );
            return raise_text(api().PyExc_RuntimeError, &reason);
        }
        wanted.iter().filter(|row| row.family != Family::Identity).for_each(|row| table::restore(row));
        none()
    }
}

/// `patch_state(name)`: "patched", "original", "absent" on this CPython, or why it cannot be patched.
unsafe extern "C" fn patch_state(_: Obj, name: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(row) = named(name) else { return core::ptr::null_mut() };
        match table::resolve(row) {
            _ if row.is_written() => text("patched"),
            Found::Ready => text("original"),
            Found::Absent => text("absent"),
            Found::Refused(reason) => text(&reason),
        }
    }
}

/// `patch_original(name)`: a callable on the saved C function: of a function, a function; of a method, a method
/// descriptor that takes the object first.
unsafe extern "C" fn patch_original(_: Obj, name: Obj) -> New {
    let api = api();
    // SAFETY: see above. The definition is leaked: CPython keeps a pointer to it for ever.
    unsafe {
        let Some(row) = named(name) else { return core::ptr::null_mut() };
        match table::resolve(row) {
            Found::Ready => {}
            Found::Absent => return raise_text(api.PyExc_ValueError, &format!("this CPython has no {}", row.name)),
            Found::Refused(reason) => return raise_text(api.PyExc_RuntimeError, &reason),
        }
        let Some(found) = table::object_of(row) else { return core::ptr::null_mut() };
        let definition = row.definition();
        let copy = Box::into_raw(Box::new(MethodDef {
            name: (*definition).name,
            meth: row.saved(),
            flags: row.flags(),
            doc: (*definition).doc,
        }));
        let of_a_module = row.name.split('.').count() == 2;
        let made = if of_a_module {
            (api.PyCFunction_NewEx)(copy, (api.PyCFunction_GetSelf)(found), core::ptr::null_mut())
        } else {
            let class = (api.PyObject_GetAttrString)(found, c"__objclass__".as_ptr());
            let made = if class.is_null() { class } else { (api.PyDescr_NewMethod)(class, copy) };
            drop_ref(class);
            made
        };
        drop_ref(found);
        made
    }
}

/// `patch_definition(object, name)`: address of the definition behind a builtin; RuntimeError when the checks refuse. For tests
/// of the finding itself.
unsafe extern "C" fn patch_definition(_: Obj, pair: Obj) -> New {
    let api = api();
    // SAFETY: see above; the package passes (object, name).
    unsafe {
        let mut size = 0;
        let bytes = (api.PyUnicode_AsUTF8AndSize)((api.PyTuple_GetItem)(pair, 1), &mut size);
        if bytes.is_null() {
            return core::ptr::null_mut();
        }
        match layout::definition((api.PyTuple_GetItem)(pair, 0), CStr::from_ptr(bytes)) {
            Ok(found) => (api.PyLong_FromUnsignedLongLong)(found as u64),
            Err(reason) => raise_text(api.PyExc_RuntimeError, &reason),
        }
    }
}

/// `patch_waiting()`: how many tasks wait for locks, queues and threads.
unsafe extern "C" fn patch_waiting(_: Obj, _: Obj) -> New {
    // SAFETY: see above.
    unsafe { (api().PyLong_FromSsize_t)(waiters::count() as isize) }
}

type Plain = unsafe extern "C" fn(Obj, Obj) -> New;

const fn row(name: &'static CStr, function: Plain, flags: c_int, doc: &'static CStr) -> MethodDef {
    MethodDef { name: name.as_ptr(), meth: function as *const c_void, flags, doc: doc.as_ptr() }
}

/// Rows for the dict of builtins.
pub(crate) static BUILTINS: &[MethodDef] = &[
    row(c"patch_rows", patch_rows, METH_NOARGS, c"patch_rows() -> [(name, family)]"),
    row(
        c"patch_write",
        patch_write,
        METH_O,
        c"patch_write(names)\n\nWrite the replacements of these primitives: all or none.",
    ),
    row(c"patch_restore", patch_restore, METH_O, c"patch_restore(names)\n\nPut CPython's own functions back."),
    row(c"patch_state", patch_state, METH_O, c"patch_state(name) -> 'patched', 'original', 'absent', or a reason"),
    row(c"patch_original", patch_original, METH_O, c"patch_original(name)\n\nA callable on the saved C function."),
    row(c"patch_definition", patch_definition, METH_O, c"patch_definition((object, name)) -> address"),
    row(c"patch_waiting", patch_waiting, METH_NOARGS, c"patch_waiting() -> tasks parked in locks, queues and joins"),
];
