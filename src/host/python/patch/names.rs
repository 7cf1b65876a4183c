//! Looking up the names of hosts, for the resolver functions of `_socket` and for names in the addresses that sockets are given.
//!
//! A lookup is the C library's own, made on a thread of the runtime's pool, where neither the GIL nor a thread state is needed. So it
//! does not wait for busy tasks, lookups overlap, and one whose task is interrupted is left behind. Codes and texts of errors
//! are CPython's: `socket.gaierror` with what gai_strerror(3) says, OSError where the resolver points to errno.

use super::super::api::{api, drop_ref, new_ref, raise_errno, type_of, New, Obj, PyObject};
use super::super::{deliver, gt};
use super::seconds::from_now;
use super::shapes::{self, read};
use super::time::{until_answered, Waited};
use super::values::pack;
use core::ffi::{c_char, c_int, c_ulong, c_void, CStr};
use core::sync::atomic::{AtomicPtr, Ordering};
use std::ffi::CString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `_socket.gaierror` and `_socket.herror`, kept once prepared.
static GAIERROR: AtomicPtr<PyObject> = AtomicPtr::new(core::ptr::null_mut());
static HERROR: AtomicPtr<PyObject> = AtomicPtr::new(core::ptr::null_mut());

/// Between two attempts when the pool has no room for another job.
const RETRY: i64 = 1_000_000;

// Py_TPFLAGS_*_SUBCLASS
pub const TUPLE: c_ulong = 1 << 26;
pub const BYTES: c_ulong = 1 << 27;
pub const STR: c_ulong = 1 << 28;

/// Looks up what the replacements need.
///
/// # Safety
/// GIL held.
pub unsafe fn prepare() -> Result<(), String> {
    for (place, name) in [(&GAIERROR, "gaierror"), (&HERROR, "herror")] {
        if place.load(Ordering::Acquire).is_null() {
            // SAFETY: the caller's promise.
            let found = unsafe { super::table::attribute(&["_socket", name]) };
            place.store(found.ok_or_else(|| format!("there is no _socket.{name}"))?, Ordering::Release);
        }
    }
    Ok(())
}

/// Whether the type of an object has one of those flags.
///
/// # Safety
/// GIL held; a live object.
pub unsafe fn is_a(object: Obj, flags: c_ulong) -> bool {
    // SAFETY: the caller's promise.
    unsafe { (api().PyType_GetFlags)(type_of(object)) & flags != 0 }
}

/// Raises `class(code, text)`. NULL.
unsafe fn raise_pair(class: &AtomicPtr<PyObject>, code: c_int, text: *const c_char) -> New {
    let api = api();
    // SAFETY: GIL held by the caller; a text that ends in NUL.
    unsafe {
        let value = pack(&[(api.PyLong_FromLong)(code.into()), (api.PyUnicode_FromString)(text)]);
        if !value.is_null() {
            (api.PyErr_SetObject)(class.load(Ordering::Relaxed), value);
        }
        drop_ref(value);
    }
    core::ptr::null_mut()
}

/// Raises `socket.gaierror`. NULL.
///
/// # Safety
/// GIL held, after [`prepare`].
pub unsafe fn raise_gai(code: c_int) -> New {
    // SAFETY: the caller's promise; the text is the C library's own.
    unsafe { raise_pair(&GAIERROR, code, libc::gai_strerror(code)) }
}

/// Raises `socket.herror`. NULL.
///
/// # Safety
/// As [`raise_gai`].
pub unsafe fn raise_h(code: c_int) -> New {
    extern "C" {
        fn hstrerror(code: c_int) -> *const c_char;
    }
    // SAFETY: as above.
    unsafe { raise_pair(&HERROR, code, hstrerror(code)) }
}

/// `sys.audit(event, *values)` (values taken over): false when a hook has raised.
///
/// # Safety
/// GIL held; owned references, or NULL with an exception set.
pub unsafe fn audit(event: &CStr, values: &[New]) -> bool {
    type Audit = unsafe extern "C" fn(*const c_char, *const c_char, ...) -> c_int;
    // SAFETY: the name is exported by every CPython from 3.8 on, with this type; a tuple becomes the arguments as it is.
    unsafe {
        let values = pack(values);
        if values.is_null() {
            return false;
        }
        let found = libc::dlsym(libc::RTLD_DEFAULT, c"PySys_Audit".as_ptr());
        let fine = found.is_null()
            || core::mem::transmute::<*mut c_void, Audit>(found)(event.as_ptr(), c"O".as_ptr(), values) == 0;
        drop_ref(values);
        fine
    }
}

/// A host's name as the C library wants it. Nothing for what CPython's own function has to refuse, or cannot be looked up.
///
/// # Safety
/// GIL held; a live object. May run Python code (the codec).
pub unsafe fn text_of(host: Obj) -> Option<CString> {
    let api = api();
    // SAFETY: a str or bytes object, alive while its bytes are copied.
    unsafe {
        if is_a(host, BYTES) {
            return copied((api.PyBytes_AsString)(host).cast(), (api.PyObject_Size)(host));
        }
        if !is_a(host, STR) {
            return None;
        }
        let mut size = 0;
        let bytes = (api.PyUnicode_AsUTF8AndSize)(host, &mut size).cast::<u8>();
        if bytes.is_null() {
            (api.PyErr_Clear)();
            return None;
        }
        if is_simple(core::slice::from_raw_parts(bytes, size as usize)) {
            return copied(bytes, size);
        }
        let encoded = (api.PyUnicode_AsEncodedString)(host, c"idna".as_ptr(), core::ptr::null());
        if encoded.is_null() {
            (api.PyErr_Clear)();
            return None;
        }
        let text = copied((api.PyBytes_AsString)(encoded).cast(), (api.PyObject_Size)(encoded));
        drop_ref(encoded);
        text
    }
}

/// Whether the codec would leave a name as it is.
fn is_simple(name: &[u8]) -> bool {
    let name = name.strip_suffix(b".").unwrap_or(name);
    name.is_ascii() && (name.is_empty() || name.split(|byte| *byte == b'.').all(|label| matches!(label.len(), 1..64)))
}

unsafe fn copied(start: *const u8, size: isize) -> Option<CString> {
    if start.is_null() || size < 0 {
        return None;
    }
    // SAFETY: the caller's bytes.
    CString::new(unsafe { core::slice::from_raw_parts(start, size as usize) }).ok()
}

/// Whether a host's name needs no lookup: nothing, numbers, or CPython's word for broadcasts.
pub fn is_plain(host: &CStr) -> bool {
    let host = host.to_bytes();
    host.is_empty()
        || host == b"<broadcast>"
        || core::str::from_utf8(host)
            .is_ok_and(|text| text.split('%').next().is_some_and(|address| address.parse::<IpAddr>().is_ok()))
}

/// The resolver's answer.
pub struct List(*mut libc::addrinfo);

impl List {
    /// One that getaddrinfo(3) made.
    ///
    /// # Safety
    /// From getaddrinfo(3), and not freed elsewhere.
    pub unsafe fn from_libc(list: *mut libc::addrinfo) -> List {
        List(list)
    }

    /// Its entries.
    pub fn entries(&self) -> impl Iterator<Item = &libc::addrinfo> {
        // SAFETY: the list and its entries live until they are dropped.
        let mut next = unsafe { self.0.as_ref() };
        core::iter::from_fn(move || {
            let entry = next?;
            // SAFETY: as above.
            next = unsafe { entry.ai_next.as_ref() };
            Some(entry)
        })
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: from gt_getaddrinfo.
        unsafe { gt::gt_freeaddrinfo(self.0) };
    }
}

/// A verb of the pool, asked until it has an answer that is not about the pool. `ask` gives the result and the resolver's code.
/// False: an exception is set.
///
/// # Safety
/// GIL held, on a task; `ask` may switch.
pub unsafe fn answered(mut ask: impl FnMut() -> (i64, c_int)) -> bool {
    loop {
        let (rc, code) = ask();
        let quiet = code == 0 || code == libc::EAI_SYSTEM;
        // SAFETY: GIL held again after the switch.
        unsafe {
            match -rc as c_int {
                _ if rc >= 0 => return true,
                _ if !quiet => raise_gai(code),
                libc::EINTR | libc::ECANCELED if code == 0 => {
                    if !deliver::raise_wake(rc as c_int) {
                        continue;
                    }
                    core::ptr::null_mut()
                }
                libc::EAGAIN if code == 0 => {
                    let again = from_now(RETRY);
                    if until_answered(|| gt::gt_sleep_until(again).into()) != Waited::Raised {
                        continue;
                    }
                    core::ptr::null_mut()
                }
                _ => raise_errno(rc),
            };
        }
        return false;
    }
}

/// Looks a name up. Nothing: an exception is set.
///
/// # Safety
/// GIL held, on a task; NULL or texts that end in NUL. May switch.
pub unsafe fn look_up(host: Option<&CStr>, service: Option<&CStr>, hints: &libc::addrinfo) -> Option<List> {
    let pointer = |text: Option<&CStr>| text.map_or(core::ptr::null(), CStr::as_ptr);
    let mut list = core::ptr::null_mut();
    // SAFETY: the texts and the places outlive the call.
    unsafe {
        answered(|| {
            let mut code = 0;
            let rc = gt::gt_getaddrinfo(pointer(host), pointer(service), hints, &mut list, &mut code);
            (rc.into(), code)
        })
        .then_some(List(list))
    }
}

/// An all-zero hint with that family.
pub fn hint(family: c_int) -> libc::addrinfo {
    // SAFETY: an all-zero addrinfo is a valid hint.
    let mut hints: libc::addrinfo = unsafe { core::mem::zeroed() };
    hints.ai_family = family;
    hints
}

/// The IP address of a socket address.
///
/// # Safety
/// A valid address of its family.
pub unsafe fn ip_of(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: the family says which struct it is.
    unsafe {
        match c_int::from((*address).sa_family) {
            libc::AF_INET => {
                let four = (*address.cast::<libc::sockaddr_in>()).sin_addr.s_addr;
                Some(IpAddr::V4(Ipv4Addr::from(four.to_ne_bytes())))
            }
            libc::AF_INET6 => {
                Some(IpAddr::V6(Ipv6Addr::from((*address.cast::<libc::sockaddr_in6>()).sin6_addr.s6_addr)))
            }
            _ => None,
        }
    }
}

/// The numeric text of a socket address, as inet_ntop(3) writes it.
///
/// # Safety
/// GIL held; a valid address of its family.
pub unsafe fn numeric(address: *const libc::sockaddr) -> New {
    let mut room = [0 as c_char; 64];
    // SAFETY: the family says where the bytes are; the room is longer than any address.
    unsafe {
        let family = c_int::from((*address).sa_family);
        let from: *const c_void = match family {
            libc::AF_INET => (&raw const (*address.cast::<libc::sockaddr_in>()).sin_addr).cast(),
            _ => (&raw const (*address.cast::<libc::sockaddr_in6>()).sin6_addr).cast(),
        };
        extern "C" {
            fn inet_ntop(family: c_int, from: *const c_void, to: *mut c_char, size: libc::socklen_t) -> *const c_char;
        }
        if inet_ntop(family, from, room.as_mut_ptr(), room.len() as libc::socklen_t).is_null() {
            return raise_errno(-i64::from(*libc::__errno_location()));
        }
        (api().PyUnicode_FromString)(room.as_ptr())
    }
}

/// The address that a socket is given, with its host looked up if that is a name: a new reference to the same object when
/// there is nothing to look up. NULL with an exception set.
///
/// # Safety
/// GIL held, on a task; `socket` is a `_socket.socket`. May switch.
pub unsafe fn settled(socket: Obj, address: Obj) -> New {
    let api = api();
    // SAFETY: PS1; the tuple is the caller's.
    unsafe {
        let family: c_int = read(socket, shapes::socket().family);
        let inet = family == libc::AF_INET || family == libc::AF_INET6;
        if !inet || address.is_null() || !is_a(address, TUPLE) || (api.PyTuple_Size)(address) < 2 {
            return new_ref(address);
        }
        let Some(host) = text_of((api.PyTuple_GetItem)(address, 0)).filter(|host| !is_plain(host)) else {
            return new_ref(address);
        };
        let Some(list) = look_up(Some(&host), None, &hint(family)) else { return core::ptr::null_mut() };
        let Some(first) = list.entries().next() else { return raise_gai(libc::EAI_NONAME) };
        let rest = (1..(api.PyTuple_Size)(address)).map(|index| new_ref((api.PyTuple_GetItem)(address, index)));
        pack(&core::iter::once(numeric(first.ai_addr)).chain(rest).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_need_no_lookup() {
        for plain in [c"", c"127.0.0.1", c"::1", c"fe80::1%eth0", c"<broadcast>", c"255.255.255.255"] {
            assert!(is_plain(plain), "{plain:?}");
        }
        for name in [c"localhost", c"1.2.3.4.example", c"127.1", c"%eth0", c"a%127.0.0.1"] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
