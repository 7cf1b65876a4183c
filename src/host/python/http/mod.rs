//! `Connection`: an HTTP connection of the library's engine (`gt_http_*`) as a WSGI server wants it. A request comes out as an
//! environ, an answer goes in as a status line, a list of headers and bytes.
//!
//! | file | what it holds |
//! |---|---|
//! | mod.rs | the type, its life, its attributes |
//! | environ.rs | from a request to an environ |
//! | prepare.rs | from a status line and a list of headers to what the engine takes |
//! | answer.rs | the methods that answer |
//! | transport.rs | connections over functions of Python, for TLS |
//!
//! Invariants, beside those of `tools/`:
//! HP1 The engine's object is used by one call at a time: it says -EBUSY to others, also to `close`. So whoever is inside of a gt_http call
//!     finds it alive afterwards, whatever other tasks did.
//! HP2 What a gt_http call is given (headers, bytes) is held by the caller for the time of the call, and moved out of the instance: other
//!     tasks cannot change it.
//! HP3 The texts of a request stay until the next one is asked for, and are looked at only before that: they are hidden while the
//!     engine reads, however that ends.

mod answer;
mod environ;
mod prepare;
mod transport;

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

use super::api::{
    api, drop_ref, new_ref, none, raise, raise_errno, type_of, MethodDef, New, Obj, METH_FASTCALL, METH_KEYWORDS,
    METH_NOARGS, METH_O,
};
use super::tasktype::{method, END};
use super::tools::{named, truth, Base, GetSet, Kind};
use super::{deliver, gt, host};
use environ::Memory;
use prepare::Prepared;

/// The instance. All zeroes: not made, or closed.
#[repr(C)]
pub struct Connection {
    base: Base,
    /// The engine's object.
    http: *mut gt::HttpConn,
    /// What every environ begins with.
    environ: Obj,
    /// For TLS: what reads and what writes, and the exception that one of them ended with.
    recv: Obj,
    send: Obj,
    raised: Obj,
    /// What start_response() asks when a call is not a usual one, and what it returns.
    otherwise: Obj,
    writer: Obj,
    memory: *mut Memory,
    prepared: *mut Prepared,
    fd: c_int,
    /// Of the present request: -1 for chunks.
    length: i64,
    started: bool,
    closing: bool,
    detached: bool,
    lost: bool,
    aborted: bool,
    refused: bool,
    over: bool,
}

// Called by CPython with a live instance, the GIL held and arguments as the flags say: that is what each SAFETY line leans on.

/// The limits as the engine takes them: a tuple of ten numbers, and flags.
unsafe fn limits(given: Obj) -> Option<gt::HttpLimits> {
    let api = api();
    // SAFETY: see above; a live object.
    unsafe {
        let tuple = (api.PySequence_Tuple)(given);
        if tuple.is_null() {
            return None;
        }
        let mut numbers = [0i64; 11];
        let count = (api.PyTuple_Size)(tuple);
        let mut fine = count == 10 || count == 11;
        if fine {
            for (index, number) in numbers.iter_mut().enumerate().take(count.max(0) as usize) {
                *number = (api.PyLong_AsLongLong)((api.PyTuple_GetItem)(tuple, index as isize));
                if *number < 0 {
                    fine = false;
                    break;
                }
            }
        }
        drop_ref(tuple);
        if !fine {
            if (api.PyErr_Occurred)().is_null() {
                raise(api.PyExc_ValueError, c"the limits are ten numbers, and flags, none below 0");
            }
            return None;
        }
        let [line, headers, bytes, body, first_byte, idle, head, piece, write, body_total, flags] = numbers;
        Some(gt::HttpLimits {
            size: size_of::<gt::HttpLimits>(),
            max_line: line as usize,
            max_headers: headers as usize,
            max_header_bytes: bytes as usize,
            max_body: body as u64,
            first_byte,
            idle,
            head,
            body: piece,
            write,
            flags: flags as u32,
            reserved: 0,
            body_total,
        })
    }
}

/// `Connection(fd, limits, environ, recv=None, send=None)`
unsafe extern "C" fn init(this: Obj, args: Obj, keywords: Obj) -> c_int {
    let api = api();
    // SAFETY: see above. A second call of __init__ finds an object that is there, and does nothing.
    unsafe {
        let names = [c"fd", c"limits", c"environ", c"recv", c"send"];
        let Some([fd, limits, environ, recv, send]) = named(names, args, keywords) else { return -1 };
        let me: *mut Connection = this.cast();
        if environ.is_null() || type_of(environ) != api.dict_type || !(*me).http.is_null() || !(*me).environ.is_null() {
            raise(api.PyExc_TypeError, c"Connection(fd, limits, environ, recv=None, send=None)");
            return -1;
        }
        clear(this); // what an __init__ that failed, or use() before it, has left
        let Some(limits) = self::limits(limits) else { return -1 };
        if !host::ensure() {
            return -1;
        }
        if fd != api.none {
            (*me).fd = (api.PyLong_AsLong)(fd) as c_int;
            if !(api.PyErr_Occurred)().is_null() {
                return -1;
            }
            // One that cannot be watched (a closed one) is refused by the engine; without it, all works, and costs more.
            gt::gt_fd_watch((*me).fd);
            (*me).http = gt::gt_http_new((*me).fd, &limits);
        } else {
            (*me).fd = -1;
            if recv.is_null() || send.is_null() {
                raise(api.PyExc_TypeError, c"a connection without a descriptor needs recv and send");
                return -1;
            }
            (*me).recv = new_ref(recv);
            (*me).send = new_ref(send);
            (*me).http = transport::open(me, &limits);
        }
        if (*me).http.is_null() {
            raise_errno(-i64::from(*libc::__errno_location()));
            return -1;
        }
        (*me).environ = new_ref(environ);
        ((*me).otherwise, (*me).writer) = (none(), none()); // until use()
        (*me).memory = Box::into_raw(Box::default());
        (*me).prepared = Box::into_raw(Box::default());
        0
    }
}

/// The connection, open. Otherwise a Python exception is set.
unsafe fn open(this: Obj) -> Option<*mut Connection> {
    let me: *mut Connection = this.cast();
    // SAFETY: a live instance; GIL held.
    unsafe {
        if (*me).http.is_null() {
            raise(api().PyExc_ValueError, c"the connection is closed");
            return None;
        }
        if !host::ensure() {
            return None;
        }
    }
    Some(me)
}

/// How a call of the engine ended.
enum Came {
    /// Its result, errors included.
    Result(i64),
    /// A Python exception is set.
    Raised,
}

/// Calls the engine until it has an answer; an interrupt that leaves no exception starts the call again.
unsafe fn until_answered(me: *mut Connection, mut verb: impl FnMut() -> i64) -> Came {
    // SAFETY: HP1: the instance is held by the caller; GIL held.
    unsafe {
        loop {
            let rc = verb();
            let raised = core::mem::replace(&mut (*me).raised, null_mut());
            if !raised.is_null() {
                deliver::raise_object(raised);
                drop_ref(raised);
                return Came::Raised;
            }
            if rc == -i64::from(libc::EINTR) || rc == -i64::from(libc::ECANCELED) {
                if deliver::raise_wake(rc as c_int) {
                    return Came::Raised;
                }
                continue;
            }
            return Came::Result(rc);
        }
    }
}

/// `request()`: the next environ, or None.
unsafe extern "C" fn request(this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        if (*me).started && (*me).closing && gt::gt_http_keeps_alive((*me).http) == 1 {
            // It was to end after that answer, and it was too late to say so.
            (*me).over = true;
            return none();
        }
        let mut request: gt::HttpRequest = core::mem::zeroed();
        request.size = size_of::<gt::HttpRequest>();
        let mut next = || {
            let texts = (*me).memory.as_mut().map(|memory| memory.hide());
            let rc = gt::gt_http_next((*me).http, &mut request);
            match ((*me).memory.as_mut(), texts) {
                // Wrong now: nothing has changed.
                (Some(memory), Some(texts)) if [libc::EINVAL, libc::EBUSY].contains(&-rc) => memory.show(texts),
                _ => {}
            }
            rc.into()
        };
        match until_answered(me, &mut next) {
            Came::Raised => null_mut(),
            Came::Result(1) => {
                (*(*me).prepared).forget();
                (*me).started = false;
                (*me).length = request.content_length;
                environ::of(me, &request)
            }
            // Wrong now: nothing has changed.
            Came::Result(rc) if [libc::EINVAL, libc::EBUSY, libc::ENOMEM].contains(&(-rc as c_int)) => raise_errno(rc),
            Came::Result(rc) => {
                (*me).length = 0;
                (*me).over = true;
                (*me).refused = [libc::EBADMSG, libc::EMSGSIZE, libc::ETIMEDOUT].contains(&(-rc as c_int));
                none()
            }
        }
    }
}

/// `read(n)`: up to n bytes of the body, b"" at its end.
unsafe extern "C" fn read(this: Obj, size: Obj) -> New {
    use super::patch::values::{filled, Filled};
    const MOST: i64 = 1 << 20;
    let api = api();
    // SAFETY: see above; the bytes object is ours until it is returned.
    unsafe {
        let Some(me) = open(this) else { return null_mut() };
        let size = (api.PyLong_AsLongLong)(size);
        if size == -1 && !(api.PyErr_Occurred)().is_null() {
            return null_mut();
        }
        if (*me).length == 0 || (*me).detached {
            return (api.PyBytes_FromStringAndSize)(core::ptr::null(), 0);
        }
        let room = match (*me).length {
            // Of a body whose length is known, no more room is needed than that.
            left if left > 0 => size.clamp(0, MOST).min(left),
            _ => size.clamp(0, MOST),
        } as usize;
        filled(room, |start| match until_answered(me, || gt::gt_http_read((*me).http, start.cast(), room) as i64) {
            Came::Result(got) if got >= 0 => Filled::Bytes(got as usize),
            Came::Result(rc) => {
                raise_errno(rc);
                Filled::Nothing
            }
            Came::Raised => Filled::Nothing,
        })
    }
}

/// `close()`: the engine's object is gone; the descriptor is not.
unsafe extern "C" fn close(this: Obj, _unused: Obj) -> New {
    let me: *mut Connection = this.cast();
    // SAFETY: see above.
    unsafe {
        if !(*me).http.is_null() {
            let rc = gt::gt_http_free((*me).http);
            if rc < 0 {
                return raise_errno(rc.into());
            }
            (*me).http = null_mut();
        }
        clear(this);
        none()
    }
}

/// `use(otherwise, writer)`: the general start_response(), and what start_response() returns.
unsafe extern "C" fn use_(this: Obj, args: *const Obj, count: isize) -> New {
    let me: *mut Connection = this.cast();
    // SAFETY: see above.
    unsafe {
        if count != 2 {
            return raise(api().PyExc_TypeError, c"use() takes two arguments");
        }
        let old = [
            core::mem::replace(&mut (*me).otherwise, new_ref(*args)),
            core::mem::replace(&mut (*me).writer, new_ref(*args.add(1))),
        ];
        old.into_iter().for_each(|object| drop_ref(object));
        none()
    }
}

unsafe extern "C" fn get_status(this: Obj, _closure: *mut c_void) -> New {
    let me: *mut Connection = this.cast();
    // SAFETY: see above; NULL says -EINVAL. After the last request the engine still has its status.
    unsafe {
        let status = if (*me).over && !(*me).refused { 0 } else { gt::gt_http_status((*me).http).max(0) };
        (api().PyLong_FromLong)(status.into())
    }
}

unsafe extern "C" fn get_sent(this: Obj, _closure: *mut c_void) -> New {
    // SAFETY: see above; NULL says -EINVAL.
    unsafe { (api().PyLong_FromLongLong)(gt::gt_http_sent((*this.cast::<Connection>()).http).max(0)) }
}

unsafe extern "C" fn get_length(this: Obj, _closure: *mut c_void) -> New {
    // SAFETY: see above.
    unsafe { (api().PyLong_FromLongLong)((*this.cast::<Connection>()).length) }
}

unsafe extern "C" fn get_keep_alive(this: Obj, _closure: *mut c_void) -> New {
    let me: *mut Connection = this.cast();
    // SAFETY: see above; NULL says -EINVAL.
    unsafe { truth(!(*me).closing && gt::gt_http_keeps_alive((*me).http) == 1) }
}

/// False ends the connection after the present answer; true takes that back.
unsafe extern "C" fn set_keep_alive(this: Obj, value: Obj, _closure: *mut c_void) -> c_int {
    // SAFETY: see above; NULL for del.
    unsafe {
        let truth = if value.is_null() { 0 } else { (api().PyObject_IsTrue)(value) };
        if truth >= 0 {
            (*this.cast::<Connection>()).closing = truth == 0;
        }
        truth.min(0)
    }
}

macro_rules! flag {
    ($getter:ident, $me:ident, $value:expr) => {
        unsafe extern "C" fn $getter(this: Obj, _closure: *mut c_void) -> New {
            let $me: *mut Connection = this.cast();
            // SAFETY: see above.
            unsafe { truth($value) }
        }
    };
}
flag!(get_has_body, me, (*me).length != 0);
flag!(get_started, me, (*me).started);
flag!(get_detached, me, (*me).detached);
flag!(get_lost, me, (*me).lost);
flag!(get_aborted, me, (*me).aborted);
flag!(get_refused, me, (*me).refused);

unsafe extern "C" fn traverse(
    this: Obj,
    visit: unsafe extern "C" fn(Obj, *mut c_void) -> c_int,
    arg: *mut c_void,
) -> c_int {
    let me: *mut Connection = this.cast();
    // SAFETY: the collector only looks; each is NULL or live. A heap type is visited by its instances.
    unsafe {
        let mut objects = [type_of(this), (*me).environ, (*me).recv, (*me).send, (*me).raised, (*me).otherwise]
            .into_iter()
            .chain([(*me).writer])
            .chain((*me).memory.as_ref().map(|memory| memory.template()))
            .chain((*me).prepared.as_ref().map(|prepared| prepared.headers()));
        objects
            .find_map(|object| if object.is_null() { None } else { Some(visit(object, arg)).filter(|rc| *rc != 0) })
            .unwrap_or(0)
    }
}

unsafe extern "C" fn clear(this: Obj) -> c_int {
    let me: *mut Connection = this.cast();
    // SAFETY: each field is emptied before its reference is dropped (PT2). What a call of the engine is given was moved out (HP2).
    unsafe {
        let memory = core::mem::replace(&mut (*me).memory, null_mut());
        let prepared = core::mem::replace(&mut (*me).prepared, null_mut());
        for field in [
            &raw mut (*me).environ,
            &raw mut (*me).recv,
            &raw mut (*me).send,
            &raw mut (*me).raised,
            &raw mut (*me).otherwise,
            &raw mut (*me).writer,
        ] {
            drop_ref(field.replace(null_mut()));
        }
        if !memory.is_null() {
            drop(Box::from_raw(memory));
        }
        if !prepared.is_null() {
            drop(Box::from_raw(prepared));
        }
        // Without these it is a closed one.
        if !(*me).http.is_null() && gt::gt_http_free((*me).http) == 0 {
            (*me).http = null_mut();
        }
    }
    0
}

static METHODS: [MethodDef; 17] = [
    method!(c"request", request, METH_NOARGS, c"request()\n\nWait for the next request: its environ; None when there is none."),
    method!(c"read", read, METH_O, c"read(n)\n\nUp to n bytes of the body; b\"\" at its end."),
    method!(c"start_response", answer::start_response, METH_FASTCALL | METH_KEYWORDS,
        c"start_response($self, status, headers, exc_info=None, /)\n--\n\nWhat an application is given under this name."),
    method!(c"answer", answer::answer, METH_O,
        c"answer(result)\n\nSend what an application returned, if that is a list of one bytes object. False: it is not, nothing happened."),
    method!(c"take", answer::take, METH_NOARGS, c"take()\n\n(status, headers) that start_response() has kept, or None."),
    method!(c"respond", answer::respond, METH_FASTCALL, c"respond(status, headers, body)\n\nA whole answer."),
    method!(c"start", answer::start, METH_FASTCALL, c"start(status, headers)\n\nBegin an answer that comes in pieces."),
    method!(c"write", answer::write, METH_O, c"write(data)\n\nA piece of it."),
    method!(c"sendfile", answer::sendfile, METH_FASTCALL, c"sendfile(fd, offset, count)\n\nA piece of it out of a regular file: how many bytes."),
    method!(c"finish", answer::finish, METH_NOARGS, c"finish()\n\nThe end of an answer that start() began."),
    method!(c"detach", answer::detach, METH_FASTCALL,
        c"detach(status, headers)\n\nLeave HTTP, with an answer of status 101 or without one (None): the bytes that came behind the request."),
    method!(c"inform", answer::inform, METH_FASTCALL,
        c"inform(status, headers)\n\nSend an interim answer, like 103 Early Hints or a 100 Continue with headers. Was it sent? Not to HTTP/1.0."),
    method!(c"abort", answer::abort, METH_NOARGS, c"abort()\n\nGive an answer up that cannot be finished."),
    method!(c"headers", environ::headers, METH_NOARGS, c"headers()\n\nThe headers of the present request, as they came: a list of pairs."),
    method!(c"use", use_, METH_FASTCALL, c"use(otherwise, writer)\n\nThe start_response() of calls that are not usual, and what it returns."),
    method!(c"close", close, METH_NOARGS, c"close()\n\nDone with it. The descriptor stays open."),
    END,
];

static ATTRIBUTES: [GetSet; 13] = [
    GetSet::new(
        c"status",
        get_status,
        c"Of the present answer, or of the one that a request was refused with; 0: none.",
    ),
    GetSet::new(c"target", environ::target, c"Of the present request, as it came: a path with its query."),
    GetSet::new(c"sent", get_sent, c"Bytes of the present answer's body that were sent."),
    GetSet::new(c"content_length", get_length, c"Bytes of the present request's body, -1 when it comes in chunks."),
    GetSet::new(c"has_body", get_has_body, c"Has the present request a body?"),
    GetSet::changing(
        c"keep_alive",
        get_keep_alive,
        set_keep_alive,
        c"May another request follow? False: not after this answer.",
    ),
    GetSet::new(c"started", get_started, c"Has the present answer begun?"),
    GetSet::new(c"detached", get_detached, c"Has the connection left HTTP?"),
    GetSet::new(c"lost", get_lost, c"Did an answer find no way to the client?"),
    GetSet::new(c"aborted", get_aborted, c"Was an answer given up?"),
    GetSet::new(c"announced", answer::announced, c"The Content-Length that start_response() has kept; -1: none."),
    GetSet::new(c"refused", get_refused, c"Was a request refused? `status` says how, and nothing more comes."),
    GetSet::END,
];

/// The type.
pub static KIND: Kind = Kind {
    name: c"greenrt.Connection",
    doc: c"Connection(fd, limits, environ, recv=None, send=None)\n\nAn HTTP connection, the server's end. A descriptor stays the caller's.",
    size: size_of::<Connection>(),
    init,
    methods: &METHODS,
    attributes: &ATTRIBUTES,
    collect: Some((traverse as *const c_void, clear)),
};

/// The texts that every environ has. False: a Python exception is set.
///
/// # Safety
/// GIL held; called once.
pub unsafe fn prepare() -> bool {
    // SAFETY: the caller's promise.
    unsafe { environ::prepare() }
}
