//! Datagrams: a bound UDP socket, and many messages by one system call (recvmmsg(2), sendmmsg(2)).
//!
//! The kernel takes 1,024 messages (UIO_MAXIOV) from a call and forgets the rest without a word, so longer batches go in
//! pieces of that. What was moved before an error is reported instead of it: the error is met again by the next call.

use std::ffi::CStr;

use super::{adopt, socket, until_ready, Dir, Manner, Moved};
use crate::error::{Error, Result};
use crate::offload::dns;
use crate::sched::Scheduler;
use crate::sys::{self, check};

/// What the kernel takes at once.
pub const MOST: usize = 1024;
/// So many messages weigh as much as one other operation that succeeds at once.
const PER_OPERATION: usize = 8;

/// A UDP socket bound to an address, owned. No host: all addresses, both families if the system has them.
pub fn bind_udp(s: &'static Scheduler, host: Option<&CStr>, port: u16, deadline: i64) -> Result<i32> {
    s.check()?;
    let addresses = match host {
        Some(host) => dns::resolve(s, host, port, dns::Purpose::Listen, deadline)?,
        None => dns::everywhere(port)?,
    };
    let mut last = Error::new(libc::EADDRNOTAVAIL);
    for address in &addresses {
        match bind_to(s, address) {
            Ok(fd) => return Ok(fd),
            Err(e) => last = e,
        }
    }
    Err(last)
}

fn bind_to(s: &'static Scheduler, address: &dns::Address) -> Result<i32> {
    let fd = socket::socket(s, address.family(), libc::SOCK_DGRAM, 0)?;
    let bound = (|| {
        if address.is_any_v6() {
            sys::fd::set_socket_option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
        }
        // SAFETY: the address is valid for its length.
        check(unsafe { libc::bind(fd, address.pointer(), address.len()) } as isize)
    })();
    match bound {
        Ok(_) => Ok(fd),
        Err(e) => {
            let _ = adopt::close(s, fd);
            Err(e)
        }
    }
}

/// recvmmsg(2): waits for `count` messages; with MSG_WAITFORONE for the first, and takes what else is there.
///
/// # Safety
/// `messages` holds `count` valid headers.
pub unsafe fn recvmmsg(
    s: &'static Scheduler,
    fd: i32,
    messages: *mut libc::mmsghdr,
    count: usize,
    flags: i32,
    deadline: i64,
) -> Result<usize> {
    let first_only = flags & libc::MSG_WAITFORONE != 0;
    let flags = flags & !libc::MSG_WAITFORONE;
    let each = flags | libc::MSG_DONTWAIT;
    batches(s, count, flags, deadline, first_only, |done, most, deadline| {
        until_ready(s, fd, Dir::Read, deadline, Manner::Try, |_| {
            let at = messages.wrapping_add(done);
            // SAFETY: `done + most` headers are within the caller's.
            let n = check(unsafe { libc::recvmmsg(fd, at, most as _, each as _, std::ptr::null_mut()) } as isize)?;
            Ok((n, Moved::All))
        })
    })
}

/// sendmmsg(2), never SIGPIPE: waits until all `count` messages are sent.
///
/// # Safety
/// `messages` holds `count` valid headers.
pub unsafe fn sendmmsg(
    s: &'static Scheduler,
    fd: i32,
    messages: *mut libc::mmsghdr,
    count: usize,
    flags: i32,
    deadline: i64,
) -> Result<usize> {
    let each = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    batches(s, count, flags, deadline, false, |done, most, deadline| {
        until_ready(s, fd, Dir::Write, deadline, Manner::Try, |_| {
            let at = messages.wrapping_add(done);
            // SAFETY: `done + most` headers are within the caller's.
            let n = check(unsafe { libc::sendmmsg(fd, at, most as _, each as _) } as isize)?;
            Ok((n, Moved::All))
        })
    })
}

/// Repeats a transfer of at most [`MOST`] messages until all are moved. `first_only`: waits for the first piece only.
fn batches(
    s: &'static Scheduler,
    count: usize,
    flags: i32,
    deadline: i64,
    first_only: bool,
    transfer: impl Fn(usize, usize, i64) -> Result<usize>,
) -> Result<usize> {
    let mut done = 0;
    loop {
        let most = (count - done).min(MOST);
        let delivered = s.delivered_interrupts();
        let patience = if done > 0 && first_only { 0 } else { deadline };
        match socket::patient(flags, patience, |deadline| transfer(done, most, deadline)) {
            Ok(n) => {
                done += n;
                s.charge_more((n / PER_OPERATION) as u32);
                // Less than asked for, and the first has been waited for: nothing more is there.
                if done >= count || n == 0 || (first_only && n < most) {
                    return Ok(done);
                }
            }
            Err(e) if done == 0 => return Err(e),
            Err(_) => {
                // The messages win; an interrupt ends the next call.
                s.keep_interrupts(delivered);
                return Ok(done);
            }
        }
    }
}
