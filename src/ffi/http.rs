//! Section: HTTP.

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::mem::{align_of, offset_of, size_of};

use super::guard::{buffer, guard, guard_errno, invalid, made, sized, tell};
use crate::error::{Error, Result};
use crate::http::body::Length;
use crate::http::conn::Conn;
use crate::http::limits::Limits;
use crate::http::parse::Field;
use crate::http::transport::Transport;
use crate::sched::Scheduler;
use crate::sync::object::{Kind, Object};

/// The server's end of an HTTP/1.0 or HTTP/1.1 connection. Used by one task at a time. After a fork both processes have it, as
/// they have the socket: one of them goes on with it.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_http_conn_t {
    _object: Object<Shared>,
}

/// What the object holds.
struct Shared {
    busy: Cell<bool>,
    conn: UnsafeCell<Conn>,
}

/// The time for which one call has the connection.
pub(super) struct Hold<'a>(&'a Shared);

impl Hold<'_> {
    pub(super) fn conn(&mut self) -> &mut Conn {
        // SAFETY: `busy` was false, and is true until this is dropped.
        unsafe { &mut *self.0.conn.get() }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.busy.set(false);
    }
}

/// # Safety
/// NULL, or from gt_http_new(), and not freed while the answer is used.
#[inline(always)]
pub(super) unsafe fn hold<'a>(conn: *const gt_http_conn_t) -> Result<Hold<'a>> {
    // SAFETY: by the caller.
    let shared: &Shared = unsafe { Object::get(conn.cast::<Object<Shared>>(), Kind::Http)? };
    if shared.busy.replace(true) {
        return Err(Error::new(libc::EBUSY));
    }
    Ok(Hold(shared))
}

/// What a connection may cost; zero means the default in every member but `size`. Times are ns, GT_NEVER for no limit.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_http_limits_t {
    /// sizeof(gt_http_limits_t)
    pub size: usize,
    /// Bytes of the request line (more is 414), and of each header line (431). Default: 8 KiB.
    pub max_line: usize,
    /// Header lines of a request, and its trailer lines (431). Default: 100.
    pub max_headers: usize,
    /// Bytes of request line and headers together, and of all trailers (431). Default: 64 KiB.
    pub max_header_bytes: usize,
    /// Bytes of a body (413). Default: 1 GiB; UINT64_MAX: no limit.
    pub max_body: u64,
    /// How long the first byte of a connection may take; then it ends. Default: 30 s.
    pub first_byte: i64,
    /// How long the first byte of each later request may take; then the connection ends. Default: 75 s.
    pub idle: i64,
    /// How long a request's head may take from its first byte to its last (408). Default: 30 s.
    pub head: i64,
    /// How long the next bytes of a body may take (408). Default: 60 s.
    pub body: i64,
    /// How long the other end may take nothing of an answer. Default: 60 s.
    pub write: i64,
    /// GT_HTTP_HOSTLESS, or 0.
    pub flags: u32,
    /// Reserved: 0.
    pub reserved: u32,
    /// How long all of a body may take, from when it is first waited for (408). Default: GT_NEVER, as large bodies take their time.
    pub body_total: i64,
}

/// A flag of gt_http_limits_t: a request of HTTP/1.1 may come without Host. Without the flag it gets a 400, as RFC 9112 has it.
pub const GT_HTTP_HOSTLESS: u32 = 1;

/// Reads up to `len` bytes for gt_http_new_io(): the number of bytes, 0 at the end, or a negative errno. It may switch; what it
/// waits in should obey deadline scopes, which the limits on time are made of.
#[allow(non_camel_case_types, reason = "the C name")]
pub type gt_http_read_t = Option<unsafe extern "C" fn(ctx: *mut c_void, buf: *mut c_void, len: usize) -> libc::ssize_t>;
/// Writes up to `len` bytes for gt_http_new_io(): the number of bytes, or a negative errno. As gt_http_read_t otherwise.
#[allow(non_camel_case_types, reason = "the C name")]
pub type gt_http_write_t =
    Option<unsafe extern "C" fn(ctx: *mut c_void, buf: *const c_void, len: usize) -> libc::ssize_t>;

/// A connection that is no plain socket: TLS, say.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_http_io_t {
    /// sizeof(gt_http_io_t)
    pub size: usize,
    /// Reads.
    pub read: gt_http_read_t,
    /// Writes.
    pub write: gt_http_write_t,
    /// The first argument of both.
    pub ctx: *mut c_void,
}

/// A header line. The texts are not NUL-terminated.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_http_header_t {
    /// As it was sent: names differ in case only where they mean the same.
    pub name: *const libc::c_char,
    /// Bytes of the name.
    pub name_len: usize,
    /// Without the space around it.
    pub value: *const libc::c_char,
    /// Bytes of the value.
    pub value_len: usize,
}

/// One header line of ours in memory is one of C's.
const _: () = {
    assert!(
        size_of::<gt_http_header_t>() == size_of::<Field>() && align_of::<gt_http_header_t>() == align_of::<Field>()
    );
    assert!(offset_of!(gt_http_header_t, value) == offset_of!(Field, value));
};

/// A flag of gt_http_request_t: another request may follow on the connection.
pub const GT_HTTP_KEEP_ALIVE: u32 = 1;
/// A flag of gt_http_request_t: the other end waits for 100 (Continue) before it sends the body; gt_http_read() sends it.
pub const GT_HTTP_EXPECT: u32 = 2;
/// A flag of gt_http_request_t: the other end asks for another protocol (the header Upgrade names it); see gt_http_upgrade().
pub const GT_HTTP_UPGRADE: u32 = 4;

/// A request. The texts are not NUL-terminated; they and the headers stay until the next call of gt_http_next() or gt_http_free().
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_http_request_t {
    /// sizeof(gt_http_request_t), set by the caller
    pub size: usize,
    /// "GET". Case counts.
    pub method: *const libc::c_char,
    /// Bytes of it.
    pub method_len: usize,
    /// As it was sent: a path with its query, a whole URI, host and port (CONNECT), or * (OPTIONS).
    pub target: *const libc::c_char,
    /// Bytes of it.
    pub target_len: usize,
    /// The target's path, still encoded: it begins with a slash, or is *. NULL for CONNECT.
    pub path: *const libc::c_char,
    /// Bytes of it.
    pub path_len: usize,
    /// What follows the question mark, still encoded; NULL without one.
    pub query: *const libc::c_char,
    /// Bytes of it.
    pub query_len: usize,
    /// Which host was meant, with a port if one was said: of the target, else of the header Host; NULL if neither said it.
    pub host: *const libc::c_char,
    /// Bytes of it.
    pub host_len: usize,
    /// The headers, in their order.
    pub headers: *const gt_http_header_t,
    /// How many there are.
    pub header_count: usize,
    /// Bytes of the body; 0: it has none; -1: it comes in chunks.
    pub content_length: i64,
    /// Of the version: 0 or 1.
    pub minor: libc::c_int,
    /// GT_HTTP_*
    pub flags: u32,
}

fn time(given: i64, default: i64) -> Result<i64> {
    match given {
        0 => Ok(default),
        1.. => Ok(given),
        _ => Err(invalid()),
    }
}

/// # Safety
/// As for gt_http_new().
unsafe fn limits(given: *const gt_http_limits_t) -> Result<Limits> {
    let default = Limits::default();
    if given.is_null() {
        return Ok(default);
    }
    // SAFETY: by the caller; the struct is repr(C), starts with `size`, and zeroes are valid.
    let l = unsafe { sized(given, size_of::<usize>() * 2)? };
    if l.flags & !GT_HTTP_HOSTLESS != 0 || l.reserved != 0 {
        return Err(invalid());
    }
    let number = |given: usize, default: usize| if given == 0 { default } else { given };
    // What heads cost is memory: no more than 1 GiB of it, and no more lines than fit.
    if l.max_line > 1 << 30 || l.max_header_bytes > 1 << 30 || l.max_headers > 1 << 20 {
        return Err(invalid());
    }
    Ok(Limits {
        line: number(l.max_line, default.line),
        headers: number(l.max_headers, default.headers),
        head: number(l.max_header_bytes, default.head),
        body: if l.max_body == 0 { default.body } else { l.max_body },
        first_byte: time(l.first_byte, default.first_byte)?,
        idle: time(l.idle, default.idle)?,
        head_time: time(l.head, default.head_time)?,
        body_time: time(l.body, default.body_time)?,
        write: time(l.write, default.write)?,
        hostless: l.flags & GT_HTTP_HOSTLESS != 0,
        body_total: time(l.body_total, default.body_total)?,
    })
}

fn object(transport: Transport, limits: Limits) -> Result<*mut gt_http_conn_t> {
    let conn = UnsafeCell::new(Conn::new(transport, limits));
    Object::new(Kind::Http, Shared { busy: Cell::new(false), conn }).map(|c| c.cast())
}

/// Makes the server's end of an HTTP connection on a stream socket that is connected; an owned one costs fewer system calls. TCP_NODELAY
/// is set. The descriptor stays the caller's: close it after gt_http_free(). `limits` may be NULL.
///
/// A server calls gt_http_next() and answers, by gt_http_respond() or by gt_http_start(), until gt_http_next() returns something
/// else than 1. Calls with a connection end at the times of its limits and of deadline scopes; they have no twins with a deadline.
///
/// Returns the connection; NULL with errno set: EBADF, ENOTSOCK, EINVAL (limits is too small, or a limit is negative or out of
/// range, or an unknown flag), E2BIG (the struct is larger than this library knows and its tail is not zero), ENOMEM. Does not switch.
///
/// # Safety
/// `limits` is NULL or readable for the bytes its first member says.
#[no_mangle]
pub unsafe extern "C" fn gt_http_new(fd: libc::c_int, limits: *const gt_http_limits_t) -> *mut gt_http_conn_t {
    made(|| {
        // SAFETY: by the caller.
        let limits = unsafe { self::limits(limits)? };
        object(Transport::socket(fd)?, limits)
    })
}

/// As gt_http_new(), on functions that read and write. A write may take less than it is given.
///
/// Returns the connection; NULL with errno set: EINVAL (io is NULL or too small, or a function is NULL; limits as above), E2BIG, ENOMEM.
/// Does not switch.
///
/// # Safety
/// `io` and `limits` are NULL or readable for the bytes their first members say; the functions must be callable with `ctx` until the
/// connection is freed.
#[no_mangle]
pub unsafe extern "C" fn gt_http_new_io(
    io: *const gt_http_io_t,
    limits: *const gt_http_limits_t,
) -> *mut gt_http_conn_t {
    made(|| {
        // SAFETY: by the caller.
        let limits = unsafe { self::limits(limits)? };
        // SAFETY: by the caller; the struct is repr(C), starts with `size`, and zeroes are valid.
        let io = unsafe { sized(io, size_of::<gt_http_io_t>())? };
        let (read, write) = (io.read.ok_or(invalid())?, io.write.ok_or(invalid())?);
        object(Transport::Functions { read, write, ctx: io.ctx }, limits)
    })
}

/// Waits for the next request, letting other tasks run. The request before must have been answered; what is left of its body is passed
/// over, or if that is much, the connection ends. The caller sets `request->size`; a smaller struct gets the first members, a larger
/// one zeroes at the end.
///
/// Returns 1: a request. 0: there will be none: the other end has ended, or was idle for too long, or the answer before said that the
/// connection closes. An answer that the other end may not have read yet is safe then: close the descriptor. Or
///   -EBADMSG    the request was bad, and was answered so; gt_http_status() says how. Close the descriptor
///   -EMSGSIZE   a limit on sizes was reached: likewise
///   -ETIMEDOUT  the head did not come in time: likewise; or a deadline scope expired, then gt_http_status() is 0
///   -ECONNRESET the other end has gone away within a request
///   -EINVAL     no connection; request is NULL or its size too small; the request before has no answer yet; the connection has
///               left HTTP
///   -EBUSY      another task uses the connection
/// Also -ECANCELED, -EINTR (ask again after both, and after -ETIMEDOUT of a scope), -ENOMEM, and errors of gt_recv(). May switch.
///
/// # Safety
/// `conn` is NULL or came from gt_http_new(); `request` is NULL or writable for the bytes its first member says.
#[no_mangle]
pub unsafe extern "C" fn gt_http_next(conn: *mut gt_http_conn_t, request: *mut gt_http_request_t) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let mut hold = unsafe { hold(conn)? };
        let conn = hold.conn();
        let word = size_of::<usize>();
        // SAFETY: by the caller: the first member is readable.
        if request.is_null() || unsafe { (*request).size } < 2 * word {
            return Err(invalid());
        }
        if !conn.next(Scheduler::current()?)? {
            return Ok(0);
        }
        // SAFETY: by the caller; the struct is repr(C), plain data, and starts with `size`.
        unsafe { tell(request, || Ok(told(conn)))? };
        Ok(1)
    })
}

fn told(conn: &Conn) -> gt_http_request_t {
    let (head, fields) = conn.request();
    let flag = |on: bool, flag: u32| if on { flag } else { 0 };
    gt_http_request_t {
        size: 0,
        method: head.method.at.cast(),
        method_len: head.method.len,
        target: head.target.at.cast(),
        target_len: head.target.len,
        path: head.path.at.cast(),
        path_len: head.path.len,
        query: head.query.at.cast(),
        query_len: head.query.len,
        host: head.host.at.cast(),
        host_len: head.host.len,
        headers: fields.as_ptr().cast(),
        header_count: fields.len(),
        content_length: match head.length {
            Length::Bytes(n) => n as i64,
            Length::Chunked => -1,
        },
        minor: i32::from(head.minor),
        flags: flag(head.keep_alive, GT_HTTP_KEEP_ALIVE)
            | flag(head.expect, GT_HTTP_EXPECT)
            | flag(head.upgrade, GT_HTTP_UPGRADE),
    }
}

/// Reads up to `len` bytes of the request's body, letting other tasks run until there are some. Sends 100 (Continue) if the other end
/// waits for it and no answer has begun.
///
/// Returns the number of bytes, 0 at the end of the body, or
///   -EBADMSG    the body is not what it says it is. Answer with the status of gt_http_status(); the connection ends then
///   -EMSGSIZE   it is too large: likewise
///   -ETIMEDOUT  nothing came for too long: likewise; or a deadline scope expired, then gt_http_status() is 0
///   -ECONNRESET the other end has gone away
///   -EINVAL     no connection, or no request; buf is NULL and len is not 0
///   -EBUSY      another task uses the connection
/// Also -ECANCELED, -EINTR, -ENOMEM, and errors of gt_recv(). May switch.
///
/// # Safety
/// `conn` is NULL or came from gt_http_new(); `buf` is writable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_http_read(conn: *mut gt_http_conn_t, buf: *mut c_void, len: usize) -> libc::ssize_t {
    guard_errno(|| {
        buffer(buf, len)?;
        // SAFETY: by the caller.
        let mut hold = unsafe { hold(conn)? };
        let out = match len {
            0 => &mut [],
            // SAFETY: not NULL, and writable by the caller.
            _ => unsafe { std::slice::from_raw_parts_mut(buf.cast::<u8>(), len) },
        };
        hold.conn().read(Scheduler::current()?, out).map(|n| n as libc::ssize_t)
    })
}

/// The status of the present answer, or the one that a request was refused with, or that is to be given after an error of
/// gt_http_read(); 0: none. Negative: -EINVAL (no connection), -EBUSY (another task uses it). Does not switch.
///
/// # Safety
/// `conn` is NULL or came from gt_http_new().
#[no_mangle]
pub unsafe extern "C" fn gt_http_status(conn: *const gt_http_conn_t) -> libc::c_int {
    // SAFETY: by the caller.
    guard(|| Ok(i32::from(unsafe { hold(conn)? }.conn().status())))
}

/// Whether another request may follow, as it stands. Returns 1 or 0; -EINVAL (no connection), -EBUSY (another task uses it). Does not
/// switch.
///
/// # Safety
/// `conn` is NULL or came from gt_http_new().
#[no_mangle]
pub unsafe extern "C" fn gt_http_keeps_alive(conn: *const gt_http_conn_t) -> libc::c_int {
    // SAFETY: by the caller.
    guard(|| Ok(i32::from(unsafe { hold(conn)? }.conn().keeps_alive())))
}

/// Frees a connection; NULL is fine. Its descriptor stays open.
///
/// Returns 0, or -EINVAL (no connection: freed already), -EBUSY (another task uses it; nothing was freed). Does not switch.
///
/// # Safety
/// `conn` is NULL or came from gt_http_new().
#[no_mangle]
pub unsafe extern "C" fn gt_http_free(conn: *mut gt_http_conn_t) -> libc::c_int {
    guard(|| {
        if conn.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        drop(unsafe { hold(conn)? });
        // SAFETY: by the caller; nobody uses it.
        unsafe { Object::free(conn.cast::<Object<Shared>>(), Kind::Http)? };
        Ok(0)
    })
}
