//! `WebSocketEngine`: one side of a WebSocket, a machine over bytes (`gt_ws_*`) that may also do its own receiving and sending on a plain
//! socket, which costs one call from Python for a message instead of five.
//!
//! Two tasks may be in it at the same time, one that receives and one that sends; the package sees to it that there are not more. What is
//! unsent stays in the machine, so a send that was given up is gone on with by the next.

use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::null_mut;

use super::super::api::{
    api, none, raise, raise_errno, type_of, MethodDef, New, Obj, Ssize, METH_FASTCALL, METH_NOARGS, METH_O,
};
use super::super::gt::{self, WebSocket, WebSocketEvent, WebSocketOptions, NEVER};
use super::super::host;
use super::super::patch::time::{until_answered, Waited};
use super::super::patch::values::{c_int_of, int, pack, Bytes};
use super::super::task;
use super::super::tasktype::{method, END};
use super::{named, Base, GetSet, Kind};

/// The instance.
#[repr(C)]
pub struct Engine {
    base: Base,
    /// NULL: `__init__` was not called.
    ws: *mut WebSocket,
    /// Did a receiver once fill the lesser of [`ROOMS`]?
    busy: bool,
}

/// Bytes that a receiver has on its stack while it waits: the lesser, with which its task needs one page of stack, until they were
/// filled once, which is the sign of long messages or of many.
const ROOMS: [usize; 2] = [512, 2048];
const LARGE: usize = 1 << 16;

// Called by CPython with a live instance, the GIL held and arguments as the flags say: that is what each SAFETY line leans on.

unsafe extern "C" fn init(this: Obj, args: Obj, keywords: Obj) -> c_int {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let Some([server, max_size, deflate]) = named([c"server", c"max_size", c"deflate"], args, keywords) else {
            return -1;
        };
        let is_server = if server.is_null() { 1 } else { (api.PyObject_IsTrue)(server) };
        if is_server < 0 {
            return -1;
        }
        let mut options = WebSocketOptions {
            size: size_of::<WebSocketOptions>(),
            flags: if is_server == 0 { gt::GT_WS_CLIENT } else { 0 },
            level: 0,
            max_size: u64::MAX >> 1,
            window: 0,
            peer_window: 0,
        };
        if !max_size.is_null() && max_size != api.none {
            let most = (api.PyLong_AsLongLong)(max_size);
            if most < 1 {
                if (api.PyErr_Occurred)().is_null() {
                    raise(api.PyExc_ValueError, c"max_size is a positive number of bytes, or None");
                }
                return -1;
            }
            options.max_size = most as u64;
        }
        if !deflate.is_null() && deflate != api.none {
            // (own context kept, the peer's kept, own window bits, the peer's, level)
            let mut numbers = [0; 5];
            let count = (api.PyTuple_Size)(deflate);
            for (index, number) in numbers.iter_mut().enumerate().take(count.max(0) as usize) {
                *number = (api.PyLong_AsLong)((api.PyTuple_GetItem)(deflate, index as Ssize)) as u32;
            }
            if count != 5 || !(api.PyErr_Occurred)().is_null() {
                if (api.PyErr_Occurred)().is_null() {
                    raise(api.PyExc_ValueError, c"deflate is a tuple of five");
                }
                return -1;
            }
            let [own_kept, peer_kept, window, peer_window, level] = numbers;
            options.flags |= gt::GT_WS_DEFLATE;
            options.flags |= if own_kept == 0 { gt::GT_WS_ALONE } else { 0 };
            options.flags |= if peer_kept == 0 { gt::GT_WS_PEER_ALONE } else { 0 };
            (options.window, options.peer_window, options.level) = (window, peer_window, level);
        }
        let ws = gt::gt_ws_new(&options);
        if ws.is_null() {
            (api.PyErr_SetFromErrno)(api.PyExc_OSError);
            return -1;
        }
        let engine: *mut Engine = this.cast();
        if !(*engine).ws.is_null() {
            // A task may be in it.
            gt::gt_ws_free(ws);
            raise(api.PyExc_RuntimeError, c"__init__() was called before");
            return -1;
        }
        (*engine).ws = ws;
        0
    }
}

/// The machine of an instance; a Python exception is set when it has none.
unsafe fn machine(this: Obj) -> Option<*mut WebSocket> {
    // SAFETY: see above.
    unsafe {
        let ws = (*this.cast::<Engine>()).ws;
        if ws.is_null() {
            raise(api().PyExc_RuntimeError, c"__init__() was not called");
            return None;
        }
        Some(ws)
    }
}

/// An event as Python gets it: a str or bytes for a message, a tuple for a control frame.
unsafe fn shown(event: &WebSocketEvent) -> New {
    let api = api();
    let (data, length) = (event.data.cast(), event.len as Ssize);
    // SAFETY: see above; the data stays until the next call of the machine.
    unsafe {
        match event.kind {
            gt::GT_WS_TEXT => (api.PyUnicode_FromStringAndSize)(data, length),
            gt::GT_WS_BINARY => (api.PyBytes_FromStringAndSize)(data, length),
            gt::GT_WS_CLOSE => pack(&[
                (api.PyLong_FromLong)(event.kind.into()),
                (api.PyLong_FromLong)(event.code.into()),
                (api.PyUnicode_FromStringAndSize)(data, length),
            ]),
            kind => pack(&[(api.PyLong_FromLong)(kind.into()), (api.PyBytes_FromStringAndSize)(data, length)]),
        }
    }
}

/// What comes next, if it has come. None within: NULL and no Python exception.
unsafe fn take(ws: *mut WebSocket) -> Option<New> {
    let mut event = WebSocketEvent { kind: 0, code: 0, data: core::ptr::null(), len: 0 };
    // SAFETY: a live machine.
    unsafe {
        match gt::gt_ws_next(ws, &mut event) {
            0 => None,
            1 => Some(shown(&event)),
            rc => Some(raise_errno(rc.into())),
        }
    }
}

unsafe extern "C" fn next(this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(ws) = machine(this) else { return null_mut() };
        take(ws).unwrap_or_else(|| none())
    }
}

unsafe extern "C" fn feed(this: Obj, data: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(ws) = machine(this) else { return null_mut() };
        let Some(view) = Bytes::of(data, false) else {
            return raise(api().PyExc_TypeError, c"feed() needs bytes");
        };
        let rc = gt::gt_ws_feed(ws, view.start().cast(), view.len());
        drop(view);
        if rc < 0 {
            return raise_errno(rc.into());
        }
        none()
    }
}

/// `receive(fd, seconds=None)`
unsafe extern "C" fn receive(this: Obj, args: *const Obj, count: Ssize) -> New {
    let api = api();
    // SAFETY: see above; the instance is the caller's, and with it the machine.
    unsafe {
        let Some(ws) = machine(this) else { return null_mut() };
        let fd = if (1..=2).contains(&count) { c_int_of(*args, -1) } else { None };
        let Some(fd) = fd else {
            return raise(api.PyExc_TypeError, c"receive() takes a descriptor and a number of seconds");
        };
        // What is there already needs no wait.
        if let Some(event) = take(ws) {
            return event;
        }
        if host::frozen() {
            return raise_errno(-i64::from(libc::ESHUTDOWN));
        }
        if !host::ensure() {
            return null_mut();
        }
        let deadline = if count == 2 { task::deadline(*args.add(1)) } else { Some(NEVER) };
        let Some(deadline) = deadline else { return null_mut() };
        let engine: *mut Engine = this.cast();
        if !(*engine).busy {
            if let Some(event) = receive_in::<{ ROOMS[0] }>(engine, fd, deadline) {
                return event;
            }
        }
        if let Some(event) = receive_in::<{ ROOMS[1] }>(engine, fd, deadline) {
            return event;
        }
        let mut large = Vec::<u8>::new();
        if large.try_reserve_exact(LARGE).is_err() {
            return raise_errno(-i64::from(libc::ENOMEM));
        }
        loop {
            if let Some(event) = receive_to(engine, fd, deadline, large.as_mut_ptr(), large.capacity()) {
                return event;
            }
        }
    }
}

/// Waits with room for `SIZE` bytes on the stack, in a frame of their own. None: they were filled, and more is to come.
#[inline(never)]
unsafe fn receive_in<const SIZE: usize>(engine: *mut Engine, fd: c_int, deadline: i64) -> Option<New> {
    let mut room = MaybeUninit::<[u8; SIZE]>::uninit();
    // SAFETY: as of `receive_to`.
    unsafe { receive_to(engine, fd, deadline, room.as_mut_ptr().cast(), SIZE) }
}

/// Receives into `room` until there is an event. None: all of it was filled, and more is to come.
#[inline(always)]
unsafe fn receive_to(engine: *mut Engine, fd: c_int, deadline: i64, room: *mut u8, size: usize) -> Option<New> {
    // SAFETY: a live instance with a machine, and room for `size` bytes.
    unsafe {
        let ws = (*engine).ws;
        loop {
            let got = match until_answered(|| gt::gt_recv_until(fd, room.cast(), size, 0, deadline) as i64) {
                Waited::Raised => return Some(null_mut()),
                Waited::TimedOut => return Some(none()),
                Waited::Done(0) => return Some(pack(&[(api().PyLong_FromLong)(0)])),
                Waited::Done(rc) if rc < 0 => return Some(raise_errno(rc)),
                Waited::Done(got) => got as usize,
            };
            let rc = gt::gt_ws_feed(ws, room.cast(), got);
            if rc < 0 {
                return Some(raise_errno(rc.into()));
            }
            let event = take(ws);
            (*engine).busy |= got == size;
            if event.is_some() || got == size {
                return event;
            }
        }
    }
}

/// Kinds of what is sent, beside those of control frames: a message, a fragment of one, its last fragment. Text or not is told by the data.
const MESSAGE: c_int = 0;
const FRAGMENT: c_int = 16;
const LAST_FRAGMENT: c_int = 17;

/// Adds a frame to what is to be written. False: a Python exception is set.
unsafe fn say(ws: *mut WebSocket, kind: c_int, data: Obj) -> bool {
    let api = api();
    let add = |text_or_binary: c_int, bytes: *const c_void, length: usize| {
        // SAFETY: see above; bytes are held for the length of the call.
        unsafe {
            match kind {
                FRAGMENT | LAST_FRAGMENT => {
                    gt::gt_ws_put_fragment(ws, text_or_binary, bytes, length, (kind == LAST_FRAGMENT).into())
                }
                MESSAGE => gt::gt_ws_put(ws, text_or_binary, bytes, length),
                _ => gt::gt_ws_put(ws, kind, bytes, length),
            }
        }
    };
    // SAFETY: see above; bytes are held for the length of the call.
    unsafe {
        let rc = if type_of(data) == api.str_type || (api.PyType_IsSubtype)(type_of(data), api.str_type) != 0 {
            let mut length = 0;
            let text = (api.PyUnicode_AsUTF8AndSize)(data, &mut length);
            if text.is_null() {
                return false;
            }
            add(gt::GT_WS_TEXT, text.cast(), length as usize)
        } else {
            let Some(view) = Bytes::of(data, false) else {
                raise(api.PyExc_TypeError, c"a message is str or bytes");
                return false;
            };
            add(gt::GT_WS_BINARY, view.start().cast(), view.len())
        };
        if rc == -libc::EINVAL && matches!(kind, FRAGMENT | LAST_FRAGMENT) {
            raise(api.PyExc_TypeError, c"the fragments of a message are all str, or all bytes");
        } else if rc == -libc::EINVAL {
            raise(
                api.PyExc_ValueError,
                c"a control frame carries 125 bytes at most, and a close a code that may be sent",
            );
        } else if rc < 0 {
            raise_errno(rc.into());
        }
        rc >= 0
    }
}

/// Writes all that is to be written. False: a Python exception is set, and what was not written stays.
unsafe fn write_all(ws: *mut WebSocket, fd: c_int) -> bool {
    // SAFETY: see above; nobody else sends meanwhile, so the bytes stay where they are.
    unsafe {
        loop {
            let mut bytes = core::ptr::null();
            let count = gt::gt_ws_output(ws, &mut bytes);
            if count <= 0 {
                return true;
            }
            let sent =
                until_answered(|| gt::gt_send_until(fd, bytes, count as usize, libc::MSG_NOSIGNAL, NEVER) as i64);
            match sent {
                Waited::Raised => return false,
                Waited::Done(sent) if sent >= 0 => {
                    gt::gt_ws_written(ws, sent as usize);
                }
                Waited::Done(rc) => {
                    raise_errno(rc);
                    return false;
                }
                Waited::TimedOut => {
                    raise_errno(-i64::from(libc::ETIMEDOUT));
                    return false;
                }
            }
        }
    }
}

/// `send(fd, kind, data)`
unsafe extern "C" fn send(this: Obj, args: *const Obj, count: Ssize) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let Some(ws) = machine(this) else { return null_mut() };
        let numbers = if count == 3 { (c_int_of(*args, -1), int(*args.add(1), 0)) } else { (None, None) };
        let (Some(fd), Some(kind)) = numbers else {
            return raise(api.PyExc_TypeError, c"send() takes a descriptor, a kind and data");
        };
        if !say(ws, kind as c_int, *args.add(2)) {
            return null_mut();
        }
        if host::frozen() {
            return raise_errno(-i64::from(libc::ESHUTDOWN));
        }
        if !host::ensure() || !write_all(ws, fd) {
            return null_mut();
        }
        none()
    }
}

/// `put(kind, data)`
unsafe extern "C" fn put(this: Obj, args: *const Obj, count: Ssize) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(ws) = machine(this) else { return null_mut() };
        let kind = if count == 2 { c_int_of(*args, 0) } else { None };
        let Some(kind) = kind else { return raise(api().PyExc_TypeError, c"put() takes a kind and data") };
        if !say(ws, kind, *args.add(1)) {
            return null_mut();
        }
        none()
    }
}

unsafe extern "C" fn output(this: Obj, _unused: Obj) -> New {
    // SAFETY: see above.
    unsafe {
        let Some(ws) = machine(this) else { return null_mut() };
        let mut bytes = core::ptr::null();
        let count = gt::gt_ws_output(ws, &mut bytes);
        (api().PyBytes_FromStringAndSize)(bytes.cast(), count)
    }
}

unsafe extern "C" fn written(this: Obj, count: Obj) -> New {
    let api = api();
    // SAFETY: see above.
    unsafe {
        let Some(ws) = machine(this) else { return null_mut() };
        let count = (api.PyLong_AsLongLong)(count);
        if !(api.PyErr_Occurred)().is_null() {
            return null_mut();
        }
        let rc = gt::gt_ws_written(ws, usize::try_from(count).unwrap_or(usize::MAX));
        if rc < 0 {
            return raise_errno(rc.into());
        }
        none()
    }
}

unsafe extern "C" fn traverse(
    this: Obj,
    visit: unsafe extern "C" fn(Obj, *mut c_void) -> c_int,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: the collector only looks; a heap type is visited by its instances.
    unsafe { visit(type_of(this), arg) }
}

unsafe extern "C" fn clear(this: Obj) -> c_int {
    let engine: *mut Engine = this.cast();
    // SAFETY: see above; only an instance that nobody can reach is cleared.
    unsafe { gt::gt_ws_free(core::mem::replace(&mut (*engine).ws, null_mut())) };
    0
}

static METHODS: [MethodDef; 8] = [
    method!(c"feed", feed, METH_O, c"feed(data)\n\nTake bytes of the other side."),
    method!(c"next", next, METH_NOARGS,
        c"next()\n\nWhat comes next: a str or bytes; (kind, data) of a ping or pong; (8, code, reason); None when more bytes are needed. OSError when the other side broke the protocol."),
    method!(c"receive", receive, METH_FASTCALL,
        c"receive(fd, seconds=None)\n\nAs next(), with bytes of that socket, waited for; None after so many seconds, (0,) at the end of the stream."),
    method!(c"put", put, METH_FASTCALL, c"put(kind, data)\n\nAdd a frame to what is to be written; kind 0 is a message, 16 a fragment of one, 17 its last."),
    method!(c"send", send, METH_FASTCALL, c"send(fd, kind, data)\n\nAs put(), and write all of it to that socket."),
    method!(c"output", output, METH_NOARGS, c"output()\n\nWhat is to be written."),
    method!(c"written", written, METH_O, c"written(count)\n\nSo many bytes of it were."),
    END,
];

static ATTRIBUTES: [GetSet; 1] = [GetSet::END];

/// The type.
pub static KIND: Kind = Kind {
    name: c"greenrt.WebSocketEngine",
    doc: c"WebSocketEngine(server=True, max_size=None, deflate=None)\n--\n\nThe frames of one side of a WebSocket, as a machine over bytes.",
    size: size_of::<Engine>(),
    init,
    methods: &METHODS,
    attributes: &ATTRIBUTES,
    collect: Some((traverse as *const c_void, clear)),
};
