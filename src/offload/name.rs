//! getaddrinfo(3) and getnameinfo(3) on a pool thread, with the C library's own results.

use std::ffi::CStr;

use super::{copied, pool};
use crate::error::{Error, Result};
use crate::sched::Scheduler;

/// What the C library has room for: NI_MAXHOST, NI_MAXSERV.
const HOST_ROOM: usize = 1025;
const SERVICE_ROOM: usize = 32;

/// A lookup that failed: the resolver's code (EAI_*), 0 if it was not the resolver; and the error.
pub type Failure = (i32, Error);

/// A list of the C library's, freed unless it was handed over.
struct List(*mut libc::addrinfo);

// SAFETY: plain memory that belongs to whoever holds the list.
unsafe impl Send for List {}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: from getaddrinfo, and not handed over.
        unsafe { free(self.0) };
    }
}

/// The errno that stands for a resolver's code; -EAI_SYSTEM has its own.
pub fn errno_of(code: i32, errno: Error) -> Error {
    Error::new(match code {
        libc::EAI_SYSTEM => return errno,
        libc::EAI_MEMORY => libc::ENOMEM,
        libc::EAI_AGAIN => libc::EAGAIN,
        libc::EAI_BADFLAGS => libc::EINVAL,
        libc::EAI_FAMILY => libc::EAFNOSUPPORT,
        libc::EAI_SOCKTYPE => libc::EPROTOTYPE,
        libc::EAI_SERVICE => libc::EPROTONOSUPPORT,
        libc::EAI_OVERFLOW => libc::EOVERFLOW,
        libc::EAI_FAIL => libc::EIO,
        _ => libc::EADDRNOTAVAIL,
    })
}

/// The addresses of a name, to be freed by [`free`].
pub fn addresses(
    s: &'static Scheduler,
    host: Option<&CStr>,
    service: Option<&CStr>,
    hints: Option<libc::addrinfo>,
    deadline: i64,
) -> std::result::Result<*mut libc::addrinfo, Failure> {
    let look = || -> Result<std::result::Result<List, Failure>> {
        let (host, service) = (host.map(copied).transpose()?, service.map(copied).transpose()?);
        // Of the hints only these count (getaddrinfo(3)); the pointers are not the job's to read.
        let hints = hints.map(|h| (h.ai_flags, h.ai_family, h.ai_socktype, h.ai_protocol));
        pool::run(s, deadline, move || {
            // SAFETY: an all-zero addrinfo is a valid hint.
            let mut wish: libc::addrinfo = unsafe { std::mem::zeroed() };
            if let Some(h) = hints {
                (wish.ai_flags, wish.ai_family, wish.ai_socktype, wish.ai_protocol) = h;
            }
            let pointer = |text: &Option<std::ffi::CString>| text.as_ref().map_or(std::ptr::null(), |t| t.as_ptr());
            let wish = if hints.is_some() { &raw const wish } else { std::ptr::null() };
            let mut list = std::ptr::null_mut();
            // SAFETY: texts are NUL-terminated or null; the hint and the list are valid places.
            let code = unsafe { libc::getaddrinfo(pointer(&host), pointer(&service), wish, &mut list) };
            match code {
                0 => Ok(List(list)),
                _ => Err((code, errno_of(code, Error::last()))),
            }
        })
    };
    let list = look().map_err(|e| (0, e))??;
    let pointer = list.0;
    std::mem::forget(list);
    Ok(pointer)
}

/// Frees a list; null is fine.
///
/// # Safety
/// Null, or from [`addresses`] or getaddrinfo(3), and not freed before.
pub unsafe fn free(list: *mut libc::addrinfo) {
    if !list.is_null() {
        // SAFETY: by the caller.
        unsafe { libc::freeaddrinfo(list) };
    }
}

/// The name of an address, and of its service: NUL-terminated texts.
pub struct Names {
    host: [u8; HOST_ROOM],
    service: [u8; SERVICE_ROOM],
}

impl Names {
    /// The host's, no longer than the room it was asked for with.
    pub fn host(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.host).unwrap_or_default()
    }

    /// The service's.
    pub fn service(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.service).unwrap_or_default()
    }
}

/// Looks names up; `host_room` and `service_room` are the caller's, 0 for a name not wanted.
pub fn names(
    s: &'static Scheduler,
    address: libc::sockaddr_storage,
    len: libc::socklen_t,
    (host_room, service_room): (usize, usize),
    flags: i32,
    deadline: i64,
) -> std::result::Result<Names, Failure> {
    let looked = pool::run(s, deadline, move || {
        let mut names = Names { host: [0; HOST_ROOM], service: [0; SERVICE_ROOM] };
        let place =
            |text: &mut [u8], room: usize| if room == 0 { std::ptr::null_mut() } else { text.as_mut_ptr().cast() };
        // SAFETY: the address is valid for its length; the rooms are no larger than the texts.
        let code = unsafe {
            libc::getnameinfo(
                (&raw const address).cast(),
                len,
                place(&mut names.host, host_room),
                host_room.min(HOST_ROOM) as libc::socklen_t,
                place(&mut names.service, service_room),
                service_room.min(SERVICE_ROOM) as libc::socklen_t,
                flags,
            )
        };
        match code {
            0 => Ok(names),
            _ => Err((code, errno_of(code, Error::last()))),
        }
    });
    looked.map_err(|e| (0, e))?
}
