//! `_socket.socket`: the verbs that move plain bytes. Those with addresses and control messages are in `ghost.rs`.
//!
//! A socket without a timeout is a blocking descriptor to the kernel, possibly shared with other processes, so
//! O_NONBLOCK is never set on it: the core's verbs use MSG_DONTWAIT and wait. A socket with a timeout has the flag already (CPython
//! set it); its timeout becomes the deadline. A socket with timeout 0 never waits: CPython's own function does it.

use super::super::api::{api, drop_ref, none, raise_errno, New, Obj, PyObject};
use super::super::gt::{self, NEVER};
use super::super::host;
use super::call::Args;
use super::seconds::from_now;
use super::shapes::{self, read, write};
use super::time::{until_answered, Waited};
use super::values::{c_int_of, filled, int, Bytes, Filled};
use core::ffi::c_int;
use core::sync::atomic::{AtomicPtr, Ordering};

/// `_socket.timeout`, kept once prepared.
static TIMEOUT: AtomicPtr<PyObject> = AtomicPtr::new(core::ptr::null_mut());

/// Looks up what the replacements need.
///
/// # Safety
/// GIL held.
pub unsafe fn prepare() -> Result<(), String> {
    let api = api();
    // SAFETY: the caller's promise.
    unsafe {
        if !TIMEOUT.load(Ordering::Acquire).is_null() {
            return Ok(());
        }
        let module = (api.PyImport_ImportModule)(c"_socket".as_ptr());
        let found = if module.is_null() { module } else { (api.PyObject_GetAttrString)(module, c"timeout".as_ptr()) };
        drop_ref(module);
        if found.is_null() {
            (api.PyErr_Clear)();
            return Err("there is no _socket.timeout".to_string());
        }
        TIMEOUT.store(found, Ordering::Release);
        Ok(())
    }
}

/// `socket.timeout`; NULL before [`prepare`].
pub fn timeout_type() -> Obj {
    TIMEOUT.load(Ordering::Acquire)
}

/// Raises what CPython raises when a socket's timeout is over.
///
/// # Safety
/// GIL held, after [`prepare`].
pub unsafe fn raise_timeout() -> New {
    // SAFETY: a live exception type.
    unsafe { (api().PyErr_SetString)(TIMEOUT.load(Ordering::Acquire), c"timed out".as_ptr()) };
    core::ptr::null_mut()
}

/// A socket as the replacements see it, at the start of a call.
#[derive(Clone, Copy)]
pub struct Sock {
    /// The descriptor, -1 when closed.
    pub fd: c_int,
    /// Whether the kernel's descriptor is in blocking mode (no timeout).
    pub blocking: bool,
    /// Until when the call may wait.
    pub deadline: i64,
    /// SOCK_STREAM and friends, without flags.
    pub kind: c_int,
}

/// The socket, if the call may wait on this OS thread's tasks; otherwise the original is to be called.
///
/// # Safety
/// GIL held; `this` is a `_socket.socket`.
#[inline(always)]
pub unsafe fn open(this: Obj) -> Option<Sock> {
    if !host::home() {
        return None;
    }
    let shape = shapes::socket();
    // SAFETY: PS1.
    unsafe {
        let timeout: i64 = read(this, shape.timeout);
        if timeout == 0 {
            return None;
        }
        Some(Sock {
            fd: read(this, shape.fd),
            blocking: timeout < 0,
            deadline: if timeout < 0 { NEVER } else { from_now(timeout) },
            kind: read::<c_int>(this, shape.kind) & 0xf,
        })
    }
}

/// The result of a verb that did not succeed.
///
/// # Safety
/// GIL held.
pub unsafe fn failed(waited: Waited) -> New {
    // SAFETY: the caller's promise.
    unsafe {
        match waited {
            Waited::Raised => core::ptr::null_mut(),
            Waited::TimedOut => raise_timeout(),
            Waited::Done(rc) => raise_errno(rc),
        }
    }
}

/// Whether CPython's own call would not wait either: the caller said MSG_DONTWAIT, and there is no timeout to wait for first.
pub fn says_dontwait(sock: &Sock, flags: c_int) -> bool {
    sock.blocking && flags & libc::MSG_DONTWAIT != 0
}

/// Receives into `start..start + length` by the socket's rules.
unsafe fn receive(sock: &Sock, start: *mut u8, length: usize, flags: c_int) -> Waited {
    // The kernel fills the whole buffer of a blocking MSG_WAITALL; so do we, piece by piece.
    let whole = flags & libc::MSG_WAITALL != 0
        && flags & libc::MSG_PEEK == 0
        && sock.blocking
        && sock.kind == libc::SOCK_STREAM;
    let mut have = 0;
    loop {
        // SAFETY: the buffer is held by the caller; the verb may switch.
        let waited = unsafe {
            until_answered(|| {
                gt::gt_recv_until(sock.fd, start.add(have).cast(), length - have, flags, sock.deadline) as i64
            })
        };
        match waited {
            Waited::Done(count) if count > 0 => {
                have += count as usize;
                if !whole || have >= length {
                    return Waited::Done(have as i64);
                }
            }
            Waited::Done(rc) if rc == 0 || have > 0 => return Waited::Done(have as i64),
            other => return other,
        }
    }
}

/// `recv(bufsize[, flags])`
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn recv(args: &Args) -> New {
    // SAFETY: PS1; the room is as long as said.
    unsafe {
        let Some(sock) = open(args.this) else { return args.original() };
        let count = args.positional();
        let (Some(length), Some(flags)) = (int(args.at(0), -1), c_int_of(args.at(1), 0)) else {
            return args.original();
        };
        if count > 2 || length < 0 || says_dontwait(&sock, flags) {
            return args.original();
        }
        filled(length as usize, |start| match receive(&sock, start, length as usize, flags) {
            Waited::Done(got) if got >= 0 => Filled::Bytes(got as usize),
            other => {
                failed(other);
                Filled::Nothing
            }
        })
    }
}

/// `recv_into(buffer, nbytes=0, flags=0)`
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn recv_into(args: &Args) -> New {
    // SAFETY: PS1; the buffer is held for the time of the call.
    unsafe {
        let Some(sock) = open(args.this) else { return args.original() };
        let mut given = [core::ptr::null_mut(); 3];
        if !args.bind(&[c"buffer", c"nbytes", c"flags"], &mut given) || given[0].is_null() {
            return args.original();
        }
        let (Some(wanted), Some(flags)) = (int(given[1], 0), c_int_of(given[2], 0)) else { return args.original() };
        let Some(view) = Bytes::of(given[0], true) else { return args.original() };
        let room = view.len() as i64;
        if wanted < 0 || wanted > room || says_dontwait(&sock, flags) {
            drop(view);
            return args.original();
        }
        let length = if wanted == 0 { room } else { wanted };
        match receive(&sock, view.start(), length as usize, flags) {
            Waited::Done(got) if got >= 0 => (api().PyLong_FromLongLong)(got),
            other => {
                drop(view);
                failed(other)
            }
        }
    }
}

/// Sends all of a buffer. The count of bytes that left, and how it ended.
unsafe fn send_whole(sock: &Sock, start: *const u8, length: usize, flags: c_int) -> (usize, Waited) {
    let mut total = 0;
    // SAFETY: the buffer is held by the caller; the verb may switch, and is repeated after an interrupt that raised nothing,
    // from where it stopped.
    let waited = unsafe {
        until_answered(|| {
            let mut sent = 0;
            let rc = gt::gt_send_all_until(
                sock.fd,
                start.add(total).cast(),
                length - total,
                flags,
                &mut sent,
                sock.deadline,
            );
            total += sent;
            rc.into()
        })
    };
    (total, waited)
}

/// `send(data[, flags])`. On a blocking stream the kernel takes everything before it returns, and programs rely on it;
/// so does this.
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn send(args: &Args) -> New {
    // SAFETY: PS1; the buffer is held for the time of the call.
    unsafe {
        let Some(sock) = open(args.this) else { return args.original() };
        let Some(flags) = c_int_of(args.at(1), 0) else { return args.original() };
        if !(1..=2).contains(&args.positional()) || says_dontwait(&sock, flags) {
            return args.original();
        }
        let Some(view) = Bytes::of(args.at(0), false) else { return args.original() };
        let (start, length) = (view.start().cast_const(), view.len());
        let waited = if sock.blocking && sock.kind == libc::SOCK_STREAM && length > 0 {
            match send_whole(&sock, start, length, flags) {
                (_, Waited::Raised) => Waited::Raised,
                (0, waited) if waited != Waited::Done(0) => waited,
                (total, _) => Waited::Done(total as i64),
            }
        } else {
            until_answered(|| gt::gt_send_until(sock.fd, start.cast(), length, flags, sock.deadline) as i64)
        };
        drop(view);
        match waited {
            Waited::Done(sent) if sent >= 0 => (api().PyLong_FromLongLong)(sent),
            other => failed(other),
        }
    }
}

/// `sendall(data[, flags])`. The timeout is for all of it.
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn sendall(args: &Args) -> New {
    // SAFETY: PS1; the buffer is held for the time of the call.
    unsafe {
        let Some(sock) = open(args.this) else { return args.original() };
        let Some(flags) = c_int_of(args.at(1), 0) else { return args.original() };
        if !(1..=2).contains(&args.positional()) || says_dontwait(&sock, flags) {
            return args.original();
        }
        let Some(view) = Bytes::of(args.at(0), false) else { return args.original() };
        if view.len() == 0 {
            return none();
        }
        let (_, waited) = send_whole(&sock, view.start(), view.len(), flags);
        drop(view);
        match waited {
            Waited::Done(rc) if rc >= 0 => none(),
            other => failed(other),
        }
    }
}

/// `close()`: tasks that wait for the descriptor are woken with EBADF.
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn close(args: &Args) -> New {
    let shape = shapes::socket();
    // SAFETY: PS1. The object forgets the number before it can be reused.
    unsafe {
        let fd: c_int = read(args.this, shape.fd);
        if !host::home() || fd < 0 {
            return args.original();
        }
        write::<c_int>(args.this, shape.fd, -1);
        let rc = i64::from(gt::gt_close(fd));
        // As CPython: a reset by the peer is no error of close.
        if rc < 0 && rc != -i64::from(libc::ECONNRESET) {
            return raise_errno(rc);
        }
        none()
    }
}
