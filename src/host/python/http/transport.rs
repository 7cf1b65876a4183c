//! Connections whose bytes go through functions of Python: TLS.

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

use super::super::api::{api, drop_ref, new_ref, Obj, Ssize};
use super::super::patch::values::Bytes;
use super::super::{deliver, gt};
use super::Connection;

/// The engine's object over `recv` and `send` of the instance, which outlives it.
///
/// # Safety
/// GIL held; a live instance with both.
pub unsafe fn open(me: *mut Connection, limits: &gt::HttpLimits) -> *mut gt::HttpConn {
    let io = gt::HttpIo { size: size_of::<gt::HttpIo>(), read: Some(read), write: Some(write), ctx: me.cast() };
    // SAFETY: the functions fit; the instance frees the engine's object before it ends.
    unsafe { gt::gt_http_new_io(&io, limits) }
}

/// What an exception that is set means to the engine. One that is no error of the stream is kept, and raised when the engine's call
/// returns.
unsafe fn failed(me: *mut Connection) -> isize {
    let api = api();
    // SAFETY: GIL held, an exception is set.
    unsafe {
        let timed_out = (api.PyErr_ExceptionMatches)(api.PyExc_TimeoutError) != 0 || is_old_timeout();
        if !timed_out && (api.PyErr_ExceptionMatches)(api.PyExc_OSError) == 0 {
            let raised = core::mem::replace(&mut (*me).raised, deliver::take_exception());
            drop_ref(raised);
            return -(libc::ECANCELED as isize);
        }
        (api.PyErr_Clear)();
        -(if timed_out { libc::ETIMEDOUT } else { libc::ECONNRESET } as isize)
    }
}

/// Before 3.10 `socket.timeout` is an OSError of its own.
unsafe fn is_old_timeout() -> bool {
    let kind = super::super::patch::socket::timeout_type();
    // SAFETY: GIL held; NULL, or a live type.
    !kind.is_null() && unsafe { (api().PyErr_ExceptionMatches)(kind) } != 0
}

/// `recv(len)`, copied to where it belongs.
unsafe extern "C" fn read(ctx: *mut c_void, buf: *mut c_void, len: usize) -> isize {
    const MOST: usize = 64 << 10;
    let me: *mut Connection = ctx.cast();
    let api = api();
    // SAFETY: GIL held; called within a call of the engine on the instance (HP1). What it calls may switch.
    unsafe {
        let size = (api.PyLong_FromSsize_t)(len.min(MOST) as Ssize);
        let recv = new_ref((*me).recv);
        let got = if size.is_null() { size } else { (api.PyObject_VectorcallDict)(recv, &size, 1, null_mut()) };
        drop_ref(recv);
        drop_ref(size);
        if got.is_null() {
            return failed(me);
        }
        let count = match Bytes::of(got, false) {
            Some(view) if view.len() <= len => {
                core::ptr::copy_nonoverlapping(view.start(), buf.cast::<u8>(), view.len());
                view.len() as isize
            }
            _ => -(libc::EIO as isize),
        };
        drop_ref(got);
        count
    }
}

/// `send(bytes)`
unsafe extern "C" fn write(ctx: *mut c_void, buf: *const c_void, len: usize) -> isize {
    let me: *mut Connection = ctx.cast();
    let api = api();
    // SAFETY: as in `read`.
    unsafe {
        let bytes = (api.PyBytes_FromStringAndSize)(buf.cast(), len as Ssize);
        let send = new_ref((*me).send);
        let sent: Obj =
            if bytes.is_null() { bytes } else { (api.PyObject_VectorcallDict)(send, &bytes, 1, null_mut()) };
        drop_ref(send);
        drop_ref(bytes);
        if sent.is_null() {
            return failed(me);
        }
        let count = (api.PyLong_AsLongLong)(sent);
        drop_ref(sent);
        if count == -1 && !(api.PyErr_Occurred)().is_null() {
            return failed(me);
        }
        match c_int::try_from(count) {
            Ok(count) => count as isize,
            Err(_) => -(libc::EIO as isize),
        }
    }
}
