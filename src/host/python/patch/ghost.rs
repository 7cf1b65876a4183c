//! `_socket.socket`: the verbs with addresses, control messages, and new connections.
//!
//! What these take and return (address tuples of a dozen families, ancillary data) is CPython's business, so CPython's own functions
//! do the work, on a *ghost*: a second socket object with the same descriptor and a timeout of 0, on which they
//! never wait. When the ghost says that it would have to, the task waits for the descriptor, and tries again.
//! A ghost exists for the length of one attempt, and lets go of the descriptor before it is dropped.
//!
//! A blocking descriptor is not made non-blocking for this: MSG_DONTWAIT goes into the flags of the call. Two verbs have no flags.
//! accept first asks the kernel whether somebody is there. connect sets O_NONBLOCK for the length of the one system
//! call that starts the connection, on a socket that is not connected yet.

use super::super::api::{api, drop_ref, new_ref, none, raise_errno, type_of, New, Obj};
use super::super::gt;
use super::super::host;
use super::call::{apply, original_with, Args};
use super::names;
use super::seconds::from_now;
use super::shapes::{self, write};
use super::socket::{failed, open, says_dontwait, Sock};
use super::table::{self, Id};
use super::time::{take_turn, until_answered, Waited};
use super::values::{c_int_of, pack};
use core::ffi::{c_int, CStr};

/// A second object for a descriptor (see above).
struct Ghost(Obj);

impl Ghost {
    /// NULL inside, with an exception set, when there is no memory.
    unsafe fn of(socket: Obj) -> Ghost {
        let shape = shapes::socket();
        const HEAD: usize = 16;
        // SAFETY: PS1: the fields of `_socket.socket` are plain data from the header to its size; a subclass only adds behind.
        unsafe {
            let ghost = (api().PyType_GenericAlloc)(shape.class, 0);
            if !ghost.is_null() {
                core::ptr::copy_nonoverlapping(
                    socket.cast::<u8>().add(HEAD),
                    ghost.cast::<u8>().add(HEAD),
                    shape.size - HEAD,
                );
                write::<i64>(ghost, shape.timeout, 0);
            }
            Ghost(ghost)
        }
    }
}

impl Drop for Ghost {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: PS1: without a descriptor the object closes nothing and warns of nothing.
            unsafe {
                write::<c_int>(self.0, shapes::socket().fd, -1);
                drop_ref(self.0);
            }
        }
    }
}

/// One attempt of the primitive on a ghost, with these arguments.
unsafe fn attempt(args: &Args, arguments: Obj) -> New {
    // SAFETY: GIL held by the caller; the class of a ghost defines the method.
    unsafe {
        let ghost = Ghost::of(args.this);
        if ghost.0.is_null() {
            return ghost.0;
        }
        apply(args.row, ghost.0, arguments, None)
    }
}

/// Waits for the socket. Nothing, or what to return.
unsafe fn wait(sock: &Sock, events: i16) -> Option<New> {
    // SAFETY: GIL held by the caller; may switch.
    unsafe {
        match until_answered(|| gt::gt_wait_fd_until(sock.fd, events.into(), sock.deadline).into()) {
            Waited::Done(rc) if rc >= 0 => None,
            other => Some(failed(other)),
        }
    }
}

/// Whether the exception that is set says "not now"; it is cleared then.
unsafe fn would_wait() -> bool {
    let api = api();
    // SAFETY: GIL held by the caller.
    unsafe {
        let so = (api.PyErr_ExceptionMatches)(api.PyExc_BlockingIOError) != 0;
        if so {
            (api.PyErr_Clear)();
        }
        so
    }
}

/// How the arguments of a verb are laid out: names (those that may be given by keyword), defaults for the ones before
/// the flags, and where the flags stand.
struct Form {
    names: &'static [&'static CStr],
    flags: usize,
    events: i16,
}

/// The arguments as one tuple with MSG_DONTWAIT in the flags. Nothing when the call does not fit: the original says why.
unsafe fn with_dontwait(args: &Args, sock: &Sock, form: &Form) -> Option<New> {
    let api = api();
    // SAFETY: the arguments are the caller's; the tuple is fresh.
    unsafe {
        let mut given = [core::ptr::null_mut(); 4];
        if !args.bind(form.names, &mut given[..form.names.len()]) || given[0].is_null() {
            return None;
        }
        let last = (0..form.names.len()).rev().find(|index| !given[*index].is_null()).unwrap_or(0).max(form.flags);
        let flags = match given[form.flags].is_null() {
            true => 0,
            false => (api.PyLong_AsLong)(given[form.flags]),
        };
        if flags == -1 && !(api.PyErr_Occurred)().is_null() {
            (api.PyErr_Clear)();
            return None;
        }
        if says_dontwait(sock, flags as c_int) {
            return None;
        }
        let tuple = (api.PyTuple_New)(last as isize + 1);
        if tuple.is_null() {
            return Some(tuple);
        }
        for (index, part) in given.iter().enumerate().take(last + 1) {
            let part = match (index == form.flags, part.is_null()) {
                (true, _) => (api.PyLong_FromLong)(flags | core::ffi::c_long::from(libc::MSG_DONTWAIT)),
                // The address of sendmsg.
                (false, false) if index == 3 => names::settled(args.this, *part),
                (false, false) => new_ref(*part),
                // The optional ones before the flags: a size of 0, or no control messages.
                (false, true) if form.events == libc::POLLIN => (api.PyLong_FromLong)(0),
                (false, true) => (api.PyTuple_New)(0),
            };
            if part.is_null() {
                drop_ref(tuple);
                return Some(part);
            }
            (api.PyTuple_SetItem)(tuple, index as isize, part);
        }
        Some(tuple)
    }
}

/// Tries and waits until the verb has an answer.
unsafe fn carry_on(args: &Args, sock: &Sock, events: i16, arguments: New) -> New {
    // SAFETY: GIL held by the caller; the tuple is owned.
    unsafe {
        if arguments.is_null() {
            return arguments;
        }
        let mut waited = false;
        let result = loop {
            let result = attempt(args, arguments);
            if !result.is_null() || !would_wait() {
                break result;
            }
            waited = true;
            if let Some(ended) = wait(sock, events) {
                break ended;
            }
        };
        if !result.is_null() && !waited {
            take_turn();
        }
        drop_ref(arguments);
        result
    }
}

unsafe fn verb(args: &Args, form: &Form) -> New {
    // SAFETY: called by CPython on a socket.
    unsafe {
        let Some(sock) = open(args.this) else { return args.original() };
        let Some(arguments) = with_dontwait(args, &sock, form) else { return args.original() };
        carry_on(args, &sock, form.events, arguments)
    }
}

/// `recvfrom(bufsize[, flags])`
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn recvfrom(args: &Args) -> New {
    // SAFETY: the caller's promise.
    unsafe { verb(args, &Form { names: &[c"bufsize", c"flags"], flags: 1, events: libc::POLLIN }) }
}

/// `recvfrom_into(buffer[, nbytes[, flags]])`
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn recvfrom_into(args: &Args) -> New {
    // SAFETY: the caller's promise.
    unsafe { verb(args, &Form { names: &[c"buffer", c"nbytes", c"flags"], flags: 2, events: libc::POLLIN }) }
}

/// `recvmsg(bufsize[, ancbufsize[, flags]])`
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn recvmsg(args: &Args) -> New {
    // SAFETY: the caller's promise.
    unsafe { verb(args, &Form { names: &[c"bufsize", c"ancbufsize", c"flags"], flags: 2, events: libc::POLLIN }) }
}

/// `recvmsg_into(buffers[, ancbufsize[, flags]])`
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn recvmsg_into(args: &Args) -> New {
    // SAFETY: the caller's promise.
    unsafe { verb(args, &Form { names: &[c"buffers", c"ancbufsize", c"flags"], flags: 2, events: libc::POLLIN }) }
}

/// `sendmsg(buffers[, ancdata[, flags[, address]]])`
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn sendmsg(args: &Args) -> New {
    // SAFETY: the caller's promise.
    unsafe {
        if open(args.this).is_none() {
            return looked_up(args, 3);
        }
        verb(args, &Form { names: &[c"buffers", c"ancdata", c"flags", c"address"], flags: 2, events: libc::POLLOUT })
    }
}

/// `sendto(data, address)` or `sendto(data, flags, address)`
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn sendto(args: &Args) -> New {
    let api = api();
    // SAFETY: the arguments are the caller's; the tuple is fresh.
    unsafe {
        let Some(sock) = open(args.this) else { return looked_up(args, args.positional().wrapping_sub(1)) };
        let flags = match args.positional() {
            2 => 0,
            3 => (api.PyLong_AsLong)(args.at(1)),
            _ => return args.original(),
        };
        if flags == -1 && !(api.PyErr_Occurred)().is_null() {
            (api.PyErr_Clear)();
            return args.original();
        }
        if says_dontwait(&sock, flags as c_int) {
            return args.original();
        }
        let with_flag = (api.PyLong_FromLong)(flags | core::ffi::c_long::from(libc::MSG_DONTWAIT));
        let address = names::settled(args.this, args.at(args.positional() - 1));
        carry_on(args, &sock, libc::POLLOUT, pack(&[new_ref(args.at(0)), with_flag, address]))
    }
}

/// Whether the kernel says that the descriptor is ready now.
fn ready_now(fd: c_int, events: i16) -> bool {
    let mut entry = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one entry; does not wait.
    unsafe { libc::poll(&mut entry, 1, 0) > 0 }
}

/// `_accept()`. A listener in blocking mode is asked first: another process that shares it and is faster in between
/// makes this call wait in the kernel, as it would without greenrt.
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn accept(args: &Args) -> New {
    let api = api();
    // SAFETY: PS1; GIL held.
    unsafe {
        let Some(sock) = open(args.this) else { return args.original() };
        if sock.fd < 0 {
            return args.original();
        }
        let nothing = (api.PyTuple_New)(0);
        if nothing.is_null() {
            return nothing;
        }
        let mut waited = false;
        let result = loop {
            if !sock.blocking || ready_now(sock.fd, libc::POLLIN) {
                let result = attempt(args, nothing);
                if !result.is_null() || !would_wait() {
                    break result;
                }
            }
            waited = true;
            if let Some(ended) = wait(&sock, libc::POLLIN) {
                break ended;
            }
        };
        drop_ref(nothing);
        if !result.is_null() {
            if sock.kind == libc::SOCK_STREAM {
                watch_accepted(result);
            }
            if !waited {
                take_turn();
            }
        }
        result
    }
}

/// A new connection's life is followed from here to its object's `close`: `(fd, address)`. What keeps it from being watched keeps
/// nothing from being served.
unsafe fn watch_accepted(pair: Obj) {
    // SAFETY: GIL held; a tuple of CPython's own function, whose items are borrowed: a number and an address.
    unsafe {
        let number = (api().PyTuple_GetItem)(pair, 0);
        if let Some(fd) = c_int_of(number, -1) {
            gt::gt_fd_watch(fd);
        }
    }
}

/// How often a unix socket whose listener has no room is tried again.
const RETRY: i64 = 2_000_000;

/// How an attempt to connect ended.
enum Reached {
    /// The errno, 0 when connected.
    Errno(c_int),
    /// The socket's timeout came first.
    TimedOut,
    /// A Python exception is set.
    Raised,
}

/// One `connect` system call that does not wait: the errno, 0 when connected at once; nothing with an exception set.
unsafe fn start(args: &Args, sock: &Sock, arguments: Obj) -> Option<c_int> {
    let api = api();
    // SAFETY: PS1; GIL held. O_NONBLOCK, where it is set here, is cleared before anything can switch.
    unsafe {
        let ghost = Ghost::of(args.this);
        if ghost.0.is_null() {
            return None;
        }
        let waits = sock.blocking && sock.kind != libc::SOCK_DGRAM && sock.kind != libc::SOCK_RAW;
        let flags = if waits { libc::fcntl(sock.fd, libc::F_GETFL) } else { -1 };
        let toggled = flags >= 0 && flags & libc::O_NONBLOCK == 0;
        if toggled {
            libc::fcntl(sock.fd, libc::F_SETFL, flags | libc::O_NONBLOCK);
        }
        let answer = apply(table::row(Id::ConnectEx), ghost.0, arguments, None);
        if toggled {
            libc::fcntl(sock.fd, libc::F_SETFL, flags);
        }
        if answer.is_null() {
            if (api.PyErr_ExceptionMatches)(api.PyExc_OSError) == 0 {
                // A bad address: the method that was called says so under its own name.
                (api.PyErr_Clear)();
                drop_ref(apply(args.row, ghost.0, arguments, None));
            }
            return None;
        }
        let errno = (api.PyLong_AsLong)(answer) as c_int;
        drop_ref(answer);
        Some(errno)
    }
}

/// The error that the kernel keeps for a socket, taken.
fn pending_error(fd: c_int) -> c_int {
    let mut error: c_int = 0;
    let mut size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: room for one int; errno of this thread.
    unsafe {
        if libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut error).cast(), &mut size) != 0 {
            error = *libc::__errno_location();
        }
    }
    error
}

/// Starts a connection and waits for it.
unsafe fn reach(args: &Args, sock: &Sock, address: Obj) -> Reached {
    let api = api();
    // SAFETY: the tuple is owned; GIL held.
    unsafe {
        let arguments = (api.PyTuple_New)(1);
        if arguments.is_null() {
            return Reached::Raised;
        }
        (api.PyTuple_SetItem)(arguments, 0, new_ref(address));
        let reached = loop {
            match start(args, sock, arguments) {
                None => break Reached::Raised,
                Some(libc::EINPROGRESS) => break finish(args, sock, arguments),
                // A unix listener's queue is full: there is nothing to wait for but time.
                Some(libc::EAGAIN) if sock.blocking => {
                    let again = from_now(RETRY);
                    if until_answered(|| gt::gt_sleep_until(again).into()) == Waited::Raised {
                        break Reached::Raised;
                    }
                }
                Some(errno) => break Reached::Errno(errno),
            }
        };
        drop_ref(arguments);
        reached
    }
}

/// Waits for a connection that was started.
unsafe fn finish(args: &Args, sock: &Sock, arguments: Obj) -> Reached {
    // SAFETY: as in `reach`.
    unsafe {
        match until_answered(|| gt::gt_wait_fd_until(sock.fd, libc::POLLOUT.into(), sock.deadline).into()) {
            Waited::Done(rc) if rc >= 0 => {}
            Waited::Done(rc) => return Reached::Errno((-rc) as c_int),
            Waited::TimedOut => return Reached::TimedOut,
            Waited::Raised => return Reached::Raised,
        }
        let error = pending_error(sock.fd);
        if error == 0 || error == libc::EISCONN {
            return Reached::Errno(0);
        }
        if sock.blocking && start(args, sock, arguments).is_none() {
            // The call only tells the kernel that the failure was seen, as a blocking connect does: the next
            // attempt on this socket starts afresh.
            (api().PyErr_Clear)();
        }
        Reached::Errno(error)
    }
}

/// CPython's own function on the socket itself, with the host in the address that is argument `index` looked up before if it is
/// a name.
unsafe fn looked_up(args: &Args, index: usize) -> New {
    // SAFETY: the arguments are the caller's; the tuple is ours.
    unsafe {
        let given = args.at(index);
        if !host::home() || given.is_null() || args.keywords() != 0 {
            return args.original();
        }
        let address = names::settled(args.this, given);
        if address.is_null() || address == given {
            let unchanged = !address.is_null();
            drop_ref(address);
            return if unchanged { args.original() } else { core::ptr::null_mut() };
        }
        original_with(args, index, address)
    }
}

/// `bind(address)`
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn bind(args: &Args) -> New {
    // SAFETY: the argument is the caller's.
    unsafe { looked_up(args, 0) }
}

/// Connections that a listener's queue holds at least, if it was asked for more than one.
const QUEUE: c_int = 128;

/// `listen([backlog])`: 5, as `socketserver` has it, is for clients that come one by one. Tasks of this process connect all
/// before the acceptor has its turn, and whom the queue has no room for tries again after a second or more. The number is a hint
/// (listen(2)): decision 141. One or none is asked for on purpose, and stays.
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn listen(args: &Args) -> New {
    // SAFETY: PS1; the argument is the caller's; GIL held.
    unsafe {
        let result = args.original();
        if result.is_null() || args.positional() != 1 || type_of(args.at(0)) != api().long_type {
            return result;
        }
        if let (Some(asked), Some(sock)) = (c_int_of(args.at(0), -1), open(args.this)) {
            if (2..QUEUE).contains(&asked) && sock.kind == libc::SOCK_STREAM {
                libc::listen(sock.fd, QUEUE); // only the number changes
            }
        }
        result
    }
}

/// The outcome of a connect; nothing when the call is one that CPython's own function makes, and that is its result.
unsafe fn connection(args: &Args) -> Result<Reached, New> {
    // SAFETY: the argument is the caller's; the address is ours.
    unsafe {
        if args.positional() != 1 || table::row(Id::ConnectEx).definition().is_null() {
            return Err(args.original());
        }
        let Some(mut sock) = open(args.this) else { return Err(looked_up(args, 0)) };
        let address = names::settled(args.this, args.at(0));
        if address.is_null() {
            return Ok(Reached::Raised);
        }
        if address != args.at(0) {
            // The time begins when the address is known, as CPython has it; the socket may have been closed meanwhile.
            sock = open(args.this).unwrap_or(sock);
        }
        let reached = reach(args, &sock, address);
        drop_ref(address);
        if matches!(reached, Reached::Errno(0)) && sock.kind == libc::SOCK_STREAM {
            // The object's number as it is now: another task may have closed it.
            if let Some(now) = open(args.this) {
                gt::gt_fd_watch(now.fd);
            }
        }
        Ok(reached)
    }
}

/// `connect(address)`
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn connect(args: &Args) -> New {
    // SAFETY: the argument is the caller's.
    unsafe {
        match connection(args) {
            Err(result) => result,
            Ok(Reached::Errno(0)) => none(),
            Ok(Reached::Errno(errno)) => raise_errno(-i64::from(errno)),
            Ok(Reached::TimedOut) => super::socket::raise_timeout(),
            Ok(Reached::Raised) => core::ptr::null_mut(),
        }
    }
}

/// `connect_ex(address)`
///
/// # Safety
/// Called by CPython on a socket.
pub unsafe fn connect_ex(args: &Args) -> New {
    // SAFETY: the argument is the caller's.
    unsafe {
        match connection(args) {
            Err(result) => result,
            Ok(Reached::Errno(errno)) => (api().PyLong_FromLong)(errno.into()),
            // As CPython has it.
            Ok(Reached::TimedOut) => (api().PyLong_FromLong)(libc::EWOULDBLOCK.into()),
            Ok(Reached::Raised) => core::ptr::null_mut(),
        }
    }
}
