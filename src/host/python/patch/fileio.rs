//! `_io.FileIO` on pipes, terminals, sockets and devices.
//!
//! Regular files are CPython's own business; an object that knows that it can seek is one without a system call.

use super::super::api::{api, none, New, Obj};
use super::super::host;
use super::call::Args;
use super::flock;
use super::os::{count, failed, MOST};
use super::shapes::{self, read};
use super::time::Waited;
use super::transfer::{self, may_wait};
use super::values::{int, Bytes};
use core::ffi::{c_char, c_int};

/// What `readall` reads at a time.
const PIECE: usize = 64 << 10;

/// The descriptor, if the call is one that may have to wait; otherwise CPython's own function is to be called. `mode`: the bit that
/// allows it.
///
/// The object remembers whether its file seeks, which it asked once. The standard streams are put onto other files by dup2(2), behind its
/// back: of those the descriptor itself is asked.
#[inline(always)]
unsafe fn descriptor(this: Obj, mode: u32) -> Option<c_int> {
    let shape = shapes::file();
    // SAFETY: PS1.
    unsafe {
        let (fd, flags): (c_int, u32) = (read(this, shape.fd), read(this, shape.flags));
        let seeks = flags & (shape.unsure | shape.seeks) == shape.seeks && fd > libc::STDERR_FILENO;
        (host::home() && fd >= 0 && flags & mode != 0 && !seeks && may_wait(fd)).then_some(fd)
    }
}

/// None; the buffered layer above reads the reason in errno.
unsafe fn not_now() -> New {
    // SAFETY: errno of this thread; GIL held by the caller.
    unsafe {
        *libc::__errno_location() = libc::EAGAIN;
        none()
    }
}

/// A count, None where a descriptor in non-blocking mode has nothing, or an exception.
unsafe fn counted(waited: Waited) -> New {
    // SAFETY: GIL held by the caller.
    unsafe {
        match waited {
            Waited::Done(rc) if rc == -i64::from(libc::EAGAIN) => not_now(),
            other => count(other),
        }
    }
}

/// Reads up to `most` bytes, one piece or, `whole`, to the end.
unsafe fn bytes(fd: c_int, most: usize, whole: bool) -> New {
    let api = api();
    // SAFETY: GIL held by the caller; the room is as long as said.
    unsafe {
        let mut got: Vec<u8> = Vec::new();
        loop {
            let room = if whole { PIECE } else { most };
            if got.try_reserve_exact(room).is_err() {
                return (api.PyErr_NoMemory)();
            }
            match transfer::read(fd, got.as_mut_ptr().add(got.len()), room) {
                Waited::Done(more) if more > 0 => {
                    got.set_len(got.len() + more as usize);
                    if whole {
                        continue;
                    }
                }
                Waited::Done(0) => {}
                Waited::Done(rc) if rc == -i64::from(libc::EAGAIN) && got.is_empty() => return not_now(),
                Waited::Done(rc) if rc == -i64::from(libc::EAGAIN) => {}
                other => return failed(other),
            }
            return (api.PyBytes_FromStringAndSize)(got.as_ptr().cast::<c_char>(), got.len() as isize);
        }
    }
}

/// `read(size=-1)`
///
/// # Safety
/// Called by CPython on a `FileIO`.
pub unsafe fn read_method(args: &Args) -> New {
    let api = api();
    // SAFETY: PS1; the argument is the caller's.
    unsafe {
        let size = if args.at(0) == api.none { Some(-1) } else { int(args.at(0), -1) };
        let fits = args.positional() <= 1 && args.keywords() == 0;
        match (descriptor(args.this, shapes::file().readable), size) {
            (Some(fd), Some(size)) if fits && size < 0 => bytes(fd, 0, true),
            (Some(fd), Some(size @ 0..=MOST)) if fits => bytes(fd, size as usize, false),
            _ => args.original(),
        }
    }
}

/// `readall()`
///
/// # Safety
/// Called by CPython on a `FileIO`.
pub unsafe fn readall(args: &Args) -> New {
    // SAFETY: PS1. CPython does not ask for the mode here; the kernel does.
    unsafe {
        match descriptor(args.this, u32::MAX) {
            Some(fd) => bytes(fd, 0, true),
            None => args.original(),
        }
    }
}

/// `readinto(buffer)`
///
/// # Safety
/// Called by CPython on a `FileIO`.
pub unsafe fn readinto(args: &Args) -> New {
    // SAFETY: PS1; the buffer is held for the time of the call.
    unsafe {
        let Some(fd) = descriptor(args.this, shapes::file().readable) else { return args.original() };
        if args.positional() != 1 || args.keywords() != 0 {
            return args.original();
        }
        let Some(view) = Bytes::of(args.at(0), true) else { return args.original() };
        let waited = transfer::read(fd, view.start(), view.len());
        drop(view);
        counted(waited)
    }
}

/// `close()`: a lock on the file goes with it.
///
/// # Safety
/// Called by CPython on a `FileIO`.
pub unsafe fn close(args: &Args) -> New {
    // SAFETY: the call as it came.
    let result = unsafe { args.original() };
    flock::let_go();
    result
}

/// `write(data)`
///
/// # Safety
/// Called by CPython on a `FileIO`.
pub unsafe fn write(args: &Args) -> New {
    // SAFETY: as in `readinto`.
    unsafe {
        let Some(fd) = descriptor(args.this, shapes::file().writable) else { return args.original() };
        if args.positional() != 1 || args.keywords() != 0 {
            return args.original();
        }
        let Some(view) = Bytes::of(args.at(0), false) else { return args.original() };
        let waited = transfer::write(fd, view.start(), view.len());
        drop(view);
        counted(waited)
    }
}
