//! Ownership of descriptors: adopt, watch, release, close.

use crate::error::{Error, Result};
use crate::offload::uses;
use crate::reactor::Kind;
use crate::sched::Scheduler;
use crate::sys;

/// Takes a descriptor into ownership: non-blocking from now on, registered once.
pub fn adopt(s: &'static Scheduler, fd: i32) -> Result<()> {
    if fd < 0 {
        return Err(Error::new(libc::EBADF));
    }
    sys::fd::set_nonblocking(fd, true)?;
    s.reactor().stir(fd, &mut s.waker());
    s.reactor().own(fd, true, &mut s.waker())
}

/// Registers a socket once, as an owned one, and leaves its flags as they are.
pub fn watch(s: &'static Scheduler, fd: i32) -> Result<()> {
    if fd < 0 {
        return Err(Error::new(libc::EBADF));
    }
    sys::fd::socket_option(fd, libc::SOL_SOCKET, libc::SO_TYPE)?;
    s.reactor().stir(fd, &mut s.waker());
    s.reactor().watch(fd, &mut s.waker())
}

/// Hands an owned descriptor back: blocking again, unknown to epoll; a watched one keeps its flags. Who waits on it gets -EBADF.
pub fn release(s: &'static Scheduler, fd: i32) -> Result<()> {
    if fd < 0 {
        return Err(Error::new(libc::EBADF));
    }
    sys::fd::check_open(fd)?;
    match s.reactor().disown(fd, &mut s.waker()) {
        Kind::Foreign => Err(Error::new(libc::EINVAL)),
        Kind::Watched => Ok(()),
        Kind::Owned => sys::fd::set_nonblocking(fd, false).map(drop),
    }
}

/// Closes a descriptor, owned or not; who waits on it gets -EBADF. A job that uses it does not end up in another file.
pub fn close(s: &'static Scheduler, fd: i32) -> Result<()> {
    if fd < 0 {
        return Err(Error::new(libc::EBADF));
    }
    s.reactor().forget(fd, &mut s.waker());
    uses::close(fd)
}
