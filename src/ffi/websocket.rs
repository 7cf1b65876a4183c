//! Section: frames of a WebSocket.

use super::guard::{buffer, guard, invalid, made, sized};
use crate::error::Result;
use crate::sync::lock::Lock;
use crate::sync::object::{Kind, Object};
use crate::websocket::{self, Options, Receiver, Role, Sender, Window};

/// gt_ws_event_t, gt_ws_put(): a message of text, UTF-8.
pub const GT_WS_TEXT: libc::c_int = 1;
/// gt_ws_event_t, gt_ws_put(): a message of bytes.
pub const GT_WS_BINARY: libc::c_int = 2;
/// gt_ws_event_t, gt_ws_put(): the end. To be answered by the same, unless it is the answer.
pub const GT_WS_CLOSE: libc::c_int = 8;
/// gt_ws_event_t, gt_ws_put(): to be answered by a pong with the same data.
pub const GT_WS_PING: libc::c_int = 9;
/// gt_ws_event_t, gt_ws_put(): the answer to a ping.
pub const GT_WS_PONG: libc::c_int = 10;

const _: () = {
    assert!(GT_WS_TEXT == websocket::TEXT as i32 && GT_WS_BINARY == websocket::BINARY as i32);
    assert!(GT_WS_CLOSE == websocket::CLOSE as i32 && GT_WS_PING == websocket::PING as i32);
    assert!(GT_WS_PONG == websocket::PONG as i32);
};

/// gt_ws_opts_t: this side connected; without it, it was connected to.
pub const GT_WS_CLIENT: u32 = 1;
/// gt_ws_opts_t: permessage-deflate was agreed on.
pub const GT_WS_DEFLATE: u32 = 2;
/// gt_ws_opts_t: this side compresses each message by itself (its "no context takeover").
pub const GT_WS_ALONE: u32 = 4;
/// gt_ws_opts_t: the other side compresses each message by itself.
pub const GT_WS_PEER_ALONE: u32 = 8;

/// What the handshake agreed on, and the limits of this side.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_ws_opts_t {
    /// sizeof(gt_ws_opts_t)
    pub size: usize,
    /// GT_WS_CLIENT, GT_WS_DEFLATE and so on.
    pub flags: u32,
    /// How hard this side compresses, 1 to 9; 0: 6.
    pub level: u32,
    /// The most bytes of one message of the other side, inflated; 0: 1 MiB.
    pub max_size: u64,
    /// With GT_WS_DEFLATE: the window bits of this side, 9 to 15; 0: 15.
    pub window: u32,
    /// The same of the other side.
    pub peer_window: u32,
}

/// What gt_ws_next() found.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_ws_event_t {
    /// GT_WS_TEXT, GT_WS_BINARY, GT_WS_CLOSE, GT_WS_PING or GT_WS_PONG.
    pub kind: libc::c_int,
    /// GT_WS_CLOSE: why; 1005 when the other side did not say. Else 0.
    pub code: libc::c_int,
    /// The message; the reason of a close. Until the next call of gt_ws_next(), gt_ws_feed() or gt_ws_free().
    pub data: *const libc::c_void,
    /// How many bytes.
    pub len: usize,
}

/// One side of a WebSocket (RFC 6455), as a machine over bytes: gt_ws_feed() what was received, then take messages by gt_ws_next() until
/// it says 0; gt_ws_put() or gt_ws_put_fragment() what is to be said, then write what gt_ws_output() shows and tell gt_ws_written(). It
/// touches no descriptor and never waits, so it goes with any transport. The handshake before it is HTTP's matter.
///
/// Receiving and sending are independent: one task may do the one while another does the other.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct gt_ws_t {
    _object: Object<Both>,
}

struct Both {
    receiver: Lock<Receiver>,
    sender: Lock<Sender>,
}

/// # Safety
/// As for [`Object::get`].
#[inline(always)]
unsafe fn of<'a>(ws: *mut gt_ws_t) -> Result<&'a Both> {
    // SAFETY: by the caller.
    unsafe { Object::get(ws.cast::<Object<Both>>(), Kind::WebSocket) }
}

fn options(given: &gt_ws_opts_t) -> Result<Options> {
    if given.flags & !(GT_WS_CLIENT | GT_WS_DEFLATE | GT_WS_ALONE | GT_WS_PEER_ALONE) != 0 || given.level > 9 {
        return Err(invalid());
    }
    let window = |bits: u32, alone: u32| match bits {
        0 => Ok(Window { bits: 15, alone: given.flags & alone != 0 }),
        9..=15 => Ok(Window { bits: bits as u8, alone: given.flags & alone != 0 }),
        _ => Err(invalid()),
    };
    let (ours, theirs) = (window(given.window, GT_WS_ALONE)?, window(given.peer_window, GT_WS_PEER_ALONE)?);
    let deflate = given.flags & GT_WS_DEFLATE != 0;
    Ok(Options {
        role: if given.flags & GT_WS_CLIENT != 0 { Role::Client } else { Role::Server },
        max: if given.max_size == 0 { websocket::MAX_SIZE } else { given.max_size },
        theirs: deflate.then_some(theirs),
        ours: deflate.then_some(ours),
        level: if given.level == 0 { 6 } else { given.level },
    })
}

/// Makes one side of a WebSocket; `opts` NULL: a server's without compression, messages of at most 1 MiB.
///
/// Returns NULL with errno
///   EINVAL  a flag, level or window that does not exist, or a size that is too small
///   E2BIG   opts is longer than this library knows, and not zero there
///   ENOMEM  memory is out
///
/// Any thread; does not switch.
///
/// # Safety
/// `opts` is NULL or points to as many bytes as its first member says.
#[no_mangle]
pub unsafe extern "C" fn gt_ws_new(opts: *const gt_ws_opts_t) -> *mut gt_ws_t {
    made(|| {
        let given = if opts.is_null() {
            gt_ws_opts_t { size: 0, flags: 0, level: 0, max_size: 0, window: 0, peer_window: 0 }
        } else {
            // SAFETY: by the caller; all zeroes is a valid value.
            unsafe { sized(opts, size_of::<usize>() + size_of::<u32>())? }
        };
        let options = options(&given)?;
        let both = Both { receiver: Lock::new(Receiver::new(&options)), sender: Lock::new(Sender::new(&options)) };
        Object::new(Kind::WebSocket, both).map(|ws| ws.cast())
    })
}

/// Frees one side of a WebSocket; NULL is fine.
///
/// Returns 0, or
///   -EINVAL  ws was freed before, or is no WebSocket
///
/// Any thread; does not switch. Nobody else may use it at the same time.
///
/// # Safety
/// `ws` is NULL or from gt_ws_new().
#[no_mangle]
pub unsafe extern "C" fn gt_ws_free(ws: *mut gt_ws_t) -> libc::c_int {
    guard(|| {
        if ws.is_null() {
            return Ok(0);
        }
        // SAFETY: by the caller.
        unsafe { Object::free(ws.cast::<Object<Both>>(), Kind::WebSocket).map(|()| 0) }
    })
}

/// Takes bytes that came from the other side; they are copied. Then ask gt_ws_next(). What follows a close frame or an error is dropped.
///
/// Returns 0, or
///   -EINVAL  ws is NULL, was freed, or is no WebSocket; buf is NULL and len is not 0
///   -ENOMEM  memory is out; nothing was taken
///
/// Any thread; does not switch. One receives at a time.
///
/// # Safety
/// `ws` is NULL or from gt_ws_new(); `buf` is readable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_ws_feed(ws: *mut gt_ws_t, buf: *const libc::c_void, len: usize) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let both = unsafe { of(ws)? };
        buffer(buf, len)?;
        if len > 0 {
            // SAFETY: not NULL, so readable by the caller.
            let bytes = unsafe { std::slice::from_raw_parts(buf.cast::<u8>(), len) };
            both.receiver.lock().feed(bytes)?;
        }
        Ok(0)
    })
}

/// Says what comes next of the other side: a message, whole, or a control frame. Pieces of a message are put together.
///
/// Returns 1 and fills `*event`; 0: more bytes are needed, or the other side has closed; or
///   -EBADMSG   the other side broke the protocol: close with 1002
///   -EILSEQ    text that is no UTF-8, or data that cannot be inflated: close with 1007
///   -EMSGSIZE  a message of more than max_size: close with 1009
///   -EINVAL    ws is NULL, was freed, or is no WebSocket; event is NULL
///   -ENOMEM    memory is out
///
/// An error stays: nothing more is received. Any thread; does not switch. One receives at a time.
///
/// # Safety
/// `ws` is NULL or from gt_ws_new(); `event` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_ws_next(ws: *mut gt_ws_t, event: *mut gt_ws_event_t) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let both = unsafe { of(ws)? };
        if event.is_null() {
            return Err(invalid());
        }
        let mut receiver = both.receiver.lock();
        let Some(found) = receiver.next()? else { return Ok(0) };
        let told = gt_ws_event_t {
            kind: found.kind.into(),
            code: found.code.into(),
            data: found.data.as_ptr().cast(),
            len: found.data.len(),
        };
        // SAFETY: not NULL, so writable by the caller.
        unsafe { *event = told };
        Ok(1)
    })
}

/// What a caller gave to be sent.
///
/// # Safety
/// `data` is readable for `len` bytes.
unsafe fn said<'a>(kind: libc::c_int, data: *const libc::c_void, len: usize) -> Result<(u8, &'a [u8])> {
    buffer(data, len)?;
    let kind = u8::try_from(kind).map_err(|_| invalid())?;
    let bytes = match len {
        0 => &[],
        // SAFETY: not NULL, so readable by the caller.
        _ => unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) },
    };
    Ok((kind, bytes))
}

/// Adds a message or a control frame to what is to be written: masked, compressed and framed as agreed. The data of a GT_WS_CLOSE is the
/// code, high byte first, and the reason; or nothing.
///
/// Returns 0, or
///   -EINVAL  ws is NULL, was freed, or is no WebSocket; data is NULL and len is not 0; no such kind; a control frame of more than 125
///            bytes; a close with a code that may not be sent
///   -EILSEQ  a text, or the reason of a close, that is no UTF-8
///   -EBUSY   a message, while another one is put in fragments; control frames may come between (RFC 6455, 5.4)
///   -ENOMEM  memory is out
///
/// Any thread; does not switch. One sends at a time.
///
/// # Safety
/// `ws` is NULL or from gt_ws_new(); `data` is readable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_ws_put(
    ws: *mut gt_ws_t,
    kind: libc::c_int,
    data: *const libc::c_void,
    len: usize,
) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let both = unsafe { of(ws)? };
        // SAFETY: by the caller.
        let (kind, bytes) = unsafe { said(kind, data, len)? };
        both.sender.lock().put(kind, bytes)?;
        Ok(0)
    })
}

/// Adds a fragment of a message to what is to be written: for messages that are not there as a whole, or are to be sent before they are.
/// `kind` is GT_WS_TEXT or GT_WS_BINARY, the same for all fragments of the message; `last` is not 0 with the one that ends it. A character
/// of a text may be cut by the end of a fragment. How fragments are cut means nothing to the other side (RFC 6455, 5.4).
///
/// Returns 0, or
///   -EINVAL  ws is NULL, was freed, or is no WebSocket; data is NULL and len is not 0; no such kind, or another one than that of the
///            fragments before
///   -EILSEQ  a text that is no UTF-8
///   -ENOMEM  memory is out
///
/// After an error nothing was added, and the message has not ended: it takes other fragments, or a close frame. Any thread; does not
/// switch. One sends at a time.
///
/// # Safety
/// `ws` is NULL or from gt_ws_new(); `data` is readable for `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn gt_ws_put_fragment(
    ws: *mut gt_ws_t,
    kind: libc::c_int,
    data: *const libc::c_void,
    len: usize,
    last: libc::c_int,
) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        let both = unsafe { of(ws)? };
        // SAFETY: by the caller.
        let (kind, bytes) = unsafe { said(kind, data, len)? };
        both.sender.lock().put_fragment(kind, bytes, last != 0)?;
        Ok(0)
    })
}

/// Shows what is to be written: `*bytes` is its beginning, until the next call of gt_ws_put(), gt_ws_put_fragment(), gt_ws_written() or
/// gt_ws_free().
///
/// Returns how many bytes there are, or
///   -EINVAL  ws is NULL, was freed, or is no WebSocket; bytes is NULL
///
/// Any thread; does not switch. One sends at a time.
///
/// # Safety
/// `ws` is NULL or from gt_ws_new(); `bytes` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_ws_output(ws: *mut gt_ws_t, bytes: *mut *const libc::c_void) -> libc::ssize_t {
    guard(|| {
        // SAFETY: by the caller.
        let both = unsafe { of(ws)? };
        if bytes.is_null() {
            return Err(invalid());
        }
        let sender = both.sender.lock();
        let output = sender.output();
        // SAFETY: not NULL, so writable by the caller.
        unsafe { *bytes = output.as_ptr().cast() };
        Ok(output.len() as libc::ssize_t)
    })
}

/// So many of the bytes that gt_ws_output() showed have been written; they are shown no more.
///
/// Returns 0, or
///   -EINVAL  ws is NULL, was freed, or is no WebSocket; there are not so many
///
/// Any thread; does not switch. One sends at a time.
///
/// # Safety
/// `ws` is NULL or from gt_ws_new().
#[no_mangle]
pub unsafe extern "C" fn gt_ws_written(ws: *mut gt_ws_t, count: usize) -> libc::c_int {
    guard(|| {
        // SAFETY: by the caller.
        unsafe { of(ws)? }.sender.lock().written(count)?;
        Ok(0)
    })
}
