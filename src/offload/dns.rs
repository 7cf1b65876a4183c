//! Name resolution: getaddrinfo(3) on a pool thread; numeric addresses at once.

use std::ffi::CStr;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{name, pool};
use crate::error::{Error, Result};
use crate::sched::Scheduler;
use crate::sys::fd::zeroed_address;

/// A socket address that owns its bytes.
#[derive(Clone, Copy)]
pub struct Address {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

/// What the addresses are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To bind to (AI_PASSIVE).
    Listen,
    /// To connect to.
    Dial,
}

impl Address {
    fn new(ip: IpAddr, port: u16) -> Address {
        let mut storage = zeroed_address();
        let len = match ip {
            IpAddr::V4(ip) => {
                let place = (&raw mut storage).cast::<libc::sockaddr_in>();
                // SAFETY: a sockaddr_storage has room and alignment for each family.
                unsafe {
                    (*place).sin_family = libc::AF_INET as libc::sa_family_t;
                    (*place).sin_port = port.to_be();
                    (*place).sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
                }
                size_of::<libc::sockaddr_in>()
            }
            IpAddr::V6(ip) => {
                let place = (&raw mut storage).cast::<libc::sockaddr_in6>();
                // SAFETY: as above.
                unsafe {
                    (*place).sin6_family = libc::AF_INET6 as libc::sa_family_t;
                    (*place).sin6_port = port.to_be();
                    (*place).sin6_addr.s6_addr = ip.octets();
                }
                size_of::<libc::sockaddr_in6>()
            }
        };
        Address { storage, len: len as libc::socklen_t }
    }

    /// The address family.
    pub fn family(&self) -> i32 {
        self.storage.ss_family as i32
    }

    /// Whether this is the unspecified IPv6 address.
    pub fn is_any_v6(&self) -> bool {
        // SAFETY: the family says which struct it is.
        self.family() == libc::AF_INET6
            && unsafe { (*(&raw const self.storage).cast::<libc::sockaddr_in6>()).sin6_addr.s6_addr } == [0; 16]
    }

    /// For system calls.
    pub fn pointer(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    /// For system calls.
    pub fn len(&self) -> libc::socklen_t {
        self.len
    }
}

/// All addresses of this machine: `::` for both families where the system has them, then 0.0.0.0.
pub fn everywhere(port: u16) -> Result<Vec<Address>> {
    listed(&[IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)], port)
}

fn listed(ips: &[IpAddr], port: u16) -> Result<Vec<Address>> {
    let mut list = Vec::new();
    list.try_reserve_exact(ips.len()).map_err(|_| Error::new(libc::ENOMEM))?;
    list.extend(ips.iter().map(|&ip| Address::new(ip, port)));
    Ok(list)
}

/// The addresses of a host, in the order to try them. -EADDRNOTAVAIL: the name does not resolve.
pub fn resolve(s: &'static Scheduler, host: &CStr, port: u16, purpose: Purpose, deadline: i64) -> Result<Vec<Address>> {
    if let Some(ip) = host.to_str().ok().and_then(|h| h.parse::<IpAddr>().ok()) {
        return listed(&[ip], port);
    }
    let host = super::copied(host)?;
    pool::run(s, deadline, move || lookup(&host, port, purpose))?
}

fn lookup(host: &CStr, port: u16, purpose: Purpose) -> Result<Vec<Address>> {
    // SAFETY: an all-zero addrinfo is a valid hint.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = libc::AF_UNSPEC;
    hints.ai_socktype = libc::SOCK_STREAM;
    hints.ai_flags = if purpose == Purpose::Listen { libc::AI_PASSIVE } else { libc::AI_ADDRCONFIG };
    let mut list: *mut libc::addrinfo = std::ptr::null_mut();
    // SAFETY: the host is NUL-terminated; hints and list are valid places.
    let r = unsafe { libc::getaddrinfo(host.as_ptr(), std::ptr::null(), &hints, &mut list) };
    if r != 0 {
        return Err(match name::errno_of(r, Error::last()) {
            // The wishes are ours: whatever else is said, the name has no such address.
            e if matches!(r, libc::EAI_SYSTEM | libc::EAI_MEMORY | libc::EAI_AGAIN) => e,
            _ => Error::new(libc::EADDRNOTAVAIL),
        });
    }
    let mut found = Vec::new();
    let mut came = Ok(());
    let mut at = list;
    while !at.is_null() {
        // SAFETY: getaddrinfo's list is valid until freed; each address is valid for its length.
        unsafe {
            let info = &*at;
            let mut storage = zeroed_address();
            let fits = info.ai_addrlen as usize <= size_of::<libc::sockaddr_storage>();
            if fits && matches!(info.ai_family, libc::AF_INET | libc::AF_INET6) {
                std::ptr::copy_nonoverlapping(
                    info.ai_addr.cast::<u8>(),
                    (&raw mut storage).cast::<u8>(),
                    info.ai_addrlen as usize,
                );
                set_port(&mut storage, port);
                came = found.try_reserve(1).map_err(|_| Error::new(libc::ENOMEM));
                if came.is_err() {
                    break;
                }
                found.push(Address { storage, len: info.ai_addrlen });
            }
            at = info.ai_next;
        }
    }
    // SAFETY: the list came from getaddrinfo.
    unsafe { libc::freeaddrinfo(list) };
    came.map(|()| found)
}

fn set_port(storage: &mut libc::sockaddr_storage, port: u16) {
    // Both families keep the port at the same place, in network order (ip(7), ipv6(7)).
    // SAFETY: the storage holds one of the two.
    unsafe { (*(&raw mut *storage).cast::<libc::sockaddr_in>()).sin_port = port.to_be() };
}
