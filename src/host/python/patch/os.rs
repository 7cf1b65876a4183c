//! `os`: read, write, readv, writev, sendfile, close.

use super::super::api::{api, drop_ref, none, raise_errno, New, Obj};
use super::super::{gt, host};
use super::call::Args;
use super::flock;
use super::time::{until_answered, Waited};
use super::transfer::{self, goes, is_nonblocking, may_wait, Way};
use super::values::{c_int_of, filled, int, Bytes, Filled};
use core::ffi::c_int;

/// What one read or write may move (`_PY_READ_MAX`).
pub const MOST: i64 = i64::MAX;

/// A count of bytes, or the exception that fits.
///
/// # Safety
/// GIL held.
pub unsafe fn count(waited: Waited) -> New {
    // SAFETY: the caller's promise.
    unsafe {
        match waited {
            Waited::Done(moved) if moved >= 0 => (api().PyLong_FromLongLong)(moved),
            other => failed(other),
        }
    }
}

/// The exception of a transfer that did not succeed. NULL.
///
/// # Safety
/// GIL held.
pub unsafe fn failed(waited: Waited) -> New {
    // SAFETY: the caller's promise.
    unsafe {
        match waited {
            Waited::Raised => core::ptr::null_mut(),
            Waited::TimedOut => raise_errno(-i64::from(libc::ETIMEDOUT)),
            Waited::Done(rc) => raise_errno(rc),
        }
    }
}

/// The descriptor of a call with `given` arguments, if the task may have to wait for it.
unsafe fn waits_for(args: &Args, given: usize) -> Option<c_int> {
    // SAFETY: the arguments are the caller's.
    unsafe {
        if !host::home() || args.positional() != given || args.keywords() != 0 {
            return None;
        }
        c_int_of(args.at(0), -1).filter(|fd| may_wait(*fd))
    }
}

/// `read(fd, length)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn read(args: &Args) -> New {
    // SAFETY: the arguments are the caller's; the room is as long as said.
    unsafe {
        let (fd, length) = (waits_for(args, 2), int(args.at(1), -1));
        let (Some(fd), Some(length @ 0..=MOST)) = (fd, length) else { return args.original() };
        filled(length as usize, |start| match transfer::read(fd, start, length as usize) {
            Waited::Done(got) if got >= 0 => Filled::Bytes(got as usize),
            other => {
                failed(other);
                Filled::Nothing
            }
        })
    }
}

/// `write(fd, data)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn write(args: &Args) -> New {
    // SAFETY: the arguments are the caller's; the buffer is held for the time of the call.
    unsafe {
        let Some(fd) = waits_for(args, 2) else { return args.original() };
        let Some(view) = Bytes::of(args.at(1), false) else { return args.original() };
        let waited = transfer::write(fd, view.start(), view.len());
        drop(view);
        count(waited)
    }
}

/// The buffers of a sequence, held. Nothing when they are not what the function takes.
unsafe fn views(sequence: Obj, writable: bool) -> Option<Vec<Bytes>> {
    let api = api();
    // SAFETY: GIL held by the caller; a live object. The tuple keeps its items while their buffers are taken; those keep their objects.
    unsafe {
        let items = (api.PySequence_Tuple)(sequence);
        if items.is_null() {
            (api.PyErr_Clear)();
            return None;
        }
        let all =
            (0..(api.PyTuple_Size)(items)).map(|at| Bytes::of((api.PyTuple_GetItem)(items, at), writable)).collect();
        drop_ref(items);
        all
    }
}

fn vectors(views: &[Bytes]) -> Vec<libc::iovec> {
    views.iter().map(|view| libc::iovec { iov_base: view.start().cast(), iov_len: view.len() }).collect()
}

/// `readv(fd, buffers)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn readv(args: &Args) -> New {
    // SAFETY: as in `write`.
    unsafe {
        let Some(fd) = waits_for(args, 2) else { return args.original() };
        let Some(views) = views(args.at(1), true) else { return args.original() };
        let waited = transfer::read_vectors(fd, &vectors(&views));
        drop(views);
        count(waited)
    }
}

/// `writev(fd, buffers)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn writev(args: &Args) -> New {
    // SAFETY: as in `write`.
    unsafe {
        let Some(fd) = waits_for(args, 2) else { return args.original() };
        let Some(views) = views(args.at(1), false).filter(|views| !views.is_empty()) else { return args.original() };
        let waited = transfer::write_vectors(fd, &mut vectors(&views));
        drop(views);
        count(waited)
    }
}

/// `sendfile(out_fd, in_fd, offset, count)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn sendfile(args: &Args) -> New {
    let api = api();
    // SAFETY: the arguments are the caller's; the places outlive the call.
    unsafe {
        let Some(out) = waits_for(args, 4).filter(|fd| !is_nonblocking(*fd) && goes(*fd, Way::Out)) else {
            return args.original();
        };
        let own_position = args.at(2) == api.none;
        let offset = if own_position { Some(0) } else { int(args.at(2), -1) };
        let (Some(input), Some(mut offset @ 0..=MOST), Some(length @ 0..=MOST)) =
            (c_int_of(args.at(1), -1), offset, int(args.at(3), -1))
        else {
            return args.original();
        };
        let mut total = 0i64;
        let waited = until_answered(|| {
            let place = if own_position { core::ptr::null_mut() } else { &raw mut offset };
            let mut sent = 0;
            let rc = gt::gt_sendfile(out, input, place, (length - total) as usize, &mut sent);
            total += sent as i64;
            rc.into()
        });
        match waited {
            Waited::Done(rc) if rc >= 0 || total > 0 => count(Waited::Done(total)),
            // Not a file: the kernel knows more kinds than the runtime does.
            Waited::Done(rc) if rc == -i64::from(libc::EINVAL) => args.original(),
            other => failed(other),
        }
    }
}

/// `close(fd)`: tasks that wait for the descriptor are woken with EBADF.
///
/// # Safety
/// Called by CPython.
pub unsafe fn close(args: &Args) -> New {
    // SAFETY: the argument is the caller's.
    unsafe {
        let fd = c_int_of(args.at(0), -1).filter(|fd| *fd >= 0);
        let (Some(fd), true) = (fd, host::home() && args.positional() == 1 && args.keywords() == 0) else {
            return args.original();
        };
        match i64::from(gt::gt_close(fd)) {
            rc if rc < 0 => raise_errno(rc),
            _ => {
                flock::let_go();
                none()
            }
        }
    }
}
