//! `_ssl._SSLSocket`: handshake, read, write, shutdown.
//!
//! OpenSSL reads and writes the descriptor itself, in the mode that it is in, and one call of it may need several reads and writes. So
//! each attempt is CPython's own function on the socket as if its timeout were 0: it raises SSLWantReadError or SSLWantWriteError
//! where it would wait, and the task waits for the descriptor and tries again, as callers of OpenSSL are meant to do. For the
//! length of an attempt the socket object says timeout 0, and a descriptor in blocking mode is in non-blocking mode; nothing
//! else runs on this OS thread meanwhile. When the time is over, CPython's function is called once more with a timeout that has
//! passed, so that the exception is its own.

use super::super::api::{api, drop_ref, raise_errno, New, Obj, PyObject};
use super::super::signals;
use super::super::{gt, host};
use super::call::Args;
use super::gate::{self, Came, Inside};
use super::shapes::{self, read, write};
use super::socket::{failed, open, Sock};
use super::table;
use super::time::{take_turn, until_answered, Waited};
use core::ffi::c_int;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// `SSLWantReadError` and `SSLWantWriteError`, kept once prepared.
static WANT_READ: AtomicPtr<PyObject> = AtomicPtr::new(core::ptr::null_mut());
static WANT_WRITE: AtomicPtr<PyObject> = AtomicPtr::new(core::ptr::null_mut());
/// Offset in `_SSLSocket` of the weak reference to its socket; 0 = not found yet.
static SOCKET: AtomicUsize = AtomicUsize::new(0);

/// Looks up what the replacements need. An interpreter without `_ssl` has nothing to patch.
///
/// # Safety
/// GIL held.
pub unsafe fn prepare() -> Result<(), String> {
    // SAFETY: the caller's promise.
    unsafe {
        if SOCKET.load(Ordering::Acquire) != 0 {
            return Ok(());
        }
        let Some(module) = table::attribute(&["_ssl"]) else { return Ok(()) };
        drop_ref(module);
        for (place, name) in [(&WANT_READ, "SSLWantReadError"), (&WANT_WRITE, "SSLWantWriteError")] {
            let found = table::attribute(&["_ssl", name]).ok_or_else(|| format!("there is no _ssl.{name}"))?;
            place.store(found, Ordering::Release);
        }
        let offset = shapes::find_ssl()?;
        SOCKET.store(offset, Ordering::Release);
        Ok(())
    }
}

/// The socket of an `_SSLSocket`, a new reference; NULL where it has none (it works in memory, or the socket is gone).
unsafe fn socket_of(this: Obj) -> New {
    let api = api();
    // SAFETY: PS1: NULL or a weak reference, which gives its object when called; GIL held by the caller.
    unsafe {
        let weak: Obj = read(this, SOCKET.load(Ordering::Relaxed));
        if weak.is_null() {
            return weak;
        }
        let socket = (api.PyObject_CallNoArgs)(weak);
        if socket == api.none || socket.is_null() {
            (api.PyErr_Clear)();
            drop_ref(socket);
            return core::ptr::null_mut();
        }
        socket
    }
}

/// The socket object with another timeout, and its descriptor in non-blocking mode, until dropped.
struct Guise<'a> {
    socket: Obj,
    sock: &'a Sock,
    kept: i64,
    shown: i64,
    flags: c_int,
}

impl<'a> Guise<'a> {
    unsafe fn put_on(socket: Obj, sock: &'a Sock, timeout: i64) -> Guise<'a> {
        let at = shapes::socket().timeout;
        // SAFETY: PS1; the flags are put back before anything can switch.
        unsafe {
            let kept = read(socket, at);
            write::<i64>(socket, at, timeout);
            let mut flags = -1;
            if sock.blocking {
                flags = libc::fcntl(sock.fd, libc::F_GETFL);
                if flags >= 0 && flags & libc::O_NONBLOCK == 0 {
                    libc::fcntl(sock.fd, libc::F_SETFL, flags | libc::O_NONBLOCK);
                } else {
                    flags = -1;
                }
            }
            Guise { socket, sock, kept, shown: timeout, flags }
        }
    }
}

impl Drop for Guise<'_> {
    fn drop(&mut self) {
        let at = shapes::socket().timeout;
        // SAFETY: PS1; the caller holds the socket. What a callback has set meanwhile stays.
        unsafe {
            if self.flags >= 0 && read::<c_int>(self.socket, shapes::socket().fd) == self.sock.fd {
                libc::fcntl(self.sock.fd, libc::F_SETFL, self.flags);
            }
            if read::<i64>(self.socket, at) == self.shown {
                write::<i64>(self.socket, at, self.kept);
            }
        }
    }
}

/// One call of CPython's own function that does not wait.
unsafe fn attempt(args: &Args, socket: Obj, sock: &Sock, timeout: i64) -> New {
    // SAFETY: GIL held by the caller. CPython looks for signals in the middle; handlers are kept until the guise is off.
    unsafe {
        let held = signals::hold();
        let guise = Guise::put_on(socket, sock, timeout);
        let result = args.original();
        drop(guise);
        drop(held);
        result
    }
}

/// What an attempt that did not succeed waits for; nothing when it failed for good, with the exception left set.
unsafe fn wanted() -> Option<i16> {
    let api = api();
    // SAFETY: GIL held by the caller; an exception is set.
    unsafe {
        let events = if (api.PyErr_ExceptionMatches)(WANT_READ.load(Ordering::Relaxed)) != 0 {
            libc::POLLIN
        } else if (api.PyErr_ExceptionMatches)(WANT_WRITE.load(Ordering::Relaxed)) != 0 {
            libc::POLLOUT
        } else {
            return None;
        };
        (api.PyErr_Clear)();
        Some(events)
    }
}

/// Tries and waits until there is an answer. `gate`: what is sent must be sent in one go, nobody else begins meanwhile.
unsafe fn carry_on(args: &Args, socket: Obj, sock: &Sock, gate: Option<usize>) -> New {
    // SAFETY: PS1; the socket is held by the caller; GIL held.
    unsafe {
        let mut inside = match gate.map(|key| gate::come(key, sock.deadline)) {
            None | Some(Came::Open) => None,
            Some(Came::In(inside)) => Some(inside),
            Some(Came::TimedOut) => return attempt(args, socket, sock, 1),
            Some(Came::Raised) => return core::ptr::null_mut(),
        };
        // CPython waits for room before it writes on a socket with a timeout.
        let mut events = if gate.is_some() && !sock.blocking { libc::POLLOUT } else { 0 };
        let mut waited = false;
        loop {
            if events == 0 {
                if read::<c_int>(socket, shapes::socket().fd) != sock.fd {
                    // Closed meanwhile: OpenSSL still has the number.
                    return raise_errno(-i64::from(libc::EBADF));
                }
                let result = attempt(args, socket, sock, 0);
                if !result.is_null() {
                    if !waited {
                        take_turn();
                    }
                    return result;
                }
                waited = true;
                events = match wanted() {
                    Some(events) => events,
                    None => return result,
                };
                if let (Some(key), None) = (gate, &inside) {
                    inside = Some(Inside::new(key));
                }
            }
            match until_answered(|| gt::gt_wait_fd_until(sock.fd, events.into(), sock.deadline).into()) {
                Waited::Done(rc) if rc >= 0 => events = 0,
                Waited::TimedOut if !sock.blocking => return attempt(args, socket, sock, 1),
                other => return failed(other),
            }
        }
    }
}

unsafe fn verb(args: &Args, gate: Option<usize>) -> New {
    // SAFETY: called by CPython on an `_SSLSocket`.
    unsafe {
        if !host::home() {
            return args.original();
        }
        let socket = socket_of(args.this);
        let sock = if socket.is_null() { None } else { open(socket).filter(|sock| sock.fd >= 0) };
        let result = match sock {
            Some(sock) => carry_on(args, socket, &sock, gate),
            None => args.original(),
        };
        drop_ref(socket);
        result
    }
}

/// `do_handshake()`, `read(size[, buffer])` and `shutdown()`.
///
/// # Safety
/// Called by CPython on an `_SSLSocket`.
pub unsafe fn receive(args: &Args) -> New {
    // SAFETY: the caller's promise.
    unsafe { verb(args, None) }
}

/// `write(data)`
///
/// # Safety
/// Called by CPython on an `_SSLSocket`.
pub unsafe fn send(args: &Args) -> New {
    // SAFETY: the caller's promise.
    unsafe { verb(args, Some(args.this as usize)) }
}
