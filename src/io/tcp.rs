//! TCP by name: a listener, and a dialled connection that tries each address.

use std::ffi::CStr;
use std::mem::size_of;

use super::socket;
use crate::error::{Error, Result};
use crate::offload::dns::{self, Address};
use crate::sched::Scheduler;
use crate::sys;

const DEFAULT_BACKLOG: i32 = 1024;

/// Wishes for a listening socket; the default asks for nothing.
#[derive(Clone, Copy, Default)]
pub struct ListenOptions {
    /// Connections that may wait to be accepted; <= 0 is the default.
    pub backlog: i32,
    /// SO_REUSEPORT: several listeners on one port share its connections.
    pub reuse_port: bool,
    /// IPv6 only.
    pub v6_only: bool,
    /// TCP_DEFER_ACCEPT: seconds to wait for a connection's first bytes before it is accepted; 0: not at all.
    pub defer_accept: i32,
}

/// A listening socket, owned. No host: all addresses, both families if the system has them.
pub fn listen(
    s: &'static Scheduler,
    host: Option<&CStr>,
    port: u16,
    options: ListenOptions,
    deadline: i64,
) -> Result<i32> {
    s.check()?;
    let addresses = match host {
        Some(host) => dns::resolve(s, host, port, dns::Purpose::Listen, deadline)?,
        None => dns::everywhere(port)?,
    };
    let mut last = Error::new(libc::EADDRNOTAVAIL);
    for address in addresses.iter().filter(|a| !options.v6_only || a.family() == libc::AF_INET6) {
        match listen_on(s, address, options) {
            Ok(fd) => return Ok(fd),
            Err(e) => last = e,
        }
    }
    Err(last)
}

fn listen_on(s: &'static Scheduler, address: &Address, options: ListenOptions) -> Result<i32> {
    let backlog = if options.backlog <= 0 { DEFAULT_BACKLOG } else { options.backlog };
    let fd = socket::socket(s, address.family(), libc::SOCK_STREAM, 0)?;
    let bound = (|| {
        sys::fd::set_socket_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        if options.reuse_port {
            sys::fd::set_socket_option(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        }
        if address.is_any_v6() || options.v6_only {
            sys::fd::set_socket_option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, options.v6_only as i32)?;
        }
        if options.defer_accept > 0 {
            sys::fd::set_socket_option(fd, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, options.defer_accept)?;
        }
        // SAFETY: the address is valid for its length.
        sys::check(unsafe { libc::bind(fd, address.pointer(), address.len()) } as isize)?;
        // SAFETY: listen takes no pointers.
        sys::check(unsafe { libc::listen(fd, backlog) } as isize)
    })();
    if let Err(e) = bound {
        let _ = super::adopt::close(s, fd);
        return Err(e);
    }
    Ok(fd)
}

/// A connection to the first address of a name that answers.
pub fn dial(s: &'static Scheduler, host: &CStr, port: u16, deadline: i64) -> Result<i32> {
    s.check()?;
    let addresses = dns::resolve(s, host, port, dns::Purpose::Dial, deadline)?;
    let mut last = Error::new(libc::EADDRNOTAVAIL);
    for address in &addresses {
        match dial_one(s, address, deadline) {
            Ok(fd) => return Ok(fd),
            Err(e) => last = e,
        }
        if matches!(last.errno(), libc::ECANCELED | libc::EINTR | libc::ETIMEDOUT) && !keeps_trying(last, deadline) {
            break;
        }
    }
    Err(last)
}

/// ETIMEDOUT of the network's own (tcp(7)) leaves time for the next address; ours does not.
fn keeps_trying(e: Error, deadline: i64) -> bool {
    e.errno() == libc::ETIMEDOUT && !sys::clock::passed(deadline)
}

fn dial_one(s: &'static Scheduler, address: &Address, deadline: i64) -> Result<i32> {
    let fd = socket::socket(s, address.family(), libc::SOCK_STREAM, 0)?;
    // SAFETY: the address is valid for its length.
    match unsafe { socket::connect(s, fd, address.pointer(), address.len(), deadline) } {
        Ok(()) => Ok(fd),
        Err(e) => {
            let _ = super::adopt::close(s, fd);
            Err(e)
        }
    }
}

const _: () = assert!(size_of::<libc::sockaddr_in6>() <= size_of::<libc::sockaddr_storage>());
