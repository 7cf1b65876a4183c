//! Section: names of hosts and services.

use super::guard::{guard_errno, invalid, text};
use crate::error::Error;
use crate::offload::name::{self, Failure};
use crate::sched::Scheduler;
use crate::sys::clock::NEVER;
use crate::sys::fd::zeroed_address;

/// Looks up the addresses of a host and a service, as getaddrinfo(3) and with the same struct, on a thread of the pool
/// (see gt_offload()) while other tasks run. `host` or `service` may be NULL, and so may `hints`. `*list` gets the result:
/// free it by gt_freeaddrinfo().
///
/// A failure has two names. `*eai`, unless eai is NULL, gets the resolver's code: EAI_NONAME and the others of
/// getaddrinfo(3), for gai_strerror(3); 0 when the resolver said nothing (also on success). The result is 0, or
///   -EADDRNOTAVAIL    the name does not resolve: EAI_NONAME, EAI_NODATA, EAI_ADDRFAMILY
///   -EAGAIN           the name server does not know at the moment: EAI_AGAIN; or, with `*eai` 0, too many jobs wait
///   -EIO              the name server failed for good: EAI_FAIL
///   -EAFNOSUPPORT     EAI_FAMILY       -EPROTOTYPE   EAI_SOCKTYPE
///   -EPROTONOSUPPORT  EAI_SERVICE      -ENOMEM       EAI_MEMORY, or out of memory before
///   -EINVAL           EAI_BADFLAGS; or, with `*eai` 0, list is NULL
///   and the errno of EAI_SYSTEM
/// Also -ECANCELED, -EINTR, -ETIMEDOUT (a deadline scope expired): the lookup goes on unseen, and leaves nothing.
///
/// May switch. Any thread.
///
/// # Safety
/// `host` and `service` are NULL or NUL-terminated; `hints` is NULL or readable; `list` and `eai` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_getaddrinfo(
    host: *const libc::c_char,
    service: *const libc::c_char,
    hints: *const libc::addrinfo,
    list: *mut *mut libc::addrinfo,
    eai: *mut libc::c_int,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_getaddrinfo_until(host, service, hints, list, eai, NEVER) }
}

/// As gt_getaddrinfo(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past looks nothing up.
///
/// # Safety
/// As for gt_getaddrinfo().
#[no_mangle]
pub unsafe extern "C" fn gt_getaddrinfo_until(
    host: *const libc::c_char,
    service: *const libc::c_char,
    hints: *const libc::addrinfo,
    list: *mut *mut libc::addrinfo,
    eai: *mut libc::c_int,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        unsafe { say(eai, 0) };
        if list.is_null() {
            return Err(invalid());
        }
        // SAFETY: by the caller.
        let (host, service, hints) = unsafe {
            let known = |t: *const libc::c_char| if t.is_null() { Ok(None) } else { text(t).map(Some) };
            (known(host)?, known(service)?, hints.as_ref().copied())
        };
        let found = name::addresses(Scheduler::current()?, host, service, hints, deadline);
        // SAFETY: by the caller.
        let found = found.map_err(|failure| unsafe { told(eai, failure) })?;
        // SAFETY: not NULL, so writable by the caller.
        unsafe { list.write(found) };
        Ok(0)
    })
}

/// Frees what gt_getaddrinfo() found; NULL is fine. Does not switch. Any thread.
///
/// # Safety
/// `list` is NULL, or from gt_getaddrinfo() and not freed before.
#[no_mangle]
pub unsafe extern "C" fn gt_freeaddrinfo(list: *mut libc::addrinfo) {
    // SAFETY: by the caller.
    unsafe { name::free(list) };
}

/// Looks up the name of an address and of its service, as getnameinfo(3), on a thread of the pool. `host` and `service` get
/// texts that end in NUL, of at most `host_len` and `service_len` bytes with it; each may be NULL with length 0. `flags`:
/// NI_NUMERICHOST and the others.
///
/// Returns 0, or an error as gt_getaddrinfo(), with `*eai` as there; also
///   -EINVAL     with `*eai` 0: addr is NULL, or addr_len more than a sockaddr_storage; a text is NULL and its length not 0
///   -EOVERFLOW  a name is longer than its room: EAI_OVERFLOW
///
/// May switch. Any thread.
///
/// # Safety
/// `addr` is readable for `addr_len` bytes; the texts are writable for theirs; `eai` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn gt_getnameinfo(
    addr: *const libc::sockaddr,
    addr_len: libc::socklen_t,
    host: *mut libc::c_char,
    host_len: usize,
    service: *mut libc::c_char,
    service_len: usize,
    flags: libc::c_int,
    eai: *mut libc::c_int,
) -> libc::c_int {
    // SAFETY: by the caller.
    unsafe { gt_getnameinfo_until(addr, addr_len, host, host_len, service, service_len, flags, eai, NEVER) }
}

/// As gt_getnameinfo(), at most until `deadline` (absolute ns); then -ETIMEDOUT; a deadline in the past looks nothing up.
///
/// # Safety
/// As for gt_getnameinfo().
#[allow(clippy::too_many_arguments, reason = "getnameinfo(3) has as many")]
#[no_mangle]
pub unsafe extern "C" fn gt_getnameinfo_until(
    addr: *const libc::sockaddr,
    addr_len: libc::socklen_t,
    host: *mut libc::c_char,
    host_len: usize,
    service: *mut libc::c_char,
    service_len: usize,
    flags: libc::c_int,
    eai: *mut libc::c_int,
    deadline: i64,
) -> libc::c_int {
    guard_errno(|| {
        // SAFETY: by the caller.
        unsafe { say(eai, 0) };
        let mut address = zeroed_address();
        let room = std::mem::size_of_val(&address);
        let mute = |t: *mut libc::c_char, len: usize| t.is_null() && len > 0;
        if addr.is_null() || addr_len as usize > room || mute(host, host_len) || mute(service, service_len) {
            return Err(invalid());
        }
        // SAFETY: both are valid for that many bytes.
        unsafe { std::ptr::copy_nonoverlapping(addr.cast::<u8>(), (&raw mut address).cast(), addr_len as usize) };
        let s = Scheduler::current()?;
        let found = name::names(s, address, addr_len, (host_len, service_len), flags, deadline);
        // SAFETY: by the caller.
        let found = found.map_err(|failure| unsafe { told(eai, failure) })?;
        for (from, to, len) in [(found.host(), host, host_len), (found.service(), service, service_len)] {
            let bytes = from.to_bytes_with_nul();
            if bytes.len() <= len {
                // SAFETY: writable for `len` bytes by the caller.
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.cast(), bytes.len()) };
            }
        }
        Ok(0)
    })
}

/// # Safety
/// `place` is NULL or writable.
unsafe fn say(place: *mut libc::c_int, code: i32) {
    if !place.is_null() {
        // SAFETY: by the caller.
        unsafe { place.write(code) };
    }
}

/// # Safety
/// As for [`say`].
unsafe fn told(place: *mut libc::c_int, (code, error): Failure) -> Error {
    // SAFETY: by the caller.
    unsafe { say(place, code) };
    error
}
