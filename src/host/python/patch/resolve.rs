//! The resolver functions of `_socket`: arguments and results as CPython has them, lookups by `names.rs`.
//!
//! What needs no name server and no file (numeric hosts) is CPython's own function at once, and so is every call whose arguments are
//! not what the function takes: it raises the error that fits.

use super::super::api::{api, drop_ref, new_ref, raise_errno, type_of, New, Obj};
use super::super::{gt, host};
use super::call::{apply, Args};
use super::hostent;
use super::names::{self, answered, hint, is_a, is_plain, look_up, numeric, raise_gai, text_of, BYTES, STR, TUPLE};
use super::values::{c_int_of, pack};
use core::ffi::{c_char, c_int, CStr};
use std::ffi::CString;
use std::net::IpAddr;

/// A service as getaddrinfo takes it: nothing inside for None. Nothing outside: CPython's function says what is wrong.
unsafe fn service_of(port: Obj) -> Option<Option<CString>> {
    let api = api();
    // SAFETY: GIL held by the caller; a live object.
    unsafe {
        if port == api.none {
            return Some(None);
        }
        if type_of(port) == api.long_type {
            return c_int_of(port, 0).and_then(|number| CString::new(number.to_string()).ok()).map(Some);
        }
        let mut size = 0;
        let start = if is_a(port, STR) {
            (api.PyUnicode_AsUTF8AndSize)(port, &mut size)
        } else if is_a(port, BYTES) {
            size = (api.PyObject_Size)(port);
            (api.PyBytes_AsString)(port).cast_const()
        } else {
            core::ptr::null()
        };
        if start.is_null() {
            (api.PyErr_Clear)();
            return None;
        }
        CString::new(core::slice::from_raw_parts(start.cast::<u8>(), size as usize)).ok().map(Some)
    }
}

/// An address as CPython shows it: a tuple of four or two, or (family, bytes) of a family it does not know.
unsafe fn shown(address: *const libc::sockaddr, size: libc::socklen_t) -> New {
    let api = api();
    // SAFETY: GIL held by the caller; a valid address of its family and size.
    unsafe {
        match c_int::from((*address).sa_family) {
            libc::AF_INET => {
                let port = u16::from_be((*address.cast::<libc::sockaddr_in>()).sin_port);
                pack(&[numeric(address), (api.PyLong_FromLong)(port.into())])
            }
            libc::AF_INET6 => {
                let six = &*address.cast::<libc::sockaddr_in6>();
                let numbers = [u16::from_be(six.sin6_port).into(), u32::from_be(six.sin6_flowinfo), six.sin6_scope_id]
                    .map(|number| (api.PyLong_FromUnsignedLong)(number.into()));
                pack(&[numeric(address), numbers[0], numbers[1], numbers[2]])
            }
            family => {
                let data = (&raw const (*address).sa_data).cast::<c_char>();
                let left = size as isize - core::mem::offset_of!(libc::sockaddr, sa_data) as isize;
                pack(&[(api.PyLong_FromLong)(family.into()), (api.PyBytes_FromStringAndSize)(data, left.max(0))])
            }
        }
    }
}

/// `getaddrinfo(host, port, family=0, type=0, proto=0, flags=0)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn getaddrinfo(args: &Args) -> New {
    let api = api();
    // SAFETY: the arguments are the caller's; lists and tuples are ours.
    unsafe {
        let mut given = [core::ptr::null_mut(); 6];
        let names = [c"host", c"port", c"family", c"type", c"proto", c"flags"];
        if !host::home() || !args.bind(&names, &mut given) || given[0].is_null() || given[1].is_null() {
            return args.original();
        }
        let [Some(family), Some(kind), Some(protocol), Some(flags)] = [2, 3, 4, 5].map(|at| c_int_of(given[at], 0))
        else {
            return args.original();
        };
        let named = if given[0] == api.none { None } else { Some(text_of(given[0])) };
        let (Some(named), Some(service)) = (named.map_or(Some(None), |text| text.map(Some)), service_of(given[1]))
        else {
            return args.original();
        };
        let digits = service.as_ref().is_none_or(|text| text.to_bytes().iter().all(u8::is_ascii_digit));
        let at_once = flags & libc::AI_NUMERICHOST != 0 || named.as_ref().is_none_or(|text| is_plain(text));
        if digits && at_once {
            return args.original();
        }
        let numbers = [family, kind, protocol].map(|number| (api.PyLong_FromLong)(number.into()));
        let seen = [new_ref(given[0]), new_ref(given[1]), numbers[0], numbers[1], numbers[2]];
        if !names::audit(c"socket.getaddrinfo", &seen) {
            return core::ptr::null_mut();
        }
        let mut hints = hint(family);
        (hints.ai_socktype, hints.ai_protocol, hints.ai_flags) = (kind, protocol, flags);
        let Some(found) = look_up(named.as_deref(), service.as_deref(), &hints) else { return core::ptr::null_mut() };
        let all = (api.PyList_New)(0);
        for entry in found.entries() {
            let name = if entry.ai_canonname.is_null() { c"".as_ptr() } else { entry.ai_canonname.cast_const() };
            let [family, kind, protocol] = [entry.ai_family, entry.ai_socktype, entry.ai_protocol]
                .map(|number| (api.PyLong_FromLong)(number.into()));
            let name = (api.PyUnicode_FromString)(name);
            let one = pack(&[family, kind, protocol, name, shown(entry.ai_addr, entry.ai_addrlen)]);
            let fine = !all.is_null() && !one.is_null() && (api.PyList_Append)(all, one) == 0;
            drop_ref(one);
            if !fine {
                drop_ref(all);
                return core::ptr::null_mut();
            }
        }
        all
    }
}

/// The host of a function of one name, if there is something to look up in it.
unsafe fn only_name(args: &Args) -> Option<CString> {
    // SAFETY: the arguments are the caller's.
    unsafe {
        if !host::home() || args.positional() != 1 || args.keywords() != 0 {
            return None;
        }
        text_of(args.at(0))
    }
}

/// `gethostbyname(host)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn gethostbyname(args: &Args) -> New {
    // SAFETY: the argument is the caller's.
    unsafe {
        let Some(name) = only_name(args).filter(|name| !is_plain(name)) else { return args.original() };
        if !names::audit(c"socket.gethostbyname", &[new_ref(args.at(0))]) {
            return core::ptr::null_mut();
        }
        let Some(found) = look_up(Some(&name), None, &hint(libc::AF_INET)) else { return core::ptr::null_mut() };
        let first = found.entries().next();
        first.map_or_else(|| raise_gai(libc::EAI_NONAME), |first| numeric(first.ai_addr))
    }
}

/// `gethostbyname_ex(host)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn gethostbyname_ex(args: &Args) -> New {
    // SAFETY: the argument is the caller's.
    unsafe {
        let Some(name) = only_name(args).filter(|name| !is_plain(name)) else { return args.original() };
        if !names::audit(c"socket.gethostbyname", &[new_ref(args.at(0))]) {
            return core::ptr::null_mut();
        }
        // CPython asks both; the first answer is for its error.
        if look_up(Some(&name), None, &hint(libc::AF_INET)).is_none() {
            return core::ptr::null_mut();
        }
        hostent::look_up(hostent::Question::Name(name), libc::AF_INET)
    }
}

/// `gethostbyaddr(host)`
///
/// # Safety
/// Called by CPython.
pub unsafe fn gethostbyaddr(args: &Args) -> New {
    // SAFETY: the argument is the caller's.
    unsafe {
        let Some(name) = only_name(args).filter(|name| !name.is_empty() && name.to_bytes()[0] != b'<') else {
            return args.original();
        };
        if !names::audit(c"socket.gethostbyaddr", &[new_ref(args.at(0))]) {
            return core::ptr::null_mut();
        }
        let mut address = name.to_str().ok().and_then(|text| text.parse().ok());
        if address.is_none() {
            // A name is looked up first, as CPython does.
            let Some(found) = look_up(Some(&name), None, &hint(libc::AF_UNSPEC)) else { return core::ptr::null_mut() };
            address = found.entries().next().and_then(|first| names::ip_of(first.ai_addr));
        }
        match address {
            Some(address) => {
                let family = if IpAddr::is_ipv4(&address) { libc::AF_INET } else { libc::AF_INET6 };
                hostent::look_up(hostent::Question::Address(address), family)
            }
            None => raise_errno(-i64::from(libc::EAFNOSUPPORT)),
        }
    }
}

/// `getnameinfo(sockaddr, flags)`. CPython's own function first, with flags that need no lookup: it checks the arguments.
///
/// # Safety
/// Called by CPython.
pub unsafe fn getnameinfo(args: &Args) -> New {
    const NUMERIC: c_int = libc::NI_NUMERICHOST | libc::NI_NUMERICSERV;
    let api = api();
    // SAFETY: the arguments are the caller's; what is made here is dropped here.
    unsafe {
        let (address, flags) = (args.at(0), c_int_of(args.at(1), 0));
        let Some(flags) = flags.filter(|flags| flags & NUMERIC != NUMERIC) else { return args.original() };
        if !host::home() || args.positional() != 2 || args.keywords() != 0 || !is_a(address, TUPLE) {
            return args.original();
        }
        let trial = pack(&[new_ref(address), (api.PyLong_FromLong)((flags | NUMERIC).into())]);
        let answer = if trial.is_null() { trial } else { apply(args.row, args.this, trial, None) };
        drop_ref(trial);
        if answer.is_null() {
            return answer;
        }
        drop_ref(answer);
        let Some(target) = target_of(address) else { return args.original() };
        let (start, size) = match &target {
            Target::Four(four) => ((&raw const *four).cast::<libc::sockaddr>(), size_of::<libc::sockaddr_in>()),
            Target::Six(six) => ((&raw const *six).cast::<libc::sockaddr>(), size_of::<libc::sockaddr_in6>()),
        };
        let (mut host, mut service) = ([0 as c_char; 1025], [0 as c_char; 32]);
        let fine = answered(|| {
            let mut code = 0;
            let rc = gt::gt_getnameinfo(
                start,
                size as libc::socklen_t,
                host.as_mut_ptr(),
                host.len(),
                service.as_mut_ptr(),
                service.len(),
                flags,
                &mut code,
            );
            (rc.into(), code)
        });
        if !fine {
            return core::ptr::null_mut();
        }
        pack(&[(api.PyUnicode_DecodeFSDefault)(host.as_ptr()), (api.PyUnicode_FromString)(service.as_ptr())])
    }
}

/// The address of a `getnameinfo`.
enum Target {
    Four(libc::sockaddr_in),
    Six(libc::sockaddr_in6),
}

/// Reads `(host, port[, flowinfo[, scope]])`, which CPython's function has accepted: the host is a number.
unsafe fn target_of(address: Obj) -> Option<Target> {
    let api = api();
    // SAFETY: GIL held by the caller; a tuple of at least two.
    unsafe {
        let item = |index: isize| match index < (api.PyTuple_Size)(address) {
            true => (api.PyTuple_GetItem)(address, index),
            false => core::ptr::null_mut(),
        };
        let host = text_of(item(0))?;
        let mut hints = hint(libc::AF_UNSPEC);
        (hints.ai_socktype, hints.ai_flags) = (libc::SOCK_DGRAM, libc::AI_NUMERICHOST);
        let port = CString::new(c_int_of(item(1), 0)?.to_string()).ok()?;
        let found = at_once(&host, &port, &hints)?;
        let first = found.entries().next()?;
        match first.ai_family {
            libc::AF_INET => Some(Target::Four(*first.ai_addr.cast::<libc::sockaddr_in>())),
            libc::AF_INET6 => {
                let mut six = *first.ai_addr.cast::<libc::sockaddr_in6>();
                six.sin6_flowinfo = (c_int_of(item(2), 0)? as u32).to_be();
                six.sin6_scope_id = c_int_of(item(3), 0)? as u32;
                Some(Target::Six(six))
            }
            _ => None,
        }
    }
}

/// The resolver, asked for numbers only, which it reads without waiting.
fn at_once(host: &CStr, service: &CStr, hints: &libc::addrinfo) -> Option<names::List> {
    let mut list: *mut libc::addrinfo = core::ptr::null_mut();
    // SAFETY: texts that end in NUL; the list is freed by its owner.
    unsafe {
        match libc::getaddrinfo(host.as_ptr(), service.as_ptr(), hints, &mut list) {
            0 => Some(names::List::from_libc(list)),
            _ => None,
        }
    }
}
