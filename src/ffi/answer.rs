//! Section: answers over HTTP.

use std::ffi::c_void;
use std::ptr;

use super::guard::{buffer, guard, guard_errno, invalid};
use super::http::{gt_http_conn_t, gt_http_header_t, hold};
use crate::error::Result;
use crate::http::message::Fields;
use crate::http::parse::Field;
use crate::sched::Scheduler;

/// What an answer begins with.
struct Begin<'a> {
    status: u16,
    reason: Option<&'a [u8]>,
    fields: Fields<'a>,
}

/// # Safety
/// As for gt_http_respond().
#[inline(always)]
unsafe fn begin<'a>(
    status: libc::c_int,
    reason: *const libc::c_char,
    headers: *const gt_http_header_t,
    count: usize,
) -> Result<Begin<'a>> {
    let status = u16::try_from(status).map_err(|_| invalid())?;
    // SAFETY: NULL, or NUL-terminated by the caller.
    let reason = (!reason.is_null()).then(|| unsafe { std::ffi::CStr::from_ptr(reason) }.to_bytes());
    if count > 0 && (headers.is_null() || count > 1 << 20) {
        return Err(invalid());
    }
    let fields = match count {
        0 => &[][..],
        // SAFETY: not NULL, so readable by the caller; the two structs are the same in memory.
        _ => unsafe { std::slice::from_raw_parts(headers.cast::<Field>(), count) },
    };
    let missing = |text: &crate::http::parse::Text| text.at.is_null() && text.len > 0;
    if fields.iter().any(|f| missing(&f.name) || missing(&f.value)) {
        return Err(invalid());
    }
    // SAFETY: the texts are readable by the caller.
    Ok(Begin { status, reason, fields: unsafe { Fields::new(fields) } })
}

/// # Safety
/// As for gt_http_respond().
#[inline(always)]
unsafe fn data<'a>(buf: *const c_void, len: usize) -> Result<&'a [u8]> {
    buffer(buf, len)?;
    Ok(match len {
        0 => &[],
        // SAFETY: not NULL, and readable by the caller.
        _ => unsafe { std::slice::from_raw_parts(buf.cast::<u8>(), len) },
    })
}

/// Answers the request as a whole, in one write, letting other tasks run while there is no room. `reason` may be NULL: the usual one.
/// Date, Server, Content-Length and Connection are added where `headers` does not have them. What an answer to HEAD would have as a body is
/// given all the same, and not sent; nor is one with 204 and 304. "Connection: close" in the headers ends the connection.
///
/// Returns 0, or
///   -EINVAL     no connection; no request, or it has an answer; a status below 200 or above 999; headers is NULL and count is
///               not 0; a name that is no token; a value or reason with CR, LF, NUL or another control character; a
///               Content-Length that is not len, or with 204, or twice; a Transfer-Encoding other than chunked; 2xx to
///               CONNECT (see gt_http_upgrade); body is NULL and len is not 0
///   -EPIPE, -ECONNRESET  the other end has gone away
///   -ETIMEDOUT  it took nothing for too long, or a deadline scope expired; the connection is over
///   -EBUSY      another task uses the connection
///   -ENOMEM     nothing was sent: try again, with less
/// Also -ECANCELED, -EINTR (if bytes were sent, the connection is over), and errors of gt_send(). After -EINVAL nothing has happened. May
/// switch.
///
/// # Safety
/// `conn` is NULL or came from gt_http_new(); `reason` is NULL or NUL-terminated; `headers` holds `count` headers with readable texts;
/// `body` is readable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_http_respond(
    conn: *mut gt_http_conn_t,
    status: libc::c_int,
    reason: *const libc::c_char,
    headers: *const gt_http_header_t,
    count: usize,
    body: *const c_void,
    len: usize,
) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let mut hold = unsafe { hold(conn)? };
        // SAFETY: by the caller.
        let (begin, body) = unsafe { (begin(status, reason, headers, count)?, data(body, len)?) };
        let s = Scheduler::current()?;
        hold.conn().respond(s, begin.status, begin.reason, begin.fields, body).map(|()| 0)
    })
}

/// Begins an answer whose body comes in pieces, by gt_http_write() and gt_http_sendfile(), until gt_http_finish(). Without a
/// Content-Length in `headers` it goes in chunks, to HTTP/1.0 until the connection's end. The head is held back until the first
/// piece; a write of 0 bytes sends it alone. Otherwise as gt_http_respond().
///
/// Returns 0, or
///   -EINVAL  as of gt_http_respond()
///   -EBUSY   another task uses the connection
///   -ENOMEM  nothing has happened
/// Does not switch.
///
/// # Safety
/// As for gt_http_respond().
#[no_mangle]
pub unsafe extern "C" fn gt_http_start(
    conn: *mut gt_http_conn_t,
    status: libc::c_int,
    reason: *const libc::c_char,
    headers: *const gt_http_header_t,
    count: usize,
) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let mut hold = unsafe { hold(conn)? };
        // SAFETY: by the caller.
        let begin = unsafe { begin(status, reason, headers, count)? };
        hold.conn().start(begin.status, begin.reason, begin.fields).map(|()| 0)
    })
}

/// Sends the next bytes of an answer that gt_http_start() began, all of them, letting other tasks run while there is no room.
///
/// Returns len, or
///   -EMSGSIZE   these would be more bytes than Content-Length says; none was sent
///   -EINVAL     no connection; no answer has been started; buf is NULL and len is not 0
///   -EPIPE, -ECONNRESET  the other end has gone away
///   -ETIMEDOUT  it took nothing for too long, or a deadline scope expired; the connection is over
///   -EBUSY      another task uses the connection
/// Also -ECANCELED, -EINTR (if bytes were sent, the connection is over), and errors of gt_send(). May switch.
///
/// # Safety
/// `conn` is NULL or came from gt_http_new(); `buf` is readable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_http_write(conn: *mut gt_http_conn_t, buf: *const c_void, len: usize) -> libc::ssize_t {
    guard_errno(|| {
        // SAFETY: by the caller.
        let mut hold = unsafe { hold(conn)? };
        // SAFETY: by the caller.
        let data = unsafe { data(buf, len)? };
        hold.conn().write(Scheduler::current()?, data).map(|()| len as libc::ssize_t)
    })
}

/// Sends `count` bytes of a regular file from `offset` on as the next bytes of an answer that gt_http_start() began, without a copy through
/// the program where that is possible (see gt_sendfile). The file's own position does not matter, and stays.
///
/// Returns the number of bytes, which is less than count only at the end of the file, or
///   -EMSGSIZE   these would be more bytes than Content-Length says; none was sent
///   -EINVAL     no connection; no answer has been started; in is no regular file; offset is negative
///   -EBADF      in is not open, or not open for reading
///   -EPIPE, -ECONNRESET  the other end has gone away
///   -ETIMEDOUT  it took nothing for too long, or a deadline scope expired; the connection is over
///   -EBUSY      another task uses the connection
/// Also -ECANCELED, -EINTR, -EIO (the file became shorter meanwhile), -ENOMEM, and errors of gt_sendfile(); the connection is over once
/// bytes were sent. May switch.
///
/// # Safety
/// `conn` is NULL or came from gt_http_new().
#[no_mangle]
pub unsafe extern "C" fn gt_http_sendfile(
    conn: *mut gt_http_conn_t,
    r#in: libc::c_int,
    offset: i64,
    count: usize,
) -> libc::ssize_t {
    guard_errno(|| {
        // SAFETY: by the caller.
        let mut hold = unsafe { hold(conn)? };
        if offset < 0 {
            return Err(invalid());
        }
        hold.conn().sendfile(Scheduler::current()?, r#in, offset, count).map(|n| n as libc::ssize_t)
    })
}

/// Ends an answer that gt_http_start() began.
///
/// Returns 0, or
///   -EMSGSIZE   fewer bytes were sent than Content-Length says: the answer is given up, as by gt_http_abort()
///   -EINVAL     no connection; no answer has been started
///   -EPIPE, -ECONNRESET  the other end has gone away
///   -ETIMEDOUT  it took nothing for too long, or a deadline scope expired; the connection is over
///   -EBUSY      another task uses the connection
/// Also -ECANCELED, -EINTR (if bytes were sent, the connection is over), and errors of gt_send(). May switch.
///
/// # Safety
/// `conn` is NULL or came from gt_http_new().
#[no_mangle]
pub unsafe extern "C" fn gt_http_finish(conn: *mut gt_http_conn_t) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let mut hold = unsafe { hold(conn)? };
        hold.conn().finish(Scheduler::current()?).map(|()| 0)
    })
}

/// Sends an interim answer, at once and as often as the program likes, before the request's answer: 100 (Continue) with headers of the
/// program's, after which gt_http_read() sends none, or 103 (Early Hints), say. HTTP/1.0 knows none.
///
/// Returns 1: it was sent. 0: the request is of HTTP/1.0, and nothing was sent. Or
///   -EINVAL     no connection; no request, or its answer has begun to go out; a status below 100 or above 199, or 101 (see
///               gt_http_upgrade); headers as for gt_http_respond(), or with Content-Length or "Connection: close"
///   -EPIPE, -ECONNRESET  the other end has gone away
///   -ETIMEDOUT  it took nothing for too long, or a deadline scope expired; the connection is over
///   -EBUSY      another task uses the connection
///   -ENOMEM     nothing was sent
/// Also -ECANCELED, -EINTR (if bytes were sent, the connection is over), and errors of gt_send(). May switch.
///
/// # Safety
/// As for gt_http_respond().
#[no_mangle]
pub unsafe extern "C" fn gt_http_inform(
    conn: *mut gt_http_conn_t,
    status: libc::c_int,
    headers: *const gt_http_header_t,
    count: usize,
) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let mut hold = unsafe { hold(conn)? };
        // SAFETY: by the caller.
        let begin = unsafe { begin(status, ptr::null(), headers, count)? };
        hold.conn().inform(Scheduler::current()?, begin.status, begin.fields).map(libc::c_int::from)
    })
}

/// Leaves HTTP: answers with 101 and `headers`, or with 2xx to CONNECT; with status 0 nothing is sent, and the program writes the answer
/// itself. "Connection: Upgrade" is added to 101. From now on the program reads and writes on the descriptor. What had been received
/// behind the request already is at `*early`, until gt_http_free().
///
/// Returns 0, or
///   -EINVAL     no connection; no request, or its answer has begun, or it has a body that was not read; another status, or 101 to HTTP/1.0;
///               headers as for gt_http_respond(); early or early_len is NULL
///   -EPIPE, -ECONNRESET  the other end has gone away
///   -ETIMEDOUT  it took nothing for too long, or a deadline scope expired; the connection is over
///   -EBUSY      another task uses the connection
///   -ENOMEM     nothing was sent
/// Also -ECANCELED, -EINTR, and errors of gt_send(). May switch.
///
/// # Safety
/// As for gt_http_respond(); `early` and `early_len` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_http_upgrade(
    conn: *mut gt_http_conn_t,
    status: libc::c_int,
    headers: *const gt_http_header_t,
    count: usize,
    early: *mut *const c_void,
    early_len: *mut usize,
) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        let mut hold = unsafe { hold(conn)? };
        // SAFETY: by the caller.
        let begin = unsafe { begin(status, ptr::null(), headers, count)? };
        if early.is_null() || early_len.is_null() {
            return Err(invalid());
        }
        let bytes = hold.conn().upgrade(Scheduler::current()?, begin.status, begin.fields)?;
        // SAFETY: not NULL, so writable by the caller.
        unsafe { *early = bytes.as_ptr().cast() };
        // SAFETY: as above.
        unsafe { *early_len = bytes.len() };
        Ok(0)
    })
}

/// Gives an answer up that cannot be finished; nothing more is sent. When the descriptor is closed, the other end sees that something is
/// missing: there is no last chunk, fewer bytes than were announced, or else the connection is reset.
///
/// Returns 0, or -EINVAL (no connection), -EBUSY (another task uses it). Does not switch.
///
/// # Safety
/// `conn` is NULL or came from gt_http_new().
#[no_mangle]
pub unsafe extern "C" fn gt_http_abort(conn: *mut gt_http_conn_t) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        unsafe { hold(conn)? }.conn().abort();
        Ok(0)
    })
}

/// How many bytes of the present answer's body were sent, for a log. Negative: -EINVAL (no connection), -EBUSY (another task uses it).
/// Does not switch.
///
/// # Safety
/// `conn` is NULL or came from gt_http_new().
#[no_mangle]
pub unsafe extern "C" fn gt_http_sent(conn: *const gt_http_conn_t) -> i64 {
    // SAFETY: by the caller.
    guard(|| Ok(unsafe { hold(conn)? }.conn().sent() as i64))
}

/// Whether the present answer may have begun to go out. Returns 1 or 0; -EINVAL (no connection), -EBUSY (another task uses it). Does not
/// switch.
///
/// # Safety
/// `conn` is NULL or came from gt_http_new().
#[no_mangle]
pub unsafe extern "C" fn gt_http_has_begun(conn: *const gt_http_conn_t) -> libc::c_int {
    // SAFETY: by the caller.
    guard(|| Ok(i32::from(unsafe { hold(conn)? }.conn().has_begun())))
}
