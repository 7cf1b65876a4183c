//! The methods of a connection that answer.

use core::ffi::{c_int, CStr};
use core::ptr::null_mut;

use super::super::api::{api, drop_ref, new_ref, none, raise, raise_errno, type_of, New, Obj, Ssize};
use super::super::gt;
use super::super::patch::values::{pack, Bytes};
use super::super::tasktype;
use super::super::tools::truth;
use super::prepare::{is_final, Outcome, Prepared};
use super::{open, until_answered, Came, Connection};

// Called by CPython with a live instance, the GIL held and arguments as the flags say: that is what each SAFETY line leans on.

/// `start_response(status, headers, exc_info=None)`: a usual call is kept until the answer is sent; others are somebody else's.
pub unsafe extern "C" fn start_response(this: Obj, args: *const Obj, count: Ssize, keywords: Obj) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        if count == 2
            && keywords.is_null()
            && !(*me).started
            && (*(*me).prepared).usual(*args, *args.add(1)) == Outcome::Done
        {
            return new_ref((*me).writer);
        }
        let Some((tuple, dict)) = tasktype::pack(args, count, keywords, 0) else { return null_mut() };
        let otherwise = new_ref((*me).otherwise);
        let result = (api.PyObject_Call)(otherwise, tuple, dict);
        drop_ref(otherwise);
        drop_ref(tuple);
        drop_ref(dict);
        result
    }
}

/// `take()`: what start_response() has kept.
pub unsafe extern "C" fn take(this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        match (*(*me).prepared).take() {
            Some((status, headers)) => pack(&[status, headers]),
            None => none(),
        }
    }
}

/// Bytes for the time of a call: those of a bytes object, or a buffer.
enum Data {
    Object(Obj),
    Buffer(Bytes),
}

impl Data {
    /// None: a Python exception is set.
    #[inline(always)]
    unsafe fn of(object: Obj) -> Option<Data> {
        // SAFETY: GIL held; a live object.
        unsafe {
            if type_of(object) == api().bytes_type {
                return Some(Data::Object(new_ref(object)));
            }
            let found = Bytes::of(object, false);
            if found.is_none() {
                raise(api().PyExc_TypeError, c"the body of an answer is bytes");
            }
            found.map(Data::Buffer)
        }
    }

    fn start(&self) -> *const core::ffi::c_void {
        match self {
            // SAFETY: a bytes object that is held.
            Data::Object(object) => unsafe { (api().PyBytes_AsString)(*object).cast() },
            Data::Buffer(view) => view.start().cast(),
        }
    }

    fn len(&self) -> usize {
        match self {
            // SAFETY: a bytes object that is held.
            Data::Object(object) => unsafe { (api().PyObject_Size)(*object) as usize },
            Data::Buffer(view) => view.len(),
        }
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if let Data::Object(object) = self {
            // SAFETY: owned; GIL held.
            unsafe { drop_ref(*object) };
        }
    }
}

/// An answer in one write. What was prepared is moved out for that time (HP2).
unsafe fn respond_with(me: *mut Connection, prepared: &mut Prepared, data: &Data) -> Came {
    // SAFETY: HP1; the texts are held by `prepared`, the bytes by `data`.
    unsafe {
        let (code, reason, fields, count) = prepared.told((*me).closing);
        let (start, length) = (data.start(), data.len());
        until_answered(me, || gt::gt_http_respond((*me).http, code, reason, fields, count, start, length).into())
    }
}

/// `answer(result)`: the usual end of a request.
pub unsafe extern "C" fn answer(this: Obj, result: Obj) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        let kind = type_of(result);
        let only = if (*me).started || !(*(*me).prepared).is_ready() {
            null_mut()
        } else if kind == api.list_type && (api.PyList_Size)(result) == 1 {
            (api.PyList_GetItem)(result, 0)
        } else if kind == api.tuple_type && (api.PyTuple_Size)(result) == 1 {
            (api.PyTuple_GetItem)(result, 0)
        } else {
            null_mut()
        };
        if only.is_null() || type_of(only) != api.bytes_type {
            return truth(false);
        }
        let Some(data) = Data::of(only) else { return null_mut() };
        let mut prepared = core::mem::take(&mut *(*me).prepared);
        let came = respond_with(me, &mut prepared, &data);
        match came {
            Came::Result(0) => {
                (*me).started = true;
                give_back(me, prepared);
                truth(true)
            }
            Came::Result(rc) if rc == -i64::from(libc::EINVAL) => {
                // Nothing was sent: a length that is not right. Somebody else says so.
                give_back_ready(me, prepared);
                truth(false)
            }
            came => ended(me, came),
        }
    }
}

/// `announced`: the Content-Length that start_response() was told of and keeps; -1: none.
pub unsafe extern "C" fn announced(this: Obj, _closure: *mut core::ffi::c_void) -> New {
    let me: *mut Connection = this.cast();
    // SAFETY: see above.
    unsafe {
        let length = (*me).prepared.as_ref().and_then(|prepared| prepared.length());
        (api().PyLong_FromLongLong)(length.map_or(-1, |length| length as i64))
    }
}

/// Puts the memory of something prepared back, for the next time.
unsafe fn give_back(me: *mut Connection, mut prepared: Prepared) {
    prepared.forget();
    // SAFETY: HP1; a connection that was closed meanwhile has no place for it.
    unsafe { give_back_ready(me, prepared) };
}

unsafe fn give_back_ready(me: *mut Connection, prepared: Prepared) {
    // SAFETY: HP1.
    unsafe {
        if !(*me).prepared.is_null() {
            let old = core::mem::replace(&mut *(*me).prepared, prepared);
            drop(old);
        }
    }
}

/// The end of a step that sends: None, or the exception that says why not.
unsafe fn ended(me: *mut Connection, came: Came) -> New {
    // SAFETY: GIL held, HP1.
    unsafe {
        match came {
            Came::Raised => null_mut(),
            Came::Result(rc) if rc >= 0 => none(),
            Came::Result(rc) => match -rc as c_int {
                libc::EINVAL => raise(api().PyExc_ValueError, c"this answer cannot be sent: now, or at all"),
                libc::EMSGSIZE => raise(api().PyExc_ValueError, c"the length of the answer is not its Content-Length"),
                _ => {
                    (*me).lost = true;
                    raise_errno(rc)
                }
            },
        }
    }
}

/// Prepares an answer from arguments. None: a Python exception is set.
unsafe fn prepared_of(me: *mut Connection, status: Obj, headers: Obj) -> Option<Prepared> {
    // SAFETY: see above; the instance's own is left as it is.
    unsafe {
        let mut prepared = core::mem::take(&mut *(*me).prepared);
        match prepared.any(status, headers, is_final) {
            Outcome::Done => Some(prepared),
            _ => {
                give_back(me, prepared);
                None
            }
        }
    }
}

unsafe fn counted(count: Ssize, wanted: Ssize, usage: &CStr) -> bool {
    if count != wanted {
        // SAFETY: GIL held.
        unsafe { raise(api().PyExc_TypeError, usage) };
    }
    count == wanted
}

/// `inform(status, headers)`: what start_response() has kept stays.
pub unsafe extern "C" fn inform(this: Obj, args: *const Obj, count: Ssize) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        if !counted(count, 2, c"inform(status, headers)") {
            return null_mut();
        }
        let mut prepared = Prepared::default();
        if prepared.any(*args, *args.add(1), |code| !is_final(code)) != Outcome::Done {
            return null_mut();
        }
        let (code, _, fields, count) = prepared.told(false);
        match until_answered(me, || gt::gt_http_inform((*me).http, code, fields, count).into()) {
            Came::Result(sent) if sent >= 0 => truth(sent == 1),
            came => ended(me, came),
        }
    }
}

/// `respond(status, headers, body)`
pub unsafe extern "C" fn respond(this: Obj, args: *const Obj, count: Ssize) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        if !counted(count, 3, c"respond(status, headers, body)") {
            return null_mut();
        }
        // First, while it is open for sure: asking for bytes may run code.
        let Some(mut prepared) = prepared_of(me, *args, *args.add(1)) else { return null_mut() };
        let Some(data) = Data::of(*args.add(2)) else {
            give_back(me, prepared);
            return null_mut();
        };
        let came = respond_with(me, &mut prepared, &data);
        (*me).started |= matches!(came, Came::Result(0));
        give_back(me, prepared);
        ended(me, came)
    }
}

/// `start(status, headers)`
pub unsafe extern "C" fn start(this: Obj, args: *const Obj, count: Ssize) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        if !counted(count, 2, c"start(status, headers)") {
            return null_mut();
        }
        let Some(mut prepared) = prepared_of(me, *args, *args.add(1)) else { return null_mut() };
        let (code, reason, fields, count) = prepared.told((*me).closing);
        let rc = gt::gt_http_start((*me).http, code, reason, fields, count);
        (*me).started |= rc == 0;
        give_back(me, prepared);
        ended(me, Came::Result(rc.into()))
    }
}

/// `write(data)`
pub unsafe extern "C" fn write(this: Obj, data: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        let Some(data) = Data::of(data) else { return null_mut() };
        let (start, length) = (data.start(), data.len());
        let came = until_answered(me, || gt::gt_http_write((*me).http, start, length) as i64);
        ended(me, came)
    }
}

/// `sendfile(fd, offset, count)`
pub unsafe extern "C" fn sendfile(this: Obj, args: *const Obj, count: Ssize) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        if !counted(count, 3, c"sendfile(fd, offset, count)") {
            return null_mut();
        }
        let mut numbers = [0i64; 3];
        for (index, number) in numbers.iter_mut().enumerate() {
            *number = (api.PyLong_AsLongLong)(*args.add(index));
            if *number == -1 && !(api.PyErr_Occurred)().is_null() {
                return null_mut();
            }
        }
        let [fd, offset, size] = numbers;
        let came =
            until_answered(me, || gt::gt_http_sendfile((*me).http, fd as c_int, offset, size.max(0) as usize) as i64);
        match came {
            Came::Result(sent) if sent >= 0 => (api.PyLong_FromLongLong)(sent),
            came => ended(me, came),
        }
    }
}

/// `finish()`
pub unsafe extern "C" fn finish(this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        let came = until_answered(me, || gt::gt_http_finish((*me).http).into());
        ended(me, came)
    }
}

/// `detach(status, headers)`
pub unsafe extern "C" fn detach(this: Obj, args: *const Obj, count: Ssize) -> New {
    let api = api();
    // SAFETY: see above. What came early lies in the engine's object until that is freed.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        if !counted(count, 2, c"detach(status, headers)") {
            return null_mut();
        }
        let silent = *args == api.none;
        let mut prepared = match silent {
            true => Prepared::default(),
            false => match prepared_of(me, *args, *args.add(1)) {
                Some(prepared) => prepared,
                None => return null_mut(),
            },
        };
        let (mut early, mut length) = (core::ptr::null(), 0);
        let (code, _, fields, count) = prepared.told(false);
        let came =
            until_answered(me, || gt::gt_http_upgrade((*me).http, code, fields, count, &mut early, &mut length).into());
        if !silent {
            give_back(me, prepared);
        }
        match came {
            Came::Result(0) => {
                (*me).detached = true;
                (*me).started = true;
                (api.PyBytes_FromStringAndSize)(early.cast(), length as Ssize)
            }
            came => ended(me, came),
        }
    }
}

/// `abort()`
pub unsafe extern "C" fn abort(this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        gt::gt_http_abort((*me).http);
        (*me).aborted = true;
        none()
    }
}
